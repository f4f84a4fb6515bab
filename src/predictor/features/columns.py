"""Encoded columns as plain numbers, and raw columns on their way to them: numpy alone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "Categories",
    "EncodedColumn",
    "RawColumns",
    "columns_of",
    "read_number",
    "read_numbers",
    "rows_of",
    "transformed",
]

TEXT = "text"
FUNCTIONS = {"log": np.log, "log1p": np.log1p, "sqrt": np.sqrt}


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

    def encoded(self, raw: Any) -> np.ndarray:
        """``(raw - center) / scale`` in float32, as an array of any shape."""
        return np.asarray((raw - self.center) / self.scale, dtype=np.float32)


@dataclass(frozen=True)
class Categories:
    """A categorical column as codes.

    Parameters
    ----------
    codes : ndarray of int of shape (n,)
        Position in ``levels``; -1 where missing.
    levels : sequence
        Texts; None counts as missing.
    """

    codes: np.ndarray
    levels: Sequence[Any]

    def take(self, rows: slice | np.ndarray) -> Categories:
        """Keep some rows."""
        return Categories(self.codes[rows], self.levels)

    def known_as(self, levels: Sequence[str]) -> np.ndarray:
        """Recode by other levels, shape (n,): their position, their number where it is none of them or missing + 1."""
        position = {level: i for i, level in enumerate(levels)}
        none_of_them, missing = len(levels), len(levels) + 1
        recoded = [missing if one is None else position.get(one, none_of_them) for one in self.levels]
        table: np.ndarray = np.array([*recoded, missing], dtype=np.intp)
        return np.asarray(table[self.codes])

    @classmethod
    def of(cls, texts: Iterable[Any]) -> Categories:
        """Read texts, None where missing."""
        seen: dict[Any, int] = {None: -1}
        codes = [seen.setdefault(text, len(seen) - 1) for text in texts]
        return cls(np.array(codes, dtype=np.int32), [text for text in seen if text is not None])


RawColumns = Mapping[str, np.ndarray | Categories]


def rows_of(values: np.ndarray | Categories, rows: slice | np.ndarray) -> np.ndarray | Categories:
    """Keep some rows of a raw column."""
    return values.take(rows) if isinstance(values, Categories) else values[rows]


def columns_of(X: pd.DataFrame, columns: Sequence[EncodedColumn]) -> dict[str, np.ndarray | Categories]:
    """Take the raw columns out of a table, categories as codes.

    Parameters
    ----------
    X : pandas.DataFrame of shape (n, features)
        Numbers as float with NaN, categories as objects with None, or of pandas' type; further columns are ignored.
    columns : sequence of EncodedColumn
        Those that will be encoded.
    """
    kinds = {column.feature: column.transform == TEXT for column in columns}
    return {name: _codes(X[name]) if text else _numbers(X[name]) for name, text in kinds.items()}


def _numbers(values: pd.Series) -> np.ndarray:
    if values.dtype == np.float64:
        return np.asarray(values.to_numpy())
    return np.asarray(values.to_numpy(dtype=np.float64, na_value=np.nan))


def _codes(values: pd.Series) -> Categories:
    codes, levels = (
        (values.cat.codes, values.cat.categories) if values.dtype == "category" else values.factorize()
    )
    return Categories(np.asarray(codes), list(levels))


def transformed(values: np.ndarray, transform: str) -> np.ndarray:
    """Transform numbers; what falls outside the transformation's domain becomes NaN or infinite."""
    if transform == "none":
        return values
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(FUNCTIONS[transform](values))


def read_numbers(values: np.ndarray, transform: str) -> np.ndarray:
    """Transform numbers; what falls outside the transformation's domain, or is infinite, becomes NaN."""
    values = transformed(values, transform)
    finite = np.isfinite(values)
    return values if finite.all() else np.where(finite, values, np.nan)


def read_number(value: Any, transform: str) -> float | None:
    """Transform one number; None where it is missing."""
    if value is None:
        return None
    number = float(value)
    if transform != "none":
        number = float(read_numbers(np.array([number]), transform)[0])
    return number if math.isfinite(number) else None


def levels_by_feature(columns: Sequence[EncodedColumn]) -> dict[str, tuple[str, ...]]:
    """Kept levels of every categorical feature, also of one that has none."""
    levels: dict[str, tuple[str, ...]] = {}
    for column in columns:
        if column.transform == TEXT:
            own = (column.level,) if column.operation == "level" else ()
            levels[column.feature] = (*levels.get(column.feature, ()), *own)
    return levels
