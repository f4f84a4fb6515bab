"""From a finished training to the view model of the model report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from predictor import __version__
from predictor.cohort.outcomes import sensitivity
from predictor.data.frames import rows_of
from predictor.models.catalog import FAMILIES
from predictor.report.content_model import (
    AttritionRow,
    CalibrationBin,
    CalibrationPlot,
    Chosen,
    Comparison,
    CurvePoint,
    DecisionCurve,
    DecisionSeries,
    Definition,
    HistogramBin,
    Importance,
    ImportanceTable,
    Interval,
    Missingness,
    ModelReportV1,
    ModelRow,
    NetBenefit,
    OperatingPoint,
    RocCurve,
    RocPoint,
    RunLabel,
    SearchRow,
    Sensitivity,
    Setting,
    SiteRow,
    VerdictSummary,
)
from predictor.report.facts import feature_labels, verdict_facts
from predictor.report.verdict_wording import verdict_sentence, what_matters
from predictor.report.wording import capitalised
from predictor.study import Study, describe_outcome
from predictor.validation.evaluation import Evaluation
from predictor.validation.resampling import FoldResult
from predictor.validation.uncertainty import wilson_interval

if TYPE_CHECKING:
    from predictor.models.tuning import TunedClassifier

__all__ = ["LIMITS", "ModelFacts", "model_view"]

SMALLEST_COUNT = 10
MOST_IMPORTANCES = 15
ASSIGNMENT = {
    "randomised": "Patients were randomised to the plan.",
    "cluster_randomised": "Whole clusters were randomised to the plan.",
    "observational": "The plan was chosen by indication: differences between plans are not effects.",
}
LIMITS = (
    "It predicts the outcome under treatment, not the benefit from it: placebo response, natural recovery and regression to "
    "the mean are included.",
    "Contributions are associations in past data, not causes.",
    "It was tested inside the data it was built from. Other clinics, times and treatments are untested.",
    "Measures other than the declared ones, and what nobody recorded, are not in it.",
)


@dataclass(frozen=True)
class ModelFacts:
    """All that the model report is written from."""

    study: Study
    evaluation: Evaluation
    chosen: str
    fitted: dict[str, TunedClassifier]
    results: Sequence[FoldResult]
    importance: pd.DataFrame
    transport: pd.DataFrame
    run_id: str
    created: datetime
    commit: str
    versions: dict[str, str]


def model_view(facts: ModelFacts) -> ModelReportV1:
    """Lay out the model report.

    Parameters
    ----------
    facts : ModelFacts
    """
    study, evaluation = facts.study, facts.evaluation
    words = verdict_facts(study, evaluation)
    return ModelReportV1(
        run=_run(facts),
        simulated=study.simulated,
        research_only=study.loaded.config.report.release == "research"
        and evaluation.verdict.label != "better",
        verdict=_verdict(facts, verdict_sentence(words)),
        plain_words=f"{capitalised(what_matters(words))}.",
        warnings=_warnings(study),
        attrition=_attrition(study),
        definitions=_definitions(study),
        design=_design(study),
        models=_models(facts),
        chosen=_chosen(facts),
        calibration=_calibration(evaluation),
        roc=_roc(evaluation),
        decision=_decision(study, evaluation),
        net_benefit=_net_benefit(study, evaluation),
        importance=_importance(facts),
        transport=_transport(facts.transport),
        sensitivity=_sensitivity(study),
        missingness=_missingness(study),
        settings=_settings(study),
        search=_search(facts),
        versions=tuple(Setting(name=name, value=value) for name, value in facts.versions.items()),
        limits=(*LIMITS, *_own_limits(study)),
    )


def _run(facts: ModelFacts) -> RunLabel:
    loaded = facts.study.loaded
    return RunLabel(
        run_id=facts.run_id,
        experiment=loaded.config.experiment.name,
        question=loaded.config.experiment.question,
        created_utc=facts.created,
        software_version=__version__,
        config_sha256=loaded.config_hash,
        data_sha256=facts.study.data_hash,
        git_commit=facts.commit,
        command=" ".join(
            ["predictor train", loaded.path.name, *(f"--set {one}" for one in loaded.overrides)]
        ),
    )


def _verdict(facts: ModelFacts, sentence: str) -> VerdictSummary:
    verdict = facts.evaluation.verdict
    released = verdict.label == "better"
    return VerdictSummary(
        verdict=verdict.label,
        sentence=sentence,
        judge=facts.study.protocol.judge,
        margin=verdict.margin,
        level=facts.study.loaded.config.validation.interval.level,
        comparisons=tuple(
            Comparison(
                reference=one.reference,
                gain=one.gain,
                lo=one.low,
                hi=one.high,
                upper=one.upper,
                standard_error=one.se,
            )
            for one in verdict.comparisons
        ),
        n=verdict.events + verdict.non_events,
        responders=verdict.events,
        groups=verdict.clusters,
        group_word="clusters" if facts.study.loaded.config.cohort.group else "patients",
        effective_n=verdict.effective_n,
        effective_n_needed=verdict.needed_n,
        releases="Personal estimates are released." if released else "Patient reports are the group page.",
    )


def _warnings(study: Study) -> tuple[str, ...]:
    found = []
    _, y = study.evaluable(study.loaded.config.primary)
    missing = 1 - len(y) / len(study.cohort.groups)
    if missing > 0.2:
        found.append(
            f"The outcome is missing for {missing:.0%} of the cohort; see the other strategies below."
        )
    found += [
        f"Not used: {feature_name} ({reason})." for feature_name, reason in study.extraction.dropped.items()
    ]
    return tuple(found)


def _attrition(study: Study) -> tuple[AttritionRow, ...]:
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


def _definitions(study: Study) -> tuple[Definition, ...]:
    config = study.loaded.config
    window = config.cohort.baseline
    rows = [
        Definition(term=name.replace("_", " "), text=describe_outcome(study, name))
        for name in config.outcomes
    ]
    rows.append(
        Definition(term="baseline", text=f"days {window.first_day} to {window.last_day} relative to day 0")
    )
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
            text="patients who start the planned treatment; the outcome in its window whether or not the treatment was completed",
        )
    )
    return tuple(rows)


def _design(study: Study) -> tuple[Definition, ...]:
    validation = study.loaded.config.validation
    unit = study.loaded.config.cohort.group or "patient"
    return (
        Definition(
            term="validation",
            text=f"{validation.outer.n_splits} outer folds × {validation.outer.n_repeats} repeats, grouped by {unit}; "
            f"everything is fitted, tuned ({validation.inner.n_splits} inner folds) and chosen inside the outer fold",
        ),
        Definition(term="judged", text=study.protocol.judge),
        Definition(
            term="intervals",
            text=f"{validation.interval.level:.0%}, {validation.interval.resamples} bootstrap resamples of whole groups, "
            "all repeats carried together",
        ),
    )


def _models(facts: ModelFacts) -> tuple[ModelRow, ...]:
    performance = facts.evaluation.performance
    by_name = {candidate.name: candidate for candidate in facts.study.protocol.candidates}
    rows = []
    for procedure, table in performance.groupby("procedure", sort=False):
        candidate = by_name.get(str(procedure))
        rows.append(
            ModelRow(
                name=candidate.model.replace("_", " ") if candidate else str(procedure),
                role=str(table["kind"].iloc[0]),
                features=candidate.feature_set.replace("_", " ") if candidate else "",
                n_features=len(candidate.features) if candidate else None,
                **{
                    metric: _interval(table, metric)
                    for metric in (
                        "auc",
                        "log_loss",
                        "brier",
                        "scaled_brier",
                        "calibration_intercept",
                        "calibration_slope",
                    )
                },
            )
        )
    return tuple(rows)


def _interval(table: pd.DataFrame, metric: str) -> Interval | None:
    row = table[table["metric"] == metric]
    if row.empty or not np.isfinite(row["value"].iloc[0]):
        return None
    return Interval(
        value=float(row["value"].iloc[0]), lo=_finite(row["low"].iloc[0]), hi=_finite(row["high"].iloc[0])
    )


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _chosen(facts: ModelFacts) -> tuple[Chosen, ...]:
    counts = pd.Series([result.chosen for result in facts.results]).value_counts()
    by_name = {candidate.name: candidate for candidate in facts.study.protocol.candidates}
    return tuple(
        Chosen(
            model=by_name[str(name)].model.replace("_", " "),
            features=by_name[str(name)].feature_set.replace("_", " "),
            times=int(times),
            of=len(facts.results),
        )
        for name, times in counts.items()
    )


def _calibration(evaluation: Evaluation) -> CalibrationPlot | None:
    curve = evaluation.calibration[evaluation.calibration["kind"] == "judged"]
    if curve.empty:
        return None
    return CalibrationPlot(
        model=str(curve["procedure"].iloc[0]),
        curve=tuple(
            CurvePoint(predicted=_unit(r.p), observed=_unit(r.observed), lo=_unit(r.low), hi=_unit(r.high))
            for r in rows_of(curve)
            if np.isfinite(r.observed)
        ),
        bins=tuple(
            CalibrationBin(
                predicted=_unit(r.predicted),
                observed=_unit(r.observed),
                lo=_unit(r.low),
                hi=_unit(r.high),
                n=int(r.n),
            )
            for r in rows_of(evaluation.calibration_bins)
            if r.n >= SMALLEST_COUNT
        ),
        # A bar of a few patients is drawn as none: small counts could be traced to persons.
        histogram=tuple(
            HistogramBin(left=_unit(r.left), right=_unit(r.right), n=int(r.n) if r.n >= SMALLEST_COUNT else 0)
            for r in rows_of(evaluation.histogram)
        ),
        method="smoothed out-of-fold predictions, pooled per repeat; the band resamples whole groups",
    )


def _unit(value: Any) -> float:
    return float(min(max(value, 0.0), 1.0))


def _roc(evaluation: Evaluation) -> RocCurve | None:
    judged = evaluation.performance[evaluation.performance["kind"] == "judged"]
    auc = _interval(judged, "auc")
    points = evaluation.roc[evaluation.roc["kind"] == "judged"]
    if auc is None or points.empty:
        return None
    return RocCurve(
        model=str(points["procedure"].iloc[0]),
        points=tuple(RocPoint(fpr=_unit(r.fpr), tpr=_unit(r.tpr)) for r in rows_of(points)),
        auc=auc,
        operating=tuple(
            OperatingPoint(
                threshold=float(r.threshold),
                responders_above=round(100 * r.responders_above),
                others_above=round(100 * r.others_above),
                patients_above=round(100 * r.patients_above),
            )
            for r in rows_of(evaluation.operating)
        ),
        method="the mean of the folds' curves; its area is the AUC over within-fold pairs",
    )


def _decision(study: Study, evaluation: Evaluation) -> DecisionCurve:
    treatment = study.loaded.config.cohort.treatment
    randomised = treatment is not None and treatment.assignment != "observational"
    roles = {
        "judged": "model",
        "reference": "reference",
        "treat all": "treat_all",
        "treat none": "treat_none",
    }
    series = [
        DecisionSeries(
            label=str(name),
            role=roles.get(str(name), "model" if table["kind"].iloc[0] == "judged" else "reference"),
            thresholds=tuple(map(float, table["threshold"])),
            net_benefit=tuple(map(float, table["value"])),
        )
        for name, table in evaluation.decision_curve.groupby("procedure", sort=False)
    ]
    meaning = "Acting at a threshold stands for going on with the plan. It describes prognosis among those who started"
    return DecisionCurve(
        series=tuple(series),
        declared=tuple(study.loaded.config.validation.thresholds),
        meaning=f"{meaning}{' in either arm' if randomised else ''}, not the benefit of treatment.",
    )


def _net_benefit(study: Study, evaluation: Evaluation) -> tuple[NetBenefit, ...]:
    table = evaluation.net_benefit
    reference = list(study.protocol.references)[-1]

    def at(procedure: str, threshold: float) -> Interval | None:
        row = table[(table["procedure"] == procedure) & (np.isclose(table["threshold"], threshold))]
        return (
            None
            if row.empty
            else Interval(
                value=float(row["value"].iloc[0]),
                lo=_finite(row["low"].iloc[0]),
                hi=_finite(row["high"].iloc[0]),
            )
        )

    rows = []
    for threshold in study.loaded.config.validation.thresholds:
        model, everyone = at(study.protocol.judge, threshold), at("treat all", threshold)
        if model is not None and everyone is not None:
            rows.append(
                NetBenefit(
                    threshold=threshold, model=model, reference=at(reference, threshold), treat_all=everyone
                )
            )
    return tuple(rows)


def _importance(facts: ModelFacts) -> ImportanceTable:
    labels = feature_labels(facts.study)
    table = facts.importance.sort_values("mean", ascending=False)
    shown, rest = table.head(MOST_IMPORTANCES), table.iloc[MOST_IMPORTANCES:]
    return ImportanceTable(
        model=facts.study.protocol.judge,
        rows=tuple(
            Importance(label=labels[str(r.feature)], mean=100 * r.mean, lo=100 * r.low, hi=100 * r.high)
            for r in rows_of(shown)
        ),
        others_n=len(rest),
        others_mean=float(100 * rest["mean"].sum()),
        method="mean absolute contribution of the procedure chosen in each outer fold to its held-out patients, relative to "
        "the average patient; lowest and highest over folds and repeats",
    )


def _transport(table: pd.DataFrame) -> tuple[SiteRow, ...]:
    rows = []
    for r in rows_of(table):
        auc = Interval(value=r.auc, lo=r.auc_low, hi=r.auc_high) if np.isfinite(r.auc) else None
        gap = Interval(
            value=r.observed - r.expected, lo=r.observed_low - r.expected, hi=r.observed_high - r.expected
        )
        slope = Interval(value=r.slope) if np.isfinite(r.slope) else None
        rows.append(
            SiteRow(
                site=str(r.site),
                n=int(r.n),
                responders=int(r.events) if r.events >= SMALLEST_COUNT else None,
                auc=auc,
                calibration_slope=slope,
                observed_minus_expected=gap,
                note=str(r.note),
            )
        )
    return tuple(rows)


def _sensitivity(study: Study) -> tuple[Sensitivity, ...]:
    config = study.loaded.config
    table = sensitivity(
        study.cohort.timeline,
        config.primary,
        config.outcomes[config.primary],
        baseline=config.cohort.baseline,
    )
    rows = []
    for r in rows_of(table):
        low, high = wilson_interval(int(r.events), int(r.n), level=config.validation.interval.level)
        rows.append(
            Sensitivity(
                strategy=str(r.strategy),
                n=int(r.n),
                responders=int(r.events),
                rate=Interval(value=r.events / r.n, lo=low, hi=high),
                declared=bool(r.declared),
            )
        )
    return tuple(rows)


def _missingness(study: Study) -> tuple[Missingness, ...]:
    rows, _ = study.evaluable(study.loaded.config.primary)
    X = study.dataset.X.iloc[rows]
    found = []
    for feature in study.dataset.features:
        n = int(X[feature.name].isna().sum())
        found.append(
            Missingness(
                label=feature.label,
                group=feature.group,
                missing=n if n == 0 or n >= SMALLEST_COUNT else None,
                share=n / len(X),
                note="filled in with the training median or its own level, with an indicator" if n else "",
            )
        )
    found += [
        Missingness(label=name, missing=None, share=0.0, used=False, note=reason)
        for name, reason in study.extraction.dropped.items()
    ]
    return tuple(found)


def _settings(study: Study) -> tuple[Setting, ...]:
    config = study.loaded.config
    rows = [
        ("seed", str(config.experiment.seed)),
        ("missing outcomes", config.outcomes[config.primary].if_missing.replace("_", " ")),
        ("calibration", config.calibration),
        ("largest share of missing values of an input", f"{config.features.max_missing:.0%}"),
        ("thresholds", ", ".join(f"{t:g}" for t in config.validation.thresholds)),
        ("refits behind the range", str(config.validation.refits)),
        ("overrides", "; ".join(study.loaded.overrides) or "none"),
    ]
    return tuple(Setting(name=name, value=value) for name, value in rows)


def _search(facts: ModelFacts) -> tuple[SearchRow, ...]:
    rows = []
    for name, section in facts.study.loaded.config.models.items():
        space = section.search or dict(FAMILIES[section.type].space)
        mine = [c for c in facts.study.protocol.candidates if c.model == name]
        for parameter, axis in space.items():
            finals = {str(_short(facts.fitted[c.name].best_params_.get(parameter))) for c in mine}
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


def _own_limits(study: Study) -> tuple[str, ...]:
    treatment = study.loaded.config.cohort.treatment
    found = []
    if treatment is None:
        found.append("Everybody had the same plan: nothing can be said about another treatment or dose.")
    elif treatment.assignment == "observational":
        found.append(
            "The plan was not randomised: differences between plans may come from who was given what."
        )
    if study.loaded.config.validation.transport is None:
        found.append("Whether it travels to a site it has not seen was not tested.")
    return tuple(found)
