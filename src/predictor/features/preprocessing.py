"""From features to a numeric matrix: one ColumnTransformer, fitted inside every training part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.utils.validation import check_is_fitted

if TYPE_CHECKING:
    from predictor.features.dataset import Feature

__all__ = [
    "CategoryEncoder",
    "EncodedColumn",
    "NumberEncoder",
    "build_preprocessor",
    "encode",
    "encoded_columns",
]

FEWEST_OF_A_LEVEL = 5

# A balanced indicator has a standard deviation of 0.5. Dividing every indicator by this constant, rather than
# by its own deviation, puts common ones on the scale of the standardised numbers and lets a penalty hold rare
# ones back; divided by its own deviation, a level of five patients in 600 would escape the penalty almost
# entirely (Gelman 2008, Stat Med 27:2865).
INDICATOR_SCALE = 0.5

TEXT = "text"


@dataclass(frozen=True)
class EncodedColumn:
    """One column of the encoded matrix, as plain numbers: ``(value - center) / scale`` rounded to float32.

    Parameters
    ----------
    feature : str
        Column of ``X`` it comes from.
    operation : {"value", "missing", "level", "other"}
        The transformed number; or 1 where it is missing, equals ``level``, or is present but none of the kept
        levels.
    level : str
        Kept level; empty for the other operations.
    transform : {"none", "log", "log1p", "sqrt", "text"}
        Applied to numbers, what falls outside its domain counting as missing; ``text`` for categories.
    fill : float
        Median of the transformed training values, taken where a number is missing; 0 for the other
        operations.
    center, scale : float
        Training mean, and standard deviation of a number or 0.5 of an indicator.
    """

    feature: str
    operation: Literal["value", "missing", "level", "other"]
    level: str = ""
    transform: str = "none"
    fill: float = 0.0
    center: float = 0.0
    scale: float = 1.0

    @property
    def name(self) -> str:
        """``feature``, ``feature=level``, ``feature missing`` or ``feature other``."""
        if self.operation == "level":
            return f"{self.feature}={self.level}"
        return self.feature if self.operation == "value" else f"{self.feature} {self.operation}"


def encode(columns: Sequence[EncodedColumn], X: pd.DataFrame) -> np.ndarray:
    """Encode patients from plain numbers, bit for bit as the fitted ColumnTransformer does.

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
    read = _read(X, {column.feature: column.transform for column in columns})
    levels = _levels_by_feature(columns)
    raw = np.empty((len(X), len(columns)), dtype=np.float64)
    for position, column in enumerate(columns):
        raw[:, position] = _apply(column, read[column.feature], levels.get(column.feature, ()))
    centers = np.array([column.center for column in columns])
    scales = np.array([column.scale for column in columns])
    return np.asarray((raw - centers) / scales, dtype=np.float32).astype(np.float64)


def encoded_columns(fitted: ColumnTransformer) -> tuple[EncodedColumn, ...]:
    """Every encoded column of a fitted preprocessor, in the order of its output."""
    check_is_fitted(fitted)
    parts = [part for _, part, _ in fitted.transformers_ if isinstance(part, _Encoder)]
    return tuple(EncodedColumn(**column) for part in parts for column in part.encoded_)


def build_preprocessor(features: Sequence[Feature]) -> ColumnTransformer:
    """One unfitted ColumnTransformer for the declared features: numbers first, then categories.

    Parameters
    ----------
    features : sequence of Feature
        Columns of ``X`` to use; columns not named are dropped.

    Returns
    -------
    sklearn.compose.ColumnTransformer
        Numbers are transformed, imputed by the median with a missing indicator where the training part has
        missing values, and standardised; categories become indicators, see `CategoryEncoder`.
    """
    numbers = [feature for feature in features if feature.kind == "number"]
    categories = [feature.name for feature in features if feature.kind == "category"]
    transforms: dict[str, str] = {
        feature.name: feature.transform for feature in numbers if feature.transform != "none"
    }
    parts: list[tuple[str, Any, list[str]]] = []
    if numbers:
        parts.append(("numbers", NumberEncoder(transforms=transforms), [feature.name for feature in numbers]))
    if categories:
        parts.append(("categories", CategoryEncoder(), categories))
    return ColumnTransformer(parts, remainder="drop", sparse_threshold=0, verbose_feature_names_out=False)


class _Encoder(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """What both encoders share; the fitted state is ``encoded_``, the fields of each `EncodedColumn`."""

    encoded_: list[dict[str, Any]]

    def fit(self, X: pd.DataFrame, y: object = None) -> _Encoder:
        """Learn the columns from the training part alone."""
        self.feature_names_in_ = np.asarray(X.columns, dtype=object)
        self.n_features_in_ = X.shape[1]
        read = _read(X, self._transforms(X))
        self.encoded_ = [vars(column).copy() for name in read for column in self._learn(name, read[name])]
        return self

    def transform(self, X: pd.DataFrame) -> np.ndarray:
        """Encode patients: ndarray of shape (n, columns)."""
        check_is_fitted(self, "encoded_")
        return encode([EncodedColumn(**column) for column in self.encoded_], X)

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray:
        """Names of the encoded columns."""
        return np.array([EncodedColumn(**column).name for column in self.encoded_], dtype=object)

    def _transforms(self, X: pd.DataFrame) -> dict[str, str]:
        raise NotImplementedError

    def _learn(self, name: str, values: np.ndarray) -> list[EncodedColumn]:
        raise NotImplementedError


class NumberEncoder(_Encoder):
    """Numbers: transform, impute by the training median with a missing indicator, standardise.

    A column that is missing throughout the training part, or constant in it, gives no column.

    Parameters
    ----------
    transforms : mapping of str to {"log", "log1p", "sqrt"}, optional
        By column; columns not named are taken as they are.
    """

    def __init__(self, transforms: dict[str, str] | None = None) -> None:
        self.transforms = transforms

    def _transforms(self, X: pd.DataFrame) -> dict[str, str]:
        return {str(name): (self.transforms or {}).get(str(name), "none") for name in X.columns}

    def _learn(self, name: str, values: np.ndarray) -> list[EncodedColumn]:
        transform = (self.transforms or {}).get(name, "none")
        missing = np.isnan(values)
        if missing.all():
            return []
        fill = float(np.median(values[~missing]))
        filled = np.where(missing, fill, values)
        columns = []
        if filled.min() < filled.max():
            center, scale = float(filled.mean()), float(filled.std())
            value = EncodedColumn(name, "value", transform=transform, fill=fill, center=center, scale=scale)
            columns.append(value)
        if missing.any():
            columns.append(_indicator(EncodedColumn(name, "missing", transform=transform), values))
        return columns


class CategoryEncoder(_Encoder):
    """Categories: an indicator for each level seen in at least five training patients, one for all rarer.

    Rare texts are not stored: five patients are the fewest about whom anything is shown. Missing has an
    indicator of its own when it occurred. Two alternatives need one column. A level not seen in training
    counts among the rarer ones or, where there were none, as none of the levels.
    """

    def _transforms(self, X: pd.DataFrame) -> dict[str, str]:
        return {str(name): TEXT for name in X.columns}

    def _learn(self, name: str, values: np.ndarray) -> list[EncodedColumn]:
        present = ~_missing(values)
        seen, counts = np.unique(values[present].astype(str), return_counts=True)
        kept = [str(level) for level in seen[counts >= FEWEST_OF_A_LEVEL]]
        rare = bool((counts < FEWEST_OF_A_LEVEL).any())
        columns = [EncodedColumn(name, "level", level=level, transform=TEXT) for level in _coded(kept, rare)]
        if rare and len(kept) > 1:
            columns.append(EncodedColumn(name, "other", transform=TEXT))
        if present.any() and not present.all():
            columns.append(EncodedColumn(name, "missing", transform=TEXT))
        return [_indicator(column, values, kept) for column in columns]


def _coded(kept: list[str], rare: bool) -> list[str]:
    """Levels that need a column: the second of two alternatives, none of one, all of several."""
    if rare:
        return kept
    return kept[1:] if len(kept) <= 2 else kept


def _indicator(column: EncodedColumn, values: np.ndarray, levels: Sequence[str] = ()) -> EncodedColumn:
    """Centre an indicator at its training share."""
    return replace(column, center=float(np.mean(_apply(column, values, levels))), scale=INDICATOR_SCALE)


def _apply(column: EncodedColumn, values: np.ndarray, levels: Sequence[str]) -> np.ndarray:
    """Raw value of one encoded column, before centring."""
    if column.operation == "level":
        return np.asarray(values == column.level, dtype=np.float64)
    if column.operation == "other":
        return np.array([text is not None and text not in levels for text in values], dtype=np.float64)
    missing = _missing(values)
    return np.where(missing, column.fill, values) if column.operation == "value" else missing


def _missing(values: np.ndarray) -> np.ndarray:
    return np.asarray(pd.isna(values), dtype=bool)


def _levels_by_feature(columns: Sequence[EncodedColumn]) -> dict[str, tuple[str, ...]]:
    """Kept levels of every categorical feature."""
    levels: dict[str, tuple[str, ...]] = {}
    for column in columns:
        if column.operation == "level":
            levels[column.feature] = (*levels.get(column.feature, ()), column.level)
    return levels


def _read(X: pd.DataFrame, transforms: Mapping[str, str]) -> dict[str, np.ndarray]:
    """Read features: transformed numbers as float64 with NaN, texts as objects with None."""
    numbers = [name for name, transform in transforms.items() if transform != TEXT]
    matrix = X[numbers].to_numpy(dtype=np.float64, na_value=np.nan) if numbers else np.empty((len(X), 0))
    read = {name: _transformed(matrix[:, i], transforms[name]) for i, name in enumerate(numbers)}
    return read | {name: _texts(X, name) for name, transform in transforms.items() if transform == TEXT}


def _transformed(values: np.ndarray, transform: str) -> np.ndarray:
    """Transform numbers; what falls outside the transformation's domain becomes NaN."""
    functions = {"log": np.log, "log1p": np.log1p, "sqrt": np.sqrt}
    if transform != "none":
        with np.errstate(divide="ignore", invalid="ignore"):
            values = functions[transform](values)
    return np.where(np.isfinite(values), values, np.nan)


def _texts(X: pd.DataFrame, name: str) -> np.ndarray:
    """Read texts as an object array with None where missing."""
    texts = X[name].to_numpy(dtype=object, copy=True)
    texts[pd.isna(texts)] = None
    return texts
