"""Is the calibration's departure from perfect more than chance? Likelihood-ratio tests and profile limits.

Where patients are few the likelihood is not symmetric: its own limits are then more honest than value ± 1.96·SE.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import expit
from scipy.stats import chi2

from predictor.validation.calibration import calibration_intercept, clipped_logit, recalibration_line
from predictor.validation.overall import log_losses

__all__ = [
    "CalibrationTests",
    "LikelihoodIndices",
    "LikelihoodRatio",
    "calibration_tests",
    "likelihood_indices",
    "profile_limits",
]

Floats = NDArray[np.float64]

WIDEST = 64.0  # in log-odds and in slopes; a limit beyond it is none


@dataclass(frozen=True)
class LikelihoodRatio:
    """Twice the difference of two log likelihoods, compared with χ².

    Parameters
    ----------
    statistic : float
    df : int
    """

    statistic: float
    df: int

    @property
    def p_value(self) -> float:
        """Probability of as large a statistic when calibration is perfect."""
        return float(chi2.sf(self.statistic, self.df))


@dataclass(frozen=True)
class CalibrationTests:
    """Tests of logit P(y = 1) = a + b·L.

    Parameters
    ----------
    joint : LikelihoodRatio
        Of a = 0 and b = 1, against both free.
    intercept : LikelihoodRatio
        Of a = 0 given b = 1: calibration in the large.
    slope : LikelihoodRatio
        Of b = 1, a free on both sides.
    """

    joint: LikelihoodRatio
    intercept: LikelihoodRatio
    slope: LikelihoodRatio


@dataclass(frozen=True)
class LikelihoodIndices:
    """What predictions tell apart, and what they lose by being badly calibrated, on one scale.

    Parameters
    ----------
    discrimination : float
        D = (χ² − 1)/n, χ² twice the log likelihood of the predictions beyond that of the prevalence; 0 or less is
        nothing.
    unreliability : float
        U = (χ² − 2)/n, χ² twice what a logistic recalibration gains; at most 0 is as good as chance leaves it.
    """

    discrimination: float
    unreliability: float

    @property
    def quality(self) -> float:
        """Q = D − U."""
        return self.discrimination - self.unreliability


def likelihood_indices(y: ArrayLike, p: ArrayLike, *, weights: ArrayLike | None = None) -> LikelihoodIndices:
    """Harrell's indices of discrimination, unreliability and quality of the predictions as they are.

    Parameters
    ----------
    y, p : array of shape (n,)
    weights : array of shape (n,), optional
        Frequency weights, as of a resample.

    Returns
    -------
    LikelihoodIndices
        NaN with one class only, and U where the recalibration cannot be fitted.

    References
    ----------
    Harrell FE, Lee KL. Using logistic model calibration to assess the quality of probability predictions. 1987.
    Harrell FE. Regression modeling strategies. 2nd ed. Springer 2015 (section 10.9).
    """
    outcome, logit = np.asarray(y, dtype=float), clipped_logit(p)
    w = np.ones(len(outcome)) if weights is None else np.asarray(weights, dtype=float)
    n, rate = float(w.sum()), float(w @ outcome / w.sum())
    if not 0 < rate < 1:
        return LikelihoodIndices(float("nan"), float("nan"))
    a, b = (float(value) for value in recalibration_line(y, p, weights=w))
    as_is = 2 * float(w @ log_losses(outcome, p))
    null = -2 * n * (rate * np.log(rate) + (1 - rate) * np.log1p(-rate))
    gained = as_is - _deviance(outcome, logit, a, b, w)
    return LikelihoodIndices(float(null - as_is - 1) / n, (gained - 2) / n)


def _deviance(
    y: Floats, logit: Floats, intercept: float, slope: float, weights: Floats | float = 1.0
) -> float:
    if not (np.isfinite(intercept) and np.isfinite(slope)):
        return float("nan")
    eta = intercept + slope * logit
    return float(2 * np.sum(weights * (np.logaddexp(0, eta) - y * eta)))


def calibration_tests(y: ArrayLike, p: ArrayLike) -> CalibrationTests:
    """Test calibration by likelihood ratios.

    Parameters
    ----------
    y, p : array of shape (n,)

    Returns
    -------
    CalibrationTests
        NaN where the recalibration cannot be fitted.

    References
    ----------
    Miller ME, Langefeld CD, Tierney WM, Hui SL, McDonald CJ. Validation of probabilistic predictions. Med Decis
    Making 1993;13:49-58.
    """
    outcome, logit = np.asarray(y, dtype=float), clipped_logit(p)
    shift = float(calibration_intercept(y, p))
    a, b = (float(value) for value in recalibration_line(y, p))
    as_is, shifted, free = (_deviance(outcome, logit, *pair) for pair in ((0.0, 1.0), (shift, 1.0), (a, b)))
    return CalibrationTests(
        LikelihoodRatio(as_is - free, 2),
        LikelihoodRatio(as_is - shifted, 1),
        LikelihoodRatio(shifted - free, 1),
    )


def profile_limits(y: ArrayLike, p: ArrayLike, *, level: float = 0.95) -> dict[str, tuple[float, float]]:
    """Find where the deviance has risen by the quantile of χ², the other coefficient following.

    Parameters
    ----------
    y, p : array of shape (n,)
    level : float

    Returns
    -------
    dict of (lower, upper)
        ``in_the_large`` (the intercept at a slope of 1), ``intercept``, ``slope``; NaN where there is no limit.
    """
    outcome, logit = np.asarray(y, dtype=float), clipped_logit(p)
    shift = float(calibration_intercept(y, p))
    a, b = (float(value) for value in recalibration_line(y, p))
    rise = float(chi2.ppf(level, 1))

    def large(value: float) -> float:
        return _deviance(outcome, logit, value, 1.0)

    def by_intercept(value: float) -> float:
        slope = _root(lambda one: float(logit @ (expit(value + one * logit) - outcome)), b)
        return _deviance(outcome, logit, value, slope)

    def by_slope(value: float) -> float:
        intercept = _root(lambda one: float(np.sum(expit(one + value * logit) - outcome)), a)
        return _deviance(outcome, logit, intercept, value)

    profiles = {"in_the_large": (large, shift), "intercept": (by_intercept, a), "slope": (by_slope, b)}
    return {name: _limits(curve, centre, rise) for name, (curve, centre) in profiles.items()}


def _limits(curve: Callable[[float], float], centre: float, rise: float) -> tuple[float, float]:
    if not np.isfinite(centre):
        return float("nan"), float("nan")
    bound = curve(centre) + rise
    low, high = (_crossing(lambda value: curve(value) - bound, centre, side) for side in (-1, 1))
    return low, high


def _crossing(excess: Callable[[float], float], centre: float, side: int) -> float:
    """First value beside the centre at which the excess, negative there, comes to 0."""
    reach = 1 / 16
    while reach <= WIDEST:
        if excess(centre + side * reach) > 0:
            ends = sorted((centre, centre + side * reach))
            return float(brentq(excess, *ends, xtol=1e-13, rtol=1e-14))
        reach *= 2
    return float("nan")


def _root(score: Callable[[float], float], near: float) -> float:
    """Root of an increasing function, bracketed from a guess outwards."""
    reach = 1.0
    while score(near - reach) > 0 or score(near + reach) < 0:
        reach *= 2
        if reach > 1e6:
            return float("nan")
    return float(brentq(score, near - reach, near + reach, xtol=1e-13, rtol=1e-14))
