"""Does the model rank responders above non-responders? Functions of arrays.

An area under the ROC curve of 0.5 is a coin toss; 0.6 is one lone weak predictor; psychiatric prediction
models that hold up in new patients reach 0.65 to 0.75.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student

from predictor.validation.uncertainty import Estimate

__all__ = [
    "UnpairedTest",
    "auc",
    "average_precision",
    "delong",
    "delong_difference",
    "delong_unpaired",
    "roc_curve_points",
    "within_fold_auc",
    "within_fold_roc",
]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class UnpairedTest:
    """Comparison of two AUCs on different patients.

    Parameters
    ----------
    difference : Estimate
        First minus second, with its t interval.
    df : float
        Degrees of freedom, as Welch's.
    p_value : float
        Two-sided, of no difference.
    """

    difference: Estimate
    df: float
    p_value: float


def _split(y: ArrayLike, p: ArrayLike) -> tuple[Floats, Floats]:
    outcome, score = np.asarray(y, dtype=float), np.asarray(p, dtype=float)
    return score[outcome == 1], score[outcome == 0]


def _placements(scores: Floats, others: Floats) -> Floats:
    """Share of `others` below each score, ties counted half."""
    ordered = np.sort(others)
    below, upto = np.searchsorted(ordered, scores, "left"), np.searchsorted(ordered, scores, "right")
    return np.asarray((below + upto) / (2 * len(others)), dtype=float)


def _components(y: ArrayLike, p: ArrayLike) -> tuple[Floats, Floats]:
    """DeLong's structural components of the cases (V10) and of the controls (V01)."""
    cases, controls = _split(y, p)
    return _placements(cases, controls), 1 - _placements(controls, cases)


def auc(y: ArrayLike, p: ArrayLike) -> float:
    """Area under the ROC curve: P(p of a responder > p of a non-responder) + ½ P(tie).

    Parameters
    ----------
    y : array of shape (n,)
        1 responder, 0 not.
    p : array of shape (n,)
        Any score that grows with the chance of response.

    Returns
    -------
    float
        0.5 is chance, 1 perfect; NaN with one class only.
    """
    cases, controls = _split(y, p)
    if len(cases) == 0 or len(controls) == 0:
        return float("nan")
    return float(_placements(cases, controls).mean())


def delong(y: ArrayLike, p: ArrayLike, *, level: float = 0.95) -> Estimate:
    """AUC with DeLong's standard error and a normal interval cut at 0 and 1.

    Parameters
    ----------
    y, p : array of shape (n,)
    level : float

    Returns
    -------
    Estimate
        Standard error and limits are NaN with a single case or control.

    References
    ----------
    DeLong ER et al. Comparing the areas under two or more correlated ROC curves. Biometrics 1988;44:837-845.
    """
    value = auc(y, p)
    variance = _delong_covariance(y, p, p) if np.isfinite(value) else float("nan")
    estimate = Estimate.wald(value, float(np.sqrt(variance)), level=level)
    low, high = (float(np.clip(limit, 0, 1)) for limit in (estimate.low, estimate.high))
    return Estimate(estimate.value, low, high, estimate.se)


def _delong_covariance(y: ArrayLike, p1: ArrayLike, p2: ArrayLike) -> float:
    total = 0.0
    for first, second in zip(_components(y, p1), _components(y, p2), strict=True):
        if len(first) < 2:
            return float("nan")
        product = (first - first.mean()) @ (second - second.mean())
        total += float(product) / (len(first) - 1) / len(first)
    return total


def delong_difference(y: ArrayLike, p1: ArrayLike, p2: ArrayLike, *, level: float = 0.95) -> Estimate:
    """Difference of two AUCs on the same patients, first minus second, with DeLong's standard error.

    Parameters
    ----------
    y, p1, p2 : array of shape (n,)
    level : float

    Returns
    -------
    Estimate
        Above 0 where the first score ranks better.
    """
    difference = auc(y, p1) - auc(y, p2)
    if not np.isfinite(difference):
        return Estimate(difference, float("nan"), float("nan"), float("nan"))
    variance = _delong_covariance(y, p1, p1) + _delong_covariance(y, p2, p2)
    variance -= 2 * _delong_covariance(y, p1, p2)
    # Two scores with the same ranking differ by rounding only, which may come out just below 0.
    return Estimate.wald(difference, float(np.sqrt(np.maximum(variance, 0.0))), level=level)


def delong_unpaired(
    y1: ArrayLike, p1: ArrayLike, y2: ArrayLike, p2: ArrayLike, *, level: float = 0.95
) -> UnpairedTest:
    """Difference of AUCs between two sets of patients, as men and women or two sites.

    (AUC₁ − AUC₂)/√(v₁ + v₂) with DeLong's variances and (v₁ + v₂)²/[v₁²/(n₁ − 1) + v₂²/(n₂ − 1)] degrees of
    freedom.

    Parameters
    ----------
    y1, p1 : array of shape (n1,)
    y2, p2 : array of shape (n2,)
    level : float

    Returns
    -------
    UnpairedTest
        NaN where either has no standard error.
    """
    first, second = delong(y1, p1), delong(y2, p2)
    v1, v2 = first.se**2, second.se**2
    difference, se = first.value - second.value, float(np.sqrt(v1 + v2))
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = np.float64(v1**2 / (np.size(y1) - 1) + v2**2 / (np.size(y2) - 1))
        df = float((v1 + v2) ** 2 / spread)
        half = float(student.ppf((1 + level) / 2, df)) * se
        p_value = float(2 * student.sf(abs(np.float64(difference) / se), df))
    return UnpairedTest(Estimate(difference, difference - half, difference + half, se), df, p_value)


def average_precision(y: ArrayLike, p: ArrayLike) -> float:
    """Sum of precision × increase of recall over the distinct thresholds, without interpolation.

    Parameters
    ----------
    y, p : array of shape (n,)

    Returns
    -------
    float
        The prevalence is chance, 1 perfect; NaN without a responder.
    """
    outcome, score = np.asarray(y, dtype=float), np.asarray(p, dtype=float)
    if outcome.sum() == 0:
        return float("nan")
    positives, called = _counts_by_threshold(outcome, score)[:2]
    recall = positives / positives[-1]
    return float(np.sum(np.diff(recall, prepend=0.0) * positives / called))


def _counts_by_threshold(y: Floats, p: Floats) -> tuple[Floats, Floats, Floats]:
    """Count true positives and all called positive at each threshold, from the highest threshold down."""
    order = np.argsort(-p, kind="stable")
    ordered = p[order]
    last = np.append(np.flatnonzero(np.diff(ordered)), len(p) - 1)
    return np.cumsum(y[order])[last], (last + 1).astype(float), ordered[last]


def roc_curve_points(y: ArrayLike, p: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Corners of the ROC curve, from (0, 0) to (1, 1).

    Parameters
    ----------
    y, p : array of shape (n,)
        Both classes have to occur.

    Returns
    -------
    false_positive_rate, true_positive_rate, threshold : ndarray
        A patient is called positive at p ≥ threshold; the first threshold is infinite.

    Raises
    ------
    ValueError
        With one class only.
    """
    outcome, score = np.asarray(y, dtype=float), np.asarray(p, dtype=float)
    if len(np.unique(outcome)) < 2:
        raise ValueError("A ROC curve needs responders and non-responders.")
    positives, called, threshold = _counts_by_threshold(outcome, score)
    true_rate = np.append(0.0, positives / outcome.sum())
    false_rate = np.append(0.0, (called - positives) / (len(outcome) - outcome.sum()))
    return false_rate, true_rate, np.append(np.inf, threshold)


@overload
def within_fold_auc(y: ArrayLike, p: ArrayLike, fold: ArrayLike, *, weights: None = None) -> float: ...
@overload
def within_fold_auc(y: ArrayLike, p: ArrayLike, fold: ArrayLike, *, weights: ArrayLike) -> Floats: ...
def within_fold_auc(
    y: ArrayLike, p: ArrayLike, fold: ArrayLike, *, weights: ArrayLike | None = None
) -> float | Floats:
    """AUC over pairs of a responder and a non-responder that were predicted by the same fitted model.

    Pooling pairs across folds is biased downwards: the fold whose training part had more responders has fewer
    left to test. Here only pairs inside a fold count, so that folds weigh as cases × controls.

    Parameters
    ----------
    y, p : array of shape (n,)
    fold : array of shape (n,)
        Outer fold in which each patient was tested.
    weights : array of shape (n,) or (B, n), optional
        Frequency weights, one row per resample; a pair counts as the product of its two weights.

    Returns
    -------
    float or ndarray of shape () or (B,)
        NaN where no fold has both classes.
    """
    outcome, score, labels = np.asarray(y, dtype=float), np.asarray(p, dtype=float), np.asarray(fold)
    given = np.ones(len(outcome)) if weights is None else np.asarray(weights, dtype=float)
    w = np.atleast_2d(given)
    wins, pairs = np.zeros(len(w)), np.zeros(len(w))
    for label in np.unique(labels):
        cases = np.flatnonzero((labels == label) & (outcome == 1))
        controls = np.flatnonzero((labels == label) & (outcome == 0))
        wins += _weighted_wins(score[cases], score[controls], w[:, cases], w[:, controls])
        pairs += w[:, cases].sum(axis=1) * w[:, controls].sum(axis=1)
    with np.errstate(invalid="ignore"):
        share = wins / pairs
    if weights is None:
        return float(share[0])
    return share if given.ndim == 2 else np.asarray(share[0])


def _weighted_wins(cases: Floats, controls: Floats, w_cases: Floats, w_controls: Floats) -> Floats:
    """Weighted number of pairs that a case wins, ties half: Σ_i Σ_j w_i w_j [1(c_i > d_j) + ½ 1(c_i = d_j)].

    Controls are sorted once; the weight below each case is then read from a running sum, which costs m + k
    per resample instead of the m × k of a comparison matrix.
    """
    order = np.argsort(controls, kind="stable")
    running = np.zeros((len(w_controls), len(controls) + 1))
    np.cumsum(w_controls[:, order], axis=1, out=running[:, 1:])
    below = np.searchsorted(controls[order], cases, "left")
    upto = np.searchsorted(controls[order], cases, "right")
    return np.asarray(np.einsum("bi,bi->b", w_cases, running[:, below] + running[:, upto]) / 2)


def within_fold_roc(y: ArrayLike, p: ArrayLike, fold: ArrayLike, *, grid: ArrayLike) -> Floats:
    """ROC curve whose area is the within-fold AUC: the folds' curves averaged, weighted by cases × controls.

    Parameters
    ----------
    y, p, fold : array of shape (n,)
    grid : array of shape (m,)
        False positive rates, increasing.

    Returns
    -------
    ndarray of shape (m,)
        True positive rate at each point of the grid; NaN where no fold has both classes.
    """
    outcome, score, labels = np.asarray(y, dtype=float), np.asarray(p, dtype=float), np.asarray(fold)
    points = np.asarray(grid, dtype=float)
    total, pairs = np.zeros(len(points)), 0.0
    for label in np.unique(labels):
        here = labels == label
        cases = outcome[here].sum()
        weight = cases * (here.sum() - cases)
        if weight > 0:
            false_rate, true_rate, _ = roc_curve_points(outcome[here], score[here])
            total += weight * _upper_value(points, false_rate, true_rate)
            pairs += weight
    return total / pairs if pairs else np.full(len(points), np.nan)


def _upper_value(points: Floats, x: Floats, height: Floats) -> Floats:
    """Interpolate the curve, at a vertical step its upper end."""
    right = np.searchsorted(x, points, "right")
    left = right - 1
    inside = np.minimum(right, len(x) - 1)
    gap = np.where(x[inside] > x[left], x[inside] - x[left], 1.0)
    return np.asarray(height[left] + (points - x[left]) / gap * (height[inside] - height[left]), dtype=float)
