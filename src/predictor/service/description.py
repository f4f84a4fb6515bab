"""The interface for other programs as an OpenAPI document: what may be sent, and what comes back."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.openapi.utils import get_openapi

from predictor.provenance import software_version
from predictor.service import fhir, machine
from predictor.service.wall import require

__all__ = ["describe_interface", "router"]

router = APIRouter(prefix="/api/v1")
ABOUT = (
    "With the session's cookie; a POST also brings the session's token in X-CSRF-Token. Errors name fields and rules "
    "(RFC 9457) and repeat no value that was sent."
)


@router.get("/openapi.json")
async def interface(request: Request) -> dict[str, Any]:
    """Describe the interface."""
    require(request)
    return describe_interface()


def describe_interface() -> dict[str, Any]:
    """Write the document, from the routes themselves.

    Returns
    -------
    dict
        OpenAPI 3.1.
    """
    routes = [*machine.router.routes, *fhir.router.routes, *router.routes]
    found = get_openapi(
        title="response-predictor", version=software_version(), description=ABOUT, routes=routes
    )
    for path in found["paths"].values():
        for operation in path.values():
            operation["responses"] |= {
                status: {"description": words, "content": {"application/problem+json": {}}}
                for status, words in machine.REFUSALS.items()
            }
    return found
