"""How good the procedure is, as the model report shows it: models, calibration, ROC, net benefit, importance, sites."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from predictor.data.frames import rows_of
from predictor.reports.content_model import (
    CalibrationBin,
    CalibrationPlot,
    CurvePoint,
    DecisionCurve,
    DecisionSeries,
    FurtherRow,
    HistogramBin,
    Importance,
    ImportanceTable,
    Interval,
    ModelRow,
    NetBenefit,
    OperatingPoint,
    PooledRow,
    RocCurve,
    RocPoint,
    SecondaryRow,
    SiteRow,
    SubgroupRow,
    WeightRow,
)
from predictor.reports.facts import feature_labels
from predictor.reports.wording import number_text, say
from predictor.study import Study
from predictor.validation.evaluation import Evaluation
from predictor.validation.resampling import FoldResult

__all__ = [
    "calibration_view",
    "decision_view",
    "further_rows",
    "importance_view",
    "model_rows",
    "net_benefit_rows",
    "pooled_rows",
    "roc_view",
    "secondary_rows",
    "site_rows",
    "subgroup_rows",
    "treated_decision_view",
    "weight_rows",
]

SMALLEST_COUNT = 10
MOST_IMPORTANCES = 15


def model_rows(study: Study, performance: pd.DataFrame) -> tuple[ModelRow, ...]:
    """Lay out the models side by side, one row for each procedure.

    Parameters
    ----------
    study : Study
    performance : DataFrame
        Columns procedure, kind, metric, value, low, high.
    """
    by_name = {candidate.name: candidate for candidate in study.protocol.candidates}
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
    """Return a metric of one procedure with its limits; None where it could not be computed.

    Parameters
    ----------
    table : DataFrame
        Rows of one procedure.
    metric : str
    """
    row = table[table["metric"] == metric]
    if row.empty or not np.isfinite(row["value"].iloc[0]):
        return None
    return Interval(
        value=float(row["value"].iloc[0]), lo=_finite(row["low"].iloc[0]), hi=_finite(row["high"].iloc[0])
    )


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def weight_rows(study: Study, results: Sequence[FoldResult]) -> tuple[WeightRow, ...]:
    """Lay out the share of each candidate in the judged procedure, over the outer folds.

    Parameters
    ----------
    study : Study
    results : sequence of FoldResult
    """
    shares = 100.0 * np.array([[r.weights[c.name] for c in study.protocol.candidates] for r in results])
    rows = [
        WeightRow(
            model=candidate.model.replace("_", " "),
            features=candidate.feature_set.replace("_", " "),
            mean=float(own.mean()),
            low=float(own.min()),
            high=float(own.max()),
        )
        for candidate, own in zip(study.protocol.candidates, shares.T, strict=True)
        if own.any()
    ]
    return tuple(sorted(rows, key=lambda row: -row.mean))


def calibration_view(evaluation: Evaluation) -> CalibrationPlot | None:
    """Lay out the calibration curve, its groups and the histogram below it; None where there is no curve.

    Parameters
    ----------
    evaluation : Evaluation
    """
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


def roc_view(evaluation: Evaluation) -> RocCurve | None:
    """Lay out the mean ROC curve with the operating points; None with one class only.

    Parameters
    ----------
    evaluation : Evaluation
    """
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


def decision_view(study: Study, evaluation: Evaluation) -> DecisionCurve:
    """Lay out the decision curve and what acting at a threshold stands for.

    Parameters
    ----------
    study : Study
    evaluation : Evaluation
    """
    treatment = study.loaded.config.cohort.treatment
    randomised = treatment is not None and treatment.assignment != "observational"
    meaning = "Acting at a threshold stands for going on with the plan. It describes prognosis among those who started"
    return DecisionCurve(
        series=_decision_series(evaluation.decision_curve),
        declared=tuple(study.loaded.config.validation.thresholds),
        meaning=f"{meaning}{' in either arm' if randomised else ''}, not the benefit of treatment.",
    )


def treated_decision_view(study: Study, table: pd.DataFrame) -> DecisionCurve | None:
    """Lay out the decision curve among the treated, beside the last reference; None where there is no untreated arm.

    Parameters
    ----------
    study : Study
    table : DataFrame
        See `predictor.evidence.Evidence.prognosis`.
    """
    if table.empty:
        return None
    return DecisionCurve(
        series=_decision_series(table[~table["procedure"].isin(list(study.protocol.references)[:-1])]),
        declared=tuple(study.loaded.config.validation.thresholds),
        meaning=say("treated_only"),
    )


def _decision_series(table: pd.DataFrame) -> tuple[DecisionSeries, ...]:
    roles = {
        "judged": "model",
        "reference": "reference",
        "treat all": "treat_all",
        "treat none": "treat_none",
    }
    return tuple(
        DecisionSeries(
            label=str(name),
            role=roles.get(str(name), "model" if rows["kind"].iloc[0] == "judged" else "reference"),
            thresholds=tuple(map(float, rows["threshold"])),
            net_benefit=tuple(map(float, rows["value"])),
        )
        for name, rows in table.groupby("procedure", sort=False)
    )


def net_benefit_rows(study: Study, table: pd.DataFrame) -> tuple[NetBenefit, ...]:
    """Lay out the net benefit at the declared thresholds.

    Parameters
    ----------
    study : Study
    table : DataFrame
        Of all patients or of the treated alone, see `predictor.validation.curves.net_benefits`; may be empty.
    """
    if table.empty:
        return ()
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


def importance_view(study: Study, table: pd.DataFrame) -> ImportanceTable:
    """Lay out the features that move the estimate most, in percentage points.

    Parameters
    ----------
    study : Study
    table : DataFrame
        Columns feature, mean, low, high, out of fold.
    """
    labels = feature_labels(study)
    table = table.sort_values("mean", ascending=False)
    shown, rest = table.head(MOST_IMPORTANCES), table.iloc[MOST_IMPORTANCES:]
    return ImportanceTable(
        model=study.protocol.judge,
        rows=tuple(
            Importance(label=labels[str(r.feature)], mean=100 * r.mean, lo=100 * r.low, hi=100 * r.high)
            for r in rows_of(shown)
        ),
        others_n=len(rest),
        others_mean=float(100 * rest["mean"].sum()),
        method="mean absolute contribution of the judged procedure of each outer fold to its held-out patients, "
        "relative to the average patient; lowest and highest over folds and repeats",
    )


def site_rows(table: pd.DataFrame) -> tuple[SiteRow, ...]:
    """Lay out how the procedure did at each site that it had not seen.

    Parameters
    ----------
    table : DataFrame
        One row per site; empty where no transport was declared.
    """
    rows = []
    for r in rows_of(table):
        gap = Interval(
            value=r.observed - r.expected, lo=r.observed_low - r.expected, hi=r.observed_high - r.expected
        )
        rows.append(
            SiteRow(
                site=str(r.site),
                n=int(r.n),
                responders=int(r.events) if r.events >= SMALLEST_COUNT else None,
                auc=_limits(r.auc, r.auc_low, r.auc_high),
                calibration_intercept=_limits(r.intercept, r.intercept_low, r.intercept_high),
                calibration_slope=_limits(r.slope, r.slope_low, r.slope_high),
                observed_minus_expected=gap,
                note=str(r.note),
            )
        )
    return tuple(rows)


def pooled_rows(table: pd.DataFrame) -> tuple[PooledRow, ...]:
    """Lay out what holds over the sites.

    Parameters
    ----------
    table : DataFrame
        As `predictor.validation.transport.transport_summary` gives it.
    """
    return tuple(
        PooledRow(
            measure=str(r.measure),
            sites=int(r.sites),
            mean=_limits(r.value, r.low, r.high),
            prediction=_limits(r.value, r.prediction_low, r.prediction_high),
            i2=_finite(r.i2),
            note=str(r.note),
        )
        for r in rows_of(table)
    )


def subgroup_rows(table: pd.DataFrame) -> tuple[SubgroupRow, ...]:
    """Lay out the subgroups, one row each.

    Parameters
    ----------
    table : DataFrame
        As `predictor.validation.subgroups.subgroup_performance` gives it.
    """
    rows = []
    for (by, name), own in table.groupby(["by", "subgroup"], sort=False):
        figures = {str(r.metric): _limits(r.value, r.low, r.high) for r in rows_of(own)}
        benefit = [(r.threshold, _limits(r.value, r.low, r.high)) for r in rows_of(own)]
        first = own.iloc[0]
        rows.append(
            SubgroupRow(
                by=str(by),
                subgroup=str(name),
                n=str(first["n"]),
                responders=str(first["events"]),
                auc=figures.get("auc"),
                calibration_intercept=figures.get("calibration_intercept"),
                calibration_slope=figures.get("calibration_slope"),
                observed_minus_expected=figures.get("observed_minus_expected"),
                net_benefit=tuple((t, one) for t, one in benefit if one is not None and np.isfinite(t)),
                flags=tuple(flag for flag in own["flag"] if flag),
                note=str(first["note"]),
            )
        )
    return tuple(rows)


def _limits(value: float, low: float, high: float) -> Interval | None:
    return Interval(value=value, lo=_finite(low), hi=_finite(high)) if np.isfinite(value) else None


FURTHER = {
    "average_precision": ("Average precision", "the rate of response is chance"),
    "nagelkerke_r2": ("Nagelkerke's R²", "0 is the prevalence, 1 is certainty"),
    "cox_snell_r2": ("Cox and Snell's R²", "what the sample-size criteria expect"),
    "observed_expected": ("Observed / expected", "1"),
    "spiegelhalter_z": ("Spiegelhalter's z", "between −1.96 and 1.96"),
    "ici": ("ICI: mean distance from the smooth curve", "below 0.05"),
    "e50": ("E50: half of the patients are closer", "below 0.05"),
    "e90": ("E90: nine of ten are closer", "below 0.10"),
    "emax": ("Emax: the largest distance", "below 0.15"),
}


def further_rows(further: pd.DataFrame) -> tuple[FurtherRow, ...]:
    """Lay out the further measures of the judged procedure, each with what a good value looks like.

    Parameters
    ----------
    further : DataFrame
        As `predictor.validation.further.further_performance` gives it.
    """
    rows = []
    for name, (label, good) in FURTHER.items():
        value = _interval(further, name)
        if value is not None:
            rows.append(FurtherRow(measure=label, value=value, good=good))
    return tuple(rows)


def secondary_rows(secondary: pd.DataFrame) -> tuple[SecondaryRow, ...]:
    """Lay out the outcomes that the verdict is not about, one row each.

    Parameters
    ----------
    secondary : DataFrame
        As `predictor.secondary.secondary_table` gives it.
    """
    rows = []
    for name, table in secondary.groupby("outcome", sort=False):
        first = table.iloc[0]
        n, is_change = int(first["n"]), first["kind"] == "change"
        if is_change:
            rate = f"mean {number_text(first['mean'], 1)} (SD {number_text(first['sd'], 1)})"
        else:
            rate = f"{int(first['events'])} of {n}"
        rows.append(
            SecondaryRow(
                outcome=str(name).replace("_", " "),
                n=n,
                rate=rate,
                auc=_interval(table, "auc"),
                log_loss=_interval(table, "log_loss"),
                calibration_slope=_interval(table, "calibration_slope"),
                note=str(first["note"]),
            )
        )
    return tuple(rows)
