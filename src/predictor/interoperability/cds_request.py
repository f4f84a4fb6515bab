"""What a CDS client asks: the hook, whom it is about, and the resources that it brought along.

Source: HL7, CDS Hooks 2.0, "Calling a CDS service" and "Prefetch template"; the hooks patient-view and order-select.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from predictor.interoperability.bundle import READ, Entry, PatientBundle, collect_resources
from predictor.interoperability.coded_inputs import CodedInput
from predictor.interoperability.quantities import codes_of
from predictor.strict_json import read_json

__all__ = [
    "SERVICES",
    "BadRequest",
    "CdsRequest",
    "NotEnough",
    "bundle_of",
    "prefetch_of",
    "read_request",
]

SERVICES = {"ketamine-response-view": "patient-view", "ketamine-response-order": "order-select"}
UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
USER = re.compile(r"(Practitioner|PractitionerRole|Patient|RelatedPerson)/[A-Za-z0-9\-.]{1,64}")
KNOWN = {"hook", "hookInstance", "fhirServer", "fhirAuthorization", "context", "prefetch", "extension"}


class BadRequest(ValueError):  # noqa: N818 - the answer is 400
    """The request is none of CDS Hooks, or not of this service."""


class NotEnough(ValueError):  # noqa: N818 - the answer is 412
    """What the service needs was not sent along."""


@dataclass(frozen=True)
class CdsRequest:
    """One call.

    Parameters
    ----------
    user : str
        Reference to who works with the client.
    patient : str
        Reference to the patient.
    orders : tuple of dict
        Draft orders that are selected.
    prefetch : mapping
    """

    user: str
    patient: str
    orders: tuple[Mapping[str, Any], ...]
    prefetch: Mapping[str, Any]

    def orders_any(self, codes: list[str]) -> bool:
        """Whether one of these medications is being ordered."""
        wanted = set(codes)
        return any(codes_of(one.get("medicationCodeableConcept", {})) & wanted for one in self.orders)


def prefetch_of(inputs: tuple[CodedInput, ...]) -> dict[str, str]:
    """Return the queries that a client is asked to answer, one for each input with codes.

    Parameters
    ----------
    inputs : tuple of CodedInput
    """
    return {one.field.name: _query(one) for one in inputs if one.coded is not None}


def _query(one: CodedInput) -> str:
    assert one.coded is not None
    coded, patient = one.coded, "{{context.patientId}}"
    if coded.resource == "Patient":
        return f"Patient/{patient}"
    if coded.resource == "QuestionnaireResponse":
        return f"QuestionnaireResponse?patient={patient}&questionnaire={coded.questionnaire}&_sort=-authored"
    codes = ",".join([*coded.codes, *(coded.values if coded.resource == "MedicationRequest" else ())])
    sort = "&_sort=-date" if coded.resource == "Observation" else ""
    return f"{coded.resource}?patient={patient}&code={codes}{sort}"


def read_request(body: bytes, hook: str) -> CdsRequest:
    """Read a call.

    Parameters
    ----------
    body : bytes
    hook : str
        Of the service that was called.

    Raises
    ------
    BadRequest
        Without any part of what was sent.
    """
    try:
        found = read_json(body)
    except ValueError as error:
        raise BadRequest("no JSON") from error
    if not isinstance(found, dict) or not set(found) <= KNOWN:
        raise BadRequest("no request of CDS Hooks")
    if found.get("hook") != hook:
        raise BadRequest("another hook")
    if not UUID.fullmatch(str(found.get("hookInstance", ""))):
        raise BadRequest("hookInstance")
    if "fhirAuthorization" in found and "fhirServer" not in found:
        raise BadRequest("fhirAuthorization without fhirServer")
    context, prefetch = found.get("context"), found.get("prefetch", {})
    if not isinstance(context, dict) or not isinstance(prefetch, dict):
        raise BadRequest("context or prefetch")
    user, patient = str(context.get("userId", "")), str(context.get("patientId", ""))
    if not USER.fullmatch(user) or not ID.fullmatch(patient):
        raise BadRequest("userId or patientId")
    orders = tuple(_selected(context)) if hook == "order-select" else ()
    return CdsRequest(user, f"Patient/{patient}", orders, prefetch)


def _selected(context: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the draft orders that were just selected."""
    selections, drafts = context.get("selections"), context.get("draftOrders")
    if (
        not isinstance(selections, list)
        or not isinstance(drafts, dict)
        or drafts.get("resourceType") != "Bundle"
    ):
        raise BadRequest("selections or draftOrders")
    entries = drafts.get("entry", [])
    for entry in entries if isinstance(entries, list) else ():
        order = entry.get("resource") if isinstance(entry, dict) else None
        if not isinstance(order, dict) or not isinstance(order.get("resourceType"), str):
            raise BadRequest("draftOrders")
        if f"{order.get('resourceType')}/{order.get('id')}" in selections:
            yield order


def bundle_of(request: CdsRequest, inputs: tuple[CodedInput, ...]) -> PatientBundle:
    """Collect what was sent along, and the selected orders.

    Parameters
    ----------
    request : CdsRequest
    inputs : tuple of CodedInput

    Raises
    ------
    NotEnough
        A key is left out, or a query failed whose input the model cannot do without. A null is an answer: no data.
    DataError
        FHI-05, FHI-06 or FHI-07.
    """
    placed: dict[str, Entry] = {}
    ordered = [Entry(f"draftOrders[{i}]", one) for i, one in enumerate(request.orders)]
    for one in inputs:
        key = one.field.name
        if one.coded is None or (ordered and one.coded.resource == "MedicationRequest"):
            continue
        if key not in request.prefetch:
            raise NotEnough(key)
        for entry in _entries(key, request.prefetch[key], needed=one.field.required):
            placed.setdefault(entry.reference or entry.place, entry)
    return collect_resources([*placed.values(), *ordered], subject=request.patient)


def _entries(key: str, value: Any, *, needed: bool) -> Iterator[Entry]:
    found = _resources(value)
    if any(one.get("resourceType") == "OperationOutcome" for one in found):
        if needed:
            raise NotEnough(key)
        return
    for i, one in enumerate(found):
        if one.get("resourceType") in READ:
            yield Entry(f"prefetch.{key}[{i}]", one)


def _resources(value: Any) -> list[dict[str, Any]]:
    if value is None:
        return []
    if not isinstance(value, dict) or "resourceType" not in value:
        raise BadRequest("prefetch")
    if value["resourceType"] != "Bundle":
        return [value]
    entries = value.get("entry", [])
    if not isinstance(entries, list) or not all(
        isinstance(entry, dict) and isinstance(entry.get("resource"), dict) for entry in entries
    ):
        raise BadRequest("prefetch")
    return [entry["resource"] for entry in entries]
