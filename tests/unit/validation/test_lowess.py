"""Lowess against statsmodels and at its edges. The agreement with rms is in tests/reference."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.nonparametric.smoothers_lowess import lowess

from predictor.validation.lowess import lowess_calibration


def test_the_curve_is_that_of_statsmodels() -> None:
    rng = np.random.default_rng(0)
    p = rng.uniform(0.05, 0.95, 120)
    y = (rng.random(120) < p).astype(float)
    want = lowess(y, p, frac=2 / 3, it=0, delta=0.01 * np.ptp(p), return_sorted=False)
    got = lowess_calibration(y, p)
    assert got.fitted == pytest.approx(want, abs=1e-9)
    assert got.emax == pytest.approx(np.abs(p - want).max())


def test_a_line_is_found_again() -> None:
    p = np.linspace(0.1, 0.9, 50)
    got = lowess_calibration(0.2 + 0.5 * p, p)
    assert got.fitted == pytest.approx(0.2 + 0.5 * p)
    assert got.eavg == pytest.approx(np.mean(np.abs(0.2 - 0.5 * p)))


def test_equal_predictions_get_the_rate() -> None:
    got = lowess_calibration([0, 1, 1, 1], np.full(4, 0.5))
    assert got.fitted == pytest.approx(np.full(4, 0.75))
    assert (got.eavg, got.e90, got.emax) == pytest.approx((0.25, 0.25, 0.25))
