"""TRIPOD+AI filled in from the run: each of the 52 sub-items with the place that answers it, or the gap.

The words are ours. What the run knows points to a section of the model report, a file of the run or a key of the
config; what only a person can say names the key of ``report.statements`` and stays a gap until it is written there.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import pandas as pd

from predictor.config.schema import HumanStatements, ReportSection
from predictor.reports.sections import reference

__all__ = ["GAP", "ITEMS", "Item", "tripod_frame"]

GAP = "NOT PROVIDED: a person has to say it"


@dataclass(frozen=True)
class Item:
    """One sub-item.

    Parameters
    ----------
    id : str
        As in the statement, ``8a``.
    part : str
        Part of a paper it belongs to.
    asks : str
        What it asks, in our words.
    sections : tuple of str
        Keys of `predictor.reports.sections.SECTIONS` that answer it.
    files : tuple of str
        Files of the run's folder that answer it; some runs have no use for some.
    keys : tuple of str
        Keys of the config that answer it.
    statements : tuple of str
        Keys of ``report.statements`` (or ``title`` of ``report``) without which it is not wholly answered.
    unless : str
        Why it does not apply to a run that develops a model, where it does not.
    needs : str
        A file without which it does not apply, for the reason in ``unless``.
    """

    id: str
    part: str
    asks: str
    sections: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    statements: tuple[str, ...] = ()
    unless: str = ""
    needs: str = ""


NOT_UPDATED = "this run develops a model and updates none"

ITEMS: tuple[Item, ...] = (
    Item(
        "1",
        "Title",
        "Does the title say that a model is developed or evaluated, for whom and for which outcome?",
        keys=("experiment.question",),
        statements=("title",),
    ),
    Item(
        "2",
        "Abstract",
        "Is there an abstract in sections?",
        statements=("abstract",),
    ),
    Item(
        "3a",
        "Introduction",
        "Health context, reason for the model, and models that exist",
        statements=("background",),
    ),
    Item(
        "3b",
        "Introduction",
        "For whom it is, what for, where in the pathway of care, and who uses it",
        keys=("experiment.question",),
        statements=("intended_use", "intended_users"),
    ),
    Item(
        "3c",
        "Introduction",
        "Known inequalities in health between groups of people",
        statements=("known_inequalities",),
    ),
    Item(
        "4",
        "Introduction",
        "Aims, and whether a model is developed, evaluated or both",
        sections=("verdict", "design"),
        keys=("experiment.question",),
    ),
    Item(
        "5a",
        "Methods: data",
        "Sources of the data, why these, and whom they represent",
        keys=("data.dictionary",),
        statements=("data_sources",),
    ),
    Item("5b", "Methods: data", "Dates of the data", statements=("study_dates",)),
    Item(
        "6a",
        "Methods: participants",
        "Setting, number and place of the centres",
        statements=("setting",),
    ),
    Item(
        "6b",
        "Methods: participants",
        "Who was eligible",
        sections=("attrition",),
        files=("attrition.csv",),
        keys=("cohort.eligibility",),
    ),
    Item(
        "6c",
        "Methods: participants",
        "Treatments received, and how they were handled",
        sections=("data",),
        keys=("cohort.treatment",),
        statements=("care_received",),
    ),
    Item(
        "7",
        "Methods: preparation",
        "How the data were prepared and checked, and whether alike for all groups of people",
        sections=("methods", "missing_inputs", "checks"),
        files=("config.yaml", "checks.csv"),
        keys=("data.dictionary",),
    ),
    Item(
        "8a",
        "Methods: outcome",
        "The outcome, its horizon, how and when it was assessed, alike for all groups",
        sections=("data",),
        keys=("outcomes",),
    ),
    Item(
        "8b",
        "Methods: outcome",
        "Where it needs judgement: who rated, and with which qualification",
        statements=("rater_qualification",),
    ),
    Item("8c", "Methods: outcome", "Blinding of those who rated", statements=("rater_blinding",)),
    Item(
        "9a",
        "Methods: predictors",
        "How the candidate predictors were chosen",
        keys=("features",),
        statements=("predictor_choice",),
    ),
    Item(
        "9b",
        "Methods: predictors",
        "All predictors, how and when they were measured",
        sections=("data", "missing_inputs"),
        keys=("features.groups", "cohort.baseline", "data.dictionary"),
    ),
    Item(
        "9c",
        "Methods: predictors",
        "Where they need judgement: who assessed them, and with which training",
        statements=("predictor_assessment",),
    ),
    Item(
        "10",
        "Methods: sample size",
        "How the size of the sample was justified, for development and evaluation",
        sections=("data",),
        keys=("validation.expected_auc", "override"),
    ),
    Item(
        "11",
        "Methods: missing data",
        "How missing values were handled, and what was left out why",
        sections=("missing_outcomes", "missing_inputs", "methods"),
        keys=("features.max_missing", "imputation", "outcomes"),
    ),
    Item(
        "12a",
        "Methods: analysis",
        "For which part of the work which data were used",
        sections=("design",),
        files=("predictions.parquet",),
        keys=("validation.outer", "validation.inner"),
    ),
    Item(
        "12b",
        "Methods: analysis",
        "How predictors entered the models: form, scaling, transformation",
        sections=("methods",),
        keys=("features.groups",),
    ),
    Item(
        "12c",
        "Methods: analysis",
        "Kind of model and why, all steps of building it with tuning, and internal validation",
        sections=("methods", "design", "settings"),
        files=("config.yaml", "weights.csv"),
        keys=("models",),
    ),
    Item(
        "12d",
        "Methods: analysis",
        "Whether results differ between clusters, and how that was handled",
        sections=("design", "transport"),
        files=("transport.csv",),
        keys=("cohort.group", "validation.transport"),
    ),
    Item(
        "12e",
        "Methods: analysis",
        "Measures and plots of performance and why, also for comparing models",
        sections=("models", "calibration", "discrimination", "net_benefit", "methods"),
        keys=("validation.thresholds", "validation.interval"),
    ),
    Item("12f", "Methods: analysis", "Whether and how the model was updated", unless=NOT_UPDATED),
    Item(
        "12g",
        "Methods: analysis",
        "How predictions were computed where the model was evaluated",
        sections=("design", "reproduction"),
        files=("predictions.parquet", "model/manifest.json"),
    ),
    Item(
        "13",
        "Methods: class imbalance",
        "Whether classes were balanced, why, and how predictions were recalibrated after it",
        sections=("methods",),
        keys=("calibration",),
    ),
    Item(
        "14",
        "Methods: fairness",
        "What was done about fairness, and why",
        sections=("subgroups",),
        statements=("fairness",),
    ),
    Item(
        "15",
        "Methods: output",
        "What the model gives; thresholds and how they were set",
        sections=("net_benefit", "discrimination"),
        keys=("validation.thresholds", "report.release"),
    ),
    Item(
        "16",
        "Methods: training and evaluation",
        "Differences between development and evaluation data in setting, eligibility, outcome and predictors",
        sections=("design", "transport"),
        keys=("validation.outer",),
    ),
    Item("17", "Methods: ethics", "Approval, and consent or its waiver", statements=("ethics",)),
    Item("18a", "Open science", "Funding, and the part of the funders", statements=("funding",)),
    Item("18b", "Open science", "Conflicts of interest and disclosures", statements=("conflicts",)),
    Item("18c", "Open science", "Where the protocol is, or that there is none", statements=("protocol",)),
    Item("18d", "Open science", "Registration, or that there is none", statements=("registration",)),
    Item(
        "18e",
        "Open science",
        "Whether and how the data can be had",
        statements=("data_availability",),
    ),
    Item(
        "18f",
        "Open science",
        "Whether and how the code can be had",
        sections=("reproduction",),
        statements=("code_availability",),
    ),
    Item(
        "19",
        "Patients and public",
        "What part patients and the public had, or that they had none",
        statements=("patient_involvement",),
    ),
    Item(
        "20a",
        "Results: participants",
        "Flow of participants, with and without the outcome, and follow-up",
        sections=("attrition", "data"),
        files=("attrition.csv",),
    ),
    Item(
        "20b",
        "Results: participants",
        "Characteristics overall and by source or setting: predictors, missing values, follow-up, groups",
        sections=("data", "missing_inputs", "subgroups"),
        files=("characteristics.csv",),
    ),
    Item(
        "20c",
        "Results: participants",
        "For an evaluation: comparison with the patients of the development",
        unless="the model was evaluated inside the data that it was developed on",
    ),
    Item(
        "21",
        "Results: development",
        "Patients and events in each analysis",
        sections=("data", "models", "transport"),
        files=("secondary.csv", "transport.csv"),
    ),
    Item(
        "22",
        "Results: specification",
        "The whole model, so that others can predict with it, and how to get it",
        sections=("reproduction",),
        files=("model/manifest.json", "model/card.json", "model_card.json"),
    ),
    Item(
        "23a",
        "Results: performance",
        "Performance with confidence intervals, also in key groups of people, with plots",
        sections=(
            "models",
            "calibration",
            "discrimination",
            "net_benefit",
            "optimism",
            "stability",
            "subgroups",
        ),
        files=("performance.csv", "calibration.csv", "net_benefit.csv", "optimism.csv", "subgroups.csv"),
    ),
    Item(
        "23b",
        "Results: performance",
        "Differences of performance between clusters, where they were examined",
        sections=("transport",),
        files=("transport.csv",),
        unless="no cluster was left out as a whole: validation.transport is not declared",
        needs="transport.csv",
    ),
    Item("24", "Results: updating", "Results of updating the model", unless=NOT_UPDATED),
    Item(
        "25",
        "Discussion",
        "What the results mean, also for fairness, in the light of the aims and of earlier studies",
        sections=("verdict",),
        statements=("interpretation",),
    ),
    Item(
        "26",
        "Discussion",
        "Limitations, and what they do to bias, uncertainty and generalisability",
        sections=("limits", "checks"),
        statements=("known_issues",),
    ),
    Item(
        "27a",
        "Discussion: use",
        "What happens to inputs of poor quality or absent ones when the model is used",
        sections=("missing_inputs",),
        files=("model/card.json",),
        keys=("report.withhold_if",),
    ),
    Item(
        "27b",
        "Discussion: use",
        "Whether users handle inputs or outputs, and what they have to know",
        statements=("user_interaction",),
    ),
    Item(
        "27c",
        "Discussion: use",
        "What research comes next, for use elsewhere and over time",
        statements=("next_steps",),
    ),
)


def tripod_frame(report: ReportSection, *, files: Collection[str]) -> pd.DataFrame:
    """Fill the checklist in.

    Parameters
    ----------
    report : ReportSection
        What people have said in the config.
    files : collection of str
        Names within the run's folder; no other file is pointed to.

    Returns
    -------
    DataFrame
        ``item``, ``part``, ``asks``, ``status`` (answered, partly, NOT PROVIDED or not applicable), ``where``,
        ``missing``.

    References
    ----------
    Collins GS et al. TRIPOD+AI statement: updated guidance for reporting clinical prediction models that use regression
    or machine learning methods. BMJ 2024;385:e078378.
    """
    return pd.DataFrame([_line(item, report, frozenset(files)) for item in ITEMS])


def _line(item: Item, report: ReportSection, files: frozenset[str]) -> dict[str, str]:
    said = {_path(key): _said(report, key) for key in item.statements}
    absent = [path for path, text in said.items() if text is None]
    places = [
        *map(reference, item.sections),
        *(name for name in item.files if name in files),
        *item.keys,
        *(path for path in said if path not in absent),
    ]
    if item.unless and item.needs not in files:
        status, places = "not applicable", [item.unless]
    elif not absent:
        status = "answered"
    else:
        status = "partly" if places else "NOT PROVIDED"
    return {
        "item": item.id,
        "part": item.part,
        "asks": item.asks,
        "status": status,
        "where": "; ".join(places),
        "missing": f"{GAP} ({', '.join(absent)})" if absent else "",
    }


def _path(key: str) -> str:
    return f"report.statements.{key}" if key in HumanStatements.model_fields else f"report.{key}"


def _said(report: ReportSection, key: str) -> str | None:
    holder = report.statements if key in HumanStatements.model_fields else report
    text: str | None = getattr(holder, key)
    return text
