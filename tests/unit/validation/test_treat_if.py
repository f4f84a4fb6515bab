from __future__ import annotations

import numpy as np
import pytest

from predictor.validation.treat_if import strategy_benefit, treat_if_table

# Arm and outcome of ten patients; the strategy treats the first five.
TREATED = np.array([1, 1, 1, 0, 0, 1, 1, 0, 0, 0], dtype=bool)
RESPONDED = np.array([1, 1, 0, 0, 0, 1, 0, 1, 0, 0], dtype=float)
NAMED = np.array([1, 1, 1, 1, 1, 0, 0, 0, 0, 0], dtype=bool)
ONCE = np.ones((1, 10))


def test_by_hand() -> None:
    # Treated as named: 2 of 3 respond; untreated as named: 1 of 3; half of the patients are treated.
    # Untreated altogether: 1 of 5. So 0.5 * 2/3 + 0.5 * 1/3 - 0.2 - 0.1 * 0.5 = 0.25.
    assert strategy_benefit(RESPONDED, TREATED, NAMED, 0.1, weights=ONCE) == pytest.approx([0.25])


def test_treating_nobody_is_the_zero_and_everybody_the_difference_of_the_arms() -> None:
    nobody, everybody = np.zeros(10, dtype=bool), np.ones(10, dtype=bool)
    assert strategy_benefit(RESPONDED, TREATED, nobody, 0.3, weights=ONCE) == pytest.approx([0.0])
    # 3 of 5 against 1 of 5, minus the threshold.
    assert strategy_benefit(RESPONDED, TREATED, everybody, 0.3, weights=ONCE) == pytest.approx([0.4 - 0.3])


def test_weights_count_patients() -> None:
    weights = np.array([[2, 0, 1, 1, 3, 1, 1, 1, 0, 2]], dtype=float)
    rows = np.repeat(np.arange(10), weights[0].astype(int))
    counted = strategy_benefit(
        RESPONDED[rows], TREATED[rows], NAMED[rows], 0.2, weights=np.ones((1, len(rows)))
    )
    assert strategy_benefit(RESPONDED, TREATED, NAMED, 0.2, weights=weights) == pytest.approx(counted)


def test_a_strategy_that_nobody_followed_has_no_value() -> None:
    untreated = np.zeros(10, dtype=bool)
    assert np.isnan(strategy_benefit(RESPONDED, untreated, NAMED, 0.1, weights=ONCE)).all()


def test_in_a_large_trial_the_value_is_the_strategys_own() -> None:
    """SIMULATED: the gain is 0.3 for half of the patients and 0 for the others, and the arm is a coin."""
    rng = np.random.default_rng(3)
    n = 200_000
    helped, treated = rng.random(n) < 0.5, rng.random(n) < 0.5
    y = (rng.random(n) < 0.3 + 0.3 * helped * treated).astype(float)
    gain = np.where(helped, 0.3, 0.0)[None, :]
    table = treat_if_table(y, treated, gain, thresholds=[0.2], weights=np.ones((2, n)), level=0.95)
    by_model, everybody = table["value"]
    assert by_model == pytest.approx(0.5 * 0.3 - 0.2 * 0.5, abs=0.01)
    assert everybody == pytest.approx(0.15 - 0.2, abs=0.01)
    assert table["treated"].tolist() == pytest.approx([0.5, 1.0], abs=0.01)
