"""Is the procedure better than the references? One of three answers, by rules fixed beforehand.

The formulas and constants, and why they are what they are, stand in docs/decisions/0002-verdict.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student

from predictor.validation.sample_size import information_gain
from predictor.validation.uncertainty import (
    cluster_standard_error,
    effective_sample_size,
    intraclass_correlation,
)

__all__ = [
    "FEWEST",
    "Comparison",
    "Label",
    "Verdict",
    "compare_losses",
    "decide",
    "plan_residuals",
    "repeated_fold_standard_error",
]

Label = Literal["better", "no_better", "too_little"]
Floats = NDArray[np.float64]

FEWEST = 20  # events, non-events and clusters below which nothing is judged
MARGIN_AUC = 0.60  # a gain below what one lone predictor of this AUC brings does not count
PLAUSIBLE_AUC = 0.70  # a gain that enough data would have shown
NEEDED = 15.7  # over the gain at PLAUSIBLE_AUC: the effective n from which "no better" may be said


@dataclass(frozen=True)
class Comparison:
    """The procedure against one reference: gain in mean log loss, nats per patient, above 0 is better.

    Parameters
    ----------
    reference : str
    gain : float
        Mean over patients of (log loss of the reference − log loss of the procedure).
    se : float
        The larger of the cluster-robust and the repeated-fold standard error.
    df : int
        Degrees of freedom of t: clusters − 1.
    low, high : float
        Limits of the two-sided 95 % interval; `low` is the lower 97.5 % limit that *better* asks to be
        above 0.
    upper : float
        One-sided upper 95 % limit: a larger gain is excluded.
    """

    reference: str
    gain: float
    se: float
    df: int
    low: float
    high: float
    upper: float


@dataclass(frozen=True)
class Verdict:
    """What the data say about the judged procedure, and the figures that decided it.

    Parameters
    ----------
    label : {"better", "no_better", "too_little"}
    margin : float
        Smallest gain that counts, nats; NaN with one outcome class only.
    needed_n : float
        Effective patients from which "no better" may be said; NaN with one outcome class only.
    effective_n : float
        How many independent patients these are worth.
    icc : float
        Intraclass correlation of the outcome after subtracting the plan's means.
    events, non_events, clusters : int
        Clusters are patients where none are declared.
    comparisons : tuple of Comparison
        One for each reference.
    """

    label: Label
    margin: float
    needed_n: float
    effective_n: float
    icc: float
    events: int
    non_events: int
    clusters: int
    comparisons: tuple[Comparison, ...]

    @property
    def gain_not_excluded(self) -> float:
        """Smallest one-sided upper limit over the references: a gain over all of them can be no larger."""
        return _closest(self.comparisons).upper

    @property
    def sentence(self) -> str:
        """The verdict in plain English, with the figures that decided it."""
        if self.label == "better":
            return _say_better(self)
        if self.label == "no_better":
            return _say_no_better(self)
        return _say_too_little(self)


def repeated_fold_standard_error(fold_gains: ArrayLike) -> float:
    """Return the standard error of a gain from repeated cross-validation: √[(1/(KR) + 1/(K − 1))·s²].

    The second term stands for the overlap of the training parts, without which K·R folds would count as K·R
    independent studies.

    Parameters
    ----------
    fold_gains : array of shape (R, K)
        Mean gain in each of K folds of R repeats; NaN where a fold tested nobody.

    Returns
    -------
    float
        NaN with fewer than two folds.

    References
    ----------
    Nadeau C, Bengio Y. Inference for the generalization error. Machine Learning 2003;52:239-281.
    """
    gains = np.atleast_2d(np.asarray(fold_gains, dtype=float))
    folds, tested = gains.shape[1], gains[np.isfinite(gains)]
    if folds < 2 or len(tested) < 2:
        return float("nan")
    return float(np.sqrt((1 / len(tested) + 1 / (folds - 1)) * tested.var(ddof=1)))


def compare_losses(
    loss_reference: ArrayLike,
    loss_procedure: ArrayLike,
    *,
    groups: ArrayLike,
    fold_gains: ArrayLike,
    reference: str = "",
) -> Comparison:
    """Compare the procedure's log loss with a reference's on the same patients and folds.

    Parameters
    ----------
    loss_reference, loss_procedure : array of shape (n,) or (R, n)
        Each patient's log loss; averaged over the repeats.
    groups : array of shape (n,)
        Cluster of each patient, or the patient.
    fold_gains : array of shape (R, K)
        Mean of (reference − procedure) in each fold of each repeat.
    reference : str
        Name to carry along.

    Returns
    -------
    Comparison
        Limits are NaN with a single cluster.
    """
    d = np.atleast_2d(np.asarray(loss_reference, dtype=float) - np.asarray(loss_procedure, dtype=float))
    mean = d.mean(axis=0)
    gain, df = float(mean.mean()), len(np.unique(np.asarray(groups))) - 1
    robust = cluster_standard_error(mean, groups)
    se = float(np.fmax(robust, repeated_fold_standard_error(fold_gains))) if df > 0 else float("nan")
    wide, narrow = (float(student.ppf(q, df)) * se if df > 0 else float("nan") for q in (0.975, 0.95))
    return Comparison(reference, gain, se, df, low=gain - wide, high=gain + wide, upper=gain + narrow)


def plan_residuals(y: ArrayLike, plan: ArrayLike) -> Floats:
    """Outcome after subtracting the mean of the patients with the same plan.

    Parameters
    ----------
    y : array of shape (n,)
    plan : array of shape (n,)

    Returns
    -------
    ndarray of shape (n,)
    """
    outcome = np.asarray(y, dtype=float)
    _, codes = np.unique(np.asarray(plan).astype(str), return_inverse=True)
    means = np.bincount(codes, weights=outcome) / np.maximum(np.bincount(codes), 1)
    return np.asarray(outcome - means[codes], dtype=float)


def decide(comparisons: Sequence[Comparison], *, y: ArrayLike, groups: ArrayLike, plan: ArrayLike) -> Verdict:
    """Give the verdict.

    (a) *too little* with fewer than 20 events, non-events or clusters; (b) *better* if against every
    reference the lower 97.5 % limit is above 0 and the gain reaches the margin; (c) *no better* if against
    some reference the one-sided upper 95 % limit is below the margin and the effective n suffices; (d)
    otherwise *too little*.

    Parameters
    ----------
    comparisons : sequence of Comparison
        At least one.
    y : array of shape (n,)
        1 responder, 0 not, NaN where not evaluable (such patients are left out).
    groups, plan : array of shape (n,)

    Returns
    -------
    Verdict

    Raises
    ------
    ValueError
        Without a comparison.
    """
    if not comparisons:
        raise ValueError("A verdict needs at least one reference.")
    evaluable = np.isfinite(np.asarray(y, dtype=float))
    outcome, labels = np.asarray(y, dtype=float)[evaluable], np.asarray(groups)[evaluable]
    events, n = int(outcome.sum()), len(outcome)
    margin = needed = float("nan")
    if 0 < events < n:
        margin = information_gain(MARGIN_AUC, events / n)
        needed = NEEDED / information_gain(PLAUSIBLE_AUC, events / n)
    icc = intraclass_correlation(plan_residuals(outcome, np.asarray(plan)[evaluable]), labels)
    effective, clusters = effective_sample_size(labels, icc), len(np.unique(labels))
    enough = min(events, n - events, clusters) >= FEWEST
    label = _label(comparisons, margin=margin, enough=enough, sufficient=effective >= needed)
    return Verdict(
        label=label,
        margin=margin,
        needed_n=float(ceil(needed)) if np.isfinite(needed) else needed,
        effective_n=effective,
        icc=icc,
        events=events,
        non_events=n - events,
        clusters=clusters,
        comparisons=tuple(comparisons),
    )


def _label(comparisons: Sequence[Comparison], *, margin: float, enough: bool, sufficient: bool) -> Label:
    if not enough:
        return "too_little"
    if all(one.low > 0 and one.gain >= margin for one in comparisons):
        return "better"
    if sufficient and any(one.upper < margin for one in comparisons):
        return "no_better"
    return "too_little"


def _closest(comparisons: Sequence[Comparison]) -> Comparison:
    """Return the reference that leaves the least gain open."""
    return min(comparisons, key=lambda one: one.upper if np.isfinite(one.upper) else np.inf)


def _figures(one: Comparison) -> str:
    limits = f"95 % limits {one.low:.3f} to {one.high:.3f}"
    return f"against {one.reference} the gain is {one.gain:.3f} in log loss ({limits})"


def _say_better(verdict: Verdict) -> str:
    hardest = min(verdict.comparisons, key=lambda one: one.low)
    return f"Better than every reference: {_figures(hardest)}; a gain counts from {verdict.margin:.3f}."


def _say_no_better(verdict: Verdict) -> str:
    closest, n = _closest(verdict.comparisons), verdict.events + verdict.non_events
    return (
        f"No better than the references: with these {n} patients, nothing that this procedure uses was shown to add "
        f"to {closest.reference}; {_figures(closest)}. A gain above {closest.upper:.3f} is excluded, and one below "
        f"{verdict.margin:.3f} does not count."
    )


def _say_too_little(verdict: Verdict) -> str:
    if min(verdict.events, verdict.non_events, verdict.clusters) < FEWEST:
        return (
            f"Too little data to tell: {verdict.events} responders, {verdict.non_events} non-responders and "
            f"{verdict.clusters} independent patients or clusters, where at least {FEWEST} of each are needed."
        )
    closest = _closest(verdict.comparisons)
    if closest.upper < verdict.margin:
        return (
            f"Too little data to tell: {_figures(closest)}, but these patients are worth {verdict.effective_n:.0f} "
            f"independent ones, and {verdict.needed_n:.0f} are needed to say that there is no gain."
        )
    return (
        f"Too little data to tell: {_figures(closest)}; a gain of {verdict.margin:.3f} or more is neither shown nor "
        f"excluded over every reference, as it may be up to {closest.upper:.3f}."
    )
