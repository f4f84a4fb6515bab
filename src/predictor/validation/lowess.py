"""The rate of response smoothed by lowess, whose errors are those that rms's val.prob reports.

`loess` fits local quadratics and is what our own reports show; this is its older, local-linear relative, for those
who compare with figures that were published from val.prob.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["LowessCalibration", "lowess_calibration"]

Floats = NDArray[np.float64]

SPAN = 2 / 3
SKIPPED = 0.01  # share of the range within which nothing is fitted anew, only interpolated
NEAR, FAR = 0.001, 0.999  # shares of a neighbourhood's width with full weight, and with none beyond
NARROW = 0.001  # share of the range below which a neighbourhood bears no line


@dataclass(frozen=True)
class LowessCalibration:
    """Smoothed calibration.

    Parameters
    ----------
    fitted : ndarray of shape (n,)
        Smoothed rate of response at each prediction; not clipped to [0, 1].
    eavg, e90, emax : float
        Mean, 90th percentile and maximum of |prediction − fitted|; 0 is perfect.
    """

    fitted: Floats
    eavg: float
    e90: float
    emax: float


def lowess_calibration(y: ArrayLike, p: ArrayLike, *, span: float = SPAN) -> LowessCalibration:
    """Smoothed calibration by lowess without robustness steps, and the errors drawn from it.

    Parameters
    ----------
    y, p : array of shape (n,)
    span : float
        Share of the patients in each neighbourhood.

    Returns
    -------
    LowessCalibration

    References
    ----------
    Cleveland WS. Robust locally weighted regression and smoothing scatterplots. JASA 1979;74:829-836. Harrell FE.
    Regression modeling strategies. 2nd ed. Springer 2015 (section 10.9).
    """
    score = np.asarray(p, dtype=float)
    order = np.argsort(score, kind="stable")
    x, outcome = score[order], np.asarray(y, dtype=float)[order]
    nearest = min(len(x), max(2, int(span * len(x) + 1e-7)))
    anchors = _anchors(x, SKIPPED * (x[-1] - x[0]))
    fitted = np.interp(score, x[anchors], [_local_line(x, outcome, one, nearest) for one in anchors])
    error = np.abs(score - fitted)
    return LowessCalibration(fitted, float(error.mean()), float(np.quantile(error, 0.9)), float(error.max()))


def _anchors(x: Floats, skipped: float) -> list[int]:
    """Positions at which a line is fitted: each time the furthest that is not further away than what is skipped."""
    found, last = [0], len(x) - 1
    while x[found[-1]] < x[last]:
        tied = int(np.searchsorted(x, x[found[-1]], side="right")) - 1
        reached = int(np.searchsorted(x, x[found[-1]] + skipped, side="right")) - 1
        found.append(max(tied + 1, reached))
    return found


def _local_line(x: Floats, y: Floats, place: int, nearest: int) -> float:
    """Value at a patient of the line through the nearest patients, weighted by tricube."""
    here = x[place]
    distance = np.abs(x - here)
    width = np.partition(distance, nearest - 1)[nearest - 1]
    u = distance / width if width > 0 else np.where(distance > 0, np.inf, 0.0)
    weight = np.where(u > NEAR, (1 - np.minimum(u, 1) ** 3) ** 3, 1.0) * (u <= FAR)
    weight /= weight.sum()
    centre = float(weight @ x)
    spread = float(weight @ (x - centre) ** 2)
    level = float(weight @ y)
    if np.sqrt(spread) <= NARROW * (x[-1] - x[0]):
        return level
    return level + float(here - centre) * float(weight @ ((x - centre) * y)) / spread
