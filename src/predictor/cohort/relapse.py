"""Relapse after response: its day by a declared definition, and how long each responder was followed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from predictor.cohort.conditions import meets
from predictor.cohort.timeline import Timeline
from predictor.cohort.windows import rows_in_window
from predictor.config.schema import RelapseOutcome, Window

__all__ = ["FollowUp", "find_relapses"]


@dataclass(frozen=True)
class FollowUp:
    """Days from the response to the relapse or the end of follow-up.

    Parameters
    ----------
    time : ndarray of float of shape (units,)
        NaN for those who did not respond.
    relapsed : ndarray of float of shape (units,)
        1 for a relapse at ``time``, 0 where follow-up ended without one, NaN for those who did not respond.
    """

    time: np.ndarray
    relapsed: np.ndarray


def find_relapses(
    timeline: Timeline, outcome: RelapseOutcome, *, baseline: np.ndarray, responded_on: np.ndarray
) -> FollowUp:
    """Follow every responder to the relapse or the last assessment.

    Parameters
    ----------
    timeline : Timeline
    outcome : RelapseOutcome
    baseline : ndarray of float of shape (units,)
        Scores at baseline.
    responded_on : ndarray of float of shape (units,)
        Day of the assessment that showed the response; NaN where there was none.
    """
    window = Window(first_day=1, last_day=outcome.last_day)
    rows = rows_in_window(timeline, outcome.measure, window)
    later = rows.loc[rows["day"].to_numpy(float) > responded_on[rows["unit"].to_numpy(int)]]
    scores = {int(unit): own for unit, own in later.groupby("unit")[["day", "value"]]}
    events = _events(timeline, outcome, window, responded_on)
    time, relapsed = np.full(len(baseline), np.nan), np.full(len(baseline), np.nan)
    for unit in np.flatnonzero(np.isfinite(responded_on)):
        start = responded_on[unit]
        days, values = _one_a_day(scores.get(int(unit)))
        day = min(_first_run(outcome, days, values, baseline[unit]), events[unit])
        relapsed[unit] = float(np.isfinite(day))
        time[unit] = (day if np.isfinite(day) else max([start, *days])) - start
    return FollowUp(time, relapsed)


def _one_a_day(rows: pd.DataFrame | None) -> tuple[np.ndarray, np.ndarray]:
    """Days and scores; of one day the last measurement."""
    if rows is None:
        return np.empty(0), np.empty(0)
    last = rows.drop_duplicates("day", keep="last").sort_values("day")
    return last["day"].to_numpy(float), last["value"].to_numpy(float)


def _first_run(outcome: RelapseOutcome, days: np.ndarray, values: np.ndarray, baseline: float) -> float:
    """Day of the first assessments in a row that all show a relapse; inf where there are none."""
    ill = _is_ill(outcome, values, baseline)
    low, high = outcome.apart or (0, np.inf)
    length = 0
    for i in range(len(days)):
        near = i > 0 and low <= days[i] - days[i - 1] <= high
        length = (length + 1 if length and near else 1) if ill[i] else 0
        if length == outcome.consecutive:
            return float(days[i] if outcome.dated_by == "last" else days[i - length + 1])
    return np.inf


def _is_ill(outcome: RelapseOutcome, values: np.ndarray, baseline: float) -> np.ndarray:
    ill = np.zeros(len(values), dtype=bool)
    if outcome.at_least is not None:
        ill |= values >= outcome.at_least
    if outcome.improvement_below is not None:
        ill |= baseline - values < outcome.improvement_below * baseline - 1e-9
    return ill


def _events(timeline: Timeline, outcome: RelapseOutcome, window: Window, after: np.ndarray) -> np.ndarray:
    """Day of the first recorded event after the response; inf where there is none."""
    days = np.full(len(after), np.inf)
    if outcome.event is None:
        return days
    rows = rows_in_window(timeline, outcome.event.column, window)
    later = rows["day"].to_numpy(float) > after[rows["unit"].to_numpy(int)]
    first = rows.loc[meets(rows["value"], outcome.event)[0] & later].groupby("unit")["day"].min()
    days[first.index.to_numpy(int)] = first.to_numpy(float)
    return days
