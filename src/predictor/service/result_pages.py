"""What a session sees of a result: the report, its downloads, another plan, and a value that was typed wrongly."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

from fastapi import Request, Response
from starlette.exceptions import HTTPException

from predictor.errors import ResourceError
from predictor.reports.content import PredictionReportV1
from predictor.reports.content_estimate import WhatIfRow
from predictor.reports.patient_text import difference_text
from predictor.reports.render import render_patient_report
from predictor.reports.wording import count_text, range_text
from predictor.service.estimates import estimate_patient
from predictor.service.form import FormField, read_form
from predictor.service.guard import POLICY
from predictor.service.launched import marked
from predictor.service.queues import print_report
from predictor.service.results import Result, keep_result, may_be_taken, result_of
from predictor.service.routing import Pages
from predictor.service.sessions import Session
from predictor.service.shelf import Offered
from predictor.service.wall import page, read_posted, require, state, to_page

__all__ = ["record_result", "router", "show_form", "with_own_style"]

router = Pages()
HTML = "text/html; charset=utf-8"


class _Beside(NamedTuple):
    """One plan as the page on another plan shows it."""

    label: str
    per100: str
    range: str


async def record_result(
    request: Request, action: str, session: Session, found: Result, outcome: str = ""
) -> None:
    """Write it down before it is shown; this waits for the disk."""
    record = state(request).audit.record
    report = found.view.report.id
    await asyncio.to_thread(
        partial(record, action, user=session.user, report=report, model=found.model, outcome=outcome)
    )


@router.get("/r/{name}.json")
async def report_json(request: Request, name: str) -> Response:
    """Send the report's content as JSON."""
    view = result_of(request, require(request), name).view
    headers = {"content-disposition": f'attachment; filename="{view.report.id}.json"'}
    return Response(view.to_json(), media_type="application/json", headers=headers)


@router.get("/r/{name}.pdf")
async def report_pdf(request: Request, name: str) -> Response:
    """Print the report, when it is its turn."""
    session, service = require(request), state(request)
    found = result_of(request, session, name)
    await record_result(request, "printed", session, found)
    text = render_patient_report(found.view, banner=service.offered(found.model).mark, taken=found.taken)
    try:
        printed = await asyncio.wrap_future(service.printing.submit(partial(print_report, text)))
    except ResourceError as error:
        reason = error.problems[0].message
        said = f"{reason[:1].upper()}{reason[1:]}. The report can be read and printed from your browser all the same."
        return page(
            request,
            "message.html.j2",
            status=503,
            headers={"Retry-After": "30"},
            heading="Not printed",
            text=said,
        )
    headers = {"content-disposition": f'attachment; filename="{found.view.report.id}.pdf"'}
    return Response(printed, media_type="application/pdf", headers=headers)


@router.get("/r/{name}")
async def report(request: Request, name: str) -> Response:
    """Show the report, as it is also written to a file, with the ways on above it."""
    session = require(request)
    found = result_of(request, session, name)
    await record_result(request, "read", session, found)
    offered = state(request).offered(found.model)
    links = _links(found, name)
    if session.role == "clinician" and may_be_taken(offered, found):
        links.append(("Take into the record", f"/r/{name}/take"))
    return with_own_style(
        render_patient_report(found.view, links=links, banner=offered.mark, taken=found.taken)
    )


def _links(found: Result, name: str) -> list[tuple[str, str]]:
    links = [("Another patient", f"/estimate/{found.model}")]
    if found.typed:
        links.append(("Check an input", f"/r/{name}/check"))
    if found.view.whatif:
        links.append(("Another plan", f"/r/{name}/plan"))
    return [
        *links,
        ("About this model", f"/models/{found.model}"),
        ("Save as PDF", f"/r/{name}.pdf"),
        ("Save as JSON", f"/r/{name}.json"),
        ("Save as FHIR", f"/r/{name}.fhir.json"),
    ]


def with_own_style(text: str) -> Response:
    """Send a page that brings its own style along, so that a saved one looks the same; scripts stay forbidden.

    Parameters
    ----------
    text : str
        From `predictor.reports.render`.
    """
    policy = POLICY.format(inline=" 'unsafe-inline'").replace("script-src 'self'", "script-src 'none'")
    return Response(text, media_type=HTML, headers={"content-security-policy": policy})


@router.get("/r/{name}/plan")
async def plan_page(request: Request, name: str) -> Response:
    """Ask which other plan the patient should be put under: one that enough development patients had."""
    found = result_of(request, require(request, "clinician", "admin"), name)
    return _plan(request, found, name)


@router.post("/r/{name}/plan")
async def other_plan(request: Request, name: str) -> Response:
    """Show the estimates under two plans, and how far the model tells them apart."""
    session = require(request, "clinician", "admin")
    found = result_of(request, session, name)
    form = await read_posted(request, session)
    chosen = next((row for i, row in _others(found) if str(i) == form.text("plan")), None)
    if chosen is None:
        return _plan(request, found, name, error="Choose one of the plans")
    await record_result(request, "other_plan", session, found)
    return _plan(request, found, name, chosen=chosen)


def _others(found: Result) -> list[tuple[int, WhatIfRow]]:
    """Give the rows of plans that can be chosen: with a number, and not the planned one."""
    rows = found.view.whatif.rows if found.view.whatif else ()
    return [(i, row) for i, row in enumerate(rows) if row.cells[0].difference]


def _plan(
    request: Request, found: Result, name: str, *, chosen: WhatIfRow | None = None, error: str = ""
) -> Response:
    whatif = found.view.whatif
    if whatif is None:
        raise HTTPException(404)
    planned = next(row for row in whatif.rows if row.cells[0].planned)
    difference = chosen.cells[0].difference if chosen else None
    return page(
        request,
        "plan.html.j2",
        status=422 if error else 200,
        name=name,
        view=found.view,
        planned=_beside(planned),
        chosen=_beside(chosen) if chosen else None,
        difference=difference_text(difference) if difference else "",
        choices=[(str(i), row.label) for i, row in _others(found)],
        hidden=[(row.label, row.cells[0].why_not) for row in whatif.rows if row.cells[0].why_not],
        error=error,
    )


def _beside(row: WhatIfRow) -> _Beside:
    cell = row.cells[0]
    assert cell.per100 is not None
    assert cell.lo is not None
    assert cell.hi is not None
    return _Beside(row.label, count_text(cell.per100), range_text(cell.lo, cell.hi))


@router.get("/r/{name}/check")
async def check_page(request: Request, name: str) -> Response:
    """Show what was typed, so that a wrong value can be corrected; nothing that could be tried is improved by it."""
    found = result_of(request, require(request, "clinician", "admin"), name)
    offered = state(request).offered(found.model)
    if not found.typed:
        raise HTTPException(404)
    filled = read_form(offered.model, found.typed, questions=offered.questions)
    pseudonym = found.typed.get("pseudonym", "")
    return show_form(request, offered, marked(filled, found.launched), pseudonym=pseudonym, corrects=name)


@router.post("/r/{name}/check")
async def correct(request: Request, name: str) -> Response:
    """Estimate anew with what was corrected, and show old and new beside each other."""
    session, service = require(request, "clinician", "admin"), state(request)
    before = result_of(request, session, name)
    form = await read_posted(request, session)
    offered = service.offered(before.model)
    filled, pseudonym = (
        read_form(offered.model, form.texts, questions=offered.questions),
        form.text("pseudonym"),
    )
    if not filled.complete:
        return show_form(
            request,
            offered,
            marked(filled, before.launched),
            pseudonym=pseudonym,
            status=422,
            corrects=name,
            only_unusual=filled.only_unusual,
        )
    service.count_estimate(session.user)
    view = await estimate_patient(service, offered, filled.values, pseudonym=pseudonym, user=session.user)
    source = before.launched.source(filled.values) if before.launched else {}
    result = Result(offered.id, view, form.typed, source, launched=before.launched)
    made = keep_result(service, session, result)
    await record_result(request, "correction", session, before, outcome=view.report.id)
    return to_page(f"/r/{made}/corrected/{name}")


@router.get("/r/{name}/corrected/{old}")
async def corrected(request: Request, name: str, old: str) -> Response:
    """Show old and new beside each other, called a correction."""
    session = require(request)
    new, before = result_of(request, session, name), result_of(request, session, old)
    texts = {one.field: one for one in before.view.inputs}
    changed = [
        (one.label, texts[one.field].value_text, one.value_text, one.unit_text)
        for one in new.view.inputs
        if one.field in texts and texts[one.field].value_text != one.value_text
    ]
    return page(
        request, "corrected.html.j2", name=name, old=before.view, new=new.view, changed=changed, say=_said
    )


def _said(view: PredictionReportV1) -> str:
    """Say in a line what a report answers."""
    if view.estimate:
        one = view.estimate
        return f"about {count_text(one.per100)} of 100 ({range_text(one.lo, one.hi)})"
    return "what was observed in the group" if view.group else "no estimate: the report says why"


def show_form(
    request: Request,
    offered: Offered,
    fields: Sequence[FormField],
    *,
    pseudonym: str,
    status: int = 200,
    only_unusual: bool = False,
    corrects: str = "",
    launch: str = "",
) -> Response:
    """Show a model's form: empty, with what has to be mended, or for a correction.

    Parameters
    ----------
    request : Request
    offered : Offered
    fields : sequence of FormField
    pseudonym : str
    status : int
        422 where a field has an error.
    only_unusual : bool
        A confirmation is all that is missing.
    corrects : str
        The report whose values are corrected.
    launch : str
        The id of what a launch filled it in with; see `predictor.service.launched`.
    """
    errors = [each for one in fields for each in one.problems]
    content: dict[str, Any] = {
        "offered": offered,
        "fields": fields,
        "groups": list(dict.fromkeys(one.group for one in fields)),
        "errors": errors,
        "pseudonym": pseudonym,
        "only_unusual": only_unusual,
        "corrects": corrects,
        "launch": launch,
    }
    return page(request, "form.html.j2", status=status, **content)
