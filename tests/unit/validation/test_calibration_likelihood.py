"""Likelihood ratios at their edges. The agreement with R is in tests/reference."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2

from predictor.validation.calibration_likelihood import calibration_tests, likelihood_indices, profile_limits


def test_half_of_those_told_a_fifth_by_hand() -> None:
    # Ten patients told 20 in 100, five respond: 2·[5 ln(0.5/0.2) + 5 ln(0.5/0.8)]
    y, p = np.tile([0.0, 1.0], 5), np.full(10, 0.2)
    got = calibration_tests(y, p).intercept
    assert got.statistic == pytest.approx(10 * (np.log(0.5 / 0.2) + np.log(0.5 / 0.8)))
    assert got.p_value == pytest.approx(chi2.sf(got.statistic, 1))
    low, high = profile_limits(y, p)["in_the_large"]
    # Symmetric around the odds of one half, four times those of a fifth.
    assert (low + high) / 2 == pytest.approx(np.log(4))


def test_the_parts_add_up_to_the_whole() -> None:
    rng = np.random.default_rng(0)
    p = rng.uniform(0.1, 0.9, 80)
    got = calibration_tests((rng.random(80) < p**2).astype(float), p)
    assert got.joint.statistic == pytest.approx(got.intercept.statistic + got.slope.statistic)
    assert got.joint.df == got.intercept.df + got.slope.df == 2


def test_perfect_calibration_is_rejected_as_often_as_it_should() -> None:
    rng = np.random.default_rng(1)
    p = rng.uniform(0.1, 0.9, 150)
    outcomes = rng.random((400, 150)) < p
    rejected = np.mean([calibration_tests(y.astype(float), p).joint.p_value < 0.05 for y in outcomes])
    assert rejected == pytest.approx(0.05, abs=0.035)  # three Monte-Carlo errors


def test_equal_predictions_have_no_slope_and_one_class_nothing() -> None:
    y, constant = np.tile([0.0, 1.0], 5), np.full(10, 0.3)
    assert np.isnan(calibration_tests(y, constant).slope.statistic)
    assert np.isnan(profile_limits(y, constant)["slope"]).all()
    assert np.isnan(calibration_tests(np.zeros(10), constant).intercept.statistic)
    assert np.isnan(profile_limits(np.zeros(10), constant)["in_the_large"]).all()


def test_indices_of_a_resample_are_those_of_its_copies_and_undefined_is_nan() -> None:
    rng = np.random.default_rng(2)
    p = rng.uniform(0.1, 0.9, 60)
    y = (rng.random(60) < p**1.5).astype(float)
    counts = rng.integers(0, 3, 60)
    got = likelihood_indices(y, p, weights=counts)
    want = likelihood_indices(np.repeat(y, counts), np.repeat(p, counts))
    assert (got.discrimination, got.quality) == pytest.approx((want.discrimination, want.quality))
    assert np.isnan(likelihood_indices(np.ones(10), np.full(10, 0.4)).quality)
    assert np.isnan(likelihood_indices(np.tile([0.0, 1.0], 5), np.full(10, 0.4)).unreliability)
