"""Days relative to day 0, by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from clinic import small_clinic
from predictor.cohort.timeline import Timeline, build_timeline, index_dates, measure_of, too_early
from predictor.cohort.windows import assessed_rows, baseline_rows, rows_in_window
from predictor.config.dictionary import Dictionary, Table
from predictor.config.schema import Baseline, Window
from predictor.data.conform import ConformedTable, read_tables


def timeline(*rows: tuple[int, str, float, object], n: int = 2) -> Timeline:
    """Rows of unit, reference, day, value; already in order."""
    records = pd.DataFrame(rows, columns=["unit", "reference", "day", "value"]).assign(
        before_dose=None, row=2, hour=np.nan, recorded=pd.NaT, known_before=None
    )
    records["known_day"] = records["day"]
    units = pd.DataFrame({"patient": [f"p{i}" for i in range(n)], "day0": pd.NaT, "index_row": -1})
    return Timeline(units=units, records=records, attributes={"patients.age": pd.Series(range(30, 30 + n))})


def conformed(frame: pd.DataFrame) -> ConformedTable:
    return ConformedTable("t", frame, np.arange(2, 2 + len(frame)), (), "")


@pytest.mark.parametrize(
    ("window", "days"),
    [
        (Baseline(first_day=-28, last_day=0), [-28, 0]),
        (Baseline(first_day=-29, last_day=-1), [-29, -28]),
        (Baseline(first_day=-28, last_day=0, same_day="exclude"), [-28]),
    ],
)
def test_the_baseline_window_includes_both_ends(window: Baseline, days: list[int]) -> None:
    line = timeline(*((0, "scores.madrs", float(day), 30.0) for day in (-29, -28, 0, 1)))
    assert baseline_rows(line, window)["day"].tolist() == days


def test_rows_of_one_column_or_of_a_measure_in_any_table() -> None:
    line = timeline(
        (0, "a.madrs", 7.0, 1.0),
        (0, "b.madrs", 8.0, 2.0),
        (0, "a.madrs_s", 8.0, 3.0),
        (1, "a.madrs", 9.0, 4.0),
    )
    window = Window(first_day=7, last_day=8)
    assert rows_in_window(line, "a.madrs", window)["value"].tolist() == [1.0]
    assert rows_in_window(line, "madrs", window)["value"].tolist() == [1.0, 2.0]
    assert rows_in_window(line, "hamd17", window).empty


def test_one_assessment_per_unit() -> None:
    line = timeline(
        (0, "a.m", 10.0, 1.0), (0, "a.m", 14.0, 2.0), (0, "a.m", 20.0, 3.0), (1, "a.m", 20.0, 4.0), n=3
    )
    for prefer, expected in (("nearest", 2.0), ("first", 1.0), ("last", 3.0)):
        window = Window(first_day=10, last_day=20, target_day=14, prefer=prefer)
        assert assessed_rows(line, "m", window)["value"].to_dict() == {0: expected, 1: 4.0}


def test_measure_of_and_attribute() -> None:
    assert measure_of(pd.Series(["a.madrs", "scores.gad7"])).tolist() == ["madrs", "gad7"]
    line = timeline()
    assert line.attributes["patients.age"].tolist() == [30, 31]
    assert "scores.madrs" not in line.attributes


def test_taking_units_renumbers_them_everywhere() -> None:
    line = timeline((0, "a.m", 0.0, 10.0), (1, "a.m", 0.0, 11.0), (2, "a.m", 0.0, 12.0), n=3)
    taken = line.take(np.array([True, False, True]))
    assert taken.units["patient"].tolist() == ["p0", "p2"]
    assert taken.records[["unit", "value"]].to_numpy().tolist() == [[0, 10.0], [1, 12.0]]
    assert taken.attributes["patients.age"].to_dict() == {0: 30, 1: 32}


def test_index_dates_need_a_date() -> None:
    table = conformed(pd.DataFrame({"k": ["a"], "d": pd.to_datetime(["2024-01-02"])}))
    declared = {"source": {"path": "x.csv"}, "key": "k", "columns": {"d": {"type": "date"}}}
    dated = Table.model_validate({**declared, "known": {"date": "d"}})
    assert index_dates(table, dated).tolist() == [pd.Timestamp("2024-01-02")]
    with pytest.raises(TypeError, match="no date"):
        index_dates(table, Table.model_validate({**declared, "known": "baseline"}))


def test_days_are_whole_calendar_days_whatever_the_time(tmp_path: Path) -> None:
    clinic = small_clinic(
        tmp_path,
        patients="patient age\na 30\nb 40\n",
        courses="patient started\na 2024-03-01T23:00\nb 2024-03-01\n",
        scores="""
        patient on               scale score
        a       2024-03-02T01:00 MADRS 1
        a       2024-02-29T23:59 MADRS 2
        a       2024-03-01T22:00 MADRS 3
        a       2024-03-01       MADRS 4
        b       2024-03-01T22:00 MADRS 5
        """,
    )
    records = clinic.cohort().timeline.records
    scores = records.loc[records["reference"] == "scores.madrs"]
    # 2024 is a leap year. In order of time; a value without a time comes first on its day.
    assert scores[["unit", "day", "value", "before_dose", "row"]].to_numpy(object).tolist() == [
        [0, -1.0, 2.0, True, 3],
        [0, 0.0, 4.0, None, 5],
        [0, 0.0, 3.0, True, 4],
        [0, 1.0, 1.0, False, 2],
        [1, 0.0, 5.0, None, 6],
    ]


def test_wide_days_visit_labels_and_values_without_days(tmp_path: Path) -> None:
    clinic = small_clinic(
        tmp_path,
        declare={
            "visits": {"visits": {"column": "visit", "days": {"pre": -1, "post": 28, "extra": "ignore"}}}
        },
        patients="patient age madrs_0 madrs_28 arm\na 30 31 12 ketamine\nb 40 32 - placebo\n",
        visits="patient visit madrs\na pre 33\na extra 55\nb post 14\n",
        severity="patients.madrs",
    )
    line = clinic.cohort().timeline
    assert line.records[["unit", "reference", "day", "value"]].to_numpy(object).tolist() == [
        [0, "visits.madrs", -1.0, 33.0],
        [0, "patients.madrs", 0.0, 31.0],
        [0, "patients.madrs", 28.0, 12.0],
        [1, "patients.madrs", 0.0, 32.0],
        [1, "visits.madrs", 28.0, 14.0],
    ]
    assert {name: values.tolist() for name, values in line.attributes.items()} == {
        "patients.age": [30.0, 40.0],
        "patients.arm": ["ketamine", "placebo"],
    }


def test_a_long_table_known_at_baseline_has_no_days(tmp_path: Path) -> None:
    long = {"known": "baseline"}
    clinic = small_clinic(
        tmp_path,
        declare={"scores": long},
        patients="patient age madrs_0 madrs_28\na 30 30 12\nb 40 30 13\n",
        scores="patient scale score\na MADRS 33\na GAD7 9\nb GAD7 8\n",
        severity="patients.madrs",
        features=["scores.gad7"],
    )
    assert clinic.extraction().dataset.X["gad7"].tolist() == [9.0, 8.0]
    assert set(clinic.cohort().timeline.records["reference"]) == {"patients.madrs"}


def test_the_index_row_gives_the_values_of_its_own_course(tmp_path: Path) -> None:
    clinic = small_clinic(
        tmp_path,
        cohort={"index": {"table": "courses", "take": "last"}},
        patients="patient age\na 30\nb 40\n",
        courses="patient started dose infusions\na 2024-03-01 0.5 6\na 2024-01-01 1 5\nb 2024-02-01 0.75 4\n",
        scores="patient on scale score\na 2024-01-09 MADRS 30\nb 2024-01-09 MADRS 31\n",
    )
    attributes = clinic.cohort().timeline.attributes
    assert attributes["courses.dose"].tolist() == [0.5, 0.75]
    assert attributes["courses.infusions"].tolist() == [6.0, 4.0]


def test_a_new_patient_without_an_index_row_has_nothing_from_it(tmp_path: Path) -> None:
    clinic = small_clinic(
        tmp_path,
        patients="patient age\na 30\nb 40\n",
        courses="patient started dose\na 2024-03-01 0.5\nb 2024-02-01 0.75\n",
        scores="patient on scale score\na 2024-01-09 MADRS 30\nb 2024-01-09 MADRS 31\n",
    )
    loaded = clinic.load()
    units = pd.DataFrame({"patient": ["a", "z"], "day0": pd.Timestamp("2024-03-01"), "index_row": [0, -1]})
    line = build_timeline(
        units, read_tables(loaded.dictionary, loaded.sources), loaded.dictionary, index_table="courses"
    )
    assert line.attributes["courses.dose"].tolist()[0] == 0.5
    assert line.attributes["courses.dose"].isna().tolist() == [False, True]
    assert line.attributes["patients.age"].isna().tolist() == [False, True]


def test_no_dated_table_gives_no_records() -> None:
    dictionary = Dictionary.model_validate(
        {
            "patients": {
                "source": {"path": "p.csv"},
                "key": "k",
                "known": "baseline",
                "columns": {"age": {"type": "number"}},
            }
        }
    )
    units = pd.DataFrame({"patient": ["a"], "day0": pd.NaT, "index_row": [-1]})
    tables = {"patients": conformed(pd.DataFrame({"k": ["a"], "age": [30.0]}))}
    line = build_timeline(units, tables, dictionary, index_table=None)
    assert line.records.empty
    assert {"unit", "reference", "day", "value"} <= set(line.records)
    assert baseline_rows(line, Baseline()).empty


def test_too_early_names_lines_by_column() -> None:
    frame = pd.DataFrame(
        {
            "k": ["a", "b", "c", "d"],
            "seen": pd.to_datetime(["2024-01-09", "2024-01-10", None, "2024-01-01"]),
            "died": pd.to_datetime([None, "2024-01-09T12:00", "2024-01-11", "2024-01-01"], format="ISO8601"),
            "relapse": ["yes", "no", "yes", None],
            "weight": [70.0, 71.0, 72.0, 73.0],
        }
    )
    declared = Table.model_validate(
        {
            "source": {"path": "x.csv"},
            "key": "k",
            "known": {"date": "seen"},
            "columns": {
                "seen": {"type": "date"},
                "died": {"type": "date", "known": "after"},
                "relapse": {"type": "category", "known": "after"},
                "weight": {"type": "number"},
            },
        }
    )
    day0 = pd.Series(pd.to_datetime(["2024-01-10T10:00"] * 3 + [None]))
    found = too_early(conformed(frame), declared, day0)
    assert {name: rows.tolist() for name, rows in found.items()} == {"died": [3], "relapse": [2]}
