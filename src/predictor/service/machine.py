"""The same for other programs: JSON in, JSON out, with the session and the token of the pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from predictor.errors import DataError
from predictor.service.estimates import estimate_patient
from predictor.service.wall import require, require_own_page, require_token, state
from predictor.strict_json import read_json

__all__ = ["REFUSALS", "problem", "router"]

router = APIRouter(prefix="/api/v1")
REFUSALS = {
    "400": "It is no JSON, or has a key twice",
    "401": "Nobody is signed in",
    "403": "The account may not do this, or the token is not the session's",
    "404": "There is no such model",
    "413": "It is too large",
    "415": "It is not JSON",
    "422": "The values are not those that the model asks for",
    "429": "Too many estimates of this user",
    "503": "The service is busy, or cannot keep its records",
}
BODY = {
    "type": "object",
    "required": ["model", "values"],
    "additionalProperties": False,
    "properties": {
        "model": {"type": "string", "description": "Its id, see /api/v1/models"},
        "patient": {"type": "string", "description": "The clinic's pseudonym, never a name"},
        "values": {
            "type": "object",
            "description": (
                "By input, see the model's schema; null or an empty text where it was not measured. Beside a number "
                "NAME may stand NAME_unit, the UCUM code of one of its `accepted_units`; without it it is in `unit`"
            ),
            "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
        },
    },
}
REQUEST: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": BODY}}},
    "parameters": [
        {"name": "X-CSRF-Token", "in": "header", "required": True, "schema": {"type": "string"}},
    ],
}


def problem(status: int, title: str, headers: Mapping[str, str] | None = None, **more: Any) -> Response:
    """Answer what cannot be answered, without any value that was sent (RFC 9457)."""
    content = {"title": title, "status": status} | more
    return JSONResponse(content, status, headers=headers, media_type="application/problem+json")


@router.get("/session")
async def session(request: Request) -> dict[str, str]:
    """Say who is signed in, and the token that a POST has to bring in ``X-CSRF-Token``."""
    found = require(request)
    return {"user": found.user, "role": found.role, "token": found.token}


@router.get("/models")
async def models(request: Request) -> list[dict[str, object]]:
    """List the models."""
    require(request)
    return [{"id": one.id, "title": one.title, "signed": one.signed} for one in state(request).shelf]


@router.get("/models/{id_}/schema")
async def schema(request: Request, id_: str) -> dict[str, object]:
    """Say what a model asks for."""
    require(request)
    offered = state(request).offered(id_)
    fields = [asdict(one) for one in offered.model.inputs]
    private = ("typical", "missing_share", "importance")
    return {"id": id_, "inputs": [{k: v for k, v in one.items() if k not in private} for one in fields]}


@router.post("/estimate", openapi_extra=REQUEST)
async def estimate(request: Request) -> Response:
    """Estimate one patient: ``{"model": …, "patient": …, "values": {…}}`` gives ``PredictionReportV1``."""
    user, service = require(request, "clinician", "admin"), state(request)
    require_own_page(request)
    require_token(user, request.headers.get("x-csrf-token", ""))
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise HTTPException(415)
    content = _read(await request.body())
    service.count_estimate(user.user)
    offered = service.offered(content["model"])
    try:
        view = await estimate_patient(
            service, offered, content["values"], pseudonym=content["patient"].strip(), user=user.user
        )
    except DataError as error:
        rules = [{"field": one.path, "rule": one.message} for one in error.problems]
        return problem(422, "The values are not those that the model asks for", problems=rules)
    return Response(view.to_json(), media_type="application/json")


def _read(body: bytes) -> dict[str, Any]:
    """Read a request without what JSON leaves open: doubled keys, NaN, any depth.

    Raises
    ------
    HTTPException
        400 for what is no JSON, 422 for what is none of this interface.
    """
    try:
        found = read_json(body, exact=False)
    except ValueError as error:
        raise HTTPException(400) from error
    fits = isinstance(found, dict) and set(found) <= {"model", "patient", "values"}
    if not fits or not isinstance(found.get("model"), str) or not isinstance(found.get("values"), dict):
        raise HTTPException(422)
    if not isinstance(found.setdefault("patient", ""), str):
        raise HTTPException(422)
    plain = (str, int, float, bool, type(None))
    if not all(isinstance(value, plain) for value in found["values"].values()):
        raise HTTPException(422)
    return dict(found)
