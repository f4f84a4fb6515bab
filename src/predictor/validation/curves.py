"""Tables behind the figures: decision curves, calibration, ROC, and what a threshold does."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from predictor.validation.discrimination import within_fold_roc
from predictor.validation.loess import calibration_curve
from predictor.validation.procedures import Positions, Procedure, over_repeats, table_row
from predictor.validation.uncertainty import wilson_interval
from predictor.validation.utility import net_benefit, treat_all

__all__ = [
    "calibration_bins",
    "calibration_curves",
    "net_benefits",
    "operating_points",
    "prediction_histogram",
    "roc_curves",
]

Floats = NDArray[np.float64]

CURVE_POINTS = 41
SMOOTHABLE = 10  # distinct predictions in a fold below which a smooth curve would only join a few points
ROC_GRID = np.linspace(0, 1, 101)
PER_BIN = 40  # patients in a group of the calibration plot, so that its share is known to about ± 15 points
MOST_BINS = 10
STRATEGIES = ("treat all", "treat none")


def net_benefits(
    y: Floats,
    procedures: Sequence[Procedure],
    weights: Floats,
    *,
    thresholds: Sequence[float],
    level: float,
) -> pd.DataFrame:
    """Compare the procedures with treating everybody and nobody at each threshold.

    Parameters
    ----------
    y : ndarray of shape (n,)
    procedures : sequence of Procedure
    weights : ndarray of shape (1 + B, n)
        Ones, then the resamples; a single row of ones gives no limits.
    thresholds : sequence of float
    level : float

    Returns
    -------
    DataFrame
        ``procedure``, ``kind`` (for the two strategies their name), ``threshold``, ``value``, ``low``,
        ``high``.
    """
    everybody = treat_all(y, thresholds, weights=weights)
    benefit = [
        (one, over_repeats(one, lambda p, _: net_benefit(y, p, thresholds, weights=weights)))
        for one in procedures
    ]
    for name, draws in zip(STRATEGIES, (everybody, np.zeros_like(everybody)), strict=True):
        benefit.append((Procedure(name, name, procedures[0].p, procedures[0].fold), draws))
    return pd.DataFrame(
        [
            table_row(one, draws[:, i], level, threshold=float(threshold))
            for one, draws in benefit
            for i, threshold in enumerate(thresholds)
        ]
    )


def calibration_curves(
    y: Floats, procedures: Sequence[Procedure], weights: Floats, *, level: float
) -> pd.DataFrame:
    """Smooth the observed rate over the predicted one, with a band from the resamples.

    Procedures that give only a few distinct numbers are left out, because a smooth curve would only join
    them.

    Parameters
    ----------
    y : ndarray of shape (n,)
    procedures : sequence of Procedure
    weights : ndarray of shape (1 + B, n)
    level : float

    Returns
    -------
    DataFrame
        ``procedure``, ``kind``, ``p``, ``observed``, ``low``, ``high``, from the 1st to the 99th percentile
        of the predictions.
    """
    lines = []
    for one in procedures:
        if one.values_per_fold < SMOOTHABLE:
            continue
        ends = np.quantile(one.p, [0.01, 0.99], axis=1)
        grid = np.linspace(ends[0].max(), ends[1].min(), CURVE_POINTS)
        draws = np.clip(over_repeats(one, partial(_curve, y, grid, weights)), 0, 1)
        lines += [table_row(one, draws[:, i], level, p=float(p)) for i, p in enumerate(grid)]
    frame = pd.DataFrame(lines, columns=["procedure", "kind", "p", "value", "low", "high"])
    return frame.rename(columns={"value": "observed"})


def _curve(y: Floats, grid: Floats, weights: Floats, p: Floats, fold: Positions) -> Floats:
    return calibration_curve(y, p, grid=grid, weights=weights)


def calibration_bins(y: Floats, one: Procedure, *, level: float) -> pd.DataFrame:
    """Group the patients by prediction: mean predicted and observed rate with Wilson's limits.

    Parameters
    ----------
    y : ndarray of shape (n,)
    one : Procedure
    level : float

    Returns
    -------
    DataFrame
        ``predicted``, ``observed``, ``low``, ``high``, ``n``; the patients of one repeat on average, in
        groups of about equal size, at most ten.
    """
    repeats, n = one.p.shape
    count = int(np.clip(n // PER_BIN, 1, MOST_BINS))
    p, outcome = one.p.ravel(), np.tile(y, repeats)
    edges = np.unique(np.quantile(p, np.linspace(0, 1, count + 1)[1:-1]))
    place = np.searchsorted(edges, p, side="right")
    lines = []
    for label in np.unique(place):
        here = place == label
        size, observed = here.sum() / repeats, float(outcome[here].mean())
        low, high = wilson_interval(observed * size, size, level=level)
        predicted = float(p[here].mean())
        lines.append(
            {"predicted": predicted, "observed": observed, "low": low, "high": high, "n": round(size)}
        )
    return pd.DataFrame(lines)


def prediction_histogram(one: Procedure, *, bins: int = 20) -> pd.DataFrame:
    """Count how many patients of one repeat, on average, were given a probability in each bin.

    Parameters
    ----------
    one : Procedure
    bins : int

    Returns
    -------
    DataFrame
        ``left``, ``right``, ``n``.
    """
    counts, edges = np.histogram(one.p, bins=np.linspace(0, 1, bins + 1))
    n = np.rint(counts / len(one.p)).astype(int)
    return pd.DataFrame({"left": edges[:-1], "right": edges[1:], "n": n})


def roc_curves(y: Floats, procedures: Sequence[Procedure]) -> pd.DataFrame:
    """Average the folds' ROC curves; the area of the average is the within-fold AUC.

    Parameters
    ----------
    y : ndarray of shape (n,)
    procedures : sequence of Procedure

    Returns
    -------
    DataFrame
        ``procedure``, ``kind``, ``fpr``, ``tpr``; NaN where no fold has both classes.
    """
    curves = []
    for one in procedures:
        rate = over_repeats(one, lambda p, fold: within_fold_roc(y, p, fold, grid=ROC_GRID))
        curves.append(pd.DataFrame({"procedure": one.name, "kind": one.kind, "fpr": ROC_GRID, "tpr": rate}))
    return pd.concat(curves, ignore_index=True)


def operating_points(y: Floats, one: Procedure, *, thresholds: Sequence[float]) -> pd.DataFrame:
    """Say who is at or above each threshold.

    Parameters
    ----------
    y : ndarray of shape (n,)
    one : Procedure
    thresholds : sequence of float

    Returns
    -------
    DataFrame
        ``threshold`` and the shares ``responders_above`` (sensitivity), ``others_above`` (1 − specificity)
        and ``patients_above``; a share of nobody is NaN.
    """
    lines = []
    for threshold in thresholds:
        above = one.p >= threshold
        responders, others = above[:, y == 1], above[:, y == 0]
        shares = {"responders_above": responders, "others_above": others, "patients_above": above}
        line = {name: float(part.mean()) if part.size else float("nan") for name, part in shares.items()}
        lines.append({"threshold": float(threshold), **line})
    return pd.DataFrame(lines)
