from __future__ import annotations

from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from predictor.api import predict
from predictor.config.dictionary import Dictionary
from predictor.config.schema import CohortSection
from predictor.errors import DataError
from predictor.prediction.export import read_export
from predictor.prediction_model import PredictionModel
from trained_clinics import trained

DAY = date(2025, 6, 30)


def model() -> PredictionModel:
    return trained().model.model


def read(folder: Path, *, as_of: date = DAY) -> pd.DataFrame:
    dictionary = Dictionary.model_validate(model().dictionary)
    cohort = CohortSection.model_validate(model().cohort)
    return read_export(model(), folder, dictionary, cohort, as_of=as_of)


def write(folder: Path, *, patients: str = "", treatments: str = "", scores: str = "") -> Path:
    """Two patients; the texts replace the rows of a file."""
    folder.mkdir(exist_ok=True)
    files = {
        "patients": ("patient_id,age,sex,site,crp", patients or "A,40,F,north,2.5\nB,50,M,south,NA"),
        "treatments": ("patient_id,started_at,arm", treatments or "A,2025-07-01,ketamine\nB,2025-07-02,midazolam"),
        "scores": (
            "patient_id,assessed_at,scale,score",
            scores or "A,2025-06-20,MADRS,31\nA,2025-06-28,MADRS,29\nB,2025-06-29,MADRS,35",
        ),
    }  # fmt: skip
    for name, (header, rows) in files.items():
        (folder / f"{name}.csv").write_text(f"{header}\n{rows}\n", encoding="utf-8")
    return folder


def test_each_patient_has_one_row_with_the_latest_value_before_the_date(tmp_path: Path) -> None:
    frame = read(write(tmp_path))
    assert frame["patient"].tolist() == ["A", "B"]
    assert frame["madrs"].tolist() == [29, 35]
    assert frame["age"].tolist() == [40, 50]
    assert frame["sex"].tolist() == ["female", "male"]
    assert frame["crp"].isna().tolist() == [False, True]
    assert frame["arm"].tolist() == ["ketamine", "midazolam"]


def test_nothing_later_than_the_date_is_looked_at(tmp_path: Path) -> None:
    scores = "A,2025-06-20,MADRS,31\nA,2025-07-01,MADRS,12\nB,2025-06-29,MADRS,35"
    assert read(write(tmp_path, scores=scores))["madrs"].tolist() == [31, 35]


def test_what_is_older_than_the_baseline_window_is_missing(tmp_path: Path) -> None:
    """The window is 28 days: 2 June is its first day, 1 June is not."""
    scores = "A,2025-06-01,MADRS,31\nB,2025-06-02,MADRS,35"
    values = read(write(tmp_path, scores=scores))["madrs"]
    assert values.isna().tolist() == [True, False]
    assert values[1] == 35


def test_the_planned_course_is_the_one_nearest_to_the_date(tmp_path: Path) -> None:
    treatments = "A,2025-01-05,midazolam\nA,2025-07-03,ketamine\nB,2025-07-02,midazolam"
    assert read(write(tmp_path, treatments=treatments))["arm"].tolist() == ["ketamine", "midazolam"]


def test_a_patient_without_a_planned_course_is_refused_not_dropped(tmp_path: Path) -> None:
    folder = write(tmp_path, treatments="B,2025-07-02,midazolam")
    assert read(folder)["arm"].isna().tolist() == [True, False]
    answers = predict(model(), folder, as_of=DAY)
    assert answers["kind"].tolist() == ["refusal", "refusal"] or answers["kind"].iloc[0] == "refusal"
    assert "Treatment" in answers["reason"].iloc[0]


def test_an_unknown_site_of_a_new_patient_is_that_patients_refusal(tmp_path: Path) -> None:
    folder = write(tmp_path, patients="A,40,F,west,2.5\nB,50,M,south,2.5")
    answers = predict(model(), folder, as_of=DAY)
    assert answers["kind"].tolist() == ["refusal", "estimate"]
    assert "Site must be one of north, south" in answers["reason"].iloc[0]
    assert "west" not in answers["reason"].iloc[0]


def test_cells_that_break_the_dictionary_are_reported_together(tmp_path: Path) -> None:
    folder = write(tmp_path, patients="A,400,F,north,2.5\nB,50,X,south,2.5")
    with pytest.raises(DataError) as caught:
        read(folder)
    assert {(problem.line, problem.path) for problem in caught.value.problems} == {(2, "age"), (3, "sex")}


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path / "nothing")
    assert str(caught.value) == (
        f"{tmp_path}/nothing: PRE-01 there is no such file or folder. "
        "Give the folder that holds patients.csv, scores.csv, treatments.csv."
    )


def test_missing_files_are_named_one_by_one(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path)
    assert {Path(problem.file).name for problem in caught.value.problems} == {
        "patients.csv",
        "treatments.csv",
        "scores.csv",
    }
    assert all(problem.remedy for problem in caught.value.problems)
