"""What happened to them: small tables in, table out."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clinic import RESPONSE, Clinic, small_clinic
from predictor.cohort.outcomes import Outcome, sensitivity

PATIENTS = "patient age\na 30\nb 40\nc 50\nd 60\ne 61\nf 62\n"
COURSES = (
    "patient started\na 2024-01-01\nb 2024-01-01\nc 2024-01-01\nd 2024-01-01\ne 2024-01-01\nf 2024-01-01\n"
)


def wide(folder: Path, rows: str, **outcome: Any) -> Outcome:
    """Define one outcome on baseline and day-28 scores."""
    clinic = small_clinic(
        folder,
        outcomes={"it": {**RESPONSE, **outcome}},
        patients=f"patient age madrs_0 madrs_28\n{rows}",
    )
    return clinic.outcomes()["it"]


def labels(outcome: Outcome) -> list[float | None]:
    return [None if math.isnan(value) else value for value in outcome.label]


def test_response_is_a_fall_of_at_least_half_and_exactly_half_counts(tmp_path: Path) -> None:
    outcome = wide(
        tmp_path,
        """
        a 30 30 15
        b 30 30 15.1
        c 30 31 15.5
        d 30 31 16
        e 30 30 30
        f 30 30 35
        g 30 30 0
        """,
    )
    assert labels(outcome) == [1, 0, 1, 0, 0, 0, 1]
    assert set(outcome.why) == {"observed"}
    assert outcome.baseline.tolist() == [30, 30, 31, 31, 30, 30, 30]
    assert outcome.follow_up.tolist() == [15, 15.1, 15.5, 16, 30, 35, 0]


@pytest.mark.parametrize(("after", "expected"), [("20", 1), ("20.01", 0), ("21", 0)])
def test_response_at_another_reduction(tmp_path: Path, after: str, expected: int) -> None:
    outcome = wide(tmp_path, f"a 30 25 {after}\nb 30 25 1\n", reduction=0.2)
    assert labels(outcome)[0] == expected


def test_an_exact_third_of_a_decimal_score_is_not_lost_to_rounding(tmp_path: Path) -> None:
    # In binary 10.1 − 7.07 is 3.0299999999999994, and 30 % of 10.1 is 3.03.
    assert 10.1 - 7.07 < 0.3 * 10.1
    assert labels(wide(tmp_path, "a 30 10.1 7.07\nb 30 10.1 7.08\n", reduction=0.3)) == [1, 0]


def test_why_a_response_is_missing(tmp_path: Path) -> None:
    rows = """
    a 30 30 15
    b 30 0  0
    c 30 0  -
    d 30 -  10
    e 30 30 -
    f 30 -  -
    """
    outcome = wide(tmp_path, rows)
    assert labels(outcome) == [1, None, None, None, None, None]
    assert outcome.why.tolist() == [
        "observed",
        "baseline score is 0",
        "baseline score is 0",
        "no baseline score",
        "no score in the assessment window",
        "no baseline score",
    ]
    counted = outcome.missing_reasons()
    assert list(counted.itertuples(index=False, name=None)) == [
        ("observed", 1),
        ("baseline score is 0", 2),
        ("no baseline score", 2),
        ("no score in the assessment window", 1),
    ]


def test_missing_counts_as_no_response_only_where_a_response_was_possible(tmp_path: Path) -> None:
    rows = "a 30 30 15\nb 30 0 0\nc 30 0 -\nd 30 - 10\ne 30 30 -\nf 30 - -\n"
    assert labels(wide(tmp_path, rows, if_missing="non_responder")) == [1, None, None, None, 0, None]


def test_remission_includes_its_cut_off_and_needs_no_baseline(tmp_path: Path) -> None:
    rows = "a 30 30 10\nb 30 30 10.5\nc 30 - 9\nd 30 0 0\ne 30 30 -\n"
    remission = {"kind": "remission", "at_most": 10, "measure": "madrs", "assessed": RESPONSE["assessed"]}
    clinic = small_clinic(
        tmp_path, outcomes={"it": remission}, patients=f"patient age madrs_0 madrs_28\n{rows}"
    )
    outcome = clinic.outcomes()["it"]
    assert labels(outcome) == [1, 0, 1, 1, None]
    assert outcome.why.tolist() == [*["observed"] * 4, "no score in the assessment window"]
    strict = clinic.outcomes("outcomes.it.if_missing=non_responder")["it"]
    assert labels(strict) == [1, 0, 1, 1, 0]


def test_change_is_baseline_minus_follow_up(tmp_path: Path) -> None:
    outcomes = {
        "response": RESPONSE,
        "it": {"kind": "change", "measure": "madrs", "assessed": RESPONSE["assessed"]},
    }
    clinic = small_clinic(
        tmp_path,
        outcomes=outcomes,
        patients="patient age madrs_0 madrs_28\na 30 30 12\nb 31 20 25\nc 32 0 4\nd 33 - 4\n",
    )
    outcome = clinic.outcomes()["it"]
    assert labels(outcome) == [18, -5, -4, None]
    assert outcome.why.tolist() == ["observed", "observed", "observed", "no baseline score"]
    # A change is described, not modelled, so it is no column of the dataset.
    assert list(clinic.extraction().dataset.outcomes) == ["response"]


def dated(folder: Path, scores: str, **window: Any) -> Clinic:
    """Everybody starts on 1 January with a score of 40 that day."""
    baseline = "".join(f"{patient} 2024-01-01 MADRS 40\n" for patient in "abcdef")
    return small_clinic(
        folder,
        outcomes={"it": {**RESPONSE, "assessed": window}},
        patients=PATIENTS,
        courses=COURSES,
        scores=f"patient on scale score\n{baseline}{scores}",
    )


def follow_up(clinic: Clinic) -> list[float | None]:
    return [None if math.isnan(v) else v for v in clinic.outcomes()["it"].follow_up]


def test_both_ends_of_the_assessment_window_are_inside(tmp_path: Path) -> None:
    # Days 13, 14, 31, 32 after 1 January.
    scores = "a 2024-01-14 MADRS 1\nb 2024-01-15 MADRS 2\nc 2024-02-01 MADRS 3\nd 2024-02-02 MADRS 4\n"
    clinic = dated(tmp_path, scores, first_day=14, last_day=31)
    assert follow_up(clinic) == [None, 2, 3, None, None, None]


NEAR = """
a 2024-01-27 MADRS 26
a 2024-01-31 MADRS 30
b 2024-01-28 MADRS 27
b 2024-01-31 MADRS 30
c 2024-01-21 MADRS 20
c 2024-01-30 MADRS 29
d 2024-01-21 MADRS 20
"""


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        # a: days 26 and 30 are equally near to 28, the earlier counts; b: 27 is nearer; c: 29.
        ({"target_day": 28}, [26, 27, 29, 20]),
        ({"prefer": "nearest", "target_day": 21}, [26, 27, 20, 20]),
        # Without a target the middle of 14 to 42 is 28.
        ({}, [26, 27, 29, 20]),
        ({"prefer": "first"}, [26, 27, 20, 20]),
        ({"prefer": "last"}, [30, 30, 29, 20]),
    ],
)
def test_which_of_several_scores(tmp_path: Path, window: dict[str, Any], expected: list[float]) -> None:
    clinic = dated(tmp_path, NEAR, first_day=14, last_day=42, **window)
    assert follow_up(clinic)[:4] == expected


@pytest.mark.parametrize(("prefer", "expected"), [("first", 8), ("nearest", 8), ("last", 12)])
def test_two_scores_of_one_day_go_by_their_time(tmp_path: Path, prefer: str, expected: float) -> None:
    scores = "a 2024-01-29T16:00 MADRS 12\na 2024-01-29T09:00 MADRS 8\n"
    clinic = dated(tmp_path, scores, first_day=14, last_day=42, prefer=prefer)
    assert follow_up(clinic)[0] == expected


def test_the_baseline_is_the_last_score_up_to_day_0_whatever_table_it_is_in(tmp_path: Path) -> None:
    clinic = small_clinic(
        tmp_path,
        outcomes={"it": RESPONSE},
        declare={"labs": {"columns": {"madrs": {"instrument": "madrs"}, "drawn": {"type": "date"}}}},
        patients=PATIENTS,
        courses=COURSES,
        labs="patient drawn madrs\na 2023-12-30 33\nb 2023-12-20 34\n",
        scores="patient on scale score\na 2023-12-20 MADRS 43\nb 2023-12-30 MADRS 44\na 2024-01-29 MADRS 1\n",
    )
    assert clinic.outcomes()["it"].baseline[:2].tolist() == [33, 44]


def test_each_course_has_its_own_baseline_and_outcome(tmp_path: Path) -> None:
    clinic = small_clinic(
        tmp_path,
        cohort={"index": {"table": "courses", "take": "all"}},
        patients=PATIENTS,
        courses="patient started\na 2024-01-01\na 2024-03-01\nb 2024-01-01\n",
        scores="""
        patient on         scale score
        a       2024-01-01 MADRS 40
        a       2024-01-29 MADRS 10
        a       2024-02-28 MADRS 30
        a       2024-03-29 MADRS 29
        b       2024-01-01 MADRS 20
        """,
    )
    outcome = clinic.outcomes()["response"]
    assert outcome.baseline.tolist() == [40, 30, 20]
    assert labels(outcome) == [1, 0, None]


def event(folder: Path, text: str, **section: Any) -> Outcome:
    clinic = small_clinic(
        folder,
        outcomes={
            "it": {"kind": "event", "column": "events.event", "in": ["relapse", "admission"], **section}
        },
        severity="scores.madrs",
        patients=PATIENTS,
        courses=COURSES,
        scores="patient on scale score\na 2024-01-01 MADRS 40\nb 2024-01-01 MADRS 30\n",
        events=text,
    )
    return clinic.outcomes()["it"]


EVENTS = """
patient happened   event
a       2024-01-11 relapse
a       2024-02-11 none
b       2024-01-11 none
c       2024-04-11 admission
d       2023-06-01 admission
e       2024-01-31 admission
"""


def test_an_event_inside_its_window_ends_included(tmp_path: Path) -> None:
    outcome = event(tmp_path, EVENTS, assessed={"first_day": 1, "last_day": 30})
    assert labels(outcome) == [1, 0, None, None, 1, None]
    assert outcome.why.tolist() == [
        "observed", "observed", "not recorded", "not recorded", "observed", "not recorded",
    ]  # fmt: skip


def test_a_dated_event_without_a_window_is_any_after_day_0(tmp_path: Path) -> None:
    assert labels(event(tmp_path, EVENTS)) == [1, 0, 1, None, 1, None]


def test_no_record_can_be_declared_to_mean_no_event(tmp_path: Path) -> None:
    outcome = event(tmp_path, EVENTS, assessed={"first_day": 1, "last_day": 30}, if_missing="non_event")
    assert labels(outcome) == [1, 0, 0, 0, 1, 0]
    assert list(outcome.why).count("not recorded") == 3


def test_a_boolean_column_is_an_event_where_true(tmp_path: Path) -> None:
    clinic = small_clinic(
        tmp_path,
        outcomes={"it": {"kind": "event", "column": "patients.relapsed", "in": ["true"]}},
        patients="patient age madrs_0 relapsed\na 30 30 1\nb 30 30 0\nc 30 30 -\nd 31 30 yes\n",
    )
    assert labels(clinic.outcomes()["it"]) == [1, 0, None, 1]


def test_the_other_strategies_are_the_sensitivity_table(tmp_path: Path) -> None:
    clinic = small_clinic(
        tmp_path,
        outcomes={"it": RESPONSE},
        patients=PATIENTS,
        courses=COURSES,
        scores="""
        patient on         scale score
        a       2023-12-20 MADRS 10
        a       2024-01-01 MADRS 40
        a       2024-01-29 MADRS 20
        b       2023-12-20 MADRS 40
        b       2024-01-01 MADRS 30
        b       2024-01-29 MADRS 18
        c       2024-01-01 MADRS 30
        """,
    )
    # Last baseline: a 40 → 20 responds, b 30 → 18 does not. First: a 10 → 20 does not, b 40 → 18 does.
    config = clinic.load().config
    table = sensitivity(
        clinic.cohort().timeline, "it", config.outcomes["it"], baseline=config.cohort.baseline
    )
    assert table[["n", "events", "declared"]].to_numpy().tolist() == [
        [2, 1, True],
        [3, 1, False],
        [2, 1, False],
    ]
    assert table["strategy"].tolist() == [
        "missing outcomes left out",
        "missing outcomes count as no event",
        "missing left out; first instead of last baseline score",
    ]


def test_evaluable_units_are_those_with_a_label(tmp_path: Path) -> None:
    outcome = wide(tmp_path, "a 30 30 15\nb 30 30 -\nc 30 30 29\n")
    assert np.flatnonzero(outcome.evaluable).tolist() == [0, 2]
