"""The Bundle of one patient: read within limits, about nobody else, and never followed to another place.

Source: HL7, FHIR R4 (4.0.1), Bundle and its rules for resolving references. References are compared, not resolved; what
is contained in a resource, and narrative, is not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from predictor.data.sources.fhir_models import find_faults
from predictor.errors import DataError, Problem
from predictor.strict_json import read_json

__all__ = ["MOST_BYTES", "READ", "Entry", "PatientBundle", "collect_resources", "read_bundle"]

MOST_BYTES, MOST_ENTRIES = 1024 * 1024, 1000
KINDS = ("collection", "searchset")
READ = ("Patient", "Observation", "QuestionnaireResponse", "Condition", "MedicationRequest")
"""What is read of a patient; other kinds are only asked whom they are about."""
HALF = "Send all of the patient's resources in one Bundle; nothing is fetched"


@dataclass(frozen=True)
class Entry:
    """One resource of the Bundle.

    Parameters
    ----------
    place : str
        Such as ``Bundle.entry[3]``: what a message may say of it.
    resource : mapping
        Valid R4.
    """

    place: str
    resource: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """The type of the resource."""
        return str(self.resource["resourceType"])

    @property
    def reference(self) -> str:
        """How another resource refers to it; empty where it has no id."""
        return f"{self.kind}/{self.resource['id']}" if "id" in self.resource else ""


@dataclass(frozen=True)
class PatientBundle:
    """What was sent about one patient.

    Parameters
    ----------
    subject : str
        Reference to the patient, as the sender writes it.
    entries : tuple of Entry
        Of the kinds that are read.
    """

    subject: str
    entries: tuple[Entry, ...]

    def of(self, kind: str) -> Iterator[Entry]:
        """Yield the resources of one type."""
        return (one for one in self.entries if one.kind == kind)


def read_bundle(body: bytes) -> PatientBundle:
    """Read what another system sent.

    Parameters
    ----------
    body : bytes

    Raises
    ------
    DataError
        FHI-05 (another patient), FHI-06 (limits, or not whole), FHI-07 (no FHIR R4 in JSON).
    ResourceError
        ENV-02.
    """
    if len(body) > MOST_BYTES:
        message = f"the Bundle is larger than {MOST_BYTES // 1024} KiB"
        raise DataError(Problem("FHI-06", message, "Send what the model asks for, and no more"))
    try:
        bundle = read_json(body)
    except ValueError as error:
        raise _no_fhir(str(error)) from error
    if not isinstance(bundle, dict) or bundle.get("resourceType") != "Bundle":
        raise _no_fhir("a Bundle was expected")
    if bundle.get("type") not in KINDS:
        raise _no_fhir(f"a Bundle of type {' or '.join(KINDS)} was expected", "Bundle.type")
    if any(isinstance(link, dict) and link.get("relation") == "next" for link in _list(bundle, "link")):
        raise DataError(Problem("FHI-06", "the Bundle is one page of several", HALF, path="Bundle.link"))
    entries = _list(bundle, "entry")
    _check_count(len(entries))
    placed = [_resource(f"Bundle.entry[{i}]", entry) for i, entry in enumerate(entries)]
    addresses = [str(entry.get("fullUrl", "")) for entry in entries]
    return collect_resources(placed, addresses=addresses)


def _check_count(entries: int) -> None:
    if entries > MOST_ENTRIES:
        message = f"more than {MOST_ENTRIES} resources"
        raise DataError(
            Problem("FHI-06", message, "Send what the model asks for, and no more", path="Bundle.entry")
        )


def _list(bundle: Mapping[str, Any], key: str) -> list[Any]:
    found = bundle.get(key, [])
    if not isinstance(found, list):
        raise _no_fhir("a list was expected", f"Bundle.{key}")
    return found


def _resource(place: str, entry: Any) -> Entry:
    resource = entry.get("resource") if isinstance(entry, dict) else None
    if not isinstance(resource, dict) or not isinstance(resource.get("resourceType"), str):
        raise _no_fhir("an entry without a resource", place)
    if resource["resourceType"] in ("Bundle", "OperationOutcome"):
        message = "a Bundle or an OperationOutcome among the entries: something of the patient is missing"
        raise DataError(Problem("FHI-06", message, HALF, path=place))
    return Entry(place, resource)


def collect_resources(
    placed: Sequence[Entry], *, addresses: Sequence[str] = (), subject: str = ""
) -> PatientBundle:
    """Check that all resources are valid and about one patient.

    Parameters
    ----------
    placed : sequence of Entry
        Not yet validated.
    addresses : sequence of str
        The ``fullUrl`` of each, as far as it has one.
    subject : str
        Reference to the patient whom the request is about; without it, the Bundle's own Patient.

    Raises
    ------
    DataError
        FHI-05, FHI-06 or FHI-07.
    """
    _check_count(len(placed))
    patients = [i for i, one in enumerate(placed) if one.kind == "Patient"]
    if len(patients) > 1:
        raise _of_another(placed[patients[1]].place, "a second Patient")
    known = {subject} - {""}
    if patients:
        first = placed[patients[0]]
        if subject and first.reference != subject:
            raise _of_another(first.place, "another Patient than the request is about")
        address = addresses[patients[0]] if addresses else ""
        known |= {first.reference, address} - {""}
    for one in placed:
        _check_subject(one, known)
    _check_models(placed)
    name = subject or (placed[patients[0]].reference if patients else "") or min(known, default="")
    return PatientBundle(name, tuple(one for one in placed if one.kind in READ))


def _check_subject(one: Entry, known: set[str]) -> None:
    """Compare whom a resource names with the patient; the first one that is named stands where there is no Patient."""
    named = [one.resource[key] for key in ("subject", "patient") if key in one.resource]
    if one.kind in READ and one.kind != "Patient" and not named:
        raise _of_another(one.place, "a resource that names no patient")
    for reference in named:
        text = reference.get("reference") if isinstance(reference, dict) else None
        if not isinstance(text, str) or not text or text.startswith("#"):
            raise _of_another(one.place, "a resource that names its patient by no reference")
        plain = text.partition("/_history/")[0]
        if not known:
            known.add(plain)
        if plain not in known:
            raise _of_another(one.place, "a resource of another patient")
    if one.resource.get("focus"):
        raise _of_another(one.place, "an observation of something else than the patient (focus)")


def _check_models(placed: Sequence[Entry]) -> None:
    problems = []
    for one in placed:
        for where, kind in _faults(one) if one.kind in READ else ():
            message = f"the {one.kind} does not fit FHIR R4 ({kind})"
            problems.append(
                Problem("FHI-07", message, "Send it as FHIR R4 (4.0.1)", path=f"{one.place}{where}")
            )
    if problems:
        raise DataError(problems)


def _faults(one: Entry) -> Iterator[tuple[str, str]]:
    """Yield what the models find, and nulls, which they let pass; a Patient's names may hold them."""
    nulls = one.resource.values() if one.kind == "Patient" else [one.resource]
    if any(value is None or (one.kind != "Patient" and _holds_null(value)) for value in nulls):
        yield "", "null"
    yield from find_faults(one.resource, one.kind)


def _holds_null(value: Any) -> bool:
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return any(each is None or _holds_null(each) for each in inner)


def _of_another(place: str, what: str) -> DataError:
    message = f"{what}; nothing of the request was used"
    return DataError(Problem("FHI-05", message, "Send the resources of one patient", path=place))


def _no_fhir(what: str, place: str = "") -> DataError:
    return DataError(Problem("FHI-07", what, "Send FHIR R4 (4.0.1) as JSON", path=place))
