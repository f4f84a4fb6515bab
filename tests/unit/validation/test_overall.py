"""Overall performance: against scikit-learn and by hand. R's numbers are in tests/reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss
from sklearn.metrics import log_loss as sklearn_log_loss

from predictor.validation.overall import (
    brier,
    cox_snell_r2,
    gini_mean_difference,
    log_loss,
    log_losses,
    nagelkerke_r2,
    scaled_brier,
)


def sample(seed: int, n: int = 30) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n).astype(float)
    y[:2] = 0, 1
    return y, rng.uniform(0.01, 0.99, n)


@given(st.integers(0, 1000))
def test_losses_agree_with_scikit_learn(seed: int) -> None:
    y, p = sample(seed)
    w = np.random.default_rng(seed).integers(0, 4, len(y)) + 0.5
    assert log_loss(y, p) == pytest.approx(sklearn_log_loss(y, p))
    assert float(log_loss(y, p, weights=w)) == pytest.approx(sklearn_log_loss(y, p, sample_weight=w))
    assert brier(y, p) == pytest.approx(brier_score_loss(y, p))
    assert float(brier(y, p, weights=w)) == pytest.approx(brier_score_loss(y, p, sample_weight=w))


def test_certainty_that_was_wrong_costs_a_finite_loss() -> None:
    assert log_losses([1, 0], [0.0, 1.0]) == pytest.approx([-np.log(1e-6)] * 2)
    assert log_losses([1, 0], [1.0, 0.0]) == pytest.approx([1e-6] * 2, rel=1e-5)


def test_saying_the_prevalence_explains_nothing() -> None:
    y = np.array([1.0, 1, 0, 0, 0])
    p = np.full(5, 0.4)
    for explained in (scaled_brier(y, p), cox_snell_r2(y, p), nagelkerke_r2(y, p)):
        assert explained == pytest.approx(0, abs=1e-12)


def test_scaled_brier_by_hand() -> None:
    # Brier (0.04 + 0.04 + 0.25 + 0.25)/4 = 0.145, of the prevalence 0.25
    assert scaled_brier([1, 0, 1, 0], [0.8, 0.2, 0.5, 0.5]) == pytest.approx(1 - 0.145 / 0.25)


def test_a_perfect_model_explains_everything() -> None:
    y = np.array([1.0, 0, 1, 0])
    assert scaled_brier(y, y) == 1
    assert nagelkerke_r2(y, y) == pytest.approx(1, abs=1e-5)


def test_resamples_use_their_own_prevalence() -> None:
    y, p = sample(3)
    rows = np.array([0, 0, 1, 5, 7, 7, 7])
    w = np.bincount(rows, minlength=len(y))
    got = scaled_brier(y, p, weights=np.vstack([np.ones(len(y)), w]))
    assert got == pytest.approx([scaled_brier(y, p), scaled_brier(y[rows], p[rows])])


def test_one_class_has_no_null_model() -> None:
    ones, p = np.ones(3), np.array([0.2, 0.5, 0.9])
    assert np.isnan(scaled_brier(ones, p))
    assert np.isnan(cox_snell_r2(ones, p))
    assert np.isnan(nagelkerke_r2(ones, p))
    assert np.isnan(scaled_brier(ones, p, weights=np.ones((2, 3)))).all()


@given(st.integers(0, 1000))
def test_the_mean_difference_is_over_all_pairs_of_patients(seed: int) -> None:
    _, p = sample(seed, n=12)
    pairs = [abs(p[i] - p[j]) for i in range(12) for j in range(i)]
    assert gini_mean_difference(p) == pytest.approx(np.mean(pairs))
    assert np.isnan(gini_mean_difference(p[:1]))
