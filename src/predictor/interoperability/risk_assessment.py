"""One patient's report as FHIR R4: a RiskAssessment, the Device that made it, and the Provenance of both.

Source: HL7, FHIR R4 (4.0.1), RiskAssessment. Its probability is one choice, and a decimal there is a percentage ("max =
100"): what the report calls 54 of 100 is 54. The range over refits is no ``probabilityRange``, which would stand in the
place of the decimal; it is an extension, and words in ``rationale``. Without a period a risk would be one "over the
subject's lifespan", so that the period is always said.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from predictor.interoperability.quantities import UCUM
from predictor.reports.content import PredictionReportV1
from predictor.reports.taken import Taken
from predictor.reports.wording import say

__all__ = ["RANGE", "SYSTEM", "as_transaction", "patient_resources"]

SYSTEM = "urn:response-predictor"
RANGE = f"{SYSTEM}:range-over-refits"
TEST_DATA = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ActReason",
    "code": "HTEST",
    "display": "test health data",
}
VERIFIER = {
    "system": "http://terminology.hl7.org/CodeSystem/provenance-participant-type",
    "code": "verifier",
    "display": "Verifier",
}
Resource = dict[str, Any]


def patient_resources(
    view: PredictionReportV1,
    *,
    subject: str = "",
    basis: Sequence[str] = (),
    condition: str = "",
    taken: Taken | None = None,
    mark: str = "",
) -> Resource:
    """Write a report as a Bundle of resources.

    Parameters
    ----------
    view : PredictionReportV1
    subject : str
        Reference to the patient in the other system; without it the pseudonym stands as an identifier.
    basis : sequence of str
        References to the resources that the values came from.
    condition : str
        Reference to the condition that is assessed; empty where none is known.
    taken : Taken or None
        Who has taken the report into the record, which makes it final; else it is preliminary.
    mark : str
        What has to stand first, such as that the model is not signed for clinical use.

    Returns
    -------
    dict
        A Bundle of type ``collection``: RiskAssessment, Device, Provenance, and for a refusal an OperationOutcome. No
        number is in a refusal, and no personal one on the page of a group.
    """
    device, risk = _device(view), _risk(view, subject, basis, final=taken is not None, mark=mark)
    if condition:
        risk["condition"] = {"reference": condition}
    addresses = {name: _address(view, name) for name in ("risk", "device", "provenance", "outcome")}
    risk["performer"] = {"reference": addresses["device"], "display": _model_text(view)}
    provenance = _provenance(view, basis, risk=addresses["risk"], device=addresses["device"], taken=taken)
    entries = [("risk", risk), ("device", device), ("provenance", provenance)]
    if view.report.kind == "refusal":
        entries.append(("outcome", _refusal(view)))
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "timestamp": _instant(view.report.created_utc),
        "entry": [{"fullUrl": addresses[name], "resource": resource} for name, resource in entries],
    }


def as_transaction(bundle: Resource) -> Resource:
    """Return the same as one request to a server: all of its resources are made, or none.

    Parameters
    ----------
    bundle : dict
        From `patient_resources`.

    Returns
    -------
    dict
        Without the OperationOutcome, which no server keeps.
    """
    kept = [one for one in bundle["entry"] if one["resource"]["resourceType"] != "OperationOutcome"]
    entries = [one | {"request": {"method": "POST", "url": one["resource"]["resourceType"]}} for one in kept]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def _address(view: PredictionReportV1, name: str) -> str:
    """Give the same address to the same part of the same report."""
    seed = f"{view.report.id} {_instant(view.report.created_utc)} {name}"
    return f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'{SYSTEM}:{seed}')}"


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _model_text(view: PredictionReportV1) -> str:
    return f"{view.model.title} ({view.model.id} {view.model.version})"


def _meta(view: PredictionReportV1) -> Resource:
    tag = [{"system": f"{SYSTEM}:tag", "code": "machine-made", "display": "Made by a prediction model"}]
    return {"tag": [*tag, *([TEST_DATA] if view.simulated else [])]}


def _risk(
    view: PredictionReportV1, subject: str, basis: Sequence[str], *, final: bool, mark: str
) -> Resource:
    model = {"system": f"{SYSTEM}:model", "code": view.model.id, "version": view.model.version}
    risk: Resource = {
        "resourceType": "RiskAssessment",
        "meta": _meta(view),
        "identifier": [{"system": f"{SYSTEM}:report", "value": view.report.id}],
        "status": "final" if final else "preliminary",
        "method": {"coding": [model], "text": _model_text(view)},
        "code": {"text": view.model.title},
        "subject": _subject(view, subject),
        "occurrenceDateTime": _instant(view.report.created_utc),
        "prediction": [_prediction(view)],
        "note": [{"text": text} for text in ([mark] if mark else []) + _notes(view)],
    }
    if basis:
        risk["basis"] = [{"reference": one} for one in basis]
    return risk


def _subject(view: PredictionReportV1, subject: str) -> Resource:
    if subject:
        return {"reference": subject}
    name = {"system": f"{SYSTEM}:pseudonym", "value": view.patient.pseudonym or "not named"}
    return {"type": "Patient", "identifier": name}


def _prediction(view: PredictionReportV1) -> Resource:
    if view.report.kind == "refusal":
        return {"outcome": {"text": "No estimate"}, "rationale": say("refusal")}
    said: Resource = {
        "outcome": {"text": f"{view.outcome.name}: {view.outcome.definition}"},
        "whenPeriod": _period(view),
    }
    if view.estimate is not None:
        low, high = view.estimate.lo, view.estimate.hi
        limits = {"low": _percent(low), "high": _percent(high)}
        said["probabilityDecimal"] = view.estimate.per100
        said["extension"] = [{"url": RANGE, "valueRange": limits}]
        said["rationale"] = " ".join(
            (
                f"The model estimates that about {view.estimate.per100} of 100",
                say("estimate_of"),
                f"{say('range', range=f'{low} to {high}')} {say('range_method', method=view.estimate.method)}",
                say("estimate_without"),
            )
        )
    elif view.group is not None:
        rate = view.group.rate
        counts = {
            "responders": rate.responders,
            "n": rate.n,
            "per100": rate.per100,
            "lo": rate.lo,
            "hi": rate.hi,
        }
        said["rationale"] = " ".join(
            (
                say("group_rate", treatment=view.group.treatment, **counts),
                say("group_because", reason=view.group.reason),
                say("group_without"),
            )
        )
    return said


def _percent(count: int) -> Resource:
    return {"value": count, "unit": "of 100", "system": UCUM, "code": "%"}


def _period(view: PredictionReportV1) -> Resource:
    """Say when the outcome is expected, as far as its horizon is a day after the assessment."""
    first = view.patient.assessed_on or view.report.created_utc.date()
    days = re.fullmatch(r"day (\d{1,4})", view.outcome.horizon)
    last: date | None = first + timedelta(days=int(days[1])) if days else None
    return {"start": first.isoformat()} | ({"end": last.isoformat()} if last else {})


def _notes(view: PredictionReportV1) -> list[str]:
    marks = [say("demonstration")] if view.model.demonstration else []
    marks += [say("simulated")] if view.simulated else []
    marks += [say("research_only")] if view.research_only else []
    verdict = view.applicability
    check = [f"{one.label}: {one.result}" for one in verdict.checks if one.status != "ok"] if verdict else []
    return [*marks, say("warning"), *check, *view.limits, *([view.not_covered] if view.not_covered else [])]


def _device(view: PredictionReportV1) -> Resource:
    return {
        "resourceType": "Device",
        "meta": _meta(view),
        "identifier": [{"system": f"{SYSTEM}:model-sha256", "value": view.model.bundle_sha256 or "unsaved"}],
        "status": "active",
        "manufacturer": view.model.owner,
        "deviceName": [{"name": view.model.title, "type": "model-name"}],
        "type": {"text": "Prediction model"},
        "version": [{"value": view.model.version}, {"value": view.report.software_version}],
        "note": [{"text": f"Configuration {view.report.config_sha256}. Contact: {view.model.contact}"}],
    }


def _provenance(
    view: PredictionReportV1, basis: Sequence[str], *, risk: str, device: str, taken: Taken | None
) -> Resource:
    agents: list[Resource] = [{"type": {"text": "Made by"}, "who": {"reference": device}}]
    if view.report.user_ref:
        agents.append({"type": {"text": "Asked by"}, "who": _user(view.report.user_ref)})
    if taken is not None:
        agents.append({"type": {"coding": [VERIFIER]}, "who": _user(taken.by)})
    found: Resource = {
        "resourceType": "Provenance",
        "meta": _meta(view),
        "target": [{"reference": risk}],
        "recorded": _instant(taken.at if taken else view.report.created_utc),
        "agent": agents,
    }
    if basis:
        found["entity"] = [{"role": "source", "what": {"reference": one}} for one in basis]
    return found


def _user(name: str) -> Resource:
    return {"identifier": {"system": f"{SYSTEM}:user", "value": name}}


def _refusal(view: PredictionReportV1) -> Resource:
    issues = [
        {
            "severity": "error",
            "code": "business-rule",
            "details": {"text": reason.rule},
            "diagnostics": reason.resolve,
        }
        for reason in view.refusal
    ]
    return {"resourceType": "OperationOutcome", "issue": issues}
