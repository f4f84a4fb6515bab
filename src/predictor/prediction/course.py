"""The course that a patient of an export is in on a day, and the decision in it that a model is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import cast

import numpy as np
import pandas as pd

from predictor.cohort.day0 import find_units
from predictor.cohort.decision import decision_days
from predictor.config.dictionary import Dictionary
from predictor.config.schema import AfterInfusion, CohortSection
from predictor.data.conform import ConformedTable
from predictor.prediction.deciding import NOT_BEGUN, NOT_YET, TOO_LATE

__all__ = ["courses_on", "decisions_on"]

NO_LIMIT = 10**6  # days


def courses_on(
    patients: list[str],
    tables: Mapping[str, ConformedTable],
    dictionary: Dictionary,
    cohort: CohortSection,
    *,
    as_of: date,
) -> pd.DataFrame:
    """Return each patient's course on a day: of those that had begun by then the one that training would take.

    Parameters
    ----------
    patients : list of str
    tables : mapping of str to ConformedTable
    dictionary : Dictionary
    cohort : CohortSection
        With ``decision_time: {after_infusion: K}``.
    as_of : date

    Returns
    -------
    pandas.DataFrame
        ``patient``, ``day0``, ``index_row`` as in `Timeline`, one row for each patient; without a course the day itself
        and the row −1.
    """
    index = cohort.index
    every = index.model_copy(update={"take": "first" if index.take == "first" else "all"})
    # With `take: last` training took the last row, and not the first of the last course.
    course = None if index.take == "last" else cohort.course
    widened = cohort.model_copy(update={"index": every, "course": course})
    units, _ = find_units(patients, tables, dictionary, widened)
    begun = units.loc[units["day0"] < pd.Timestamp(as_of + timedelta(1))].drop_duplicates(
        "patient", keep="last"
    )
    found = begun.set_index("patient").reindex(pd.Index(patients, name="patient")).reset_index()
    found["index_row"] = found["index_row"].fillna(-1).astype(int)
    found["day0"] = found["day0"].fillna(pd.Timestamp(as_of)).astype("datetime64[ns]")
    return found


def decisions_on(
    units: pd.DataFrame,
    tables: Mapping[str, ConformedTable],
    dictionary: Dictionary,
    cohort: CohortSection,
    *,
    as_of: date,
) -> tuple[np.ndarray, list[str]]:
    """Return the day of each decision relative to day 0, NaN where it had not come by a day, and why it had not.

    Parameters
    ----------
    units : pandas.DataFrame
        From `courses_on`.
    tables, dictionary, cohort, as_of
        As there.

    Returns
    -------
    days : ndarray of float of shape (units,)
    why : list of str
        Empty where there is a day.
    """
    decision = cast(AfterInfusion, cohort.decision_time)
    unlimited = cohort.model_copy(
        update={"decision_time": decision.model_copy(update={"last_day": NO_LIMIT})}
    )
    came = decision_days(units, tables, dictionary, unlimited)
    asked = (pd.Timestamp(as_of) - units["day0"].dt.normalize()).dt.days.to_numpy(float)
    begun = units["index_row"].to_numpy(int) >= 0
    came = np.where(begun & (came <= asked), came, np.nan)
    late = (came > decision.last_day) | (np.isnan(came) & (asked > decision.last_day))
    why = np.where(late, TOO_LATE, np.where(np.isnan(came), NOT_YET, ""))
    why = np.where(begun, why, NOT_BEGUN)
    return np.where(why == "", came, np.nan), [str(word) for word in why]
