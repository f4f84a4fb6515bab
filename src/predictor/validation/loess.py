"""The rate of response smoothed over the predictions by loess, and the calibration errors drawn from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["LoessCalibration", "calibration_curve", "loess_calibration"]

Floats = NDArray[np.float64]

CELLS = 2**21  # numbers per working array
SPAN = 0.75


@dataclass(frozen=True)
class LoessCalibration:
    """Smoothed calibration.

    Parameters
    ----------
    fitted : ndarray of shape (n,)
        Smoothed rate of response at each prediction; not clipped to [0, 1].
    ici, e50, e90, emax : float
        Mean, median, 90th percentile and maximum of |prediction − fitted|; 0 is perfect.
    """

    fitted: Floats
    ici: float
    e50: float
    e90: float
    emax: float


def loess_calibration(y: ArrayLike, p: ArrayLike, *, span: float = SPAN) -> LoessCalibration:
    """Smoothed calibration and the errors drawn from it, with a directly computed loess of degree 2.

    Parameters
    ----------
    y, p : array of shape (n,)
    span : float
        Share of the patients in each neighbourhood.

    Returns
    -------
    LoessCalibration

    References
    ----------
    Austin PC, Steyerberg EW. The Integrated Calibration Index. Stat Med 2019;38:4051-4065.
    """
    score = np.asarray(p, dtype=float)
    points, position = np.unique(score, return_inverse=True)
    fitted = calibration_curve(y, p, grid=points, span=span)[position]
    error = np.abs(score - fitted)
    e50, e90 = np.quantile(error, [0.5, 0.9])
    return LoessCalibration(fitted, float(error.mean()), float(e50), float(e90), float(error.max()))


def calibration_curve(
    y: ArrayLike, p: ArrayLike, *, grid: ArrayLike, weights: ArrayLike | None = None, span: float = SPAN
) -> Floats:
    """Smooth the rate of response over the predictions: local quadratics, tricube weights, nearest patients.

    Parameters
    ----------
    y, p : array of shape (n,)
    grid : array of shape (m,)
        Predictions at which to look.
    weights : array of shape (n,) or (B, n), optional
        Frequency weights, one row per resample; the neighbourhoods stay those of the unweighted patients.
    span : float

    Returns
    -------
    ndarray of shape (m,) or (B, m)
        Not clipped to [0, 1]; NaN outside the range of the predictions, where there is nothing to smooth.
    """
    outcome, score = np.asarray(y, dtype=float), np.asarray(p, dtype=float)
    points = np.asarray(grid, dtype=float)
    w = np.ones((1, len(outcome))) if weights is None else np.atleast_2d(np.asarray(weights, dtype=float))
    size = max(1, CELLS // len(outcome))
    parts = [
        _local_quadratic(outcome, score, points[first : first + size], w, span)
        for first in range(0, len(points), size)
    ]
    curve = np.concatenate(parts, axis=1)
    curve[:, (points < score.min()) | (points > score.max())] = np.nan
    return curve if weights is not None and np.ndim(weights) == 2 else curve[0]


def _local_quadratic(y: Floats, p: Floats, points: Floats, w: Floats, span: float) -> Floats:
    distance = p[:, np.newaxis] - points
    nearest = max(1, int(np.floor(span * len(p) + 1e-9)))
    width = np.partition(np.abs(distance), nearest - 1, axis=0)[nearest - 1]
    width = np.where(width > 0, width, np.finfo(float).tiny)  # ties fill the neighbourhood: only they count
    u = np.clip(distance / width, -1, 1)
    kernel = (1 - np.abs(u) ** 3) ** 3
    m0, m1, m2, m3, m4 = (w @ (kernel * u**power) for power in range(5))
    t0, t1, t2 = (w @ (kernel * u**power * y[:, np.newaxis]) for power in range(3))
    c0, c1, c2 = m2 * m4 - m3 * m3, m2 * m3 - m1 * m4, m1 * m3 - m2 * m2
    determinant = m0 * c0 + m1 * c1 + m2 * c2
    with np.errstate(invalid="ignore", divide="ignore"):
        quadratic = (t0 * c0 + t1 * c1 + t2 * c2) / determinant
        # Fewer than three distinct predictions nearby bear no quadratic: their mean is what can be said.
        return np.asarray(np.where(determinant > 1e-10 * m0 * m2 * m4, quadratic, t0 / m0))
