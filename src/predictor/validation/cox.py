"""Cox's proportional hazards, fitted exactly as R's coxph does it: the plain model that others are compared with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

from predictor.validation.partial_likelihood import (
    RiskSets,
    Ties,
    baseline_hazard,
    cumulative_hazard,
    derivatives,
    maximise,
)

__all__ = ["CoxFit", "fit_cox"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class CoxFit:
    """A fitted proportional hazards model.

    Parameters
    ----------
    coef : ndarray of shape (p,)
        Log hazard ratios.
    covariance : ndarray of shape (p, p)
        Inverse of the observed information.
    log_likelihood, null_log_likelihood : float
        Partial, at the maximum and with all coefficients 0.
    score_test : float
        Rao's statistic, χ² with p degrees of freedom.
    times, hazard : ndarray of shape (k,)
        Distinct event times and the cumulative baseline hazard at each, for a patient with all columns 0.
    """

    coef: Floats
    covariance: Floats
    log_likelihood: float
    null_log_likelihood: float
    score_test: float
    times: Floats
    hazard: Floats

    @property
    def se(self) -> Floats:
        """Standard errors."""
        return np.asarray(np.sqrt(np.diagonal(self.covariance)))

    @property
    def likelihood_ratio_test(self) -> float:
        """Likelihood-ratio statistic, χ² with p degrees of freedom."""
        return 2 * (self.log_likelihood - self.null_log_likelihood)

    @property
    def wald_test(self) -> float:
        """Wald's statistic, χ² with p degrees of freedom."""
        return float(self.coef @ np.linalg.solve(self.covariance, self.coef))

    def hazard_ratios(self, *, level: float = 0.95) -> tuple[Floats, Floats, Floats]:
        """Hazard ratios with their Wald limits.

        Parameters
        ----------
        level : float

        Returns
        -------
        tuple of ndarray of shape (p,)
            Ratio, lower and upper limit.
        """
        half = float(norm.ppf((1 + level) / 2)) * self.se
        return np.exp(self.coef), np.exp(self.coef - half), np.exp(self.coef + half)

    def survival(self, X: ArrayLike, *, at: ArrayLike) -> Floats:
        """Predict the probability of no event by each time: exp(−H₀(t)·exp(xβ)).

        Parameters
        ----------
        X : array of shape (n, p)
        at : array of shape (m,)

        Returns
        -------
        ndarray of shape (n, m)
        """
        return np.asarray(np.exp(-cumulative_hazard(X, self.coef, self.times, self.hazard, at)))


def fit_cox(X: ArrayLike, time: ArrayLike, observed: ArrayLike, *, ties: Ties = "efron") -> CoxFit:
    """Fit a proportional hazards model by Newton's method.

    For one of several causes take the other causes as censored: its hazard is then the cause's own, and no risk
    may be read from `CoxFit.survival`.

    Parameters
    ----------
    X : array of shape (n, p)
    time : array of shape (n,)
    observed : array of bool of shape (n,)
    ties : {"efron", "breslow"}

    Returns
    -------
    CoxFit

    Raises
    ------
    ValueError
        Without an event, for columns that determine each other, or where the likelihood has no maximum.

    References
    ----------
    Cox DR. Regression models and life-tables. JRSS B 1972;34:187-220. Efron B. The efficiency of Cox's likelihood
    function for censored data. JASA 1977;72:557-565.
    """
    columns = np.asarray(X, dtype=float)
    centre, spread = columns.mean(axis=0), columns.std(axis=0)
    events = RiskSets.of(time, observed, ties)
    if len(events.position) == 0 or not np.all(spread > 0):
        raise ValueError("A proportional hazards model needs events, and columns that vary.")
    Z = (columns - centre) / spread
    null = derivatives(Z, events, np.zeros(Z.shape[1]))
    beta, (value, _, information) = maximise(Z, events)
    covariance = np.linalg.inv(information) / np.outer(spread, spread)
    total, coef = events.at_risk(np.exp(Z @ beta)[:, np.newaxis])[:, 0], beta / spread
    return CoxFit(
        coef,
        covariance,
        value,
        null[0],
        float(null[1] @ np.linalg.solve(null[2], null[1])),
        *baseline_hazard(events, total, centre @ coef),
    )
