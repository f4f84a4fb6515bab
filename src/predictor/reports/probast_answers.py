"""The answers to PROBAST+AI from the run's own facts, each with the sentence that supports it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from predictor.adequacy import WANTED_SHRINKAGE, Adequacy
from predictor.checks.finding import Finding
from predictor.config.schema import Applicability, Assessed, ResponseOutcome
from predictor.reports.methods import weighted_classes
from predictor.reports.wording import joined, number_text
from predictor.study import Study, describe_outcome
from predictor.validation.evaluation import Evaluation

__all__ = ["Answer", "Facts", "Reply", "applicability"]

Reply = Literal["yes", "probably yes", "probably no", "no", "no information", "not applicable"]
ENOUGH_TO_JUDGE = 100  # events, and non-events, to measure performance (Vergouwe 2005; Collins 2016)
MUCH_MISSING, LITTLE_MISSING = 0.20, 0.05
PERSON = "A person has to answer this in report.assessment.{}"
LEAKS = ("P001", "P002", "P003", "P005", "P006", "P015")


@dataclass(frozen=True)
class Facts:
    """What the answers are taken from."""

    study: Study
    evaluation: Evaluation
    findings: Sequence[Finding]
    adequacy: Adequacy
    resamples: int

    @property
    def missing_outcome(self) -> float:
        """Share of the cohort without the primary outcome."""
        return 1 - float(self.study.primary.evaluable.mean())

    def leaks(self, *codes: str) -> list[str]:
        """Codes of suspected leaks, of any severity above a notice."""
        return sorted({one.code for one in self.findings if one.code in codes and one.severity != "notice"})


@dataclass(frozen=True)
class Answer:
    """A reply and the sentence that supports it; `person` names the key of ``report.assessment`` that gives it."""

    reply: Reply
    evidence: str
    person: str = ""


def _ask_person(facts: Facts, question: str, key: str, about: str) -> Answer:
    """Take a person's answer, beside the statement that the question goes by."""
    report = facts.study.loaded.config.report
    given: Assessed | None = getattr(report.assessment, question)
    said = getattr(report.statements, key)
    by = f"going by report.statements.{key}: " + (f"“{said.rstrip('.')}”" if said else "NOT PROVIDED")
    if given is None:
        return Answer("no information", f"{about} {PERSON.format(question)}, {by}.", question)
    because = f" {given.because.rstrip('.')}." if given.because else ""
    return Answer(given.answer, f"{about} Answered by a person, {by}.{because}", question)


def applicability(facts: Facts, domain: str) -> tuple[str, str]:
    """Return a person's concern about the applicability of one domain, and what it rests on.

    Parameters
    ----------
    facts : Facts
    domain : {"participants", "predictors", "outcome"}

    Returns
    -------
    tuple of str
        Low, high, unclear or, where nobody has said, no information.
    """
    key = f"applicability_{domain}"
    given: Applicability | None = getattr(facts.study.loaded.config.report.assessment, key)
    if given is None:
        return "no information", f"{PERSON.format(key)}: NOT PROVIDED."
    return given.concern, f"Judged by a person: {given.because.rstrip('.')}."


def sources(facts: Facts) -> Answer:
    """Leave the fitness of the data sources to a person."""
    return _ask_person(
        facts, "sources", "data_sources", "Whether the source suits the question is not in the data."
    )


def study_design(facts: Facts) -> Answer:
    """Everybody is followed from day 0; say whether the plan was dealt by chance."""
    treatment = facts.study.loaded.config.cohort.treatment
    followed = "Everybody was followed from day 0, with values before it and the outcome after it"
    if treatment is not None and treatment.assignment != "observational":
        return Answer("yes", f"{followed}; the plan was dealt by chance.")
    return Answer(
        "probably yes",
        f"{followed}; the plan was not dealt by chance, which prognosis does not need.",
    )


def representative(facts: Facts) -> Answer:
    """Leave to a person whom the eligible stand for, beside how many they are."""
    table = facts.study.cohort.attrition
    flow = f"{int(table['units'].iloc[-1])} of {int(table['units'].iloc[0])} rows were eligible"
    return _ask_person(facts, "representative", "setting", f"{flow}.")


def same_predictors(_: Facts) -> Answer:
    """Point to the dictionary: one definition for everybody."""
    return Answer(
        "probably yes",
        "Each predictor has one entry in the dictionary, with unit, range and values, and whatever breaks it is "
        "refused. Whether it was measured alike at the bedside is not in the data.",
    )


def same_preparation(_: Facts) -> Answer:
    """Point to the one preparation that is learned inside each fold."""
    return Answer("yes", "One preparation for everybody, learned inside each fold from its training part.")


def predictors_blind(facts: Facts) -> Answer:
    """Yes by the days of the values, unless a check suspects otherwise."""
    found = facts.leaks("P001", "P002", "P015")
    if found:
        return Answer("probably no", f"The checks {joined(found)} suspect values from after the outcome.")
    window = facts.study.loaded.config.cohort.baseline
    return Answer(
        "probably yes",
        f"Only values of days {window.first_day} to {window.last_day}, before the outcome's window, were taken.",
    )


def predictors_at_hand(facts: Facts) -> Answer:
    """Yes by the rule on columns known after day 0, unless a check suspects otherwise."""
    found = facts.leaks("P002", "P015")
    if found:
        return Answer("probably no", f"The checks {joined(found)} suspect values from after the start.")
    return Answer("yes", "A column that is known after day 0 is refused as a predictor.")


def outcome_definition(facts: Facts) -> Answer:
    """Take a fall by half as the standard; another declared definition probably fits."""
    name = facts.study.loaded.config.primary
    section = facts.study.loaded.config.outcomes[name]
    standard = isinstance(section, ResponseOutcome) and section.reduction == 0.5
    text = f"Declared before anything was fitted: {describe_outcome(facts.study, name)}."
    return Answer("yes" if standard else "probably yes", text)


def same_outcome(_: Facts) -> Answer:
    """Point to the one definition."""
    return Answer("yes", "One definition and one window of days for everybody.")


def outcome_blind(facts: Facts) -> Answer:
    """No where the outcome is among the predictors; else leave it to a person."""
    found = facts.leaks("P003")
    if found:
        return Answer("no", "Check P003: a component of the outcome is among the predictors.")
    return _ask_person(
        facts,
        "outcome_blind",
        "rater_blinding",
        "No component of the outcome was found among the predictors.",
    )


def interval(facts: Facts) -> Answer:
    """Point to the declared window."""
    section = facts.study.loaded.config.outcomes[facts.study.loaded.config.primary]
    window = getattr(section, "assessed", None)
    if window is None:
        return _ask_person(facts, "interval", "study_dates", "The outcome has no declared window.")
    return Answer(
        "yes", f"The outcome was assessed on days {window.first_day} to {window.last_day} after day 0."
    )


def size_for_development(facts: Facts) -> Answer:
    """Go by Riley's criteria: shrinkage of the largest feature set."""
    table = facts.adequacy.table
    worst = table.sort_values("shrinkage").iloc[0]
    text = (
        f"Feature set {worst['feature_set']}: {int(worst['parameters'])} parameters, {int(worst['events'])} of the "
        f"rarer outcome ({worst['events_per_parameter']:.1f} per parameter), shrinkage {worst['shrinkage']:.2f}; "
        f"{int(worst['n_needed'])} patients would be needed and {int(worst['n'])} were there."
    )
    if facts.adequacy.problems:
        return Answer("no", f"{text} {facts.adequacy.overridden}".strip())
    return Answer("yes" if worst["shrinkage"] >= WANTED_SHRINKAGE else "probably no", text)


def scales(facts: Facts) -> Answer:
    """Numbers are never cut into classes."""
    families = {section.type for section in facts.study.loaded.config.models.values()}
    kept = "Numbers are kept as numbers and never cut into classes; categories have one indicator per level"
    if families == {"elastic_net"}:
        return Answer("probably yes", f"{kept}; all models are linear in them.")
    return Answer("yes", f"{kept}; trees follow bends without being told.")


def missing_data(facts: Facts) -> Answer:
    """Go by the shares of missing outcomes and predictor values."""
    rows, _ = facts.study.evaluable(facts.study.loaded.config.primary)
    names = [feature.name for feature in facts.study.dataset.features]
    worst = float(facts.study.dataset.X.iloc[rows][names].isna().mean().max()) if names else 0.0
    lost, m = facts.missing_outcome, facts.study.protocol.imputations
    filled = f"imputed {m} times" if m else "filled in with the median and an indicator"
    text = (
        f"{100 * lost:.0f} of 100 have no outcome (declared: {_strategy(facts)}); of the predictors the least "
        f"complete lacks {100 * worst:.0f} of 100 values, {filled} inside each fold."
    )
    imputed = _strategy(facts) == "impute"
    if lost > MUCH_MISSING and not imputed:
        return Answer("no", text)
    fits = (lost <= LITTLE_MISSING or imputed) and (worst <= LITTLE_MISSING or m > 0)
    return Answer("probably yes" if fits else "probably no", text)


def _strategy(facts: Facts) -> str:
    config = facts.study.loaded.config
    return config.outcomes[config.primary].if_missing.replace("_", " ")


def imbalance(facts: Facts) -> Answer:
    """Go by whether classes were weighted, and predictions calibrated after it."""
    if not weighted_classes(facts.study):
        return Answer("not applicable", "Classes were neither resampled nor weighted.")
    calibrated = facts.study.loaded.config.calibration != "none"
    return Answer(
        "yes" if calibrated else "no",
        f"Classes were weighted; calibration: {facts.study.loaded.config.calibration}.",
    )


def overfitting(_: Facts) -> Answer:
    """Point to tuning and weighing inside the folds."""
    return Answer(
        "yes",
        "Penalties and sizes of trees are tuned in inner folds, models are weighed there, and no predictor is chosen "
        "by its own association with the outcome.",
    )


def beyond_apparent(facts: Facts) -> Answer:
    """Point to the nested cross-validation."""
    outer = facts.study.loaded.config.validation.outer
    text = f"Nested cross-validation, {outer.n_splits} outer folds times {outer.n_repeats}"
    return Answer("yes", text + (f", and {facts.resamples} bootstrap resamples." if facts.resamples else "."))


def size_for_evaluation(facts: Facts) -> Answer:
    """Go by events and non-events."""
    verdict = facts.evaluation.verdict
    enough = min(verdict.events, verdict.non_events) >= ENOUGH_TO_JUDGE
    text = f"{verdict.events} events and {verdict.non_events} non-events; {ENOUGH_TO_JUDGE} of each are asked for"
    return Answer("yes" if enough else "no", f"{text}.")


def imbalance_in_evaluation(facts: Facts) -> Answer:
    """Held-out patients are never weighted."""
    if not weighted_classes(facts.study):
        return Answer("not applicable", "Classes were neither resampled nor weighted.")
    return Answer("yes", "Held-out patients are judged as they came, without weights.")


def leakage(facts: Facts) -> Answer:
    """Go by the folds, and by the checks for leaks."""
    found = facts.leaks(*LEAKS)
    group = facts.study.loaded.config.cohort.group
    together = f"All units with the same {group} are" if group else "Everything of one patient is"
    text = f"{together} in one fold, and nothing is learned outside its training part"
    if found:
        return Answer("probably no", f"{text}, but the checks {joined(found)} suspect a leak.")
    return Answer("yes", f"{text}; the checks found no leak.")


def all_steps(_: Facts) -> Answer:
    """Every step is repeated in every resample."""
    return Answer(
        "yes",
        "Filling in, scaling, tuning, calibration, weighing and choosing are repeated in every fold and resample.",
    )


def measures(facts: Facts) -> Answer:
    """Point to the figures that are reported."""
    judged = facts.evaluation.performance[facts.evaluation.performance["kind"] == "judged"]
    named = judged.set_index("metric")["value"]
    return Answer(
        "yes",
        f"With limits: AUC {number_text(named['auc'])}, calibration slope {number_text(named['calibration_slope'])} "
        "and curve, net benefit at declared thresholds, Brier score and log loss.",
    )
