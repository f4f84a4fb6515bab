from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from predictor.prediction import ResponsePredictor, as_frame, predict_frame, predict_patients
from predictor.prediction_model import PredictionModel, save_prediction_model
from trained_clinics import FAMILIES, new_patients, trained

TODAY = date(2026, 6, 1)
COLUMNS = [
    "row",
    "kind",
    "probability",
    "low",
    "high",
    "plan",
    "group_rate",
    "group_low",
    "group_high",
    "reason",
]


def model_() -> PredictionModel:
    return trained().model.model


def frame_of(n: int) -> pd.DataFrame:
    return new_patients(n).astype(object)


def test_the_number_is_the_estimators_own_probability() -> None:
    model = model_()
    answers = predict_patients(model, frame_of(30), today=TODAY)
    X = new_patients(30)[[feature.name for feature in model.features]]
    expected = model.estimator.predict_proba(X)[:, 1]
    np.testing.assert_allclose([one.probability for one in answers], expected, atol=1e-9)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_range_holds_the_estimate_and_is_that_of_the_refits(family: str) -> None:
    model = trained(family).model.model
    frame = new_patients(8)
    answers = [one for one in predict_patients(model, frame) if one.kind == "estimate"]
    assert len(answers) >= 6
    for one in answers:
        assert one.probability is not None
        assert one.low is not None
        assert one.high is not None
        assert 0 <= one.low <= one.probability <= one.high <= 1
        names = [feature.name for feature in model.features]
        X = frame.iloc[[one.row - 1]][names]
        refits = [1 / (1 + np.exp(-refit.log_odds(X)[0])) for refit in model.refits]
        assert len(refits) == 20
        assert one.low == pytest.approx(min(np.percentile(refits, 2.5), one.probability))
        assert one.high == pytest.approx(max(np.percentile(refits, 97.5), one.probability))


def test_contributions_are_by_size_relative_to_the_same_plan() -> None:
    model = trained().model.model
    for one in predict_patients(model, new_patients(8)):
        sizes = [abs(part.points) for part in one.contributions]
        assert sizes == sorted(sizes, reverse=True)
        assert "arm" not in {part.name for part in one.contributions}
        assert one.start == pytest.approx(1 / (1 + np.exp(-model.baselines[one.plan][0].start_log_odds)))
        assert one.contributions[0].reference is not None


def test_without_explanations_the_numbers_are_the_same() -> None:
    model = model_()
    plain = predict_patients(model, frame_of(5), explain=False, today=TODAY)
    full = predict_patients(model, frame_of(5), today=TODAY)
    assert [one.probability for one in plain] == [one.probability for one in full]
    assert all(one.contributions == () and one.start is None for one in plain)
    assert all(one.contributions for one in full)


def test_a_refused_row_does_not_move_the_others() -> None:
    frame = frame_of(4)
    frame.iloc[1, frame.columns.get_loc("age")] = "x"
    answers = predict_patients(model_(), frame, today=TODAY)
    assert [one.kind for one in answers] == ["estimate", "refusal", "estimate", "estimate"]
    whole = predict_patients(model_(), frame_of(4), today=TODAY)
    for position in (0, 2, 3):
        assert answers[position].probability == pytest.approx(whole[position].probability, abs=1e-12)


def test_the_table_has_one_row_each_and_no_number_for_a_refusal() -> None:
    frame = frame_of(2)
    frame.iloc[0, frame.columns.get_loc("age")] = 200
    table = as_frame(predict_patients(model_(), frame, today=TODAY))
    assert list(table) == COLUMNS
    assert table["row"].tolist() == [1, 2]
    assert table.loc[0, ["probability", "low", "high", "group_rate"]].isna().all()
    assert table.loc[0, "reason"].startswith("Age ") or "Age" in table.loc[0, "reason"]
    assert table.loc[1, "reason"] == ""


def test_no_patient_gives_an_empty_table_with_all_columns() -> None:
    table = predict_frame(model_(), frame_of(3).head(0))
    assert list(table) == COLUMNS
    assert len(table) == 0


def test_a_predictor_is_loaded_through_every_gate_and_lists_its_inputs(tmp_path: Path) -> None:
    save_prediction_model(model_(), tmp_path / "model")
    loaded = ResponsePredictor.load(tmp_path / "model")
    inputs = loaded.inputs()
    assert inputs["name"].tolist() == ["age", "sex", "site", "madrs", "crp", "arm"]
    assert inputs.set_index("name").loc["sex", "learned"] == "female, male"
    assert inputs.set_index("name").loc["crp", "unit"] == "mg/L"
    live = ResponsePredictor(model_())
    pd.testing.assert_frame_equal(loaded.predict(frame_of(6)), live.predict(frame_of(6)), check_exact=True)
    assert len(loaded.explain(frame_of(6))) == 6
