"""Raw columns encoded as the fitted encoder does it: a column at a time for many patients, all at once for a few.

For one patient a call of numpy costs more than what it computes, so what is encoded alike is laid side by side: all
numbers of a model, or of two hundred refits of it, take one subtraction and one division.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np

from predictor.features.columns import (
    TEXT,
    Categories,
    EncodedColumn,
    RawColumns,
    levels_by_feature,
    read_numbers,
    transformed,
)

__all__ = ["FEW", "Encoding", "Imputer", "JoinedEncodings", "encode_block", "join_encodings", "upright"]

FEW = 64  # patients; for more, a column at a time is the shorter way, and takes less memory


class Imputer(Protocol):
    """What fills numbers in before they are encoded."""

    def completed(self, raw: RawColumns, n: int) -> RawColumns:
        """Fill in what is missing."""


Encoding = tuple[Imputer | None, tuple[EncodedColumn, ...]]


@dataclass(frozen=True)
class _Values:
    """Encoded columns of numbers, k in all.

    Parameters
    ----------
    place : ndarray of int of shape (k,)
        Row of each among all encoded columns.
    source : ndarray of int of shape (k,)
        Which of the values that were read it takes.
    fill, center, scale : ndarray of shape (k, 1)
    """

    place: np.ndarray
    source: np.ndarray
    fill: np.ndarray
    center: np.ndarray
    scale: np.ndarray

    def encode(self, read: np.ndarray, missing: np.ndarray, encoded: np.ndarray) -> None:
        """Write the columns into their rows."""
        values = read.take(self.source, axis=0)
        if missing.any():
            np.copyto(values, self.fill, where=missing.take(self.source, axis=0))
        values -= self.center
        values /= self.scale
        encoded[self.place] = values


@dataclass(frozen=True)
class _Indicators:
    """Encoded columns that say whether a number is missing, k in all.

    Parameters
    ----------
    place, source : ndarray of int of shape (k,)
        See `_Values`.
    there, missing : ndarray of float32 of shape (k, 1)
        What each is then.
    """

    place: np.ndarray
    source: np.ndarray
    there: np.ndarray
    missing: np.ndarray

    def encode(self, missing: np.ndarray, encoded: np.ndarray) -> None:
        """Write the columns into their rows."""
        encoded[self.place] = np.where(missing.take(self.source, axis=0), self.missing, self.there)


@dataclass(frozen=True)
class _Numbers:
    """Encoded columns of numbers.

    Parameters
    ----------
    sources : tuple of (Imputer or None, str, str)
        Values that are read once: imputer, feature, transform.
    values : _Values
    indicators : _Indicators
    """

    sources: tuple[tuple[Imputer | None, str, str], ...]
    values: _Values
    indicators: _Indicators

    def encode(self, raw: RawColumns, n: int, encoded: np.ndarray) -> None:
        """Write the columns into their rows."""
        if not self.sources:
            return
        read = _read_sources(self.sources, raw, n)
        missing = ~np.isfinite(read)
        self.values.encode(read, missing, encoded)
        self.indicators.encode(missing, encoded)


@dataclass(frozen=True)
class _Levels:
    """Encoded columns of one category, k in all.

    Parameters
    ----------
    name : str
    levels : tuple of str
        Kept by any of the models.
    place : ndarray of int of shape (k,)
    encoded : ndarray of float32 of shape (k, levels + 2)
        By level, then for any other text, then where it is missing.
    """

    name: str
    levels: tuple[str, ...]
    place: np.ndarray
    encoded: np.ndarray

    def encode(self, raw: RawColumns, encoded: np.ndarray) -> None:
        """Write the columns into their rows."""
        values = raw[self.name]
        if not isinstance(values, Categories):
            raise TypeError(f"{self.name} is a category, and numbers were given")
        encoded[self.place] = self.encoded[:, values.known_as(self.levels)]


@dataclass(frozen=True)
class JoinedEncodings:
    """Encodings laid side by side.

    Parameters
    ----------
    columns : int
        Encoded columns of all of them.
    numbers : _Numbers
    categories : tuple of _Levels
    """

    columns: int
    numbers: _Numbers
    categories: tuple[_Levels, ...]

    def write(self, raw: RawColumns, n: int, encoded: np.ndarray) -> None:
        """Encode a few patients.

        Parameters
        ----------
        raw : mapping of str to ndarray of float64 or Categories
            Numbers with NaN where missing.
        n : int
            Patients.
        encoded : ndarray of float32 of shape (columns or more, n)
            Gets one row per encoded column; further rows are left alone.
        """
        self.numbers.encode(raw, n, encoded)
        for one in self.categories:
            one.encode(raw, encoded)


def join_encodings(encodings: Sequence[Encoding]) -> JoinedEncodings:
    """Lay encodings side by side.

    Parameters
    ----------
    encodings : sequence of (Imputer or None, tuple of EncodedColumn)
        What fills numbers in before they are encoded, and the columns.
    """
    offsets = np.cumsum([0, *(len(columns) for _, columns in encodings)])
    placed = [
        (int(offset) + i, chain, column)
        for (chain, columns), offset in zip(encodings, offsets, strict=False)
        for i, column in enumerate(columns)
    ]
    return JoinedEncodings(int(offsets[-1]), _numbers(placed), _categories(placed, encodings, offsets))


@lru_cache(maxsize=256)
def _joined(columns: tuple[EncodedColumn, ...]) -> JoinedEncodings:
    return join_encodings([(None, columns)])


def encode_block(columns: Sequence[EncodedColumn], raw: RawColumns, n: int) -> np.ndarray:
    """Encode raw columns, bit for bit as the fitted encoder does.

    Parameters
    ----------
    columns : sequence of EncodedColumn
    raw : mapping of str to ndarray of float64 or Categories
    n : int
        Patients.

    Returns
    -------
    ndarray of float32 of shape (len(columns), n)
        One row per encoded column: what follows reads a column at a time.
    """
    encoded = np.empty((len(columns), n), dtype=np.float32)
    if n <= FEW:
        _joined(tuple(columns)).write(raw, n, encoded)
        return encoded
    read: dict[str, np.ndarray] = {}
    levels = levels_by_feature(columns)
    for column, row in zip(columns, encoded, strict=True):
        name = column.feature
        if name not in read:
            values = raw[name]
            read[name] = (
                values.known_as(levels[name])
                if isinstance(values, Categories)
                else read_numbers(values, column.transform)
            )
        row[:] = column.encoded(_raw_value(column, read[name], levels.get(name, ())))
    return encoded


def _raw_value(column: EncodedColumn, values: np.ndarray, levels: Sequence[str]) -> np.ndarray:
    """Value before centring, of transformed numbers or of codes by the kept levels."""
    if column.transform == TEXT:
        codes = {"other": len(levels), "missing": len(levels) + 1}
        code = codes[column.operation] if column.operation in codes else levels.index(column.level)
        return np.asarray(values == code, dtype=np.float64)
    missing = np.isnan(values)
    return (
        np.where(missing, column.fill, values) if column.operation == "value" else missing.astype(np.float64)
    )


def upright(values: Iterable[float]) -> np.ndarray:
    """Lay numbers one under another, shape (k, 1)."""
    return np.array([[value] for value in values], dtype=np.float64).reshape(-1, 1)


def _numbers(placed: Sequence[tuple[int, Imputer | None, EncodedColumn]]) -> _Numbers:
    known: dict[tuple[int, str, str], int] = {}
    sources: list[tuple[Imputer | None, str, str]] = []
    columns = []
    for place, chain, column in placed:
        if column.transform == TEXT:
            continue
        key = (id(chain), column.feature, column.transform)
        if key not in known:
            known[key] = len(sources)
            sources.append((chain, column.feature, column.transform))
        columns.append((place, known[key], column))
    return _Numbers(
        tuple(sources),
        _values([one for one in columns if one[2].operation == "value"]),
        _indicators([one for one in columns if one[2].operation != "value"]),
    )


def _values(columns: Sequence[tuple[int, int, EncodedColumn]]) -> _Values:
    return _Values(
        place=np.array([place for place, _, _ in columns], dtype=np.intp),
        source=np.array([source for _, source, _ in columns], dtype=np.intp),
        fill=upright(column.fill for _, _, column in columns),
        center=upright(column.center for _, _, column in columns),
        scale=upright(column.scale for _, _, column in columns),
    )


def _indicators(columns: Sequence[tuple[int, int, EncodedColumn]]) -> _Indicators:
    both = [column.encoded(np.array([0.0, 1.0])) for _, _, column in columns]
    there, missing = np.array(both, dtype=np.float32).reshape(-1, 2, 1).swapaxes(0, 1)
    return _Indicators(
        place=np.array([place for place, _, _ in columns], dtype=np.intp),
        source=np.array([source for _, source, _ in columns], dtype=np.intp),
        there=there,
        missing=missing,
    )


def _read_sources(sources: Sequence[tuple[Imputer | None, str, str]], raw: RawColumns, n: int) -> np.ndarray:
    """Read every value once, filled in where there is an imputer, shape (sources, n)."""
    chains = {id(chain): chain for chain, _, _ in sources if chain is not None}
    filled = {id(None): raw} | {key: chain.completed(raw, n) for key, chain in chains.items()}
    read = np.empty((len(sources), n))
    for row, (chain, name, transform) in zip(read, sources, strict=True):
        values = filled[id(chain)][name]
        if isinstance(values, Categories):
            raise TypeError(f"{name} is a number, and a category was given")
        row[:] = transformed(values, transform)
    return read


def _categories(
    placed: Sequence[tuple[int, Imputer | None, EncodedColumn]],
    encodings: Sequence[Encoding],
    offsets: np.ndarray,
) -> tuple[_Levels, ...]:
    own = [levels_by_feature(columns) for _, columns in encodings]
    names = dict.fromkeys(column.feature for _, _, column in placed if column.transform == TEXT)
    found = []
    for name in names:
        levels = tuple(dict.fromkeys(level for kept in own for level in kept.get(name, ())))
        rows = [(place, column) for place, _, column in placed if column.feature == name]
        owner = np.searchsorted(offsets, [place for place, _ in rows], side="right") - 1
        encoded = [
            _by_level(column, levels, own[i][name]) for (_, column), i in zip(rows, owner, strict=True)
        ]
        found.append(_Levels(name, levels, np.array([place for place, _ in rows]), np.array(encoded)))
    return tuple(found)


def _by_level(column: EncodedColumn, levels: Sequence[str], kept: Sequence[str]) -> np.ndarray:
    """Encode each level that any model keeps, any other text, and a missing value."""
    said = {
        "level": [*(level == column.level for level in levels), False, False],
        "other": [*(level not in kept for level in levels), True, False],
        "missing": [*(False for _ in levels), False, True],
    }[column.operation]
    return column.encoded(np.array(said, dtype=np.float64))
