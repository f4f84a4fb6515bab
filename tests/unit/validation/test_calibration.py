"""Calibration: against statsmodels, with weights, and where nothing can be fitted. R is in tests/reference."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st

from predictor.validation.calibration import (
    calibration_in_the_large,
    calibration_intercept,
    calibration_slope,
    largest_line_error,
    logistic_recalibration,
    observed_expected,
    spiegelhalter,
)
from predictor.validation.loess import Surface, calibration_curve, loess_calibration
from predictor.validation.uncertainty import cluster_weights


def cohort(n: int = 120, *, slope: float = 0.7, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    logit = rng.normal(0.3, 1.2, n)
    y = (rng.random(n) < 1 / (1 + np.exp(-(0.2 + slope * logit)))).astype(float)
    return y, 1 / (1 + np.exp(-logit))


def test_weighted_fits_agree_with_statsmodels() -> None:
    y, p = cohort()
    logit = np.log(p / (1 - p))
    weights = cluster_weights(np.arange(len(y)) // 3, resamples=25, seed=1)
    intercepts, slopes = (
        calibration_intercept(y, p, weights=weights),
        calibration_slope(y, p, weights=weights),
    )
    for w, intercept, slope in zip(weights, intercepts, slopes, strict=True):
        family = sm.families.Binomial()
        large = sm.GLM(y, np.ones(len(y)), family=family, offset=logit, freq_weights=w).fit()
        line = sm.GLM(y, sm.add_constant(logit), family=family, freq_weights=w).fit()
        assert intercept == pytest.approx(large.params[0], abs=1e-6)
        assert slope == pytest.approx(line.params[1], abs=1e-6)


def test_recalibration_agrees_with_statsmodels() -> None:
    y, p = cohort(300)
    fit = sm.Logit(y, sm.add_constant(np.log(p / (1 - p)))).fit(disp=False, tol=1e-12)
    got = logistic_recalibration(y, p)
    assert (got.intercept.value, got.slope.value) == pytest.approx(tuple(fit.params), abs=1e-7)
    assert (got.intercept.se, got.slope.se) == pytest.approx(tuple(fit.bse), abs=1e-7)
    assert got.covariance == pytest.approx(fit.cov_params()[0, 1], abs=1e-7)


@given(st.integers(0, 500))
def test_weights_of_one_change_nothing_and_rows_may_be_shuffled(seed: int) -> None:
    y, p = cohort(60, seed=seed)
    order, ones = np.random.default_rng(seed).permutation(60), np.ones(60)
    for metric in (calibration_intercept, calibration_slope):
        plain = metric(y, p)
        assert float(metric(y, p, weights=ones)) == pytest.approx(plain, abs=1e-9)
        assert metric(y[order], p[order]) == pytest.approx(plain, abs=1e-9)


def test_a_weight_of_two_is_a_second_copy() -> None:
    y, p = cohort(80)
    weights, rows = np.ones(80), np.append(np.arange(80), [3, 17])
    weights[[3, 17]] = 2
    assert float(calibration_slope(y, p, weights=weights)) == pytest.approx(
        calibration_slope(y[rows], p[rows])
    )
    band = calibration_curve(y, p, grid=[0.5], weights=np.vstack([np.ones(80), weights]))
    assert band.shape == (2, 1)
    assert band[0, 0] == pytest.approx(calibration_curve(y, p, grid=[0.5])[0])


def test_recalibrating_by_the_fitted_line_makes_it_perfect() -> None:
    y, p = cohort(200)
    fit = logistic_recalibration(y, p)
    logit = fit.intercept.value + fit.slope.value * np.log(p / (1 - p))
    again = logistic_recalibration(y, 1 / (1 + np.exp(-logit)))
    assert (again.intercept.value, again.slope.value) == pytest.approx((0, 1), abs=1e-7)


def test_a_known_shift_and_spread_are_found() -> None:
    y, p = cohort(60_000, slope=0.7, seed=5)
    got = logistic_recalibration(y, p)
    assert (got.intercept.value, got.slope.value) == pytest.approx((0.2, 0.7), abs=0.03)


def test_constant_predictions_have_an_intercept_but_no_slope() -> None:
    y, p = np.array([1.0, 0, 0, 0]), np.full(4, 0.5)
    assert calibration_intercept(y, p) == pytest.approx(np.log(1 / 3))
    assert np.isnan(calibration_slope(y, p))
    assert np.isnan(calibration_slope(y, p, weights=np.ones((3, 4)))).all()
    assert np.isnan(logistic_recalibration(y, p).slope.se)


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_one_class_has_neither(rate: float) -> None:
    y, p = np.full(6, rate), np.linspace(0.2, 0.8, 6)
    assert np.isnan(calibration_intercept(y, p))
    assert np.isnan(calibration_slope(y, p))
    assert np.isnan(calibration_in_the_large(y, p).se)


def test_perfect_separation_has_no_slope_and_spoils_no_other_resample() -> None:
    p = np.array([0.2, 0.3, 0.4, 0.6, 0.7, 0.5])
    y = np.array([0, 0, 0, 1, 1, 1.0])
    assert np.isnan(calibration_slope(y, p))
    y[:2] = 1, 0  # one responder with the lowest prediction
    weights = np.ones((2, 6))
    weights[1, 0] = 0
    first, second = calibration_slope(y, p, weights=weights)
    assert first == pytest.approx(calibration_slope(y, p))
    assert np.isnan(second)


def test_predictions_of_zero_and_one_are_clipped() -> None:
    y, p = np.array([1.0, 0, 1, 0, 1]), np.array([0.0, 1, 0.5, 0.5, 1])
    clipped = np.clip(p, 1e-6, 1 - 1e-6)
    assert calibration_slope(y, p) == calibration_slope(y, clipped)
    assert np.isfinite(calibration_intercept(y, p))


def test_an_intercept_far_away_is_reached() -> None:
    y, p = np.array([1.0, 1, 1, 0] * 5), np.full(20, 1e-6)
    assert calibration_intercept(y, p) == pytest.approx(np.log(3) - np.log(1e-6 / (1 - 1e-6)))


def test_observed_over_expected_by_hand() -> None:
    got = observed_expected([1, 1, 0, 0], [0.2, 0.3, 0.2, 0.3])
    assert got.value == 2
    assert got.se == pytest.approx(0.5)  # √((1 − 2/4)/2)
    assert np.isnan(observed_expected([0, 0], [0.2, 0.3]).se)


def test_spiegelhalter_by_hand() -> None:
    # (1 − 0.2)·0.6 / √(0.36·0.16)
    assert spiegelhalter([1], [0.2]) == pytest.approx(2)
    assert np.isnan(spiegelhalter([1, 0], [0.5, 0.5]))


@pytest.mark.parametrize("surface", ["direct", "interpolated"])
def test_smoothing_keeps_a_parabola(surface: Surface) -> None:
    # A local quadratic of points on a parabola is that parabola.
    p = np.linspace(0.05, 0.95, 40)
    y = 0.1 + 0.3 * p + 0.5 * p**2
    got = loess_calibration(y, p, surface=surface)
    np.testing.assert_allclose(got.fitted, y, atol=1e-10)
    error = np.abs(p - y)
    assert (got.ici, got.e50, got.e90, got.emax) == pytest.approx(
        (error.mean(), np.median(error), np.quantile(error, 0.9), error.max())
    )


@pytest.mark.parametrize("surface", ["direct", "interpolated"])
def test_smoothing_few_distinct_predictions_gives_their_rates(surface: Surface) -> None:
    y, constant = np.array([1.0, 0, 0, 1, 1, 1, 0, 1]), np.full(8, 0.4)
    got = loess_calibration(y, constant, surface=surface)
    assert got.fitted == pytest.approx(np.full(8, 5 / 8))
    assert got.ici == pytest.approx(5 / 8 - 0.4)


def test_the_interpolated_surface_stays_close_to_the_direct_one_and_is_cheap() -> None:
    y, p = cohort(400)
    direct, quick = loess_calibration(y, p), loess_calibration(y, p, surface="interpolated")
    assert quick.ici == pytest.approx(direct.ici, abs=0.005)
    assert quick.emax != direct.emax
    y, p = cohort(200_000)  # directly, 4·10¹⁰ distances
    truth = 1 / (1 + np.exp(-(0.2 + 0.7 * np.log(p / (1 - p)))))
    assert loess_calibration(y, p, surface="interpolated").ici == pytest.approx(
        np.abs(p - truth).mean(), abs=0.01
    )


def test_nothing_is_smoothed_beyond_the_predictions() -> None:
    y, p = cohort(50)
    curve = calibration_curve(y, p, grid=[p.min() - 0.01, 0.5, p.max() + 0.001])
    assert np.isnan(curve).tolist() == [True, False, True]


def test_a_large_batch_is_the_same_as_single_resamples() -> None:
    y, p = cohort(400)
    weights = cluster_weights(np.arange(400), resamples=1500, seed=3)
    batch = calibration_slope(y, p, weights=weights)
    assert batch.shape == (1500,)
    alone = [float(calibration_slope(y, p, weights=weights[i])) for i in (0, 700, 1499)]
    assert batch[[0, 700, 1499]] == pytest.approx(alone, abs=1e-9)


def test_the_largest_error_of_a_line_by_hand() -> None:
    assert largest_line_error(0, 1) == pytest.approx(0)
    # Log-odds moved by 2 in all: p moves most where it lies symmetrically around one half, from -1 to 1.
    assert largest_line_error(2, 1) == pytest.approx(np.tanh(0.5), abs=1e-6)
