"""What a session keeps of a patient for half an hour: the report, and what it was made from."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request
from starlette.exceptions import HTTPException

from predictor.reports.content import PredictionReportV1
from predictor.service.sessions import Session
from predictor.service.state import Service
from predictor.service.wall import state

__all__ = ["Result", "keep_result", "result_of"]


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


@dataclass(frozen=True)
class _Kept:
    """A result as it lies in memory: the report's content takes 4 kB as compressed JSON, and 60 kB as objects."""

    model: str
    view: bytes
    typed: Mapping[str, str]
    source: Mapping[str, Any]


def keep_result(service: Service, session: Session, result: Result) -> str:
    """Keep a result for half an hour, and return its id.

    Parameters
    ----------
    service : Service
    session : Session
    result : Result
    """
    view = zlib.compress(result.view.model_dump_json().encode(), level=1)
    return service.sessions.keep(session, _Kept(result.model, view, result.typed, result.source))


def result_of(request: Request, session: Session, name: str) -> Result:
    """Return a result of the session by its id.

    Raises
    ------
    HTTPException
        404, where it is another's, unknown or too old.
    """
    found = state(request).sessions.result(session, name)
    if not isinstance(found, _Kept):
        raise HTTPException(404)
    view = PredictionReportV1.model_validate_json(zlib.decompress(found.view))
    return Result(found.model, view, found.typed, found.source)
