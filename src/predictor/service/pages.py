"""The pages: signing in, the models, the form, and what the service is."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from fastapi import Request, Response
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from predictor.errors import ConfigError
from predictor.service.accounts import ROLES
from predictor.service.estimates import estimate_patient
from predictor.service.form import PARTS, read_form
from predictor.service.launched import LAUNCH, launched_of, marked
from predictor.service.result_pages import show_form, with_own_style
from predictor.service.results import Result, keep_result
from predictor.service.routing import Pages
from predictor.service.sessions import Session
from predictor.service.shelf import Offered
from predictor.service.wall import (
    Posted,
    current,
    page,
    read_posted,
    require,
    require_entry,
    set_session,
    state,
    to_page,
    told,
)

__all__ = ["router"]

router = Pages()
RESUME, KEPT = "resume", "kept."
STATIC = {"service.css": "text/css; charset=utf-8", "session.js": "text/javascript; charset=utf-8"}


@router.get("/healthz")
async def alive(_: Request) -> Response:
    """Say that the process runs."""
    return JSONResponse({"status": "alive"})


@router.get("/readyz")
async def ready(request: Request) -> Response:
    """Say that the models are loaded and have passed their own tests, and which folders hold another one by now."""
    shelf = state(request).shelf
    replaced = await asyncio.to_thread(lambda: [one.id for one in shelf if one.replaced])
    models = [one.id for one in shelf]
    return JSONResponse({"status": "ready", "models": models, "replaced": replaced})


@router.get("/static/{name}")
async def static(_: Request, name: str) -> Response:
    """Send the style sheet, and the script that warns before a session ends."""
    if name not in STATIC:
        raise HTTPException(404)
    from importlib.resources import files

    content = files("predictor.service").joinpath("static", name).read_bytes()
    return Response(content, media_type=STATIC[name], headers={"cache-control": "max-age=3600"})


@router.get("/login")
async def sign_in_page(request: Request) -> Response:
    """Ask for name and password, or for the set-up code where there is no account yet."""
    if state(request).accounts.set_up_code is not None:
        return page(request, "set_up.html.j2", errors=[], name="")
    return page(request, "sign_in.html.j2", error="", name="", kept={})


@router.post("/login")
async def sign_in(request: Request) -> Response:
    """Open a session for the right password."""
    service, form = state(request), await read_posted(request)
    require_entry(request, form)
    name, password = form.text("name")[:32], form.texts.get("password", "")
    address = request.client.host if request.client else ""
    if service.failures.spent(name, address):
        service.audit.record("sign_in_refused", outcome="too many")
        error = "Too many attempts. Wait 15 minutes, then try again."
        return page(request, "sign_in.html.j2", status=429, error=error, name=name, kept=_kept(form))
    account = await asyncio.to_thread(service.accounts.check, name, password)
    if account is None:
        service.failures.count(name, address)
        service.audit.record("sign_in_refused", outcome="wrong")
        error = "Name and password do not belong together."
        return page(request, "sign_in.html.j2", status=401, error=error, name=name, kept=_kept(form))
    service.failures.forget(name, address)
    before = current(request)
    if before is not None:
        service.sessions.end(before)
    session = service.sessions.begin(account.name, account.role)
    service.audit.record("sign_in", user=account.name, outcome=account.role)
    if form.text(RESUME):
        return set_session(request, _resumed(request, form, session), session)
    return set_session(request, to_page("/"), session)


def _kept(form: Posted) -> dict[str, str]:
    """Return what was typed before the session was over, as the sign-in carries it along."""
    return {name: value for name, value in form.texts.items() if name == RESUME or name.startswith(KEPT)}


def _resumed(request: Request, form: Posted, session: Session) -> Response:
    """Show the form again, with what was typed before."""
    if session.role not in ("clinician", "admin"):
        return to_page("/")
    request.state.session = session
    offered = state(request).offered(form.text(RESUME))
    typed = {name.removeprefix(KEPT): value for name, value in _kept(form).items()}
    filled = read_form(offered.model, typed, questions=offered.questions)
    fields = [replace(one, error="", unit_error="") for one in filled.fields]
    return show_form(request, offered, fields, pseudonym=typed.get("pseudonym", ""))


@router.post("/set-up")
async def set_up(request: Request) -> Response:
    """Make the first account for whoever has the printed code."""
    service, form = state(request), await read_posted(request)
    require_entry(request, form)
    address = request.client.host if request.client else ""
    name, password = form.text("name"), form.texts.get("password", "")
    if service.failures.spent("set-up", address):
        raise HTTPException(429)
    try:
        made = await asyncio.to_thread(service.accounts.set_up, form.text("code"), name, password)
    except ConfigError as error:
        errors = told(error)
        return page(request, "set_up.html.j2", status=422, errors=errors, name=name)
    if made is None:
        service.failures.count("set-up", address)
        errors = ["That is not the code that the service printed when it started"]
        return page(request, "set_up.html.j2", status=422, errors=errors, name=name)
    service.audit.record("set_up", user=made.name, outcome=made.role)
    session = service.sessions.begin(made.name, made.role)
    return set_session(request, to_page("/"), session)


@router.post("/logout")
async def sign_out(request: Request) -> Response:
    """Forget the session and all that was made in it."""
    session = require(request)
    await read_posted(request, session)
    state(request).sessions.end(session)
    state(request).audit.record("sign_out", user=session.user)
    return set_session(request, to_page("/login"), None)


@router.get("/")
async def models(request: Request) -> Response:
    """List the models."""
    if current(request) is None:
        return to_page("/login")
    today = datetime.now(UTC).date()
    return page(request, "models.html.j2", models=state(request).shelf, today=today)


@router.get("/models/{id_}")
async def label(request: Request, id_: str) -> Response:
    """Show one model's label: what it predicts, for whom, how well, and what it does not cover."""
    require(request)
    offered = state(request).offered(id_)
    return page(
        request, "model.html.j2", offered=offered, card=offered.model.card, today=datetime.now(UTC).date()
    )


@router.get("/models/{id_}/report")
async def model_report(request: Request, id_: str) -> Response:
    """Show the whole report on the training, where it stands beside the model."""
    require(request)
    found = state(request).offered(id_).report
    if not found:
        raise HTTPException(404)
    return with_own_style(found)


@router.get("/stay")
async def stay(request: Request) -> Response:
    """Count as seen: whoever fills in a form for long stays signed in, and what is typed stays too."""
    require(request)
    return page(request, "stay.html.j2")


@router.get("/estimate/{id_}")
async def form_page(request: Request, id_: str) -> Response:
    """Show the empty form."""
    require(request, "clinician", "admin")
    offered = state(request).offered(id_)
    return show_form(request, offered, offered.questions, pseudonym="")


@router.post("/estimate/{id_}")
async def estimate(request: Request, id_: str) -> Response:
    """Read the form: back to it with what has to be mended, or on to the report."""
    service = state(request)
    offered = service.offered(id_)
    if current(request) is None:
        return await _sign_in_again(request, offered)
    session = require(request, "clinician", "admin")
    form = await read_posted(request, session)
    filled = read_form(offered.model, form.texts, questions=offered.questions)
    pseudonym, launch = form.text("pseudonym"), form.text(LAUNCH)
    launched = launched_of(service.sessions, session, launch, model=id_)
    if not filled.complete:
        return show_form(
            request,
            offered,
            marked(filled, launched),
            pseudonym=pseudonym,
            status=422,
            only_unusual=filled.only_unusual,
            launch=launch if launched else "",
        )
    service.count_estimate(session.user)
    view = await estimate_patient(service, offered, filled.values, pseudonym=pseudonym, user=session.user)
    source = launched.source(filled.values) if launched else {}
    made = Result(offered.id, view, form.typed, source, launched=launched)
    return to_page(f"/r/{keep_result(service, session, made)}")


async def _sign_in_again(request: Request, offered: Offered) -> Response:
    """Ask for the password, and keep what was typed for after it."""
    form = await read_posted(request)
    names = {one.name + part for one in offered.questions for part in PARTS} | {"pseudonym"}
    typed = {f"{KEPT}{name}": value for name, value in form.texts.items() if name in names}
    error = "Your session is over. Sign in, and what you typed is there again"
    kept = typed | {RESUME: offered.id}
    return page(request, "sign_in.html.j2", status=401, error=error, name="", kept=kept)


@router.get("/accounts")
async def accounts_page(request: Request) -> Response:
    """Let an admin make accounts."""
    require(request, "admin")
    return page(request, "accounts.html.j2", roles=ROLES, errors=[], made="", name="")


@router.post("/accounts")
async def make_account(request: Request) -> Response:
    """Make an account."""
    session, service = require(request, "admin"), state(request)
    form = await read_posted(request, session)
    name, role = form.text("name"), form.text("role")
    content: Mapping[str, Any] = {"roles": ROLES, "name": name}
    chosen = next((one for one in ROLES if one == role), None)
    if chosen is None:
        return page(request, "accounts.html.j2", status=422, errors=["Choose a role"], made="", **content)
    try:
        await asyncio.to_thread(service.accounts.add, name, form.texts.get("password", ""), chosen)
    except ConfigError as error:
        errors = told(error)
        return page(request, "accounts.html.j2", status=422, errors=errors, made="", **content)
    service.audit.record("account_made", user=session.user, outcome=chosen)
    return page(request, "accounts.html.j2", errors=[], made=name, roles=ROLES, name="")


@router.get("/help")
async def help_page(request: Request) -> Response:
    """Say how the service is used."""
    return page(request, "help.html.j2")


@router.get("/privacy")
async def privacy_page(request: Request) -> Response:
    """Say what is kept of a patient, and where."""
    return page(request, "privacy.html.j2")


@router.get("/accessibility")
async def accessibility_page(request: Request) -> Response:
    """Say what was tested for accessibility, and what was not."""
    return page(request, "accessibility.html.j2")
