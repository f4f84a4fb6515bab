"""What a declared block of features adds: the average with it against the average without it, on the same folds.

Every pair of feature sets of which one holds all groups of the other is such a block. The limits are simultaneous over
all blocks: each is as wide as its share of the error allows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student

from predictor.validation.assembly import FoldResult
from predictor.validation.discrimination import within_fold_auc
from predictor.validation.overall import log_losses
from predictor.validation.procedures import Procedure, fold_means, over_repeats, procedures_of
from predictor.validation.uncertainty import (
    cluster_standard_error,
    cluster_weights,
    expanded_level,
    standard_error_interval,
)
from predictor.validation.utility import net_benefit
from predictor.validation.verdict import repeated_fold_standard_error

__all__ = ["Block", "adjust_holm", "find_blocks", "increment_table", "set_predictions", "share_of_plan"]

Floats = NDArray[np.float64]
Positions = NDArray[np.int64]

COLUMNS = ["block", "smaller", "larger", "metric", "value", "low", "high", "p", "p_adjusted", "shown"]


@dataclass(frozen=True)
class Block:
    """Feature groups that one set has and another has not.

    Parameters
    ----------
    name : str
        Groups that are added, joined by ``+``.
    smaller, larger : str
        The two feature sets.
    """

    name: str
    smaller: str
    larger: str


def find_blocks(sets: Mapping[str, Sequence[str]]) -> list[Block]:
    """Find every pair of declared sets of which one holds all groups of the other and more.

    Parameters
    ----------
    sets : mapping of str to sequence of str
        Groups of each feature set, as declared.
    """
    return [
        Block(" + ".join(group for group in sets[larger] if group not in sets[smaller]), smaller, larger)
        for smaller, larger in permutations(sets, 2)
        if set(sets[smaller]) < set(sets[larger])
    ]


def set_predictions(results: Sequence[FoldResult], *, positions: NDArray[np.intp]) -> pd.DataFrame:
    """Return the out-of-fold predictions of each feature set's own average as one tidy frame.

    Parameters
    ----------
    results : sequence of FoldResult
    positions : ndarray of int
        Position in the cohort of each evaluable unit.

    Returns
    -------
    DataFrame
        As `predictor.validation.resampling.fold_predictions`, of kind ``set``; empty with a single feature set.
    """
    pieces = [
        pd.DataFrame(
            {
                "procedure": name,
                "kind": "set",
                "repeat": result.fold.repeat,
                "fold": result.fold.fold,
                "row": positions[result.fold.test],
                "p": p,
            }
        )
        for result in results
        for name, p in result.by_set.items()
    ]
    columns = ["procedure", "kind", "repeat", "fold", "row", "p"]
    return pd.concat(pieces, ignore_index=True) if pieces else pd.DataFrame(columns=columns)


def increment_table(
    predictions: pd.DataFrame,
    blocks: Sequence[Block],
    *,
    y: ArrayLike,
    groups: ArrayLike,
    thresholds: Sequence[float],
    level: float,
    resamples: int,
    seed: int,
) -> pd.DataFrame:
    """Compare each block's two sets out of fold.

    Parameters
    ----------
    predictions : DataFrame
        From `set_predictions`.
    blocks : sequence of Block
    y, groups : array of shape (n,)
        Of the whole cohort; rows without an outcome are not in ``predictions``.
    thresholds : sequence of float
    level : float
        Held by all blocks together.
    resamples, seed : int
        Of the cluster bootstrap behind the limits of AUC and net benefit.

    Returns
    -------
    DataFrame
        ``block``, ``smaller``, ``larger``, ``metric`` (gain in log loss, Brier score and AUC, and in net benefit at
        each threshold; above 0 the block helps), ``value``, ``low``, ``high`` (simultaneous over blocks), ``p``
        (two-sided, of log loss and Brier score), ``p_adjusted`` (Holm over blocks) and ``shown``: whether the block was
        shown to add to the log loss.
    """
    if not blocks or predictions.empty:
        return pd.DataFrame(columns=COLUMNS)
    rows, procedures = procedures_of(predictions)
    named = {one.name: one for one in procedures}
    outcome, labels = np.asarray(y, dtype=float)[rows], np.asarray(groups)[rows]
    weights = np.vstack([np.ones((1, len(rows))), cluster_weights(labels, resamples=resamples, seed=seed)])
    shared = 1 - (1 - level) / len(blocks)
    read = expanded_level(shared, len(np.unique(labels)))
    lines = []
    for block in blocks:
        pair = (named[block.smaller], named[block.larger])
        found = [*_losses(pair, outcome, labels, shared), *_drawn(pair, outcome, weights, thresholds, read)]
        lines += [
            {"block": block.name, "smaller": block.smaller, "larger": block.larger, **one} for one in found
        ]
    table = pd.DataFrame(lines)
    table["p_adjusted"] = table.groupby("metric")["p"].transform(lambda p: adjust_holm(p.to_numpy()))
    table["shown"] = (
        (table["metric"] == "log_loss") & (table["p_adjusted"] < 1 - level) & (table["value"] > 0)
    )
    return table[COLUMNS]


def _losses(
    pair: tuple[Procedure, Procedure], y: Floats, labels: NDArray[np.generic], level: float
) -> list[dict[str, object]]:
    """Mean differences of a loss per patient, with the larger of two standard errors: of clusters and of folds."""
    losses: dict[str, Callable[[Floats], Floats]] = {
        "log_loss": lambda p: log_losses(y, p),
        "brier": lambda p: np.asarray((p - y) ** 2),
    }
    found: list[dict[str, object]] = []
    for name, loss in losses.items():
        smaller, larger = (np.stack([loss(p) for p in one.p]) for one in pair)
        d = smaller - larger
        gain, df = float(d.mean()), len(np.unique(labels)) - 1
        se = float(
            np.fmax(
                cluster_standard_error(d.mean(axis=0), labels),
                repeated_fold_standard_error(fold_means(d, pair[0].fold)),
            )
        )
        wide = float(student.ppf((1 + level) / 2, df)) * se
        p = float(2 * student.sf(abs(gain) / se, df)) if se > 0 else 1.0
        found.append({"metric": name, "value": gain, "low": gain - wide, "high": gain + wide, "p": p})
    return found


def _drawn(
    pair: tuple[Procedure, Procedure],
    y: Floats,
    weights: Floats,
    thresholds: Sequence[float],
    level: float,
) -> list[dict[str, object]]:
    """Differences of what is no mean over patients, with limits by the standard error of the cluster bootstrap."""
    aucs = [over_repeats(one, lambda p, fold: within_fold_auc(y, p, fold, weights=weights)) for one in pair]
    cuts = list(thresholds)
    benefits = [over_repeats(one, lambda p, _: net_benefit(y, p, cuts, weights=weights)) for one in pair]
    draws = {"auc": aucs[1] - aucs[0]}
    draws |= {f"net_benefit_{cut:g}": (benefits[1] - benefits[0])[:, i] for i, cut in enumerate(cuts)}
    found: list[dict[str, object]] = []
    for name, values in draws.items():
        low, high = standard_error_interval(float(values[0]), values[1:], level=level)
        found.append({"metric": name, "value": float(values[0]), "low": low, "high": high, "p": np.nan})
    return found


def adjust_holm(p: ArrayLike) -> Floats:
    """Adjust p values so that all are judged at once: step down, p₍ᵢ₎·(m − i + 1), never decreasing, at most 1.

    Parameters
    ----------
    p : array of shape (m,)

    References
    ----------
    Holm S. A simple sequentially rejective multiple test procedure. Scand J Stat 1979;6:65-70.
    """
    values = np.asarray(p, dtype=float)
    order = np.argsort(values, kind="stable")
    stepped = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    adjusted = np.empty(len(values))
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def share_of_plan(performance: pd.DataFrame) -> float:
    """Share of the judged procedure's discrimination that the plan alone has: (AUC of the plan − ½) / (AUC − ½).

    Parameters
    ----------
    performance : DataFrame
        Of `predictor.validation.evaluation.Evaluation`.

    Returns
    -------
    float
        Above ½, most of what is known comes from the treatment and not from the patient; NaN where the plan is no
        feature or nothing is told apart.
    """
    auc = performance[performance["metric"] == "auc"]
    plan = auc.loc[(auc["procedure"] == "plan") & (auc["kind"] == "reference"), "value"]
    judged = auc.loc[auc["kind"] == "judged", "value"]
    if plan.empty or not float(judged.iloc[0]) > 0.5:
        return float("nan")
    return float((plan.iloc[0] - 0.5) / (judged.iloc[0] - 0.5))
