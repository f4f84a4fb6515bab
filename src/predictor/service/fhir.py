"""FHIR R4 for other systems: a patient's resources in, a report's resources out, and the form as a Questionnaire."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request, Response

from predictor.errors import DataError, Problem
from predictor.interoperability.bundle import PatientBundle, read_bundle
from predictor.interoperability.candidates import Clock
from predictor.interoperability.intake import PatientInputs
from predictor.interoperability.operation_outcome import operation_outcome
from predictor.interoperability.questionnaire import questionnaire
from predictor.interoperability.risk_assessment import patient_resources
from predictor.reports.content import PredictionReportV1
from predictor.reports.patient import patient_views
from predictor.service.estimates import in_time, record_estimate
from predictor.service.results import Result, keep_result, result_of
from predictor.service.shelf import Offered
from predictor.service.state import Service
from predictor.service.wall import require, require_own_page, require_token, state

__all__ = ["FromFhir", "estimate_resources", "fhir_answer", "router"]

router = APIRouter()
MEDIA = "application/fhir+json"
TYPES = (MEDIA, "application/json")


@dataclass(frozen=True)
class FromFhir:
    """A report, and what it was made from.

    Parameters
    ----------
    view : PredictionReportV1
    inputs : PatientInputs
    """

    view: PredictionReportV1
    inputs: PatientInputs


def fhir_answer(
    content: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """Answer with a resource."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return Response(text, status, headers=headers, media_type=MEDIA)


@router.get("/api/v1/models/{id_}/questionnaire")
async def form(request: Request, id_: str) -> Response:
    """Send the form of a model as a Questionnaire."""
    require(request)
    return fhir_answer(questionnaire(state(request).offered(id_).model))


@router.post("/api/v1/estimate/fhir")
async def estimate(request: Request, model: str) -> Response:
    """Estimate one patient from a Bundle: a Bundle with a RiskAssessment, or an OperationOutcome."""
    session, service = require(request, "clinician", "admin"), state(request)
    require_own_page(request)
    require_token(session, request.headers.get("x-csrf-token", ""))
    offered = service.offered(model)
    service.count_estimate(session.user)
    try:
        _check_type(request.headers.get("content-type", ""))
        bundle = await asyncio.to_thread(read_bundle, await request.body())
        found = await estimate_resources(service, offered, bundle, user=session.user)
    except DataError as error:
        codes = " ".join(sorted({one.code for one in error.problems}))
        service.audit.record("refused", user=session.user, model=offered.id, outcome=codes)
        return fhir_answer(operation_outcome(error.problems), 422)
    source = found.inputs.source
    name = keep_result(service, session, Result(offered.id, found.view, source=source))
    written = patient_resources(found.view, **source, mark=offered.mark)
    return fhir_answer(written, headers={"location": f"/r/{name}"})


def _check_type(header: str) -> None:
    """Refuse XML and other versions before anything is read."""
    kind, *parameters = (part.strip().lower() for part in header.split(";"))
    version = next(
        (one.partition("=")[2].strip('" ') for one in parameters if one.startswith("fhirversion")), "4.0"
    )
    if kind not in TYPES or version not in ("4.0", "4.0.1"):
        message = f"{' or '.join(TYPES)} of FHIR 4.0 was expected"
        raise DataError(Problem("FHI-07", message, "Send FHIR R4 (4.0.1) as JSON", path="Content-Type"))


async def estimate_resources(
    service: Service, offered: Offered, bundle: PatientBundle, *, user: str, pseudonym: str = ""
) -> FromFhir:
    """Give one patient's report from resources, once it stands in the audit log that it was given.

    Parameters
    ----------
    service : Service
    offered : Offered
    bundle : PatientBundle
    user, pseudonym : str

    Raises
    ------
    Busy, TimeoutError
    DataError
        FHI-02, FHI-03, FHI-04, FHI-07 or FHI-08.
    ResourceError
        AUD-01.
    """

    def work() -> FromFhir:
        now = datetime.now().astimezone()  # the clinic's day
        inputs = offered.intake.read(bundle, Clock(now.date()))
        rows = inputs.rows(pseudonym or "not named")
        view = patient_views(offered.model, rows, now=now, user_ref=user)[0]
        record_estimate(service, offered, view, pseudonym=pseudonym, user=user)
        return FromFhir(view, inputs)

    return await in_time(service, work)


@router.get("/r/{name}.fhir.json")
async def report_resources(request: Request, name: str) -> Response:
    """Send a report as FHIR resources."""
    found = result_of(request, require(request), name)
    mark = state(request).offered(found.model).mark
    headers = {"content-disposition": f'attachment; filename="{found.view.report.id}.fhir.json"'}
    return fhir_answer(
        patient_resources(found.view, **found.source, taken=found.taken, mark=mark), headers=headers
    )
