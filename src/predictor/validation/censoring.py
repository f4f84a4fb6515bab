"""The probability of not being censored yet, by whose inverse those still seen stand for those who are not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from predictor.validation.risk_table import RiskTable, running_sum, share

__all__ = ["Censoring", "censoring_survival"]

Floats = NDArray[np.float64]
Positions = NDArray[np.intp]


@dataclass(frozen=True)
class Censoring:
    """Kaplan-Meier of censoring, and how it changes with each patient's weight.

    Parameters
    ----------
    table : RiskTable
    censored : ndarray of bool of shape (n,)
    survival : ndarray of shape (k + 1,)
        Before each distinct time, and after the last.
    leave : ndarray of shape (k,)
        1/(Y − c): what a patient censored at a time takes from ln G.
    passed : ndarray of shape (k + 1,)
        Running sum of c/[Y(Y − c)]: what a patient at risk up to there adds to it.
    until : ndarray of shape (n,)
        Number of distinct times at which each patient was at risk of being censored.
    """

    table: RiskTable
    censored: NDArray[np.bool_]
    survival: Floats
    leave: Floats
    passed: Floats
    until: Positions

    @classmethod
    def of(cls, time: ArrayLike, event: ArrayLike, *, events_first: bool = True) -> Censoring:
        """Estimate from all patients.

        Parameters
        ----------
        time, event : array of shape (n,)
            An event of 0 is censoring.
        events_first : bool
            Whether those with an event leave before the censorings of the same time, or with them.
        """
        table, censored = RiskTable.of(time), np.asarray(event) == 0
        count = table.count(censored)
        at_risk = table.at_risk - table.count(~censored) if events_first else table.at_risk
        left = at_risk - count
        return cls(
            table,
            censored,
            np.concatenate([[1.0], np.cumprod(1 - share(count, at_risk))]),
            share(np.ones_like(left), left),
            running_sum(share(count, at_risk * left)),
            table.place + (censored if events_first else 1),
        )

    def weighted_derivative(self, amount: Floats, before: Positions) -> Floats:
        """Sum up amount_j times the derivative of ln G(before j) by each patient's weight.

        Parameters
        ----------
        amount : ndarray of shape (J,)
        before : ndarray of shape (J,)
            Number of distinct times up to which G goes.

        Returns
        -------
        ndarray of shape (n,)
        """
        k = len(self.table.times)
        by_count = np.bincount(before, weights=amount, minlength=k + 1)
        up_to = np.cumsum(by_count * self.passed)
        beyond = np.append(np.cumsum(by_count[::-1])[::-1], 0.0)
        reached = up_to[self.until] + self.passed[self.until] * beyond[self.until + 1]
        left = self.censored * self.leave[self.table.place] * beyond[self.table.place + 1]
        return np.asarray(reached - left)


def censoring_survival(time: ArrayLike, event: ArrayLike, *, at: ArrayLike) -> Floats:
    """Estimate the probability of not being censored by each time.

    Parameters
    ----------
    time, event : array of shape (n,)
        An event of 0 is censoring; those with an event leave before the censorings of the same time.
    at : array of shape (m,)

    Returns
    -------
    ndarray of shape (m,)
    """
    censoring = Censoring.of(time, event)
    return np.asarray(censoring.survival[censoring.table.up_to(at)])
