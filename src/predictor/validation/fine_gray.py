"""Fine and Gray's model of the risk of one cause while others compete, fitted as cmprsk's crr does it.

A patient whose event was another cause stays in the risk set, with the probability that he would not have been
censored yet. The standard errors are an infinitesimal jackknife in which that probability is estimated too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from predictor.validation.censoring import Censoring
from predictor.validation.partial_likelihood import RiskSets, baseline_hazard, cumulative_hazard, maximise
from predictor.validation.risk_table import running_sum

__all__ = ["FineGrayFit", "fit_fine_gray"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class FineGrayFit:
    """A fitted subdistribution hazards model.

    Parameters
    ----------
    coef : ndarray of shape (p,)
        Log subdistribution hazard ratios.
    covariance : ndarray of shape (p, p)
        Robust.
    log_likelihood : float
        Pseudo log partial likelihood at the maximum.
    times, hazard : ndarray of shape (k,)
        Distinct times of the cause and the cumulative baseline subdistribution hazard at each.
    """

    coef: Floats
    covariance: Floats
    log_likelihood: float
    times: Floats
    hazard: Floats

    @property
    def se(self) -> Floats:
        """Robust standard errors."""
        return np.asarray(np.sqrt(np.diagonal(self.covariance)))

    def risk(self, X: ArrayLike, *, at: ArrayLike) -> Floats:
        """Predict the probability that the cause has happened by each time: 1 − exp(−H₀(t)·exp(xβ)).

        Parameters
        ----------
        X : array of shape (n, p)
        at : array of shape (m,)

        Returns
        -------
        ndarray of shape (n, m)
        """
        return np.asarray(-np.expm1(-cumulative_hazard(X, self.coef, self.times, self.hazard, at)))


@dataclass(frozen=True)
class _Subdistribution(RiskSets):
    """Risk sets in which patients with another cause stay: `stays` is 1/G(own time−) for them, 0 for others."""

    stays: Floats
    present: Floats  # G before each event

    def at_risk(self, values: Floats) -> Floats:
        """Sum over those at risk and those who stay."""
        gone = self.gone(values.reshape(len(values), -1)).reshape(len(self.position), *values.shape[1:])
        present = self.present.reshape(-1, *[1] * (values.ndim - 1))
        return np.asarray(super().at_risk(values) + present * gone)

    def gone(self, flat: Floats) -> Floats:
        """Sum over those whose other event was before each event, of shape (events, c)."""
        return np.asarray(running_sum(self.by_time(flat * self.stays[:, np.newaxis]))[self.position])


def fit_fine_gray(X: ArrayLike, time: ArrayLike, event: ArrayLike, *, cause: int = 1) -> FineGrayFit:
    """Fit a subdistribution hazards model, ties by Breslow.

    Parameters
    ----------
    X : array of shape (n, p)
    time : array of shape (n,)
    event : array of int of shape (n,)
        0 censored, otherwise the cause.
    cause : int

    Returns
    -------
    FineGrayFit

    Raises
    ------
    ValueError
        Without an event of the cause, for columns that determine each other, or without a maximum.

    References
    ----------
    Fine JP, Gray RJ. A proportional hazards model for the subdistribution of a competing risk. JASA
    1999;94:496-509.
    """
    columns, kind = np.asarray(X, dtype=float), np.asarray(event)
    centre, spread = columns.mean(axis=0), columns.std(axis=0)
    if not np.any(kind == cause) or not np.all(spread > 0):
        raise ValueError("A subdistribution hazards model needs events of the cause, and columns that vary.")
    censoring = Censoring.of(time, kind, events_first=False)
    sets = _sets(time, kind, cause, censoring)
    Z = (columns - centre) / spread
    beta, (value, _, information) = maximise(Z, sets)
    total = sets.at_risk(np.exp(Z @ beta)[:, np.newaxis])[:, 0]
    influence = np.linalg.solve(information, _influence(Z, beta, sets, censoring).T).T / spread
    coef = beta / spread
    return FineGrayFit(coef, influence.T @ influence, value, *baseline_hazard(sets, total, centre @ coef))


def _sets(time: ArrayLike, kind: NDArray[np.int_], cause: int, censoring: Censoring) -> _Subdistribution:
    plain = RiskSets.of(time, kind == cause, "breslow")
    other = (kind > 0) & (kind != cause)
    own = censoring.survival[plain.table.place]
    stays = np.where(other, 1 / np.where(other, own, 1.0), 0.0)
    present = censoring.survival[plain.position]
    return _Subdistribution(plain.table, plain.seen, plain.position, plain.share, stays, present)


def _influence(Z: Floats, beta: Floats, sets: _Subdistribution, censoring: Censoring) -> Floats:
    """Differentiate the score by each patient's weight, of shape (n, p).

    Directly: the own event's residual less the own share in every risk set; and through G, by which all those
    who stay are weighted.
    """
    weight = np.exp(Z @ beta)[:, np.newaxis]
    total = sets.at_risk(weight)
    mean = sets.at_risk(weight * Z) / total
    place, position = sets.table.place, sets.position
    events_up_to = np.searchsorted(position, place, side="right")
    rate, rate_mean = running_sum(1 / total), running_sum(mean / total)
    kept, kept_mean = (
        running_sum(sets.present[:, np.newaxis] / total),
        running_sum(sets.present[:, np.newaxis] * mean / total),
    )
    in_time = weight * (Z * rate[events_up_to] - rate_mean[events_up_to])
    afterwards = sets.stays[:, np.newaxis] * weight
    afterwards = afterwards * (
        Z * (kept[-1] - kept[events_up_to]) - (kept_mean[-1] - kept_mean[events_up_to])
    )
    residual = np.zeros_like(Z)
    order = np.flatnonzero(sets.seen)[np.argsort(place[sets.seen], kind="stable")]
    residual[order] = Z[order] - mean
    staying = sets.present[:, np.newaxis] / total * (sets.gone(weight * Z) - mean * sets.gone(weight))
    through_g = [
        censoring.weighted_derivative(staying[:, j], position)
        - censoring.weighted_derivative(afterwards[:, j], place)
        for j in range(Z.shape[1])
    ]
    return np.asarray(residual - in_time - afterwards - np.stack(through_g, axis=1))
