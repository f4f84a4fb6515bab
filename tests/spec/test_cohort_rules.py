"""Who is asked about, and from when: small tables in, table out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clinic import small_clinic
from predictor.cohort.selection import Cohort
from predictor.errors import DataError

SCORES = """
patient on         scale score
a       2024-01-01 MADRS 30
b       2024-01-01 MADRS 30
c       2024-01-01 MADRS 30
d       2024-01-01 MADRS 30
"""
COURSES = """
patient course started    drug
a       a1     2024-01-10 ketamine
b       b1     2024-01-10 saline
b       b2     2024-02-10 ketamine
b       b3     2024-03-10 ketamine
c       c1     2024-01-10 saline
"""
PATIENTS = """
patient age
a       30
b       40
c       50
d       60
"""


def started(cohort: Cohort) -> list[tuple[str, str]]:
    units = cohort.timeline.units
    return [(patient, f"{day:%m-%d}") for patient, day in zip(units["patient"], units["day0"], strict=True)]


def attrition(cohort: Cohort) -> list[tuple[str, int, int, int, int]]:
    """Step, patients, units, excluded, unknown."""
    return [tuple(row) for row in cohort.attrition.itertuples(index=False)]


@pytest.mark.parametrize(
    ("index", "expected", "step"),
    [
        ({"take": "first"}, [("a", "01-10"), ("b", "01-10"), ("c", "01-10")], "Day 0: first row of courses"),
        ({"take": "last"}, [("a", "01-10"), ("b", "03-10"), ("c", "01-10")], "Day 0: last row of courses"),
        (
            {"take": "all", "where": {"drug": "ketamine"}},
            [("a", "01-10"), ("b", "02-10"), ("b", "03-10")],
            "Day 0: all row of courses with drug = ketamine",
        ),
        (
            {"take": "first", "where": {"drug": "ketamine"}},
            [("a", "01-10"), ("b", "02-10")],
            "Day 0: first row of courses with drug = ketamine",
        ),
    ],
)
def test_day_0_is_a_row_of_the_index_table(tmp_path: Path, index, expected, step) -> None:
    clinic = small_clinic(
        tmp_path,
        cohort={"index": {"table": "courses", **index}},
        patients=PATIENTS,
        courses=COURSES,
        scores=SCORES,
    )
    cohort = clinic.cohort()
    assert started(cohort) == expected
    people = len({patient for patient, _ in expected})
    assert attrition(cohort) == [("In the export", 4, 4, 0, 0), (step, people, len(expected), 4 - people, 0)]


def test_a_patient_whose_day_0_has_no_date_is_counted_as_unknown(tmp_path: Path) -> None:
    courses = COURSES.replace("a       a1     2024-01-10", "a       a1     -         ")
    clinic = small_clinic(tmp_path, patients=PATIENTS, courses=courses, scores=SCORES)
    assert attrition(clinic.cohort())[1] == ("Day 0: first row of courses", 2, 2, 2, 1)


def test_rows_of_one_course_are_one_unit_and_all_courses_of_a_patient_one_group(tmp_path: Path) -> None:
    clinic = small_clinic(
        tmp_path,
        cohort={"index": {"table": "courses", "take": "all"}, "course": "courses.course"},
        patients=PATIENTS,
        courses="""
        patient course started
        a       one    2024-01-10
        a       one    2024-01-13
        a       two    2024-06-10
        b       one    2024-01-20
        b       -      2024-05-20
        b       -      2024-07-20
        """,
        scores=SCORES,
    )
    cohort = clinic.cohort()
    assert started(cohort) == [
        ("a", "01-10"),
        ("a", "06-10"),
        ("b", "01-20"),
        ("b", "05-20"),
        ("b", "07-20"),
    ]
    assert cohort.groups.tolist() == [0, 0, 1, 1, 1]


def test_clusters_that_a_patient_connects_are_one_group(tmp_path: Path) -> None:
    clinic = small_clinic(
        tmp_path,
        cohort={"index": {"table": "courses", "take": "all"}, "group": "courses.site"},
        declare={"courses": {"columns": {"started": {"type": "date"}, "site": {"type": "category"}}}},
        patients=PATIENTS,
        courses="""
        patient site  started
        a       north 2024-01-10
        a       south 2024-06-10
        b       south 2024-01-20
        c       east  2024-01-20
        d       -     2024-01-20
        """,
        scores=SCORES,
    )
    cohort = clinic.cohort()
    assert list(zip(cohort.timeline.units["patient"], cohort.groups.tolist(), strict=True)) == [
        ("a", 1),
        ("a", 1),
        ("b", 1),
        ("c", 0),
    ]
    assert attrition(cohort)[-1] == ("Cluster recorded", 3, 4, 1, 1)


def test_without_consent_nothing_is_read_further(tmp_path: Path) -> None:
    clinic = small_clinic(
        tmp_path,
        cohort={"consent": "patients.consent"},
        patients="""
        patient age consent
        a       30  yes
        b       40  no
        c       50  yes
        d       60  -
        """,
        courses=COURSES.replace("c       c1", "d       c1"),
        scores=SCORES,
    )
    cohort = clinic.cohort()
    assert attrition(cohort) == [
        ("In the export", 4, 4, 0, 0),
        ("Consent to research", 2, 2, 2, 1),
        ("Day 0: first row of courses", 1, 1, 1, 0),
    ]
    assert cohort.timeline.units["patient"].tolist() == ["a"]
    assert cohort.timeline.records["reference"].tolist().count("scores.madrs") == 1  # of four


def test_a_consent_withdrawn_later_is_no_consent(tmp_path: Path) -> None:
    clinic = small_clinic(
        tmp_path,
        cohort={"consent": "visits.consent", "index": "visits"},
        patients=PATIENTS,
        visits="""
        patient visit    consent madrs
        a       baseline yes     30
        a       week4    no      10
        b       baseline yes     30
        """,
        outcomes=None,
    )
    assert clinic.cohort().timeline.units["patient"].tolist() == ["b"]


def test_eligibility_in_order_ends_included_and_unknown_counted(tmp_path: Path) -> None:
    clinic = small_clinic(
        tmp_path,
        cohort={
            "index": "visits",
            "eligibility": [
                {"name": "Adult", "column": "patients.age", "min": 18, "max": 65},
                {"name": "At least moderately ill", "column": "patients.madrs", "min": 20},
                {"name": "Non-smoker", "column": "patients.smoker", "in": ["false"]},
            ],
        },
        patients="""
        patient age madrs_0 madrs_28 smoker
        a       18  20      9        0
        b       65  40      9        0
        c       66  -       9        -
        d       -   30      9        0
        e       30  19.9    9        0
        f       30  -       9        1
        g       30  30      9        1
        h       30  30      9        -
        """,
    )
    cohort = clinic.cohort()
    assert attrition(cohort) == [
        ("In the export", 8, 8, 0, 0),
        ("Adult", 6, 6, 2, 1),
        ("At least moderately ill", 4, 4, 2, 1),
        ("Non-smoker", 2, 2, 2, 1),
    ]
    assert cohort.timeline.units["patient"].tolist() == ["a", "b"]


def test_any_of_several_tests_is_unknown_where_the_deciding_value_is_missing(tmp_path: Path) -> None:
    clinic = small_clinic(
        tmp_path,
        cohort={
            "eligibility": [
                {
                    "name": "Severe, or resistant",
                    "any": [
                        {"column": "patients.severity", "min": 30},
                        {"column": "patients.failed", "min": 2},
                    ],
                }
            ]
        },
        columns={"severity": {"type": "number"}, "failed": {"type": "integer"}},
        patients="""
        patient severity failed madrs_0 madrs_28
        a       30       0      20      10
        b       10       2      20      10
        c       -        2      20      10
        d       10       0      20      10
        e       10       -      20      10
        f       -        -      20      10
        """,
        features=["patients.severity"],
    )
    cohort = clinic.cohort()
    assert cohort.timeline.units["patient"].tolist() == ["a", "b", "c"]
    assert attrition(cohort)[-1] == ("Severe, or resistant", 3, 3, 3, 2)


def test_eligibility_looks_at_the_baseline_window_only(tmp_path: Path) -> None:
    clinic = small_clinic(
        tmp_path,
        cohort={
            "index": {"table": "courses", "take": "first"},
            "baseline": {"first_day": -7},
            "eligibility": [{"name": "Ill", "column": "scores.madrs", "min": 20}],
        },
        patients=PATIENTS,
        courses=COURSES,
        scores="""
        patient on         scale score
        a       2024-01-03 MADRS 20
        b       2024-01-02 MADRS 40
        c       2024-01-11 MADRS 40
        """,
    )
    cohort = clinic.cohort()  # a on day -7; b on day -8 and c on day 1 are outside
    assert started(cohort) == [("a", "01-10")]
    assert attrition(cohort)[-1] == ("Ill", 1, 1, 2, 2)


@pytest.mark.parametrize(
    ("dose", "band"),
    [("0", "below 0.3"), ("0.29", "below 0.3"), ("0.3", "0.3 to below 0.75"), ("0.75", "0.75 or more")],
)
def test_a_dose_on_a_cut_belongs_to_the_upper_band(tmp_path: Path, dose: str, band: str) -> None:
    clinic = small_clinic(
        tmp_path,
        cohort={"treatment": {"column": "courses.dose", "bands": [0.3, 0.75]}},
        patients=PATIENTS,
        courses=f"""
        patient started    dose
        a       2024-01-10 {dose}
        b       2024-01-10 1.2
        c       2024-01-10 -
        """,
        scores=SCORES,
    )
    cohort = clinic.cohort()
    assert cohort.plan.tolist() == [band, "0.75 or more"]
    assert attrition(cohort)[-1] == ("Planned treatment recorded", 2, 2, 1, 1)


def test_the_plan_of_each_course_is_its_own(tmp_path: Path) -> None:
    clinic = small_clinic(
        tmp_path,
        cohort={"index": {"table": "courses", "take": "all"}, "treatment": {"column": "courses.drug"}},
        patients=PATIENTS,
        courses=COURSES,
        scores=SCORES,
    )
    assert clinic.cohort().plan.tolist() == ["ketamine", "saline", "ketamine", "ketamine", "saline"]


def test_doses_without_bands_are_their_own_labels(tmp_path: Path) -> None:
    clinic = small_clinic(
        tmp_path,
        cohort={"treatment": {"column": "courses.dose"}},
        patients=PATIENTS,
        courses="patient started dose\na 2024-01-10 0.50\nb 2024-01-10 1\n",
        scores=SCORES,
    )
    assert clinic.cohort().plan.tolist() == ["0.5", "1"]


def test_nobody_left_says_where_they_went(tmp_path: Path) -> None:
    clinic = small_clinic(
        tmp_path,
        cohort={"eligibility": [{"name": "Old", "column": "patients.age", "min": 70}]},
        patients=PATIENTS,
        courses=COURSES,
        scores=SCORES,
    )
    with pytest.raises(DataError) as refused:
        clinic.cohort()
    assert str(refused.value) == (
        "DAT-30 nobody is left after eligibility. "
        "Steps: In the export 4; Day 0: first row of courses 3; Old 0."
    )


def test_no_row_of_the_index_table_fits(tmp_path: Path) -> None:
    clinic = small_clinic(
        tmp_path,
        cohort={"index": {"table": "courses", "where": {"drug": "ketamine"}}},
        patients=PATIENTS,
        courses="patient started drug\na 2024-01-10 saline\nb 2024-01-11 saline\n",
        scores=SCORES,
    )
    with pytest.raises(DataError, match="with drug = ketamine 0"):
        clinic.cohort()


SAME_DAY = """
patient on               scale score
a       2024-01-08       MADRS 31
a       2024-01-10T08:00 MADRS 32
a       2024-01-10T11:00 MADRS 33
b       2024-01-08       MADRS 34
b       2024-01-10       MADRS 35
"""


@pytest.mark.parametrize(
    ("same_day", "expected"),
    [("include", [33, 35]), ("exclude", [31, 34]), ("pre_dose_only", [32, 34])],
)
def test_a_score_of_day_0(tmp_path: Path, same_day: str, expected: list[float]) -> None:
    # a was dosed at 10:00; b's score of day 0 has no time, so nobody knows whether it was before the dose.
    clinic = small_clinic(
        tmp_path,
        cohort={"baseline": {"first_day": -28, "same_day": same_day}},
        features=["scores.madrs"],
        patients=PATIENTS,
        courses="patient started\na 2024-01-10T10:00\nb 2024-01-10T10:00\n",
        scores=SAME_DAY,
    )
    assert clinic.extraction().dataset.X["madrs"].tolist() == expected


def test_pre_dose_only_needs_the_time_of_the_dose_as_well(tmp_path: Path) -> None:
    clinic = small_clinic(
        tmp_path,
        cohort={"baseline": {"first_day": -28, "same_day": "pre_dose_only"}},
        features=["scores.madrs"],
        patients=PATIENTS,
        courses="patient started\na 2024-01-10\nb 2024-01-10\n",
        scores=SAME_DAY,
    )
    assert clinic.extraction().dataset.X["madrs"].tolist() == [31, 34]


@pytest.mark.parametrize(
    ("take", "expected"),
    [("last", 20), ("first", 30), ("mean", 25), ("min", 20), ("max", 30)],
)
def test_several_baseline_values(tmp_path: Path, take: str, expected: float) -> None:
    clinic = small_clinic(
        tmp_path,
        cohort={"baseline": {"first_day": -28, "last_day": -1}},
        features=[{"column": "scores.madrs", "take": take}, "patients.age"],
        patients=PATIENTS,
        courses="patient started\na 2024-01-29\nb 2024-01-29\n",
        scores="""
        patient on         scale score
        a       2024-01-28 MADRS 20
        a       2023-12-31 MADRS 60
        a       2024-01-29 MADRS 59
        a       2024-01-15 MADRS 25
        a       2024-01-01 MADRS 30
        b       2024-01-15 MADRS 33
        """,
    )
    name = "madrs" if take == "last" else f"madrs_{take}"
    X = clinic.extraction().dataset.X  # day -29 and day 0 are outside, days -28 and -1 inside
    assert X[name].tolist() == [expected, 33]


def test_the_same_visit_is_another_day_in_the_other_sequence(tmp_path: Path) -> None:
    clinic = small_clinic(
        tmp_path,
        declare={
            "visits": {
                "visits": {
                    "column": "visit",
                    "by": "patients.drug",
                    "days": {
                        "ketamine": {"pre": -2, "mid": "ignore", "post": 28},
                        "saline": {"pre": -16, "mid": -4, "post": 28},
                    },
                }
            }
        },
        features=["visits.madrs"],
        patients="patient drug\na ketamine\nb saline\nc -\n",
        visits="""
        patient visit madrs
        a       pre   30
        a       mid   20
        a       post  10
        b       pre   31
        b       mid   21
        b       post  11
        c       pre   32
        """,
    )
    X = clinic.extraction().dataset.X["madrs"]
    assert X.tolist()[:2] == [30, 21]
    assert np.isnan(X[2])  # whose sequence is unknown
