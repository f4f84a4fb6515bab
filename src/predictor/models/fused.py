"""Encode, impute, scale and add up in one pass over blocks of raw columns.

Each encoded value keeps the float32 rounding of the encoder, so that the answer is the pipeline's to the last digits
of a float64. What a missing value or a category contributes is a constant, found when the model is compiled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from predictor.features.columns import (
    TEXT,
    Categories,
    EncodedColumn,
    RawColumns,
    levels_by_feature,
    read_number,
    read_numbers,
    rows_of,
)
from predictor.features.encoding import encode_block
from predictor.models.masks import MOST_LEAVES, MaskedTrees, mask_trees, most_leaves
from predictor.models.trees import Trees

__all__ = ["FusedMember", "fuse"]

ROWS, MOST_JOINED = 16_384, 4096


@dataclass(frozen=True)
class _Number:
    """What a number adds: ``coef`` times its encoded value, or a constant where it is missing.

    Parameters
    ----------
    name, transform : str
    center, scale, coef : float
        ``coef`` is 0 where only the missing indicator is used.
    missing : float
        Added instead where it is missing.
    """

    name: str
    transform: str
    center: float
    scale: float
    coef: float
    missing: float


@dataclass(frozen=True)
class _Category:
    """What each level adds; then what every other text adds; then what a missing value adds."""

    name: str
    levels: tuple[str, ...]
    weights: np.ndarray

    @cached_property
    def by_level(self) -> dict[str, float]:
        """Weight of each level."""
        return dict(zip(self.levels, self.weights.tolist(), strict=False))


@dataclass(frozen=True)
class _Lookup:
    """What the levels of several categories add together, by their joint code.

    Parameters
    ----------
    columns : tuple of (ndarray of int, int)
        Codes of each category and how far apart its levels lie in ``weights``.
    weights : ndarray of float64
    """

    columns: tuple[tuple[np.ndarray, int], ...]
    weights: np.ndarray

    def add(self, rows: slice, total: np.ndarray) -> None:
        """Add the weights of some patients."""
        place = np.zeros(len(total), dtype=np.int16)
        for codes, stride in self.columns:
            place += (codes[rows] + 1).astype(np.int16, copy=False) * np.int16(stride)
        total += self.weights.take(place)


def _join(categories: Sequence[tuple[_Category, np.ndarray | Categories]]) -> list[_Lookup]:
    """Join categories as long as the table of their joint levels is small."""
    found: list[_Lookup] = []
    for category, values in categories:
        if not isinstance(values, Categories):
            raise TypeError(f"{category.name} is a category, and numbers were given")
        own = category.weights[
            Categories(np.arange(-1, len(values.levels)), values.levels).known_as(category.levels)
        ]
        if found and len(found[-1].weights) * len(own) <= MOST_JOINED:
            last = found.pop()
            weights = (own[:, None] + last.weights[None, :]).ravel()
            found.append(_Lookup((*last.columns, (values.codes, len(last.weights))), weights))
        else:
            found.append(_Lookup(((values.codes, 1),), own))
    return found


@dataclass(frozen=True)
class FusedMember:
    """One model compiled for raw columns.

    Parameters
    ----------
    base : float
    numbers : tuple of _Number
    categories : tuple of _Category
        Of a linear model.
    masked : MaskedTrees or None
        Trees of at most 64 leaves.
    trees : Trees or None
        Larger trees, walked as they are.
    columns : tuple of EncodedColumn
        What ``trees`` ask about.
    """

    base: float
    numbers: tuple[_Number, ...] = ()
    categories: tuple[_Category, ...] = ()
    masked: MaskedTrees | None = None
    trees: Trees | None = None
    columns: tuple[EncodedColumn, ...] = ()

    def scores(self, raw: RawColumns, n: int) -> np.ndarray:
        """Evaluate the model's own sum, shape (n,)."""
        if self.masked is not None:
            return self.base + self.masked.total(raw, n)
        scores = np.full(n, self.base)
        if self.trees is None:
            self._add_linear(raw, scores)
            return scores
        for start in range(0, n, ROWS):
            rows = slice(start, min(start + ROWS, n))
            block = {name: rows_of(values, rows) for name, values in raw.items()}
            encoded = encode_block(self.columns, block, rows.stop - start)
            scores[rows] += self.trees.total(encoded.T)
        return scores

    def one(self, patient: Mapping[str, float | str | None]) -> float:
        """Evaluate the model's own sum for one patient."""
        if self.masked is not None:
            return self.base + self.masked.one(patient)
        if self.trees is not None:
            raw = {
                column.feature: Categories.of([patient[column.feature]])
                if column.transform == TEXT
                else np.array(
                    [np.nan if patient[column.feature] is None else patient[column.feature]], dtype=float
                )
                for column in self.columns
            }
            return float(self.scores(raw, 1)[0])
        return self.base + self._one_linear(patient)

    def _add_linear(self, raw: RawColumns, scores: np.ndarray) -> None:
        joined = _join([(one, raw[one.name]) for one in self.categories])
        values = [(one, raw[one.name]) for one in self.numbers]
        work, rounded = np.empty(ROWS), np.empty(ROWS, dtype=np.float32)
        for start in range(0, len(scores), ROWS):
            rows = slice(start, min(start + ROWS, len(scores)))
            total = scores[rows]
            for number, column in values:
                size = len(total)
                _add_number(number, column[rows], total, work[:size], rounded[:size])  # type: ignore[index]
            for lookup in joined:
                lookup.add(rows, total)
            with np.errstate(invalid="ignore", over="ignore"):
                sound = np.isfinite(total.sum())
            if not sound:
                self._mend(raw, rows, total)

    def _mend(self, raw: RawColumns, rows: slice, total: np.ndarray) -> None:
        """Evaluate anew the patients with an infinite value, which counts as missing."""
        for i in np.flatnonzero(~np.isfinite(total)):
            at = slice(rows.start + int(i), rows.start + int(i) + 1)
            one: dict[str, float | str | None] = {}
            for name, values in raw.items():
                if isinstance(values, Categories):
                    code = int(values.codes[at][0])
                    one[name] = None if code < 0 else values.levels[code]
                else:
                    one[name] = float(values[at][0])
            total[i] = self.base + self._one_linear(one)

    def _one_linear(self, patient: Mapping[str, float | str | None]) -> float:
        total = 0.0
        for number in self.numbers:
            value = read_number(patient[number.name], number.transform)
            if value is None:
                total += number.missing
            else:
                rounded = float(np.float32((value - number.center) / number.scale))
                total += number.coef * rounded
        for category in self.categories:
            text = patient[category.name]
            weights = category.weights
            total += (
                float(weights[-1]) if text is None else category.by_level.get(str(text), float(weights[-2]))
            )
        return total


def fuse(columns: Sequence[EncodedColumn], base: float, coef: np.ndarray, trees: Trees | None) -> FusedMember:
    """Compile one model.

    Parameters
    ----------
    columns : sequence of EncodedColumn
    base : float
    coef : ndarray of float64 of shape (columns,) or (0,)
    trees : Trees or None
    """
    if trees is not None:
        if most_leaves(trees) <= MOST_LEAVES:
            return FusedMember(base, masked=mask_trees(trees, columns))
        return FusedMember(base, trees=trees, columns=tuple(columns))
    if not len(coef):
        return FusedMember(base)
    weights = dict(zip(columns, coef.tolist(), strict=True))
    names = list(dict.fromkeys(column.feature for column in columns))
    own = {name: [column for column in columns if column.feature == name] for name in names}
    levels = levels_by_feature(columns)
    numbers = [_number(own[name], weights) for name in names if name not in levels]
    return FusedMember(
        base + sum(present for _, present in numbers),
        numbers=tuple(number for number, _ in numbers),
        categories=tuple(_category(own[name], levels[name], weights) for name in levels),
    )


def _number(own: Sequence[EncodedColumn], weights: Mapping[EncodedColumn, float]) -> tuple[_Number, float]:
    """Return what a number adds to what its missing indicator adds where it is present."""
    value = next((column for column in own if column.operation == "value"), None)
    marker = next((column for column in own if column.operation == "missing"), None)
    present, missing = 0.0, 0.0
    if marker is not None:
        present, missing = (weights[marker] * float(marker.encoded(x)) for x in (0.0, 1.0))
    if value is None:
        return _Number(own[0].feature, own[0].transform, 0.0, 1.0, 0.0, missing - present), present
    coef = weights[value]
    missing += coef * float(value.encoded(value.fill)) - present
    return _Number(value.feature, value.transform, value.center, value.scale, coef, missing), present


def _category(
    own: Sequence[EncodedColumn], levels: tuple[str, ...], weights: Mapping[EncodedColumn, float]
) -> _Category:
    codes = Categories(np.arange(-1, len(levels) + 1), [*levels, object()])
    order = np.r_[1 : len(levels) + 2, 0]
    encoded = encode_block(own, {own[0].feature: codes.take(order)}, len(order))
    return _Category(own[0].feature, levels, np.array([weights[column] for column in own]) @ encoded)


def _add_number(
    number: _Number, values: np.ndarray, total: np.ndarray, work: np.ndarray, rounded: np.ndarray
) -> None:
    if number.transform != "none":
        values = read_numbers(values, number.transform)
    with np.errstate(invalid="ignore", over="ignore"):
        np.subtract(values, number.center, out=work)
        np.divide(work, number.scale, out=work)
        rounded[:] = work
        work[:] = rounded
        work *= number.coef
        np.putmask(work, np.isnan(work), number.missing)
        total += work
