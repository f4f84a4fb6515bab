"""Tables behind the figures, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from predictor.validation.curves import (
    calibration_bins,
    calibration_curves,
    operating_points,
    prediction_histogram,
    roc_curves,
)
from predictor.validation.discrimination import within_fold_auc
from predictor.validation.procedures import Procedure
from predictor.validation.uncertainty import cluster_weights


def procedure(p: np.ndarray, *, name: str = "model", kind: str = "judged", folds: int = 1) -> Procedure:
    table = np.atleast_2d(p)
    return Procedure(name, kind, table, np.tile(np.arange(table.shape[1]) % folds, (len(table), 1)))


def test_operating_points_by_hand() -> None:
    y = np.array([1.0, 1, 0, 0, 0])
    one = procedure(np.array([[0.9, 0.5, 0.5, 0.1, 0.1], [0.9, 0.4, 0.1, 0.1, 0.1]]))
    (line,) = operating_points(y, one, thresholds=[0.5]).to_dict("records")
    assert line == pytest.approx(
        {"threshold": 0.5, "responders_above": 3 / 4, "others_above": 1 / 6, "patients_above": 4 / 10}
    )
    assert np.isnan(operating_points(np.ones(5), one, thresholds=[0.5])["others_above"]).all()


def test_the_histogram_counts_the_patients_of_one_repeat() -> None:
    one = procedure(np.array([[0.01, 0.99, 0.5, 1.0], [0.02, 0.98, 0.52, 0.97]]))
    table = prediction_histogram(one, bins=4)
    assert table["n"].tolist() == [1, 0, 1, 2]
    assert table["left"].tolist() == [0, 0.25, 0.5, 0.75]


def test_bins_hold_equal_numbers_and_their_own_rate() -> None:
    p = np.linspace(0.1, 0.9, 200)
    y = (np.arange(200) >= 100).astype(float)
    table = calibration_bins(y, procedure(p), level=0.95)
    assert table["n"].tolist() == [40] * 5
    assert table["observed"].tolist() == [0, 0, 0.5, 1, 1]
    assert table["predicted"].tolist() == pytest.approx(p.reshape(5, 40).mean(axis=1))
    assert ((table["low"] <= table["observed"]) & (table["observed"] <= table["high"])).all()


def test_few_patients_or_few_values_make_few_bins() -> None:
    assert len(calibration_bins(np.tile([0.0, 1], 15), procedure(np.linspace(0.1, 0.9, 30)), level=0.95)) == 1
    two = np.repeat([0.3, 0.6], 100)
    assert calibration_bins(np.tile([0.0, 1], 100), procedure(two), level=0.95)["n"].tolist() == [100, 100]


def test_curves_are_drawn_where_there_is_something_to_smooth() -> None:
    rng = np.random.default_rng(0)
    p = rng.uniform(0.1, 0.9, (2, 150))
    y = (rng.random(150) < p.mean(axis=0)).astype(float)
    weights = np.vstack([np.ones(150), cluster_weights(np.arange(150), resamples=100, seed=1)])
    arms = procedure(np.where(p > 0.5, 0.6, 0.4), name="plan", kind="reference")
    table = calibration_curves(y, [procedure(p), arms], weights, level=0.95)
    assert set(table["procedure"]) == {"model"}
    assert list(table.columns) == ["procedure", "kind", "p", "observed", "low", "high"]
    assert table["p"].is_monotonic_increasing
    inside = (table["low"] <= table["observed"]) & (table["observed"] <= table["high"])
    assert inside.mean() > 0.9
    assert list(calibration_curves(y, [arms], weights, level=0.95).columns) == list(table.columns)


def test_a_calibrated_model_lies_on_the_diagonal() -> None:
    rng = np.random.default_rng(1)
    p = rng.uniform(0.1, 0.9, 4000)
    y = (rng.random(4000) < p).astype(float)
    table = calibration_curves(y, [procedure(p)], np.ones((1, 4000)), level=0.95)
    assert np.abs(table["observed"] - table["p"]).max() < 0.05


def test_the_area_of_the_mean_curve_is_the_auc_shown() -> None:
    rng = np.random.default_rng(2)
    y = rng.integers(0, 2, 300).astype(float)
    one = procedure(rng.random((3, 300)) + 0.3 * y, folds=5)
    table = roc_curves(y, [one])
    shown = np.mean([within_fold_auc(y, p, fold) for p, fold in zip(one.p, one.fold, strict=True)])
    assert np.trapezoid(table["tpr"], table["fpr"]) == pytest.approx(shown, abs=0.01)
