"""Out-of-fold predictions → tidy tables and the verdict.

Every interval comes from one cluster bootstrap that all procedures and metrics share: whole clusters are
resampled, and a resampled patient brings its predictions of all repeats along; percentiles are read as far out as
the number of clusters asks for (`predictor.validation.uncertainty.expanded_level`). The fitted models are held
fixed, so the intervals cover the sampling of the tested patients and not the refitting; the verdict's
standard error covers both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from predictor.models.plain import logit
from predictor.validation.calibration import calibration_intercept, calibration_slope
from predictor.validation.counts import group_rates, interval_words, plain_counts
from predictor.validation.curves import (
    calibration_bins,
    calibration_curves,
    net_benefits,
    operating_points,
    prediction_histogram,
    roc_curves,
)
from predictor.validation.discrimination import within_fold_auc
from predictor.validation.further import further_performance
from predictor.validation.overall import CLIP, brier, log_loss, log_losses, scaled_brier
from predictor.validation.procedures import Positions, Procedure, arrange, fold_means, over_repeats, table_row
from predictor.validation.uncertainty import cluster_weights, expanded_level
from predictor.validation.verdict import Comparison, Verdict, compare_losses, decide

__all__ = ["METRICS", "Evaluation", "evaluate", "reach_verdict"]

Floats = NDArray[np.float64]

METRICS = ("auc", "brier", "scaled_brier", "log_loss", "calibration_intercept", "calibration_slope")
DENSE = np.round(np.arange(5, 96) / 100, 2)


@dataclass(frozen=True)
class Evaluation:
    """How good, how sure, compared with what.

    Parameters
    ----------
    performance : DataFrame
        ``procedure``, ``kind``, ``metric`` (one of `METRICS`), ``value``, ``low``, ``high``. AUC is over
        pairs within folds; everything is computed per repeat and averaged over repeats.
    further : DataFrame
        Judged procedure; see `further.further_performance`.
    net_benefit : DataFrame
        At the declared thresholds, with limits; see `curves.net_benefits`.
    decision_curve : DataFrame
        The same from 0.05 to 0.95, without limits, for the judged procedure, the references and the two
        strategies.
    calibration : DataFrame
        Judged procedure and references; see `curves.calibration_curves`.
    calibration_bins, histogram, operating : DataFrame
        Judged procedure; see `curves`.
    roc : DataFrame
        See `curves.roc_curves`.
    comparisons : DataFrame
        The judged procedure against each reference: ``reference``, ``gain``, ``se``, ``df``, ``low``,
        ``high``, ``upper``.
    between_references : tuple of Comparison
        Each reference against those before it, named as in ``severity + plan over plan``.
    verdict : Verdict
    group_rates : DataFrame
        See `counts.group_rates`.
    counts : DataFrame
        Judged procedure; see `counts.plain_counts`.
    log_odds : tuple of (float, float)
        Judged procedure: mean and SD of its log-odds over the patients, averaged over repeats.
    """

    performance: pd.DataFrame
    further: pd.DataFrame
    net_benefit: pd.DataFrame
    decision_curve: pd.DataFrame
    calibration: pd.DataFrame
    calibration_bins: pd.DataFrame
    histogram: pd.DataFrame
    operating: pd.DataFrame
    roc: pd.DataFrame
    comparisons: pd.DataFrame
    between_references: tuple[Comparison, ...]
    verdict: Verdict
    group_rates: pd.DataFrame
    counts: pd.DataFrame
    log_odds: tuple[float, float]

    @property
    def plain_counts(self) -> dict[str, int] | None:
        """`counts` in whole numbers for the patient report; None where nobody was given one side of the cut."""
        if not np.isfinite(self.counts["per_100"]).all():
            return None
        above, below = (round(float(share)) for share in self.counts["per_100"])
        cut = round(100 * float(self.counts["cut"].iloc[0]))
        return {"threshold": cut, "above_responded": above, "below_responded": below}

    @property
    def group_interval(self) -> str:
        """How the limits of the group rates were made, in words."""
        return interval_words(self.group_rates)


def evaluate(
    predictions: pd.DataFrame,
    *,
    y: ArrayLike,
    groups: ArrayLike,
    plan: ArrayLike,
    thresholds: Sequence[float],
    level: float,
    resamples: int,
    seed: int,
) -> Evaluation:
    """Evaluate out-of-fold predictions and give the verdict about the judged procedure.

    Parameters
    ----------
    predictions : DataFrame
        ``procedure``, ``kind`` (``reference``, ``candidate``, ``judged``), ``repeat``, ``fold``, ``row``
        (position in y), ``p``; one row per procedure, repeat and patient with an outcome, the same folds
        for every procedure.
    y : array of shape (n,)
        1 responder, 0 not, NaN where not evaluable.
    groups, plan : array of shape (n,)
        Cluster (or patient) and planned treatment.
    thresholds : sequence of float
        The clinic's, for net benefit.
    level : float
        Of the intervals of every table; the verdict's limits are fixed.
    resamples, seed : int

    Returns
    -------
    Evaluation

    Raises
    ------
    ValueError
        If the predictions do not have that shape.
    """
    rows, procedures = arrange(predictions)
    outcome = np.asarray(y, dtype=float)[rows]
    labels, arms = np.asarray(groups)[rows], np.asarray(plan)[rows]
    if not np.isin(outcome, (0, 1)).all():
        raise ValueError("Every predicted patient needs an outcome of 0 or 1; leave the others out.")
    itself, read = np.ones((1, len(rows))), expanded_level(level, len(np.unique(labels)))
    weights = np.vstack([itself, cluster_weights(labels, resamples=resamples, seed=seed)])
    judged = next(one for one in procedures if one.kind == "judged")
    references = [one for one in procedures if one.kind == "reference"]
    comparisons = _compare([judged], references, outcome, labels)
    own = predictions[predictions["kind"] == "judged"]
    return Evaluation(
        performance=_performance(outcome, procedures, weights, level=read),
        further=further_performance(outcome, judged, weights, level=read),
        net_benefit=net_benefits(outcome, procedures, weights, thresholds=thresholds, level=read),
        decision_curve=net_benefits(
            outcome, [judged, *references], itself, thresholds=DENSE.tolist(), level=level
        ).drop(columns=["low", "high"]),
        calibration=calibration_curves(outcome, [judged, *references], weights, level=read),
        calibration_bins=calibration_bins(outcome, judged, level=level),
        histogram=prediction_histogram(judged),
        operating=operating_points(outcome, judged, thresholds=thresholds),
        roc=roc_curves(outcome, procedures),
        comparisons=pd.DataFrame([asdict(one) for one in comparisons]),
        between_references=tuple(_compare(references, references, outcome, labels)),
        verdict=decide(comparisons, y=outcome, groups=labels, plan=arms),
        group_rates=group_rates(outcome, labels, arms, level=level),
        counts=plain_counts(own, y, groups=groups, level=level),
        log_odds=_spread(judged),
    )


def reach_verdict(predictions: pd.DataFrame, *, y: ArrayLike, groups: ArrayLike, plan: ArrayLike) -> Verdict:
    """Give the verdict about the judged procedure and nothing else; what is drawn for intervals does not bear on it.

    Parameters
    ----------
    predictions, y, groups, plan
        As in `evaluate`.
    """
    rows, procedures = arrange(predictions)
    outcome, labels, arms = (np.asarray(values)[rows] for values in (y, groups, plan))
    judged = next(one for one in procedures if one.kind == "judged")
    references = [one for one in procedures if one.kind == "reference"]
    comparisons = _compare([judged], references, np.asarray(outcome, dtype=float), labels)
    return decide(comparisons, y=outcome, groups=labels, plan=arms)


def _spread(one: Procedure) -> tuple[float, float]:
    log_odds = logit(np.clip(one.p, CLIP, 1 - CLIP))
    return float(log_odds.mean()), float(log_odds.std(axis=1, ddof=1).mean())


def _compare(
    procedures: Sequence[Procedure], references: Sequence[Procedure], y: Floats, groups: ArrayLike
) -> list[Comparison]:
    """Compare each procedure with each reference; references among themselves only with those before."""
    found = []
    for i, one in enumerate(procedures):
        among = one.kind == "reference"
        for reference in references[:i] if among else references:
            losses = [np.stack([log_losses(y, p) for p in each.p]) for each in (reference, one)]
            gains = fold_means(losses[0] - losses[1], one.fold)
            name = f"{one.name} over {reference.name}" if among else reference.name
            found.append(compare_losses(*losses, groups=groups, fold_gains=gains, reference=name))
    return found


def _performance(
    y: Floats, procedures: Sequence[Procedure], weights: Floats, *, level: float
) -> pd.DataFrame:
    metrics: dict[str, Callable[[Floats, Positions], Floats]] = {
        "auc": lambda p, fold: within_fold_auc(y, p, fold, weights=weights),
        "brier": lambda p, _: brier(y, p, weights=weights),
        "scaled_brier": lambda p, _: scaled_brier(y, p, weights=weights),
        "log_loss": lambda p, _: log_loss(y, p, weights=weights),
        "calibration_intercept": lambda p, _: calibration_intercept(y, p, weights=weights),
        "calibration_slope": lambda p, _: calibration_slope(y, p, weights=weights),
    }
    lines = []
    for one in procedures:
        for name in METRICS:
            # A prevalence varies between folds only, and there against the outcome: its slope means nothing.
            meaningless = name == "calibration_slope" and one.values_per_fold == 1
            draws = np.full(len(weights), np.nan) if meaningless else over_repeats(one, metrics[name])
            lines.append(table_row(one, draws, level, metric=name))
    return pd.DataFrame(lines)
