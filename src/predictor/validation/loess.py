"""The rate of response smoothed over the predictions by loess, and the calibration errors drawn from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicHermiteSpline

__all__ = ["LoessCalibration", "Surface", "calibration_curve", "loess_calibration"]

Floats = NDArray[np.float64]
Surface = Literal["direct", "interpolated"]

CELLS = 2**21  # numbers per working array
SPAN = 0.75
CELL = 0.2  # share of a neighbourhood above which a cell of the interpolation is halved


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


def loess_calibration(
    y: ArrayLike, p: ArrayLike, *, span: float = SPAN, surface: Surface = "direct"
) -> LoessCalibration:
    """Smoothed calibration and the errors drawn from it, by a loess of degree 2.

    Parameters
    ----------
    y, p : array of shape (n,)
    span : float
        Share of the patients in each neighbourhood.
    surface : {"direct", "interpolated"}
        Whether the local fit is made at every prediction, or at a few of them with cubics between, which is
        what R's loess does by default and Austin and Steyerberg published; it takes time in proportion to n
        and not to n². The two differ in the third decimal.

    Returns
    -------
    LoessCalibration

    References
    ----------
    Austin PC, Steyerberg EW. The Integrated Calibration Index. Stat Med 2019;38:4051-4065. Cleveland WS, Grosse E.
    Computational methods for local regression. Stat Comput 1991;1:47-62.
    """
    score = np.asarray(p, dtype=float)
    points, position = np.unique(score, return_inverse=True)
    curve = _interpolated if surface == "interpolated" and len(points) > 1 else _direct
    fitted = curve(np.asarray(y, dtype=float), score, points, span)[position]
    error = np.abs(score - fitted)
    e50, e90 = np.quantile(error, [0.5, 0.9])
    return LoessCalibration(fitted, float(error.mean()), float(e50), float(e90), float(error.max()))


def _direct(y: Floats, p: Floats, points: Floats, span: float) -> Floats:
    return calibration_curve(y, p, grid=points, span=span)


def _interpolated(y: Floats, p: Floats, points: Floats, span: float) -> Floats:
    vertices = _vertices(np.sort(p), int(np.floor(len(p) * span * CELL)))
    value, slope = _local_quadratic(y, p, vertices, np.ones((1, len(p))), span)
    return np.asarray(CubicHermiteSpline(vertices, value[0], slope[0])(points))


def _vertices(ordered: Floats, most: int) -> Floats:
    """Place the ends of the widened range, and the cuts of a tree that halves cells of more than `most`."""
    margin = 0.005 * (ordered[-1] - ordered[0])
    cuts, open_cells = [ordered[0] - margin, ordered[-1] + margin], [(0, len(ordered) - 1)]
    while open_cells:
        first, last = open_cells.pop()
        cut = _cut(ordered, first, last) if last - first + 1 > most else None
        if cut is not None:
            cuts.append(ordered[cut])
            open_cells += [(first, cut), (cut + 1, last)]
    return np.unique(cuts)


def _cut(ordered: Floats, first: int, last: int) -> int | None:
    """Position nearest the middle after which a cell can be cut without parting equal predictions."""
    # The tree counts from 1: its middle of l..u is floor((l + u)/2), which counted from 0 is this one.
    middle = (first + last + 2) // 2 - 1
    inside = np.arange(first, last)
    candidates = inside[ordered[inside] < ordered[inside + 1]]
    if len(candidates) == 0:
        return None
    away = candidates - middle
    return int(candidates[np.argmin(2 * np.abs(away) - (away > 0))])  # above the middle before below it


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
        _local_quadratic(outcome, score, points[first : first + size], w, span)[0]
        for first in range(0, len(points), size)
    ]
    curve = np.concatenate(parts, axis=1)
    curve[:, (points < score.min()) | (points > score.max())] = np.nan
    return curve if weights is not None and np.ndim(weights) == 2 else curve[0]


def _local_quadratic(y: Floats, p: Floats, points: Floats, w: Floats, span: float) -> tuple[Floats, Floats]:
    """Value and slope of the local quadratic at each point, of shape (B, m) both."""
    distance = p[:, np.newaxis] - points
    nearest = max(1, int(np.floor(span * len(p) + 1e-9)))
    width = np.partition(np.abs(distance), nearest - 1, axis=0)[nearest - 1]
    width = np.where(width > 0, width, np.finfo(float).tiny)  # ties fill the neighbourhood: only they count
    u = np.clip(distance / width, -1, 1)
    kernel = (1 - np.abs(u) ** 3) ** 3
    m0, m1, m2, m3, m4 = (w @ (kernel * u**power) for power in range(5))
    t0, t1, t2 = (w @ (kernel * u**power * y[:, np.newaxis]) for power in range(3))
    c0, c1, c2 = m2 * m4 - m3 * m3, m2 * m3 - m1 * m4, m1 * m3 - m2 * m2
    d1, d2 = m0 * m4 - m2 * m2, m1 * m2 - m0 * m3
    determinant = m0 * c0 + m1 * c1 + m2 * c2
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        value = (t0 * c0 + t1 * c1 + t2 * c2) / determinant
        slope = (t0 * c1 + t1 * d1 + t2 * d2) / determinant / width
        # Fewer than three distinct predictions nearby bear no quadratic: their mean is what can be said.
        bears = determinant > 1e-10 * m0 * m2 * m4
        return np.where(bears, value, t0 / m0), np.where(bears, slope, 0.0)
