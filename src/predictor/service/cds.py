"""CDS Hooks 2.0: which services there are, the cards they give, and what clinicians did with them."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from predictor.errors import DataError
from predictor.interoperability.cards import OVERRIDE_REASONS, card_of
from predictor.interoperability.cds_request import (
    SERVICES,
    BadRequest,
    NotEnough,
    bundle_of,
    prefetch_of,
    read_request,
)
from predictor.interoperability.client_tokens import TokenRefused
from predictor.interoperability.operation_outcome import operation_outcome
from predictor.interoperability.partners import Cds
from predictor.service.fhir import estimate_resources
from predictor.service.others import Others
from predictor.service.state import Service
from predictor.service.wall import state
from predictor.strict_json import read_json

__all__ = ["router"]

router = APIRouter()
TEXTS = {
    "ketamine-response-view": "What is known about response to the planned treatment, when a patient is opened",
    "ketamine-response-order": "The same, when the treatment is being ordered",
}
REASONS = dict(OVERRIDE_REASONS)
DAMAGED = ("FHI-05", "FHI-06", "FHI-07")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def _desk(request: Request) -> tuple[Service, Others, Cds]:
    service = state(request)
    if service.others is None or service.others.partners.cds is None:
        raise HTTPException(404)
    return service, service.others, service.others.partners.cds


def _answer(request: Request, cds: Cds, content: dict[str, Any], status: int = 200) -> Response:
    """Answer, and let a page of the allow-list read it."""
    return JSONResponse(content, status, headers=_cors(request, cds))


def _cors(request: Request, cds: Cds) -> dict[str, str]:
    origin = request.headers.get("origin", "")
    allowed = {"access-control-allow-origin": origin} if origin in cds.origins else {}
    return {"vary": "Origin"} | allowed


@router.options("/cds-services")
@router.options("/cds-services/{name}")
@router.options("/cds-services/{name}/feedback")
async def preflight(request: Request) -> Response:
    """Tell a browser whether its page may call."""
    _, _, cds = _desk(request)
    headers = _cors(request, cds)
    if "access-control-allow-origin" not in headers:
        raise HTTPException(403)
    methods = {"access-control-allow-methods": "GET, POST", "access-control-max-age": "600"}
    return Response(
        status_code=204,
        headers=headers | methods | {"access-control-allow-headers": "authorization, content-type"},
    )


@router.get("/cds-services")
async def discover(request: Request) -> Response:
    """List the services, and what each asks a client to send along."""
    service, _, cds = _desk(request)
    prefetch = prefetch_of(service.offered(cds.model).intake.inputs)
    services = [
        {"id": name, "hook": hook, "title": name.replace("-", " ").capitalize(), "description": TEXTS[name]}
        | ({"prefetch": prefetch} if prefetch else {})
        for name, hook in SERVICES.items()
    ]
    return _answer(request, cds, {"services": services})


def _trusted(request: Request, name: str) -> str:
    """Return who calls, or refuse; the reason stands in the audit log alone.

    Raises
    ------
    HTTPException
        401, or 404 for an unknown service.
    """
    service, others, _ = _desk(request)
    if name not in SERVICES:
        raise HTTPException(404)
    address = f"{others.partners.base}{request.url.path}"
    assert others.tokens is not None
    try:
        return others.tokens.check(request.headers.get("authorization", ""), [address, others.partners.base])
    except TokenRefused as refused:
        service.audit.record("refused", outcome=f"CDS token: {refused}")
        raise HTTPException(401) from refused


@router.post("/cds-services/{name}")
async def call(request: Request, name: str) -> Response:
    """Answer a hook with a card or none."""
    service, others, cds = _desk(request)
    issuer = await asyncio.to_thread(_trusted, request, name)
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415)
    if service.estimates.spent(issuer):
        raise HTTPException(429)
    try:
        asked = read_request(await request.body(), SERVICES[name])
        ordered = SERVICES[name] == "order-select"
        if ordered and not asked.orders_any(cds.medications):
            return _answer(request, cds, {"cards": []})
        offered = service.offered(cds.model)
        bundle = await asyncio.to_thread(bundle_of, asked, offered.intake.inputs)
        service.estimates.count(issuer)
        found = await estimate_resources(service, offered, bundle, user=asked.user)
    except BadRequest as error:
        return _answer(request, cds, {"error": f"no request that is understood: {error}"}, 400)
    except NotEnough as error:
        return _answer(request, cds, {"error": f"prefetch is needed: {error}"}, 412)
    except DataError as error:
        codes = sorted({one.code for one in error.problems})
        service.audit.record("refused", user=issuer, model=cds.model, outcome=" ".join(codes))
        status = 400 if set(codes) & set(DAMAGED) else 412
        return _answer(request, cds, operation_outcome(error.problems), status)
    launch = f"{others.partners.base}/launch" if others.partners.smart else ""
    card = card_of(found.view, ordered=ordered, launch=launch, mark=offered.mark)
    if card is not None:
        others.cards.add(card["uuid"], service=name, issuer=issuer, report=found.view.report.id)
    return _answer(request, cds, {"cards": [card] if card else []})


@router.post("/cds-services/{name}/feedback")
async def feedback(request: Request, name: str) -> Response:
    """Record what became of cards: the outcome and a known reason, and no free text."""
    service, others, cds = _desk(request)
    issuer = await asyncio.to_thread(_trusted, request, name)
    items = _feedback_of(await request.body())
    given = [others.cards.find(str(one["card"]), service=name, issuer=issuer) for one in items]
    if not all(given):
        raise HTTPException(404)
    for one, item in zip(given, items, strict=True):
        if one is not None and not one.answered:
            outcome = f"{item['outcome']} {_reason(item)}".strip()
            await asyncio.to_thread(
                service.audit.record,
                "feedback",
                user=issuer,
                report=one.report,
                model=cds.model,
                outcome=outcome,
            )
            one.answered = True
    return _answer(request, cds, {})


def _feedback_of(body: bytes) -> list[dict[str, Any]]:
    """Read feedback.

    Raises
    ------
    HTTPException
        400.
    """
    try:
        found = read_json(body)
    except ValueError as error:
        raise HTTPException(400) from error
    items = found.get("feedback") if isinstance(found, dict) else None
    if not isinstance(items, list) or not items:
        raise HTTPException(400)
    for one in items:
        if not isinstance(one, dict) or not UUID.fullmatch(str(one.get("card", ""))):
            raise HTTPException(400)
        if one.get("outcome") not in ("accepted", "overridden"):
            raise HTTPException(400)
    return items


def _reason(item: dict[str, Any]) -> str:
    """Return the code of a reason that we offered; anything else could be somebody's own words."""
    reason = item.get("overrideReason")
    coding = reason.get("reason") if isinstance(reason, dict) else None
    code = coding.get("code") if isinstance(coding, dict) else None
    return code if isinstance(code, str) and code in REASONS else ""
