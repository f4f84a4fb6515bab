"""Adverse events: small tables in, table out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from predictor.cohort.outcomes import define_outcomes
from predictor.cohort.selection import select_cohort
from predictor.config.loading import load_config
from predictor.config.yaml_writer import write_yaml
from predictor.data.conform import read_tables

SIGNS = ["dizziness", "nausea", "anxiety"]
WINDOW = {"first_day": 1, "last_day": 31}
DICTIONARY: dict[str, Any] = {
    "patients": {
        "source": {"path": "patients.csv"},
        "key": "id",
        "known": "baseline",
        "columns": {"age": {"type": "number"}}
        | {sign: {"type": "category", "values": ["yes", "no"], "known": "after"} for sign in SIGNS},
    },
    "visits": {
        "source": {"path": "visits.csv"},
        "key": "id",
        "visits": {"column": "visit", "days": {"before": 0, "w1": 7, "w4": 28, "w6": 42}},
        "columns": {
            "systolic": {"measure": "systolic_pressure", "unit": "mm[Hg]", "name": "systolic"},
            "cadss": {"instrument": "cadss"},
            "madrs": {"instrument": "madrs"},
        },
    },
}
PATIENTS = """id,age,dizziness,nausea,anxiety
a,30,no,no,no
b,31,yes,no,no
c,32,no,no,yes
d,33,no,,no
e,34,yes,,no
f,35,,,
"""
VISITS = """id,visit,systolic,cadss,madrs
a,before,120,0,30
a,w1,139,4,20
a,w4,120,0,15
b,before,120,0,30
b,w1,140,4,20
b,w4,120,0,20
c,before,170,0,30
c,w1,180,5,20
d,before,,0,30
d,w1,150,0,20
e,before,120,9,30
e,w4,139,,20
e,w6,190,60,20
f,before,120,0,30
f,w1,,,20
"""


def labels(folder: Path, *signs: dict[str, Any], **section: Any) -> list[float | None]:
    outcome = {"kind": "adverse_event", "any": list(signs), "assessed": WINDOW, **section}
    response = {"kind": "response", "measure": "madrs", "assessed": WINDOW}
    config = {
        "version": 1,
        "experiment": {"name": "harms", "question": "Who has side effects?"},
        "data": {"dictionary": "dictionary.yaml"},
        "cohort": {"index": "visits"},
        "outcomes": {"response": response, "harm": outcome},
        "primary": "response",
        "severity": "visits.madrs",
        "features": {"groups": {"all": ["visits.madrs", "visits.systolic"]}, "sets": {"all": ["all"]}},
        "models": {"net": {"type": "elastic_net", "features": ["all"]}},
    }
    (folder / "pyproject.toml").touch()
    (folder / "config.yaml").write_text(write_yaml(config), encoding="utf-8")
    (folder / "dictionary.yaml").write_text(write_yaml(DICTIONARY), encoding="utf-8")
    (folder / "patients.csv").write_text(PATIENTS, encoding="utf-8")
    (folder / "visits.csv").write_text(VISITS, encoding="utf-8")
    loaded = load_config(folder / "config.yaml")
    cohort = select_cohort(
        read_tables(loaded.dictionary, loaded.sources), loaded.dictionary, loaded.config.cohort
    )
    found = define_outcomes(cohort, loaded.config.outcomes, baseline=loaded.config.cohort.baseline)["harm"]
    assert found.kind == "adverse_event"
    assert set(found.why) <= {"observed", "not recorded"}
    return [None if np.isnan(value) else value for value in found.label]


def sign(name: str) -> dict[str, Any]:
    return {"column": f"patients.{name}", "in": ["yes"]}


PRESSURE = {"column": "visits.systolic", "at_least": 180}
RISE = {"column": "visits.systolic", "rise_by": 20}
DISSOCIATION = {"column": "visits.cadss", "at_least": 5}


@pytest.mark.parametrize(
    ("signs", "expected"),
    [
        ([sign("dizziness")], [0, 1, 0, 0, 1, None]),
        ([sign("nausea")], [0, 0, 0, None, None, None]),
        # One is enough for yes; every one has to be recorded for no
        ([sign("dizziness"), sign("nausea"), sign("anxiety")], [0, 1, 1, None, 1, None]),
        # 180 in the window; the 190 of e comes after it
        ([PRESSURE], [0, 0, 1, 0, 0, None]),
        # 19, 20 and 10 above the value before; d has none before
        ([RISE], [0, 1, 0, None, 0, None]),
        ([{**RISE, "at_least": 180}], [0, 1, 1, None, 0, None]),
        # 4 is none, 5 is; what was measured before is not counted
        ([DISSOCIATION], [0, 0, 1, 0, None, None]),
        ([DISSOCIATION, PRESSURE, sign("dizziness")], [0, 1, 1, 0, 1, None]),
    ],
)
def test_any_sign_makes_the_event_and_none_needs_every_record(
    tmp_path: Path, signs: list[dict[str, Any]], expected: list[float | None]
) -> None:
    assert labels(tmp_path, *signs) == expected


def test_no_record_can_be_declared_to_mean_no_event(tmp_path: Path) -> None:
    assert labels(tmp_path, sign("nausea"), sign("dizziness"), if_missing="non_event") == [0, 1, 0, 0, 1, 0]
