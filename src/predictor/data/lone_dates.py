"""Dates that lie years away from all others of their column: a year that was typed wrong is still a date."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from predictor.data.columns import date_headers
from predictor.data.notices import Notice
from predictor.data.reading import Reading
from predictor.data.repeats import rows_in_words

__all__ = ["lone_notices", "note_lone_dates"]

FEWEST = 20
YEARS_APART = 5
DAYS_PER_YEAR = 365.25
FEW = 0.05


def note_lone_dates(reading: Reading, frame: pd.DataFrame) -> None:
    """Say which dates of measurement or entry lie more than five years before, or after, nearly all others.

    Parameters
    ----------
    reading : Reading
        Its notices receive a line per column.
    frame : pandas.DataFrame
        Converted columns of the file.

    Notes
    -----
    In order of time, the dates are cut at gaps of more than five years; what is left of the first cut or right of the
    last one is alone where it is at most a twentieth of 20 dates or more. Dates that place nothing in time, such as
    those of birth, are not looked at.
    """
    for header in date_headers(reading.declared):
        days = frame[header].to_numpy("datetime64[D]")
        reading.notices.extend(lone_notices(reading.found.file, header, days, reading.rows))


def lone_notices(file: str, header: str, dates: np.ndarray, rows: np.ndarray) -> Iterator[Notice]:
    """Say which of a column's dates lie alone: before, and after, all others.

    Parameters
    ----------
    file, header : str
    dates : ndarray of datetime64[D] of shape (rows,)
    rows : ndarray of int of shape (rows,)
        Their lines in the file.
    """
    for side, lone in _lone(dates):
        own = np.sort(rows[lone])
        said = f"dates in {header!r} lie more than {YEARS_APART} years {side} all others"
        yield Notice(file, said, len(own), f" ({rows_in_words(own)}): a year typed wrong?")


def _lone(dates: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    known = np.flatnonzero(~np.isnat(dates))
    if len(known) < FEWEST:
        return
    days = dates[known].astype(int)
    order = np.sort(days)
    gaps = np.flatnonzero(np.diff(order) > YEARS_APART * DAYS_PER_YEAR)
    if not len(gaps):
        return
    most = FEW * len(order)
    before = [gap for gap in gaps if gap + 1 <= most]
    after = [gap for gap in gaps if len(order) - gap - 1 <= most]
    if before:
        yield "before", known[days <= order[before[-1]]]
    if after:
        yield "after", known[days > order[after[0]]]
