"""How likely is relapse when something else may come first? Cumulative incidence with competing events."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from predictor.validation.risk_table import RiskTable, running_sum, share

__all__ = ["CumulativeIncidence", "cumulative_incidence", "cumulative_incidence_variance"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class CumulativeIncidence:
    """Aalen and Johansen's estimate of the risk of one cause, each array of shape (m,).

    Parameters
    ----------
    at : ndarray
        Times.
    risk : ndarray
        Probability that an event of the cause has happened by each time.
    se : ndarray
        Infinitesimal jackknife √Σ(∂risk/∂wᵢ)².
    """

    at: Floats
    risk: Floats
    se: Floats


def cumulative_incidence(
    time: ArrayLike, event: ArrayLike, *, cause: int, at: ArrayLike
) -> CumulativeIncidence:
    """Estimate the risk of one cause in the presence of the others: Σ S(t−)·d/Y.

    One minus Kaplan-Meier with the other causes censored would be the risk in a world without them.

    Parameters
    ----------
    time : array of shape (n,)
    event : array of int of shape (n,)
        0 censored, otherwise the cause.
    cause : int
    at : array of shape (m,)

    Returns
    -------
    CumulativeIncidence

    References
    ----------
    Aalen OO, Johansen S. An empirical transition matrix for non-homogeneous Markov chains. Scand J Stat
    1978;5:141-150.
    """
    points = np.atleast_1d(np.asarray(at, dtype=float))
    table, kind = RiskTable.of(time), np.asarray(event)
    any_event, own = table.count(kind > 0), table.count(kind == cause)
    before = np.concatenate([[1.0], np.cumprod(1 - any_event / table.at_risk)])[:-1]
    risk = running_sum(before * own / table.at_risk)
    influence = _incidence_influence(table, kind, cause, before, points)
    return CumulativeIncidence(points, risk[table.up_to(points)], np.sqrt((influence**2).sum(axis=1)))


def _incidence_influence(
    table: RiskTable, kind: NDArray[np.int_], cause: int, before: Floats, points: Floats
) -> Floats:
    """Differentiate the incidence at each point by each patient's weight, of shape (m, n).

    A patient changes S(s−) by −S(s−)·[1(own event before s)·g(own time) − H(min(own time, s−))], with
    g = 1/(Y − d) and H the running sum of d/[Y(Y − d)], and the increments of the cause directly. Running sums
    turn the sums over times into differences.
    """
    at_risk, any_event, own = table.at_risk, table.count(kind > 0), table.count(kind == cause)
    step = before * own / at_risk
    left = at_risk - any_event
    gain = share(np.ones_like(left), left)
    loss = running_sum(share(any_event, at_risk * left))
    risk, weighed = running_sum(step), running_sum(step * loss[:-1])
    direct = running_sum(step / at_risk)
    ends = table.up_to(points)[:, np.newaxis]
    place = table.place[np.newaxis]
    seen = np.minimum(place + 1, ends)  # number of times up to the point at which the patient was at risk
    after = np.maximum(risk[ends] - risk[place + 1], 0)
    through_survival = weighed[seen] + loss[place + 1] * after - (kind > 0) * gain[place] * after
    arrived = ((kind == cause) & (place < ends)) * (before / at_risk)[place]
    return np.asarray(through_survival + arrived - direct[seen])


def cumulative_incidence_variance(time: ArrayLike, event: ArrayLike, *, cause: int, at: ArrayLike) -> Floats:
    """Variance of the cumulative incidence in Gray's form, which cmprsk reports.

    Parameters
    ----------
    time, event : array of shape (n,)
        As in `cumulative_incidence`.
    cause : int
    at : array of shape (m,)

    Returns
    -------
    ndarray of shape (m,)

    References
    ----------
    Gray RJ. A class of K-sample tests for comparing the cumulative incidence of a competing risk. Ann Stat
    1988;16:1141-1154.
    """
    table, kind = RiskTable.of(time), np.asarray(event)
    own, other = table.count(kind == cause), table.count((kind > 0) & (kind != cause))
    risk, survival, sums, variances = 0.0, 1.0, np.zeros(3), [0.0]
    for at_risk, mine, others in zip(table.at_risk, own, other, strict=True):
        following = survival * (at_risk - mine - others) / at_risk
        risk += survival * mine / at_risk
        inverse = 1 / following if following > 0 else 0.0
        if others > 0 and following > 0:
            sums += _gray_terms(survival, others, at_risk, inverse, risk * inverse)
        if mine > 0:
            sums += _gray_terms(survival, mine, at_risk, inverse, 1 + risk * inverse)
        variances.append(float(sums[0] + risk**2 * sums[2] - 2 * risk * sums[1]))
        survival = following
    return np.array(variances)[table.up_to(at)]


def _gray_terms(survival: float, count: float, at_risk: float, inverse: float, reach: float) -> Floats:
    tied = 1 - (count - 1) / (at_risk - 1) if count > 1 else 1.0
    spread = survival**2 * tied * count / at_risk**2
    return spread * np.array([reach**2, inverse * reach, inverse**2])
