"""How well one column tells the outcome, and how sure that is: limits that hold at an AUC of 1 too."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm

from predictor.validation.discrimination import auc

__all__ = ["correlation_limit", "lower_limit", "others_rate", "separation"]

FOLDS = 10
SEED = 7  # of the folds, which only have to be the same each time


def lower_limit(value: float, cases: int, controls: int, *, level: float = 0.95) -> float:
    """Lower limit of an AUC by inverting its score test, at least 0.5.

    Where cases and controls do not overlap, DeLong's standard error is 0 and its limit 1, even for six cases. Here the
    variance is that of the hypothesis: the limit is the smallest A with (AUC − A)² ≤ z²·V(A).

    Parameters
    ----------
    value : float
        The AUC, at least 0.5.
    cases, controls : int
    level : float
        Two-sided.

    Notes
    -----
    V(A) = A(1 − A)·[1 + (N − 1)(1 − A)/(2 − A) + (N − 1)·A/(1 + A)] / (cases·controls), N = (cases + controls)/2.

    References
    ----------
    Newcombe RG. Confidence intervals for an effect size measure based on the Mann-Whitney statistic. Part 2. Stat Med
    2006;25:559-573, method 5.
    """
    z = float(norm.ppf((1 + level) / 2))

    def distance(a: float) -> float:
        return value - a - z * standard_error(a, cases, controls)

    if value <= 0.5 or distance(0.5) <= 0:
        return 0.5
    return float(brentq(distance, 0.5, min(value, 1 - 1e-9)))


def standard_error(value: float, cases: int, controls: int) -> float:
    """Newcombe's standard error of an AUC, see `lower_limit`.

    Parameters
    ----------
    value : float
    cases, controls : int
    """
    more = (cases + controls) / 2 - 1
    factor = 1 + more * (1 - value) / (2 - value) + more * value / (1 + value)
    return float(np.sqrt(value * (1 - value) * factor / (cases * controls)))


def separation(y: np.ndarray, score: np.ndarray, *, level: float, either: bool = True) -> tuple[float, float]:
    """Return the AUC of a score and its lower limit; NaN twice with one class only.

    Parameters
    ----------
    y : ndarray of shape (n,)
    score : ndarray of shape (n,)
    level : float
    either : bool
        Whether a low score may as well mean response.
    """
    value = auc(y, score)
    if either:
        value = max(value, 1 - value)
    cases = int(y.sum())
    if not np.isfinite(value):
        return float("nan"), float("nan")
    return value, lower_limit(value, cases, len(y) - cases, level=level)


def others_rate(labels: Sequence[object] | np.ndarray, y: np.ndarray) -> np.ndarray:
    """Rate of the outcome among other patients with the same label, drawn towards everybody's by one patient.

    A patient's own outcome is not in it, nor are those of a tenth of the others: leaving out only the own one would
    give each patient of a label a rate that moves against the own outcome.

    Parameters
    ----------
    labels : sequence of length n
    y : ndarray of shape (n,)

    Returns
    -------
    ndarray of shape (n,)
    """
    codes = np.unique(np.array([str(one) for one in labels]), return_inverse=True)[1]
    fold = np.random.default_rng(SEED).permutation(len(y)) % FOLDS
    rate = np.zeros(len(y))
    for one in range(FOLDS):
        test, train = fold == one, fold != one
        n = np.bincount(codes[train], minlength=codes.max() + 1)
        events = np.bincount(codes[train], weights=y[train], minlength=codes.max() + 1)
        rate[test] = ((events + y.mean()) / (n + 1))[codes[test]]
    return rate


def correlation_limit(r: float, n: int, *, level: float) -> float:
    """Lower limit of the size of a correlation by Fisher's z; 0 with fewer than ten patients.

    Parameters
    ----------
    r : float
    n : int
    level : float
        Two-sided.
    """
    if n < 10 or not np.isfinite(r):
        return 0.0
    size = min(abs(r), 1 - 1e-12)
    return float(np.tanh(np.arctanh(size) - norm.ppf((1 + level) / 2) / np.sqrt(n - 3)))
