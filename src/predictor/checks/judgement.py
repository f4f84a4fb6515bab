"""What a finished training has to answer: pure functions of its tables, predictions and fitted models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.stats import chi2, norm

from predictor.checks.finding import Finding
from predictor.data.frames import rows_of
from predictor.models.catalog import FAMILIES
from predictor.validation.discrimination import auc
from predictor.validation.overall import log_losses
from predictor.validation.procedures import Procedure

if TYPE_CHECKING:
    from predictor.models.tuning import TunedClassifier

__all__ = [
    "implausibly_good",
    "mean_difference",
    "miscalibration",
    "no_better_than_permuted",
    "non_convergence",
    "overfitting",
    "search_edges",
    "sites_differ",
    "unstable_predictions",
]

OPTIMISM = 0.10
SLOPES = (0.80, 1.25)
INTERCEPT = 0.20  # log-odds: 5 points of 100 at a rate of one half
UNSTABLE = 0.10
SITE_GAP = 0.05
ALPHA = 0.05
PERMUTATIONS = 200
IMPLAUSIBLE = 0.80
NEAR_END = 0.05
FEWEST_VALUES = 3


def overfitting(y: np.ndarray, apparent: np.ndarray, performance: pd.DataFrame) -> Iterator[Finding]:
    """P007: the AUC on the patients of the fit is far above the one out of fold.

    Parameters
    ----------
    y : ndarray of shape (n,)
    apparent : ndarray of shape (n,)
        Probabilities of the final model for the patients it was fitted on.
    performance : DataFrame
        See `predictor.validation.evaluation.Evaluation`.
    """
    inside, outside = auc(y, apparent), _judged(performance, "auc")["value"]
    if inside - outside > OPTIMISM:
        yield Finding(
            "P007",
            "warning",
            "final model",
            f"an AUC of {inside:.3f} on the patients of the fit and of {outside:.3f} out of fold, a distance of "
            f"{inside - outside:.3f}",
        )


def search_edges(
    spaces: Mapping[str, Mapping[str, Any]],
    fitted: Mapping[str, TunedClassifier],
    weights: Mapping[str, float],
) -> Iterator[Finding]:
    """P008: a searched parameter ended at the end of its axis.

    Parameters
    ----------
    spaces : mapping of str to search space
        By candidate; an empty one means its family's own.
    fitted : mapping of str to TunedClassifier
    weights : mapping of str to float
        Of the candidates in the final model; those without a weight are not looked at.
    """
    for name, model in fitted.items():
        space = spaces.get(name) or FAMILIES[model.estimator].space
        chosen = model.best_params_ if weights.get(name, 0.0) > 0 else {}
        ends = [(key, _end(space[key], value)) for key, value in chosen.items() if key in space]
        for key, end in ends:
            if end:
                value = f"{chosen[key]:.4g}" if isinstance(chosen[key], float) else str(chosen[key])
                finding = (
                    f"{name.replace(' | ', ' on ')}: {key} = {value} is the {end} of the searched values"
                )
                yield Finding("P008", "notice", name, finding)


def _end(axis: Any, value: Any) -> str:
    """Say at which end of an axis of numbers a value lies, or nothing; see `predictor.models.search`."""
    kind, given = next(iter(axis.items())) if isinstance(axis, Mapping) else ("choice", axis)
    if any(isinstance(one, bool) or not isinstance(one, int | float) for one in (value, *given)):
        return ""
    if kind == "choice" and len(set(given)) < FEWEST_VALUES:
        return ""
    scale = np.log if kind == "log_uniform" else np.asarray
    low, at, high = (float(scale(one)) for one in (min(given), value, max(given)))
    # Drawn points do not reach the ends of a range.
    near = NEAR_END * (high - low) if kind in {"log_uniform", "uniform"} else 0.0
    if at <= low + near:
        return "lower end"
    return "upper end" if at >= high - near else ""


def non_convergence(fitted: Mapping[str, TunedClassifier]) -> Iterator[Finding]:
    """P009: a final fit ran out of steps, or could not be tuned.

    Parameters
    ----------
    fitted : mapping of str to TunedClassifier
    """
    for name, model in fitted.items():
        if not getattr(model.model_, "converged_", True):
            steps = getattr(model.model_, "n_iter_", 0)
            yield Finding(
                "P009", "warning", name, f"the final fit of {name} stopped at step {steps}, its last one"
            )
        if not np.isfinite(model.inner_log_loss_):
            yield Finding("P009", "warning", name, f"no inner split of {name} was possible: it was not tuned")


def miscalibration(performance: pd.DataFrame) -> Iterator[Finding]:
    """P010: the calibration line out of fold is surely off.

    Parameters
    ----------
    performance : DataFrame
    """
    slope, intercept = (
        _judged(performance, "calibration_slope"),
        _judged(performance, "calibration_intercept"),
    )
    off = not SLOPES[0] <= slope["value"] <= SLOPES[1]
    for name, one, far, ideal in (
        ("calibration slope", slope, off, 1.0),
        ("calibration intercept", intercept, abs(intercept["value"]) > INTERCEPT, 0.0),
    ):
        if far and (one["low"] > ideal or one["high"] < ideal):
            finding = f"{one['value']:.2f} (limits {one['low']:.2f} to {one['high']:.2f}); {ideal:g} is ideal"
            yield Finding("P010", "warning", name, f"the {name} out of fold is {finding}")


def unstable_predictions(difference: float, *, source: str) -> Iterator[Finding]:
    """P011: fits on other samples of the same patients disagree about a patient.

    Parameters
    ----------
    difference : float
        Mean absolute difference of a patient's probabilities, averaged over patients; NaN where nothing is compared.
    source : str
        What is compared, for the text.
    """
    if difference > UNSTABLE:
        finding = (
            f"{source} a patient's probability differs by {100 * difference:.0f} points of 100 on average"
        )
        yield Finding("P011", "warning", "predictions", finding)


def mean_difference(p: np.ndarray) -> float:
    """Mean over patients and pairs of fits of |p_i - p_j|; NaN with one fit.

    Parameters
    ----------
    p : ndarray of shape (fits, n)
        Probability of each patient by each fit.
    """
    fits = len(p)
    if fits < 2:
        return float("nan")
    # The sum over pairs by order statistics, which needs no table of pairs.
    place = (2 * np.arange(fits) - fits + 1)[:, np.newaxis]
    total = (place * np.sort(p, axis=0)).sum(axis=0)
    return float((total / (fits * (fits - 1) / 2)).mean())


def sites_differ(transport: pd.DataFrame, *, level: float) -> Iterator[Finding]:
    """P012: a site that was left out responded more or less than expected, or is ranked otherwise than the others.

    Parameters
    ----------
    transport : DataFrame
        See `predictor.validation.transport.transport_frame`; empty where nothing was left out.
    level : float
        Of its limits.
    """
    judged = transport[transport["note"] == ""] if len(transport) else transport
    for site in rows_of(judged):
        gap = site.observed - site.expected
        if abs(gap) >= SITE_GAP and not site.observed_low <= site.expected <= site.observed_high:
            yield Finding(
                "P012",
                "warning",
                f"site {site.site}",
                f"in site {site.site}, {100 * site.observed:.0f} of 100 responded where {100 * site.expected:.0f} were "
                f"expected (limits {100 * site.observed_low:.0f} to {100 * site.observed_high:.0f}, {site.n} patients)",
            )
    if len(judged) >= 2:
        yield from _heterogeneity(judged, level=level)


def _heterogeneity(sites: pd.DataFrame, *, level: float) -> Iterator[Finding]:
    """Cochran's Q over the sites' AUC: Σ w·(AUC − mean)², w = 1/SE²."""
    z = float(norm.ppf((1 + level) / 2))
    values, low = sites["auc"].to_numpy(float), sites["auc_low"].to_numpy(float)
    usable = values > low  # the upper limit is cut at 1, the lower one hardly ever at 0
    if usable.sum() < 2:
        return
    weights, values = (z / (values - low)[usable]) ** 2, values[usable]
    q = float((weights * (values - np.average(values, weights=weights)) ** 2).sum())
    p = float(chi2.sf(q, len(values) - 1))
    if p < ALPHA:
        finding = f"the AUC of {len(values)} sites lie between {values.min():.2f} and {values.max():.2f}"
        yield Finding(
            "P012", "warning", "AUC by site", f"{finding}, more apart than chance explains (p = {p:.3f})"
        )


def no_better_than_permuted(
    y: np.ndarray,
    judged: Procedure,
    plan: np.ndarray,
    *,
    groups: np.ndarray,
    seed: int,
    permutations: int = PERMUTATIONS,
) -> Iterator[Finding]:
    """P013: the log loss out of fold is not below that of outcomes exchanged inside each fold and plan.

    Parameters
    ----------
    y : ndarray of shape (n,)
    judged : Procedure
        Its predictions out of fold.
    plan, groups : ndarray of shape (n,)
        Outcomes of a cluster stay together; the patient's own key where there are no clusters.
    seed : int
    permutations : int
    """
    real, exchanged = permuted_losses(y, judged, plan, groups=groups, seed=seed, permutations=permutations)
    mean, wrong_way = float(exchanged.mean()), float(np.quantile(exchanged, 0.95))
    if real >= mean:
        finding = f"the log loss out of fold is {real:.4f}, and {mean:.4f} after outcomes are exchanged"
        severity: Any = "warning" if real > wrong_way else "notice"
        yield Finding("P013", severity, "judged procedure", finding)


def permuted_losses(
    y: np.ndarray,
    judged: Procedure,
    plan: np.ndarray,
    *,
    groups: np.ndarray,
    seed: int,
    permutations: int,
) -> tuple[float, np.ndarray]:
    """Return the log loss out of fold, and those of outcomes exchanged among patients of one fold and plan.

    Clusters are put into a random order, and their outcomes laid over the patients in that order, shuffled inside each
    cluster: what goes together goes on doing so, also where clusters differ in size or their patients in outcome. A
    cluster that is alone in its fold and plan exchanges within itself.

    Parameters
    ----------
    y, judged, plan, groups, seed, permutations
        As in `no_better_than_permuted`.

    Returns
    -------
    tuple of float and ndarray of shape (permutations,)
        Means over patients and repeats, in nats.
    """
    rng = np.random.default_rng(seed)
    arms, cluster = (np.unique(labels, return_inverse=True)[1] for labels in (plan, groups))
    real, exchanged = 0.0, np.zeros(permutations)
    for p, fold in zip(judged.p, judged.fold, strict=True):
        # -log p of each patient under either outcome: an exchange only chooses between the two.
        either = np.stack([log_losses(np.full(len(y), one), p) for one in (0, 1)])
        real += float(np.where(y == 1, either[1], either[0]).mean())
        stratum = fold * (arms.max() + 1) + arms
        order, places = np.lexsort((cluster, stratum)), np.arange(len(y))
        for b in range(permutations):
            turn = rng.random(cluster.max() + 1)[cluster]
            drawn = np.lexsort((rng.random(len(y)), turn, stratum))
            moved = np.empty(len(y), dtype=int)
            moved[order] = y[drawn].astype(int)
            exchanged[b] += float(either[moved, places].mean())
    return real / len(judged.p), exchanged / len(judged.p)


def implausibly_good(performance: pd.DataFrame) -> Iterator[Finding]:
    """P014: the AUC out of fold asks for a look.

    Parameters
    ----------
    performance : DataFrame
    """
    one = _judged(performance, "auc")
    if one["value"] >= IMPLAUSIBLE:
        finding = f"an AUC of {one['value']:.3f} (limits {one['low']:.3f} to {one['high']:.3f}) out of fold"
        yield Finding("P014", "notice", "judged procedure", finding)


def _judged(performance: pd.DataFrame, metric: str) -> Mapping[str, float]:
    """Value and limits of one metric of the judged procedure."""
    chosen = performance[(performance["kind"] == "judged") & (performance["metric"] == metric)].iloc[0]
    return {name: float(chosen[name]) for name in ("value", "low", "high")}
