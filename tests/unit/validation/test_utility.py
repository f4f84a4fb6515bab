"""Net benefit: the worked example of the literature, by hand, and as invariants."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from predictor.validation.utility import (
    interventions_avoided,
    net_benefit,
    standardized_net_benefit,
    treat_all,
)


def test_the_worked_example() -> None:
    # TP 60, FP 30 of 200 at a threshold of 0.4: 60/200 − 30/200 · 0.4/0.6 = 0.2
    y = np.repeat([1, 0, 1, 0], [60, 30, 30, 80])
    p = np.repeat([0.7, 0.6, 0.1, 0.2], [60, 30, 30, 80])
    assert net_benefit(y, p, [0.4]) == pytest.approx([0.2])
    assert treat_all(y, [0.4]) == pytest.approx([0.45 - 0.55 * 0.4 / 0.6])
    assert standardized_net_benefit(y, p, [0.4]) == pytest.approx([0.2 / 0.45])
    # 80 of 110 non-responders are spared, at the price of 30 responders, each worth 0.6/0.4 non-responders.
    assert interventions_avoided(y, p, [0.4]) == pytest.approx([(80 - 30 * 1.5) / 2])


def test_a_prediction_equal_to_the_threshold_is_positive() -> None:
    assert net_benefit([1], [0.3], [0.3, 0.31]).tolist() == [1.0, 0.0]


@given(st.integers(0, 1000))
def test_calling_everybody_positive_is_treating_all(seed: int) -> None:
    y = np.random.default_rng(seed).integers(0, 2, 25)
    thresholds = [0.1, 0.25, 0.5, 0.9]
    assert net_benefit(y, np.ones(25), thresholds) == pytest.approx(treat_all(y, thresholds))
    assert net_benefit(y, np.zeros(25), thresholds) == pytest.approx(0)


def test_treating_all_breaks_even_at_the_prevalence() -> None:
    assert treat_all([1, 0, 0, 0], [0.25]) == pytest.approx([0], abs=1e-15)


def test_weights_are_copies() -> None:
    rng = np.random.default_rng(2)
    y, p, rows = rng.integers(0, 2, 40), rng.random(40), rng.integers(0, 40, 40)
    weights = np.vstack([np.ones(40), np.bincount(rows, minlength=40)])
    thresholds = [0.2, 0.5]
    expected = [net_benefit(y, p, thresholds), net_benefit(y[rows], p[rows], thresholds)]
    np.testing.assert_allclose(net_benefit(y, p, thresholds, weights=weights), expected)
    expected = [treat_all(y, thresholds), treat_all(y[rows], thresholds)]
    np.testing.assert_allclose(treat_all(y, thresholds, weights=weights), expected)


@pytest.mark.parametrize("threshold", [0.0, 1.0, -0.1])
def test_a_threshold_lies_between_zero_and_one(threshold: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        net_benefit([1, 0], [0.5, 0.5], [threshold])
