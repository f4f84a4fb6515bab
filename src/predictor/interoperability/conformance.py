"""Whether what we send is FHIR R4: the standard's own models, and rules that no validator alone keeps.

Source: HL7, FHIR R4 (4.0.1): JSON format (no empty value, no null outside of a primitive's list), RiskAssessment with
its value sets and reference types.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from predictor.data.sources.fhir_models import find_faults

__all__ = ["find_deviations", "find_empty"]

STATUS = (
    "registered",
    "preliminary",
    "final",
    "amended",
    "corrected",
    "cancelled",
    "entered-in-error",
    "unknown",
)
REFERS = {
    "subject": ("Patient", "Group"),
    "performer": ("Practitioner", "PractitionerRole", "Device"),
    "encounter": ("Encounter",),
    "condition": ("Condition",),
}
PROBABILITY = ("probabilityDecimal", "probabilityRange")
DATE = re.compile(r"\d{4}(-\d\d(-\d\d(T.*)?)?)?")
ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")


def find_deviations(resource: Mapping[str, Any]) -> Iterator[str]:
    """Yield what in a resource is no FHIR R4, with its place and without its value.

    Parameters
    ----------
    resource : mapping
        What is sent; of a Bundle every entry is looked at.

    Raises
    ------
    ResourceError
        ENV-02 without the package ``fhir.resources``.
    """
    kind = str(resource.get("resourceType", ""))
    yield from find_empty(resource, kind)
    if kind == "Bundle":
        for entry in resource.get("entry", []):
            yield from find_deviations(entry.get("resource", {}))
        return
    for place, sort in find_faults(resource, kind):
        yield f"{kind}{place}: {sort}"
    if kind == "RiskAssessment":
        yield from _of_risk(resource)


def find_empty(value: Any, place: str) -> Iterator[str]:
    """Yield where there are empty objects and lists, nulls, and ids that are none, at any depth.

    Parameters
    ----------
    value : object
    place : str
        Where it stands.
    """
    if value is None or value in ({}, []):
        yield f"{place}: empty"
    elif isinstance(value, Mapping):
        if "resourceType" in value and "id" in value and not ID.fullmatch(str(value["id"])):
            yield f"{place}.id: not of its form"
        for key, inner in value.items():
            yield from find_empty(inner, f"{place}.{key}")
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from find_empty(inner, f"{place}[{i}]")


def _of_risk(risk: Mapping[str, Any]) -> Iterator[str]:
    if risk.get("status") not in STATUS:
        yield "RiskAssessment.status: not of its value set"
    if not _is_date(risk.get("occurrenceDateTime")):
        yield "RiskAssessment.occurrenceDateTime: no date"
    for key, kinds in REFERS.items():
        kind, known = _referred(risk.get(key))
        if known and kind not in kinds:
            yield f"RiskAssessment.{key}: refers to another kind of resource"
    for prediction in risk.get("prediction") or ():
        if isinstance(prediction, Mapping):
            yield from _of_prediction(prediction)


def _of_prediction(prediction: Mapping[str, Any]) -> Iterator[str]:
    given = [key for key in PROBABILITY if key in prediction]
    if len(given) > 1:
        yield "RiskAssessment.prediction: both choices of the probability"
    value = prediction.get("probabilityDecimal")
    if "probabilityDecimal" in prediction and not _is_percentage(value):
        yield "RiskAssessment.prediction.probabilityDecimal: no number from 0 to 100"


def _is_percentage(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 100


def _referred(reference: Any) -> tuple[str, bool]:
    """Return the kind of resource that a reference names, and whether it names one."""
    text = reference.get("reference", "") if isinstance(reference, Mapping) else ""
    parts = str(text).partition("/_history/")[0].rsplit("/", 2)
    if isinstance(reference, Mapping) and "type" in reference:
        return str(reference["type"]), True
    return (parts[-2], True) if len(parts) >= 2 and not str(text).startswith("urn:") else ("", False)


def _is_date(value: Any) -> bool:
    if not isinstance(value, str) or not DATE.fullmatch(value):
        return False
    try:
        date.fromisoformat((value[:10] + "-01-01")[:10])
    except ValueError:
        return False
    return True
