"""Instability worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from predictor.validation.loess import calibration_curve
from predictor.validation.stability import (
    calibration_instability,
    classification_instability,
    classification_table,
    prediction_instability,
    rank_intervals,
    selection_frequency,
)

ORIGINAL = np.array([0.2, 0.5, 0.8])
REFITS = np.array([[0.1, 0.4, 0.8], [0.3, 0.6, 0.8], [0.2, 0.7, 0.8], [0.6, 0.5, 0.8]])


def test_the_mean_absolute_difference_of_each_patient() -> None:
    table = prediction_instability(ORIGINAL, REFITS)
    assert table["mape"].to_numpy() == pytest.approx([0.6 / 4, 0.4 / 4, 0])
    # Of 0.1, 0.2, 0.3, 0.6 the 2.5th percentile lies 0.075 of the way from the first to the second value.
    assert table["low"].to_numpy() == pytest.approx([0.1075, 0.4075, 0.8])
    assert table["high"].to_numpy() == pytest.approx([0.6 - 0.075 * 0.3, 0.7 - 0.075 * 0.1, 0.8])
    narrow = prediction_instability(ORIGINAL, REFITS, level=0.5)
    assert (narrow["low"] >= table["low"]).all()
    assert (narrow["high"] <= table["high"]).all()


def test_a_patient_changes_sides() -> None:
    shares = classification_instability(ORIGINAL, REFITS, [0.5, 0.65])
    # At 0.5 the second patient's own prediction is positive, as is the refit's 0.5; only 0.4 is not.
    assert shares == pytest.approx(np.array([[0.25, 0.25, 0], [0, 0.25, 0]]))
    table = classification_table(ORIGINAL, REFITS, [0.5, 0.65])
    assert table["changed"].to_numpy() == pytest.approx([0.5 / 3, 0.25 / 3])
    assert table["unsure"].to_numpy() == pytest.approx([2 / 3, 1 / 3])


def test_refits_that_agree_are_stable() -> None:
    same = np.tile(ORIGINAL, (5, 1))
    assert prediction_instability(ORIGINAL, same)["mape"].max() == 0
    assert classification_instability(ORIGINAL, same, [0.2, 0.5]).max() == 0


def test_each_refit_has_its_own_calibration_curve() -> None:
    rng = np.random.default_rng(2)
    p = rng.uniform(0.2, 0.7, size=200)
    y, grid = (rng.random(200) < p).astype(float), np.array([0.25, 0.45, 0.65, 0.9])
    wide = np.clip(0.5 + 1.6 * (p - 0.45), 0, 1)
    curves = calibration_instability(y, np.stack([p, wide]), grid=grid)
    assert curves[0, :3] == pytest.approx(np.clip(calibration_curve(y, p, grid=grid[:3]), 0, 1))
    assert np.isnan(curves[0, 3])
    assert np.isfinite(curves[1, 2])
    assert np.nanmin(curves) >= 0
    assert np.nanmax(curves) <= 1


def test_how_often_a_feature_is_selected() -> None:
    selected = np.array([[True, False, True], [True, False, False], [True, True, False], [True, False, True]])
    table = selection_frequency(selected, ["age", "sex", "ketamine"])
    assert list(table["feature"]) == ["age", "ketamine", "sex"]
    assert list(table["frequency"]) == [1.0, 0.5, 0.25]
    # Wilson's limits of 2 in 4: 0.5 ± 1.96/√(4 + 1.96²)/2
    half = 1.959964 / np.sqrt(4 + 1.959964**2) / 2
    assert table.loc[1, ["low", "high"]].to_numpy(dtype=float) == pytest.approx([0.5 - half, 0.5 + half])


def test_the_rank_of_an_importance_has_a_range() -> None:
    importances = np.array([[3.0, 2.0, 1.0], [1.0, 2.0, 3.0], [5.0, 5.0, 0.0]])
    table = rank_intervals([2.0, 3.0, 1.0], importances, ["age", "dose", "sex"], level=1.0)
    assert list(table["feature"]) == ["dose", "age", "sex"]
    assert list(table["rank"]) == [1, 2, 3]
    assert list(table["low"]) == [1.5, 1, 1]
    assert list(table["high"]) == [2, 3, 3]
    assert list(table["first"]) == pytest.approx([1 / 3, 2 / 3, 1 / 3])


def test_refits_of_other_patients_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(B, n\)"):
        prediction_instability(ORIGINAL, REFITS[:, :2])
