"""What a session keeps of a patient for half an hour: the report, and what it was made from."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from fastapi import Request
from starlette.exceptions import HTTPException

from predictor.reports.content import PredictionReportV1
from predictor.reports.taken import Taken
from predictor.service.launched import Launched
from predictor.service.sessions import Session
from predictor.service.shelf import Offered
from predictor.service.state import Service
from predictor.service.wall import state

__all__ = ["Result", "keep_result", "may_be_taken", "result_of", "take_result"]


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
        Of FHIR resources: the ``subject``, the ``basis`` and the ``condition`` that `patient_resources` takes.
    taken : Taken or None
        Who has taken it into the record.
    launched : Launched or None
        What its form was filled in with, if a launch did that.
    """

    model: str
    view: PredictionReportV1
    typed: Mapping[str, str] = field(default_factory=dict)
    source: Mapping[str, Any] = field(default_factory=dict)
    taken: Taken | None = None
    launched: Launched | None = None


def may_be_taken(offered: Offered, found: Result) -> bool:
    """Say whether a report can go into a record: of a signed model, of a patient, and not there already.

    Parameters
    ----------
    offered : Offered
    found : Result
    """
    return offered.signed and not found.view.simulated and found.taken is None


@dataclass(frozen=True)
class _Kept:
    """A result as it lies in memory: the report's content takes 4 kB as compressed JSON, and 60 kB as objects."""

    model: str
    view: bytes
    typed: Mapping[str, str]
    source: Mapping[str, Any]
    launched: Launched | None
    taken: Taken | None = None


def keep_result(service: Service, session: Session, result: Result) -> str:
    """Keep a result for half an hour, and return its id.

    Parameters
    ----------
    service : Service
    session : Session
    result : Result
    """
    view = zlib.compress(result.view.model_dump_json().encode(), level=1)
    kept = _Kept(result.model, view, result.typed, result.source, result.launched)
    return service.sessions.keep(session, kept)


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
    return Result(found.model, view, found.typed, found.source, found.taken, found.launched)


def take_result(service: Service, session: Session, name: str, taken: Taken) -> None:
    """Keep with a result that it was taken into the record; it does not last longer for that.

    Parameters
    ----------
    service : Service
    session : Session
    name : str
    taken : Taken
    """
    found = service.sessions.result(session, name)
    if isinstance(found, _Kept):
        service.sessions.change(session, name, replace(found, taken=taken))
