"""The protocol: each stage called once, in order. `train` reads like the methods section of a paper."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from predictor.adequacy import Adequacy
from predictor.annexes import write_annexes
from predictor.beginning import open_study_run
from predictor.checking import require_sound
from predictor.checks.collecting import check_training
from predictor.checks.finding import Finding, findings_frame
from predictor.config.confirmations import require_confirmed
from predictor.config.loading import LoadedConfig, dump_config, load_config
from predictor.errors import ResourceError
from predictor.evidence import Evidence, cover_refitting, gather_evidence
from predictor.execution import Execution
from predictor.experiment_log import tracking_record
from predictor.explanation.summary import importance
from predictor.prediction import ResponsePredictor
from predictor.prediction_model import load_prediction_model, save_prediction_model
from predictor.provenance import git_commit, package_versions, software_hash
from predictor.release import FinalFit, assemble_model, fit_final, pooled_coefficients
from predictor.reports.model import ModelFacts, model_view
from predictor.reports.patient import example_patients, patient_views
from predictor.reports.render import render_model_report, render_patient_report
from predictor.run_store import TRACKING, Run
from predictor.runs import send_run
from predictor.secondary import Secondary, judge_secondary, secondary_table, with_outcomes
from predictor.stopping import Stop
from predictor.study import Study, prepare_study, transport_labels, transport_splits
from predictor.subgroups import evaluate_subgroups
from predictor.tracking import TrackingRecord
from predictor.units import UnitStore
from predictor.validation.evaluation import Evaluation, evaluate
from predictor.validation.resampling import FoldResult, cross_validate, fold_predictions
from predictor.validation.splits import Fold, extend_training, repeated_folds
from predictor.validation.transport import transport_frame, transport_summary

if TYPE_CHECKING:
    from predictor.prediction_model import PredictionModel

__all__ = ["Training", "train"]

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

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Training:
    """What a training leaves behind.

    Parameters
    ----------
    folder : Path
        The run's folder; nothing in it is edited afterwards.
    study : Study
        Cohort, outcomes and dataset.
    evaluation : Evaluation
        Tables and verdict.
    secondary : DataFrame
        The other outcomes on the same folds; see `predictor.secondary.secondary_table`.
    model : ResponsePredictor
        Ready for the next patient.
    model_report : Path
    patient_reports : tuple of Path
        Made for invented example patients with the typical values of each plan.
    tracking : TrackingRecord or None
        None where MLflow could not be reached; the run is complete without it.
    notices : tuple of str
    findings : tuple of Finding
        Of the checks before the first fit, then of those on the finished training.
    cpu_seconds : float
        Of this process; workers are not in it.
    """

    folder: Path
    study: Study
    evaluation: Evaluation
    secondary: pd.DataFrame
    model: ResponsePredictor
    model_report: Path
    patient_reports: tuple[Path, ...]
    tracking: TrackingRecord | None
    notices: tuple[str, ...]
    findings: tuple[Finding, ...]
    cpu_seconds: float


def train(
    config: LoadedConfig | str | Path,
    *,
    runs_folder: Path | None = None,
    workers: int = 0,
    execution: Execution | None = None,
    progress: Progress | None = None,
    now: datetime | None = None,
    resume: str | None = None,
    stop: Stop | None = None,
) -> Training:
    """Run the whole protocol: read, select, define, fit, validate, explain, report.

    An unfinished run that was begun with the same config, data and software is gone on with: no fit of the outer folds,
    the bootstrap, the sites left out and the other outcomes is made twice, and the results are those of a run that was
    never interrupted.

    Parameters
    ----------
    config : LoadedConfig or path
    runs_folder : Path or None
        Default: ``experiments/runs`` in the project.
    workers : int
        Local processes; 0 as the config says. No result depends on it.
    execution : Execution or None
        Where the work runs, instead of what the config and ``workers`` say.
    progress : callable or None
        Called with a step's name, how much of it is done, and of how much.
    now : datetime or None
        Time stamp of a new run.
    resume : str or None
        Beginning of the id of the one unfinished run to go on with, or else to refuse.
    stop : Stop or None
        Looked at after each unit of work and before each step.

    Raises
    ------
    ConfigError, DataError, ResourceError, RefusedError
    Stopped
        When ``stop`` was asked.
    """
    started = time.process_time()
    loaded = config if isinstance(config, LoadedConfig) else load_config(config)
    stop = stop or Stop()
    say = _checking(progress or _silent, stop)
    execution = replace(execution or declared_execution(loaded, workers=workers), stop=stop)
    say("reading", 0, 1)
    require_confirmed(loaded)
    study = prepare_study(loaded)
    adequacy, findings = require_sound(study)
    opened = open_study_run(study, runs_folder, now=now or datetime.now(UTC), resume=resume)
    run, now = opened.run, opened.started
    units = UnitStore(run.units, context=software_hash())
    execution = replace(execution, units=units)
    with run:
        run.write_text("config.yaml", dump_config(loaded))
        keep(run, attrition=study.cohort.attrition)
        folds = outer_folds(study)
        results = nested_cross_validation(study, folds, execution=execution, progress=say)
        evaluation = evaluate_predictions(study, results, run)
        subgroups = evaluate_subgroups(study, results)
        judged = judge_secondary(study, folds, execution=execution, progress=say)
        secondary = secondary_table(judged)
        keep(run, subgroups=subgroups, secondary=secondary)
        transport = transport_validation(study, run, execution=execution, progress=say)
        evidence = gather(study, results, evaluation, run, execution=execution, progress=say)
        evaluation = cover_refitting(evaluation, evidence, level=loaded.config.validation.interval.level)
        keep(run, performance=evaluation.performance)
        say("final fit", 0, 1)
        final = fit_final(study)
        shares = out_of_fold_importance(study, results, run)
        findings += answer_checks(study, results, evaluation, final, transport, evidence)
        coefficients = pooled_coefficients(study, final)
        keep(run, coefficients=coefficients)
        run.write_frame("checks.csv", findings_frame(findings))
        say("model folder", 0, 1)
        model = release_model(
            study,
            final,
            evaluation,
            run,
            adequacy=adequacy,
            shares=shares,
            secondary=judged,
            execution=execution,
            now=now,
        )
        facts = ModelFacts(
            study=study,
            adequacy=adequacy,
            evaluation=evaluation,
            chosen=final.chosen,
            fitted=dict(final.imputed),
            results=results,
            importance=shares,
            transport=transport,
            evidence=evidence,
            subgroups=subgroups,
            secondary=secondary,
            findings=findings,
            coefficients=coefficients,
            run_id=run.id,
            created=now,
            commit=git_commit(loaded.root),
            versions=package_versions(),
        )
        reports = write_reports(facts, model, run)
        run.write_json("verdict.json", _verdict_record(evaluation))
        keep(run, failures=units.failed())
        tables = ("attrition", *TABLES, "weights", "importance", *evidence.tables())
        run.write_json(TRACKING, tracking_record(study, evaluation, final, folder=run.path, tables=tables))
        folder = run.finish()
    say("tracking", 0, 1)
    record, notices = track(study, folder)
    return Training(
        folder=folder,
        study=study,
        evaluation=evaluation,
        secondary=secondary,
        model=ResponsePredictor(model),
        model_report=folder / reports[0],
        patient_reports=tuple(folder / name for name in reports[1:]),
        tracking=record,
        notices=(*opened.notices, *units.complaints(), *notices),
        findings=findings,
        cpu_seconds=time.process_time() - started,
    )


def keep(run: Run, **tables: pd.DataFrame) -> None:
    """Write the tables that have something to say, each by its name.

    Parameters
    ----------
    run : Run
    **tables : DataFrame
    """
    for name, table in tables.items():
        if len(table):
            run.write_frame(f"{name}.csv", table)


def declared_execution(loaded: LoadedConfig, *, workers: int = 0) -> Execution:
    """Return where the work runs as the config says.

    Parameters
    ----------
    loaded : LoadedConfig
    workers : int
        Local processes instead of the config's; 0 keeps those, and one where the config names none.
    """
    section = loaded.config.execution
    return Execution(
        engine=section.engine,
        workers=workers or section.workers or 1,
        address=section.address,
        allowed_hosts=tuple(section.allowed_hosts),
        unit_seconds=section.unit_seconds,
    )


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


def nested_cross_validation(
    study: Study, folds: Sequence[Fold], *, execution: Execution, progress: Progress
) -> list[FoldResult]:
    """Run the declared procedure on every outer fold of the primary outcome.

    Parameters
    ----------
    study : Study
    folds : sequence of Fold
    execution : Execution
    progress : callable
    """
    rows, y = study.trainable()
    groups = study.cohort.groups[rows]
    folds = extend_training(folds, int(np.isfinite(y).sum()), groups)
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


def evaluate_predictions(study: Study, results: Sequence[FoldResult], run: Run) -> Evaluation:
    """Judge the out-of-fold predictions and keep every table.

    Parameters
    ----------
    study : Study
    results : sequence of FoldResult
    run : Run
    """
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


def transport_validation(study: Study, run: Run, *, execution: Execution, progress: Progress) -> pd.DataFrame:
    """Predict each declared part from the others; an empty table where none is declared.

    Parameters
    ----------
    study : Study
    run : Run
    execution : Execution
    progress : callable
    """
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
    keep(run, transport=frame, transport_summary=transport_summary(frame, level=level))
    return frame


def gather(
    study: Study,
    results: Sequence[FoldResult],
    evaluation: Evaluation,
    run: Run,
    *,
    execution: Execution,
    progress: Progress,
) -> Evidence:
    """Gather what a reviewer asks beyond the verdict, and keep every table.

    Parameters
    ----------
    study : Study
    results : sequence of FoldResult
    evaluation : Evaluation
    run : Run
    execution : Execution
    progress : callable
    """
    evidence = gather_evidence(study, results, evaluation, execution=execution, progress=progress)
    keep(run, **evidence.tables())
    if evidence.stability is not None:
        rows, _ = study.evaluable(study.loaded.config.primary)
        run.write_frame("instability.parquet", evidence.stability.patients.assign(row=rows))
    return evidence


def out_of_fold_importance(study: Study, results: Sequence[FoldResult], run: Run) -> pd.DataFrame:
    """Summarise the out-of-fold contributions of the judged procedure.

    Parameters
    ----------
    study : Study
    results : sequence of FoldResult
    run : Run
    """
    names = [feature.name for feature in study.dataset.features]
    points = pd.DataFrame(np.vstack([result.points for result in results]), columns=names)
    fold = np.concatenate([np.full(len(r.fold.test), r.fold.fold) for r in results])
    repeat = np.concatenate([np.full(len(r.fold.test), r.fold.repeat) for r in results])
    table = importance(points, fold, repeat)
    run.write_frame("importance.csv", table)
    return table


def answer_checks(
    study: Study,
    results: Sequence[FoldResult],
    evaluation: Evaluation,
    final: FinalFit,
    transport: pd.DataFrame,
    evidence: Evidence,
) -> tuple[Finding, ...]:
    """Let the finished training answer the coded checks.

    Parameters
    ----------
    study : Study
    results : sequence of FoldResult
    evaluation : Evaluation
    final : FinalFit
    transport : DataFrame
    evidence : Evidence
    """
    return check_training(
        study,
        results,
        evaluation,
        fitted=final.fitted,
        weights=final.weights,
        apparent=final.model.predict_proba(study.dataset.X.iloc[final.rows])[:, 1],
        transport=transport,
        instability=evidence.stability.instability if evidence.stability else None,
    )


def release_model(
    study: Study,
    final: FinalFit,
    evaluation: Evaluation,
    run: Run,
    *,
    adequacy: Adequacy,
    shares: pd.DataFrame,
    secondary: Sequence[Secondary],
    execution: Execution,
    now: datetime,
) -> PredictionModel:
    """Write the prediction model's folder and read it back: what is reported is what the next patient will meet.

    Parameters
    ----------
    study : Study
    final : FinalFit
    evaluation : Evaluation
    run : Run
    adequacy : Adequacy
    shares : DataFrame
        Columns feature and mean, of the out-of-fold contributions.
    secondary : sequence of Secondary
        The other outcomes.
    execution : Execution
    now : datetime
    """
    by_feature = dict(zip(shares["feature"], shares["mean"].astype(float), strict=True))
    model = assemble_model(
        study,
        final,
        evaluation,
        adequacy=adequacy,
        importance=by_feature,
        execution=execution,
        created=now.date(),
    )
    model = with_outcomes(study, model, secondary, execution=execution)
    save_prediction_model(model, run.path / "model")
    return load_prediction_model(run.path / "model")


def write_reports(facts: ModelFacts, model: PredictionModel, run: Run) -> list[str]:
    """Write the model report with its annexes, and a patient report per plan for an invented patient of typical values.

    Parameters
    ----------
    facts : ModelFacts
    model : PredictionModel
    run : Run

    Returns
    -------
    list of str
        Names within the run's folder, the model report first.
    """
    annexes = write_annexes(facts, run)
    pages = {"model_report.html": render_model_report(model_view(facts, annexes=annexes))}
    views = patient_views(
        model, example_patients(model, day=facts.created.date()), now=facts.created, user_ref="training"
    )
    for i, view in enumerate(views, start=1):
        pages[f"patient_reports/example_{i}.html"] = render_patient_report(
            view, paper=facts.study.loaded.config.report.paper
        )
    for name, page in pages.items():
        run.write_text(name, page)
    return list(pages)


def track(study: Study, folder: Path) -> tuple[TrackingRecord | None, tuple[str, ...]]:
    """Send the finished run to MLflow; where that fails, say so and leave the run as it is.

    Parameters
    ----------
    study : Study
    folder : Path
        The finished run.
    """
    loaded = study.loaded
    try:
        hosts = loaded.config.tracking.allowed_hosts
        return send_run(folder, root=loaded.root, allowed_hosts=hosts), ()
    except ResourceError as error:
        return None, (str(error),)


def _checking(progress: Progress, stop: Stop) -> Progress:
    """Show the progress, unless somebody has asked to stop."""

    def show(step: str, done: int, total: int) -> None:
        progress(step, done, total)
        if done == 0:
            stop.check()

    return show


def _silent(step: str, done: int, total: int) -> None:
    """Say nothing."""


def _verdict_record(evaluation: Evaluation) -> dict[str, object]:
    verdict = evaluation.verdict
    return {"label": verdict.label, "sentence": verdict.sentence}
