"""A model that decides after an infusion, asked about an export: whose decision has come, and what is known by then."""

from __future__ import annotations

import functools
import tempfile
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from clinic import small_clinic
from predictor.api import predict
from predictor.data.conform import read_tables
from predictor.errors import DataError
from predictor.experiment import Training
from predictor.prediction.course import courses_on, decisions_on
from predictor.prediction.deciding import NOT_BEGUN, NOT_YET, TOO_LATE
from predictor.prediction.export import declared_layout, read_export
from predictor.prediction.reading import Rows, check_columns
from trained_clinics import command_line, train_quietly, write_clinic

# Second infusion: a day 3; b day 7; c never; d day 12; e day 4, in a second course. f has no course.
COURSES = """
patient started
a       2024-03-01T10:00
a       2024-03-04T10:00
b       2024-03-01T10:00
b       2024-03-08T10:00
c       2024-03-01T10:00
d       2024-03-01T10:00
d       2024-03-13T10:00
e       2024-03-01T10:00
e       2024-03-05T10:00
"""


def decided(folder: Path, as_of: str, **decision: int) -> list[str]:
    """The day of each patient's decision, or why there is none."""
    made = small_clinic(
        folder,
        cohort={"decision_time": {"after_infusion": 2, "last_day": 10} | decision},
        patients="patient age\n" + "\n".join(f"{key} {30 + i}" for i, key in enumerate("abcdef")),
        courses=COURSES,
        scores="patient on scale score\na 2024-02-28 MADRS 30\nb 2024-02-28 MADRS 31",
    ).load()
    cohort, day = made.config.cohort, date.fromisoformat(as_of)
    tables = read_tables(made.dictionary, made.sources)
    units = courses_on(list("abcdef"), tables, made.dictionary, cohort, as_of=day)
    assert units["patient"].tolist() == list("abcdef")
    days, why = decisions_on(units, tables, made.dictionary, cohort, as_of=day)
    return [one or f"{day:g}" for one, day in zip(why, days, strict=True)]


@pytest.mark.parametrize(
    ("as_of", "expected"),
    [
        ("2024-02-29", [NOT_BEGUN] * 6),
        ("2024-03-01", [NOT_YET] * 5 + [NOT_BEGUN]),
        ("2024-03-04", ["3", NOT_YET, NOT_YET, NOT_YET, NOT_YET, NOT_BEGUN]),
        ("2024-03-08", ["3", "7", NOT_YET, NOT_YET, "4", NOT_BEGUN]),
        ("2024-03-11", ["3", "7", NOT_YET, NOT_YET, "4", NOT_BEGUN]),  # day 10 is still in time
        ("2024-03-12", ["3", "7", TOO_LATE, TOO_LATE, "4", NOT_BEGUN]),
        ("2024-03-31", ["3", "7", TOO_LATE, TOO_LATE, "4", NOT_BEGUN]),
    ],
)
def test_whose_decision_has_come_by_a_day(tmp_path: Path, as_of: str, expected: list[str]) -> None:
    assert decided(tmp_path, as_of) == expected


def test_days_after_the_infusion_count(tmp_path: Path) -> None:
    assert decided(tmp_path, "2024-03-05", days=2)[:2] == [NOT_YET, NOT_YET]
    assert decided(tmp_path / "later", "2024-03-06", days=2)[:2] == ["5", NOT_YET]


@functools.cache
def _shelf() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="decision-in-export-")


@functools.cache
def training() -> Training:
    """A clinic that treats twice: K0000 again on day 4, K0001 on 5, K0002 on 6, K0003 never, and so on."""
    clinic = write_clinic(Path(_shelf().name, "clinic"))
    given, scores = clinic.table("treatments"), clinic.table("scores")
    started = [date.fromisoformat(day) for day in given["started_at"]]
    again = given.assign(started_at=[day + timedelta(4 + i % 4) for i, day in enumerate(started)])
    again = again[[i % 4 != 3 for i in range(len(again))]]
    early = scores.iloc[: len(given)].assign(
        assessed_at=[day + timedelta(1 + i % 5) for i, day in enumerate(started)]
    )
    early["score"] = [str(int(score) - i % 9) for i, score in enumerate(early["score"])]
    pd.concat([given, again]).to_csv(clinic.folder / "treatments.csv", index=False)
    pd.concat([scores, early]).to_csv(clinic.folder / "scores.csv", index=False)
    clinic.change("  baseline: {", "  decision_time: {after_infusion: 2, last_day: 10}\n  baseline: {")
    clinic.change(
        "patients.site, scores.madrs]",
        "patients.site, scores.madrs, {column: scores.madrs, take: latest},"
        " {column: scores.madrs, take: early_change}]",
    )
    return train_quietly(clinic)


def export(as_of: date) -> pd.DataFrame:
    model = training().model.model
    folder = training().study.loaded.path.parent
    return read_export(model, folder, *declared_layout(model), as_of=as_of)


def test_an_export_gives_the_values_that_training_took() -> None:
    """On the last day of all every decision has come, and nothing that came after it may change a value."""
    study = training().study
    units, X = study.cohort.timeline.units, study.dataset.X
    found = export(date(2026, 12, 31)).set_index("patient")
    assert len(found) == 200
    assert len(units) == 150
    assert found.loc[units["patient"], "_undecided"].eq("").all()
    assert found.drop(index=units["patient"])["_undecided"].eq(TOO_LATE).all()
    for one in training().model.model.inputs:
        mine, theirs = found.loc[units["patient"], one.name], X[one.name]
        if theirs.dtype.kind == "f":
            np.testing.assert_array_equal(mine.astype(float), theirs)
        else:
            assert mine.astype(str).tolist() == theirs.astype(str).tolist()


def test_the_day_of_each_value_is_that_of_the_visit_it_comes_from() -> None:
    found = export(date(2026, 12, 31)).set_index("patient").loc["K0006"]
    day0 = found["_day0"]
    assert found["_decided"] == day0 + timedelta(6)
    assert found["madrs_date"] == day0 - timedelta(3)
    assert found["madrs_latest_date"] == found["madrs_early_change_date"] == day0 + timedelta(2)


def test_the_day_before_the_infusion_there_is_no_estimate_and_on_its_day_there_is() -> None:
    model, folder = training().model.model, training().study.loaded.path.parent
    decided = export(date(2026, 12, 31)).set_index("patient").loc["K0002", "_decided"]
    before, then = (predict(model, folder, as_of=day).iloc[2] for day in (decided - timedelta(1), decided))
    assert before["kind"] == "refusal"
    assert before["reason"] == "Infusion 2 had not come by the day that was asked about"
    assert then["kind"] == "estimate"


def test_the_report_says_when_the_decision_was_and_who_has_none(tmp_path: Path) -> None:
    model, folder = training().folder, training().study.loaded.path.parent
    day = export(date(2026, 12, 31)).set_index("patient").loc["K0000", "_decided"]
    answer = command_line("report", model, folder, "--as-of", day, "--rows", "1,4", "--out", tmp_path / "out")
    assert answer.code == 0, answer.err
    first, fourth = ((tmp_path / "out" / f"patient_{row:04d}.html").read_text() for row in (1, 4))
    assert f"On {day.day} {day:%b} {day.year}" in first
    assert str(day) not in first.partition("Time of the decision")[2]
    assert "Time of the decision" in fourth
    assert (
        "Infusion 2 had not come by the day that was asked about" in fourth
        or "did not come by day 10" in fourth
    )


def test_ages_of_values_count_from_their_own_day() -> None:
    """The early value is dated after day 0: that is its purpose, and no mistake."""
    frame = export(date(2026, 12, 31))
    frame = frame[frame["_undecided"] == ""]
    for answer in training().model.explain(frame.head(20)):
        (check,) = [one for one in answer.checks if one.id == "fresh_inputs"]
        assert "dated after" not in check.meaning
        assert "days ago" not in check.meaning


def test_a_table_of_texts_cannot_say_when_the_decision_was() -> None:
    model = training().model.model
    names = [one.name for one in model.inputs]
    with pytest.raises(DataError, match="PRE-01 the model knows no column _undecided"):
        check_columns(model, Rows([*names, "_undecided"], []))
