"""The service as one application: its pages put together, and what happens when something goes wrong."""

from __future__ import annotations

import logging
import secrets
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from predictor.errors import ResourceError
from predictor.service import batch, cds, description, fhir, machine, pages, result_pages, smart, taking
from predictor.service.guard import Guard, TooLargeError, TooSlowError
from predictor.service.state import Busy, Service
from predictor.service.wall import page

__all__ = ["create_app"]

log = logging.getLogger("predictor.service")


def create_app(service: Service, *, hosts: frozenset[str]) -> Guard:
    """Put the service together.

    Parameters
    ----------
    service : Service
    hosts : frozenset of str
        Names under which it may be called.

    Returns
    -------
    Guard
        An ASGI application.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, title="response-predictor")
    app.state.service = service
    app.include_router(fhir.router)  # before the pages: `/r/NAME.fhir.json` ends like one of theirs
    for part in (result_pages, taking, pages, batch, smart):
        app.router.routes.extend(part.router.routes)
    app.include_router(machine.router)
    app.include_router(cds.router)
    app.include_router(description.router)
    app.add_exception_handler(HTTPException, _told)
    app.add_exception_handler(Busy, _busy)
    app.add_exception_handler(TimeoutError, _busy)
    app.add_exception_handler(TooLargeError, _too_large)
    app.add_exception_handler(TooSlowError, _too_slow)
    app.add_exception_handler(ResourceError, _unrecorded)
    app.add_exception_handler(Exception, _failed)
    return Guard(app, hosts=hosts, secure=service.secure)


def _told(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    words = {
        401: ("Please sign in", "Your session is over, or you have not signed in yet."),
        403: (
            "Not allowed",
            "Your account may not do this, or the form came from another page. Open it again.",
        ),
        404: ("Not found", "There is no such page, or what it showed is no longer kept."),
        405: ("Not found", "There is no such page."),
        408: ("Too slow", "What was sent did not come to its end in time. Try again."),
        413: ("Too large", "What was sent is larger than this page takes."),
        429: ("Too many requests", "Wait a while, then try again."),
        503: ("Busy", "The service cannot answer now. Try again in a moment."),
    }
    heading, text = words.get(error.status_code, ("Not possible", "The request was not understood."))
    return _answer(request, error.status_code, heading, text, error.headers)


async def _too_large(request: Request, _: Exception) -> Response:
    return _told(request, HTTPException(413))


async def _too_slow(request: Request, _: Exception) -> Response:
    return _told(request, HTTPException(408))


def _busy(request: Request, _: Exception) -> Response:
    return _answer(
        request, 503, "Busy", "Many estimates are waiting. Try again in a moment.", {"Retry-After": "2"}
    )


def _unrecorded(request: Request, _: Exception) -> Response:
    """Give no estimate that would leave no trace."""
    text = "The service cannot keep its records, so it gives no estimate. Tell whoever runs it."
    return _answer(request, 503, "Not available", text, None)


def _failed(request: Request, error: Exception) -> Response:
    incident = secrets.token_hex(4).upper()
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = f"{Path(place.tb_frame.f_code.co_filename).name}:{place.tb_lineno}" if place else "?"
    # The message of an exception can hold a patient's value; its type and place cannot.
    log.error("incident %s: %s at %s", incident, type(error).__name__, where)
    text = f"Something went wrong. Nothing was kept. If it happens again, say incident {incident}."
    return _answer(request, 500, "Something went wrong", text, None)


def _answer(request: Request, status: int, heading: str, text: str, headers: Any) -> Response:
    if request.url.path.startswith(("/api/", "/cds-services")):
        return machine.problem(status, heading, headers)
    return page(request, "message.html.j2", status=status, headers=headers, heading=heading, text=text)
