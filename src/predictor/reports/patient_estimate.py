"""From one prediction to what an estimate's page says: the number, where it applies, what moves it, other plans."""

from __future__ import annotations

from typing import Any, Literal

from predictor.prediction import Prediction
from predictor.prediction.plans import FEWEST_WITH_PLAN
from predictor.prediction.records import Contribution as Moved
from predictor.prediction.records import PlanEstimate
from predictor.prediction_model import PredictionModel
from predictor.reports.content_estimate import (
    Applicability,
    Check,
    Contribution,
    Contributions,
    Estimate,
    Performance,
    PlainCounts,
    WhatIf,
    WhatIfCell,
    WhatIfRow,
)
from predictor.reports.patient_others import rows_beside
from predictor.reports.values import plan_words, value_text
from predictor.reports.wording import count_of_100, dated, outward, say

__all__ = ["applicability", "estimate_parts"]


def estimate_parts(model: PredictionModel, prediction: Prediction) -> dict[str, Any]:
    """Lay out the parts that only a personal estimate has.

    Parameters
    ----------
    model : PredictionModel
    prediction : Prediction
        Of kind ``estimate``, explained and with its range.

    Returns
    -------
    dict
        Parts of `PredictionReportV1` by name.
    """
    return {
        "estimate": _estimate(model, prediction),
        "contributions": _contributions(model, prediction),
        "performance": _performance(model),
        "whatif": _whatif(model, prediction),
    }


def _estimate(model: PredictionModel, prediction: Prediction) -> Estimate:
    assert prediction.probability is not None
    assert prediction.low is not None
    assert prediction.high is not None
    group = prediction.group
    return Estimate.from_probabilities(
        prediction.probability,
        prediction.low,
        prediction.high,
        base_rate=group.rate if group else float(model.card["events"]) / float(model.card["n"]),
        base_n=group.n if group else int(model.card["n"]),
        same_plan=bool(model.plan.get("input")),
        refits=len(model.refits),
        gaps=prediction.imputed_low is not None,
    )


def _contributions(model: PredictionModel, prediction: Prediction) -> Contributions:
    assert prediction.probability is not None
    assert prediction.start is not None
    return Contributions.from_points(
        [(_contribution(model, one), one.points) for one in prediction.contributions if not one.sensitive],
        start=prediction.start,
        total=prediction.probability,
        unlisted=[one.points for one in prediction.contributions if one.sensitive],
        left_over=prediction.other if abs(prediction.other) > 0 else None,
        most=rows_beside(len(prediction.others)),
    )


def _contribution(model: PredictionModel, one: Moved) -> Contribution:
    declared = model.input_by_name[one.name]
    usual = value_text(declared, one.reference, unit=True)
    numbers = isinstance(one.value, float) and isinstance(one.reference, float)
    phrase = ""
    if numbers and declared.grain != "yes_no" and one.value != one.reference:
        more = one.value > one.reference  # type: ignore[operator]
        phrase = say("phrase_higher" if more else "phrase_lower", label=one.label)
    return Contribution(
        field=one.name,
        label=one.label,
        value_text=value_text(declared, one.value, unit=True),
        reference_text=say("typical", value=usual) if usual else "",
        points=0,
        phrase=phrase,
    )


def applicability(model: PredictionModel, prediction: Prediction) -> Applicability:
    """Lay out the checks, with what the gaps leave open where there is an estimate.

    Parameters
    ----------
    model : PredictionModel
    prediction : Prediction
        Not a refusal.
    """
    checks = tuple(
        Check(
            id=one.id,
            label=one.label,
            status=one.status,
            result=dated(one.result, one.day),
            meaning=one.meaning,
        )
        for one in prediction.checks
    )
    said = tuple(_told(prediction, check) for check in checks)
    verdict: Literal["usable", "caution"] = (
        "usable" if all(one.status == "ok" for one in checks) else "caution"
    )
    return Applicability(verdict=verdict, checks=said)


def _told(prediction: Prediction, check: Check) -> Check:
    if check.id == "complete_inputs" and prediction.imputed_low is not None:
        assert prediction.imputed_high is not None
        lo, hi = outward(prediction.imputed_low, prediction.imputed_high)
        between = say("imputed_between", meaning=check.meaning, lo=lo, hi=hi)
        if prediction.probability is not None and not lo <= count_of_100(prediction.probability) <= hi:
            between = say("imputed_beyond", between=between)
        return check.model_copy(update={"meaning": between})
    return check


def _performance(model: PredictionModel) -> Performance:
    card = model.card
    auc, slope, intercept = (
        card["metrics"].get(name, {}) for name in ("auc", "calibration_slope", "calibration_intercept")
    )
    counts = card.get("plain_counts")
    return Performance(
        developed_on=str(card["developed_on"]),
        auc=auc.get("value"),
        auc_lo=auc.get("low"),
        auc_hi=auc.get("high"),
        calibration_slope=slope.get("value"),
        calibration_intercept=intercept.get("value"),
        coverage=say("coverage_in_simulation"),
        counts=PlainCounts(**counts) if counts else None,
        not_tested_in=say("not_tested_in"),
    )


def _whatif(model: PredictionModel, prediction: Prediction) -> WhatIf | None:
    """Lay out the same patient under each plan; nothing where one plan alone could be shown."""
    shown = [one for one in prediction.plans if one.probability is not None]
    if len(shown) < 2:
        return None
    randomised = str(model.plan.get("assignment", "")) in {"randomised", "cluster_randomised"}
    return WhatIf(
        row_field=str(model.plan.get("label") or "Plan"),
        columns=(say("whatif_column"),),
        rows=tuple(
            WhatIfRow(label=_plan_label(model, one), cells=(_cell(one, one.plan == prediction.plan),))
            for one in prediction.plans
        ),
        evidence=say("evidence_randomised" if randomised else "evidence_observed"),
    )


def _plan_label(model: PredictionModel, one: PlanEstimate) -> str:
    """Write a plan with the dose that stands for its band."""
    if not model.plan.get("bands") or one.value is None:
        return plan_words(model, one.plan)
    field = model.input_by_name[model.plan["input"]]
    return say("band_by", band=plan_words(model, one.plan), dose=value_text(field, one.value, unit=True))


def _cell(one: PlanEstimate, planned: bool) -> WhatIfCell:
    if one.probability is None or one.low is None or one.high is None:
        return WhatIfCell.unsupported(fewer_than=FEWEST_WITH_PLAN, planned=planned)
    difference = (one.difference, one.difference_low, one.difference_high)
    return WhatIfCell.from_probabilities(
        one.probability, one.low, one.high, difference=difference, planned=planned
    )
