"""Performance on the test set, in NumPy alone: the same numbers for our tool, the reference and every peer."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata
from scipy.stats import t as student

__all__ = ["METRICS", "SMALLEST", "auc", "log_loss", "mean_interval", "performance"]

SMALLEST = 1e-4  # log loss and calibration clip here: one overconfident patient decides no comparison
METRICS = ("auc", "brier", "log_loss", "slope", "citl")


def auc(y: np.ndarray, score: np.ndarray) -> float:
    """Return the AUC; ties count half."""
    cases = int(np.sum(y == 1))
    ranks = rankdata(score)
    return float((ranks[y == 1].sum() - cases * (cases + 1) / 2) / (cases * (len(y) - cases)))


def log_loss(y: np.ndarray, probability: np.ndarray) -> float:
    """Return the mean log loss in nats, of probabilities clipped at 1e-4."""
    clipped = np.clip(probability, SMALLEST, 1 - SMALLEST)
    return float(-np.mean(np.where(y == 1, np.log(clipped), np.log1p(-clipped))))


def performance(y: np.ndarray, probability: np.ndarray) -> dict[str, float]:
    """Return AUC, Brier score, log loss, calibration slope and calibration in the large.

    Slope: b of logit P(y = 1) = a + b·logit(p); 1 is good, below 1 is too extreme. CITL: a of logit P(y = 1) =
    a + logit(p); 0 is good, above 0 is too low.
    """
    y = np.asarray(y, dtype=float)
    clipped = np.clip(probability, SMALLEST, 1 - SMALLEST)
    predictor = np.log(clipped / (1 - clipped))
    return {
        "auc": auc(y, probability),
        "brier": float(np.mean((probability - y) ** 2)),
        "log_loss": log_loss(y, probability),
        "slope": _calibration_slope(y, predictor),
        "citl": _calibration_in_the_large(y, predictor),
    }


def _calibration_slope(y: np.ndarray, predictor: np.ndarray) -> float:
    if np.ptp(predictor) < 1e-9:
        return float("nan")  # a constant prediction has no slope
    design = np.column_stack([np.ones_like(predictor), predictor])
    coefficients = np.array([0.0, 1.0])
    for _ in range(50):
        expected = 1 / (1 + np.exp(-design @ coefficients))
        hessian = design.T @ (design * (expected * (1 - expected))[:, None])
        step = np.linalg.solve(hessian, design.T @ (y - expected))
        coefficients += step
        if np.abs(step).max() < 1e-9:
            break
    return float(coefficients[1])


def _calibration_in_the_large(y: np.ndarray, predictor: np.ndarray) -> float:
    intercept = 0.0
    for _ in range(50):
        expected = 1 / (1 + np.exp(-(intercept + predictor)))
        step = (y - expected).sum() / (expected * (1 - expected)).sum()
        intercept += step
        if abs(step) < 1e-9:
            break
    return float(intercept)


def mean_interval(values: np.ndarray, *, level: float = 0.95) -> tuple[float, float, float]:
    """Return the mean and its t interval over independent replicates; without a second one it is not known."""
    values = np.asarray(values, dtype=float)
    mean = float(values.mean())
    if len(values) < 2:
        return mean, float("nan"), float("nan")
    quantile = float(student.ppf((1 + level) / 2, len(values) - 1))
    half = quantile * float(values.std(ddof=1)) / np.sqrt(len(values))
    return mean, mean - half, mean + half
