"""Calibration and discrimination in one number: the Brier score, the log loss and explained variation."""

from __future__ import annotations

from typing import overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from predictor.validation.uncertainty import weighted_mean

__all__ = [
    "CLIP",
    "brier",
    "cox_snell_r2",
    "gini_mean_difference",
    "log_loss",
    "log_losses",
    "mcfadden_r2",
    "nagelkerke_r2",
    "scaled_brier",
]

Floats = NDArray[np.float64]

CLIP = 1e-6  # a probability of exactly 0 or 1 would make one patient's loss infinite


def log_losses(y: ArrayLike, p: ArrayLike) -> Floats:
    """Each patient's log loss in nats, −ln of the probability given to what happened.

    Parameters
    ----------
    y : array of shape (n,)
        1 responder, 0 not.
    p : array of shape (n,)
        Predicted probabilities, clipped to [1e-6, 1 − 1e-6].

    Returns
    -------
    ndarray of shape (n,)
    """
    outcome = np.asarray(y, dtype=float)
    clipped = np.clip(np.asarray(p, dtype=float), CLIP, 1 - CLIP)
    return np.asarray(-(outcome * np.log(clipped) + (1 - outcome) * np.log1p(-clipped)), dtype=float)


@overload
def log_loss(y: ArrayLike, p: ArrayLike, *, weights: None = None) -> float: ...
@overload
def log_loss(y: ArrayLike, p: ArrayLike, *, weights: ArrayLike) -> Floats: ...
def log_loss(y: ArrayLike, p: ArrayLike, *, weights: ArrayLike | None = None) -> float | Floats:
    """Mean log loss in nats; lower is better, 0.693 is saying 50 in 100 to everybody.

    Parameters
    ----------
    y, p : array of shape (n,)
    weights : array of shape (n,) or (B, n), optional
        Frequency weights, one row per resample.

    Returns
    -------
    float or ndarray of shape () or (B,)
    """
    mean = weighted_mean(log_losses(y, p), weights)
    return float(mean) if weights is None else mean


@overload
def brier(y: ArrayLike, p: ArrayLike, *, weights: None = None) -> float: ...
@overload
def brier(y: ArrayLike, p: ArrayLike, *, weights: ArrayLike) -> Floats: ...
def brier(y: ArrayLike, p: ArrayLike, *, weights: ArrayLike | None = None) -> float | Floats:
    """Mean squared difference between probability and outcome; lower is better, 0.25 is saying 50 in 100.

    Parameters
    ----------
    y, p : array of shape (n,)
    weights : array of shape (n,) or (B, n), optional
        Frequency weights, one row per resample.

    Returns
    -------
    float or ndarray of shape () or (B,)
    """
    mean = weighted_mean((np.asarray(y, dtype=float) - np.asarray(p, dtype=float)) ** 2, weights)
    return float(mean) if weights is None else mean


@overload
def scaled_brier(y: ArrayLike, p: ArrayLike, *, weights: None = None) -> float: ...
@overload
def scaled_brier(y: ArrayLike, p: ArrayLike, *, weights: ArrayLike) -> Floats: ...
def scaled_brier(y: ArrayLike, p: ArrayLike, *, weights: ArrayLike | None = None) -> float | Floats:
    """1 − Brier / Brier of the prevalence, also called index of prediction accuracy.

    1 is perfect, 0 no better than saying the prevalence of these patients to everybody, below 0 worse.

    Parameters
    ----------
    y, p : array of shape (n,)
    weights : array of shape (n,) or (B, n), optional
        Frequency weights, one row per resample; the prevalence is the resample's own.

    Returns
    -------
    float or ndarray of shape () or (B,)
        NaN with one class only.
    """
    squared = (np.asarray(y, dtype=float) - np.asarray(p, dtype=float)) ** 2
    prevalence = weighted_mean(y, weights)
    null = prevalence * (1 - prevalence)
    with np.errstate(invalid="ignore", divide="ignore"):
        scaled = 1 - weighted_mean(squared, weights) / np.where(null > 0, null, np.nan)
    return float(scaled) if weights is None else np.asarray(scaled)


@overload
def cox_snell_r2(y: ArrayLike, p: ArrayLike, *, weights: None = None) -> float: ...
@overload
def cox_snell_r2(y: ArrayLike, p: ArrayLike, *, weights: ArrayLike) -> Floats: ...
def cox_snell_r2(y: ArrayLike, p: ArrayLike, *, weights: ArrayLike | None = None) -> float | Floats:
    """Cox and Snell's R² of the predictions as they are: 1 − exp(−2·(ll − ll₀)/n).

    Parameters
    ----------
    y, p : array of shape (n,)
    weights : array of shape (n,) or (B, n), optional
        Frequency weights, one row per resample; the prevalence is the resample's own.

    Returns
    -------
    float or ndarray of shape () or (B,)
        Below 0 where the predictions do worse than the prevalence; NaN with one class only.
    """
    gain = _null_log_loss(y, weights) - weighted_mean(log_losses(y, p), weights)
    explained = np.asarray(1 - np.exp(-2 * gain))
    return float(explained) if weights is None else explained


@overload
def nagelkerke_r2(y: ArrayLike, p: ArrayLike, *, weights: None = None) -> float: ...
@overload
def nagelkerke_r2(y: ArrayLike, p: ArrayLike, *, weights: ArrayLike) -> Floats: ...
def nagelkerke_r2(y: ArrayLike, p: ArrayLike, *, weights: ArrayLike | None = None) -> float | Floats:
    """Cox and Snell's R² divided by the largest value it can take at this prevalence.

    Parameters
    ----------
    y, p : array of shape (n,)
    weights : array of shape (n,) or (B, n), optional
        Frequency weights, one row per resample; the prevalence is the resample's own.

    Returns
    -------
    float or ndarray of shape () or (B,)
        1 is perfect; NaN with one class only.
    """
    null = _null_log_loss(y, weights)
    gain = null - weighted_mean(log_losses(y, p), weights)
    explained = np.asarray((1 - np.exp(-2 * gain)) / (1 - np.exp(-2 * null)))
    return float(explained) if weights is None else explained


def mcfadden_r2(y: ArrayLike, p: ArrayLike) -> float:
    """Share of the prevalence's log loss that the predictions save: 1 − ll/ll₀.

    Parameters
    ----------
    y, p : array of shape (n,)

    Returns
    -------
    float
        1 is perfect, 0 no better than the prevalence of these patients; NaN with one class only.
    """
    return float(1 - log_loss(y, p) / _null_log_loss(y, None))


def gini_mean_difference(values: ArrayLike) -> float:
    """Mean difference between two patients' values: how far predictions lie apart, whether they are right or not.

    Of log-odds it is Harrell's g index and its exponential a typical odds ratio; of probabilities it is his g_p, at
    most ½ for large n.

    Parameters
    ----------
    values : array of shape (n,)
        Probabilities or log-odds.

    Returns
    -------
    float
        NaN with fewer than two patients.

    References
    ----------
    David HA. Gini's mean difference rediscovered. Biometrika 1968;55:573-575.
    """
    x = np.sort(np.asarray(values, dtype=float))
    n = len(x)
    if n < 2:
        return float("nan")
    return float(2 * np.sum((2 * np.arange(1, n + 1) - n - 1) * x) / (n * (n - 1)))


def _null_log_loss(y: ArrayLike, weights: ArrayLike | None) -> Floats:
    """Log loss of the prevalence; NaN with one class only."""
    rate = weighted_mean(y, weights)
    prevalence = np.where((rate > 0) & (rate < 1), rate, np.nan)
    return np.asarray(-(prevalence * np.log(prevalence) + (1 - prevalence) * np.log1p(-prevalence)))
