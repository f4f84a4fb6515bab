"""A value that is older than its limit is used, and said to be old: in `check`, on a patient's page, and in a batch."""

from __future__ import annotations

import csv
import json
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest

from clinic import small_clinic
from predictor.checking import check
from predictor.errors import ConfigError
from predictor.input_fields import describe_inputs
from predictor.reports.patient import patient_views
from predictor.staleness import old_values
from trained_clinics import command_line, new_patients, trained

# Day 0 is 2024-03-01 of everybody. Draws: 1 day, 20 days, exactly 21 days, 22 days before it, 40 days before it
# (outside the window of 28 days), and one patient with both an early and a late draw.
KEYS = "abcdefghijklmn"
LABS = """
patient drawn      crp
a       2024-02-29 1.0
b       2024-02-10 2.0
c       2024-02-09 3.0
d       2024-02-08 4.0
e       2024-01-21 5.0
f       2024-01-21 6.0
f       2024-02-20 7.0
""" + "\n".join(f"{key} 2024-02-29 8.{i}" for i, key in enumerate("ghijklmn"))
OTHERS = {
    "patients": "patient age\n" + "\n".join(f"{key} {30 + i}" for i, key in enumerate(KEYS)),
    "courses": "patient started\n" + "\n".join(f"{key} 2024-03-01" for key in KEYS),
    "scores": "patient on scale score\n"
    + "\n".join(
        f"{key} 2024-02-28 MADRS {30 + i}\n{key} 2024-03-29 MADRS {10 + 18 * (i % 2)}"
        for i, key in enumerate(KEYS)
    ),
}


def clinic(folder: Path, limit: int | None):
    declared = {"analyte": "crp", "unit": "mg/L", "range": [0, None]}
    crp = declared if limit is None else declared | {"max_age_days": limit}
    return small_clinic(
        folder,
        cohort={"baseline": {"first_day": -28, "last_day": 0}},
        features=["patients.age", "labs.crp"],
        columns={"crp": crp},
        labs=LABS,
        **OTHERS,
    )


def test_uni_10_intake_counts_values_beyond_their_limit_and_those_before_the_window(tmp_path: Path) -> None:
    study = clinic(tmp_path, 21).study()
    # In the window of 28 days: a to d, the later one of f, and eight more; only that of d (22 days) is older than 21.
    assert old_values(study) == [
        "labs.crp (labs.csv: crp): 1 of 13 values were measured more than 21 days before day 0, the limit that the "
        "dictionary declares",
        "labs.crp (labs.csv: crp): of 1 patients or courses the only values are from more than 28 days before day 0, "
        "outside the baseline window, so they count as missing",
    ]
    crp = study.dataset.X["crp"].to_numpy(float)
    np.testing.assert_array_equal(crp[:6], [1, 2, 3, 4, np.nan, 7])


def test_uni_10_check_says_so(tmp_path: Path) -> None:
    notices = check(clinic(tmp_path, 21).config).notices
    assert any("measured more than 21 days before day 0" in one for one in notices)
    plain = check(clinic(tmp_path / "plain", None).config).notices
    assert not any("measured more than" in one for one in plain)


@pytest.mark.parametrize(("limit", "asked"), [(21, 21), (None, 28), (60, 28)])
def test_uni_10_the_model_asks_for_the_shorter_of_limit_and_window(
    tmp_path: Path, limit: int | None, asked: int
) -> None:
    study = clinic(tmp_path, limit).study()
    fields, _ = describe_inputs(study, study.dataset.features, study.dataset.X, study.cohort.plan, {})
    assert {one.name: one.max_age_days for one in fields} == {"age": None, "crp": asked, "madrs": 28}


def test_uni_10_a_limit_needs_a_date(tmp_path: Path) -> None:
    made = small_clinic(
        tmp_path,
        columns={"age": {"type": "number", "max_age_days": 30}},
        patients=OTHERS["patients"],
        courses=OTHERS["courses"],
        scores=OTHERS["scores"],
    )
    with pytest.raises(
        ConfigError, match=r"patients\.columns\.age\.max_age_days: CFG-38 a value has an age only where"
    ):
        made.load()


def test_uni_10_the_warning_on_the_page() -> None:
    frame = new_patients(1).astype(object).assign(madrs_date="2026-05-03")
    now = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
    (view,) = patient_views(trained().model.model, frame, now=now, user_ref="dr a")
    assert view.applicability is not None
    told = next(one for one in view.applicability.checks if one.id == "fresh_inputs")
    assert (told.status, told.meaning) == (
        "check",
        "MADRS was measured 29 days ago; the model needs 28 days or fewer",
    )
    assert view.estimate is not None  # the clinician may know that it holds
    # Day 0 of an export that is looked at later is not the day of the page.
    (then,) = patient_views(trained().model.model, frame, now=now, user_ref="dr a", day0=date(2026, 5, 30))
    assert then.applicability is not None
    assert next(one for one in then.applicability.checks if one.id == "fresh_inputs").status == "ok"


def test_uni_10_the_warning_in_a_batch(tmp_path: Path) -> None:
    path, out = tmp_path / "patients.csv", tmp_path / "answers.csv"
    frame = new_patients(3).astype(object).assign(madrs_date=["1990-01-01", "", "1990-01-01"])
    frame.to_csv(path, index=False)
    model = trained().folder / "model"
    answer = command_line("predict", model, path, "--out", out)
    assert answer.code == 0, answer.err
    notes = [row["notes"] for row in csv.DictReader(out.read_text(encoding="utf-8").splitlines())]
    age = (date.today() - date(1990, 1, 1)).days
    old = f"MADRS was measured {age} days ago; the model needs 28 days or fewer"
    assert notes[0] == notes[2] == old
    assert notes[1].startswith("Taken as current: MADRS")
    assert f"2 rows (1, 3): {old}" in answer.out
    record = json.loads(command_line("predict", model, path, "--json").out)
    assert [one["notes"] for one in record["predictions"]] == notes
