"""Would acting on the predictions do more good than treating everybody or nobody? Net benefit.

Thresholds are the clinic's and are never tuned. Net benefit describes prognosis among the treated unless
the arms are randomised.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from predictor.validation.uncertainty import weighted_mean

__all__ = ["interventions_avoided", "net_benefit", "standardized_net_benefit", "treat_all"]

Floats = NDArray[np.float64]


def net_benefit(
    y: ArrayLike, p: ArrayLike, thresholds: ArrayLike, *, weights: ArrayLike | None = None
) -> Floats:
    """Net benefit of treating those with p ≥ t: TP/n − FP/n · t/(1 − t).

    Parameters
    ----------
    y, p : array of shape (n,)
    thresholds : array of shape (T,)
        Between 0 and 1, both excluded; a prediction equal to the threshold counts as positive.
    weights : array of shape (n,) or (B, n), optional
        Frequency weights, one row per resample.

    Returns
    -------
    ndarray of shape (T,) or (B, T)
        In true positives per patient; higher is better, 0 is treating nobody.

    Raises
    ------
    ValueError
        For a threshold outside (0, 1).

    References
    ----------
    Vickers AJ, Elkin EB. Decision curve analysis. Med Decis Making 2006;26:565-574.
    """
    outcome, score = np.asarray(y, dtype=float), np.asarray(p, dtype=float)
    odds = _odds(thresholds)
    cuts = np.atleast_1d(np.asarray(thresholds, dtype=float))
    columns = [
        weighted_mean((score >= cut) * (outcome - (1 - outcome) * odd), weights)
        for cut, odd in zip(cuts, odds, strict=True)
    ]
    return np.stack(columns, axis=-1)


def treat_all(y: ArrayLike, thresholds: ArrayLike, *, weights: ArrayLike | None = None) -> Floats:
    """Net benefit of treating everybody: φ − (1 − φ) · t/(1 − t).

    Parameters
    ----------
    y : array of shape (n,)
    thresholds : array of shape (T,)
    weights : array of shape (n,) or (B, n), optional

    Returns
    -------
    ndarray of shape (T,) or (B, T)
        Crosses 0 where the threshold equals the prevalence.

    Raises
    ------
    ValueError
        For a threshold outside (0, 1).
    """
    prevalence = weighted_mean(y, weights)[..., np.newaxis]
    return np.asarray(prevalence - (1 - prevalence) * _odds(thresholds))


def standardized_net_benefit(
    y: ArrayLike, p: ArrayLike, thresholds: ArrayLike, *, weights: ArrayLike | None = None
) -> Floats:
    """Net benefit as a share of the largest possible: divided by the prevalence.

    Parameters
    ----------
    y, p, thresholds, weights
        As in `net_benefit`.

    Returns
    -------
    ndarray of shape (T,) or (B, T)
        1 is knowing the future; NaN without a responder.
    """
    prevalence = weighted_mean(y, weights)[..., np.newaxis]
    with np.errstate(invalid="ignore"):
        return net_benefit(y, p, thresholds, weights=weights) / np.where(prevalence > 0, prevalence, np.nan)


def interventions_avoided(
    y: ArrayLike, p: ArrayLike, thresholds: ArrayLike, *, weights: ArrayLike | None = None
) -> Floats:
    """Treatments of non-responders spared per 100 patients, no responder lost, compared with treating all.

    100·(net benefit − that of treating all) / [t/(1 − t)].

    Parameters
    ----------
    y, p, thresholds, weights
        As in `net_benefit`.

    Returns
    -------
    ndarray of shape (T,) or (B, T)
        Below 0 where treating all does better.
    """
    gained = net_benefit(y, p, thresholds, weights=weights) - treat_all(y, thresholds, weights=weights)
    return np.asarray(100 * gained / _odds(thresholds))


def _odds(thresholds: ArrayLike) -> Floats:
    cuts = np.atleast_1d(np.asarray(thresholds, dtype=float))
    if not np.all((cuts > 0) & (cuts < 1)):
        raise ValueError("A threshold of net benefit lies between 0 and 1, both excluded.")
    return np.asarray(cuts / (1 - cuts))
