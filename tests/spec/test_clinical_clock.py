"""When a value became known: small tables in, the baseline that the decision could see out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clinic import COLUMNS, RESPONSE, Clinic, small_clinic
from predictor.checking import check
from predictor.checks.leaks import same_day_values

PATIENTS = "patient age\na 30\nb 40\n"
COURSES = "patient started\na 2024-01-10\nb 2024-01-10\n"
SCORES = "patient on scale score\na 2024-01-09 MADRS 30\nb 2024-01-09 MADRS 31\n"
DATE = {"type": "date"}


def laboratory(folder: Path, labs: str, **options: Any) -> Clinic:
    """Blood of patients a and b, treated on 10 January, with the date of each report."""
    declared = {"columns": {"crp": COLUMNS["crp"], "drawn": DATE, "reported": DATE}, "recorded": "reported"}
    tables = {"patients": PATIENTS, "courses": COURSES, "scores": SCORES, "labs": labs} | options
    return small_clinic(folder, declare={"labs": declared}, features=["patients.age", "labs.crp"], **tables)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("2024-01-02 2024-01-03 2", 2.0),
        ("2024-01-02 2024-01-10 2", 2.0),  # reported on day 0 itself, which counts by default
        ("2024-01-02 2024-01-11 2", np.nan),  # drawn before, reported after
        ("2024-01-02 -          2", np.nan),  # nothing says when it was reported
        ("2024-01-11 2024-01-12 2", np.nan),  # drawn after
        ("2023-12-01 2024-01-03 2", np.nan),  # reported inside the window, drawn before it
    ],
)
def test_a_result_counts_from_its_report(tmp_path: Path, row: str, expected: float) -> None:
    clinic = laboratory(tmp_path, f"patient drawn reported crp\na {row}\nb 2024-01-02 2024-01-03 9\n")
    X = (
        clinic.extraction("features.max_missing=1").dataset.X
        if np.isnan(expected)
        else clinic.extraction().dataset.X
    )
    np.testing.assert_array_equal(X["crp"].to_numpy(float) if "crp" in X else [np.nan, 9.0], [expected, 9.0])


LABS = """
patient drawn      reported   crp
a       2024-01-02 2024-01-03 2
a       2024-01-02 2024-01-05 20
a       2024-01-02 2024-02-01 200
b       2024-01-02 2024-01-03 8
b       2024-01-04 2024-01-06 4
"""


@pytest.mark.parametrize(
    ("take", "expected"),
    [("last", [20.0, 4.0]), ("first", [20.0, 8.0]), ("max", [20.0, 8.0]), ("mean", [20.0, 6.0])],
)
def test_a_correction_counts_from_its_entry_and_replaces_what_it_corrects(
    tmp_path: Path, take: str, expected: list[float]
) -> None:
    clinic = laboratory(tmp_path, LABS)
    X = clinic.extraction(
        f"features.groups.clinical=[patients.age, {{column: labs.crp, take: {take}}}]"
    ).dataset.X
    assert X.iloc[:, 1].tolist() == expected


@pytest.mark.parametrize(
    ("same_day", "expected"),
    [("include", [3.0, 5.0]), ("pre_dose_only", [2.0, 5.0]), ("exclude", [1.0, 5.0])],
)
def test_what_is_known_on_day_0_itself_follows_the_rule_for_its_values(
    tmp_path: Path, same_day: str, expected: list[float]
) -> None:
    labs = """
    patient drawn      reported         crp
    a       2024-01-02 2024-01-09       1
    a       2024-01-02 2024-01-10T08:00 2
    a       2024-01-02 2024-01-10T12:00 3
    b       2024-01-02 2024-01-09       5
    """
    courses = "patient started\na 2024-01-10T09:30\nb 2024-01-10T09:30\n"
    clinic = laboratory(tmp_path, labs, courses=courses)
    assert clinic.extraction(f"cohort.baseline.same_day={same_day}").dataset.X["crp"].tolist() == expected
    if same_day == "include":
        (found,) = same_day_values_of(clinic)
        assert found == "1 values of labs.crp carry a time of day 0 that is not before its own"


def same_day_values_of(clinic: Clinic) -> list[str]:
    study_like = type("Prepared", (), {})()
    study_like.loaded, study_like.cohort = clinic.load(), clinic.cohort()
    study_like.dataset = clinic.extraction().dataset
    return [one.finding for one in same_day_values(study_like) if one.code == "P015"]


def test_an_answer_without_a_date_counts_from_its_entry(tmp_path: Path) -> None:
    patients = """
    patient age smoker relapsed entered
    a       30  1      0        2024-01-05
    a       30  0      1        2024-03-01
    b       40  0      0        2024-01-10
    b       40  1      1        2024-01-11
    c       50  1      0        2024-02-01
    """
    clinic = small_clinic(
        tmp_path,
        patients=patients,
        courses="patient started\na 2024-01-10\na 2024-06-10\nb 2024-01-10\nc 2024-01-10\n",
        scores=SCORES,
        columns={"entered": DATE},
        declare={"patients": {"recorded": "entered", "known": "baseline"}},
        features=["patients.age", "patients.smoker"],
        cohort={"index": {"table": "courses", "take": "all"}},
        outcomes={"relapse": {"kind": "event", "column": "patients.relapsed", "in": ["yes"]}},
        severity="scores.madrs",
    )
    X = clinic.extraction().dataset.X
    # Two courses of a, between which the answer was corrected; of c nothing was entered in time.
    np.testing.assert_array_equal(X["smoker"].to_numpy(float), [1, 0, 0, np.nan])
    np.testing.assert_array_equal(X["age"].to_numpy(float), [30, 30, 40, np.nan])
    # The outcome is what was recorded last.
    assert clinic.outcomes()["relapse"].label.tolist() == [1, 1, 1, 0]


def test_an_outcome_is_taken_as_it_was_recorded_last(tmp_path: Path) -> None:
    scores = """
    patient on         scale score entered
    a       2024-01-09 MADRS 30    2024-01-09
    a       2024-01-09 MADRS 40    2024-01-20
    a       2024-02-07 MADRS 28    2024-02-07
    a       2024-02-07 MADRS 12    2024-03-30
    b       2024-01-09 MADRS 31    2024-01-09
    b       2024-02-07 MADRS 30    -
    """
    clinic = small_clinic(
        tmp_path,
        patients=PATIENTS,
        courses=COURSES,
        scores=scores,
        declare={"scores": {"recorded": "entered"}},
        outcomes={"response": RESPONSE},
    )
    outcome = clinic.outcomes()["response"]
    # The baseline of a is the one that was known; the follow-up is the corrected one: 12 of 30.
    assert outcome.baseline.tolist() == [30, 31]
    assert outcome.follow_up.tolist() == [12, 30]
    assert outcome.label.tolist() == [1, 0]


def test_the_planned_treatment_has_to_be_recorded_by_day_0(tmp_path: Path) -> None:
    clinic = small_clinic(
        tmp_path,
        patients=PATIENTS,
        courses="patient started drug entered\na 2024-01-10 ketamine 2024-01-08\nb 2024-01-10 saline 2024-02-08\n",
        scores=SCORES,
        columns={"entered": DATE, "drug": {**COLUMNS["drug"], "recorded": "entered"}},
        cohort={"treatment": {"column": "courses.drug", "control": "saline"}},
    )
    cohort = clinic.cohort()
    assert cohort.plan.tolist() == ["ketamine"]
    assert cohort.attrition.iloc[-1].tolist() == ["Planned treatment recorded", 1, 1, 1, 1]


def test_check_says_how_much_became_known_too_late(tmp_path: Path) -> None:
    rows = [f"p{i:02d} {30 + i % 20}" for i in range(24)]
    scores = [
        f"p{i:02d} 2024-01-09 MADRS {30 + i % 3}\np{i:02d} 2024-02-07 MADRS {10 if i % 2 else 25}"
        for i in range(24)
    ]
    labs = [f"p{i:02d} 2024-01-02 2024-01-{'03' if i > 2 else '20'} {1 + i % 5}" for i in range(24)]
    clinic = laboratory(
        tmp_path,
        "\n".join(["patient drawn reported crp", *labs]),
        patients="\n".join(["patient age", *rows]),
        courses="\n".join(["patient started", *(f"p{i:02d} 2024-01-10" for i in range(24))]),
        scores="\n".join(["patient on scale score", *scores]),
    )
    notices = check(clinic.config).notices
    late = "labs.crp: 3 values speak of the baseline and were recorded after day 0, so they are not used"
    assert late in notices
