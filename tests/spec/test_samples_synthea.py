"""A bundle of PySynthea (FHIR R4, SIMULATED patients) becomes tables with the values that stand in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from predictor.cohort.selection import baseline_values
from predictor.cohort.timeline import build_timeline
from predictor.config.dictionary import Dictionary
from predictor.config.schema import Baseline
from predictor.data.conform import ConformedTable, read_tables

pytest.importorskip("fhir.resources")

FILE = Path(__file__).parents[1] / "samples" / "synthea" / "bundle.json"
UNITS = {"unit_column": "unit"}
LABS = {
    "29463-7": {"measure": "weight", "unit": "kg", "range": [20, 300]} | UNITS,
    "8302-2": {"measure": "height", "unit": "m", "range": [1, 2.3]} | UNITS,  # the file's are in cm
    "39156-5": {"measure": "their_bmi", "unit": "kg/m2", "range": [10, 80]} | UNITS,
    "70274-6": {"instrument": "gad7"},
    "8480-6": {"measure": "systolic", "unit": "mm[Hg]", "range": [50, 300]},  # a component of a panel
}


def declared() -> Dictionary:
    events = {"key": "patient", "known": {"date": "date"}, "layout": "long", "name_column": "code"}
    events |= {"value_column": "value", "duplicates": "drop_exact"}

    def table(resource: str, **words: Any) -> dict[str, Any]:
        return {"source": {"path": FILE.name, "fhir": {"resource": resource}}} | words

    sex = {"type": "category", "values": ["female", "male"]}
    people = {
        "key": "patient",
        "known": "baseline",
        "columns": {"gender": sex, "birth_date": {"type": "date"}},
    }
    return Dictionary.model_validate(
        {
            "people": table("Patient", **people),
            "labs": table("Observation", **events, columns=LABS),
            "illness": table(
                "Condition", **events, columns={"73595000": {"type": "boolean", "name": "stress"}}
            ),
        }
    )


@pytest.fixture(scope="module")
def tables() -> dict[str, ConformedTable]:
    return read_tables(declared(), dict.fromkeys(("people", "labs", "illness"), FILE))


def in_the_bundle(kind: str) -> list[dict[str, Any]]:
    entries = json.loads(FILE.read_text(encoding="utf-8"))["entry"]
    return [entry["resource"] for entry in entries if entry["resource"]["resourceType"] == kind]


def values_of(code: str) -> set[tuple[str, str, float]]:
    """Patient, moment and value of a code, taken from the JSON without our reader."""
    return {
        (
            one["subject"]["reference"].removeprefix("urn:uuid:"),
            one["effectiveDateTime"][:19],
            round(part["valueQuantity"]["value"], 6),
        )
        for one in in_the_bundle("Observation")
        for part in (one, *one.get("component", []))
        if part["code"]["coding"][0]["code"] == code
    }


def test_the_patients_are_those_of_the_bundle(tables: dict[str, ConformedTable]) -> None:
    frame = tables["people"].frame
    expected = {(one["id"], one["gender"], one["birthDate"]) for one in in_the_bundle("Patient")}
    born = frame["birth_date"].dt.strftime("%Y-%m-%d")
    assert set(zip(frame["patient"], frame["gender"], born, strict=True)) == expected
    assert len(frame) == 4


@pytest.mark.parametrize(
    ("code", "in_file"), [("29463-7", 1), ("70274-6", 1), ("39156-5", 1), ("8480-6", 1), ("8302-2", 100)]
)
def test_every_observation_arrives_with_its_patient_time_and_unit(
    tables: dict[str, ConformedTable], code: str, in_file: float
) -> None:
    frame = tables["labs"].frame.query("code == @code")
    moments = frame["date"].dt.strftime("%Y-%m-%dT%H:%M:%S")
    values = (frame["value"] * in_file).round(6)
    found = set(zip(frame["patient"], moments, values, strict=True))
    assert found == values_of(code)
    assert found


def test_a_baseline_table_whose_body_mass_index_is_the_bundles_own(tables: dict[str, ConformedTable]) -> None:
    """Synthea works out the index itself, with one decimal place."""
    own = {who: (day, value) for who, day, value in sorted(values_of("39156-5"))}
    day0 = [pd.Timestamp(day).normalize() for day, _ in own.values()]
    units = pd.DataFrame({"patient": list(own), "day0": day0, "index_row": -1})
    timeline = build_timeline(units, tables, declared(), index_table=None)
    weight, height = (
        baseline_values(timeline, declared(), f"labs.{name}", baseline=Baseline(first_day=-1, last_day=0))
        for name in ("weight", "height")
    )
    assert np.abs(weight / height**2 - [value for _, value in own.values()]).max() <= 0.05
    assert len(own) == 4


def test_diagnoses_are_those_of_the_bundle(tables: dict[str, ConformedTable]) -> None:
    stress = tables["illness"].frame.query("code == '73595000'")
    ends = sorted(patient[-4:] for patient in stress["patient"])
    assert ends == ["3e6c", "3e6c", "bd8f"]  # counted in the bundle's text
