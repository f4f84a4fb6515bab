"""The config: every section, in the order of the YAML file.

The schema is pure data. What two sections say about each other is checked in `predictor.config.problems`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from predictor.config.dictionary import Declared
from predictor.config.outcome_sections import (
    AdverseEventOutcome,
    AnyOutcome,
    ChangeOutcome,
    Condition,
    DropoutOutcome,
    EventOutcome,
    IntercurrentEvent,
    Reference,
    RelapseOutcome,
    RemissionOutcome,
    ResponseOutcome,
    Window,
)

__all__ = [
    "DECISION_TAKES",
    "DEFAULT_CANDIDATES",
    "DEFAULT_MODELS",
    "PROCEDURES",
    "AdverseEventOutcome",
    "AfterInfusion",
    "AnyOutcome",
    "Applicability",
    "Assessed",
    "Assessment",
    "Baseline",
    "ChangeOutcome",
    "CohortSection",
    "Condition",
    "Config",
    "DataSection",
    "DropoutOutcome",
    "EventOutcome",
    "ExecutionSection",
    "Experiment",
    "FeatureEntry",
    "Features",
    "HumanStatements",
    "Imputation",
    "Index",
    "IntercurrentEvent",
    "ModelSection",
    "ModelType",
    "RelapseOutcome",
    "RemissionOutcome",
    "ReportSection",
    "ResponseOutcome",
    "Rule",
    "Subgroup",
    "Tracking",
    "Transport",
    "Treatment",
    "Validation",
    "Window",
]

# It becomes part of a path: of a run's folder, and of MLflow's files.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]


class Experiment(Declared):
    """What is asked, in words, and the one seed everything random descends from."""

    name: Name
    """Of the run's folder and of the MLflow experiment."""
    question: str
    """Heads the reports."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0


class DataSection(Declared):
    """Where the dictionary is, and the folder its source paths start from (default: the dictionary's own)."""

    dictionary: str
    folder: str | None = None


def _index_form(value: Any) -> Any:
    return {"visits": True} if value == "visits" else value


class Index(Declared):
    """Day 0: a row of a dated table, or ``visits`` where labels or columns carry days already."""

    visits: bool = False
    table: str | None = None
    """Table whose date is day 0."""
    where: dict[str, str] = Field(default_factory=dict)
    """Values that a row of it must have, by column."""
    take: Literal["first", "last", "all"] = "first"
    """Which such row of a patient; with ``all`` each one is a course of its own."""


class Baseline(Declared):
    """Days, relative to day 0 and both included, from which baseline values may come."""

    first_day: int = -28
    last_day: Annotated[int, Field(le=0)] = 0
    same_day: Literal["include", "exclude", "pre_dose_only"] = "include"
    """Whether values of day 0 itself count; ``pre_dose_only`` takes those with a time before the dose."""


class Rule(Declared):
    """One eligibility rule: a test of a column, or ``any`` of several."""

    name: str
    """Its row of the attrition table."""
    column: Reference | None = None
    min: float | None = None
    """Included."""
    max: float | None = None
    """Included."""
    in_: Annotated[list[str] | None, Field(alias="in")] = None
    """Values that pass."""
    any: list[Condition] | None = None
    """Tests of which one has to hold."""

    def conditions(self) -> list[Condition]:
        """Return the tests, of which one must hold."""
        if self.any is not None:
            return list(self.any)
        return [Condition(column=self.column or "", min=self.min, max=self.max, in_=self.in_)]


class Treatment(Declared):
    """The planned treatment: arm or dose, its control level, and how patients came to it."""

    column: Reference
    control: str | float | None = None
    """Level or dose that the others are compared with."""
    bands: list[float] | None = None
    """Cuts that make plans of doses; a dose equal to a cut belongs to the upper band."""
    assignment: Literal["randomised", "cluster_randomised", "observational"] = "observational"
    """What differences between plans may be called."""


class AfterInfusion(Declared):
    """A decision during the course: at the end of the day of an infusion, or some days later."""

    after_infusion: Annotated[int, Field(ge=1)]
    """K: the decision follows the K-th infusion, that of day 0 being the first. Who never had it is left out."""
    days: Annotated[int, Field(ge=0)] = 0
    """Whole days after that infusion; what became known on this day, or earlier, is known at the decision."""
    last_day: Annotated[int, Field(ge=0)]
    """Latest day of the decision relative to day 0: who comes to it later is left out, and every outcome is assessed
    after it."""
    table: str | None = None
    """Dated table with a row for each infusion; default: the index table."""
    where: dict[str, str] = Field(default_factory=dict)
    """Values that such a row must have, by column; default for the index table: those of the index."""


def _decision_form(value: Any) -> str:
    return "infusion" if isinstance(value, (dict, AfterInfusion)) else "word"


DecisionTime = Annotated[
    Annotated[Literal["baseline"], Tag("word")] | Annotated[AfterInfusion, Tag("infusion")],
    Discriminator(_decision_form),
]


class CohortSection(Declared):
    """Who is asked about, and from when."""

    patients: str | None = None
    """Table of which each row is a patient; default: the first one without dates or days."""
    index: Annotated[Index, BeforeValidator(_index_form)]
    decision_time: DecisionTime = "baseline"
    """When the estimate is needed: before the first infusion, or after the K-th, when early values are known."""
    baseline: Baseline = Field(default_factory=Baseline)
    course: Reference | None = None
    """Column that numbers the courses of a patient; they stay together in every split."""
    group: Reference | None = None
    """Column of a cluster, such as the site: whole clusters are split and resampled."""
    consent: Reference | None = None
    """Column without whose yes a row is not read further."""
    treatment: Treatment | None = None
    eligibility: list[Rule] = Field(default_factory=list)
    """Applied in order; each is a row of the attrition table."""


DECISION_TAKES = ("latest", "early_change")
"""What of a column is known only where the decision follows an infusion."""


def _feature_form(value: Any) -> Any:
    return {"column": value} if isinstance(value, str) else value


class FeatureEntry(Declared):
    """One model input: a column, which of its values, and a transformation."""

    column: Reference
    take: Literal["last", "first", "mean", "min", "max", "slope", "latest", "early_change"] = "last"
    """Which value of the baseline window, or what of several. ``slope``: change per week by a straight line through all
    of them (least squares); missing where they lie on one day. Only with a decision after an infusion: ``latest`` is
    the last value up to the decision, ``early_change`` the last one after day 0 minus the last of the baseline."""
    unit: str | None = None
    """The unit that the column has to be declared in."""
    transform: Literal["none", "log", "log1p", "sqrt"] = "none"


class Features(Declared):
    """Named groups of columns, and the sets of groups that are compared."""

    groups: dict[str, list[Annotated[FeatureEntry, BeforeValidator(_feature_form)]]]
    """Each is a list of columns, written as ``table.column`` or as a feature entry."""
    sets: dict[str, Annotated[list[str], Field(min_length=1)]]
    """Each is a list of groups; every model says which sets it is tried on."""
    max_missing: Annotated[float, Field(ge=0, le=1)] = 0.40
    """Larger share of missing values at which a feature is left out."""


class Imputation(Declared):
    """What stands in for a number that is missing."""

    method: Literal["simple", "multiple"] = "simple"
    """``simple``: the training median, with an indicator that it was missing; ``multiple``: m draws from chained
    regressions, which know the outcome in training and never where anybody is predicted. It takes m times as long."""
    m: Annotated[int, Field(ge=2, le=50)] = 10
    """Imputations, of which the probabilities are averaged."""
    rounds: Annotated[int, Field(ge=1, le=50)] = 5
    """How often every missing number is drawn anew before it counts."""


PROCEDURES = ("average", "selection")
"""What may be judged besides one model by its name."""

ModelType = Literal["elastic_net", "random_forest", "extra_trees", "lightgbm", "hist_gradient_boosting"]
DEFAULT_CANDIDATES: dict[ModelType, int] = {
    "elastic_net": 18,
    "random_forest": 2,
    "extra_trees": 4,
    "lightgbm": 10,
    "hist_gradient_boosting": 4,
}
DEFAULT_MODELS: tuple[ModelType, ...] = ("elastic_net", "random_forest", "lightgbm")
"""Types that are averaged where a config names none."""


class ModelSection(Declared):
    """One family from the catalog (never an import path), its feature sets, and what is searched."""

    type: ModelType
    features: Annotated[list[str], Field(min_length=1)]
    """Names of feature sets."""
    params: dict[str, Any] = Field(default_factory=dict)
    """Parameters of the model type with a fixed value."""
    search: dict[str, Any] = Field(default_factory=dict)
    """Parameters and the values to choose from; see the model types."""
    candidates: Annotated[int, Field(ge=1)] | None = None
    """Most settings that are tried; default: the type's own number."""

    @property
    def n_candidates(self) -> int:
        """Return how many settings every inner fold tries: as declared, else the type's default."""
        return self.candidates or DEFAULT_CANDIDATES[self.type]


class Outer(Declared):
    """The outer folds, on which everything is judged."""

    type: Literal["repeated_k_fold"] = "repeated_k_fold"
    n_splits: Annotated[int, Field(ge=2)] = 5
    n_repeats: Annotated[int, Field(ge=1)] = 3


class Inner(Declared):
    """The inner folds, on which candidates are chosen and scores calibrated."""

    type: Literal["k_fold"] = "k_fold"
    n_splits: Annotated[int, Field(ge=2)] = 3


class Transport(Declared):
    """Predict whole groups, or everybody from a date on, from all others, to see whether the model travels."""

    type: Literal["leave_one_group_out", "temporal"] = "leave_one_group_out"
    by: Reference
    """Column of the group, such as the site; for ``temporal``, of a date known at day 0."""
    cut: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")] | None = None
    """For ``temporal``: the model learns from everybody before this day and is tested on everybody from it on."""


class Interval(Declared):
    """Level and resamples of the bootstrap intervals."""

    level: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    resamples: Annotated[int, Field(ge=100, le=20_000)] = 2000


class Bootstrap(Declared):
    """The whole procedure repeated on resampled patients: optimism, and how stable each patient's prediction is."""

    resamples: Annotated[int, Field(ge=0, le=2000)] = 200
    """0: none."""


class Validation(Declared):
    """How the procedure is judged."""

    judge: str = "average"
    """What the verdict is about: ``average`` (of all models and sets, weighed inside each outer fold), ``selection``
    (the best of them, chosen there), or one model."""
    outer: Outer = Field(default_factory=Outer)
    inner: Inner = Field(default_factory=Inner)
    transport: Transport | None = None
    choose_by: Literal["log_loss"] = "log_loss"
    thresholds: Annotated[list[Annotated[float, Field(gt=0, lt=1)]], Field(min_length=1)] = Field(
        default_factory=lambda: [0.2, 0.3, 0.4, 0.5]
    )
    """The clinic's, for net benefit; never tuned."""
    interval: Interval = Field(default_factory=Interval)
    bootstrap: Bootstrap = Field(default_factory=Bootstrap)
    expected_auc: Annotated[float, Field(gt=0.5, lt=1)] = 0.65
    """What the plan expects, from other studies and not from these data: how many parameters are affordable."""
    expected_r_squared: Annotated[float, Field(gt=0, lt=0.75)] | None = None
    """The same as Cox and Snell's R², where that is what others published; it goes before ``expected_auc``."""
    refits: Annotated[int, Field(ge=20, le=2000)] = 200
    """Resampled fits behind the range of a personal estimate."""
    max_fits: Annotated[int, Field(ge=1)] = 20_000
    """More fits than this are refused before anything is fitted."""
    acknowledged: dict[str, Annotated[str, Field(min_length=1)]] = Field(default_factory=dict)
    """Reasons to train in spite of a suspected leak, by code and subject: ``P001 patients.crp: measured before the
    infusion, see protocol 4.2``. Printed in every model report."""


class WithholdIf(Declared):
    """When a patient gets a refusal instead of a number."""

    missing_features_over: Annotated[float, Field(ge=0, le=1)] = 0.30
    """Largest share of what the model rests on that may be filled in."""
    outside_training_range: bool = True
    unlike_development: bool = True
    """Whether a combination of values further out than any to be expected refuses; otherwise it is pointed out."""


Statement = Annotated[str, Field(pattern=r"\S")] | None


class HumanStatements(Declared):
    """What only responsible people can say; while one is missing the model report is a draft."""

    intended_use: Statement = None
    """What decision the estimate informs, and where in the care of a patient."""
    intended_users: Statement = None
    out_of_scope: Statement = None
    """Patients, places and decisions that it is not for."""
    clinical_risk: Statement = None
    """What harm a wrong estimate can do."""
    known_issues: Statement = None
    monitoring_plan: Statement = None
    """What is watched after release, how often, and what ends the use."""
    responsible: Statement = None
    """The person who answers for the model."""
    abstract: Statement = None
    """Of the study, in sections: background, methods, results, discussion."""
    background: Statement = None
    """The health context, why a model is wanted, and which models there are already."""
    known_inequalities: Statement = None
    """Between groups of people, in health or in care, that bear on the model."""
    data_sources: Statement = None
    """Where the data come from, why they were collected, and whom they stand for."""
    study_dates: Statement = None
    """Begin and end of accrual, and end of follow-up."""
    setting: Statement = None
    """Kind of care, number and place of the centres."""
    care_received: Statement = None
    """Treatments besides the plan, and how they were handled."""
    rater_qualification: Statement = None
    """Of those who assessed the outcome."""
    rater_blinding: Statement = None
    """Whether those who assessed the outcome knew the plan or the baseline values."""
    predictor_choice: Statement = None
    """How the candidate inputs were chosen before the data were seen."""
    predictor_assessment: Statement = None
    """Who assessed inputs that need judgement, and how they were trained."""
    fairness: Statement = None
    """What was done about unfairness between groups of people, and why."""
    ethics: Statement = None
    """Approval, and consent or its waiver."""
    funding: Statement = None
    """Who paid, and what they had to say in it."""
    conflicts: Statement = None
    """Conflicts of interest and financial disclosures."""
    protocol: Statement = None
    """Where it can be read, or that there is none."""
    registration: Statement = None
    """Register and number, or that there is none."""
    data_availability: Statement = None
    code_availability: Statement = None
    patient_involvement: Statement = None
    """Of patients and the public, in any stage; or that there was none."""
    interpretation: Statement = None
    """What the results mean, also for fairness and beside earlier studies."""
    user_interaction: Statement = None
    """What a user has to do and to know to use the model."""
    next_steps: Statement = None
    """What has to be studied before and after use."""
    publications: Statement = None
    """Peer-reviewed publications about the model, or that there are none."""


class Assessed(Declared):
    """A person's answer to one question of PROBAST+AI."""

    answer: Literal["yes", "probably yes", "probably no", "no"]
    because: Statement = None
    """What it rests on, beyond the statement that the question goes by."""


class Applicability(Declared):
    """A person's concern that one domain does not match the question that the reader has."""

    concern: Literal["low", "high", "unclear"]
    because: Annotated[str, Field(pattern=r"\S")]


class Assessment(Declared):
    """What PROBAST+AI asks and no run can answer; while one is missing the self-assessment is a draft."""

    sources: Assessed | None = None
    """Do the data sources suit the question? Goes by ``statements.data_sources``."""
    representative: Assessed | None = None
    """Did inclusion and exclusion leave patients like those the model is for? By ``statements.setting``."""
    outcome_blind: Assessed | None = None
    """Was the outcome assessed without knowledge of the predictors? By ``statements.rater_blinding``."""
    interval: Assessed | None = None
    """Is the time between predictors and outcome fitting? Asked of an event only, by ``statements.study_dates``;
    other outcomes declare their window."""
    applicability_participants: Applicability | None = None
    """Are these the patients and the setting that the model is meant for?"""
    applicability_predictors: Applicability | None = None
    """Are the inputs defined, measured and at hand where it is to be used as they were here?"""
    applicability_outcome: Applicability | None = None
    """Is this the outcome, at this time and by this measure, that the decision is about?"""


class Subgroup(Declared):
    """Patients told apart by one column that is known at day 0."""

    column: Reference
    cut: float | None = None
    """For a number: those below it, and those from it on."""


class ReportSection(Declared):
    """What the reports withhold, and what only a person can say.

    ``not_covered`` names what a patient report does not speak of (default: the safety of ketamine, cost, preference,
    relapse, other treatments).
    """

    withhold_if: WithholdIf = Field(default_factory=WithholdIf)
    release: Literal["by_verdict", "research"] = "by_verdict"
    reason: str | None = None
    title: str | None = None
    owner: str = "NOT PROVIDED"
    contact: str = "NOT PROVIDED"
    not_covered: str | None = None
    statements: HumanStatements = Field(default_factory=lambda: HumanStatements())
    assessment: Assessment = Field(default_factory=lambda: Assessment())
    subgroups: list[Annotated[Subgroup, BeforeValidator(_feature_form)]] = Field(default_factory=list)
    """Columns by which performance is shown apart, written as ``table.column`` or with a cut."""
    valid_days: Annotated[int, Field(ge=1, le=36_500)] = 365
    paper: Literal["A4", "letter"] = "A4"
    """That patient reports are laid out for."""


class Tracking(Declared):
    """Where MLflow records go: ``embedded``, a server on loopback, or an allowed https host."""

    uri: str = "embedded"
    experiment: Name | None = None
    """Name in MLflow; default: the experiment's."""
    allowed_hosts: list[str] = Field(default_factory=list)


class ExecutionSection(Declared):
    """Where the work runs. No result depends on it, and the config's hash leaves it out."""

    engine: Literal["local", "dask"] = "local"
    """``local``: processes of this machine; ``dask``: a cluster of dask.distributed that runs already."""
    workers: Annotated[int, Field(ge=0, le=1024)] = 0
    """Local processes; 0: every core on the command line, one from Python."""
    address: str = "tcp://127.0.0.1:8786"
    """The cluster's scheduler: on loopback, or ``tls://HOST:PORT`` with certificates from dask's configuration."""
    allowed_hosts: list[str] = Field(default_factory=list)
    """Hosts that patients' data may be sent to without encryption."""
    unit_seconds: Annotated[float, Field(gt=0)] | None = 21_600.0
    """Longest time for fitting one candidate on one fold. One that needs more is noted, and has no weight there."""


class Config(Declared):
    """A whole experiment: with its dictionary and the data, all that a run depends on."""

    version: Literal[1]
    """Of this language."""
    experiment: Experiment
    data: DataSection
    cohort: CohortSection
    outcomes: Annotated[dict[str, AnyOutcome], Field(min_length=1)]
    """One or more by name, all on the same folds."""
    primary: str
    """The outcome that the verdict is about."""
    severity: Reference | None = None
    """Baseline score that every model has to beat."""
    features: Features
    imputation: Imputation = Field(default_factory=Imputation)
    models: dict[str, ModelSection] = Field(default_factory=dict)
    """By name, all on the same folds; without any, the types that are averaged by default, on every feature set."""
    validation: Validation = Field(default_factory=Validation)
    override: Annotated[str, Field(min_length=3)] | None = None
    """Reason to train although there are too few patients; every report prints it."""
    calibration: Literal["auto", "none", "sigmoid"] = "auto"
    """``auto``: one sigmoid for trees, none for logistic models."""
    report: ReportSection = Field(default_factory=ReportSection)
    tracking: Tracking = Field(default_factory=Tracking)
    execution: ExecutionSection = Field(default_factory=ExecutionSection)

    @property
    def imputations(self) -> int:
        """Return how many times missing numbers are imputed; 0 for the training median with an indicator."""
        return self.imputation.m if self.imputation.method == "multiple" else 0

    @model_validator(mode="after")
    def _fill_models(self) -> Config:
        if not self.models:
            every = list(self.features.sets)
            filled = {name: ModelSection(type=name, features=every) for name in DEFAULT_MODELS}
            object.__setattr__(self, "models", filled)  # frozen from here on
        return self
