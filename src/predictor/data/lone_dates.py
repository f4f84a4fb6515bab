"""Dates that lie years away from all others of their column: a year that was typed wrong is still a date."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from predictor.data.columns import date_headers
from predictor.data.reading import Reading
from predictor.data.repeats import rows_in_words

__all__ = ["note_lone_dates"]

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
        for side, lone in _lone(frame[header]):
            rows = reading.rows[lone]
            reading.notices.append(
                f"{reading.found.file}: {len(rows)} dates in {header!r} lie more than {YEARS_APART} years {side} all "
                f"others ({rows_in_words(rows)}): a year typed wrong?"
            )


def _lone(dates: pd.Series) -> Iterator[tuple[str, np.ndarray]]:
    known = np.flatnonzero(dates.notna().to_numpy(bool))
    if len(known) < FEWEST:
        return
    days = dates.to_numpy("datetime64[D]")[known].astype(int)
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
