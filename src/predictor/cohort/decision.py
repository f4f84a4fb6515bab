"""A decision that is taken during the course: after the K-th infusion, and what is known by then.

Day 0 stays the first infusion: windows count from there, and the outcome's baseline is what was rated before it. What
is new is a second day for every unit, that of the decision, up to which early values may be taken.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from predictor.cohort.conditions import is_one_of
from predictor.cohort.timeline import Timeline, index_dates
from predictor.cohort.windows import decision_rows
from predictor.config.dictionary import Dictionary
from predictor.config.schema import AfterInfusion, Baseline, CohortSection
from predictor.data.conform import ConformedTable

__all__ = ["decision_days", "early_days", "early_values"]


def decision_days(
    units: pd.DataFrame,
    tables: Mapping[str, ConformedTable],
    dictionary: Dictionary,
    cohort: CohortSection,
) -> np.ndarray:
    """Return the day of each unit's decision relative to its day 0; NaN where it never came, or came too late.

    Parameters
    ----------
    units : pandas.DataFrame
        ``patient`` and ``day0``, sorted by both.
    tables : mapping of str to ConformedTable
    dictionary : Dictionary
    cohort : CohortSection
        With ``decision_time: {after_infusion: K}``.

    Returns
    -------
    ndarray of float of shape (units,)
        The K-th day with an infusion, counted from day 0 (its own is the first) and before the patient's next day 0,
        plus ``days``. Several rows of one day are one infusion.
    """
    decision = cohort.decision_time
    if not isinstance(decision, AfterInfusion):
        msg = "the decision is taken at the baseline"
        raise TypeError(msg)
    given = _infusions(tables, dictionary, cohort, decision)
    joined = units[["patient", "day0"]].rename_axis("unit").reset_index().merge(given, on="patient")
    following = units.groupby("patient")["day0"].shift(-1).dt.normalize()
    last = joined["unit"].map(following)
    inside = (joined["date"] >= joined["day0"].dt.normalize()) & (last.isna() | (joined["date"] < last))
    own = joined.loc[inside].drop_duplicates(["unit", "date"]).sort_values(["unit", "date"])
    nth = own.groupby("unit").nth(decision.after_infusion - 1).set_index("unit")
    day = (nth["date"] - nth["day0"].dt.normalize()).dt.days + decision.days
    found = day.reindex(range(len(units))).to_numpy(float)
    return np.where(found <= decision.last_day, found, np.nan)


def _infusions(
    tables: Mapping[str, ConformedTable],
    dictionary: Dictionary,
    cohort: CohortSection,
    decision: AfterInfusion,
) -> pd.DataFrame:
    """Patient and day of every infusion: rows of the declared table, else of the index table."""
    name = decision.table or str(cohort.index.table)
    where = decision.where or (cohort.index.where if name == cohort.index.table else {})
    declared, table = dictionary[name], tables[name]
    dates = index_dates(table, declared).dt.normalize()
    keep = dates.notna()
    for column, wanted in where.items():
        keep &= is_one_of(table.frame[declared.header_of(column) or column], [wanted])
    given: pd.DataFrame = pd.DataFrame({"patient": table.frame[declared.key], "date": dates}).loc[keep]
    return given


def early_values(timeline: Timeline, reference: str, *, baseline: Baseline, take: str) -> pd.Series:
    """Return one value per unit of what was known at the decision.

    Parameters
    ----------
    timeline : Timeline
    reference : str
        ``table.column``, with dates.
    baseline : Baseline
    take : {"latest", "early_change"}
        ``latest``: the last value up to the decision, of the baseline where there is none after day 0.
        ``early_change``: the last value after day 0 minus the last of the baseline; missing without both.
    """
    before, after = decision_rows(timeline, reference, baseline)
    last = [rows.groupby("unit")["value"].last() for rows in (before, after)]
    first, then = (values.reindex(range(len(timeline.units))) for values in last)
    if take == "latest":
        return then.where(then.notna(), first)
    return then.astype(float) - first.astype(float)


def early_days(timeline: Timeline, reference: str, *, baseline: Baseline, take: str) -> pd.Series:
    """Return the day, relative to day 0, of the last value that `early_values` takes; missing where it has none.

    Parameters
    ----------
    timeline, reference, baseline, take
        As in `early_values`.
    """
    rows = decision_rows(timeline, reference, baseline)
    first, then = (
        own.loc[own["value"].notna()].groupby("unit")["day"].last().reindex(range(len(timeline.units)))
        for own in rows
    )
    return then.where(then.notna(), first) if take == "latest" else then.where(first.notna())
