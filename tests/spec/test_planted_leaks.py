"""Leaks planted in a clean clinic, one per row: each is refused with the file, the column and the reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

from clinic import COLUMNS, RESPONSE, TABLES, Clinic, build_clinic, small_clinic
from predictor.checks.collecting import check_study
from predictor.checks.finding import forbidding
from predictor.errors import PredictorError, Problem, RefusedError
from predictor.study import Study

PATIENTS = "patient age relapsed\na 30 1\nb 40 0\n"
COURSES = "patient started drug infusions\na 2024-01-10 ketamine 6\nb 2024-01-10 saline 5\n"
SCORES = "patient on scale score\na 2024-01-09 MADRS 30\nb 2024-01-09 MADRS 31\n"
RELAPSE = {"kind": "event", "column": "patients.relapsed", "in": ["yes"]}
DATE = {"type": "date"}
REPORTED = {"columns": {"crp": COLUMNS["crp"], "drawn": DATE, "reported": DATE}, "recorded": "reported"}


class Leak(NamedTuple):
    """What is planted, and what is said about it."""

    planted: str
    clinic: Mapping[str, Any]
    file: str
    path: str
    code: str
    reason: str


def dated(**changes: Any) -> dict[str, Any]:
    """Two patients with dated courses and scores."""
    return {"patients": PATIENTS, "courses": COURSES, "scores": SCORES} | changes


DECLARED = [
    Leak(
        "a predictor recorded during the treatment",
        dated(features=["patients.age", "courses.infusions"]),
        "config.yaml",
        "features.groups.clinical.1",
        "LEA-03",
        "courses.infusions is known only after day 0",
    ),
    Leak(
        "the outcome's own column",
        dated(features=["patients.age", "patients.relapsed"], outcomes={"relapse": RELAPSE}),
        "config.yaml",
        "features.groups.clinical.1",
        "CFG-15",
        "patients.relapsed is what the outcome is made of",
    ),
    Leak(
        "the outcome's cells under another name, declared as known",
        {
            "patients": "patient age madrs_0 madrs_28\na 30 30 10\nb 31 30 12\n",
            "visits": "patient visit madrs\na baseline 3\nb baseline 4\n",
            "declare": {
                "visits": {
                    "source": {"path": "patients.csv"},
                    "visits": None,
                    "known": "baseline",
                    "columns": {"madrs_28": {"type": "number", "name": "severity"}},
                }
            },
            "severity": "patients.madrs",
            "features": ["patients.age", "visits.severity"],
        },
        "config.yaml",
        "features.groups.clinical.1",
        "CFG-15",
        "visits.severity is what the outcome is made of",
    ),
    Leak(
        "a score whose only days are after day 0",
        {
            "patients": "patient age madrs_0 madrs_28 gad_14\na 30 30 10 5\nb 31 30 10 6\n",
            "columns": {"gad_14": {"instrument": "gad7", "day": 14}},
            "features": ["patients.age", "patients.gad7"],
        },
        "config.yaml",
        "features.groups.clinical.1",
        "LEA-03",
        "patients.gad7 has no day in the baseline window",
    ),
    Leak(
        "the treatment received for the treatment planned",
        dated(cohort={"treatment": {"column": "courses.infusions"}}),
        "config.yaml",
        "cohort.treatment.column",
        "LEA-03",
        "courses.infusions is known only after day 0: it is the treatment received",
    ),
    Leak(
        "a severity measured at the end",
        {
            "patients": "patient age madrs_0 madrs_28 gad_14\na 30 30 10 5\nb 31 30 10 6\n",
            "columns": {"gad_14": {"instrument": "gad7", "day": 14}},
            "severity": "patients.gad7",
        },
        "config.yaml",
        "severity",
        "LEA-03",
        "patients.gad7 has no day in the baseline window",
    ),
    Leak(
        "an outcome assessed inside the baseline window",
        dated(outcomes={"response": {**RESPONSE, "assessed": {"first_day": 0, "last_day": 28}}}),
        "config.yaml",
        "outcomes.response.assessed",
        "CFG-31",
        "assessed from day 0, inside the baseline window",
    ),
    Leak(
        "an outcome that is known at day 0 already",
        dated(
            outcomes={"relapse": RELAPSE},
            columns={"relapsed": {"type": "category", "values": {"1": "yes", "0": "no"}}},
        ),
        "config.yaml",
        "outcomes.relapse.column",
        "CFG-24",
        "patients.relapsed is declared as known at day 0",
    ),
    Leak(
        "patients selected by what happened to them",
        dated(
            outcomes={"relapse": RELAPSE},
            cohort={"eligibility": [{"name": "Well", "column": "patients.relapsed", "in": ["no"]}]},
        ),
        "config.yaml",
        "cohort.eligibility.0",
        "CFG-15",
        "patients.relapsed is the outcome itself, so the rule selects patients by what happens to them",
    ),
    Leak(
        "earlier and later patients told apart by a date of the outcome",
        dated(
            patients="patient age relapsed_on\na 30 2024-03-01\nb 40 -\n",
            validation={"transport": {"type": "temporal", "by": "patients.relapsed_on", "cut": "2024-02-01"}},
        ),
        "config.yaml",
        "validation.transport.by",
        "LEA-03",
        "patients.relapsed_on is known only after day 0",
    ),
]

RECORDED = [
    Leak(
        "something declared as known afterwards and dated before",
        dated(patients="patient age relapsed_on\na 30 2024-01-09\nb 40 -\n"),
        "patients.csv:2",
        "relapsed_on",
        "DAT-17",
        "dated before day 0, but declared as known after it",
    ),
    Leak(
        "samples drawn before the treatment and reported after it",
        dated(
            labs="""
            patient drawn      reported   crp
            a       2024-01-09 2024-01-11 2
            b       2024-01-08 2024-02-01 3
            """,
            declare={"labs": REPORTED},
            features=["patients.age", "labs.crp"],
        ),
        "labs.csv",
        "crp",
        "LEA-03",
        "all 2 values of labs.crp that speak of the baseline were recorded after day 0 (by reported)",
    ),
    Leak(
        "answers about the past that were entered after the treatment",
        dated(
            patients="patient age smoker entered\na 30 1 2024-03-01\nb 40 0 2024-03-02\n",
            columns={"entered": DATE, "smoker": {"type": "boolean", "recorded": "entered"}},
            features=["patients.age", "patients.smoker"],
        ),
        "patients.csv",
        "smoker",
        "LEA-03",
        "all 2 values of patients.smoker that speak of the baseline were recorded after day 0 (by entered)",
    ),
    Leak(
        "a report older than its sample, so that one of its dates is wrong",
        dated(
            labs="""
            patient drawn      reported   crp
            a       2024-01-09 2024-01-09 2
            b       2024-01-08 2024-01-07 3
            """,
            declare={"labs": REPORTED},
        ),
        "labs.csv:3",
        "reported",
        "DAT-17",
        "recorded before drawn, the day that the row speaks of",
    ),
    Leak(
        "dates of recording beside visits without dates, which nothing can be compared with",
        {
            "patients": "patient age madrs_0 madrs_28 entered\na 30 30 10 2024-03-01\nb 31 30 12 2024-03-01\n",
            "columns": {"entered": DATE},
            "declare": {"patients": {"known": "baseline", "recorded": "entered"}},
        },
        "config.yaml",
        "cohort.index",
        "CFG-35",
        "patients says when it was recorded, and day 0 has no date",
    ),
]


@pytest.mark.parametrize("leak", [*DECLARED, *RECORDED], ids=lambda leak: leak.planted)
def test_a_declared_or_recorded_leak_is_refused(tmp_path: Path, leak: Leak) -> None:
    validation = leak.clinic.get("validation")
    clinic = small_clinic(tmp_path, **{k: v for k, v in leak.clinic.items() if k != "validation"})
    overrides = [f"validation.transport.{k}={v}" for k, v in (validation or {}).get("transport", {}).items()]
    (problem,) = refusal(clinic, *overrides)
    assert (problem.code, problem.path) == (leak.code, leak.path)
    assert leak.reason in problem.message
    written = f"{problem.file}:{problem.line}" if problem.line else problem.file
    expected = "--set" if overrides else leak.file
    assert written.replace(f"{clinic.folder}/", "").startswith(expected)


def refusal(clinic: Clinic, *overrides: str) -> tuple[Problem, ...]:
    """Problems that stop the training before its first fit."""
    with pytest.raises(PredictorError) as caught:
        stop_at_leaks(clinic.study(*overrides))
    return caught.value.problems


def stop_at_leaks(study: Study) -> None:
    """Do what `train` does with suspected leaks before its first fit."""
    found = forbidding(check_study(study))
    if found:
        raise RefusedError([one.problem for one in found])


def responds(clinic: Clinic) -> np.ndarray:
    """1, 0 or NaN for each row of patients.csv, from its two scores."""
    patients = clinic.table("patients")
    before, after = (pd.to_numeric(patients[name]).to_numpy(float) for name in ("madrs_0", "madrs_28"))
    return np.where(np.isnan(after), np.nan, (before - after >= before / 2).astype(float))


def noisy_copy(clinic: Clinic, patients: pd.DataFrame) -> pd.DataFrame:
    noise = np.random.default_rng(3).uniform(0, 2.5, len(patients))
    copy = np.nan_to_num(responds(clinic), nan=0.5) * 2.4 + 1 + noise
    return patients.assign(crp=[f"{value:.3f}" for value in copy])


def missing_where_none_responded(clinic: Clinic, patients: pd.DataFrame) -> pd.DataFrame:
    told = responds(clinic) == 1
    return patients.assign(crp=np.where(told, [f"{1 + i % 7}.{i % 10}" for i in range(len(patients))], ""))


def relative_fall(clinic: Clinic, patients: pd.DataFrame) -> pd.DataFrame:
    before, after = (pd.to_numeric(patients[name]).to_numpy(float) for name in ("madrs_0", "madrs_28"))
    fall = np.nan_to_num(100 * (before - after) / before, nan=40.0) + 20
    return patients.assign(crp=[f"{value:.1f}" for value in fall])


def second_key(clinic: Clinic, patients: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([patients, patients.iloc[[3]].assign(patient="K9999")])


@pytest.mark.parametrize(
    ("plant", "path", "codes", "reason"),
    [
        (noisy_copy, "patients.crp", {"P001"}, "the value of patients.crp alone has an AUC of"),
        (missing_where_none_responded, "patients.crp", {"P001"}, "whether there is a value of patients.crp alone"),
        (relative_fall, "patients.crp", {"P001", "P003"}, "with the relative fall of the score"),
        (second_key, "patients", {"P006"}, "1 pair of patients with different keys agree in every feature (rows 5 and"),
    ],
    ids=["a noisy copy", "what is missing", "the change itself", "a patient under two keys"],
)  # fmt: skip
def test_a_leak_that_only_the_values_show_is_refused(
    tmp_path: Path,
    plant: Callable[[Clinic, pd.DataFrame], pd.DataFrame],
    path: str,
    codes: set[str],
    reason: str,
) -> None:
    clinic = build_clinic(tmp_path, layout="wide", n=120, effect=0.5, changes={"features.max_missing": 0.9})
    assert not any(one.severity == "error" for one in check_study(clinic.study()))
    clinic.write_table("patients", plant(clinic, clinic.table("patients")))
    problems = refusal(clinic)
    assert {(problem.file, problem.path) for problem in problems} == {("patients.csv", path)}
    assert {problem.code for problem in problems} <= codes
    assert any(reason in problem.message for problem in problems)
    assert not any("K9999" in str(problem) for problem in problems)


def test_the_tables_used_here_are_clean_without_the_leak(tmp_path: Path) -> None:
    """What is refused above is refused for the leak: the same tables without it lead to a cohort."""
    labs = "patient drawn reported crp\na 2024-01-09 2024-01-10 2\nb 2024-01-08 2024-01-09 3\n"
    clinic = small_clinic(
        tmp_path, **dated(labs=labs, declare={"labs": REPORTED}, features=["patients.age", "labs.crp"])
    )
    assert clinic.extraction().dataset.X["crp"].tolist() == [2.0, 3.0]
    assert TABLES["labs"]["known"] == {"date": "drawn"}
