from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.special import expit, logit
from sklearn.metrics import log_loss as sklearn_log_loss

from predictor.models.sigmoid import fit_sigmoid, log_loss, log_odds


def scored(n: int, slope: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=n)
    return scores, (rng.random(n) < expit(slope * scores - 0.3)).astype(int)


def test_sigmoid_is_platts_regression() -> None:
    scores, target = scored(600, 0.7)
    events, others = target.sum(), len(target) - target.sum()
    smoothed = np.where(target == 1, (events + 1) / (events + 2), 1 / (others + 2))
    theirs = sm.GLM(smoothed, sm.add_constant(scores), family=sm.families.Binomial()).fit(tol=1e-12)
    slope, intercept = fit_sigmoid(scores, target, "log_odds")
    assert (intercept, slope) == pytest.approx(tuple(theirs.params), abs=1e-5)


def test_slope_is_never_negative() -> None:
    scores, target = scored(600, -2.0)
    assert fit_sigmoid(scores, target, "log_odds") == pytest.approx((0.0, float(logit(target.mean()))))


def test_below_a_hundred_events_only_the_intercept_is_fitted() -> None:
    scores, target = scored(150, 0.2)
    slope, intercept = fit_sigmoid(scores, target, "log_odds")
    assert slope == 1.0
    assert expit(scores + intercept).mean() == pytest.approx(target.mean(), abs=1e-6)


def test_probability_scores_take_the_tangent_of_the_logit() -> None:
    target = np.array([0] * 30 + [1] * 10)
    scores = np.where(np.arange(40) % 2, 0.1, 0.3)
    slope, intercept = fit_sigmoid(scores, target, "probability")
    assert slope == pytest.approx(1 / (0.2 * 0.8))
    assert expit(slope * scores + intercept).mean() == pytest.approx(0.25, abs=1e-6)


def test_separated_scores_give_a_finite_slope() -> None:
    target = np.repeat([0, 1], 150)
    slope, intercept = fit_sigmoid(target * 2.0 - 1, target, "log_odds")
    assert np.isfinite([slope, intercept]).all()
    assert slope > 0


def test_constant_scores_give_the_prevalence() -> None:
    target = np.repeat([0, 1], [200, 100])
    assert fit_sigmoid(np.full(300, 0.4), target, "probability") == pytest.approx((0.0, float(logit(1 / 3))))


def test_log_odds_of_uncalibrated_scores() -> None:
    assert log_odds(np.array([0.2, 0.0]), None, "probability") == pytest.approx([np.log(0.25), logit(1e-6)])
    assert log_odds(np.array([0.2]), None, "log_odds") == pytest.approx([0.2])
    assert log_odds(np.array([0.2]), (5.0, -1.0), "probability") == pytest.approx([0.0])


def test_log_loss_agrees_with_scikit_learn_and_is_bounded() -> None:
    scores, target = scored(50, 1.0)
    assert log_loss(target, scores).mean() == pytest.approx(sklearn_log_loss(target, expit(scores)))
    assert log_loss(np.array([1]), np.array([-1e9]))[0] == pytest.approx(-np.log(1e-6))
