"""What each kind of resource says of one input: every value with its time and its resource, none chosen yet.

Source: HL7, FHIR R4 (4.0.1), the pages of Observation, Condition, MedicationRequest, Patient and their status codes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, tzinfo
from typing import Any

from predictor.interoperability.bundle import Entry
from predictor.interoperability.coded_inputs import CodedInput
from predictor.interoperability.moments import Moment, completed_years, read_moment
from predictor.interoperability.quantities import (
    Refusal,
    Value,
    codes_of,
    named_value,
    number_of_quantity,
    value_of,
)

__all__ = ["Candidate", "Clock", "candidates_of", "moment_of"]

FINAL = ("final", "amended", "corrected")
ACTIVE = ("active", "recurrence", "relapse")
ORDERED = ("active", "draft")
PLANNED = ("order", "original-order", "instance-order", "plan", "proposal", "filler-order")
OVER = ("entered-in-error", "cancelled", "stopped", "completed", "on-hold")


@dataclass(frozen=True)
class Clock:
    """The day that the patient is assessed on, and the clinic's zone; None for that of this machine."""

    today: date
    zone: tzinfo | None = None


@dataclass(frozen=True)
class Candidate:
    """One value that an input may have.

    Parameters
    ----------
    value : float, str or None
        None where the resource says that it is missing.
    when : Moment or None
        None for what has no time, such as a birth date.
    place, reference : str
        Of the resource.
    given : str
        Unit that it was converted from; empty where it was not.
    """

    value: Value
    when: Moment | None
    place: str
    reference: str
    given: str = ""

    @property
    def source(self) -> str:
        """What the report says of where it comes from."""
        return "FHIR" + (f", from {self.given}" if self.given else "")


def candidates_of(entry: Entry, one: CodedInput, clock: Clock) -> Iterator[Candidate]:
    """Yield what a resource says of an input.

    Parameters
    ----------
    entry : Entry
    one : CodedInput
        With codes.
    clock : Clock

    Raises
    ------
    Refusal
        FHI-02, FHI-03, FHI-07 or FHI-08, if it is about the input and cannot be used.
    """
    if one.coded is not None and entry.kind == one.coded.resource and entry.kind in READERS:
        yield from READERS[entry.kind](entry, one, clock)


def moment_of(resource: Mapping[str, Any], keys: tuple[str, ...], clock: Clock) -> Moment:
    """Return when something was, by the first of these elements that there is; of a period its start.

    Raises
    ------
    Refusal
        FHI-08.
    """
    for key in keys:
        text = resource.get(key, {}).get("start") if key.endswith("Period") else resource.get(key)
        if text is not None:
            try:
                return read_moment(str(text), clock.zone)
            except ValueError:
                raise Refusal("FHI-08", f"{key} is no date", "Send a date of FHIR") from None
    raise Refusal("FHI-08", f"it has no date ({' or '.join(keys)})", "Send when it was")


def _of_observation(entry: Entry, one: CodedInput, clock: Clock) -> Iterator[Candidate]:
    resource, wanted = entry.resource, set(one.coded.codes if one.coded else ())
    parts = [
        part for part in (resource, *resource.get("component", [])) if codes_of(part.get("code", {})) & wanted
    ]
    status = resource.get("status")
    if not parts or status == "entered-in-error":
        return
    if status not in FINAL:
        raise Refusal("FHI-03", "it is not final", f"Send it when its status is {', '.join(FINAL)}")
    when = moment_of(resource, ("effectiveDateTime", "effectiveInstant", "effectivePeriod"), clock)
    for part in parts:
        value, given = value_of(part, one)
        yield Candidate(value, when, entry.place, entry.reference, given)


def _of_patient(entry: Entry, one: CodedInput, clock: Clock) -> Iterator[Candidate]:
    assert one.coded is not None
    text = entry.resource.get(str(one.coded.element))
    if text is None:
        return
    if one.coded.element == "gender":
        yield Candidate(one.coded.values.get(str(text), str(text)), None, entry.place, entry.reference)
        return
    try:
        age = completed_years(read_moment(str(text), clock.zone), clock.today)
    except ValueError:
        raise Refusal("FHI-08", "birthDate is no date", "Send a date of FHIR") from None
    if age is None:
        message = "birthDate is not exact enough: it leaves two ages open"
        raise Refusal("FHI-08", message, "Send the month or the day, or enter the age")
    if age < 0:
        raise Refusal("FHI-08", "birthDate lies after the assessment", "Mend the record")
    yield Candidate(float(age), None, entry.place, entry.reference)


def _of_condition(entry: Entry, one: CodedInput, clock: Clock) -> Iterator[Candidate]:
    """Take an active condition for yes and a refuted one for no; one that is over, and none, say nothing about now."""
    resource = entry.resource
    if not codes_of(resource.get("code", {})) & set(one.coded.codes if one.coded else ()):
        return
    verified = _status_codes(resource, "verificationStatus")
    if "entered-in-error" in verified:
        return
    if "refuted" in verified:
        yield Candidate("no", None, entry.place, entry.reference)
    elif verified and "confirmed" not in verified:
        message, remedy = "it is neither confirmed nor refuted", "Answer the question in the form"
        raise Refusal("FHI-03", message, remedy)
    elif set(ACTIVE) & _status_codes(resource, "clinicalStatus"):
        yield Candidate("yes", None, entry.place, entry.reference)


def _status_codes(resource: Mapping[str, Any], key: str) -> set[str]:
    return {str(one.get("code", "")) for one in resource.get(key, {}).get("coding", [])}


def _of_request(entry: Entry, one: CodedInput, clock: Clock) -> Iterator[Candidate]:
    """Read the plan: which medication is ordered, its dose, or how often it is given."""
    resource, coded = entry.resource, one.coded
    assert coded is not None
    codes = codes_of(resource.get("medicationCodeableConcept", {}))
    wanted = set(coded.codes) | (set(coded.values) if coded.element is None else set())
    status, intent = resource.get("status"), resource.get("intent")
    if not codes & wanted or status in OVER or resource.get("doNotPerform") or intent not in PLANNED:
        return
    if status not in ORDERED:
        raise Refusal("FHI-03", "it is neither active nor a draft", "Send the order that is meant")
    if coded.element is None:
        yield Candidate(named_value(codes, one), None, entry.place, entry.reference)
        return
    instructions = resource.get("dosageInstruction", [])
    if len(instructions) > 1:
        message = "it has several dosage instructions"
        raise Refusal("FHI-07", message, "Send an order with one, or enter the plan in the form")
    for instruction in instructions:
        found = _ordered_count(instruction) if coded.element == "count" else _ordered_dose(instruction, one)
        if found is not None:
            yield Candidate(found[0], None, entry.place, entry.reference, found[1])


def _ordered_count(instruction: Mapping[str, Any]) -> tuple[float, str] | None:
    count = instruction.get("timing", {}).get("repeat", {}).get("count")
    return None if count is None else (float(count), "")


def _ordered_dose(instruction: Mapping[str, Any], one: CodedInput) -> tuple[float, str] | None:
    doses = instruction.get("doseAndRate", [])
    if len(doses) > 1:
        raise Refusal(
            "FHI-07", "it has several doses", "Send an order with one, or enter the plan in the form"
        )
    quantity = doses[0].get("doseQuantity") if doses else None
    return None if quantity is None else number_of_quantity(quantity, one)


READERS: dict[str, Callable[[Entry, CodedInput, Clock], Iterator[Candidate]]] = {
    "Observation": _of_observation,
    "Patient": _of_patient,
    "Condition": _of_condition,
    "MedicationRequest": _of_request,
}
