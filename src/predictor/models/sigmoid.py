"""From a model's score to calibrated log-odds: at most one straight line, so that explanations stay exact."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from scipy.special import logit

from predictor.models.elastic_net import minimise_elastic_net

__all__ = ["Sigmoid", "fit_sigmoid", "log_loss", "log_odds", "score"]

CLIP = 1e-6
FEWEST_FOR_A_SLOPE = 100

Scale = Literal["log_odds", "probability"]
Sigmoid = tuple[float, float]


def score(model: Any, X: np.ndarray, scale: Scale) -> np.ndarray:
    """Score patients on the scale on which the model is a sum, shape (n,)."""
    if scale == "log_odds":
        return np.asarray(model.decision_function(X), dtype=np.float64)
    return np.asarray(model.predict_proba(X)[:, 1], dtype=np.float64)


def log_odds(scores: np.ndarray, sigmoid: Sigmoid | None, scale: Scale) -> np.ndarray:
    """Turn scores into log-odds: intercept + slope × score, or the score's own log-odds without a sigmoid."""
    if sigmoid is not None:
        return sigmoid[1] + sigmoid[0] * scores
    return scores if scale == "log_odds" else np.asarray(logit(np.clip(scores, CLIP, 1.0 - CLIP)))


def log_loss(target: np.ndarray, eta: np.ndarray) -> np.ndarray:
    """Log loss in nats of each patient from log-odds, with probabilities clipped at 1e-6; lower is better."""
    bound = float(logit(1.0 - CLIP))
    eta = np.clip(eta, -bound, bound)
    return np.asarray(np.logaddexp(0.0, eta) - target * eta)


def fit_sigmoid(scores: np.ndarray, target: np.ndarray, scale: Scale) -> Sigmoid:
    """Fit slope (at least 0) and intercept to out-of-fold scores.

    Parameters
    ----------
    scores : ndarray of shape (n,)
        Of patients whom the scoring models have not seen.
    target : ndarray of shape (n,)
        0 or 1, both present.
    scale : {"log_odds", "probability"}
        Scale of the scores.

    Returns
    -------
    tuple of (float, float)
        Slope and intercept on the log-odds.

    References
    ----------
    Platt (1999), Advances in Large Margin Classifiers, 61–74: also for the smoothed targets, which keep the
    slope finite when the scores separate the outcomes.
    """
    events = float(target.sum())
    others = len(target) - events
    if min(events, others) < FEWEST_FOR_A_SLOPE:
        slope = _neutral_slope(scores, scale)
        fitted = minimise_elastic_net(
            np.zeros((len(target), 0)), target, C=1.0, l1_ratio=0.0, offset=slope * scores
        )
        return slope, fitted.intercept
    smoothed = np.where(target == 1, (events + 1.0) / (events + 2.0), 1.0 / (others + 2.0))
    mean, spread = float(scores.mean()), float(scores.std())
    if spread > 1e-12 * max(1.0, abs(mean)):  # a constant's deviation is rounding
        column = ((scores - mean) / spread)[:, None]
        fitted = minimise_elastic_net(column, smoothed, C=1e9, l1_ratio=0.0)
        slope = float(fitted.coef[0]) / spread
        if slope > 0:
            return slope, fitted.intercept - slope * mean
    return 0.0, float(logit(events / len(target)))


def _neutral_slope(scores: np.ndarray, scale: Scale) -> float:
    """Slope that trusts the model's own spread, for when there are too few events to estimate one."""
    if scale == "log_odds":
        return 1.0
    # A forest's score is a probability, and the line has to stay straight in it for contributions to add up.
    # Its tangent where most patients are, d logit(p) / dp = 1 / (p(1 - p)) at the mean score, leaves the
    # middle as the forest says and is milder than the logit towards 0 and 1, where a forest of few patients
    # is least to be believed.
    mean = float(np.clip(scores.mean(), 0.01, 0.99))
    return 1.0 / (mean * (1.0 - mean))
