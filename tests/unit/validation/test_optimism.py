"""Optimism worked by hand. The agreement with rms is in tests/reference."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from predictor.validation.optimism import (
    METRICS,
    Optimism,
    correct_optimism,
    no_information_value,
    optimism_bootstrap,
    optimism_table,
)
from predictor.validation.resamples import draw_patients, membership_counts

Floats = NDArray[np.float64]


def loss(training: list[float], test: list[float], left_out: list[float], none: float = 0.5) -> Optimism:
    return Optimism("loss", 0.1, np.array(training), np.array(test), np.array(left_out), none)


def test_the_three_corrections_worked_by_hand() -> None:
    one = loss([0.10, 0.06], [0.20, 0.20], [0.25, 0.35])
    assert one.optimism == pytest.approx(-0.12)
    assert one.harrell == pytest.approx(0.22)
    assert one.harrell_se == pytest.approx(np.std([0.10, 0.14], ddof=1) / np.sqrt(2))
    assert one.point_632 == pytest.approx(0.368 * 0.1 + 0.632 * 0.3)
    assert one.relative_overfitting == pytest.approx((0.3 - 0.1) / (0.5 - 0.1))
    weight = 0.632 / (1 - 0.368 * 0.5)
    assert one.point_632_plus == pytest.approx((1 - weight) * 0.1 + weight * 0.3)


def test_a_model_as_bad_as_no_information_is_given_no_information() -> None:
    one = loss([0.0, 0.0], [0.4, 0.4], [0.55, 0.75])
    assert one.relative_overfitting == 1
    assert one.point_632_plus == pytest.approx(0.5)
    assert one.point_632_plus_se == 0


def test_a_model_that_does_not_overfit_gets_the_plain_632() -> None:
    one = loss([0.1, 0.1], [0.1, 0.1], [0.08, 0.06])
    assert one.relative_overfitting == 0
    assert one.point_632_plus == pytest.approx(one.point_632)


def test_the_error_of_632_plus_is_its_derivative() -> None:
    step = 1e-6
    one, moved = (loss([0.1] * 2, [0.2] * 2, [0.25 + s, 0.35 + s]) for s in (0.0, step))
    slope = (moved.point_632_plus - one.point_632_plus) / step
    assert one.point_632_plus_se / one.point_632_se == pytest.approx(slope / 0.632, rel=1e-4)


def test_no_information_is_every_outcome_with_every_prediction() -> None:
    y, p = np.array([1.0, 0, 0, 1, 0]), np.array([0.9, 0.2, 0.4, 0.6, 0.1])
    pairs = np.mean((y[:, None] - p[None, :]) ** 2)
    assert no_information_value(METRICS["brier"], y, p) == pytest.approx(pairs)
    assert no_information_value(METRICS["auc"], y, p) == pytest.approx(0.5)
    assert no_information_value(METRICS["calibration_slope"], y, p) == pytest.approx(0, abs=1e-8)


def test_weights_are_the_resample_itself() -> None:
    rng = np.random.default_rng(0)
    y, p = (rng.random(60) < 0.4).astype(float), rng.uniform(0.05, 0.95, 60)
    rows = draw_patients(np.arange(60), resamples=3, seed=1, outcome=y)
    counts = membership_counts(rows, 60)
    for metric in METRICS.values():
        for drawn, count in zip(rows, counts, strict=True):
            whole = metric(y[drawn], p[drawn], np.ones(60))
            assert metric(y, p, count) == pytest.approx(whole, rel=1e-6)


def test_pure_noise_is_seen_to_be_noise() -> None:
    rng = np.random.default_rng(4)
    X, y = rng.normal(size=(120, 20)), (rng.random(120) < 0.5).astype(float)

    def fit(rows: NDArray[np.intp]) -> Floats:
        model = LogisticRegression(C=10.0, max_iter=500).fit(X[rows], y[rows])
        return np.asarray(model.predict_proba(X)[:, 1])

    resamples = draw_patients(np.arange(120), resamples=60, seed=2, outcome=y)
    found = {one.metric: one for one in optimism_bootstrap(fit, y, resamples)}
    auc = found["auc"]
    assert auc.apparent > 0.7
    assert auc.harrell < auc.apparent - 0.1
    assert abs(auc.point_632_plus - 0.5) < abs(auc.harrell - 0.5)
    assert auc.point_632_plus == pytest.approx(0.5, abs=0.08)
    assert found["calibration_slope"].harrell < 0.7


def test_one_call_and_predictions_made_elsewhere_agree() -> None:
    rng = np.random.default_rng(5)
    y, refits = np.tile([0.0, 1.0], 20), rng.uniform(0.1, 0.9, size=(4, 40))
    resamples = draw_patients(np.arange(40), resamples=4, seed=3, outcome=y)
    apparent = rng.uniform(0.1, 0.9, size=40)
    queue = iter([apparent, *refits])
    one = optimism_table(optimism_bootstrap(lambda rows: next(queue), y, resamples))
    other = optimism_table(correct_optimism(y, apparent, refits, membership_counts(resamples, 40)))
    assert one.equals(other)
    assert list(one["metric"]) == list(METRICS)


def test_too_many_undefined_resamples_leave_no_number() -> None:
    nan = float("nan")
    few = Optimism("auc", 0.8, np.full(40, 0.8), np.full(40, 0.7), np.r_[nan, np.full(39, 0.6)], 0.5)
    assert few.point_632 == pytest.approx(0.368 * 0.8 + 0.632 * 0.6)
    many = Optimism("auc", 0.8, np.full(4, 0.8), np.full(4, 0.7), np.array([nan, 0.6, 0.6, 0.6]), 0.5)
    assert np.isnan(many.point_632)
    assert np.isnan(many.point_632_plus)
    assert many.harrell == pytest.approx(0.7)
    assert optimism_table([many])["undefined"].item() == 1


def test_shapes_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(B, n\)"):
        correct_optimism(np.zeros(4), np.zeros(4), np.zeros((2, 5)), np.zeros((2, 5)))
