"""The evidence beyond the verdict, as the model report says it: each table with a sentence that reads it out."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from predictor.data.frames import rows_of
from predictor.evidence import Evidence
from predictor.reports.content_evidence import (
    ClassRow,
    EvidenceView,
    IncrementRow,
    IncrementTable,
    InstabilityPoint,
    MarkerRow,
    MarkerTable,
    OptimismRow,
    OptimismTable,
    PlanShare,
    RankRow,
    RankTable,
    SelectionRow,
    SelectionTable,
    StabilityView,
    TreatIfRow,
)
from predictor.reports.facts import feature_labels
from predictor.reports.view import Interval
from predictor.reports.wording import DASH, interval_text, number_text, say
from predictor.study import Study
from predictor.validation.bootstrap import EXPLAINED, Stability
from predictor.validation.evaluation import Evaluation

__all__ = ["evidence_view", "metric_text", "share_text"]

SMALLEST_COUNT = 10
MOST_INPUTS = 10
FEW_RESAMPLES = 100
SMALLEST_P = 0.001
METRICS: Mapping[str, str] = {
    "auc": "AUC",
    "brier": "Brier score",
    "scaled_brier": "scaled Brier score",
    "log_loss": "log loss",
    "calibration_intercept": "calibration intercept",
    "calibration_slope": "calibration slope",
}
# A share is said as the nearest of these, which are those that people say.
FRACTIONS: Mapping[float, str] = {
    0.0: "next to nothing",
    0.1: "a tenth",
    0.2: "a fifth",
    0.25: "a quarter",
    1 / 3: "a third",
    0.4: "two fifths",
    0.5: "half",
    0.6: "three fifths",
    2 / 3: "two thirds",
    0.75: "three quarters",
    0.8: "four fifths",
    0.9: "nine tenths",
    1.0: "nearly all",
}


def evidence_view(study: Study, evaluation: Evaluation, evidence: Evidence) -> EvidenceView:
    """Lay out every part of the evidence that the study has.

    Parameters
    ----------
    study : Study
    evaluation : Evaluation
    evidence : Evidence
    """
    labels = feature_labels(study)
    found = evidence.stability
    return EvidenceView(
        optimism=_optimism(found.optimism, evaluation.performance) if found else None,
        stability=_stability(found) if found else None,
        selection=_selection(found.selection, labels) if found and len(found.selection) else None,
        ranks=_ranks(found, labels) if found else None,
        increments=_increments(evidence.increments, _level(study)) if len(evidence.increments) else None,
        markers=_markers(evidence.markers, labels) if len(evidence.markers) else None,
        plan_share=_plan_share(evaluation.performance),
        treat_if=_treat_if(evidence.treat_if, int(study.primary.evaluable.sum())),
    )


def metric_text(metric: str) -> str:
    """Name a metric in words: ``net_benefit_0.4`` is the net benefit at 0.4.

    Parameters
    ----------
    metric : str
    """
    at = metric.removeprefix("net_benefit_")
    return METRICS.get(metric, metric) if at == metric else f"net benefit at {at}"


def share_text(share: float) -> str:
    """Say a share as the nearest simple fraction, "about four fifths".

    Parameters
    ----------
    share : float
        Cut to 0 to 1.
    """
    nearest = min(FRACTIONS, key=lambda fraction: abs(fraction - share))
    return f"about {FRACTIONS[nearest]}" if 0 < nearest < 1 else FRACTIONS[nearest]


def _level(study: Study) -> float:
    return study.loaded.config.validation.interval.level


def _finite(value: object) -> float | None:
    number = float(value)  # type: ignore[arg-type]
    return number if np.isfinite(number) else None


def _of_100(share: float, n: int) -> int | None:
    """Count of 100 patients; None where it stands for a few of them, or for all but a few."""
    count = round(share * n)
    hidden = 0 < count < SMALLEST_COUNT or 0 < n - count < SMALLEST_COUNT
    return None if hidden else round(100 * share)


def _of_judged(performance: pd.DataFrame, metric: str) -> Interval | None:
    rows = performance[(performance["kind"] == "judged") & (performance["metric"] == metric)]
    return _interval(rows)


def _interval(rows: pd.DataFrame) -> Interval | None:
    if rows.empty or not np.isfinite(rows["value"].iloc[0]):
        return None
    first = rows.iloc[0]
    return Interval(value=float(first["value"]), lo=_finite(first["low"]), hi=_finite(first["high"]))


def _optimism(table: pd.DataFrame, performance: pd.DataFrame) -> OptimismTable:
    rows = tuple(
        OptimismRow(
            metric=metric_text(str(r.metric)),
            apparent=_finite(r.apparent),
            optimism=_finite(r.optimism),
            corrected=_finite(r.harrell),
            corrected_error=_finite(r.harrell_se),
            point_632=_finite(r.point_632),
            point_632_error=_finite(r.point_632_se),
            point_632_plus=_finite(r.point_632_plus),
            point_632_plus_error=_finite(r.point_632_plus_se),
            nested=_of_judged(performance, str(r.metric)),
        )
        for r in rows_of(table)
    )
    resamples = int(table["resamples"].iloc[0])
    method = say("optimism_method", resamples=resamples)
    undefined = int(table["undefined"].max())
    if undefined:
        method += f" {say('optimism_undefined', undefined=undefined)}"
    return OptimismTable(rows=rows, sentence=_optimism_sentence(rows, resamples), method=method)


def _optimism_sentence(rows: tuple[OptimismRow, ...], resamples: int) -> str:
    auc = next(row for row in rows if row.metric == METRICS["auc"])
    if auc.corrected is None or auc.nested is None:
        return say("optimism_none")
    sentence = say(
        "optimism",
        apparent=number_text(auc.apparent),
        lost=number_text(auc.optimism),
        corrected=number_text(auc.corrected),
        error=number_text(auc.corrected_error, 3),
        nested=interval_text(auc.nested.value, auc.nested.lo, auc.nested.hi),
    )
    return sentence + (f" {say('few_resamples', resamples=resamples)}" if resamples < FEW_RESAMPLES else "")


def _stability(found: Stability) -> StabilityView:
    patients, n = found.patients, len(found.patients)
    sentence = say(
        "stability",
        mean=number_text(100 * found.instability, 1),
        much=number_text(100 * float(patients["mape"].quantile(0.9)), 1),
        width=number_text(100 * float((patients["high"] - patients["low"]).median()), 0),
    )
    return StabilityView(
        sentence=sentence,
        classes=tuple(
            ClassRow(
                threshold=float(r.threshold), changed=100 * float(r.changed), unsure=_of_100(r.unsure, n)
            )
            for r in rows_of(found.classes)
        ),
        curve=tuple(
            InstabilityPoint(predicted=float(r.p), lo=r.low, median=r.median, hi=r.high)
            for r in rows_of(found.calibration)
        ),
        method=say("stability_method", resamples=int(found.optimism["resamples"].iloc[0])),
    )


def _selection(table: pd.DataFrame, labels: Mapping[str, str]) -> SelectionTable:
    models = list(dict.fromkeys(table["candidate"]))
    by_place = {(str(r.candidate), str(r.feature)): r for r in rows_of(table)}
    order = (
        table.groupby("feature", sort=False)["frequency"].max().sort_values(ascending=False, kind="stable")
    )

    def kept(model: str, feature: str) -> Interval | None:
        row = by_place.get((model, feature))
        return row and Interval(value=100 * row.frequency, lo=100 * row.low, hi=100 * row.high)

    return SelectionTable(
        models=tuple(name.replace("_", " ").replace(" | ", " on ") for name in models),
        rows=tuple(
            SelectionRow(label=labels[str(name)], kept=tuple(kept(model, str(name)) for model in models))
            for name in order.index[:MOST_INPUTS]
        ),
        others_n=max(0, len(order) - MOST_INPUTS),
    )


def _ranks(found: Stability, labels: Mapping[str, str]) -> RankTable:
    table, resamples = found.ranks, int(found.optimism["resamples"].iloc[0])
    return RankTable(
        rows=tuple(
            RankRow(
                label=labels[str(r.feature)], rank=r.rank, lo=r.low, hi=r.high, first=100 * float(r.first)
            )
            for r in rows_of(table.head(MOST_INPUTS))
        ),
        others_n=max(0, len(table) - MOST_INPUTS),
        method=say("ranks_method", refits=min(EXPLAINED, resamples)),
    )


def _increments(table: pd.DataFrame, level: float) -> IncrementTable:
    losses = table[table["metric"] == "log_loss"]
    return IncrementTable(
        sentences=tuple(
            say(
                "increment_shown" if r.shown else "increment_not_shown",
                block=_words(r.block),
                smaller=_words(r.smaller),
                gain=interval_text(r.value, r.low, r.high, 4),
                p=_p_text(r.p_adjusted),
            )
            for r in rows_of(losses)
        ),
        rows=tuple(
            IncrementRow(
                block=_words(r.block),
                added_to=_words(r.smaller),
                metric=metric_text(str(r.metric)),
                gain=Interval(value=float(r.value), lo=_finite(r.low), hi=_finite(r.high)),
                p_text=_p_text(r.p_adjusted),
            )
            for r in rows_of(table)
            if np.isfinite(r.value)
        ),
        method=say("increment_method", level=f"{100 * level:g}", blocks=len(losses)),
    )


def _p_text(p: float) -> str:
    if not np.isfinite(p):
        return DASH
    return number_text(p, 3) if p >= SMALLEST_P else f"below {SMALLEST_P:g}"


def _words(name: object) -> str:
    return str(name).replace("_", " ")


def _markers(table: pd.DataFrame, labels: Mapping[str, str]) -> MarkerTable:
    bound = table.attrs
    stable = [labels[str(name)] for name in table.loc[table["stable"], "feature"]]
    threshold = number_text(100 * bound["threshold"], 0)
    shown = table.head(max(MOST_INPUTS, len(stable)))
    return MarkerTable(
        sentence=say(f"markers_{_how_many(len(stable))}", n=len(stable), threshold=threshold),
        rows=tuple(
            MarkerRow(label=labels[str(r.feature)], frequency=100 * float(r.frequency), stable=bool(r.stable))
            for r in rows_of(shown)
        ),
        others_n=len(table) - len(shown),
        method=say(
            "markers_method",
            chosen=bound["chosen"],
            threshold=threshold,
            false_finds=number_text(bound["false_finds"], 1),
        ),
    )


def _how_many(count: int) -> str:
    return {0: "none", 1: "one"}.get(count, "some")


def _plan_share(performance: pd.DataFrame) -> PlanShare | None:
    """Say it wherever the plan is a feature, also where the share cannot be computed."""
    auc = performance[performance["metric"] == "auc"]
    judged = _interval(auc[auc["kind"] == "judged"])
    plan = _interval(auc[(auc["kind"] == "reference") & (auc["procedure"] == "plan")])
    if judged is None or plan is None:
        return None
    figures = {"judged": number_text(judged.value), "plan": number_text(plan.value)}
    above, own = judged.value - 0.5, plan.value - 0.5
    if above <= 0:
        sentence = say("plan_share_nothing", **figures)
    elif own <= 0:
        sentence = say("plan_share_none", **figures)
    elif own >= above:
        sentence = say("plan_share_all", **figures)
    else:
        sentence = say("plan_share", share=share_text(own / above), **figures)
    return PlanShare(sentence=sentence, judged=judged, plan=plan)


def _treat_if(table: pd.DataFrame, n: int) -> tuple[TreatIfRow, ...]:
    return tuple(
        TreatIfRow(
            threshold=float(r.threshold),
            strategy=str(r.strategy),
            treated=_of_100(float(r.treated), n),
            benefit=Interval(value=float(r.value), lo=_finite(r.low), hi=_finite(r.high)),
        )
        for r in rows_of(table)
        if np.isfinite(r.value)
    )
