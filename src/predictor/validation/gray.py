"""Does the risk of one cause differ between groups when something else may come first? Gray's test."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import chi2

from predictor.validation.risk_table import RiskTable, share

__all__ = ["GrayTest", "gray_test"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class GrayTest:
    """Comparison of the cumulative incidence of one cause between groups.

    Parameters
    ----------
    groups : tuple of str
    score : ndarray of shape (groups,)
        Events of the cause beyond those expected if all groups had the same subdistribution hazard.
    statistic : float
    p_value : float
        From χ² with groups − 1 degrees of freedom.
    """

    groups: tuple[str, ...]
    score: Floats
    statistic: float
    p_value: float


@dataclass(frozen=True)
class _Counts:
    """Of each group (rows, k) at each distinct time (columns, m); whoever is never at risk counts nothing.

    `at_risk` is Y, `own` and `other` the events of the cause and of the others, `before` and `after` the probability
    S of no event at all just before and just after the time, `risk` the cumulative incidence F just before it.
    """

    at_risk: Floats
    own: Floats
    other: Floats
    before: Floats
    after: Floats
    risk: Floats

    @property
    def weight(self) -> Floats:
        """Y/S(t−), written h: what would be at risk had nobody been censored by chance or taken by another cause."""
        return share(self.at_risk, self.before)


def gray_test(time: ArrayLike, event: ArrayLike, groups: ArrayLike, *, cause: int = 1) -> GrayTest:
    """Test whether groups have the same cumulative incidence of a cause.

    The log-rank test compares hazards among those still free of everything; this one compares the hazards of the
    subdistribution, in which patients taken by another cause stay at risk, and so the cumulative incidence itself.

    Parameters
    ----------
    time, event : array of shape (n,)
        An event of 0 is censoring, otherwise the cause.
    groups : array of shape (n,)
    cause : int

    Returns
    -------
    GrayTest
        Unweighted (ρ = 0).

    Raises
    ------
    ValueError
        With a single group.

    References
    ----------
    Gray RJ. A class of K-sample tests for comparing the cumulative incidence of a competing risk. Ann Stat
    1988;16:1141-1154.
    """
    labels, codes = np.unique(np.asarray(groups), return_inverse=True)
    if len(labels) < 2:
        raise ValueError("A comparison needs two groups at least.")
    counts = _count(RiskTable.of(time), np.asarray(event), codes, len(labels), cause)
    score = _score(counts)
    covariance = _covariance(counts)[:-1, :-1]
    statistic = float(score[:-1] @ np.linalg.solve(covariance, score[:-1]))
    return GrayTest(tuple(map(str, labels)), score, statistic, float(chi2.sf(statistic, len(labels) - 1)))


def _count(
    table: RiskTable, kind: NDArray[np.int_], codes: NDArray[np.intp], groups: int, cause: int
) -> _Counts:
    member = [codes == k for k in range(groups)]
    at_risk: Floats = np.stack([np.cumsum(table.count(one)[::-1])[::-1] for one in member])
    own = np.stack([table.count(one & (kind == cause)) for one in member])
    other = np.stack([table.count(one & (kind > 0) & (kind != cause)) for one in member])
    left = 1 - share(own + other, at_risk)
    after: Floats = np.asarray(np.cumprod(left, axis=1), dtype=float)
    before: Floats = np.column_stack([np.ones(groups), after[:, :-1]])
    risk = np.cumsum(share(before * own, at_risk), axis=1)
    return _Counts(at_risk, own, other, before, after, np.column_stack([np.zeros(groups), risk[:, :-1]]))


def _score(counts: _Counts) -> Floats:
    """Σ [dN_k − dN·R_k/R], with R = Y·(1 − F(t−))/S(t−)."""
    exposed = counts.weight * (1 - counts.risk)
    expected = share(exposed, np.broadcast_to(exposed.sum(axis=0), exposed.shape)) * counts.own.sum(axis=0)
    return np.asarray((counts.own - expected).sum(axis=1))


def _covariance(counts: _Counts) -> Floats:
    """Covariance of the scores when all groups have one incidence F₀, with dF₀ = dN/h and h = Σ h_r.

    Each group r contributes through its own events of the cause, by a_kr = h_k·(δ_kr − h_r/h) and by what the event
    does to what follows, and through those of the other causes by the latter alone: c_kr(τ) − c_kr(t) times
    (1 − F₀)/S_r, where c_kr sums a_kr·dF₀/(1 − F₀). Tied events of one time count a little less, as in draws without
    replacement.
    """
    h, events = counts.weight, counts.own.sum(axis=0)
    total = h.sum(axis=0)
    step = share(events, total)
    free = 1 - np.cumsum(step)
    free_before = np.append(1.0, free[:-1])
    identity = np.eye(len(h))[:, :, np.newaxis]
    a = h[:, np.newaxis] * (identity - share(h, np.broadcast_to(total, h.shape)))
    c = np.cumsum(a * share(step, free_before), axis=2)
    following = c[:, :, -1:] - c
    reach = share(np.broadcast_to(free, h.shape), counts.after)
    through_own = a + np.where(counts.after > 0, 1 - reach, 1.0) * following
    through_other = reach * following
    own = share(counts.before * step, counts.at_risk) * _ties(events, total * counts.before)
    other = share(counts.before**2 * counts.other, counts.at_risk**2) * _ties(counts.other, counts.at_risk)
    return np.asarray(
        np.einsum("irt,jrt,rt->ij", through_own, through_own, own)
        + np.einsum("irt,jrt,rt->ij", through_other, through_other, np.where(counts.after > 0, other, 0.0))
    )


def _ties(events: Floats, among: Floats) -> Floats:
    """1 − (d − 1)/(Y − 1) where more than one event falls on a time."""
    several = np.broadcast_to(events > 1, among.shape)
    return np.where(several, 1 - share(np.broadcast_to(events - 1, among.shape), among - 1), 1.0)
