"""A decision after the K-th infusion: whose it is, on which day, and what is known by then. Worked by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clinic import Clinic, small_clinic
from predictor.cohort.definitions import describe_decision
from predictor.config.schema import AfterInfusion
from predictor.errors import ConfigError

# Second infusion: a day 3; b day 7; c never; d day 12; e day 4 (day 0 was entered twice); f and g day 3.
COURSES = """
patient started
a       2024-03-01T10:00
a       2024-03-04T10:00
a       2024-03-07T10:00
b       2024-03-01T10:00
b       2024-03-08T10:00
c       2024-03-01T10:00
d       2024-03-01T10:00
d       2024-03-13T10:00
e       2024-03-01T10:00
e       2024-03-01T11:00
e       2024-03-05T10:00
f       2024-03-01T10:00
f       2024-03-04T10:00
g       2024-03-01T10:00
g       2024-03-04T10:00
"""
SCORES = """
patient on               scale score in
a       2024-02-28       MADRS 30    2024-02-28
a       2024-03-02       MADRS 24    2024-03-02
a       2024-03-04T16:00 MADRS 20    2024-03-04T16:05
a       2024-03-06       MADRS 10    2024-03-06
b       2024-02-27       MADRS 32    2024-02-27
b       2024-03-01T14:00 MADRS 26    2024-03-01T14:10
c       2024-02-27       MADRS 31    2024-02-27
c       2024-03-03       MADRS 12    2024-03-03
d       2024-02-27       MADRS 33    2024-02-27
e       2024-02-27       MADRS 28    2024-02-27
f       2024-02-27       MADRS 34    2024-02-27
f       2024-03-03       MADRS 25    2024-03-07
g       2024-02-27       MADRS 35    2024-02-27
g       2024-03-02       MADRS 22    2024-03-02
g       2024-03-02       MADRS 18    2024-03-03
g       2024-03-02       MADRS 5     2024-03-10
"""
AFTER = {"after_infusion": 2, "last_day": 10}
EARLY = [{"column": "scores.madrs", "take": "latest"}, {"column": "scores.madrs", "take": "early_change"}]


def clinic(folder: Path, *, decision: Any = AFTER, scores: str = SCORES, **more: Any) -> Clinic:
    cohort = {"baseline": {"first_day": -28, "last_day": 0, "same_day": "pre_dose_only"}}
    if decision is not None:
        cohort["decision_time"] = decision
    return small_clinic(
        folder,
        cohort=cohort,
        declare={"scores": {"recorded": "in"}},
        patients="patient age\n" + "\n".join(f"{key} {30 + i}" for i, key in enumerate("abcdefg")),
        courses=COURSES,
        scores=scores,
        **({"features": ["patients.age", *EARLY]} | more),
    )


def test_who_comes_to_the_decision_and_on_which_day(tmp_path: Path) -> None:
    cohort = clinic(tmp_path).cohort()
    assert cohort.timeline.units["patient"].tolist() == ["a", "b", "e", "f", "g"]
    assert cohort.timeline.decision is not None
    assert cohort.timeline.decision.tolist() == [3, 7, 4, 3, 3]
    step = cohort.attrition.iloc[-1]
    assert (step["step"], step["units"], step["excluded"]) == ("Infusion 2, decided by day 10", 5, 2)
    # Day 0, and with it the outcome's baseline and every window, stays that of the first infusion.
    assert {str(day)[:10] for day in cohort.timeline.units["day0"]} == {"2024-03-01"}


@pytest.mark.parametrize(
    ("decision", "units", "days"),
    [
        ({"after_infusion": 1, "last_day": 0}, "abcdefg", [0] * 7),
        ({"after_infusion": 1, "days": 1, "last_day": 1}, "abcdefg", [1] * 7),
        ({"after_infusion": 2, "days": 3, "last_day": 10}, "abefg", [6, 10, 7, 6, 6]),
        ({"after_infusion": 2, "days": 4, "last_day": 10}, "aefg", [7, 8, 7, 7]),
        ({"after_infusion": 2, "last_day": 12}, "abdefg", [3, 7, 12, 4, 3, 3]),
        ({"after_infusion": 3, "last_day": 10}, "a", [6]),
    ],
)
def test_infusion_days_and_the_latest_day(
    tmp_path: Path, decision: dict[str, int], units: str, days: list[int]
) -> None:
    timeline = clinic(tmp_path, decision=decision).cohort().timeline
    assert "".join(timeline.units["patient"]) == units
    assert timeline.decision is not None
    assert timeline.decision.tolist() == days


def test_what_is_known_at_the_decision(tmp_path: Path) -> None:
    X = clinic(tmp_path).extraction("features.max_missing=0.9").dataset.X
    # a: 20 on the day of the decision, 10 after it. b: 26 four hours after the first dose. e: nothing but the
    # baseline. f: 25 was entered after the decision. g: 18 is the correction that was known, 5 came later.
    np.testing.assert_array_equal(X["madrs_latest"], [20, 26, 28, 34, 18])
    np.testing.assert_array_equal(X["madrs_early_change"], [-10, -6, np.nan, np.nan, -17])
    np.testing.assert_array_equal(X["madrs"], [30, 32, 28, 34, 35])  # the severity stays the baseline's


def test_nothing_after_the_decision_changes_a_feature(tmp_path: Path) -> None:
    before = clinic(tmp_path / "a").extraction("features.max_missing=0.9").dataset.X
    later = (
        SCORES.replace("MADRS 10 ", "MADRS 59 ")
        .replace("MADRS 25 ", "MADRS 1 ")
        .replace("MADRS 5 ", "MADRS 60 ")
    )
    assert later != SCORES
    after = clinic(tmp_path / "b", scores=later).extraction("features.max_missing=0.9").dataset.X
    assert before.equals(after)


def test_early_change_needs_a_decision_after_day_0(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        clinic(tmp_path, decision=None).load()
    lines = [str(problem) for problem in caught.value.problems]
    assert [line.partition(": ")[2].partition(" and the")[0] for line in lines] == [
        "features.groups.clinical.1.take: LEA-03 latest of scores.madrs is known only after day 0,",
        "features.groups.clinical.2.take: LEA-03 early_change of scores.madrs is known only after day 0,",
    ]


def test_cfg_57_an_outcome_that_begins_before_the_decision(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"assessed\.first_day: CFG-57 the outcome is assessed from day 21 on, and"
    ):
        clinic(tmp_path, decision={"after_infusion": 2, "last_day": 21}).load()
    clinic(tmp_path / "fits", decision={"after_infusion": 2, "last_day": 20}).load()


@pytest.mark.parametrize(
    ("decision", "line"),
    [
        (
            {"after_infusion": 2, "last_day": 10, "table": "patients"},
            'CFG-57 the table "patients" has no date',
        ),
        (
            {"after_infusion": 2, "last_day": 10, "table": "infusion"},
            'CFG-20 the table "infusion" is not declared',
        ),
        ({"after_infusion": 2, "last_day": 10, "where": {"drg": "x"}}, "CFG-20 courses.drg is not declared"),
        ({"after_infusion": 2, "days": 11, "last_day": 10}, "CFG-57 it is 11 days after an infusion"),
        ({"after_infusion": 0, "last_day": 10}, "CFG-28"),
        ({"after_infusion": 2}, "CFG-26"),
    ],
)
def test_a_decision_that_cannot_be(tmp_path: Path, decision: dict[str, Any], line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        clinic(tmp_path, decision=decision).load()
    assert any(
        line in str(problem) and "cohort.decision_time" in str(problem) for problem in caught.value.problems
    )


def test_a_value_without_a_date_is_of_no_known_time(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"CFG-38 patients\.age has no date"):
        clinic(tmp_path, features=[{"column": "patients.age", "take": "latest"}]).load()


def test_infusions_may_stand_in_a_table_of_their_own(tmp_path: Path) -> None:
    made = small_clinic(
        tmp_path,
        cohort={
            "decision_time": {
                "after_infusion": 2,
                "last_day": 10,
                "table": "events",
                "where": {"event": "admission"},
            }
        },
        patients="patient age\na 30\nb 40",
        courses="patient started\na 2024-03-01\nb 2024-03-01",
        events="patient happened event\na 2024-02-01 admission\na 2024-03-01 admission\na 2024-03-03 relapse\n"
        "a 2024-03-05 admission\nb 2024-03-01 admission\nb 2024-03-02 relapse",
        scores="patient on scale score\na 2024-02-28 MADRS 30\nb 2024-02-28 MADRS 31",
    )
    timeline = made.cohort().timeline
    assert timeline.units["patient"].tolist() == ["a"]
    assert timeline.decision is not None
    assert timeline.decision.tolist() == [4]  # what was given before day 0 is no infusion of this course


def test_a_decision_in_words() -> None:
    late = AfterInfusion(after_infusion=3, days=2, last_day=14)
    assert describe_decision(late).startswith(
        "2 days after infusion 3, on day 14 relative to day 0 at the latest"
    )
    assert describe_decision(AfterInfusion(after_infusion=1, last_day=0)).startswith(
        "at the end of the day of infusion 1"
    )
