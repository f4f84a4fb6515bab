"""What lies beside the model report: both checklists, the model card, the methods in words, who the patients were."""

from __future__ import annotations

from predictor.reports.chai import chai_card
from predictor.reports.characteristics import characteristics_frame
from predictor.reports.checklists import probast_summary, probast_view, tripod_summary, tripod_view
from predictor.reports.content_model import Annex
from predictor.reports.methods import methods_paragraphs
from predictor.reports.model import ModelFacts
from predictor.reports.probast import probast_frame, unanswered
from predictor.reports.render import render_checklist
from predictor.reports.tripod import tripod_frame
from predictor.run_store import Run

__all__ = ["write_annexes"]


def write_annexes(facts: ModelFacts, run: Run) -> tuple[Annex, ...]:
    """Write them into the run's folder and say what each holds.

    Parameters
    ----------
    facts : ModelFacts
    run : Run
        With its tables and the model's folder written, to which the checklists point.

    Returns
    -------
    tuple of Annex
        For the model report to link to.
    """
    study = facts.study
    draft = None in study.loaded.config.report.statements.model_dump().values()
    run.write_frame("characteristics.csv", characteristics_frame(study))
    run.write_json("model_card.json", chai_card(facts))
    paragraphs = methods_paragraphs(study, facts.evaluation, facts.adequacy, versions=facts.versions)
    run.write_text("methods.txt", "\n\n".join(paragraphs) + "\n")
    resamples = study.loaded.config.validation.bootstrap.resamples
    probast = probast_frame(study, facts.evaluation, facts.findings, facts.adequacy, resamples=resamples)
    run.write_frame("probast_ai.csv", probast)
    probast_page = probast_view(probast, run_id=facts.run_id, simulated=study.simulated, draft=draft)
    run.write_text("probast_ai.html", render_checklist(probast_page))
    files = {path.relative_to(run.path).as_posix() for path in run.path.rglob("*")}
    tripod = tripod_frame(study.loaded.config.report, files=files)
    run.write_frame("tripod_ai.csv", tripod)
    tripod_page = tripod_view(tripod, run_id=facts.run_id, simulated=study.simulated, draft=draft)
    run.write_text("tripod_ai.html", render_checklist(tripod_page))
    return (
        Annex(title="TRIPOD+AI", file="tripod_ai.html", summary=tripod_summary(tripod)),
        Annex(
            title="PROBAST+AI",
            file="probast_ai.html",
            summary=probast_summary(probast),
            missing=tuple(f"assessment of {key.replace('_', ' ')}" for key in unanswered(probast)),
        ),
        Annex(
            title="Model card",
            file="model_card.json",
            summary="In the fields of the CHAI applied model card.",
        ),
        Annex(
            title="Methods",
            file="methods.txt",
            summary="The methods in words as plain text, as in this report.",
        ),
    )
