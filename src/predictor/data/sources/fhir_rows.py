"""What one FHIR resource says, as the rows of a table.

Observation, Condition and MedicationAdministration give a row for each code (of a panel, for each component), so that a
long table names its columns by codes. A QuestionnaireResponse gives one row with a column for each item.

Source: HL7, FHIR R4 (4.0.1) and STU3 (3.0.2), the pages of the five resources; scores of answers by the extensions
ordinalValue (R4), itemWeight and iso21090-CO-value (STU3).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

__all__ = ["ResourceRows", "Row", "date_written", "rows_of_resource"]

Row = dict[str, str]
UCUM = "http://unitsofmeasure.org"
SCORES = tuple(
    f"http://hl7.org/fhir/StructureDefinition/{name}"
    for name in ("ordinalValue", "itemWeight", "iso21090-CO-value")
)
COUNTED = {
    "Observation": ("final", "amended", "corrected"),
    "QuestionnaireResponse": ("completed", "amended"),
    "MedicationAdministration": ("completed", "in-progress"),
}
"""Status with which a resource counts: what is preliminary or entered in error is left out and counted."""
NOT_SO = ("refuted", "entered-in-error")


@dataclass(frozen=True)
class ResourceRows:
    """The rows of one resource.

    Parameters
    ----------
    rows : tuple of dict
    dates : tuple of str
        Columns that hold a date.
    left_out : str
        Why it gives no row, in words that follow a number; empty where it does.
    dangling : bool
        Whether its patient is not in the file.
    """

    rows: tuple[Row, ...] = ()
    dates: tuple[str, ...] = ("date", "recorded")
    left_out: str = ""
    dangling: bool = False


def rows_of_resource(resource: Mapping[str, Any], addresses: Mapping[str, str]) -> ResourceRows:
    """Return what a resource says.

    Parameters
    ----------
    resource : dict
        Valid in its version.
    addresses : dict of str to str
        Id of each patient by the address that the bundle gives it.

    Raises
    ------
    ValueError
        With words for the user, where an item has several answers.
    """
    kind = str(resource["resourceType"])
    if kind == "Patient":
        return ResourceRows(rows=(_patient(resource),), dates=())
    status = _status(resource, kind)
    if status:
        return ResourceRows(left_out=f"were left out because of their status ({status})")
    key, dangling = _key(resource, addresses)
    head = {"patient": key, "id": str(resource.get("id", ""))}
    rows = tuple(head | row for row in MAKERS[kind](resource))
    return ResourceRows(
        rows=rows, dangling=dangling, left_out="" if rows else "have no code and were left out"
    )


def _status(resource: Mapping[str, Any], kind: str) -> str:
    """Return the status that makes a resource not count; empty where it counts."""
    if kind == "Condition":
        codings = resource.get("verificationStatus", {})
        words = (
            [codings]
            if isinstance(codings, str)
            else [one.get("code", "") for one in codings.get("coding", [])]
        )
        return next((word for word in words if word in NOT_SO), "")
    status = str(resource.get("status", ""))
    return "" if status in COUNTED[kind] else status


def _key(resource: Mapping[str, Any], addresses: Mapping[str, str]) -> tuple[str, bool]:
    """Return the patient's id, and whether the reference leads nowhere."""
    reference = str((resource.get("subject") or resource.get("patient") or {}).get("reference", ""))
    if reference in addresses:
        return addresses[reference], False
    kind, _, name = reference.rpartition("Patient/")
    if name and not kind.startswith("urn:"):
        plain = name.partition("/")[0]
        return plain, bool(addresses) and plain not in addresses.values()
    return reference, True


def _patient(resource: Mapping[str, Any]) -> Row:
    return {
        "patient": str(resource.get("id", "")),
        "gender": str(resource.get("gender", "")),
        "birth_date": str(resource.get("birthDate", "")),
    }


def _observation(resource: Mapping[str, Any]) -> Iterator[Row]:
    when = {"date": _when(resource, "effective"), "recorded": str(resource.get("issued", ""))}
    for part in (resource, *resource.get("component", [])):
        if part is not resource or not resource.get("component") or _value(part):
            for code in _codes(part.get("code", {})):
                yield (
                    {"code": code}
                    | when
                    | {"value": _value(part), "unit": _unit(part.get("valueQuantity", {}))}
                )


def _condition(resource: Mapping[str, Any]) -> Iterator[Row]:
    recorded = str(resource.get("recordedDate", resource.get("assertedDate", "")))
    for code in _codes(resource.get("code", {})):
        yield {"code": code, "date": _when(resource, "onset") or recorded, "recorded": recorded, "value": "1"}


def _administration(resource: Mapping[str, Any]) -> Iterator[Row]:
    dose = resource.get("dosage", {}).get("dose", {})
    for code in _codes(resource.get("medicationCodeableConcept", {})):
        yield {
            "code": code,
            "date": _when(resource, "effective"),
            "given": "1",
            "value": _quantity(dose),
            "unit": _unit(dose),
        }


def _questionnaire(resource: Mapping[str, Any]) -> Iterator[Row]:
    asked = resource.get("questionnaire", "")
    head = {
        "date": str(resource.get("authored", "")),
        "questionnaire": asked if isinstance(asked, str) else str(asked.get("reference", "")),
    }
    answers: Row = {}
    for link, text in _answers(resource.get("item", [])):
        if link in answers or link in {"patient", "id", *head}:
            msg = "an item stands twice, or is called like a column of the table"
            raise ValueError(msg)
        answers[link] = text
    yield head | answers


def _answers(items: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    for item in items:
        answers = item.get("answer", [])
        if len(answers) > 1:
            msg = "an item has several answers, and a cell holds one"
            raise ValueError(msg)
        if answers or not item.get("item"):
            yield str(item["linkId"]), _score(answers[0]) if answers else ""
        for part in (item, *answers):
            yield from _answers(part.get("item", []))


def _score(answer: Mapping[str, Any]) -> str:
    """Return an answer's score where it carries one, else its value, else its code."""
    coding = answer.get("valueCoding", {})
    for extension in (*coding.get("extension", []), *answer.get("extension", [])):
        if extension.get("url") in SCORES and "valueDecimal" in extension:
            return str(extension["valueDecimal"])
    return _value(answer)


MAKERS = {
    "Observation": _observation,
    "Condition": _condition,
    "MedicationAdministration": _administration,
    "QuestionnaireResponse": _questionnaire,
}


def _codes(concept: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys(str(one["code"]) for one in concept.get("coding", []) if "code" in one))


def _when(resource: Mapping[str, Any], prefix: str) -> str:
    for name in (f"{prefix}DateTime", f"{prefix}Instant"):
        if name in resource:
            return str(resource[name])
    return str(resource.get(f"{prefix}Period", {}).get("start", ""))


def _quantity(quantity: Mapping[str, Any]) -> str:
    """Return the number, a limit with its sign (``<0.4``); "at most" is read like "below"."""
    if "value" not in quantity:
        return ""
    return str(quantity.get("comparator", "")).removesuffix("=") + str(quantity["value"])


def _unit(quantity: Mapping[str, Any]) -> str:
    """Only a UCUM code is a unit; a unit in words is none, and a laboratory value without one is refused."""
    return str(quantity.get("code", "")) if quantity.get("system") == UCUM else ""


def _value(part: Mapping[str, Any]) -> str:
    if "valueQuantity" in part:
        return _quantity(part["valueQuantity"])
    concept = part.get("valueCodeableConcept", {}).get("coding") or [part.get("valueCoding", {})]
    plain = ("valueInteger", "valueDecimal", "valueString", "valueDate", "valueDateTime", "valueTime")
    found = next((part[name] for name in plain if name in part), concept[0].get("code", ""))
    return str(part["valueBoolean"]).lower() if "valueBoolean" in part else str(found)


def date_written(text: str, time_zone: str) -> str:
    """Return a date or an instant as local time without an offset; what is partial stays as it is, to be refused.

    Parameters
    ----------
    text : str
    time_zone : str
        ``as_written``, or the name of a zone.
    """
    if "T" not in text:
        return text
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    if moment.tzinfo is not None and time_zone != "as_written":
        moment = moment.astimezone(ZoneInfo(time_zone))
    return moment.replace(tzinfo=None).isoformat(sep=" ")
