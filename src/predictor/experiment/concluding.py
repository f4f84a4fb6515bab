"""What a judged procedure leaves to others: checks that are answered, a model for the next patient, reports."""

from __future__ import annotations

from datetime import datetime

import pandas as pd

from predictor.adequacy import Adequacy
from predictor.annexes import write_annexes
from predictor.checks.collecting import check_training
from predictor.checks.finding import Finding
from predictor.execution import Execution
from predictor.experiment.judging import Judgement
from predictor.prediction_model import PredictionModel, load_prediction_model, save_prediction_model
from predictor.provenance import git_commit, package_versions
from predictor.release import FinalFit, assemble_model
from predictor.reports.model import ModelFacts, model_view
from predictor.reports.patient import example_patients, patient_views
from predictor.reports.render import render_model_report, render_patient_report
from predictor.run_store import Run
from predictor.secondary import secondary_table, with_outcomes
from predictor.study import Study

__all__ = ["answer_checks", "gather_facts", "release_model", "write_reports"]


def answer_checks(study: Study, judgement: Judgement, final: FinalFit) -> tuple[Finding, ...]:
    """Let the finished training answer the coded checks.

    Parameters
    ----------
    study : Study
    judgement : Judgement
    final : FinalFit
    """
    stability = judgement.evidence.stability
    return check_training(
        study,
        judgement.results,
        judgement.evaluation,
        fitted=final.fitted,
        weights=final.weights,
        apparent=final.model.predict_proba(study.dataset.X.iloc[final.rows])[:, 1],
        transport=judgement.transport,
        instability=stability.instability if stability else None,
    )


def release_model(
    study: Study,
    judgement: Judgement,
    final: FinalFit,
    run: Run,
    *,
    adequacy: Adequacy,
    execution: Execution,
    now: datetime,
) -> PredictionModel:
    """Write the prediction model's folder and read it back: what is reported is what the next patient will meet.

    Parameters
    ----------
    study : Study
    judgement : Judgement
    final : FinalFit
    run : Run
    adequacy : Adequacy
    execution : Execution
    now : datetime
    """
    shares = judgement.importance
    model = assemble_model(
        study,
        final,
        judgement.evaluation,
        adequacy=adequacy,
        importance=dict(zip(shares["feature"], shares["mean"].astype(float), strict=True)),
        execution=execution,
        created=now.date(),
    )
    model = with_outcomes(study, model, judgement.secondary, execution=execution)
    save_prediction_model(model, run.path / "model")
    return load_prediction_model(run.path / "model")


def gather_facts(
    study: Study,
    judgement: Judgement,
    final: FinalFit,
    *,
    adequacy: Adequacy,
    findings: tuple[Finding, ...],
    coefficients: pd.DataFrame,
    run_id: str,
    created: datetime,
) -> ModelFacts:
    """Gather what the model report is written from.

    Parameters
    ----------
    study : Study
    judgement : Judgement
    final : FinalFit
    adequacy : Adequacy
    findings : tuple of Finding
        Of the checks before the first fit, then of those on the finished training.
    coefficients : DataFrame
        See `predictor.release.pooled_coefficients`.
    run_id : str
    created : datetime
    """
    return ModelFacts(
        study=study,
        adequacy=adequacy,
        evaluation=judgement.evaluation,
        chosen=final.chosen,
        fitted=dict(final.imputed),
        results=judgement.results,
        importance=judgement.importance,
        transport=judgement.transport,
        evidence=judgement.evidence,
        subgroups=judgement.subgroups,
        secondary=secondary_table(judgement.secondary),
        findings=findings,
        coefficients=coefficients,
        run_id=run_id,
        created=created,
        commit=git_commit(study.loaded.root),
        versions=package_versions(),
    )


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
