"""When it starts: the day 0 of every patient or course."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from predictor.cohort.conditions import is_one_of
from predictor.cohort.timeline import index_dates, too_early
from predictor.config.dictionary import Dictionary
from predictor.config.schema import CohortSection
from predictor.data.conform import ConformedTable
from predictor.data.findings import Findings
from predictor.errors import DataError, Problem

__all__ = ["check_order", "find_units"]


def find_units(
    patients: list[str],
    tables: Mapping[str, ConformedTable],
    dictionary: Dictionary,
    cohort: CohortSection,
) -> tuple[pd.DataFrame, int]:
    """Return the units, by patient and day 0, and how many patients have a row for it without a date.

    Parameters
    ----------
    patients : list of str
        Those who may be asked about.
    tables : mapping of str to ConformedTable
    dictionary : Dictionary
    cohort : CohortSection
        With ``take: all`` a patient has one unit per row of the index table, or per declared course.

    Returns
    -------
    units : pandas.DataFrame
        ``patient``, ``day0``, ``index_row`` as in `Timeline`.
    undated : int
    """
    index = cohort.index
    if index.visits or index.table is None:
        day0 = pd.Series(pd.NaT, index=range(len(patients)), dtype="datetime64[ns]")
        return pd.DataFrame({"patient": patients, "day0": day0, "index_row": -1}), 0
    declared, table = dictionary[index.table], tables[index.table]
    rows = pd.DataFrame(
        {
            "patient": table.frame[declared.key],
            "day0": index_dates(table, declared),
            "index_row": np.arange(len(table.frame)),
        }
    )
    keep = rows["patient"].isin(patients)
    for column, wanted in index.where.items():
        header = declared.header_of(column) or column
        keep &= is_one_of(table.frame[header], [wanted])
    dated = _by_day0(rows.loc[keep & rows["day0"].notna()], table)
    if index.take != "all":
        dated = dated.drop_duplicates("patient", keep="first" if index.take == "first" else "last")
    else:
        dated = _first_of_each_course(dated, table, dictionary, cohort)
    undated = set(rows.loc[keep & rows["day0"].isna(), "patient"]) - set(dated["patient"])
    return dated.reset_index(drop=True), len(undated)


def _by_day0(rows: pd.DataFrame, table: ConformedTable) -> pd.DataFrame:
    """Sort by patient and day 0; what starts at one time is put in the order of its contents, not the file's."""
    contents = [str(row) for row in table.frame.iloc[rows["index_row"]].itertuples(index=False, name=None)]
    ordered = rows.assign(contents=contents).sort_values(["patient", "day0", "contents"], kind="stable")
    return ordered.drop(columns="contents")


def _first_of_each_course(
    rows: pd.DataFrame, table: ConformedTable, dictionary: Dictionary, cohort: CohortSection
) -> pd.DataFrame:
    """Keep the first row of each course; a row that names none is a course of its own."""
    name, _, column = (cohort.course or "").partition(".")
    header = dictionary[name].header_of(column) if name == cohort.index.table else None
    if header is None:
        return rows
    course = table.frame[header].iloc[rows["index_row"]].to_numpy(object)
    again = rows.assign(course=course).duplicated(["patient", "course"]).to_numpy(bool)
    return rows.loc[~again | pd.isna(course)]


def check_order(
    units: pd.DataFrame,
    tables: Mapping[str, ConformedTable],
    dictionary: Dictionary,
    cohort: CohortSection,
) -> None:
    """Check that nothing which is declared as known after day 0 is dated before it.

    Parameters
    ----------
    units : pandas.DataFrame
        From `find_units`.
    tables : mapping of str to ConformedTable
    dictionary : Dictionary
    cohort : CohortSection

    Raises
    ------
    DataError
        DAT-17 with the line of each such row. A row of the index table has to follow its own date; any other row the
        patient's first date there, because nothing says to which of several courses it belongs.
    """
    name = cohort.index.table
    if name is None:
        return
    starts = index_dates(tables[name], dictionary[name])
    key = tables[name].frame[dictionary[name].key]
    # A patient one of whose courses has no date may have started at any time.
    of_patient = starts.groupby(key).min().mask(starts.isna().groupby(key).any())
    known = of_patient.where(of_patient.index.isin(units["patient"]))
    message = "dated before day 0, but declared as known after it"
    remedy = "Mend the date, or declare the column's `known` as it is"
    problems: list[Problem] = []
    for other, table in tables.items():
        day0 = starts if other == name else table.frame[dictionary[other].key].map(known)
        found = Findings(dictionary[other].source.place)
        for column, rows in too_early(table, dictionary[other], pd.to_datetime(day0)).items():
            for row in rows:
                found.add("DAT-17", message, remedy, row=int(row), column=column)
        problems += found.problems()
    if problems:
        raise DataError(problems)
