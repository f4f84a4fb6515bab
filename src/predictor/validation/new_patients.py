"""How a finished model does on patients that it has not seen, as one tidy table: functions of arrays.

The model is fixed, so that every interval covers the sampling of these patients and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from predictor.validation.calibration import (
    calibration_in_the_large,
    calibration_intercept,
    calibration_slope,
    logistic_recalibration,
    observed_expected,
)
from predictor.validation.discrimination import delong, within_fold_auc
from predictor.validation.loess import calibration_curve, loess_calibration
from predictor.validation.overall import brier, log_loss, scaled_brier
from predictor.validation.uncertainty import (
    Estimate,
    cluster_weights,
    distance_interval,
    expanded_level,
    percentile_interval,
    weighted_mean,
)
from predictor.validation.utility import net_benefit, treat_all

__all__ = ["FEWEST", "SMOOTHED", "evaluate_new", "net_benefit_new", "smooth_errors"]

Floats = NDArray[np.float64]

FEWEST = 20  # events and non-events, as for a site that was left out
GRID = 100  # predictions at which the resampled smooth curves are computed
BOOTSTRAP = "bootstrap of whole clusters or patients"
DISTANCE = "bootstrap of whole clusters or patients, reaching down"
SMOOTHED = 500  # resamples of the smooth curve, which costs more than all else


def evaluate_new(
    y: Floats, p: Floats, groups: NDArray[np.int64], *, level: float, resamples: int, seed: int
) -> pd.DataFrame:
    """Evaluate predictions for new patients.

    Parameters
    ----------
    y, p : ndarray of shape (n,)
    groups : ndarray of int of shape (n,)
        Patient, or cluster; whole ones are resampled.
    level : float
    resamples, seed : int

    Returns
    -------
    DataFrame
        ``metric``, ``value``, ``low``, ``high``, ``interval`` (how the limits were made). AUC with DeLong's limits
        and, where groups have several patients, with those of the cluster bootstrap; Brier score, scaled Brier score
        and log loss; calibration in the large, slope, observed / expected; ICI, E50 and E90 of the smooth curve.
        Below 20 events or non-events only the shares observed and expected.
    """
    weights = cluster_weights(groups, resamples=resamples, seed=seed)
    clusters = len(np.unique(groups))
    read = expanded_level(level, clusters)
    rows = [
        _drawn("observed", float(y.mean()), weighted_mean(y, weights), read),
        _drawn("expected", float(p.mean()), weighted_mean(p, weights), read),
    ]
    if min(y.sum(), len(y) - y.sum()) < FEWEST:
        return pd.DataFrame(rows)
    rows += [
        _estimated("auc", delong(y, p, level=level), "DeLong"),
        *([_drawn("auc", *_auc(y, p, weights), read)] if clusters < len(y) else []),
        _drawn("brier", brier(y, p), brier(y, p, weights=weights), read),
        _drawn("scaled_brier", scaled_brier(y, p), scaled_brier(y, p, weights=weights), read),
        _drawn("log_loss", log_loss(y, p), log_loss(y, p, weights=weights), read),
    ]
    return pd.DataFrame([*rows, *_calibration(y, p, weights, level, clusters)])


def _auc(y: Floats, p: Floats, weights: Floats) -> tuple[float, Floats]:
    draws = within_fold_auc(y, p, np.zeros(len(y), dtype=np.int64), weights=weights)
    return delong(y, p).value, np.asarray(draws)


def _calibration(
    y: Floats, p: Floats, weights: Floats, level: float, clusters: int
) -> list[dict[str, object]]:
    large = calibration_in_the_large(y, p, level=level)
    slope, ratio = logistic_recalibration(y, p, level=level).slope, observed_expected(y, p, level=level)
    read = expanded_level(level, clusters)
    if clusters < len(y):
        expected = weighted_mean(p, weights)
        rows = [
            _drawn("calibration_intercept", large.value, calibration_intercept(y, p, weights=weights), read),
            _drawn("calibration_slope", slope.value, calibration_slope(y, p, weights=weights), read),
            _drawn("observed_expected", ratio.value, weighted_mean(y, weights) / expected, read),
        ]
    else:
        rows = [
            _estimated("calibration_intercept", large, "Wald"),
            _estimated("calibration_slope", slope, "Wald"),
            _estimated("observed_expected", ratio, "normal on the log scale"),
        ]
    values, draws = smooth_errors(y, p, weights[:SMOOTHED])
    return [*rows, *(_distance(name, values[name], draws[name], read) for name in ("ici", "e50", "e90"))]


def smooth_errors(y: Floats, p: Floats, weights: Floats) -> tuple[dict[str, float], dict[str, Floats]]:
    """Distance of the predictions from the smooth curve of what was observed.

    Parameters
    ----------
    y, p : ndarray of shape (n,)
    weights : ndarray of shape (B, n)
        Resamples; their curves are rougher, so that their errors tend to be larger.

    Returns
    -------
    values : dict of str to float
        ``ici`` (mean), ``e50`` (median), ``e90`` and ``emax`` of the sample itself.
    draws : dict of str to ndarray of shape (B,)
    """
    found = loess_calibration(y, p)
    grid = np.unique(np.quantile(p, np.linspace(0, 1, GRID)))
    curves = calibration_curve(y, p, grid=grid, weights=weights)
    errors = np.abs(np.stack([np.interp(p, grid, curve) for curve in curves]) - p)
    order = np.argsort(errors, axis=1)
    ranked = np.take_along_axis(errors, order, axis=1)
    share = np.cumsum(np.take_along_axis(weights, order, axis=1), axis=1)
    share /= share[:, -1:]
    draws = {"ici": (errors * weights).sum(axis=1) / weights.sum(axis=1)}
    for name, part in (("e50", 0.5), ("e90", 0.9)):
        place = (share >= part).argmax(axis=1)
        draws[name] = ranked[np.arange(len(ranked)), place]
    draws["emax"] = np.where(weights > 0, errors, 0.0).max(axis=1)
    return {name: float(getattr(found, name)) for name in draws}, draws


def net_benefit_new(
    y: Floats,
    p: Floats,
    groups: NDArray[np.int64],
    *,
    thresholds: Sequence[float],
    level: float,
    resamples: int,
    seed: int,
) -> pd.DataFrame:
    """Net benefit of the model and of treating everybody, and their difference, at each threshold.

    Parameters
    ----------
    y, p, groups, level, resamples, seed
        As in `evaluate_new`.
    thresholds : sequence of float

    Returns
    -------
    DataFrame
        ``metric`` (``net_benefit``, ``treat_all``, ``net_benefit_gain``), ``threshold``, ``value``, ``low``, ``high``,
        ``interval``.
    """
    itself, read = np.ones((1, len(y))), expanded_level(level, len(np.unique(groups)))
    weights = np.vstack([itself, cluster_weights(groups, resamples=resamples, seed=seed)])
    model, everybody = (
        net_benefit(y, p, thresholds, weights=weights),
        treat_all(y, thresholds, weights=weights),
    )
    found = {"net_benefit": model, "treat_all": everybody, "net_benefit_gain": model - everybody}
    return pd.DataFrame(
        [
            {"threshold": float(threshold), **_drawn(name, float(draws[0, i]), draws[1:, i], read)}
            for i, threshold in enumerate(thresholds)
            for name, draws in found.items()
        ]
    )


def _drawn(metric: str, value: float, draws: Floats, level: float) -> dict[str, object]:
    low, high = percentile_interval(draws, level=level)
    return {"metric": metric, "value": value, "low": low, "high": high, "interval": BOOTSTRAP}


def _distance(metric: str, value: float, draws: Floats, level: float) -> dict[str, object]:
    low, high = distance_interval(value, draws, level=level)
    return {"metric": metric, "value": value, "low": low, "high": high, "interval": DISTANCE}


def _estimated(metric: str, one: Estimate, how: str) -> dict[str, object]:
    return {"metric": metric, "value": one.value, "low": one.low, "high": one.high, "interval": how}
