"""From features to a numeric matrix: one encoder, fitted inside every training part.

Reading a frame is slow and depends on no other patient, so it is done once; what is learned from a training part is
learned from the table that was read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from predictor.features.chain import Chain, chain_from_plain, chain_to_plain
from predictor.features.columns import TEXT, EncodedColumn
from predictor.features.imputation import Draw, Standardised, fit_chain, impute_training

if TYPE_CHECKING:
    from predictor.features.dataset import Feature

__all__ = [
    "EncodedColumn",
    "Encoder",
    "Table",
    "build_preprocessor",
    "encode",
    "encode_table",
    "encoded_columns",
    "fitted_chain",
    "read_table",
]

FEWEST_OF_A_LEVEL = 5

# A balanced indicator has a standard deviation of 0.5. Dividing every indicator by this constant, rather than
# by its own deviation, puts common ones on the scale of the standardised numbers and lets a penalty hold rare
# ones back; divided by its own deviation, a level of five patients in 600 would escape the penalty almost
# entirely (Gelman 2008, Stat Med 27:2865).
INDICATOR_SCALE = 0.5


@dataclass(frozen=True)
class Table:
    """Features of patients as they were read, before anything is learned from anybody.

    Parameters
    ----------
    names : tuple of str
        Numbers.
    transforms : tuple of str
        Of each number.
    numbers : ndarray of float64 of shape (n, numbers)
        Transformed; NaN where missing or outside the transformation's domain.
    missing : ndarray of bool of shape (n, numbers)
    categories : tuple of str
    levels : tuple of tuple of str
        Every text that occurs in each category, sorted.
    codes : ndarray of int of shape (n, categories)
        Position among the levels; -1 where missing.
    """

    names: tuple[str, ...]
    transforms: tuple[str, ...]
    numbers: np.ndarray
    missing: np.ndarray
    categories: tuple[str, ...]
    levels: tuple[tuple[str, ...], ...]
    codes: np.ndarray

    def __len__(self) -> int:
        return len(self.numbers)

    def take(self, rows: np.ndarray) -> Table:
        """Return the table of some patients."""
        return replace(self, numbers=self.numbers[rows], missing=self.missing[rows], codes=self.codes[rows])


def read_table(X: pd.DataFrame, numbers: Mapping[str, str], categories: Sequence[str]) -> Table:
    """Read features from a frame.

    Parameters
    ----------
    X : pandas.DataFrame of shape (n, features)
        Numbers as float with NaN, categories as objects with None; further columns are ignored.
    numbers : mapping of str to {"none", "log", "log1p", "sqrt"}
        Names and transformations.
    categories : sequence of str
    """
    given = X[list(numbers)].to_numpy(dtype=np.float64, na_value=np.nan) if numbers else np.empty((len(X), 0))
    values = np.array(given, order="F")
    for position, transform in enumerate(numbers.values()):
        values[:, position] = _transformed(values[:, position], transform)
    read = [_read_category(X[name].to_numpy(dtype=object)) for name in categories]
    codes = np.column_stack([codes for codes, _ in read]) if read else np.empty((len(X), 0), dtype=np.intp)
    return Table(
        names=tuple(numbers),
        transforms=tuple(numbers.values()),
        numbers=values,
        missing=np.isnan(values),
        categories=tuple(categories),
        levels=tuple(levels for _, levels in read),
        codes=codes,
    )


def encode(columns: Sequence[EncodedColumn], X: pd.DataFrame) -> np.ndarray:
    """Encode patients from plain numbers, bit for bit as the fitted encoder does.

    Parameters
    ----------
    columns : sequence of EncodedColumn
        From `encoded_columns`.
    X : pandas.DataFrame of shape (n, features)
        Numbers as float with NaN, categories as objects with None; further columns are ignored.

    Returns
    -------
    ndarray of float64 of shape (n, len(columns))
        Values representable in float32. Tree libraries compare float32 values with float64 thresholds;
        rounding here, once, is what lets the trees, their explanations and their compact copies agree on
        which side a patient falls.
    """
    transforms = {column.feature: column.transform for column in columns}
    numbers = {name: transform for name, transform in transforms.items() if transform != TEXT}
    categories = [name for name, transform in transforms.items() if transform == TEXT]
    return encode_table(columns, read_table(X, numbers, categories))


def encode_table(columns: Sequence[EncodedColumn], table: Table) -> np.ndarray:
    """Encode patients who were read already; see `encode`."""
    raw = np.empty((len(table), len(columns)), order="F")
    levels = _kept_levels(columns)
    number = {name: position for position, name in enumerate(table.names)}
    category = {name: position for position, name in enumerate(table.categories)}
    for position, column in enumerate(columns):
        if column.transform == TEXT:
            at = category[column.feature]
            kept = levels.get(column.feature, ())
            raw[:, position] = _raw_category(column, table.codes[:, at], table.levels[at], kept)
        else:
            at = number[column.feature]
            raw[:, position] = _raw_number(column, table.numbers[:, at], table.missing[:, at])
    raw -= np.array([column.center for column in columns])
    raw /= np.array([column.scale for column in columns])
    return raw.astype(np.float32).astype(np.float64)


def encoded_columns(fitted: Encoder) -> tuple[EncodedColumn, ...]:
    """Every encoded column of a fitted encoder, in the order of its output."""
    check_is_fitted(fitted, "encoded_")
    return tuple(EncodedColumn(**column) for column in fitted.encoded_)


def fitted_chain(fitted: Encoder) -> Chain | None:
    """Imputer of new patients; None where numbers are filled in by their median."""
    check_is_fitted(fitted, "encoded_")
    return None if fitted.imputation is None else chain_from_plain(fitted.chain_)


def build_preprocessor(features: Sequence[Feature], draw: Draw | None = None) -> Encoder:
    """Declare one unfitted encoder for the features: numbers first, then categories.

    Parameters
    ----------
    features : sequence of Feature
        Columns of ``X`` to use; columns not named are ignored.
    draw : Draw, optional
        Which of several imputations; without it missing numbers get the training median and an indicator.
    """
    return Encoder(
        numbers={feature.name: feature.transform for feature in features if feature.kind == "number"},
        categories=[feature.name for feature in features if feature.kind == "category"],
        imputation=None if draw is None else asdict(draw),
    )


class Encoder(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Numbers: transform, impute by the training median with a missing indicator, standardise. Categories: indicators.

    A number that is missing throughout the training part, or constant in it, gives no column. A category gives an
    indicator for each level seen in at least five training patients and one for all rarer. Rare texts are not stored:
    five patients are the fewest about whom anything is shown. Missing has an indicator of its own when it occurred.
    Two alternatives need one column. A level not seen in training counts among the rarer ones or, where there were
    none, as none of the levels.

    Parameters
    ----------
    numbers : dict of str to {"none", "log", "log1p", "sqrt"}
        Columns and what is applied to them first.
    categories : list of str
    imputation : dict of str to int, optional
        Fields of a `Draw`. Numbers are then imputed by `predictor.features.imputation` instead, without an indicator.
        `fit_transform` imputes the training part with its outcome; `transform` imputes whoever is given, also a
        training patient, by a chain that was fitted without any.

    Attributes
    ----------
    encoded_ : list of dict
        Fields of each `EncodedColumn`.
    chain_ : dict
        Fields of the `Chain`; only with ``imputation``.
    """

    encoded_: list[dict[str, Any]]
    chain_: dict[str, Any]

    def __init__(
        self,
        numbers: dict[str, str] | None = None,
        categories: list[str] | None = None,
        imputation: dict[str, int] | None = None,
    ) -> None:
        self.numbers = numbers
        self.categories = categories
        self.imputation = imputation

    def read(self, X: pd.DataFrame) -> Table:
        """Read the declared columns of a frame; nothing is learned."""
        return read_table(X, self.numbers or {}, self.categories or [])

    def fit(self, X: pd.DataFrame | Table, y: object = None) -> Encoder:
        """Learn the columns from the training part alone, a frame or a table that was read from one."""
        table = X if isinstance(X, Table) else self.read(X)
        if self.imputation is not None:
            self._fit_imputer(table)
            return self
        columns = [*_learn_numbers(table), *_learn_categories(table)]
        self.encoded_ = [vars(column).copy() for column in columns]
        return self

    def fit_transform(self, X: pd.DataFrame | Table, y: Any = None) -> np.ndarray:
        """Learn the columns and encode the training part; with several imputations its outcome helps to fill it in.

        Parameters
        ----------
        X : DataFrame or Table
        y : ndarray of shape (n,), optional
            0 and 1; needed by multiple imputation alone.
        """
        table = X if isinstance(X, Table) else self.read(X)
        if self.imputation is None:
            return self.fit(table).transform(table)
        if y is None:
            raise ValueError("Multiple imputation of a training part needs its outcome. Give y.")
        numbers = self._fit_imputer(table)
        columns = encoded_columns(self)
        filled = impute_training(numbers, np.asarray(y), Draw(**self.imputation))
        completed = _completed(table, numbers.names, numbers.centers + numbers.scales * filled)
        return encode_table(columns, completed)

    def _fit_imputer(self, table: Table) -> Standardised:
        """Fit the chain of new patients; return what it was fitted on."""
        categories = list(_learn_categories(table))
        numbers = _standardise(table, categories)
        parts = zip(numbers.names, numbers.centers.tolist(), numbers.scales.tolist(), strict=True)
        values = [EncodedColumn(name, "value", fill=c, center=c, scale=s) for name, c, s in parts]
        self.encoded_ = [vars(column).copy() for column in (*values, *categories)]
        self.chain_ = chain_to_plain(fit_chain(numbers, Draw(**(self.imputation or {}))))
        return numbers

    def transform(self, X: pd.DataFrame | Table) -> np.ndarray:
        """Encode patients: ndarray of shape (n, columns)."""
        columns, table = encoded_columns(self), X if isinstance(X, Table) else self.read(X)
        chain = fitted_chain(self)
        if chain is not None:
            at = [table.names.index(name) for name in chain.names]
            context = encode_table(chain.context, table).T
            table = _completed(table, chain.names, chain.filled(table.numbers[:, at].T, context).T)
        return encode_table(columns, table)

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray:
        """Names of the encoded columns."""
        return np.array([column.name for column in encoded_columns(self)], dtype=object)


def _standardise(table: Table, categories: Sequence[EncodedColumn]) -> Standardised:
    """Take the numbers that vary, by the mean and standard deviation of those known."""
    kept = [i for i in range(len(table.names)) if len(np.unique(table.numbers[~table.missing[:, i], i])) > 1]
    known = table.numbers[:, kept]
    centers = np.nanmean(known, axis=0) if kept else np.zeros(0)
    scales = np.nanstd(known, axis=0) if kept else np.zeros(0)
    return Standardised(
        names=tuple(table.names[i] for i in kept),
        transforms=tuple(table.transforms[i] for i in kept),
        values=(known - centers) / scales,
        centers=centers,
        scales=scales,
        context=tuple(categories),
        indicators=encode_table(categories, table),
    )


def _completed(table: Table, names: Sequence[str], values: np.ndarray) -> Table:
    """Put numbers without a gap in place of those that were read."""
    numbers, missing = table.numbers.copy(order="F"), table.missing.copy()
    at = [table.names.index(name) for name in names]
    numbers[:, at] = np.where(missing[:, at], values, numbers[:, at])
    missing[:, at] = False
    return replace(table, numbers=numbers, missing=missing)


def _learn_numbers(table: Table) -> Iterator[EncodedColumn]:
    n, present = len(table), (~table.missing).sum(axis=0)
    ordered = np.sort(table.numbers, axis=0)  # missing values last
    for position, (name, transform) in enumerate(zip(table.names, table.transforms, strict=True)):
        known = int(present[position])
        if known == 0:
            continue
        fill = float((ordered[(known - 1) // 2, position] + ordered[known // 2, position]) / 2.0)
        if ordered[0, position] < ordered[known - 1, position]:
            filled = np.where(table.missing[:, position], fill, table.numbers[:, position])
            center, scale = float(filled.mean()), float(filled.std())
            yield EncodedColumn(name, "value", transform=transform, fill=fill, center=center, scale=scale)
        if known < n:
            share = (n - known) / n
            yield EncodedColumn(name, "missing", transform=transform, center=share, scale=INDICATOR_SCALE)


def _learn_categories(table: Table) -> Iterator[EncodedColumn]:
    for position, (name, levels) in enumerate(zip(table.categories, table.levels, strict=True)):
        codes = table.codes[:, position]
        counts = np.bincount(codes[codes >= 0], minlength=len(levels))
        kept = [level for level, count in zip(levels, counts, strict=True) if count >= FEWEST_OF_A_LEVEL]
        rare = bool(((counts > 0) & (counts < FEWEST_OF_A_LEVEL)).any())
        columns = [EncodedColumn(name, "level", level=level, transform=TEXT) for level in _coded(kept, rare)]
        if rare and len(kept) > 1:
            columns.append(EncodedColumn(name, "other", transform=TEXT))
        if 0 < int(counts.sum()) < len(codes):
            columns.append(EncodedColumn(name, "missing", transform=TEXT))
        for column in columns:
            share = float(_raw_category(column, codes, levels, kept).mean())
            yield replace(column, center=share, scale=INDICATOR_SCALE)


def _coded(kept: list[str], rare: bool) -> list[str]:
    """Levels that need a column: the second of two alternatives, none of one, all of several."""
    if rare:
        return kept
    return kept[1:] if len(kept) <= 2 else kept


def _raw_number(column: EncodedColumn, values: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """Value of one encoded column before centring."""
    return np.where(missing, column.fill, values) if column.operation == "value" else missing


def _raw_category(
    column: EncodedColumn, codes: np.ndarray, levels: Sequence[str], kept: Sequence[str]
) -> np.ndarray:
    """Value of one encoded column before centring."""
    if column.operation == "missing":
        return np.asarray(codes < 0)
    if column.operation == "level":
        return np.asarray(codes == (levels.index(column.level) if column.level in levels else len(levels)))
    named = set(kept)
    known = np.array([*(level in named for level in levels), True])  # the last one stands for a missing text
    return np.asarray(~known[codes])


def _kept_levels(columns: Sequence[EncodedColumn]) -> dict[str, list[str]]:
    """Kept levels of every category that has a column for rarer ones."""
    levels: dict[str, list[str]] = {}
    for column in columns:
        if column.operation == "level":
            levels.setdefault(column.feature, []).append(column.level)
    return levels


def _transformed(values: np.ndarray, transform: str) -> np.ndarray:
    """Transform numbers; what falls outside the transformation's domain becomes NaN."""
    functions = {"log": np.log, "log1p": np.log1p, "sqrt": np.sqrt}
    if transform != "none":
        with np.errstate(divide="ignore", invalid="ignore"):
            values = functions[transform](values)
    return np.where(np.isfinite(values), values, np.nan)


def _read_category(values: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Codes of texts, -1 where missing, and the texts."""
    first, seen = pd.factorize(values)
    texts = [str(value) for value in seen]
    levels = sorted(set(texts))
    position = {level: i for i, level in enumerate(levels)}
    places = np.array([*(position[text] for text in texts), -1], dtype=np.intp)
    return places[first], tuple(levels)
