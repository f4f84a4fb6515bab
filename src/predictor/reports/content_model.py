"""The model report as plain data: what a data scientist or a review board needs to judge one training run.

Every figure is drawn from a table that is printed beside it. Counts of patients below 10 are given only in
the attrition, the event counts and the sensitivity of missing outcomes; elsewhere pass None and the page
says "fewer than 10".
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from predictor.config.schema import HumanStatements
from predictor.reports.content_evidence import EvidenceView
from predictor.reports.verdict_wording import Verdict
from predictor.reports.view import Count, Interval, Proportion, View

__all__ = [
    "Annex",
    "AttritionRow",
    "CalibrationBin",
    "CalibrationPlot",
    "CheckRow",
    "Coefficient",
    "Comparison",
    "CurvePoint",
    "DecisionCurve",
    "DecisionSeries",
    "Definition",
    "FurtherRow",
    "HistogramBin",
    "Importance",
    "ImportanceTable",
    "Interval",
    "Missingness",
    "ModelReportV1",
    "ModelRow",
    "NetBenefit",
    "OperatingPoint",
    "PooledRow",
    "RocCurve",
    "RocPoint",
    "RunLabel",
    "SearchRow",
    "SecondaryRow",
    "Sensitivity",
    "Setting",
    "SiteRow",
    "SizeRow",
    "SubgroupRow",
    "TippingRow",
    "TippingTable",
    "VerdictSummary",
    "WeightRow",
]


class RunLabel(View):
    """Which run this is, and on what."""

    run_id: str
    experiment: str
    question: str
    created_utc: datetime
    software_version: str
    config_sha256: str
    data_sha256: str
    git_commit: str = ""
    bundle_sha256: str = ""
    command: str = ""
    cpu_seconds: float | None = None


class Comparison(View):
    """The procedure against one reference: gain in log loss (nats per patient; above 0 is better).

    `lo` and `hi` are two-sided limits, `upper` the one-sided upper limit: the gain that is not excluded.
    """

    reference: str
    gain: float
    lo: float
    hi: float
    upper: float
    standard_error: float | None = None


class VerdictSummary(View):
    """The verdict, the sentence that says it (`verdict_sentence`), and the figures that decided it."""

    verdict: Verdict
    sentence: str
    judge: str
    margin: float
    level: Proportion = 0.95
    comparisons: tuple[Comparison, ...]
    n: int
    responders: int
    groups: int
    group_word: str = "patients"
    effective_n: float | None = None
    effective_n_needed: float | None = None
    releases: str = ""


class AttritionRow(View):
    """One step from all rows to the evaluable patients: who is left, who was excluded, why."""

    step: str
    remaining: Annotated[int, Field(ge=0)]
    excluded: Annotated[int, Field(ge=0)] = 0
    reason: str = ""


class SizeRow(View):
    """Riley's criteria for one feature set: parameters before any selection, and how many patients they need."""

    feature_set: str
    parameters: int
    n: int
    events: int
    shrinkage: float
    n_needed: int
    affordable: int


class Definition(View):
    """One term of the protocol: day 0, windows, outcome, plan, assignment, estimand and the like."""

    term: str
    text: str


class ModelRow(View):
    """One model on the same folds as all others; what does not apply is None."""

    name: str
    role: Literal["reference", "candidate", "judged"]
    features: str
    n_features: int | None = None
    auc: Interval | None = None
    log_loss: Interval | None = None
    brier: Interval | None = None
    scaled_brier: Interval | None = None
    calibration_intercept: Interval | None = None
    calibration_slope: Interval | None = None


class SecondaryRow(View):
    """Another outcome on the same folds: its rate, or its mean with SD, and the judged procedure's figures."""

    outcome: str
    n: int
    rate: str
    auc: Interval | None = None
    log_loss: Interval | None = None
    calibration_slope: Interval | None = None
    note: str = ""


class FurtherRow(View):
    """A further measure of the judged procedure; without limits where it is a test."""

    measure: str
    value: Interval
    good: str


class WeightRow(View):
    """Share of one model and feature set in the judged procedure, in hundredths: mean and ends over the outer folds."""

    model: str
    features: str
    mean: float
    low: float
    high: float


class CurvePoint(View):
    """Observed share at a predicted probability, with its band."""

    predicted: Proportion
    observed: Proportion
    lo: Proportion | None = None
    hi: Proportion | None = None


class CalibrationBin(View):
    """Patients grouped by predicted probability: mean predicted, observed share with limits."""

    predicted: Proportion
    observed: Proportion
    lo: Proportion
    hi: Proportion
    n: int


class HistogramBin(View):
    """How many patients were given a probability in this bin."""

    left: Proportion
    right: Proportion
    n: int


class CalibrationPlot(View):
    """Smooth curve with band, groups, and the distribution of predictions, all out of fold."""

    model: str
    curve: tuple[CurvePoint, ...]
    bins: tuple[CalibrationBin, ...] = ()
    histogram: tuple[HistogramBin, ...] = ()
    method: str = ""


class RocPoint(View):
    """One corner of the curve."""

    fpr: Proportion
    tpr: Proportion


class OperatingPoint(View):
    """What a declared threshold does: how many of 100 responders, non-responders and patients it takes in."""

    threshold: Proportion
    responders_above: Count
    others_above: Count
    patients_above: Count


class RocCurve(View):
    """The curve of the judged model, pooled and only a picture; `auc` is computed over within-fold pairs."""

    model: str
    points: tuple[RocPoint, ...]
    auc: Interval
    operating: tuple[OperatingPoint, ...] = ()
    method: str = ""


class DecisionSeries(View):
    """Net benefit over thresholds for one strategy."""

    label: str
    role: Literal["model", "reference", "treat_all", "treat_none"]
    thresholds: tuple[Proportion, ...]
    net_benefit: tuple[float, ...]


class DecisionCurve(View):
    """Net benefit over thresholds; `meaning` says of what (prognosis, unless the arms are randomised)."""

    series: tuple[DecisionSeries, ...]
    declared: tuple[Proportion, ...]
    meaning: str


class NetBenefit(View):
    """Net benefit at one declared threshold, per patient, with intervals."""

    threshold: Proportion
    model: Interval
    reference: Interval | None = None
    treat_all: Interval
    difference: Interval | None = None


class Importance(View):
    """Mean absolute contribution of one input, in points of 100, with its spread over folds and repeats."""

    label: str
    mean: Annotated[float, Field(ge=0)]
    lo: Annotated[float, Field(ge=0)]
    hi: Annotated[float, Field(ge=0)]
    direction: str = ""


class ImportanceTable(View):
    """Out-of-fold SHAP summary, largest first; `others` is the sum over inputs that are not listed."""

    model: str
    rows: tuple[Importance, ...]
    others_n: int = 0
    others_mean: float = 0.0
    method: str = ""


class SiteRow(View):
    """Performance in a site that was left out; `note` says why a number is absent ("too few to judge")."""

    site: str
    n: int
    responders: int | None = None
    auc: Interval | None = None
    calibration_intercept: Interval | None = None
    calibration_slope: Interval | None = None
    observed_minus_expected: Interval | None = None
    note: str = ""


class PooledRow(View):
    """One figure over the sites: their random-effects mean, and the limits in which a further site's is expected."""

    measure: str
    sites: int
    mean: Interval | None = None
    prediction: Interval | None = None
    i2: float | None = None
    note: str = ""


class SubgroupRow(View):
    """The judged procedure in one subgroup; counts are texts, small ones suppressed, and `flags` what needs a look."""

    by: str
    subgroup: str
    n: str
    responders: str
    auc: Interval | None = None
    calibration_intercept: Interval | None = None
    calibration_slope: Interval | None = None
    observed_minus_expected: Interval | None = None
    net_benefit: tuple[tuple[Proportion, Interval], ...] = ()
    flags: tuple[str, ...] = ()
    note: str = ""


class Sensitivity(View):
    """The same analysis with another strategy for missing outcomes; the declared one is marked."""

    strategy: str
    n: int
    responders: int
    rate: Interval
    auc: Interval | None = None
    gain: Interval | None = None
    declared: bool = False
    note: str = ""


class TippingRow(View):
    """The response rate when missing outcomes' log-odds are shifted by `delta`; 0 is "missing at random"."""

    delta: float
    missing_rate: Proportion
    rate: Proportion
    inside: bool


class TippingTable(View):
    """How far from "missing at random" the missing outcomes would have to be; `sentence` says where it tips."""

    rows: tuple[TippingRow, ...]
    sentence: str


class Missingness(View):
    """How much of one input is missing among the evaluable patients, and what became of it."""

    label: str
    group: str = ""
    missing: int | None
    share: Proportion
    used: bool = True
    note: str = ""


class Coefficient(View):
    """One coefficient of a linear candidate, pooled over imputations: the unpenalised one with its limits."""

    candidate: str
    column: str
    value: Interval
    df: float
    missing_information: Proportion
    in_model: float


class Setting(View):
    """One setting, version or hash."""

    name: str
    value: str


class SearchRow(View):
    """One searched parameter: the space, and what was chosen (over the outer folds and in the final fit)."""

    model: str
    parameter: str
    space: str
    chosen: str = ""
    final: str = ""


class CheckRow(View):
    """One finding of a coded check; `acknowledged` is the reason the config gives for going on."""

    code: str
    severity: Literal["error", "warning", "notice"]
    subject: str
    finding: str
    remedy: str
    page: str
    acknowledged: str = ""


class Annex(View):
    """A file beside the report that goes into more detail; the name is one of the run's own."""

    title: str
    file: Literal["tripod_ai.html", "probast_ai.html", "model_card.json", "methods.txt"]
    summary: str
    missing: tuple[str, ...] = ()


class ModelReportV1(View):
    """Everything one model report says; an empty part prints why it is empty, it does not vanish.

    `warnings` are shown on the first page (for instance a site that predicts the outcome by itself);
    `limits` near the end.
    """

    schema_name: Literal["ModelReportV1"] = "ModelReportV1"
    run: RunLabel
    simulated: bool = False
    research_only: bool = False
    verdict: VerdictSummary
    plain_words: str
    warnings: tuple[str, ...] = ()
    attrition: tuple[AttritionRow, ...]
    sizes: tuple[SizeRow, ...] = ()
    size_note: str = ""
    definitions: tuple[Definition, ...]
    design: tuple[Definition, ...] = ()
    models: tuple[ModelRow, ...]
    weights: tuple[WeightRow, ...] = ()
    secondary: tuple[SecondaryRow, ...] = ()
    further: tuple[FurtherRow, ...] = ()
    calibration: CalibrationPlot | None = None
    roc: RocCurve | None = None
    decision: DecisionCurve | None = None
    net_benefit: tuple[NetBenefit, ...] = ()
    treated_decision: DecisionCurve | None = None
    treated_net_benefit: tuple[NetBenefit, ...] = ()
    evidence: EvidenceView = EvidenceView()
    importance: ImportanceTable | None = None
    transport: tuple[SiteRow, ...] = ()
    transport_summary: tuple[PooledRow, ...] = ()
    subgroups: tuple[SubgroupRow, ...] = ()
    sensitivity: tuple[Sensitivity, ...] = ()
    tipping: TippingTable | None = None
    missingness: tuple[Missingness, ...] = ()
    coefficients: tuple[Coefficient, ...] = ()
    settings: tuple[Setting, ...] = ()
    search: tuple[SearchRow, ...] = ()
    versions: tuple[Setting, ...] = ()
    limits: tuple[str, ...] = ()
    checks: tuple[CheckRow, ...] = ()
    statements: HumanStatements = HumanStatements()
    methods: tuple[str, ...] = ()
    annexes: tuple[Annex, ...] = ()
