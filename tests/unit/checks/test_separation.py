"""Limits that hold where a feature separates the outcomes, against published figures and by hand."""

from __future__ import annotations

import numpy as np
import pytest

from predictor.checks.separation import (
    correlation_limit,
    lower_limit,
    others_rate,
    separation,
    standard_error,
)


def test_newcombes_standard_error_for_two_hundred_patients() -> None:
    # AUC 0.70 with 100 cases and 100 controls, by hand: 0.21 (1 + 99·0.3/1.3 + 99·0.7/1.7)/10,000 = 0.001356.
    assert standard_error(0.70, 100, 100) == pytest.approx(0.0368, abs=5e-5)


def test_the_limit_solves_the_score_equation() -> None:
    limit = lower_limit(0.9, 40, 60, level=0.95)
    assert (0.9 - limit) / standard_error(limit, 40, 60) == pytest.approx(1.95996, rel=1e-4)


def test_six_cases_above_everybody_are_not_enough() -> None:
    assert lower_limit(1.0, 6, 23, level=0.95) < 0.80
    assert lower_limit(1.0, 30, 30, level=1 - 0.05 / 20) > 0.80
    assert lower_limit(0.5, 100, 100) == 0.5


def test_the_limit_is_above_the_true_value_at_most_as_often_as_it_says() -> None:
    # Two normal scores whose means differ by √2·Φ⁻¹(0.9) have an AUC of 0.9; 5 % is allowed for, and a
    # Monte Carlo error of 0.007; the variance is that of exponential scores, so that normal ones miss less often.
    rng, missed = np.random.default_rng(1), 0
    y = np.repeat([1.0, 0.0], [15, 30])
    for _ in range(1000):
        score = rng.normal(size=45) + 1.8124 * y
        missed += separation(y, score, level=0.90)[1] > 0.9
    assert 0 < missed / 1000 <= 0.05 + 2 * 0.007


def test_levels_of_noise_do_not_tell_the_outcome() -> None:
    rng = np.random.default_rng(3)
    y, labels = (rng.random(400) < 0.5).astype(float), rng.integers(0, 80, 400)
    own_rate = np.array([y[labels == one].mean() for one in labels])
    assert (
        separation(y, own_rate, level=0.95)[0] > 0.65
    )  # with a patient's own outcome in it, noise looks good
    assert abs(separation(y, others_rate(labels, y), level=0.95, either=False)[0] - 0.5) < 0.08


def test_levels_that_decide_do() -> None:
    y = np.tile([1.0, 0.0], 50)
    labels = np.where(y == 1, np.arange(100) % 5, 5 + np.arange(100) % 7).astype(str)
    assert separation(y, others_rate(labels, y), level=0.95, either=False)[0] == 1.0


def test_fishers_limit_by_hand() -> None:
    # z = atanh(0.95) = 1.83178; minus 1.95996/√(52 − 3) = 0.27999 is 1.55179, and tanh of it 0.91409.
    assert correlation_limit(-0.95, 52, level=0.95) == pytest.approx(0.91409, abs=1e-4)
    assert correlation_limit(1.0, 9, level=0.95) == 0.0
