"""Outcomes that nobody observed, drawn from what was known at baseline: inside a training part only."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from predictor.features.imputation import Draw
from predictor.models.elastic_net import ElasticNetLogistic

__all__ = ["draw_outcomes", "expect_outcomes"]

OUTCOMES = 3  # purpose of the random numbers, beside those of the chains
MOST_TRIES = 100


def expect_outcomes(encoded: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Expect every missing outcome, given the features, by a ridge logistic model of those observed.

    Parameters
    ----------
    encoded : ndarray of shape (n, columns)
    target : ndarray of shape (n,)
        0, 1, or NaN where the outcome was not observed.

    Returns
    -------
    ndarray of shape (missing,)
        Probabilities.
    """
    known = np.isfinite(target)
    return _expected(encoded[known], target[known], encoded[~known])


def _expected(encoded: np.ndarray, target: np.ndarray, new: np.ndarray) -> np.ndarray:
    model = ElasticNetLogistic(C=1.0).fit(encoded, target.astype(np.int64))
    return np.asarray(expit(new @ model.coef_[0] + model.intercept_[0]))


def draw_outcomes(encoded: np.ndarray, target: np.ndarray, draw: Draw) -> np.ndarray:
    """Draw every missing outcome once, by a logistic model of those observed.

    The model is fitted on a bootstrap sample of the observed, so that m draws also hold what is not known of its
    coefficients. It assumes that, given the features, whoever was not assessed responds as often as the others; the
    tipping points say how much that matters.

    Parameters
    ----------
    encoded : ndarray of shape (n, columns)
        Features without a gap, filled in without any outcome.
    target : ndarray of shape (n,)
        0, 1, or NaN where the outcome was not observed.
    draw : Draw

    Returns
    -------
    ndarray of int of shape (n,)

    References
    ----------
    White, Royston and Wood (2011), Stat Med 30:377, section 2.3 on the bootstrap; Rubin and Schenker (1986), J Am Stat
    Assoc 81:366.
    """
    known = np.isfinite(target)
    random = draw.generator(OUTCOMES)
    rows = _bootstrap(np.flatnonzero(known), target, random)
    p = _expected(encoded[rows], target[rows], encoded[~known])
    filled = np.where(known, target, 0.0)
    filled[~known] = random.random(len(p)) < p
    return filled.astype(np.int64)


def _bootstrap(rows: np.ndarray, target: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Draw rows with replacement until both classes are among them."""
    for _ in range(MOST_TRIES):
        drawn = random.choice(rows, size=len(rows))
        if len(np.unique(target[drawn])) == 2:
            return np.asarray(drawn)
    return rows
