"""The PHQ-9 responses of the AHRQ sample (STU3) become a baseline table whose totals are the expected sums."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pandas as pd
import pytest

from predictor.cohort.selection import baseline_values
from predictor.cohort.timeline import build_timeline
from predictor.config.dictionary import Dictionary
from predictor.config.schema import Baseline
from predictor.data.conform import read_tables

FILE = "ahrq-depression-patient-phq9.stu3.bundle.json"


@pytest.fixture(scope="module")
def folder(format_samples: Path) -> Path:
    return format_samples / "fhir-phq9"


def declared() -> Dictionary:
    items = {str(n): {"instrument": "phq9", "item": n} for n in range(1, 10)}
    table = {
        "source": {"path": FILE, "fhir": {"resource": "QuestionnaireResponse", "version": "STU3"}},
        "key": "patient",
        "known": {"date": "date"},
        "columns": {"date": {"type": "date"}} | items | {"total": {"instrument": "phq9", "score": "total"}},
    }
    return Dictionary.model_validate({"phq9": table})


def expected(folder: Path) -> dict[tuple[str, pd.Timestamp], float]:
    """Sums that the sample's keepers worked out, by the patient's id in the bundle."""
    bundle = json.loads((folder / FILE).read_text(encoding="utf-8"))
    ids = {
        one["fullUrl"]: one["resource"]["id"]
        for one in bundle["entry"]
        if one["resource"]["resourceType"] == "Patient"
    }
    with (folder / "expected_phq9_sums.csv").open(encoding="utf-8", newline="") as file:
        return {
            (ids[row["patient"]], pd.Timestamp(row["authored"]).tz_localize(None)): float(row["sum"])
            for row in csv.DictReader(file)
        }


def test_every_total_is_the_expected_sum(folder: Path) -> None:
    frame = read_tables(declared(), {"phq9": folder / FILE})["phq9"].frame
    assert frame["total"].notna().all()
    found = dict(zip(zip(frame["patient"], frame["date"], strict=True), frame["total"], strict=True))
    assert found == expected(folder)
    assert len(found) == 45
    assert frame["patient"].nunique() == 18


def test_the_first_response_is_the_baseline(folder: Path) -> None:
    dictionary, sums = declared(), expected(folder)
    tables = read_tables(dictionary, {"phq9": folder / FILE})
    first = {patient: min(day for who, day in sums if who == patient) for patient, _ in sums}
    units = pd.DataFrame({"patient": list(first), "day0": list(first.values()), "index_row": -1})
    timeline = build_timeline(units, tables, dictionary, index_table=None)
    baseline = Baseline(first_day=-28, last_day=0)
    values = baseline_values(timeline, dictionary, "phq9.phq9", baseline=baseline, take="first")
    assert values.tolist() == [sums[patient, day] for patient, day in first.items()]
