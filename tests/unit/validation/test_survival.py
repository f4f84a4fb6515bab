"""Survival worked by hand. The agreement with R is in tests/reference."""

from __future__ import annotations

import numpy as np
import pytest

from predictor.validation.competing_risks import cumulative_incidence, cumulative_incidence_variance
from predictor.validation.survival import kaplan_meier, log_rank, median_time, probability_interval

TIME = [1.0, 2.0, 2.0, 3.0, 4.0]
SEEN = [True, True, False, True, False]


def test_kaplan_meier_by_hand() -> None:
    got = kaplan_meier(TIME, SEEN, at=[0.5, 1, 2, 2.5, 3, 10])
    assert got.survival == pytest.approx([1, 4 / 5, 4 / 5 * 3 / 4, 3 / 5, 3 / 5 / 2, 3 / 10])
    assert list(got.at_risk) == [5, 5, 4, 2, 2, 0]
    # Greenwood at 2: 0.6·√(1/(5·4) + 1/(4·3))
    assert got.se[2] == pytest.approx(0.6 * np.sqrt(1 / 20 + 1 / 12))


def test_without_censoring_survival_is_a_proportion_with_its_binomial_error() -> None:
    got = kaplan_meier(np.arange(1, 11), np.ones(10), at=[4, 10])
    assert got.survival == pytest.approx([0.6, 0])
    assert got.se[0] == pytest.approx(np.sqrt(0.6 * 0.4 / 10))
    low, high = probability_interval(got.survival, got.se, scale="plain")
    assert low[0] == pytest.approx(0.6 - 1.959964 * np.sqrt(0.024), abs=1e-6)
    assert 0 <= low[0] < high[0] <= 1


def test_the_median_rests_in_the_middle_or_is_not_reached() -> None:
    assert median_time([1, 2, 3, 4], np.ones(4))[0] == 2.5
    assert median_time([1, 2, 3], np.ones(3))[0] == 2
    assert np.isnan(median_time([1, 2, 3], [True, False, False])[0])


def test_the_log_rank_test_by_hand() -> None:
    # Times 1 (group a), 2 (b), both of two per group at risk at first: expected of a 2/4 + 1/3.
    got = log_rank([1, 5, 2, 5], [True, False, True, False], ["a", "a", "b", "b"])
    assert got.groups == ("a", "b")
    assert got.expected == pytest.approx([1 / 2 + 1 / 3, 1 / 2 + 2 / 3])
    variance = 1 / 4 + 2 / 9
    assert got.statistic == pytest.approx((1 - 5 / 6) ** 2 / variance)
    with pytest.raises(ValueError, match="two groups"):
        log_rank([1, 2], [True, True], ["a", "a"])


def test_three_groups_may_come_in_any_order() -> None:
    rng = np.random.default_rng(0)
    time, seen, group = rng.exponential(size=90).round(1), rng.random(90) < 0.7, np.repeat([2, 0, 1], 30)
    one, other = log_rank(time, seen, group), log_rank(time, seen, (group + 1) % 3)
    assert one.statistic == pytest.approx(other.statistic)
    assert one.observed.sum() == pytest.approx(one.expected.sum())


def test_cumulative_incidence_by_hand() -> None:
    time, event = [1, 2, 3, 4], [1, 2, 0, 1]
    got = cumulative_incidence(time, event, cause=1, at=[1, 3, 4])
    # The last patient has all that is left at 4: S(4−) = 1/2.
    assert got.risk == pytest.approx([1 / 4, 1 / 4, 3 / 4])
    assert cumulative_incidence(time, event, cause=2, at=[4]).risk == pytest.approx([1 / 4])


def test_without_censoring_the_jackknife_is_the_binomial_error() -> None:
    rng = np.random.default_rng(1)
    event = rng.integers(1, 3, 50)
    got = cumulative_incidence(rng.permutation(50) + 1, event, cause=1, at=[100])
    share = (event == 1).mean()
    assert got.risk[0] == pytest.approx(share)
    assert got.se[0] == pytest.approx(np.sqrt(share * (1 - share) / 50))


def test_the_jackknife_is_the_derivative() -> None:
    rng = np.random.default_rng(2)
    time, event = rng.integers(1, 8, 30), rng.integers(0, 3, 30)
    base = cumulative_incidence(np.repeat(time, 1000), np.repeat(event, 1000), cause=1, at=[5]).risk[0]
    moved = [
        cumulative_incidence(
            np.append(np.repeat(time, 1000), time[i]),
            np.append(np.repeat(event, 1000), event[i]),
            cause=1,
            at=[5],
        ).risk[0]
        for i in range(30)
    ]
    want = np.sqrt(np.sum(((np.array(moved) - base) * 1000) ** 2))
    assert cumulative_incidence(time, event, cause=1, at=[5]).se[0] == pytest.approx(want, rel=1e-3)


def test_grays_variance_of_a_single_cause_is_near_greenwoods() -> None:
    rng = np.random.default_rng(3)
    time, event = rng.exponential(size=400), (rng.random(400) < 0.7).astype(int)
    variance = cumulative_incidence_variance(time, event, cause=1, at=[0.5, 1.0])
    assert np.sqrt(variance) == pytest.approx(kaplan_meier(time, event, at=[0.5, 1.0]).se, rel=0.01)
