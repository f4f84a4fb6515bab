"""The methods in words: paragraphs that a paper could take over, written from the config and the data."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from predictor.adequacy import Adequacy
from predictor.cohort.definitions import describe_decision
from predictor.config.schema import AfterInfusion, ModelType
from predictor.provenance import software_version
from predictor.reports.model_method import procedure_text
from predictor.reports.wording import joined, number_text, say
from predictor.study import Study, describe_outcome
from predictor.validation.evaluation import Evaluation

__all__ = ["FAMILY_WORDS", "methods_paragraphs", "weighted_classes"]

FAMILY_WORDS: Mapping[ModelType, str] = MappingProxyType(
    {
        "elastic_net": "logistic regression with an elastic net penalty",
        "random_forest": "random forests",
        "extra_trees": "extremely randomised trees",
        "lightgbm": "gradient-boosted trees (LightGBM)",
        "hist_gradient_boosting": "histogram gradient boosting",
    }
)
OUT_OF_BAG = ("random_forest", "extra_trees")


def methods_paragraphs(
    study: Study, evaluation: Evaluation, adequacy: Adequacy, *, versions: Mapping[str, str]
) -> tuple[str, ...]:
    """Say in words what was done: sample, outcome, predictors, models, validation, verdict, software.

    Parameters
    ----------
    study : Study
    evaluation : Evaluation
    adequacy : Adequacy
    versions : mapping of str to str
        Of Python and the packages.
    """
    paragraphs = (
        _sample(study, adequacy),
        _outcome(study),
        _predictors(study),
        _models(study),
        _validation(study),
        _verdict(evaluation),
        _software(study, versions),
    )
    return (say("simulated") + ".", *paragraphs) if study.simulated else paragraphs


def _sample(study: Study, adequacy: Adequacy) -> str:
    table, config = study.cohort.attrition, study.loaded.config
    _, y = study.evaluable(config.primary)
    rules = [rule.name for rule in config.cohort.eligibility]
    asked = f" Eligibility: {'; '.join(rules)}." if rules else ""
    sizes = [
        f"{name.replace('_', ' ')}: {p} parameters, expected shrinkage {number_text(shrinkage)}"
        for name, p, shrinkage in zip(
            adequacy.table["feature_set"],
            adequacy.table["parameters"],
            adequacy.table["shrinkage"],
            strict=True,
        )
    ]
    return (
        f"Of {int(table['units'].iloc[0])} units in the data {int(table['units'].iloc[-1])} were eligible, of whom "
        f"{len(y)} had the primary outcome assessed; {int(y.sum())} of these had it.{asked} The size of the sample was "
        f"judged by Riley's criteria, expecting {adequacy.expected} ({'; '.join(sizes)})."
        f"{_override(adequacy.overridden)}"
    )


def _override(text: str) -> str:
    return f" {text}" if text else ""


def _outcome(study: Study) -> str:
    config = study.loaded.config
    others = [name.replace("_", " ") for name in config.outcomes if name != config.primary]
    missing = config.outcomes[config.primary].if_missing.replace("_", " ")
    also = f" Other outcomes on the same folds: {joined(others)}." if others else ""
    return (
        f"The primary outcome ({study.primary.name.replace('_', ' ')}) was declared beforehand: "
        f"{describe_outcome(study, study.primary.name)}. Where it was not assessed the strategy was: {missing}.{also}"
    )


def _predictors(study: Study) -> str:
    config = study.loaded.config
    window = config.cohort.baseline
    features = study.dataset.features
    sets = [f"{name.replace('_', ' ')} ({len(names)})" for name, names in study.extraction.sets.items()]
    dropped = len(study.extraction.dropped)
    left = f" {dropped} declared inputs could not be used." if dropped else ""
    decision = config.cohort.decision_time
    known = f"known on days {window.first_day} to {window.last_day} relative to day 0"
    if isinstance(decision, AfterInfusion):
        known += f", or by the decision ({describe_decision(decision)}),"
    return (
        f"{len(features)} inputs {known} were "
        f"candidates, in these sets: {joined(sets)}.{left} {_numbers(study)}, scaled inside each fold; categories as "
        f"indicators. {_filling(study)} No input was chosen by its own association with the outcome."
    )


def _numbers(study: Study) -> str:
    transformed = [f"{f.label} ({f.transform})" for f in study.dataset.features if f.transform != "none"]
    if not transformed:
        return "Numbers entered as they are"
    return f"Numbers entered as they are, but for {joined(transformed)}"


def _filling(study: Study) -> str:
    m = study.protocol.imputations
    if not m:
        return (
            "Missing numbers were filled in with the median of the training part, with an indicator; missing "
            "categories were a level of their own."
        )
    return (
        f"Missing numbers were imputed {m} times by chained regressions inside every fold, in training parts with the "
        f"outcome and elsewhere without it, and the {m} probabilities were averaged; missing categories were a level "
        "of their own."
    )


def _models(study: Study) -> str:
    config = study.loaded.config
    families = list(dict.fromkeys(section.type for section in config.models.values()))
    bagged = [family for family in families if family in OUT_OF_BAG]
    tuned = f"in {config.validation.inner.n_splits} inner folds"
    if bagged:
        tuned += " (forests out of bag)"
    calibration = {
        "auto": "Probabilities of trees were calibrated by a sigmoid, those of logistic models not",
        "none": "Probabilities were not recalibrated",
        "sigmoid": "All probabilities were calibrated by a sigmoid",
    }[config.calibration]
    return (
        f"Models: {joined([FAMILY_WORDS[family] for family in families])}. Their settings were chosen by log loss "
        f"{tuned}. {calibration}, inside the training part. Classes were {_balance(study)}. What was judged is "
        f"{procedure_text(study.protocol.judge)}."
    )


def weighted_classes(study: Study) -> bool:
    """Tell whether any model was asked to weigh the classes.

    Parameters
    ----------
    study : Study
    """
    models = study.loaded.config.models.values()
    return any({"class_weight", "scale_pos_weight"} & {*one.params, *one.search} for one in models)


def _balance(study: Study) -> str:
    return "weighted as the settings say" if weighted_classes(study) else "neither resampled nor weighted"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _validation(study: Study) -> str:
    validation = study.loaded.config.validation
    group = study.loaded.config.cohort.group
    together = f"all units with the same {group} are" if group else "everything of one patient is"
    text = (
        f"Every step was repeated in nested cross-validation ({validation.outer.n_splits} outer folds, "
        f"{_times(validation.outer.n_repeats)}), in which {together} in one fold. Discrimination "
        "(AUC over pairs within folds), calibration (intercept, slope, smooth curve), Brier score, log loss and "
        f"net benefit were computed out of fold, with {100 * validation.interval.level:g} % limits from "
        f"{validation.interval.resamples} bootstrap resamples of whole groups."
    )
    if validation.bootstrap.resamples:
        text += (
            f" Optimism and the stability of each estimate come from {validation.bootstrap.resamples} bootstrap "
            "resamples in which the whole procedure was repeated."
        )
    if validation.transport is not None:
        by, cut = validation.transport.by, validation.transport.cut
        text += (
            f" Patients from {cut} on ({by}) were also predicted from those before."
            if validation.transport.type == "temporal"
            else f" Each level of {by} was also left out as a whole."
        )
    return text


def _verdict(evaluation: Evaluation) -> str:
    return (
        "The procedure counts as better only if, against every reference (prevalence; severity and plan where "
        "there are such), the lower 97.5 % limit of its mean gain in log loss is above 0 and the gain reaches the "
        f"margin of {number_text(evaluation.verdict.margin, 4)} nats, which is what one predictor with an AUC of "
        "0.60 would bring. It counts as no better if against some reference the upper 95 % limit is below the "
        "margin and the effective number of patients suffices; otherwise the data are too few to tell. "
        "The rule was fixed before the data were seen."
    )


def _software(study: Study, versions: Mapping[str, str]) -> str:
    packages = ", ".join(f"{name} {number}" for name, number in versions.items())
    return (
        f"Software: response-predictor {software_version()} with {packages}; seed "
        f"{study.loaded.config.experiment.seed}; configuration sha256 {study.loaded.config_hash}."
    )
