"""When each value became known: what was entered, corrected or reported after day 0 is not known at day 0.

A value speaks of one date and becomes known on another: blood drawn before the treatment is reported after it, a
score is corrected months later. A dictionary names the second date with ``recorded``. Features see the state of the
file at day 0; outcomes see its last state.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from predictor.config.dictionary import DateKnown, Dictionary, Table
from predictor.data.conform import ConformedTable
from predictor.data.findings import Findings
from predictor.errors import DataError, Problem

__all__ = [
    "check_recorded",
    "days_from_dates",
    "known_at_day0",
    "last_versions",
    "recorded_timing",
    "versions_known",
]

SAME_DATE = ["unit", "reference", "day", "hour"]


def days_from_dates(dates: pd.Series, day0: pd.Series) -> pd.DataFrame:
    """Return the day of each date relative to day 0, whether it came before the dose, and its hour.

    Parameters
    ----------
    dates, day0 : pandas.Series of datetime of shape (n,)

    Returns
    -------
    pandas.DataFrame
        ``day`` (float, NaN where a date is missing), ``before_dose`` (True, False, or None where no time of day
        says), ``hour`` (NaN likewise).
    """
    day = (dates.dt.normalize() - day0.dt.normalize()).dt.days
    # Midnight is how a date without a time is read, so it says nothing about before or after the dose.
    hour = ((dates - dates.dt.normalize()) / pd.Timedelta(hours=1)).where(dates != dates.dt.normalize())
    timed = hour.notna() & (day0 != day0.dt.normalize())
    before = (dates < day0).astype(object).where(timed, None)
    return pd.DataFrame({"day": day.astype(float), "before_dose": before, "hour": hour})


def recorded_timing(recorded: pd.Series | None, day0: pd.Series, timing: pd.DataFrame) -> pd.DataFrame:
    """Return when values became known, relative to day 0.

    Parameters
    ----------
    recorded : pandas.Series of datetime or None
        When each was entered, corrected or reported; None where the dictionary names no such column, so that a value
        counts as known on the date it speaks of.
    day0 : pandas.Series of datetime
    timing : pandas.DataFrame
        ``day`` and ``before_dose`` of the dates they speak of.

    Returns
    -------
    pandas.DataFrame
        ``known_day`` (NaN where it is not recorded when: such a value is not known at day 0), ``known_before``,
        ``recorded`` (NaT where there is nothing of the kind).
    """
    if recorded is None:
        known = {"known_day": timing["day"], "known_before": timing["before_dose"], "recorded": pd.NaT}
        return pd.DataFrame(known).astype({"recorded": "datetime64[ns]"})
    when = days_from_dates(recorded, day0)
    return pd.DataFrame({"known_day": when["day"], "known_before": when["before_dose"], "recorded": recorded})


def known_at_day0(rows: pd.DataFrame, *, same_day: str) -> np.ndarray:
    """Return whether each value had become known when the decision was taken.

    Parameters
    ----------
    rows : pandas.DataFrame
        ``known_day`` and ``known_before`` as in `recorded_timing`.
    same_day : {"include", "exclude", "pre_dose_only"}
        What became known on day 0 itself: all counts, nothing does, or what a time puts before the dose.
    """
    day = rows["known_day"].to_numpy(float)
    if same_day == "include":
        return np.asarray(day <= 0)
    earlier = np.asarray(day < 0)
    if same_day == "exclude":
        return earlier
    before_dose = (rows["known_before"] == True).to_numpy(bool)  # noqa: E712 - None counts as no
    return np.asarray(earlier | ((day == 0) & before_dose))


def last_versions(rows: pd.DataFrame) -> pd.DataFrame:
    """Leave out what was corrected: of several values of one date only those recorded last stay.

    Parameters
    ----------
    rows : pandas.DataFrame
        Records of a `Timeline`, already cut to what was known where that matters. Where nothing is recorded about
        their entry all values stay, because then nothing tells a correction from a second measurement.
    """
    recorded = rows["recorded"]
    if not recorded.notna().any():
        return rows
    last = rows.groupby(SAME_DATE, dropna=False)["recorded"].transform("max")
    return rows.loc[last.isna() | (recorded == last)]


def versions_known(versions: pd.DataFrame, *, n: int, same_day: str | None) -> tuple[pd.Series, np.ndarray]:
    """Return the value without a date that each unit had at day 0, and whether one was withheld as not yet known.

    Parameters
    ----------
    versions : pandas.DataFrame
        ``unit``, ``value`` (never missing), ``recorded``, ``known_day``, ``known_before``: every version of it.
    n : int
        Units.
    same_day : str or None
        As in `known_at_day0`; None takes the last version of all, for what is known afterwards anyway.
    """
    inside = np.ones(len(versions), bool) if same_day is None else known_at_day0(versions, same_day=same_day)
    ordered = versions.loc[inside].sort_values(
        ["unit", "recorded", "value"], kind="stable", na_position="first"
    )
    values = ordered.drop_duplicates("unit", keep="last").set_index("unit")["value"]
    withheld = np.zeros(n, bool)
    withheld[versions.loc[~inside, "unit"].to_numpy(int)] = True
    return values.reindex(range(n)), withheld


def check_recorded(tables: Mapping[str, ConformedTable], dictionary: Dictionary) -> None:
    """Check that nothing was recorded before the day it speaks of.

    Parameters
    ----------
    tables : mapping of str to ConformedTable
    dictionary : Dictionary

    Raises
    ------
    DataError
        DAT-17 with each such row: one of its two dates is wrong, so that neither can be relied on.
    """
    problems: list[Problem] = []
    for name, table in tables.items():
        declared, found = dictionary[name], Findings(dictionary[name].source.path)
        for recorded, date in _pairs(declared):
            early = table.frame[recorded].dt.normalize() < table.frame[date].dt.normalize()
            for row in table.rows[early.to_numpy(bool)]:
                message = f"recorded before {date}, the day that the row speaks of"
                found.add("DAT-17", message, "Mend one of the two dates", row=int(row), column=recorded)
        problems += found.problems()
    if problems:
        raise DataError(problems)


def _pairs(declared: Table) -> Iterator[tuple[str, str]]:
    """Headers of when a value was recorded and of the date it speaks of, each pair once."""
    pairs: dict[tuple[str, str], None] = {}
    for column in declared.columns.values():
        recorded, known = declared.recorded_of(column), declared.known_of(column)
        if recorded is not None and isinstance(known, DateKnown) and recorded != known.date:
            pairs[recorded, known.date] = None
    yield from pairs
