"""One training from its config to its finished run."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from predictor.beginning import open_study_run
from predictor.checking import require_sound
from predictor.checks.finding import Finding, findings_frame
from predictor.config.confirmations import require_confirmed
from predictor.config.loading import LoadedConfig, dump_config, load_config
from predictor.errors import ResourceError
from predictor.execution import Execution, Progress
from predictor.experiment.concluding import answer_checks, gather_facts, release_model, write_reports
from predictor.experiment.judging import judge_procedure
from predictor.experiment.log import tracking_record
from predictor.prediction import ResponsePredictor
from predictor.provenance import software_hash
from predictor.release import fit_final, pooled_coefficients
from predictor.run_store import TRACKING
from predictor.runs import send_run
from predictor.secondary import secondary_table
from predictor.stopping import Stop
from predictor.study import Study, prepare_study
from predictor.tracking import TrackingRecord
from predictor.units import UnitStore
from predictor.validation.evaluation import Evaluation

__all__ = ["Training", "declared_execution", "train"]


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
        run.write_tables(attrition=study.cohort.attrition)
        judgement = judge_procedure(study, run, execution=execution, progress=say)
        say("final fit", 0, 1)
        final = fit_final(study)
        coefficients = pooled_coefficients(study, final)
        findings += answer_checks(study, judgement, final)
        run.write_tables(coefficients=coefficients)
        run.write_frame("checks.csv", findings_frame(findings))
        say("model folder", 0, 1)
        model = release_model(study, judgement, final, run, adequacy=adequacy, execution=execution, now=now)
        facts = gather_facts(
            study,
            judgement,
            final,
            adequacy=adequacy,
            findings=findings,
            coefficients=coefficients,
            run_id=run.id,
            created=now,
        )
        reports = write_reports(facts, model, run)
        verdict = judgement.evaluation.verdict
        run.write_json("verdict.json", {"label": verdict.label, "sentence": verdict.sentence})
        run.write_tables(failures=units.failed())
        run.write_json(TRACKING, tracking_record(study, judgement, final, folder=run.path))
        folder = run.finish()
    say("tracking", 0, 1)
    record, notices = track(study, folder)
    return Training(
        folder=folder,
        study=study,
        evaluation=judgement.evaluation,
        secondary=secondary_table(judgement.secondary),
        model=ResponsePredictor(model),
        model_report=folder / reports[0],
        patient_reports=tuple(folder / name for name in reports[1:]),
        tracking=record,
        notices=(*opened.notices, *units.complaints(), *notices),
        findings=findings,
        cpu_seconds=time.process_time() - started,
    )


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
