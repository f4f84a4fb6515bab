"""Tipping points of missing outcomes."""

from __future__ import annotations

import numpy as np
import pytest

from predictor.validation.tipping import tipping_points
from predictor.validation.uncertainty import wilson_interval


def test_the_rates_by_hand() -> None:
    # 30 of 60 assessed responded; 40 were not assessed and are expected to respond as often.
    found = tipping_points(30, 60, np.full(40, 0.5), declared=(30, 60), deltas=(-np.log(3), 0.0, np.log(3)))
    assert found.table["missing_rate"].tolist() == pytest.approx([0.25, 0.5, 0.75])
    assert found.table["rate"].tolist() == pytest.approx([0.40, 0.50, 0.60])
    assert found.missing == 40


def test_at_the_tipping_point_the_rate_is_the_end_of_the_interval() -> None:
    p = np.random.default_rng(1).uniform(0.1, 0.9, 40)
    found = tipping_points(30, 60, p, declared=(30, 60))
    low, high = wilson_interval(30, 60)
    for end, shift in ((low, found.below), (high, found.above)):
        assert shift is not None
        moved = 1 / (1 + np.exp(-(np.log(p / (1 - p)) + shift)))
        assert (30 + moved.sum()) / 100 == pytest.approx(end)
    assert found.below < 0 < found.above


def test_few_missing_outcomes_cannot_tip_the_rate() -> None:
    found = tipping_points(30, 60, np.full(2, 0.5), declared=(30, 60))
    assert (found.below, found.above) == (None, None)
    assert found.table["inside"].all()


def test_a_strategy_that_decides_the_rate_tips_without_a_shift() -> None:
    found = tipping_points(30, 60, np.full(60, 0.5), declared=(30, 120))  # all missing count as no response
    assert (found.below, found.above) == (0.0, 0.0)
    assert not found.table.loc[found.table["delta"] == 0, "inside"].any()
