"""A clinician has read a report and takes it into the record: the act that makes its FHIR resources final."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import Request, Response

from predictor.reports.taken import Taken
from predictor.service.result_pages import record_result
from predictor.service.results import may_be_taken, result_of, take_result
from predictor.service.routing import Pages
from predictor.service.wall import page, read_posted, require, state, to_page

__all__ = ["router"]

router = Pages()
NOT = "Not taken into the record"
WHY_NOT = (
    "A report of data that are simulated, or of a model that nobody has signed for clinical use, is for no patient's "
    "record. It can be read, and its FHIR resources stay preliminary."
)


@router.get("/r/{name}/take")
async def ask(request: Request, name: str) -> Response:
    """Say what taking a report into the record means, and ask for it."""
    found = result_of(request, require(request, "clinician"), name)
    if not may_be_taken(state(request).offered(found.model), found):
        return to_page(f"/r/{name}") if found.taken else _refused(request)
    return page(request, "take.html.j2", name=name, view=found.view)


@router.post("/r/{name}/take")
async def take(request: Request, name: str) -> Response:
    """Write down who took a report into the record, then let its resources be final."""
    session, service = require(request, "clinician"), state(request)
    await read_posted(request, session)
    found = result_of(request, session, name)
    if may_be_taken(service.offered(found.model), found):
        await record_result(request, "taken", session, found)
        take_result(service, session, name, Taken(session.user, datetime.now(UTC)))
    elif found.taken is None:
        return _refused(request)
    return to_page(f"/r/{name}")


def _refused(request: Request) -> Response:
    return page(request, "message.html.j2", status=409, heading=NOT, text=WHY_NOT)
