"""One patient's report, and a table of answers, for the pages and the machine interface alike."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from predictor.answers import answers_csv, mark_of
from predictor.errors import DataError, Problem
from predictor.prediction.predicting import NOTED, as_records, predict_patients
from predictor.prediction.reading import Rows, check_columns, patient_keys
from predictor.reports.content import PredictionReportV1
from predictor.reports.patient import patient_views
from predictor.service.shelf import Offered
from predictor.service.state import Service

__all__ = ["MOST_ROWS", "answer_table", "estimate_patient", "in_time", "record_estimate"]

T = TypeVar("T")

MOST_ROWS = 5000


async def estimate_patient(
    service: Service, offered: Offered, values: Mapping[str, object], *, pseudonym: str, user: str
) -> PredictionReportV1:
    """Give one patient's report, once it stands in the audit log that it was given.

    Parameters
    ----------
    service : Service
    offered : Offered
    values : mapping of str to object
        By input; empty or None where it was not measured.
    pseudonym, user : str

    Raises
    ------
    Busy, TimeoutError
    DataError
        PRE-01, for values that the model does not ask for.
    ResourceError
        AUD-01.
    """
    name = pseudonym or "not named"

    def work() -> PredictionReportV1:
        table = Rows(["patient", *values], [[name, *values.values()]])
        now = datetime.now().astimezone()  # the clinic's day
        view = patient_views(offered.model, table, now=now, user_ref=user)[0]
        record_estimate(service, offered, view, pseudonym=pseudonym, user=user)
        return view

    return await in_time(service, work)


def record_estimate(
    service: Service, offered: Offered, view: PredictionReportV1, *, pseudonym: str, user: str
) -> None:
    """Write down that a report was given, before it is.

    Raises
    ------
    ResourceError
        AUD-01.
    """
    service.audit.record(
        "estimate",
        user=user,
        outcome=view.report.kind,
        report=view.report.id,
        model=offered.id,
        pseudonym=pseudonym,
    )


async def in_time(service: Service, work: Callable[[], T]) -> T:
    """Estimate beside the event loop, or give up.

    Raises
    ------
    Busy, TimeoutError
    """
    future = asyncio.wrap_future(service.estimating.submit(work))
    return await asyncio.wait_for(future, service.estimate_seconds)


def answer_table(offered: Offered, rows: Sequence[Mapping[str, str]]) -> str:
    """Answer many patients: CSV with one row per row, an estimate or a reason, and the model's mark in each.

    Parameters
    ----------
    offered : Offered
    rows : sequence of mapping
        As `csv.DictReader` gives them.

    Raises
    ------
    DataError
        PRE-01, for columns that are not the model's, or more than 5,000 rows.
    """
    if not rows or len(rows) > MOST_ROWS:
        message = f"1 to {MOST_ROWS} patients were expected, came {len(rows)}"
        raise DataError(Problem("PRE-01", message, "Send several files"))
    if any(None in row or None in row.values() for row in rows):
        message = "a row has more or fewer cells than there are columns"
        raise DataError(Problem("PRE-01", message, "Write one cell per column in every row"))
    table = Rows(list(rows[0]), [list(row.values()) for row in rows])
    check_columns(offered.model, table, instead="an empty table of the model is below")
    found = as_records(predict_patients(offered.model, table, explain=False))
    mark = mark_of(offered.model, signed=offered.signed)
    return answers_csv(found, NOTED, keys=patient_keys(table), mark=mark)
