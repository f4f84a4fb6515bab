"""Whether predicted risks of an event by a time come true, when some patients are censored before it.

A patient whose state at the time is known stands for those like him who were censored before: he is weighted
by 1/G, the inverse of the probability of not being censored yet. Standard errors are infinitesimal jackknives,
in which G is estimated too and not taken for the truth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from predictor.validation.censoring import Censoring
from predictor.validation.competing_risks import cumulative_incidence
from predictor.validation.risk_table import running_sum
from predictor.validation.uncertainty import Estimate

__all__ = [
    "Concordance",
    "RiskPerformance",
    "concordance",
    "risk_performance",
]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Concordance:
    """Share of comparable pairs in which the patient with the earlier event had the higher score.

    Parameters
    ----------
    value : float
        0.5 is chance, 1 perfect; NaN without a comparable pair.
    concordant, discordant, tied : float
        Pairs, weighted in Uno's version; tied are those of equal score, which count half.
    se : float
        Infinitesimal jackknife of the value; in Uno's version G is taken for known, which is a little too wide.
    """

    value: float
    concordant: float
    discordant: float
    tied: float
    se: float


@dataclass(frozen=True)
class RiskPerformance:
    """Performance of predicted risks by one time.

    Parameters
    ----------
    time : float
    auc : Estimate
        Cases are those with the event by the time, controls all others; NaN without either.
    brier : Estimate
        Mean squared difference between risk and what happened.
    brier_null : float
        Of the cumulative incidence, given to everybody.
    auc_influence, brier_influence : ndarray of shape (n,)
        n·∂/∂wᵢ; two models on the same patients are compared by the standard deviation of the difference / √n.
    """

    time: float
    auc: Estimate
    brier: Estimate
    brier_null: float
    auc_influence: Floats
    brier_influence: Floats

    @property
    def scaled_brier(self) -> float:
        """1 − Brier / Brier of the cumulative incidence (index of prediction accuracy); 0 is no better."""
        return 1 - self.brier.value / self.brier_null


def concordance(
    time: ArrayLike, event: ArrayLike, score: ArrayLike, *, until: float = np.inf, uno: bool = False
) -> Concordance:
    """Compare pairs of a patient with an event and one who was without it for longer.

    Parameters
    ----------
    time, event : array of shape (n,)
        An event of 0 is censoring; a patient censored at the time of the other's event was without it longer.
    score : array of shape (n,)
        Higher for those expected to have the event earlier.
    until : float
        Only events up to this time count.
    uno : bool
        Weight each pair by 1/G(time−)², which takes away the dependence on who was censored; otherwise Harrell's.

    Returns
    -------
    Concordance

    References
    ----------
    Harrell FE et al. Evaluating the yield of medical tests. JAMA 1982;247:2543-2546. Uno H et al. On the C-statistics
    for evaluating overall adequacy of risk prediction procedures with censored survival data. Stat Med
    2011;30:1105-1117.
    """
    t, kind, risk = (np.asarray(values) for values in (time, event, score))
    censoring = Censoring.of(t, kind)
    weight = censoring.survival[censoring.table.place] ** -2.0 if uno else np.ones(len(t))
    counts, won, paired = np.zeros(3), np.zeros(len(t)), np.zeros(len(t))
    for i in np.flatnonzero((kind > 0) & (t <= until)):
        later = (t > t[i]) | ((t == t[i]) & (kind == 0))
        lower, equal = later & (risk < risk[i]), later & (risk == risk[i])
        counts += weight[i] * np.array([lower.sum(), (later & (risk > risk[i])).sum(), equal.sum()])
        wins = weight[i] * (lower + equal / 2)
        won += wins
        won[i] += wins.sum()
        paired += weight[i] * later
        paired[i] += weight[i] * later.sum()
    concordant, discordant, tied = map(float, counts)
    pairs = float(counts.sum())
    if not pairs > 0:
        return Concordance(float("nan"), concordant, discordant, tied, float("nan"))
    value = (concordant + tied / 2) / pairs
    # A patient's own weight adds his wins to the numerator and his pairs to the denominator.
    se = float(np.sqrt(np.sum((won - value * paired) ** 2)) / pairs)
    return Concordance(value, concordant, discordant, tied, se)


def risk_performance(
    time: ArrayLike, event: ArrayLike, risk: ArrayLike, *, at: float, cause: int = 1, level: float = 0.95
) -> RiskPerformance:
    """Judge predicted risks of a cause by one time.

    Parameters
    ----------
    time : array of shape (n,)
    event : array of int of shape (n,)
        0 censored, otherwise the cause.
    risk : array of shape (n,)
        Predicted probability that the cause has happened by `at`.
    at : float
    cause : int
    level : float

    Returns
    -------
    RiskPerformance

    References
    ----------
    Graf E et al. Assessment and comparison of prognostic classification schemes for survival data. Stat Med
    1999;18:2529-2545. Blanche P et al. Comparing and estimating time-dependent AUCs with competing risks. Stat Med
    2013;32:5381-5397.
    """
    t, kind, score = np.asarray(time, dtype=float), np.asarray(event), np.asarray(risk, dtype=float)
    censoring = Censoring.of(t, kind)
    happened = (kind > 0) & (t <= at)
    known = happened | (t > at)
    before = np.where(happened, censoring.table.place, censoring.table.up_to(at)[0])
    weight = np.where(known, 1 / np.where(known, censoring.survival[before], 1.0), 0.0)
    case = (happened & (kind == cause)).astype(float)
    brier, brier_influence = _weighted_brier(case, score, weight, before, censoring)
    auc, auc_influence = _weighted_auc(case, score, weight, before, censoring)
    rate = float(cumulative_incidence(t, kind, cause=cause, at=at).risk[0])
    null = float(np.mean(weight * (case - rate) ** 2))
    return RiskPerformance(
        at,
        _with_error(auc, auc_influence, level),
        _with_error(brier, brier_influence, level),
        null,
        auc_influence,
        brier_influence,
    )


def _with_error(value: float, influence: Floats, level: float) -> Estimate:
    se = float(influence.std(ddof=1) / np.sqrt(len(influence)))
    estimate = Estimate.wald(value, se, level=level)
    low, high = (float(np.clip(limit, 0, 1)) for limit in (estimate.low, estimate.high))
    return Estimate(value, low, high, se)


def _weighted_brier(
    case: Floats, score: Floats, weight: Floats, before: NDArray[np.intp], censoring: Censoring
) -> tuple[float, Floats]:
    loss = weight * (case - score) ** 2
    value = float(loss.mean())
    return value, loss - value - censoring.weighted_derivative(loss, before)


def _weighted_auc(
    case: Floats, score: Floats, weight: Floats, before: NDArray[np.intp], censoring: Censoring
) -> tuple[float, Floats]:
    """Weighted share of the pairs that the case wins, and its influence.

    With U the weighted wins and V the weighted pairs, AUC = U/V changes by (∂U − AUC·∂V)/V; what a patient's
    own weight adds to the numerator is the wins less AUC times the pairs.
    """
    cases, controls = weight * case, weight * (1 - case)
    pairs = cases.sum() * controls.sum()
    if not pairs > 0:
        return float("nan"), np.full(len(case), np.nan)
    won = _won(score, score, controls)
    lost = _won(-score, -score, cases)
    value = float(cases @ won / pairs)
    own = case * (won - value * controls.sum()) + (1 - case) * (lost - value * cases.sum())
    amount = own * weight
    return value, len(case) * (amount - censoring.weighted_derivative(amount, before)) / pairs


def _won(score: Floats, others: Floats, weight: Floats) -> Floats:
    """Weight of the others below each score, ties half."""
    order = np.argsort(others, kind="stable")
    running = running_sum(weight[order])
    below = np.searchsorted(others[order], score, side="left")
    upto = np.searchsorted(others[order], score, side="right")
    return np.asarray((running[below] + running[upto]) / 2)
