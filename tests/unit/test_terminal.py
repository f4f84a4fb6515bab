from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from predictor import terminal
from predictor.answers import WATERMARK, answers_record, answers_text, mark_of
from predictor.prediction import as_records, predict_patients
from predictor.prediction_model import PredictionModel
from predictor.progress import ProgressBars
from trained_clinics import new_patients, trained


def simulated() -> PredictionModel:
    model = trained().model.model
    return replace(model, card=model.card | {"simulated": True})


def test_a_training_is_told_in_the_order_of_a_paper() -> None:
    text = terminal.training_text(trained())
    places = [
        text.index(part)
        for part in (
            "In the export",
            "200 evaluable",
            "Models side by side",
            "prevalence",
            "average",
            "Verdict",
            "etter than",
            "Model report",
            "Patient report",
            "Prediction model",
            "MLflow",
        )
    ]
    assert places == sorted(places)
    assert WATERMARK not in text


def test_the_record_of_a_training_is_strict_json() -> None:
    record = terminal.training_record(trained())
    text = json.dumps(record, allow_nan=False)
    assert json.loads(text) == record
    assert record["verdict"]["label"] == "better"
    assert all(Path(record[key]).exists() for key in ("run", "model", "model_report"))


def test_performance_has_one_row_per_procedure_and_blanks_for_what_is_undefined() -> None:
    tidy = pd.DataFrame(
        [
            ("b", "judged", "auc", 0.75, 0.7, 0.8),
            ("b", "judged", "brier", 0.2, 0.19, 0.21),
            ("b", "judged", "intercept", 0.0, -1.0, 1.0),
            ("a", "candidate", "auc", 0.5, 0.5, 0.5),
            ("a", "candidate", "calibration_slope", np.nan, np.nan, np.nan),
        ],
        columns=["procedure", "kind", "metric", "value", "low", "high"],
    )
    table = terminal.performance_table(tidy)
    assert list(table.columns) == ["procedure", "AUC", "log loss", "Brier", "cal. slope"]
    assert table["procedure"].tolist() == ["b", "a"]
    assert table["AUC"].tolist() == ["0.750 (0.700 to 0.800)", "0.500 (0.500 to 0.500)"]
    assert table["cal. slope"].iloc[1] == ""


def test_answers_are_counted_by_kind_and_reasons_stand_once() -> None:
    frame = new_patients(8)
    frame.loc[[1, 2, 3, 4, 5, 6], "age"] = 75.0
    answers = as_records(predict_patients(trained().model.model, frame))
    text = answers_text(answers, out=None)
    assert text.startswith("6 refused, 2 with a personal estimate\n")
    assert text.count("Age is outside what the model has seen") == 1
    assert "6 rows (2, 3, 4, 5, 6 …): Age is outside" in text


def test_with_a_file_only_the_first_answers_are_shown() -> None:
    answers = as_records(predict_patients(trained().model.model, new_patients(9)))
    text = answers_text(answers, out=Path("answers.csv"))
    assert text.endswith("All 9 answers: answers.csv")
    _, _, *shown, notes, _ = text.splitlines()
    assert [line.split()[:2] for line in shown] == [[str(row), "estimate"] for row in range(1, 6)]
    assert notes.startswith("9 rows (1, 2, 3, 4, 5 …): Taken as current: ")  # they came without dates


def test_no_patient_no_answer() -> None:
    answers = as_records([])
    assert answers_text(answers, out=None).startswith("No patient, no answer")
    assert answers_record(answers, trained().model.model.card)["predictions"] == []


def test_simulated_is_said_first_and_in_json() -> None:
    answers = as_records(predict_patients(simulated(), new_patients(2)))
    assert answers_text(answers, out=None, mark=mark_of(simulated())).startswith(WATERMARK)
    record = answers_record(answers, simulated().card)
    assert record["simulated"] is True
    assert json.loads(json.dumps(record, allow_nan=False)) == record


def test_bars_are_drawn_only_for_a_person(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressBars() as bars:
        bars.show("reading", 0, 1)
        bars.show("nested cross-validation", 0, 3)
        bars.show("nested cross-validation", 3, 3)
    assert capsys.readouterr() == ("", "")
