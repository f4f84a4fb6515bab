"""Intervals and standard errors: by hand, against statsmodels and SciPy, and as invariants."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm, sem
from scipy.stats import t as student
from statsmodels.stats.proportion import proportion_confint

from predictor.validation.uncertainty import (
    Estimate,
    cluster_standard_error,
    cluster_weights,
    distance_interval,
    effective_sample_size,
    expanded_level,
    intraclass_correlation,
    percentile_interval,
    standard_error_interval,
    weighted_mean,
    wilson_interval,
)

seeds = st.integers(0, 10_000)


def test_a_wald_estimate_has_the_textbook_limits_and_p_value() -> None:
    estimate = Estimate.wald(1.0, 0.5)
    assert (estimate.low, estimate.high) == pytest.approx((0.020018, 1.979982), abs=1e-6)
    assert estimate.p_value == pytest.approx(0.0455003, abs=1e-7)
    assert np.isnan(Estimate.wald(1.0, 0.0).p_value)


@pytest.mark.parametrize(("events", "n"), [(0, 12), (6, 29), (12, 12), (221, 659)])
def test_wilson_agrees_with_statsmodels(events: int, n: int) -> None:
    assert wilson_interval(events, n) == pytest.approx(
        proportion_confint(events, n, method="wilson"), abs=1e-12
    )


def test_wilson_of_nobody_is_undefined() -> None:
    assert np.isnan(wilson_interval(0, 0)).all()


def test_the_cluster_error_by_hand() -> None:
    # mean 3; cluster sums of deviations: −3 and 3; √(2/1 · 18) / 4 = 1.5
    assert cluster_standard_error([1, 2, 4, 5], ["a", "a", "b", "b"]) == pytest.approx(1.5)


def test_the_cluster_error_agrees_with_statsmodels() -> None:
    rng = np.random.default_rng(3)
    groups = np.repeat(np.arange(25), rng.integers(1, 9, 25))
    d = rng.normal(size=len(groups)) + rng.normal(size=25)[groups]
    fit = sm.OLS(d, np.ones(len(d))).fit(
        cov_type="cluster", cov_kwds={"groups": groups, "use_correction": False}
    )
    assert cluster_standard_error(d, groups) == pytest.approx(sqrt(25 / 24) * fit.bse[0], rel=1e-12)


@given(seeds)
def test_one_patient_per_cluster_is_the_ordinary_error(seed: int) -> None:
    d = np.random.default_rng(seed).normal(size=30)
    assert cluster_standard_error(d, np.arange(30)) == pytest.approx(sem(d), rel=1e-12)


@given(seeds, st.integers(2, 5))
def test_copies_of_a_patient_inside_its_cluster_add_no_certainty(seed: int, copies: int) -> None:
    d = np.random.default_rng(seed).normal(size=20)
    once = cluster_standard_error(d, np.arange(20))
    assert cluster_standard_error(np.repeat(d, copies), np.repeat(np.arange(20), copies)) == pytest.approx(
        once
    )


def test_a_single_cluster_has_no_error() -> None:
    assert np.isnan(cluster_standard_error([1.0, 2.0], ["a", "a"]))


def test_whole_clusters_are_drawn_as_many_as_there_are() -> None:
    groups = np.array([7, 7, 3, 9, 3, 7])
    weights = cluster_weights(groups, resamples=200, seed=1)
    assert weights.shape == (200, 6)
    for label in (3, 7, 9):
        members = weights[:, groups == label]
        assert (members == members[:, :1]).all()
    assert (weights[:, [0, 2, 3]].sum(axis=1) == 3).all()
    assert weights[:, 0].mean() == pytest.approx(1, abs=0.2)


@given(seeds)
def test_resamples_do_not_depend_on_the_order_of_rows(seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups, order = rng.integers(0, 6, 15), rng.permutation(15)
    straight = cluster_weights(groups, resamples=5, seed=2)
    assert np.array_equal(cluster_weights(groups[order], resamples=5, seed=2), straight[:, order])


def test_bootstrapping_the_mean_finds_the_cluster_error() -> None:
    rng = np.random.default_rng(8)
    groups = np.repeat(np.arange(60), 5)
    x = rng.normal(size=300) + rng.normal(size=60)[groups]
    draws = weighted_mean(x, cluster_weights(groups, resamples=4000, seed=5))
    assert draws.std() == pytest.approx(cluster_standard_error(x, groups), rel=0.05)


def test_percentiles_of_known_draws() -> None:
    assert percentile_interval(np.arange(101)) == pytest.approx((2.5, 97.5))
    assert percentile_interval(np.arange(101), level=0.5) == pytest.approx((25, 75))


def test_too_many_undefined_resamples_leave_no_interval() -> None:
    few, many = np.arange(100.0), np.arange(100.0)
    few[:5], many[:6] = np.nan, np.inf
    assert np.isfinite(percentile_interval(few)).all()
    assert np.isnan(percentile_interval(many)).all()
    assert np.isnan(percentile_interval([])).all()


def test_the_intraclass_correlation_by_hand() -> None:
    # Means 1, 5 and 3; MSB = 2·(4 + 4 + 0)/2 = 8, MSW = 6·1/3 = 2, m₀ = 2: (8 − 2)/(8 + 2) = 0.6
    values, groups = [0, 2, 4, 6, 2, 4], ["a", "a", "b", "b", "c", "c"]
    assert intraclass_correlation(values, groups) == pytest.approx(0.6)


def test_the_intraclass_correlation_recovers_a_known_one_with_unequal_clusters() -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(3000), rng.integers(1, 12, 3000))
    values = rng.normal(size=len(groups)) * np.sqrt(0.8) + rng.normal(size=3000)[groups] * np.sqrt(0.2)
    assert intraclass_correlation(values, groups) == pytest.approx(0.2, abs=0.02)


@pytest.mark.parametrize(
    ("values", "groups"),
    [
        ([0, 1, 0, 1], [1, 2, 3, 4]),
        ([0, 1, 0, 1], [1, 1, 1, 1]),
        ([0, 2, 0, 2], [1, 1, 2, 2]),
        ([1] * 4, [1, 1, 2, 2]),
    ],
    ids=["no cluster of two", "one cluster", "less alike than by chance", "no variance"],
)
def test_the_intraclass_correlation_is_zero_where_nothing_shows_one(
    values: list[int], groups: list[int]
) -> None:
    assert intraclass_correlation(values, groups) == 0.0


def test_effective_sample_size_by_hand() -> None:
    groups = np.repeat(np.arange(40), 20)
    assert effective_sample_size(groups, 0.05) == pytest.approx(800 / (1 + 19 * 0.05))
    assert effective_sample_size(np.arange(31), 0.4) == 31
    assert effective_sample_size([], 0.1) == 0


@pytest.mark.parametrize("clusters", [5, 20, 200])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_expanded_percentiles_of_a_mean_are_students_limits(clusters: int, level: float) -> None:
    values = np.random.default_rng(clusters).normal(size=clusters)
    # What endless resampling of a mean comes to: normal, with the variance of the sample divided by G, not G − 1.
    draws = values.mean() + values.std() / sqrt(clusters) * norm.ppf((np.arange(100_000) + 0.5) / 100_000)
    wanted = student.interval(level, clusters - 1, loc=values.mean(), scale=sem(values))
    found = percentile_interval(draws, level=expanded_level(level, clusters))
    assert found == pytest.approx(wanted, abs=1e-3)
    assert percentile_interval(draws, level=level)[1] < wanted[1]


def test_a_single_cluster_gives_no_limits() -> None:
    assert np.isnan(expanded_level(0.95, 1))
    assert np.isnan(percentile_interval(np.arange(101), level=expanded_level(0.95, 1))).all()


@pytest.mark.parametrize("clusters", [5, 20, 500])
def test_limits_by_the_standard_error_are_students(clusters: int) -> None:
    draws = np.random.default_rng(0).normal(0.3, 0.02, 4000)
    factor = np.sqrt(clusters / (clusters - 1)) * student.ppf(0.975, clusters - 1)
    found = standard_error_interval(0.25, draws, level=expanded_level(0.95, clusters))
    half = factor * draws.std(ddof=1)
    assert found == pytest.approx((0.25 - half, 0.25 + half), rel=1e-9)


def test_limits_by_the_standard_error_need_defined_draws() -> None:
    draws = np.array([np.nan] * 10 + [0.1] * 90)
    assert np.isnan(standard_error_interval(0.1, draws)).all()
    assert np.isnan(standard_error_interval(0.1, np.arange(9.0), level=float("nan"))).all()


def test_the_limits_of_a_distance_reach_down_by_what_resampling_added() -> None:
    """Draws of 0.10 to 0.20: their percentiles of 50 % are 0.125 and 0.175, their mean 0.15; the value is 0.12."""
    draws = np.linspace(0.10, 0.20, 1001)
    low, high = distance_interval(0.12, draws, level=0.5)
    assert high == pytest.approx(0.175)
    assert low == pytest.approx(0.12 - 0.055 - 0.03)
    assert distance_interval(0.05, draws, level=0.5)[0] == 0.0
    # Draws that lie below the value take nothing away: the percentile stays.
    assert distance_interval(0.30, draws, level=0.5)[0] == pytest.approx(0.125)
    assert np.isnan(distance_interval(0.1, np.full(10, np.nan))).all()
