"""What the outer folds say about the declared procedure, each table kept in the run as soon as it is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from predictor.evidence import Evidence, cover_refitting, gather_evidence
from predictor.execution import Execution, Progress
from predictor.explanation.summary import importance
from predictor.run_store import Run
from predictor.secondary import Secondary, judge_secondary, secondary_table
from predictor.study import Study, transport_labels, transport_splits
from predictor.subgroups import evaluate_subgroups
from predictor.validation.evaluation import Evaluation, evaluate
from predictor.validation.resampling import FoldResult, cross_validate, fold_predictions
from predictor.validation.splits import Fold, extend_training, repeated_folds
from predictor.validation.transport import transport_frame, transport_summary

__all__ = ["Judgement", "judge_procedure", "outer_folds", "weight_table"]

TABLES = (
    "performance",
    "further",
    "net_benefit",
    "decision_curve",
    "calibration",
    "calibration_bins",
    "histogram",
    "operating",
    "roc",
    "comparisons",
    "group_rates",
    "counts",
)


@dataclass(frozen=True)
class Judgement:
    """All that is known of the procedure before it is fitted on every patient.

    Parameters
    ----------
    results : list of FoldResult
        Of every outer fold.
    evaluation : Evaluation
        Tables and verdict.
    subgroups : DataFrame
        See `predictor.subgroups.evaluate_subgroups`.
    secondary : tuple of Secondary
        The other outcomes on the same folds.
    transport : DataFrame
        Each declared part predicted from the others; empty where none is declared.
    evidence : Evidence
        What a reviewer asks beyond the verdict.
    importance : DataFrame
        Of the features, out of fold: see `predictor.explanation.summary.importance`.
    """

    results: list[FoldResult]
    evaluation: Evaluation
    subgroups: pd.DataFrame
    secondary: tuple[Secondary, ...]
    transport: pd.DataFrame
    evidence: Evidence
    importance: pd.DataFrame

    def tables(self) -> tuple[str, ...]:
        """Return the names of the tables that are kept in every run; each is an aggregate."""
        return ("attrition", *TABLES, "weights", "importance", *self.evidence.tables())


def judge_procedure(study: Study, run: Run, *, execution: Execution, progress: Progress) -> Judgement:
    """Judge the declared procedure on patients that none of its fits has seen, and keep every table.

    Parameters
    ----------
    study : Study
    run : Run
    execution : Execution
    progress : callable
    """
    folds = outer_folds(study)
    results = _cross_validate(study, folds, execution=execution, progress=progress)
    evaluation = _evaluate(study, results, run)
    subgroups = evaluate_subgroups(study, results)
    secondary = judge_secondary(study, folds, execution=execution, progress=progress)
    run.write_tables(subgroups=subgroups, secondary=secondary_table(secondary))
    transport = _transport(study, run, execution=execution, progress=progress)
    evidence = _gather(study, results, evaluation, run, execution=execution, progress=progress)
    level = study.loaded.config.validation.interval.level
    evaluation = cover_refitting(evaluation, evidence, level=level)
    run.write_tables(performance=evaluation.performance)
    shares = _importance(study, results, run)
    return Judgement(results, evaluation, subgroups, secondary, transport, evidence, shares)


def outer_folds(study: Study) -> list[Fold]:
    """Lay down the outer folds, as positions among the units evaluable for the primary outcome.

    Parameters
    ----------
    study : Study
    """
    rows, y = study.evaluable(study.loaded.config.primary)
    outer = study.loaded.config.validation.outer
    return repeated_folds(
        y,
        study.cohort.groups[rows],
        study.cohort.plan[rows],
        n_splits=outer.n_splits,
        n_repeats=outer.n_repeats,
        seed=study.protocol.seed,
    )


def weight_table(results: Sequence[FoldResult]) -> pd.DataFrame:
    """Summarise the share of each candidate in the judged procedure over the outer folds.

    Parameters
    ----------
    results : sequence of FoldResult

    Returns
    -------
    DataFrame
        ``candidate``, ``mean``, ``low`` and ``high`` (smallest and largest fold), ``folds``; the largest mean first.
        For a selection the mean is how often it was chosen.
    """
    weights = pd.DataFrame([dict(result.weights) for result in results])
    table = pd.DataFrame({"mean": weights.mean(), "low": weights.min(), "high": weights.max()})
    table = table.rename_axis("candidate").reset_index().assign(folds=len(results))
    return table.sort_values(["mean", "candidate"], ascending=[False, True], ignore_index=True)


def _cross_validate(
    study: Study, folds: Sequence[Fold], *, execution: Execution, progress: Progress
) -> list[FoldResult]:
    """Run the declared procedure on every outer fold of the primary outcome."""
    rows, y = study.trainable()
    folds = extend_training(folds, int(np.isfinite(y).sum()), study.cohort.groups[rows])
    total = len(folds)
    done = iter(range(1, total + 1))
    progress("nested cross-validation", 0, total)
    return cross_validate(
        study.protocol,
        study.dataset.take(rows),
        y,
        folds,
        execution=execution,
        progress=lambda _: progress("nested cross-validation", next(done), total),
    )


def _evaluate(study: Study, results: Sequence[FoldResult], run: Run) -> Evaluation:
    config = study.loaded.config
    rows, _ = study.evaluable(config.primary)
    predictions = fold_predictions(results, study.protocol, positions=rows)
    evaluation = evaluate(
        predictions,
        y=study.primary.label,
        groups=study.cohort.groups,
        plan=study.cohort.plan,
        thresholds=config.validation.thresholds,
        level=config.validation.interval.level,
        resamples=config.validation.interval.resamples,
        seed=config.experiment.seed,
    )
    # Rows are positions in the sorted cohort, not patient keys; even so they stay in the run folder.
    run.write_frame("predictions.parquet", predictions)
    for name in TABLES:
        run.write_frame(f"{name}.csv", getattr(evaluation, name))
    run.write_frame("weights.csv", weight_table(results))
    return evaluation


def _transport(study: Study, run: Run, *, execution: Execution, progress: Progress) -> pd.DataFrame:
    """Predict each declared part from the others; an empty table where none is declared."""
    rows, y = study.trainable()
    level = study.loaded.config.validation.interval.level
    frame = transport_frame(
        study.protocol,
        study.dataset.take(rows),
        y,
        transport_splits(study),
        transport_labels(study)[rows],
        execution=execution,
        level=level,
        progress=lambda done, total: progress("transport", done, total),
    )
    run.write_tables(transport=frame, transport_summary=transport_summary(frame, level=level))
    return frame


def _gather(
    study: Study,
    results: Sequence[FoldResult],
    evaluation: Evaluation,
    run: Run,
    *,
    execution: Execution,
    progress: Progress,
) -> Evidence:
    evidence = gather_evidence(study, results, evaluation, execution=execution, progress=progress)
    run.write_tables(**evidence.tables())
    if evidence.stability is not None:
        rows, _ = study.evaluable(study.loaded.config.primary)
        run.write_frame("instability.parquet", evidence.stability.patients.assign(row=rows))
    return evidence


def _importance(study: Study, results: Sequence[FoldResult], run: Run) -> pd.DataFrame:
    """Summarise the out-of-fold contributions of the judged procedure."""
    names = [feature.name for feature in study.dataset.features]
    points = pd.DataFrame(np.vstack([result.points for result in results]), columns=names)
    fold = np.concatenate([np.full(len(r.fold.test), r.fold.fold) for r in results])
    repeat = np.concatenate([np.full(len(r.fold.test), r.fold.repeat) for r in results])
    table = importance(points, fold, repeat)
    run.write_frame("importance.csv", table)
    return table
