"""From one prediction to what a group's page and a refusal say."""

from __future__ import annotations

from dataclasses import replace

from predictor.prediction import Prediction
from predictor.prediction.records import Broken
from predictor.prediction_model import PredictionModel
from predictor.reports.content import GroupRate, ObservedRate, Reason, Tried
from predictor.reports.values import plan_words, value_text
from predictor.reports.wording import DASH, dated, say

__all__ = ["group_part", "refusal_reasons"]


def group_part(model: PredictionModel, prediction: Prediction) -> GroupRate:
    """Lay out the rate of the patient's group beside the others, and why there is no more than that.

    Parameters
    ----------
    model : PredictionModel
    prediction : Prediction
        Of kind ``group_rate``.
    """
    rates = [
        ObservedRate.from_counts(
            plan_words(model, one.plan),
            one.events,
            one.n,
            lo=one.low,
            hi=one.high,
            this_plan=one.plan == prediction.plan,
        )
        for one in model.group_rates
    ]
    own = next((one for one in rates if one.this_plan), rates[0])
    return GroupRate(
        treatment=plan_words(model, prediction.plan),
        rate=own,
        interval_method=str(model.card["group_interval"]),
        arms=tuple(rates) if len(rates) > 1 else (),
        arms_randomised=str(model.plan.get("assignment", "")) in {"randomised", "cluster_randomised"},
        reason=str(model.card["verdict"]["reason"]),
        tried=tuple(Tried(**one) for one in model.card["tried"]),
    )


def refusal_reasons(model: PredictionModel, prediction: Prediction) -> tuple[Reason, ...]:
    """List every rule that is broken, with the patient's value and what would resolve it.

    Parameters
    ----------
    model : PredictionModel
    prediction : Prediction
        Of kind ``refusal``.
    """
    failed = [one for one in prediction.checks if one.status == "fail"]
    return tuple(
        _reason(model, prediction, replace(broken, rule=dated(broken.rule, check.day)))
        for check in failed
        for broken in check.broken
    )


def _reason(model: PredictionModel, prediction: Prediction, broken: Broken) -> Reason:
    given = next((one for one in prediction.inputs if one.name == broken.input), None)
    text: str | None = DASH
    if given is not None:
        declared = next(one for one in model.inputs if one.name == given.name)
        text = value_text(declared, given.value, unit=True) if given.readable else say("unread")
    return Reason(
        field=broken.input, label=broken.label, value_text=text, rule=broken.rule, resolve=broken.resolve
    )
