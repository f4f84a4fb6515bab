"""Who was at risk, and what happened, at each distinct time: what all survival estimates count from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["RiskTable", "running_sum", "share"]

Floats = NDArray[np.float64]
Positions = NDArray[np.intp]


@dataclass(frozen=True)
class RiskTable:
    """Counts at each distinct time.

    Parameters
    ----------
    times : ndarray of shape (k,)
        Distinct times, increasing.
    place : ndarray of shape (n,)
        Position of each patient's time among them.
    at_risk : ndarray of shape (k,)
        Patients whose own time is not earlier.
    """

    times: Floats
    place: Positions
    at_risk: Floats

    @classmethod
    def of(cls, time: ArrayLike) -> RiskTable:
        """Count over all patients.

        Parameters
        ----------
        time : array of shape (n,)
        """
        values = np.asarray(time, dtype=float)
        times, place, count = np.unique(values, return_inverse=True, return_counts=True)
        return cls(times, place, np.cumsum(count[::-1])[::-1].astype(float))

    def count(self, happened: ArrayLike) -> Floats:
        """Add up what happened at each distinct time.

        Parameters
        ----------
        happened : array of shape (n,)
            Booleans or weights.
        """
        weights = np.asarray(happened, dtype=float)
        return np.bincount(self.place, weights=weights, minlength=len(self.times)).astype(float)

    def up_to(self, at: ArrayLike) -> Positions:
        """Count the distinct times that are not later than each of these.

        Parameters
        ----------
        at : array of shape (m,)
        """
        points = np.atleast_1d(np.asarray(at, dtype=float))
        return np.asarray(np.searchsorted(self.times, points, side="right"))


def running_sum(values: Floats) -> Floats:
    """Sum up from 0, so that position k is the sum of the first k.

    Parameters
    ----------
    values : ndarray of shape (k, ...)

    Returns
    -------
    ndarray of shape (k + 1, ...)
    """
    return np.concatenate([np.zeros((1, *values.shape[1:])), np.cumsum(values, axis=0)])


def share(part: Floats, whole: Floats) -> Floats:
    """Divide, 0 where there is nothing to divide by: nobody is left there whom it could concern.

    Parameters
    ----------
    part, whole : ndarray of shape (k,)

    Returns
    -------
    ndarray of shape (k,)
    """
    return np.divide(part, whole, out=np.zeros_like(whole), where=whole > 0)
