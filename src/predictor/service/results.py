"""What a session keeps of a patient for half an hour: the report, and what it was made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request
from starlette.exceptions import HTTPException

from predictor.reports.content import PredictionReportV1
from predictor.service.sessions import Session
from predictor.service.wall import state

__all__ = ["Result", "result_of"]


@dataclass(frozen=True)
class Result:
    """One report of a session.

    Parameters
    ----------
    model : str
        Its name in addresses.
    view : PredictionReportV1
    typed : mapping of str to str
        What was typed into the form; empty for a report that another program asked for.
    source : mapping of str to object
        Of FHIR resources: the ``subject`` and the ``basis`` that `patient_resources` takes.
    """

    model: str
    view: PredictionReportV1
    typed: Mapping[str, str] = field(default_factory=dict)
    source: Mapping[str, Any] = field(default_factory=dict)


def result_of(request: Request, session: Session, name: str) -> Result:
    """Return a result of the session by its id.

    Raises
    ------
    HTTPException
        404, where it is another's, unknown or too old.
    """
    found = state(request).sessions.result(session, name)
    if not isinstance(found, Result):
        raise HTTPException(404)
    return found
