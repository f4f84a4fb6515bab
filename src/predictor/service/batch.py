"""A file of patients: asked for with an empty table to fill in, and answered row by row."""

from __future__ import annotations

import asyncio
import csv
import io
from functools import partial

from fastapi import Request, Response
from starlette.exceptions import HTTPException

from predictor.answers import mark_of, marked_name
from predictor.errors import PredictorError
from predictor.prediction.reading import empty_table
from predictor.service.estimates import answer_table
from predictor.service.routing import Pages
from predictor.service.wall import page, read_posted, require, state, told

__all__ = ["router"]

router = Pages()
CSV = "text/csv; charset=utf-8"


@router.get("/models/{id_}/patients.csv")
async def empty(request: Request, id_: str) -> Response:
    """Send an empty table of patients: the head of the file that the model answers."""
    require(request)
    offered = state(request).offered(id_)
    headers = {"content-disposition": f'attachment; filename="{offered.id}_patients.csv"'}
    return Response(empty_table(offered.model), media_type=CSV, headers=headers)


@router.get("/batch")
async def batch_page(request: Request) -> Response:
    """Ask for a file of patients."""
    require(request, "clinician", "admin")
    return page(request, "batch.html.j2", models=state(request).shelf, errors=[], chosen="")


@router.post("/batch")
async def batch(request: Request) -> Response:
    """Answer a CSV file row by row."""
    session, service = require(request, "clinician", "admin"), state(request)
    form = await read_posted(request, session)
    offered, content = service.offered(form.text("model")), form.files.get("patients", b"")
    if service.batches.spent(session.user):
        raise HTTPException(429)
    service.batches.count(session.user)
    try:
        rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
        text = await asyncio.wrap_future(service.estimating.submit(partial(answer_table, offered, rows)))
    except (PredictorError, UnicodeDecodeError, csv.Error) as error:
        not_csv = ["The file is not a CSV file in UTF-8"]
        errors = told(error) if isinstance(error, PredictorError) else not_csv
        return page(
            request, "batch.html.j2", status=422, models=service.shelf, errors=errors, chosen=offered.id
        )
    service.audit.record("batch", user=session.user, model=offered.id, outcome=f"{len(rows)} rows")
    name = marked_name("answers.csv", mark_of(offered.model, signed=offered.signed))
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(text, media_type=CSV, headers=headers)
