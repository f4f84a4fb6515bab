"""Which rows of a large table any window can reach: the others are checked when they are read, and not kept."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from predictor.cohort.timeline import index_dates
from predictor.config.dictionary import DateKnown, Dictionary, Table
from predictor.config.schema import AnyOutcome, CohortSection, RelapseOutcome, Window
from predictor.data.conform import ConformedTable
from predictor.data.parts import Keep

__all__ = ["days_within_reach", "rows_within_reach"]


def days_within_reach(cohort: CohortSection, outcomes: Mapping[str, AnyOutcome]) -> tuple[int, float] | None:
    """Return the first and the last day relative to day 0 that the cohort and the outcomes look at.

    Parameters
    ----------
    cohort : CohortSection
    outcomes : mapping of str to AnyOutcome

    Returns
    -------
    (int, float) or None
        The last day is infinite where a time to an event is observed; None where an outcome has no window.
    """
    last = float(max(cohort.baseline.last_day, 0))
    for one in outcomes.values():
        if one.assessed is None:
            return None
        if isinstance(one, RelapseOutcome):
            last = np.inf
        windows = [one.assessed, getattr(one, "confirmed", None)]
        last = max(last, *(window.last_day for window in windows if isinstance(window, Window)))
    return cohort.baseline.first_day, last


def rows_within_reach(
    tables: Mapping[str, ConformedTable],
    name: str,
    dictionary: Dictionary,
    cohort: CohortSection,
    outcomes: Mapping[str, AnyOutcome],
) -> Keep | None:
    """Return the rule for the rows of one table that are needed; None where all of them may be.

    Parameters
    ----------
    tables : mapping of str to ConformedTable
        Read before, with the one that day 0 is from.
    name : str
    dictionary : Dictionary
    cohort : CohortSection
    outcomes : mapping of str to AnyOutcome

    Returns
    -------
    callable or None
        Of each patient the first row is always kept, so that everybody whom the table knows is still known.
    """
    index, reach = cohort.index.table, days_within_reach(cohort, outcomes)
    if (
        index is None
        or index == name
        or index not in tables
        or reach is None
        or not _plainly_dated(dictionary[name])
    ):
        return None
    declared = dictionary[name]
    start = index_dates(tables[index], dictionary[index]).dt.normalize()
    of_patient = start.groupby(tables[index].frame[dictionary[index].key])
    first, last = of_patient.min(), of_patient.max()
    date = declared.known.date  # type: ignore[union-attr]

    def keep(frame: pd.DataFrame) -> np.ndarray:
        patients, days = frame[declared.key], frame[date].dt.normalize()
        codes, keys = pd.factorize(patients)
        since = (days - first.reindex(keys).take(codes).to_numpy()).dt.days.to_numpy(float)
        until = (days - last.reindex(keys).take(codes).to_numpy()).dt.days.to_numpy(float)
        inside = (since >= reach[0]) & (until <= reach[1])
        return np.asarray(inside | ~patients.duplicated().to_numpy(bool))

    return keep


def _plainly_dated(declared: Table) -> bool:
    """Whether nothing but the date of the table says when each value is known: else rows contradict each other."""
    return isinstance(declared.known, DateKnown) and not any(
        declared.recorded_of(column) or column.known is not None for column in declared.columns.values()
    )
