"""When things were measured, relative to day 0, and who has what in the windows that count."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from predictor.cohort.timeline import Timeline, measure_of
from predictor.cohort.windows import baseline_rows, rows_in_window, withheld_values
from predictor.config.schema import AnyOutcome, Baseline, Window
from predictor.quality.suppression import shown_count

__all__ = ["coverage_table", "timeline_table"]

MOST_PARTS = 40
WIDTHS = (1, 7, 28, 91, 365)


def timeline_table(timeline: Timeline) -> pd.DataFrame:
    """Count the values of each quantity by day, or by week and more where they lie far apart.

    Parameters
    ----------
    timeline : Timeline

    Returns
    -------
    pandas.DataFrame
        ``reference``, ``first_day``, ``last_day`` (relative to day 0, both included) and ``n``, NA for 1 to 4.
    """
    records = timeline.records
    if records.empty:
        return pd.DataFrame(columns=["reference", "first_day", "last_day", "n"])
    width = _width(records["day"].to_numpy(float))
    first = (np.floor(records["day"].to_numpy(float) / width) * width).astype(int)
    counts = records.assign(first_day=first).groupby(["reference", "first_day"]).size().reset_index(name="n")
    counts.insert(2, "last_day", counts["first_day"] + width - 1)
    return counts.assign(n=pd.array([shown_count(n) for n in counts["n"]], dtype="Int64"))


def _width(days: np.ndarray) -> int:
    """Smallest number of days of a part such that the days with values make at most 40 parts."""
    for width in WIDTHS:
        if len(np.unique(np.floor(days / width))) <= MOST_PARTS:
            return width
    return WIDTHS[-1]


def coverage_table(
    timeline: Timeline, baseline: Baseline, outcomes: Mapping[str, AnyOutcome]
) -> pd.DataFrame:
    """Count, for each quantity with days, the units that have it in the baseline and in each outcome's window.

    Parameters
    ----------
    timeline : Timeline
    baseline : Baseline
    outcomes : mapping of str to outcome section

    Returns
    -------
    pandas.DataFrame
        ``reference``, ``values``, ``units``, ``baseline`` (units with a value known at day 0), ``recorded_later``
        (values that speak of the baseline and became known after day 0), ``one_day`` (units with several values on
        one day), then one column for each measured outcome (units assessed in its window, NA for other quantities).
        Counts from 1 to 4 are NA.
    """
    records, late = timeline.records, withheld_values(timeline, baseline)
    known = baseline_rows(timeline, baseline)
    again = records[records.duplicated(["unit", "reference", "day"], keep=False)]
    rows = []
    for reference in dict.fromkeys(records["reference"]):
        own = records[records["reference"] == reference]
        row: dict[str, object] = {
            "reference": reference,
            "values": shown_count(len(own)),
            "units": shown_count(own["unit"].nunique()),
            "baseline": _units(known, reference),
            "recorded_later": shown_count(late.get(reference, 0)),
            "one_day": _units(again, reference),
        }
        rows.append(row | {name: _assessed(timeline, reference, one) for name, one in outcomes.items()})
    names = ["reference", "values", "units", "baseline", "recorded_later", "one_day", *outcomes]
    table = pd.DataFrame(rows, columns=names).astype(dict.fromkeys(names[1:], "Int64"))
    return table.dropna(axis="columns", how="all") if len(table) else table


def _units(records: pd.DataFrame, reference: str) -> int | None:
    return shown_count(records.loc[records["reference"] == reference, "unit"].nunique())


def _assessed(timeline: Timeline, reference: str, outcome: AnyOutcome) -> int | None:
    measure, window = getattr(outcome, "measure", None), getattr(outcome, "assessed", None)
    if measure is None or not isinstance(window, Window) or measure_of(pd.Series([reference]))[0] != measure:
        return None
    return shown_count(rows_in_window(timeline, reference, window)["unit"].nunique())
