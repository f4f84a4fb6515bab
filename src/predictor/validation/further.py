"""What reviewers ask of the judged procedure beyond the common table: R², precision and smooth calibration."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from predictor.validation.calibration import spiegelhalter
from predictor.validation.discrimination import average_precision
from predictor.validation.new_patients import SMOOTHED, smooth_errors
from predictor.validation.overall import cox_snell_r2, nagelkerke_r2
from predictor.validation.procedures import Procedure
from predictor.validation.uncertainty import distance_interval, percentile_interval, weighted_mean

__all__ = ["further_performance"]

Floats = NDArray[np.float64]


def further_performance(y: ArrayLike, judged: Procedure, weights: Floats, *, level: float) -> pd.DataFrame:
    """Measure the judged procedure out of fold, per repeat and averaged over repeats.

    Parameters
    ----------
    y : array of shape (n,)
        1 responder, 0 not.
    judged : Procedure
    weights : ndarray of shape (1 + B, n)
        Ones, then resamples of whole clusters; at most 500 of them are used.
    level : float

    Returns
    -------
    DataFrame
        ``metric``, ``value``, ``low``, ``high``: average precision; Cox and Snell's and Nagelkerke's R² of the
        probabilities as they are (below 0 where the prevalence alone does better); observed / expected;
        Spiegelhalter's z (a test without limits: |z| above 1.96 says that the probabilities are wrong); ICI, E50, E90
        and Emax of the smooth curve with the limits of `distance_interval`.
    """
    outcome, drawn = np.asarray(y, dtype=float), weights[: 1 + SMOOTHED]
    measures: dict[str, Callable[[Floats], Floats]] = {
        "average_precision": lambda p: _by_copies(outcome, p, drawn, average_precision),
        "cox_snell_r2": lambda p: np.asarray(cox_snell_r2(outcome, p, weights=drawn)),
        "nagelkerke_r2": lambda p: np.asarray(nagelkerke_r2(outcome, p, weights=drawn)),
        "observed_expected": lambda p: weighted_mean(outcome, drawn) / weighted_mean(p, drawn),
    }
    found = {name: np.mean([measure(p) for p in judged.p], axis=0) for name, measure in measures.items()}
    found["spiegelhalter_z"] = np.array([np.mean([spiegelhalter(outcome, p) for p in judged.p])])
    smooth = [smooth_errors(outcome, p, drawn[1:]) for p in judged.p]
    for name in smooth[0][0]:
        value = np.mean([values[name] for values, _ in smooth])
        found[name] = np.concatenate([[value], np.mean([draws[name] for _, draws in smooth], axis=0)])
    return pd.DataFrame([_line(name, draws, level, name in smooth[0][0]) for name, draws in found.items()])


def _by_copies(y: Floats, p: Floats, weights: Floats, metric: Callable[[Floats, Floats], float]) -> Floats:
    """Value of a metric that knows no weights, with each patient as often as a resample holds them."""
    rows = [np.repeat(np.arange(len(y)), counts.astype(int)) for counts in weights]
    return np.array([metric(y[one], p[one]) if len(np.unique(y[one])) == 2 else np.nan for one in rows])


def _line(metric: str, draws: Floats, level: float, distance: bool) -> dict[str, object]:
    value, low, high = float(draws[0]), np.nan, np.nan
    if len(draws) > 1 and distance:
        low, high = distance_interval(value, draws[1:], level=level)
    elif len(draws) > 1:
        low, high = percentile_interval(draws[1:], level=level)
    return {"metric": metric, "value": value, "low": low, "high": high}
