"""What was done to whom, as the model report shows it: from attrition and definitions to settings and search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from predictor.adequacy import Adequacy
from predictor.cohort.definitions import describe_decision
from predictor.config.schema import AfterInfusion
from predictor.data.frames import rows_of
from predictor.models.catalog import FAMILIES
from predictor.reports.content_model import (
    AttritionRow,
    Definition,
    SearchRow,
    Setting,
    SizeRow,
)
from predictor.reports.wording import capitalised
from predictor.study import Study, about_imputation, describe_outcome, site_proxies

if TYPE_CHECKING:
    from predictor.models.tuning import TunedClassifier

__all__ = [
    "attrition_rows",
    "definition_rows",
    "design_rows",
    "procedure_text",
    "search_rows",
    "setting_rows",
    "size_note",
    "size_rows",
    "study_limits",
    "warning_lines",
]

ASSIGNMENT = {
    "randomised": "Patients were randomised to the plan.",
    "cluster_randomised": "Whole clusters were randomised to the plan.",
    "observational": "The plan was chosen by indication: differences between plans are not effects.",
}


def warning_lines(study: Study, adequacy: Adequacy) -> tuple[str, ...]:
    """Say what a reader has to know before the figures: missing outcomes and inputs that were dropped.

    Parameters
    ----------
    study : Study
    adequacy : Adequacy
    """
    found = [*filter(None, [adequacy.overridden]), *(f"{capitalised(one)}." for one in adequacy.warnings)]
    _, y = study.evaluable(study.loaded.config.primary)
    missing = 1 - len(y) / len(study.cohort.groups)
    if missing > 0.2:
        found.append(
            f"The outcome is missing for {missing:.0%} of the cohort; see the other strategies below."
        )
    found += [
        f"Not used: {feature_name} ({reason})." for feature_name, reason in study.extraction.dropped.items()
    ]
    found += [f"{capitalised(str(proxy))}." for proxy in site_proxies(study)]
    return tuple(found)


def size_rows(adequacy: Adequacy) -> tuple[SizeRow, ...]:
    """Lay out Riley's criteria for every feature set.

    Parameters
    ----------
    adequacy : Adequacy
    """
    return tuple(
        SizeRow(
            feature_set=str(r.feature_set).replace("_", " "),
            parameters=int(r.parameters),
            n=int(r.n),
            events=int(r.events),
            shrinkage=float(r.shrinkage),
            n_needed=int(r.n_needed),
            affordable=int(r.affordable),
        )
        for r in rows_of(adequacy.table)
    )


def size_note(adequacy: Adequacy) -> str:
    """Say what the criteria assume.

    Parameters
    ----------
    adequacy : Adequacy
    """
    return (
        f"Riley's criteria, expecting {adequacy.expected} (R² {adequacy.r_squared:.3f}). Parameters are all encoded "
        "columns before any selection or penalty; trees have no criterion of their own."
    )


def attrition_rows(study: Study) -> tuple[AttritionRow, ...]:
    """Lay out who was left out at which step, the missing outcome last.

    Parameters
    ----------
    study : Study
    """
    rows = [
        AttritionRow(
            step=str(r.step),
            remaining=int(r.units),
            excluded=int(r.excluded),
            reason=f"{r.unknown} of them not recorded" if r.unknown else "",
        )
        for r in rows_of(study.cohort.attrition)
    ]
    reasons = study.primary.missing_reasons()
    missing = [f"{r.reason}: {r.n}" for r in rows_of(reasons) if r.reason != "observed"]
    evaluable = int(study.primary.evaluable.sum())
    rows.append(
        AttritionRow(
            step=f"{capitalised(study.primary.name)} evaluable",
            remaining=evaluable,
            excluded=len(study.cohort.groups) - evaluable,
            reason="; ".join(missing),
        )
    )
    return tuple(rows)


def definition_rows(study: Study) -> tuple[Definition, ...]:
    """Say what the outcomes, the baseline, the plan and the estimand mean in this study.

    Parameters
    ----------
    study : Study
    """
    config = study.loaded.config
    window = config.cohort.baseline
    rows = [
        Definition(term=name.replace("_", " "), text=describe_outcome(study, name))
        for name in config.outcomes
    ]
    rows.append(
        Definition(term="baseline", text=f"days {window.first_day} to {window.last_day} relative to day 0")
    )
    if isinstance(config.cohort.decision_time, AfterInfusion):
        rows.append(Definition(term="decision", text=describe_decision(config.cohort.decision_time)))
    if config.cohort.treatment is not None:
        rows.append(
            Definition(
                term="plan",
                text=f"{config.cohort.treatment.column}. {ASSIGNMENT[config.cohort.treatment.assignment]}",
            )
        )
    rows.append(
        Definition(
            term="estimand",
            text="patients who start the planned treatment; the outcome in its window whether or not the treatment "
            "was completed",
        )
    )
    return tuple(rows)


def procedure_text(judge: str) -> str:
    """Say in words what is judged.

    Parameters
    ----------
    judge : str
        ``average``, ``selection``, or the name of one candidate.
    """
    return {
        "average": "the average of all models and feature sets, weighed inside each outer fold",
        "selection": "the selection: the model and feature set chosen inside each outer fold",
    }.get(judge, judge.replace(" | ", " on "))


def design_rows(study: Study) -> tuple[Definition, ...]:
    """Say how the procedure was validated and judged.

    Parameters
    ----------
    study : Study
    """
    validation = study.loaded.config.validation
    unit = study.loaded.config.cohort.group or "patient"
    return (
        Definition(
            term="validation",
            text=f"{validation.outer.n_splits} outer folds × {validation.outer.n_repeats} repeats, grouped by {unit}; "
            f"everything is fitted, tuned ({validation.inner.n_splits} inner folds; forests "
            "out of bag) and chosen or weighed inside the outer fold",
        ),
        Definition(term="missing inputs", text=about_imputation(study)),
        Definition(term="judged", text=procedure_text(study.protocol.judge)),
        Definition(
            term="intervals",
            text=f"{validation.interval.level:.0%}, {validation.interval.resamples} bootstrap resamples of whole "
            "groups, all repeats carried together",
        ),
    )


def setting_rows(study: Study) -> tuple[Setting, ...]:
    """List the settings that a figure depends on.

    Parameters
    ----------
    study : Study
    """
    config = study.loaded.config
    rows = [
        ("seed", str(config.experiment.seed)),
        ("missing outcomes", config.outcomes[config.primary].if_missing.replace("_", " ")),
        ("missing inputs", _imputation_text(study)),
        ("calibration", config.calibration),
        ("largest share of missing values of an input", f"{config.features.max_missing:.0%}"),
        ("thresholds", ", ".join(f"{t:g}" for t in config.validation.thresholds)),
        ("refits behind the range", str(config.validation.refits)),
        ("overrides", "; ".join(study.loaded.overrides) or "none"),
    ]
    return tuple(Setting(name=name, value=value) for name, value in rows)


def _imputation_text(study: Study) -> str:
    section = study.loaded.config.imputation
    return f"multiple, m = {section.m}, {section.rounds} rounds" if study.protocol.imputations else "simple"


def search_rows(study: Study, fitted: Mapping[str, Sequence[TunedClassifier]]) -> tuple[SearchRow, ...]:
    """Lay out the search spaces and the values of the final fits.

    Parameters
    ----------
    study : Study
    fitted : mapping of str to sequence of TunedClassifier
        Every candidate, fitted on all evaluable units, once for each imputation.
    """
    rows = []
    for name, section in study.loaded.config.models.items():
        space = section.search or dict(FAMILIES[section.type].space)
        mine = [c for c in study.protocol.candidates if c.model == name]
        for parameter, axis in space.items():
            finals = {
                str(_short(model.best_params_.get(parameter))) for c in mine for model in fitted[c.name]
            }
            rows.append(
                SearchRow(
                    model=name.replace("_", " "),
                    parameter=parameter,
                    space=f"{axis} ({len(mine[0].grid)} candidates)",
                    final=", ".join(sorted(finals)),
                )
            )
    return tuple(rows)


def _short(value: object) -> object:
    return f"{value:.3g}" if isinstance(value, float) else value


def study_limits(study: Study) -> tuple[str, ...]:
    """List the limits that come from this study, besides those of every model.

    Parameters
    ----------
    study : Study
    """
    treatment = study.loaded.config.cohort.treatment
    found = []
    if treatment is None:
        found.append("Everybody had the same plan: nothing can be said about another treatment or dose.")
    elif treatment.assignment == "observational":
        found.append(
            "The plan was not randomised: differences between plans may come from who was given what."
        )
    transport = study.loaded.config.validation.transport
    if transport is None or transport.type == "temporal":
        found.append("Whether it travels to a site it has not seen was not tested.")
    return tuple(found)
