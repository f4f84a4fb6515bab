"""Do 60 of 100 patients told "60 in 100" respond? Functions of arrays.

Intercept 0, slope 1 and observed/expected 1 are perfect. A slope below 1 means that predictions are too
extreme, as those of an overfitted model are. L is the logit of the prediction, clipped to [1e-6, 1 − 1e-6].
`loess` has the smoothed curve and the errors drawn from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

from predictor.validation.overall import CLIP
from predictor.validation.uncertainty import Estimate

__all__ = [
    "Recalibration",
    "calibration_in_the_large",
    "calibration_intercept",
    "calibration_slope",
    "clipped_logit",
    "largest_line_error",
    "logistic_recalibration",
    "observed_expected",
    "recalibration_line",
    "spiegelhalter",
]

Floats = NDArray[np.float64]

STEPS = 40  # Newton needs 4 to 6; data that a line separates never get there and are reported as undefined
TOLERANCE = 1e-6  # of the last step: the error after it is about its square
LEAST_INFORMATION = 1e-10  # per patient; less is a fit that ran to infinity until rounding stopped it
LARGEST_STEP = 4.0  # in log-odds, so that a poor start cannot overshoot
CELLS = 2**18  # numbers per working array: 2 MB, which stays in the cache


@dataclass(frozen=True)
class Recalibration:
    """Logistic recalibration logit P(y = 1) = a + b·L.

    Parameters
    ----------
    intercept, slope : Estimate
        With Wald intervals; NaN where the model cannot be fitted.
    covariance : float
        Of the intercept with the slope.
    """

    intercept: Estimate
    slope: Estimate
    covariance: float


def clipped_logit(p: ArrayLike) -> Floats:
    """Log-odds of probabilities that are kept 1e-6 away from 0 and 1, as for the log loss."""
    clipped = np.clip(np.asarray(p, dtype=float), CLIP, 1 - CLIP)
    return np.asarray(np.log(clipped) - np.log1p(-clipped), dtype=float)


def _newton(y: Floats, X: Floats, offset: Floats, weights: Floats, start: Floats) -> tuple[Floats, Floats]:
    """Maximise one or two coefficients of a logistic model, for every row of weights at once.

    Returns
    -------
    coefficients : ndarray of shape (B, k)
        NaN where a resample has no finite maximum.
    information : ndarray of shape (B, k, k)
    """
    size = max(1, CELLS // len(y))
    parts = [
        _newton_chunk(y, X, offset, weights[first : first + size], start)
        for first in range(0, len(weights), size)
    ]
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def _newton_chunk(
    y: Floats, X: Floats, offset: Floats, weights: Floats, start: Floats
) -> tuple[Floats, Floats]:
    k = X.shape[1]
    products = (X[:, :, np.newaxis] * X[:, np.newaxis, :]).reshape(len(y), k * k)
    reach = np.abs(X).max(axis=0)
    target = weights @ (X * y[:, np.newaxis])
    found = np.full((len(weights), k), np.nan)
    information = np.full((len(weights), k, k), np.nan)
    rows, current = np.arange(len(weights)), np.tile(start, (len(weights), 1))
    for _ in range(STEPS):
        mean = 1 / (1 + np.exp(-(current @ X.T + offset)))
        carried = weights[rows] * mean
        gradient = target[rows] - carried @ X
        curvature = ((carried * (1 - mean)) @ products).reshape(-1, k, k)
        step = np.clip(_solve(curvature, gradient), -LARGEST_STEP / reach, LARGEST_STEP / reach)
        current = current + step
        size = np.abs(step * reach).max(axis=1)
        informed = curvature[:, 0, 0] > LEAST_INFORMATION * weights[rows].sum(axis=1)
        done, alive = (size < TOLERANCE) & informed, size >= TOLERANCE  # the others are given up, as is NaN
        found[rows[done]], information[rows[done]] = current[done], curvature[done]
        rows, current = rows[alive], current[alive]
        if len(rows) == 0:
            break
    return found, information


def _solve(matrix: Floats, vector: Floats) -> Floats:
    """Solve 1 × 1 or 2 × 2 systems in closed form; NaN where one is singular, instead of an error for all."""
    with np.errstate(divide="ignore", invalid="ignore"):
        if matrix.shape[-1] == 1:
            return np.where(matrix[:, 0] > 0, vector / matrix[:, 0], np.nan)
        a, b, d = matrix[:, 0, 0], matrix[:, 0, 1], matrix[:, 1, 1]
        determinant = a * d - b * b
        first = (d * vector[:, 0] - b * vector[:, 1]) / determinant
        second = (a * vector[:, 1] - b * vector[:, 0]) / determinant
        regular = determinant > 1e-12 * a * d
        return np.where(regular[:, np.newaxis], np.stack([first, second], axis=1), np.nan)


def _fit_intercept(y: ArrayLike, p: ArrayLike, weights: ArrayLike | None) -> tuple[Floats, Floats]:
    outcome, logit = np.asarray(y, dtype=float), clipped_logit(p)
    ones = np.ones((len(outcome), 1))
    found, information = _newton(outcome, ones, logit, np.ones((1, len(outcome))), np.zeros(1))
    if weights is not None:
        start = np.nan_to_num(found[0])
        found, information = _newton(outcome, ones, logit, _rows(weights), start)
    return found[:, 0], information[:, 0, 0]


def _fit_line(y: ArrayLike, p: ArrayLike, weights: ArrayLike | None) -> tuple[Floats, Floats]:
    """Coefficients (intercept, slope) and covariances, fitted on the standardised logit."""
    outcome, logit = np.asarray(y, dtype=float), clipped_logit(p)
    centre, spread = logit.mean(), logit.std()
    rows = 1 if weights is None else len(_rows(weights))
    if not spread > 1e-9:  # all predictions equal: there is no line to fit
        return np.full((rows, 2), np.nan), np.full((rows, 2, 2), np.nan)
    X = np.column_stack([np.ones(len(outcome)), (logit - centre) / spread])
    offset = np.zeros(len(outcome))
    found, information = _newton(outcome, X, offset, np.ones((1, len(outcome))), np.zeros(2))
    if weights is not None:
        found, information = _newton(outcome, X, offset, _rows(weights), np.nan_to_num(found[0]))
    back = np.array([[1.0, -centre / spread], [0.0, 1 / spread]])
    covariance = np.full_like(information, np.nan)
    fitted = np.isfinite(found).all(axis=1)
    covariance[fitted] = back @ np.linalg.inv(information[fitted]) @ back.T
    return found @ back.T, covariance


def _rows(weights: ArrayLike) -> Floats:
    return np.atleast_2d(np.asarray(weights, dtype=float))


def _like(weights: ArrayLike | None, values: Floats) -> float | Floats:
    """One value for no weights, a scalar array for one row of weights, an array for several."""
    if weights is None:
        return float(values[0])
    return values if np.ndim(weights) == 2 else np.asarray(values[0])


@overload
def calibration_intercept(y: ArrayLike, p: ArrayLike, *, weights: None = None) -> float: ...
@overload
def calibration_intercept(y: ArrayLike, p: ArrayLike, *, weights: ArrayLike) -> Floats: ...
def calibration_intercept(y: ArrayLike, p: ArrayLike, *, weights: ArrayLike | None = None) -> float | Floats:
    """Calibration in the large: intercept of logit P(y = 1) = a + L, the slope held at 1.

    Parameters
    ----------
    y, p : array of shape (n,)
    weights : array of shape (n,) or (B, n), optional
        Frequency weights, one row per resample.

    Returns
    -------
    float or ndarray of shape () or (B,)
        0 is perfect, above 0 more responded than predicted; NaN with one class only.
    """
    return _like(weights, _fit_intercept(y, p, weights)[0])


@overload
def calibration_slope(y: ArrayLike, p: ArrayLike, *, weights: None = None) -> float: ...
@overload
def calibration_slope(y: ArrayLike, p: ArrayLike, *, weights: ArrayLike) -> Floats: ...
def calibration_slope(y: ArrayLike, p: ArrayLike, *, weights: ArrayLike | None = None) -> float | Floats:
    """Slope b of logit P(y = 1) = a + b·L.

    Parameters
    ----------
    y, p : array of shape (n,)
    weights : array of shape (n,) or (B, n), optional
        Frequency weights, one row per resample.

    Returns
    -------
    float or ndarray of shape () or (B,)
        1 is perfect, below 1 too extreme; NaN for constant predictions, one class only or perfect separation.
    """
    return _like(weights, _fit_line(y, p, weights)[0][:, 1])


def recalibration_line(
    y: ArrayLike, p: ArrayLike, *, weights: ArrayLike | None = None
) -> tuple[float | Floats, float | Floats]:
    """Intercept and slope of logit P(y = 1) = a + b·L, without their uncertainty.

    Parameters
    ----------
    y, p : array of shape (n,)
    weights : array of shape (n,) or (B, n), optional
        Frequency weights, one row per resample.

    Returns
    -------
    tuple of float, or of ndarray of shape () or (B,)
        0 and 1 are perfect; NaN as for `calibration_slope`.
    """
    found = _fit_line(y, p, weights)[0]
    return _like(weights, found[:, 0]), _like(weights, found[:, 1])


def largest_line_error(intercept: float, slope: float) -> float:
    """Largest |p − expit(a + b·logit p)| over all probabilities: what a recalibration line would change at most.

    Parameters
    ----------
    intercept, slope : float
        Of a recalibration line, as one corrected for optimism.

    Returns
    -------
    float
        0 is perfect; rms's ``validate`` calls it Emax.
    """
    p = np.linspace(0, 1, 2001)[1:-1]
    return float(np.abs(p - 1 / (1 + np.exp(-intercept - slope * (np.log(p) - np.log1p(-p))))).max())


def calibration_in_the_large(y: ArrayLike, p: ArrayLike, *, level: float = 0.95) -> Estimate:
    """`calibration_intercept` with its Wald interval.

    Parameters
    ----------
    y, p : array of shape (n,)
    level : float

    Returns
    -------
    Estimate
    """
    value, information = _fit_intercept(y, p, None)
    return Estimate.wald(float(value[0]), float(1 / np.sqrt(information[0])), level=level)


def logistic_recalibration(y: ArrayLike, p: ArrayLike, *, level: float = 0.95) -> Recalibration:
    """Intercept and slope of logit P(y = 1) = a + b·L, with Wald intervals.

    Parameters
    ----------
    y, p : array of shape (n,)
    level : float

    Returns
    -------
    Recalibration
        All NaN for constant predictions, one class only, or perfect separation.

    References
    ----------
    Cox DR. Two further applications of a model for binary regression. Biometrika 1958;45:562-565.
    """
    found, covariance = _fit_line(y, p, None)
    errors = np.sqrt(np.diagonal(covariance[0]))
    intercept, slope = (
        Estimate.wald(float(value), float(se), level=level)
        for value, se in zip(found[0], errors, strict=True)
    )
    return Recalibration(intercept, slope, float(covariance[0, 0, 1]))


def observed_expected(y: ArrayLike, p: ArrayLike, *, level: float = 0.95) -> Estimate:
    """Observed over expected responders; the interval is normal on the log scale.

    Parameters
    ----------
    y, p : array of shape (n,)
    level : float

    Returns
    -------
    Estimate
        1 is perfect; `se` is that of ln(O/E), √[(1 − O/n)/O], NaN without a responder.
    """
    outcome = np.asarray(y, dtype=float)
    observed, expected = float(outcome.sum()), float(np.sum(np.asarray(p, dtype=float)))
    if observed == 0:
        return Estimate(0.0, float("nan"), float("nan"), float("nan"))
    ratio = observed / expected
    se = float(np.sqrt((1 - observed / len(outcome)) / observed))
    spread = float(np.exp(norm.ppf((1 + level) / 2) * se))
    return Estimate(ratio, ratio / spread, ratio * spread, se)


def spiegelhalter(y: ArrayLike, p: ArrayLike) -> float:
    """Spiegelhalter's z: Σ(y − p)(1 − 2p) / √Σ(1 − 2p)²p(1 − p); beyond ± 1.96 calibration is doubtful.

    Parameters
    ----------
    y, p : array of shape (n,)

    Returns
    -------
    float
        NaN where every prediction is 0, ½ or 1.
    """
    outcome, score = np.asarray(y, dtype=float), np.asarray(p, dtype=float)
    variance = float(np.sum((1 - 2 * score) ** 2 * score * (1 - score)))
    total = float(np.sum((outcome - score) * (1 - 2 * score)))
    return total / float(np.sqrt(variance)) if variance > 0 else float("nan")
