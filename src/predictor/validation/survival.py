"""When do patients relapse? Kaplan-Meier and the log-rank test.

A patient counts as at risk at every time up to and including the own one; where events and censorings
coincide, the events come first. Times are in any unit, the same throughout.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import chi2, norm

from predictor.validation.risk_table import RiskTable, running_sum, share

__all__ = [
    "LogRank",
    "Scale",
    "SurvivalCurve",
    "kaplan_meier",
    "log_rank",
    "median_time",
    "probability_interval",
]

Floats = NDArray[np.float64]
Scale = Literal["log", "log-log", "plain"]


@dataclass(frozen=True)
class SurvivalCurve:
    """Kaplan-Meier's estimate, each array of shape (m,).

    Parameters
    ----------
    at : ndarray
        Times.
    survival : ndarray
        Probability of no event up to and including each time.
    se : ndarray
        Greenwood's standard error of it.
    at_risk : ndarray
        Patients whose own time is not earlier.
    """

    at: Floats
    survival: Floats
    se: Floats
    at_risk: Floats


@dataclass(frozen=True)
class LogRank:
    """Comparison of survival between groups.

    Parameters
    ----------
    groups : tuple of str
    observed, expected : ndarray of shape (groups,)
        Events seen, and those expected if all groups had the same hazard.
    statistic : float
    p_value : float
        From χ² with groups − 1 degrees of freedom.
    """

    groups: tuple[str, ...]
    observed: Floats
    expected: Floats
    statistic: float
    p_value: float


def kaplan_meier(time: ArrayLike, observed: ArrayLike, *, at: ArrayLike | None = None) -> SurvivalCurve:
    """Estimate the probability of no event by each time: Π(1 − d/Y).

    Parameters
    ----------
    time : array of shape (n,)
        Until the event, or until the patient was last seen without it.
    observed : array of bool of shape (n,)
        Whether the event was seen.
    at : array of shape (m,), optional
        Times at which to look; without them all distinct ones.

    Returns
    -------
    SurvivalCurve

    References
    ----------
    Kaplan EL, Meier P. Nonparametric estimation from incomplete observations. JASA 1958;53:457-481.
    """
    table = RiskTable.of(time)
    events = table.count(observed)
    points = table.times if at is None else np.atleast_1d(np.asarray(at, dtype=float))
    place = table.up_to(points)
    survival = np.concatenate([[1.0], np.cumprod(1 - events / table.at_risk)])[place]
    greenwood = running_sum(share(events, table.at_risk * (table.at_risk - events)))[place]
    later = np.searchsorted(table.times, points, side="left")
    at_risk = np.append(table.at_risk, 0.0)[later]
    return SurvivalCurve(points, survival, survival * np.sqrt(greenwood), at_risk)


def probability_interval(
    value: ArrayLike, se: ArrayLike, *, scale: Scale = "log-log", level: float = 0.95
) -> tuple[Floats, Floats]:
    """Limits of a survival probability or a cumulative incidence, normal on the chosen scale.

    log: v·exp(± z·SE/v); log-log: v^exp(± z·SE/(v·ln v)); plain: v ± z·SE; cut at 0 and 1.

    Parameters
    ----------
    value, se : array of shape (m,)
    scale : {"log", "log-log", "plain"}
        The second keeps within (0, 1) by itself and covers best in small samples.
    level : float

    Returns
    -------
    tuple of ndarray of shape (m,)
        NaN at a value of 0 or 1 on a logarithmic scale that is not defined there.
    """
    v, error = np.asarray(value, dtype=float), np.asarray(se, dtype=float)
    half = float(norm.ppf((1 + level) / 2)) * error
    with np.errstate(divide="ignore", invalid="ignore"):
        if scale == "plain":
            ends = v - half, v + half
        elif scale == "log":
            ends = v * np.exp(-half / v), v * np.exp(half / v)
        else:
            spread = np.exp(half / np.abs(v * np.log(v)))
            ends = v**spread, v ** (1 / spread)
    return np.clip(ends[0], 0, 1), np.clip(ends[1], 0, 1)


def median_time(
    time: ArrayLike, observed: ArrayLike, *, scale: Scale = "log", level: float = 0.95
) -> tuple[float, float, float]:
    """Time by which half of the patients have had the event, with its limits.

    Parameters
    ----------
    time, observed : array of shape (n,)
    scale, level
        Of `probability_interval`: the limits are where those of the curve cross one half.

    Returns
    -------
    tuple of float
        Median, lower and upper limit; NaN where a curve never comes down to one half.
    """
    curve = kaplan_meier(time, observed)
    low, high = probability_interval(curve.survival, curve.se, scale=scale, level=level)
    median, lower, upper = (_first_at_half(curve.at, one) for one in (curve.survival, low, high))
    return median, lower, upper


def _first_at_half(times: Floats, curve: Floats) -> float:
    half = curve <= 0.5 + 1e-12
    if not half.any():
        return float("nan")
    first = int(np.argmax(half))
    beyond = np.flatnonzero(curve < 0.5 - 1e-12)
    # A curve that rests at one half has its median in the middle of the rest.
    if abs(curve[first] - 0.5) <= 1e-12 and len(beyond):
        return float((times[first] + times[beyond[0]]) / 2)
    return float(times[first])


def log_rank(time: ArrayLike, observed: ArrayLike, groups: ArrayLike) -> LogRank:
    """Test whether groups have the same hazard, with the hypergeometric variance.

    Parameters
    ----------
    time, observed : array of shape (n,)
    groups : array of shape (n,)

    Returns
    -------
    LogRank

    Raises
    ------
    ValueError
        With a single group.

    References
    ----------
    Mantel N. Evaluation of survival data and two new rank order statistics. Cancer Chemother Rep 1966;50:163-170.
    """
    labels, codes = np.unique(np.asarray(groups), return_inverse=True)
    if len(labels) < 2:
        raise ValueError("A comparison needs two groups at least.")
    table, seen = RiskTable.of(time), np.asarray(observed, dtype=float)
    member = [(codes == k).astype(float) for k in range(len(labels))]
    here = np.stack([np.cumsum(table.count(one)[::-1])[::-1] for one in member])
    events, at_risk = table.count(seen), table.at_risk
    part = here / at_risk
    happened = np.array([float((one * seen).sum()) for one in member])
    expected = part @ events
    factor = events * share(at_risk - events, at_risk - 1)
    covariance = np.diag(part @ factor) - (part * factor) @ part.T
    difference = (happened - expected)[:-1]
    statistic = float(difference @ np.linalg.solve(covariance[:-1, :-1], difference))
    p_value = float(chi2.sf(statistic, len(labels) - 1))
    return LogRank(tuple(map(str, labels)), happened, expected, statistic, p_value)
