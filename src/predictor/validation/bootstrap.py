"""The whole declared procedure on resampled patients: what its optimism and its stability are read from.

A resample is a fold whose training part holds some patients several times and whose test part is everybody, so the
work is done, and spread over workers, by the same code as cross-validation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from predictor.execution import Execution
from predictor.features.dataset import Dataset
from predictor.validation.assembly import RESAMPLED, FoldResult, Protocol
from predictor.validation.optimism import correct_optimism, optimism_table
from predictor.validation.resamples import draw_patients, membership_counts
from predictor.validation.resampling import cross_validate
from predictor.validation.splits import Fold
from predictor.validation.stability import (
    calibration_instability,
    classification_table,
    prediction_instability,
    rank_intervals,
    selection_frequency,
)

__all__ = ["EXPLAINED", "Bootstrap", "Stability", "bootstrap_procedure", "describe_stability"]

EXPLAINED = 20  # resamples whose contributions are computed: those of forests take as long as all the rest


@dataclass(frozen=True)
class Bootstrap:
    """What the refits on resampled patients say.

    Parameters
    ----------
    apparent : ndarray of shape (n,)
        Probabilities by the procedure fitted on everybody, which is the final fit (`predictor.release.fit_final`).
    refits : ndarray of shape (B, n)
        Probabilities of everybody by the procedure fitted on each resample.
    counts : ndarray of shape (B, n)
        How often each patient was in each resample.
    kept : dict of str to ndarray of bool of shape (B, features)
        Of each penalised linear candidate.
    importance : ndarray of shape (1 + E, features)
        Mean absolute contribution in points of 1, of the procedure fitted on everybody and in the first resamples.
    """

    apparent: np.ndarray
    refits: np.ndarray
    counts: np.ndarray
    kept: Mapping[str, np.ndarray]
    importance: np.ndarray


@dataclass(frozen=True)
class Stability:
    """The tables that a report shows.

    Parameters
    ----------
    optimism : DataFrame
        `predictor.validation.optimism.optimism_table`.
    patients : DataFrame
        One row per patient, see `predictor.validation.stability.prediction_instability`; stays in the run's folder.
    calibration : DataFrame
        ``p`` and the ``low``, ``median`` and ``high`` of the refits' calibration curves there.
    classes : DataFrame
        Share of refits in which a patient's class differs, by threshold.
    selection : DataFrame
        ``candidate`` and how often each feature was kept.
    ranks : DataFrame
        Rank of each feature's contribution over the refits.
    """

    optimism: pd.DataFrame
    patients: pd.DataFrame
    calibration: pd.DataFrame
    classes: pd.DataFrame
    selection: pd.DataFrame
    ranks: pd.DataFrame

    @property
    def instability(self) -> float:
        """Mean over patients of the mean absolute difference between a refit's probability and the model's."""
        return float(self.patients["mape"].mean())


def bootstrap_procedure(
    protocol: Protocol,
    dataset: Dataset,
    y: np.ndarray,
    *,
    resamples: int,
    seed: int,
    execution: Execution | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Bootstrap:
    """Repeat imputation, tuning, calibration and weighing on resampled patients (whole clusters).

    Parameters
    ----------
    protocol : Protocol
    dataset : Dataset
        Evaluable units; then those whose outcome is imputed in training parts.
    y : ndarray of shape (n,)
        NaN for the latter, which are drawn like the others and never predicted.
    resamples : int
    seed : int
    execution : Execution, optional
    progress : callable, optional
        Called with how much is done, and of how much.
    """
    alone = replace(protocol, references={}, arms={})
    everybody, tested = np.arange(len(y)), np.flatnonzero(np.isfinite(y))
    drawn = draw_patients(dataset.groups, resamples=resamples, seed=seed, outcome=y)
    folds = [Fold(RESAMPLED, number, train, tested) for number, train in enumerate([everybody, *drawn])]
    done = iter(range(1, len(folds) + 1))
    results: list[FoldResult] = []
    for some, explain in ((folds[: 1 + EXPLAINED], True), (folds[1 + EXPLAINED :], False)):
        results += cross_validate(
            alone,
            dataset,
            y,
            some,
            execution=execution,
            explain=explain,
            progress=lambda _: progress(next(done), len(folds)) if progress is not None else None,
        )
    first, *refitted = results
    return Bootstrap(
        apparent=first.predictions[protocol.judge],
        refits=np.stack([result.predictions[protocol.judge] for result in refitted]),
        counts=membership_counts(drawn, len(y))[:, tested],
        kept=_stacked([result.kept for result in refitted]),
        importance=np.stack([np.abs(result.points).mean(axis=0) for result in results if len(result.points)]),
    )


def _stacked(kept: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Lay the resamples of each candidate on each other; those it could not be fitted in have nothing to say."""
    names = dict.fromkeys(name for one in kept for name in one)
    return {name: np.stack([one[name] for one in kept if name in one]) for name in names}


def describe_stability(
    found: Bootstrap,
    y: np.ndarray,
    *,
    protocol: Protocol,
    features: list[str],
    thresholds: list[float],
    level: float,
) -> Stability:
    """Read optimism and stability from the refits.

    Parameters
    ----------
    found : Bootstrap
    y : ndarray of shape (n,)
    protocol : Protocol
    features : list of str
        Columns of the dataset.
    thresholds : list of float
    level : float
    """
    grid = np.linspace(0.05, 0.95, 19)
    curves = calibration_instability(y, found.refits, grid=grid)
    tail = 100 * (1 - level) / 2
    reached = np.isfinite(curves).mean(axis=0) > 0.5  # a curve ends where a refit predicts nothing
    grid, curves = grid[reached], curves[:, reached]
    low, median, high = (
        np.nanpercentile(curves, [tail, 50, 100 - tail], axis=0) if len(grid) else np.zeros((3, 0))
    )
    columns = {candidate.name: candidate.features for candidate in protocol.candidates}
    selections = []
    for candidate, kept in found.kept.items():
        own = [name in columns[candidate] for name in features]
        table = selection_frequency(
            kept[:, own], [name for name in features if name in columns[candidate]], level=level
        )
        selections.append(table.assign(candidate=candidate))
    return Stability(
        optimism=optimism_table(correct_optimism(y, found.apparent, found.refits, found.counts)),
        patients=prediction_instability(found.apparent, found.refits, level=level),
        calibration=pd.DataFrame({"p": grid, "low": low, "median": median, "high": high}),
        classes=classification_table(found.apparent, found.refits, thresholds),
        selection=pd.concat(selections, ignore_index=True) if selections else pd.DataFrame(),
        ranks=rank_intervals(found.importance[0], found.importance[1:], features, level=level),
    )
