"""Each declared column: what is known of it, and how it lies in the range that it is expected to have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from predictor.config.dictionary import Column, Dictionary
from predictor.data.columns import measured
from predictor.data.conform import ConformedTable
from predictor.data.description import SMALLEST_COUNT, describe
from predictor.data.instruments import find_instrument
from predictor.quality.suppression import shown_count

__all__ = ["Histogram", "column_table", "histograms"]

BINS = 12
MANY_AT_THE_END = 0.15
LITTLE_OF_THE_RANGE = 0.15
FEWEST = 2 * SMALLEST_COUNT


@dataclass(frozen=True)
class Histogram:
    """How often values fall into equal parts of a range.

    Parameters
    ----------
    reference : str
        ``table.column``.
    low, high : float
        Ends of the range; what lies outside is counted in the outermost part.
    counts : tuple of (int or None)
        None where 1 to 4 values fall.
    """

    reference: str
    low: float
    high: float
    counts: tuple[int | None, ...]


def column_table(tables: Mapping[str, ConformedTable], dictionary: Dictionary) -> pd.DataFrame:
    """Describe every declared column of every table.

    Parameters
    ----------
    tables : mapping of str to ConformedTable
    dictionary : Dictionary

    Returns
    -------
    pandas.DataFrame
        ``table`` and the columns of `predictor.data.description.describe` (``low`` and ``high`` rounded to two digits,
        or to the month), then ``expected_low``, ``expected_high``
        (the dictionary's range, else the scale's), ``mean`` and ``sd`` (from 10 values on), ``at_lowest`` and
        ``at_highest`` (share of values at an end of the expected range; NaN for 1 to 4 of them), ``remark``.
    """
    pieces = []
    for name, declared in dictionary.tables():
        known = describe(tables[name], declared)
        known.insert(0, "table", name)
        for end in ("low", "high"):
            known[end] = [_rounded(value) for value in known[end]]
        further = [_further(column, values) for _, column, values in measured(tables[name].frame, declared)]
        pieces.append(pd.concat([known, pd.DataFrame(further, columns=FURTHER)], axis=1))
    return pd.concat([piece.astype(object) for piece in pieces], ignore_index=True)


def _rounded(value: Any) -> Any:
    """Give an inner extreme so that it is nobody's own: two digits of a number, the month of a date."""
    if isinstance(value, str):
        return value[:7]
    return value if pd.isna(value) else float(f"{value:.2g}")


FURTHER = ["expected_low", "expected_high", "mean", "sd", "at_lowest", "at_highest", "remark"]


def expected_range(column: Column) -> tuple[float | None, float | None]:
    """Return the range that the values should have: the dictionary's, else the rating scale's.

    Parameters
    ----------
    column : Column
    """
    if column.range is not None:
        return column.range[0], column.range[1]
    scale = find_instrument(column.instrument) if column.instrument is not None else None
    if scale is None or column.item is not None or column.score not in (None, "total"):
        return None, None
    return scale.low, scale.high


def _further(column: Column, values: pd.Series) -> dict[str, Any]:
    low, high = expected_range(column)
    found: dict[str, Any] = {"expected_low": low, "expected_high": high, "remark": ""}
    if column.kind not in ("number", "integer"):
        return found
    known = values.dropna().to_numpy(float)
    if len(known) < FEWEST:
        return found | {"remark": "too few values to describe" if len(known) else "no value"}
    found |= {"mean": float(known.mean()), "sd": float(known.std(ddof=1))}
    ends = {"at_lowest": low, "at_highest": high}
    shares = {name: _share_at(known, end) for name, end in ends.items() if end is not None}
    return found | shares | {"remark": _remark(known, low, high, column)}


def _share_at(known: np.ndarray, end: float) -> float:
    count = shown_count(int((known == end).sum()))
    return np.nan if count is None else count / len(known)


def _remark(known: np.ndarray, low: float | None, high: float | None, column: Column) -> str:
    """Say what is unlike the expected distribution.

    Ranges are judged for scales alone, where 15 % at an end hide differences (Terwee et al., J Clin Epidemiol 2007);
    those of laboratory values are bounds of what is possible.
    """
    remarks = []
    ordered = np.sort(known)
    inner = float(ordered[-SMALLEST_COUNT] - ordered[SMALLEST_COUNT - 1])
    if inner == 0:
        remarks.append("nearly the same value everywhere")
    elif (
        column.instrument
        and low is not None
        and high is not None
        and inner < LITTLE_OF_THE_RANGE * (high - low)
    ):
        remarks.append("a small part of its range only: is it this version of the scale?")
    for end, words in ((low, "lowest"), (high, "highest")):
        if column.instrument is not None and end is not None and np.mean(known == end) > MANY_AT_THE_END:
            remarks.append(f"more than 15 % have the {words} value there is")
    return "; ".join(remarks)


def histograms(tables: Mapping[str, ConformedTable], dictionary: Dictionary) -> Iterator[Histogram]:
    """Yield how the numbers of each column lie in their expected range, else between their inner extremes.

    Parameters
    ----------
    tables : mapping of str to ConformedTable
    dictionary : Dictionary
    """
    for name, declared in dictionary.tables():
        for header, column, values in measured(tables[name].frame, declared):
            known = values.dropna()
            if column.kind in ("number", "integer") and len(known) >= FEWEST:
                numbers = np.sort(known.to_numpy(float))
                low, high = expected_range(column)
                low = _rounded(numbers[SMALLEST_COUNT - 1]) if low is None else low
                high = _rounded(numbers[-SMALLEST_COUNT]) if high is None else high
                if low < high:
                    yield _histogram(f"{name}.{column.reference(header)}", numbers, float(low), float(high))


def _histogram(reference: str, numbers: np.ndarray, low: float, high: float) -> Histogram:
    position = np.clip(((numbers - low) / (high - low) * BINS).astype(int), 0, BINS - 1)
    counts = np.bincount(position, minlength=BINS)
    return Histogram(reference, low, high, tuple(shown_count(int(count)) for count in counts))
