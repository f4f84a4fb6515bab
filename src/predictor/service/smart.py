"""SMART App Launch: from the EHR's patient to the form, filled in with what is recorded there, for review."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import replace
from datetime import datetime

from fastapi import Request, Response
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse

from predictor.errors import DataError
from predictor.interoperability.bundle import Entry, collect_resources
from predictor.interoperability.candidates import Candidate, Clock
from predictor.interoperability.intake import PatientInputs
from predictor.interoperability.partners import Smart, SmartServer
from predictor.interoperability.smart_client import (
    SECONDS,
    Granted,
    SmartError,
    fetch_patient,
    find_endpoints,
    granted,
    kinds_of,
    open_client,
)
from predictor.interoperability.smart_launch import Launch, authorization_url, scopes_for
from predictor.reports.wording import date_text
from predictor.service.form import FormField
from predictor.service.launched import Launched
from predictor.service.others import Others
from predictor.service.result_pages import show_form
from predictor.service.routing import Pages
from predictor.service.sessions import Session
from predictor.service.shelf import Offered
from predictor.service.state import Service
from predictor.service.wall import cookie_name, current, page, set_session, state

__all__ = ["router"]

router = Pages()
LONGEST = 2000  # characters of a parameter
HEADING = "The launch did not work"


def _desk(request: Request) -> tuple[Service, Others, Smart]:
    service = state(request)
    if service.others is None or service.others.partners.smart is None:
        raise HTTPException(404)
    return service, service.others, service.others.partners.smart


def _refused(request: Request, text: str, status: int = 400) -> Response:
    return page(request, "message.html.j2", status=status, heading=HEADING, text=text)


@router.get("/launch")
async def launch(request: Request) -> Response:
    """Send the browser to the EHR's authorization, for a launch from there or, without ``launch``, from here."""
    service, others, smart = _desk(request)
    asked, token = request.query_params.get("iss", ""), request.query_params.get("launch", "")
    server = _server_of(smart, asked)
    if server is None or len(token) > LONGEST:
        service.audit.record("refused", outcome="SMART issuer")
        return _refused(request, "This EHR is not one that the service works with.", 403)
    session = current(request)
    if session is None and not server.sign_in:
        # The session's cookie does not come along from another site; from our own page it does.
        return page(request, "launch.html.j2", iss=asked, launch=token)
    try:
        async with asyncio.timeout(SECONDS), open_client() as client:
            endpoint, token_endpoint = await find_endpoints(client, server)
    except (SmartError, TimeoutError) as error:
        return _refused(request, _said(error), 502)
    browser = secrets.token_urlsafe(32)
    begun = others.launches.begin(
        server, token_endpoint, browser=browser, session=session.id if session else "", launched=bool(token)
    )
    scopes = _scopes(service, smart, begun)
    address = authorization_url(
        endpoint, begun, redirect=f"{others.partners.base}/callback", launch_token=token, scopes=scopes
    )
    answer = RedirectResponse(address, status_code=303)
    answer.set_cookie(
        cookie_name(service, "launch"),
        browser,
        max_age=600,
        httponly=True,
        secure=service.secure,
        samesite="lax",  # it has to come along when the EHR sends the browser back
        path="/",
    )
    return answer


def _server_of(smart: Smart, issuer: str) -> SmartServer | None:
    plain = issuer.rstrip("/")
    return next((one for one in smart.servers if one.issuer.rstrip("/") == plain), None)


def _scopes(service: Service, smart: Smart, begun: Launch) -> list[str]:
    kinds = kinds_of(service.offered(smart.model).intake.inputs)
    return scopes_for(kinds, launched=begun.launched, sign_in=not begun.session)


def _said(error: BaseException) -> str:
    return f"{error}." if isinstance(error, SmartError) else "The EHR did not answer in time."


@router.get("/callback")
async def callback(request: Request) -> Response:
    """Take the EHR's answer, fetch the patient's values, and show the form with them."""
    service, others, smart = _desk(request)
    browser = request.cookies.get(cookie_name(service, "launch"), "")
    begun = others.launches.finish(request.query_params.get("state", "")[:LONGEST], browser=browser)
    if begun is None:
        service.audit.record("refused", outcome="SMART state")
        return _refused(request, "This answer belongs to no launch of this browser. Launch again.", 403)
    code = request.query_params.get("code", "")
    if "error" in request.query_params or not 0 < len(code) <= LONGEST:
        return _refused(request, "The EHR did not allow it.", 403)
    offered = service.offered(smart.model)
    try:
        async with asyncio.timeout(SECONDS), open_client() as client:
            redirect, scopes = f"{others.partners.base}/callback", _scopes(service, smart, begun)
            allowed = await granted(client, begun, code, redirect=redirect, scopes=scopes)
            entries = await fetch_patient(client, begun.server, allowed, offered.intake.inputs)
        inputs = await asyncio.to_thread(_read, offered, entries, allowed.patient)
    except (SmartError, TimeoutError) as error:
        return _refused(request, _said(error), 502)
    except DataError as error:
        codes = sorted({one.code for one in error.problems})
        service.audit.record("refused", model=offered.id, outcome=" ".join(codes))
        said = "; ".join(dict.fromkeys(f"{one.path}: {one.message}" for one in error.problems))
        return _refused(request, f"The EHR's values cannot be used: {said}. Fill in the form by hand.", 422)
    return _prefilled(request, offered, inputs, begun, allowed)


def _read(offered: Offered, entries: list[Entry], patient: str) -> PatientInputs:
    found = collect_resources(entries, subject=f"Patient/{patient}")
    return offered.intake.read(found, Clock(datetime.now().astimezone().date()))


def _prefilled(
    request: Request, offered: Offered, inputs: PatientInputs, begun: Launch, allowed: Granted
) -> Response:
    """Show the form to the session that launched, or to one that begins with the EHR's sign-in."""
    service = state(request)
    session = _session(service, begun, allowed)
    if session is None:
        return _refused(request, "Your session is over. Sign in, then launch again.", 401)
    request.state.session = session
    service.audit.record("launch", user=session.user, model=offered.id)
    fields = tuple(_filled(one, inputs.chosen.get(one.name)) for one in offered.questions)
    launch = service.sessions.keep(session, Launched.into(offered.id, inputs, fields))
    return set_session(request, show_form(request, offered, fields, pseudonym="", launch=launch), session)


def _session(service: Service, begun: Launch, allowed: Granted) -> Session | None:
    if begun.session:
        return service.sessions.find(begun.session)
    return (
        service.sessions.begin(allowed.user, "clinician") if begun.server.sign_in and allowed.user else None
    )


def _filled(question: FormField, candidate: Candidate | None) -> FormField:
    """Fill in a question; what is not recorded stays blank, so that a person decides what it means."""
    if candidate is None or candidate.value is None:
        return question
    value = candidate.value
    text = f"{value:.10g}" if isinstance(value, float) else value
    if question.choices and question.choices[0][0] == "yes" and isinstance(value, float):
        text = "yes" if value else "no"
    day = candidate.when.day if candidate.when else None
    told = f"From the EHR{f', {date_text(day)}' if day else ''}: check it"
    # A quantity has been read in the model's unit, whatever the EHR's was.
    unit = question.units[0][0] if question.units else ""
    return replace(
        question, value=text, chosen_unit=unit, hint=f"{told}. {question.hint}" if question.hint else told
    )
