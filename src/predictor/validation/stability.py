"""Would the same patient have been told the same by a model trained on other patients? Functions of refits.

The refits are those of the optimism bootstrap: each repeats the whole procedure on a resample. What is shown
is the instability of the procedure at this sample size, not the error of the prediction.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from predictor.validation.loess import calibration_curve
from predictor.validation.uncertainty import wilson_interval

__all__ = [
    "calibration_instability",
    "classification_instability",
    "classification_table",
    "prediction_instability",
    "rank_intervals",
    "selection_frequency",
]

Floats = NDArray[np.float64]


def prediction_instability(original: ArrayLike, refits: ArrayLike, *, level: float = 0.95) -> pd.DataFrame:
    """Measure for each patient how far the refits' predictions lie from the original one.

    Parameters
    ----------
    original : array of shape (n,)
        Probabilities of the original model.
    refits : array of shape (B, n)
        Probabilities that each refit gives to the same patients.
    level : float

    Returns
    -------
    DataFrame
        One row per patient: ``p`` (original), ``low``, ``high`` (percentiles of the refits), ``mape`` (mean
        absolute difference from the original; its mean over patients describes the model: 0.02 is a stable
        one, 0.1 is "60 in 100" that could as well have been 50 or 70).

    Raises
    ------
    ValueError
        For refits of other patients, here and in the functions below.

    References
    ----------
    Riley RD, Collins GS. Stability of clinical prediction models developed using statistical or machine
    learning methods. Biom J 2023;65:2200302.
    """
    p, others = _paired(original, refits)
    low, high = np.quantile(others, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return pd.DataFrame({"p": p, "low": low, "high": high, "mape": np.abs(others - p).mean(axis=0)})


def calibration_instability(y: ArrayLike, refits: ArrayLike, *, grid: ArrayLike) -> Floats:
    """Smooth the rate of response of the original patients over each refit's predictions.

    Parameters
    ----------
    y : array of shape (n,)
    refits : array of shape (B, n)
    grid : array of shape (m,)

    Returns
    -------
    ndarray of shape (B, m)
        One curve per refit, cut to [0, 1]; NaN where a refit predicts nothing.
    """
    points = np.asarray(grid, dtype=float)
    others = np.asarray(refits, dtype=float)
    return np.clip(np.stack([calibration_curve(y, p, grid=points) for p in others]), 0, 1)


def classification_instability(original: ArrayLike, refits: ArrayLike, thresholds: ArrayLike) -> Floats:
    """Share of the refits that put a patient on the other side of a threshold.

    Parameters
    ----------
    original : array of shape (n,)
    refits : array of shape (B, n)
    thresholds : array of shape (T,)
        A prediction equal to the threshold counts as positive.

    Returns
    -------
    ndarray of shape (T, n)
        0 never changes; 0.5 is a coin toss.
    """
    p, others = _paired(original, refits)
    cuts = np.atleast_1d(np.asarray(thresholds, dtype=float))
    return np.stack([((others >= cut) != (p >= cut)).mean(axis=0) for cut in cuts])


def classification_table(original: ArrayLike, refits: ArrayLike, thresholds: ArrayLike) -> pd.DataFrame:
    """Sum up over patients how often a refit decides differently.

    Parameters
    ----------
    original, refits, thresholds
        As in `classification_instability`.

    Returns
    -------
    DataFrame
        ``threshold``, ``changed`` (mean share of refits), ``unsure`` (share of patients whom more than one
        refit in five puts on the other side).
    """
    shares = classification_instability(original, refits, thresholds)
    cuts = np.atleast_1d(np.asarray(thresholds, dtype=float))
    unsure = (shares > 0.2).mean(axis=1)
    return pd.DataFrame({"threshold": cuts, "changed": shares.mean(axis=1), "unsure": unsure})


def _paired(original: ArrayLike, refits: ArrayLike) -> tuple[Floats, Floats]:
    p, others = np.asarray(original, dtype=float), np.asarray(refits, dtype=float)
    if others.ndim != 2 or others.shape[1:] != p.shape:
        raise ValueError(f"Expected predictions of shape (n,) and (B, n); came {p.shape} and {others.shape}.")
    return p, others


def selection_frequency(selected: ArrayLike, features: Sequence[str], *, level: float = 0.95) -> pd.DataFrame:
    """Count how often each feature was selected.

    Parameters
    ----------
    selected : array of bool of shape (B, F)
    features : sequence of str of length F
    level : float

    Returns
    -------
    DataFrame
        ``feature``, ``frequency``, ``low``, ``high`` (Wilson's limits, for the finite number of refits), most
        frequent first. A feature that half of the refits leave out is not a finding.
    """
    chosen = np.asarray(selected, dtype=bool)
    count = len(chosen)
    times = chosen.sum(axis=0)
    limits = [wilson_interval(float(events), count, level=level) for events in times]
    frame = pd.DataFrame({"feature": list(features), "frequency": times / count})
    frame[["low", "high"]] = np.array(limits)
    return frame.sort_values("frequency", ascending=False, kind="stable", ignore_index=True)


def rank_intervals(
    original: ArrayLike, importances: ArrayLike, features: Sequence[str], *, level: float = 0.95
) -> pd.DataFrame:
    """Place each feature's rank of importance within what the refits make of it.

    Parameters
    ----------
    original : array of shape (F,)
        Importance in the original model; higher is more important.
    importances : array of shape (B, F)
        Importance in each refit.
    features : sequence of str of length F
    level : float

    Returns
    -------
    DataFrame
        ``feature``, ``rank`` (1 is the most important; equal importances share their mean rank), ``low``,
        ``high`` (percentiles of the refits' ranks), ``first`` (share of the refits that rank it first alone or
        with others), by rank.
    """
    first, others = _paired(original, importances)
    ranks = rankdata(-others, axis=1)
    low, high = np.quantile(ranks, [(1 - level) / 2, (1 + level) / 2], axis=0)
    leading = (others == others.max(axis=1, keepdims=True)).mean(axis=0)
    frame = pd.DataFrame(
        {"feature": list(features), "rank": rankdata(-first), "low": low, "high": high, "first": leading}
    )
    return frame.sort_values("rank", kind="stable", ignore_index=True)
