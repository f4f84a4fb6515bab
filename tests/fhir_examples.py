"""A clinic whose dictionary says where FHIR resources hold its values, and patients as another system sends them.

Everything is invented. The codes are those of the test alone; which codes a hospital uses, a person there confirms.
"""

from __future__ import annotations

import functools
import json
import tempfile
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from predictor.experiment import Training
from predictor.prediction_model import PredictionModel, load_prediction_model
from trained_clinics import train_quietly, write_clinic

LOINC, RXNORM, SNOMED = (
    "http://loinc.org",
    "http://www.nlm.nih.gov/research/umls/rxnorm",
    "http://snomed.info/sct",
)
UCUM = "http://unitsofmeasure.org"
CRP, MADRS, SITE = "1988-5", "test-madrs", "test-site"
KETAMINE, MIDAZOLAM = "6130", "6960"
MADRS_FORM = "http://clinic.example/Questionnaire/madrs"
CODES = {
    "label: Age}": "label: Age, fhir: {resource: Patient, element: birthDate}}",
    "label: Sex}": "label: Sex, fhir: {resource: Patient, element: gender}}",
    "label: Site}": f"label: Site, fhir: {{codes: ['{LOINC}|{SITE}'], values: {{'urn:test|N': north, 'urn:test|S': "
    "south}}}",
    "label: C-reactive protein}": f"label: C-reactive protein, fhir: {{codes: ['{LOINC}|{CRP}']}}}}",
    "label: Treatment}": "label: Treatment, fhir: {resource: MedicationRequest, values: "
    f"{{'{RXNORM}|{KETAMINE}': ketamine, '{RXNORM}|{MIDAZOLAM}': midazolam}}}}}}",
    "MADRS: {instrument: madrs}": f"MADRS: {{instrument: madrs, fhir: {{codes: ['{LOINC}|{MADRS}']}}}}",
}


@functools.cache
def _shelf() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="fhir-examples-")


def coded_training(kind: str = "better") -> Training:
    """Train once: ``better`` on a strong effect, ``group`` on none; ``items`` reads MADRS from its items."""
    return _coded_training(kind)


@functools.cache
def _coded_training(kind: str) -> Training:
    clinic = write_clinic(Path(_shelf().name, kind), effect=0.0 if kind == "group" else 3.0)
    for old, new in CODES.items():
        clinic.change(old, new, file="dictionary.yaml")
    if kind == "items":
        links = ", ".join(f"'{i}': q{i}" for i in range(1, 11))
        form = f"fhir: {{resource: QuestionnaireResponse, questionnaire: '{MADRS_FORM}', items: {{{links}}}}}"
        clinic.change(f"fhir: {{codes: ['{LOINC}|{MADRS}']}}", form, file="dictionary.yaml")
    return train_quietly(clinic)


def coded_folder(kind: str = "better") -> Path:
    """Folder of such a model."""
    return coded_training(kind).folder / "model"


@functools.cache
def coded_model(kind: str = "better") -> PredictionModel:
    """Such a model, as it is loaded."""
    return load_prediction_model(coded_folder(kind))


def quantity(value: float, code: str) -> dict[str, Any]:
    return {"value": value, "unit": code, "system": UCUM, "code": code}


def observation(code: str, value: dict[str, Any], *, day: str, id_: str, **changes: Any) -> dict[str, Any]:
    """One Observation; ``value`` holds its value[x]."""
    return (
        {
            "resourceType": "Observation",
            "id": id_,
            "status": "final",
            "code": {"coding": [{"system": LOINC, "code": code}]},
            "subject": {"reference": "Patient/p1"},
            "effectiveDateTime": day,
        }
        | value
        | changes
    )


def patient(today: date, *, age: int = 44, gender: str = "female") -> dict[str, Any]:
    born = date(today.year - age, 1, 1)
    return {"resourceType": "Patient", "id": "p1", "gender": gender, "birthDate": born.isoformat()}


def order(drug: str = KETAMINE, **changes: Any) -> dict[str, Any]:
    """The planned treatment."""
    return {
        "resourceType": "MedicationRequest",
        "id": "order",
        "status": "draft",
        "intent": "proposal",
        "subject": {"reference": "Patient/p1"},
        "medicationCodeableConcept": {"coding": [{"system": RXNORM, "code": drug}]},
    } | changes


def resources(today: date, *, crp: float = 3.2, madrs: int = 31, site: str = "N") -> list[dict[str, Any]]:
    """All that the model asks for."""
    day = (today - timedelta(days=3)).isoformat()
    return [
        patient(today),
        observation(CRP, {"valueQuantity": quantity(crp, "mg/L")}, day=day, id_="crp"),
        observation(MADRS, {"valueQuantity": quantity(madrs, "{score}")}, day=day, id_="madrs"),
        observation(
            SITE,
            {"valueCodeableConcept": {"coding": [{"system": "urn:test", "code": site}]}},
            day=day,
            id_="site",
        ),
        order(),
    ]


def bundle(found: list[dict[str, Any]], **changes: Any) -> dict[str, Any]:
    entries = [
        {"fullUrl": f"http://ehr.example/fhir/{one['resourceType']}/{one.get('id', i)}", "resource": one}
        for i, one in enumerate(found)
    ]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries} | changes


def body(found: list[dict[str, Any]], **changes: Any) -> bytes:
    """A Bundle as it is sent."""
    return json.dumps(bundle(found, **changes)).encode()
