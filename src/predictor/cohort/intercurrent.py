"""Events between day 0 and the assessment that change what a score means: rescue medication, an early stop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from predictor.cohort.conditions import meets
from predictor.cohort.timeline import Timeline
from predictor.cohort.windows import rows_in_window
from predictor.config.schema import IntercurrentEvent, Window

__all__ = ["FirstEvents", "find_first_events", "last_scores_before"]

AFTER_DAY0 = Window(first_day=1, last_day=10**6)


@dataclass(frozen=True)
class FirstEvents:
    """The event of each unit that decides.

    Parameters
    ----------
    day : ndarray of float of shape (units,)
        Relative to day 0; inf where there is none.
    name, strategy : ndarray of str of shape (units,)
        Empty where there is none.
    """

    day: np.ndarray
    name: np.ndarray
    strategy: np.ndarray

    def with_strategy(self, strategy: str) -> np.ndarray:
        """Return which units have an event with this strategy."""
        return np.asarray(self.strategy == strategy)


def find_first_events(
    timeline: Timeline, events: Mapping[str, IntercurrentEvent], until: np.ndarray
) -> FirstEvents:
    """Return the earliest event of each unit from day 1 up to its assessment; of one day, the first that is declared.

    Events that the score is taken in spite of are left out.

    Parameters
    ----------
    timeline : Timeline
    events : mapping of str to IntercurrentEvent
    until : ndarray of float of shape (units,)
        Day of the assessment, included.
    """
    n = len(timeline.units)
    found = FirstEvents(np.full(n, np.inf), np.full(n, "", object), np.full(n, "", object))
    for name, event in events.items():
        if event.strategy == "treatment_policy":
            continue  # it changes nothing, and does not hide a later one that does
        days = _days(timeline, event)
        earlier = (days <= until) & (days < found.day)
        found.day[earlier] = days[earlier]
        found.name[earlier] = name
        found.strategy[earlier] = event.strategy
    return found


def _days(timeline: Timeline, event: IntercurrentEvent) -> np.ndarray:
    """First day after day 0 on which the event holds; day 1 where it has no day, inf where it never does."""
    days = np.full(len(timeline.units), np.inf)
    plain = timeline.attributes.get(event.column)
    dated = rows_in_window(timeline, event.column, AFTER_DAY0)
    if plain is not None and not len(dated):
        days[meets(plain, event)[0]] = 1.0
        return days
    holds, _ = meets(dated["value"], event)
    first = dated.loc[holds].groupby("unit")["day"].min()
    days[first.index.to_numpy(int)] = first.to_numpy(float)
    return days


def last_scores_before(timeline: Timeline, measure: str, day: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the last score from day 1 up to a day of each unit, that day included, and its own day.

    Parameters
    ----------
    timeline : Timeline
    measure : str
    day : ndarray of float of shape (units,)
        May be inf.

    Returns
    -------
    scores, days : ndarray of float of shape (units,)
        NaN where there is none.
    """
    rows = rows_in_window(timeline, measure, AFTER_DAY0)
    inside = rows.loc[rows["day"].to_numpy(float) <= day[rows["unit"].to_numpy(int)]]
    last = inside.drop_duplicates("unit", keep="last").set_index("unit")
    whole = last.reindex(pd.RangeIndex(len(timeline.units)))
    return whole["value"].to_numpy(float), whole["day"].to_numpy(float)
