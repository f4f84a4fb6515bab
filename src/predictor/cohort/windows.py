"""The rows of a window. Later stages get them already cut to it and to what was known, and have nothing to leak."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd

from predictor.cohort.clock import known_at_day0, last_versions
from predictor.cohort.timeline import Timeline, measure_of
from predictor.config.schema import Baseline, Window

__all__ = ["assessed_rows", "baseline_rows", "decision_rows", "rows_in_window", "withheld_values"]


def baseline_rows(timeline: Timeline, baseline: Baseline) -> pd.DataFrame:
    """Return the records known at day 0: of the baseline window, before the dose if so asked, as recorded by then.

    Parameters
    ----------
    timeline : Timeline
    baseline : Baseline
        Whole days, both ends included. With ``pre_dose_only`` a value of day 0 counts only if its time is before the
        dose; one without a time does not.
    """
    records = timeline.records
    inside = _in_window(records, baseline)
    return last_versions(records.loc[inside & known_at_day0(records, same_day=baseline.same_day)])


def decision_rows(
    timeline: Timeline, reference: str, baseline: Baseline
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the records of one quantity that were known at the decision: of the baseline, and of after day 0.

    Parameters
    ----------
    timeline : Timeline
        With the days of the decision.
    reference : str
        ``table.column``.
    baseline : Baseline

    Returns
    -------
    before, after : pandas.DataFrame
        ``before`` is the baseline as it was known on day 0. ``after`` holds what speaks of a later time (on day 0, of
        one that a clock puts after the dose), up to the day of the decision, as it was recorded by then.
    """
    records = timeline.records
    own = records.loc[records["reference"] == reference]
    before = last_versions(
        own.loc[_in_window(own, baseline) & known_at_day0(own, same_day=baseline.same_day)]
    )
    if timeline.decision is None:
        return before, own.iloc[:0]
    until = timeline.decision[own["unit"].to_numpy(int)]
    day = own["day"].to_numpy(float)
    later = (day > 0) | ((day == 0) & (own["before_dose"] == False).to_numpy(bool))  # noqa: E712 - None is neither
    known = (day <= until) & (own["known_day"].to_numpy(float) <= until)
    return before, last_versions(own.loc[later & known & ~_in_window(own, baseline)])


def _in_window(records: pd.DataFrame, baseline: Baseline) -> np.ndarray:
    """Whether each record speaks of the baseline, whenever it was recorded."""
    day = records["day"].to_numpy(float)
    inside = (day >= baseline.first_day) & (day <= baseline.last_day)
    if baseline.same_day == "exclude":
        inside &= day != 0
    elif baseline.same_day == "pre_dose_only":
        inside &= (day != 0) | (records["before_dose"] == True).to_numpy(bool)  # noqa: E712 - None counts as no
    return np.asarray(inside)


def withheld_values(timeline: Timeline, baseline: Baseline) -> dict[str, int]:
    """Count the values that speak of the baseline and became known only after day 0, by ``table.column``.

    Parameters
    ----------
    timeline : Timeline
    baseline : Baseline
    """
    records = timeline.records
    late = _in_window(records, baseline) & ~known_at_day0(records, same_day=baseline.same_day)
    counts = {
        str(name): int(n) for name, n in records.loc[late, "reference"].value_counts(sort=False).items()
    }
    return counts | {name: int(units.sum()) for name, units in timeline.withheld.items() if units.any()}


def rows_in_window(timeline: Timeline, reference: str, window: Window) -> pd.DataFrame:
    """Return the records of one quantity whose day lies in a window, both ends included.

    Parameters
    ----------
    timeline : Timeline
    reference : str
        ``table.column``, or the name of a measure in any table.
    window : Window
    """
    records = timeline.records
    named = (
        records["reference"] == reference
        if "." in reference
        else measure_of(records["reference"]) == reference
    )
    inside = records["day"].between(window.first_day, window.last_day)
    return last_versions(records.loc[named & inside])


def assessed_rows(timeline: Timeline, reference: str, window: Window) -> pd.DataFrame:
    """Return one record per unit: the assessment that the window asks for.

    Parameters
    ----------
    timeline : Timeline
    reference : str
        ``table.column``, or the name of a measure in any table.
    window : Window
        ``prefer: nearest`` takes the value closest to ``target_day`` (default: the middle), the earlier one on a
        tie; on one day ``nearest`` and ``first`` take the first measurement, ``last`` the last.
    """
    found = rows_in_window(timeline, reference, window)
    if window.prefer == "nearest":
        target = (
            window.target_day if window.target_day is not None else (window.first_day + window.last_day) / 2
        )
        found = found.assign(distance=(found["day"] - target).abs())
        found = found.sort_values(["unit", "distance"], kind="stable")
    keep: Literal["first", "last"] = "last" if window.prefer == "last" else "first"
    return found.drop_duplicates("unit", keep=keep).set_index("unit")
