"""The log partial likelihood of hazards models with tied times, its derivatives and its maximum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from predictor.validation.risk_table import RiskTable, running_sum

__all__ = ["RiskSets", "Ties", "baseline_hazard", "cumulative_hazard", "derivatives", "maximise"]

Floats = NDArray[np.float64]
Ties = Literal["efron", "breslow"]

STEPS = 50
TOLERANCE = 1e-10  # of the last step, in standardised log hazards
LARGEST_CONDITION = 1e12  # of the information, beyond which columns determine each other


@dataclass(frozen=True)
class RiskSets:
    """Events in the order of their times, and who was at risk at each.

    Parameters
    ----------
    table : RiskTable
    seen : ndarray of bool of shape (n,)
        Whether the patient's event was seen.
    position : ndarray of shape (events,)
        Time of each event among the distinct times.
    share : ndarray of shape (events,)
        How much of the events of the same time is thought to have left before it: l/d for Efron, 0 for Breslow.
    """

    table: RiskTable
    seen: NDArray[np.bool_]
    position: NDArray[np.intp]
    share: Floats

    @classmethod
    def of(cls, time: ArrayLike, observed: ArrayLike, ties: Ties) -> RiskSets:
        """Line up the events.

        Parameters
        ----------
        time, observed : array of shape (n,)
        ties : {"efron", "breslow"}
        """
        table, seen = RiskTable.of(time), np.asarray(observed).astype(bool)
        deaths = table.count(seen).astype(int)
        position = np.repeat(np.arange(len(deaths)), deaths)
        rank = np.arange(len(position)) - np.repeat(np.cumsum(deaths) - deaths, deaths)
        share = rank / deaths[position] if ties == "efron" else np.zeros(len(position))
        return cls(table, seen, position, share)

    def at_risk(self, values: Floats) -> Floats:
        """Sum over the patients at risk for each event.

        Parameters
        ----------
        values : ndarray of shape (n, ...)

        Returns
        -------
        ndarray of shape (events, ...)
        """
        flat = values.reshape(len(values), -1)
        later = np.cumsum(self.by_time(flat)[::-1], axis=0)[::-1]
        own = self.by_time(flat * self.seen[:, np.newaxis])
        summed = later[self.position] - self.share[:, np.newaxis] * own[self.position]
        return summed.reshape(len(self.position), *values.shape[1:])

    def by_time(self, flat: Floats) -> Floats:
        """Sum over the patients of each distinct time.

        Parameters
        ----------
        flat : ndarray of shape (n, c)

        Returns
        -------
        ndarray of shape (k, c)
        """
        return np.stack([self.table.count(column) for column in flat.T], axis=1)


def baseline_hazard(events: RiskSets, total: Floats, centre: float) -> tuple[Floats, Floats]:
    """Sum up the baseline hazard, of a patient whose columns are all 0 (Breslow's estimator).

    Parameters
    ----------
    events : RiskSets
    total : ndarray of shape (events,)
        Sum of exp(linear predictor) over those at risk for each event, columns centred.
    centre : float
        Linear predictor of the centre.

    Returns
    -------
    times, hazard : ndarray of shape (k,)
        The hazard from each time of an event on.
    """
    last = np.append(np.flatnonzero(np.diff(events.position)), len(events.position) - 1)
    return events.table.times[events.position[last]], running_sum(1 / total)[last + 1] * float(
        np.exp(-centre)
    )


def cumulative_hazard(X: ArrayLike, coef: Floats, times: Floats, hazard: Floats, at: ArrayLike) -> Floats:
    """Scale the baseline hazard to each patient: H₀(t)·exp(xβ).

    Parameters
    ----------
    X : array of shape (n, p)
    coef : ndarray of shape (p,)
    times, hazard : ndarray of shape (k,)
        As of `baseline_hazard`.
    at : array of shape (m,)

    Returns
    -------
    ndarray of shape (n, m)
    """
    place = np.searchsorted(times, np.atleast_1d(np.asarray(at, dtype=float)), side="right")
    reached = np.concatenate([[0.0], hazard])[place]
    return np.asarray(np.exp(np.asarray(X, dtype=float) @ coef)[:, np.newaxis] * reached)


def maximise(Z: Floats, events: RiskSets) -> tuple[Floats, tuple[float, Floats, Floats]]:
    """Go to the maximum by Newton's method, halving steps that lead down.

    Parameters
    ----------
    Z : ndarray of shape (n, p)
        Standardised columns.
    events : RiskSets

    Returns
    -------
    tuple
        Coefficients, and the `derivatives` at them.

    Raises
    ------
    ValueError
        Where there is no single maximum.
    """
    beta = np.zeros(Z.shape[1])
    state = derivatives(Z, events, beta)
    for _ in range(STEPS):
        if np.linalg.cond(state[2]) > LARGEST_CONDITION:
            break
        step, size = np.linalg.solve(state[2], state[1]), 1.0
        trial = derivatives(Z, events, beta + step)
        while not trial[0] >= state[0] - 1e-9 * abs(state[0]) and size > 1e-6:
            size /= 2
            trial = derivatives(Z, events, beta + size * step)
        beta, state = beta + size * step, trial
        if np.abs(step).max() < TOLERANCE:
            return beta, state
    raise ValueError(
        "The partial likelihood has no single maximum: columns separate or determine each other."
    )


def derivatives(Z: Floats, events: RiskSets, beta: Floats) -> tuple[float, Floats, Floats]:
    """Differentiate the log partial likelihood.

    Parameters
    ----------
    Z : ndarray of shape (n, p)
    events : RiskSets
    beta : ndarray of shape (p,)

    Returns
    -------
    tuple
        Value, gradient of shape (p,) and information of shape (p, p).
    """
    linear = Z @ beta
    weight = np.exp(linear)[:, np.newaxis]
    total = events.at_risk(weight)
    mean = events.at_risk(weight * Z) / total
    square = events.at_risk((weight * Z)[:, :, np.newaxis] * Z[:, np.newaxis, :]) / total[:, :, np.newaxis]
    value = float(linear[events.seen].sum() - np.log(total).sum())
    return value, Z[events.seen].sum(axis=0) - mean.sum(axis=0), square.sum(axis=0) - mean.T @ mean
