"""What a reviewer asks beyond the verdict: optimism, stability, increments, single markers, treating by the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from predictor.execution import Execution, Progress
from predictor.features.preprocessing import build_preprocessor, encoded_columns
from predictor.study import Study
from predictor.validation.assembly import FoldResult
from predictor.validation.bootstrap import Stability, bootstrap_procedure, describe_stability
from predictor.validation.curves import net_benefits
from predictor.validation.evaluation import Evaluation
from predictor.validation.increment import find_blocks, increment_table, set_predictions, share_of_plan
from predictor.validation.procedures import arrange
from predictor.validation.refitting import with_refitting
from predictor.validation.resampling import fold_predictions
from predictor.validation.stability_selection import select_stable
from predictor.validation.treat_if import treat_if_table
from predictor.validation.uncertainty import cluster_weights, expanded_level

__all__ = ["Evidence", "cover_refitting", "gather_evidence"]

FEWEST_MARKERS = 3  # with fewer features there is nothing to choose from
# Responders that one treatment has to bring: from one in twenty to two in five.
TREAT_IF = (0.05, 0.1, 0.2, 0.3, 0.4)


@dataclass(frozen=True)
class Evidence:
    """The tables beyond the verdict; those that a study has no use for are empty.

    Parameters
    ----------
    stability : Stability or None
        None where the config asks for no bootstrap.
    increments : DataFrame
        What each declared block adds, see `predictor.validation.increment.increment_table`.
    plan_share : float
        Share of the discrimination that the plan alone has; NaN without a plan among the features.
    markers : DataFrame
        Single features, see `predictor.validation.stability_selection.select_stable`.
    prognosis : DataFrame
        Net benefit among the treated alone; empty where there is no untreated arm.
    treat_if : DataFrame
        See `predictor.validation.treat_if.treat_if_table`; empty unless two arms were dealt by chance.
    """

    stability: Stability | None
    increments: pd.DataFrame
    plan_share: float
    markers: pd.DataFrame
    prognosis: pd.DataFrame
    treat_if: pd.DataFrame

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the tables without any patient's row, by the name of their file."""
        found = {
            "increments": self.increments,
            "markers": self.markers,
            "net_benefit_treated": self.prognosis,
            "treat_if": self.treat_if,
        }
        if self.stability is not None:
            found |= {
                "optimism": self.stability.optimism,
                "instability_calibration": self.stability.calibration,
                "instability_classes": self.stability.classes,
                "selection": self.stability.selection,
                "importance_ranks": self.stability.ranks,
            }
        return {name: table for name, table in found.items() if len(table)}


def gather_evidence(
    study: Study,
    results: Sequence[FoldResult],
    evaluation: Evaluation,
    *,
    execution: Execution,
    progress: Progress,
) -> Evidence:
    """Compute every table from the outer folds, and the bootstrap anew.

    Parameters
    ----------
    study : Study
    results : sequence of FoldResult
        Of the nested cross-validation.
    evaluation : Evaluation
    execution : Execution
    progress : callable
        Called with a step's name, how much of it is done, and of how much.
    """
    return Evidence(
        stability=bootstrap_stability(study, execution=execution, progress=progress),
        increments=_increments(study, results),
        plan_share=share_of_plan(evaluation.performance),
        markers=_markers(study),
        prognosis=_prognosis(study, results),
        treat_if=_treat_if(study, results),
    )


def cover_refitting(evaluation: Evaluation, evidence: Evidence, *, level: float) -> Evaluation:
    """Let the limits of the judged procedure cover its refitting too, where there was a bootstrap to tell.

    Parameters
    ----------
    evaluation : Evaluation
    evidence : Evidence
    level : float
    """
    if evidence.stability is None:
        return evaluation
    wider = with_refitting(evaluation.performance, evidence.stability.optimism, level=level)
    return replace(evaluation, performance=wider)


def bootstrap_stability(study: Study, *, execution: Execution, progress: Progress) -> Stability | None:
    """Repeat the whole procedure on resampled patients; None where the config asks for no resample.

    Parameters
    ----------
    study : Study
    execution : Execution
    progress : callable
    """
    validation = study.loaded.config.validation
    if validation.bootstrap.resamples == 0:
        return None
    rows, y = study.trainable()
    found = bootstrap_procedure(
        study.protocol,
        study.dataset.take(rows),
        y,
        resamples=validation.bootstrap.resamples,
        seed=study.protocol.seed,
        execution=execution,
        progress=lambda done, total: progress("bootstrap", done, total),
    )
    return describe_stability(
        found,
        y[np.isfinite(y)],
        protocol=study.protocol,
        features=[feature.name for feature in study.dataset.features],
        thresholds=validation.thresholds,
        level=validation.interval.level,
    )


def _increments(study: Study, results: Sequence[FoldResult]) -> pd.DataFrame:
    rows, _ = study.evaluable(study.loaded.config.primary)
    used = {candidate.feature_set for candidate in study.protocol.candidates}
    sets = {name: groups for name, groups in study.loaded.config.features.sets.items() if name in used}
    validation = study.loaded.config.validation
    return increment_table(
        set_predictions(results, positions=rows),
        find_blocks(sets),
        y=study.primary.label,
        groups=study.cohort.groups,
        thresholds=validation.thresholds,
        level=validation.interval.level,
        resamples=validation.interval.resamples,
        seed=study.protocol.seed,
    )


def _markers(study: Study) -> pd.DataFrame:
    """Choose among all features that any set has."""
    rows, y = study.evaluable(study.loaded.config.primary)
    names = {name for candidate in study.protocol.candidates for name in candidate.features}
    features = [feature for feature in study.dataset.features if feature.name in names]
    if len(features) < FEWEST_MARKERS:
        return pd.DataFrame()
    encoder = build_preprocessor(features)
    X = encoder.fit_transform(study.dataset.X.iloc[rows][[feature.name for feature in features]])
    of_column = [column.feature for column in encoded_columns(encoder)]
    return select_stable(X, y, of_column, study.cohort.groups[rows], seed=study.protocol.seed)


def _prognosis(study: Study, results: Sequence[FoldResult]) -> pd.DataFrame:
    treatment = study.loaded.config.cohort.treatment
    if treatment is None or treatment.control is None or treatment.bands:
        return pd.DataFrame()
    rows, _ = study.evaluable(study.loaded.config.primary)
    treated = study.cohort.plan[rows] != str(treatment.control)
    if not 0 < treated.sum() < len(rows):
        return pd.DataFrame()
    predictions = fold_predictions(results, study.protocol, positions=rows)
    inside = predictions[np.isin(predictions["row"], rows[treated])]
    positions, procedures = arrange(inside)
    validation = study.loaded.config.validation
    return net_benefits(
        study.primary.label[positions],
        [one for one in procedures if one.kind != "candidate"],
        _weights(study, positions),
        thresholds=validation.thresholds,
        level=_level(study, positions),
    )


def _treat_if(study: Study, results: Sequence[FoldResult]) -> pd.DataFrame:
    treatment = study.loaded.config.cohort.treatment
    arms = list(study.protocol.arms)
    if treatment is None or len(arms) != 2 or str(treatment.control) not in arms:
        return pd.DataFrame()
    control = str(treatment.control)
    (other,) = [arm for arm in arms if arm != control]
    rows, y = study.evaluable(study.loaded.config.primary)
    repeats = 1 + max(result.fold.repeat for result in results)
    gain = np.full((repeats, len(rows)), np.nan)
    for result in results:
        gain[result.fold.repeat, result.fold.test] = result.by_arm[other] - result.by_arm[control]
    return treat_if_table(
        y,
        study.cohort.plan[rows] == other,
        gain,
        thresholds=TREAT_IF,
        weights=_weights(study, rows),
        level=_level(study, rows),
    )


def _weights(study: Study, rows: np.ndarray) -> np.ndarray:
    """Return the sample itself, and resamples of whole groups."""
    resamples = study.loaded.config.validation.interval.resamples
    drawn = cluster_weights(study.cohort.groups[rows], resamples=resamples, seed=study.protocol.seed)
    return np.vstack([np.ones((1, len(rows))), drawn])


def _level(study: Study, rows: np.ndarray) -> float:
    """Return how far out the percentiles of these groups' resamples are to be read."""
    return expanded_level(
        study.loaded.config.validation.interval.level, len(np.unique(study.cohort.groups[rows]))
    )
