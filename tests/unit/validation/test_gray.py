"""Gray's test at its edges. The agreement with cmprsk is in tests/reference."""

from __future__ import annotations

import numpy as np
import pytest

from predictor.validation.gray import gray_test
from predictor.validation.survival import log_rank


def cohort(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return np.ceil(8 * rng.exponential(size=n)), rng.choice([0, 1, 2], n, p=[0.25, 0.45, 0.3])


def test_without_another_cause_the_score_is_that_of_the_log_rank_test() -> None:
    rng = np.random.default_rng(3)
    time, event = cohort(150, rng)
    event, arm = np.where(event == 2, 0, event), rng.choice(["a", "b", "c"], 150)
    got, plain = gray_test(time, event, arm), log_rank(time, event == 1, arm)
    assert got.groups == plain.groups
    assert got.score == pytest.approx(plain.observed - plain.expected)
    assert got.statistic == pytest.approx(plain.statistic, rel=0.1)  # the variances differ


def test_the_order_and_the_names_of_the_groups_do_not_matter() -> None:
    rng = np.random.default_rng(4)
    time, event = cohort(120, rng)
    arm = rng.integers(0, 3, 120)
    got, turned = gray_test(time, event, arm), gray_test(time, event, 2 - arm)
    assert turned.statistic == pytest.approx(got.statistic)
    assert turned.score == pytest.approx(got.score[::-1])
    assert got.score.sum() == pytest.approx(0, abs=1e-9)


def test_groups_of_one_incidence_are_told_apart_as_seldom_as_they_should() -> None:
    rng = np.random.default_rng(5)
    found = [gray_test(*cohort(150, rng), rng.integers(0, 2, 150)).p_value < 0.05 for _ in range(400)]
    assert np.mean(found) == pytest.approx(0.05, abs=0.035)  # three Monte-Carlo errors


def test_a_cause_that_another_one_forestalls_differs_though_its_own_hazard_does_not() -> None:
    rng = np.random.default_rng(6)
    arm = np.repeat([0, 1], 400)
    own, other = rng.exponential(10, 800), rng.exponential(np.where(arm == 1, 2.0, 30.0))
    time = np.minimum(np.minimum(own, other), 4.0)  # the study ends at 4
    event = np.select([time == own, time == other], [1, 2], 0)
    assert gray_test(time, event, arm).p_value < 1e-4
    assert log_rank(time, event == 1, arm).p_value > 0.05


def test_a_single_group_has_nothing_to_be_compared_with() -> None:
    with pytest.raises(ValueError, match="two groups"):
        gray_test([1, 2], [1, 0], ["a", "a"])
