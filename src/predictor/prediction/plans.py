"""The same patient under each plan that development patients had: what a clinician may choose, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from predictor.prediction.ranges import RANGE
from predictor.prediction.records import Patient, PlanEstimate, Prediction
from predictor.prediction_model import PredictionModel, raw_columns

__all__ = ["FEWEST_WITH_PLAN", "add_plans"]

FEWEST_WITH_PLAN = 10
"""Development patients below which a plan gets no number."""


def add_plans(model: PredictionModel, patient: Patient, one: Prediction) -> Prediction:
    """Add the estimate under each plan, and its difference from the planned one.

    Parameters
    ----------
    model : PredictionModel
    patient : Patient
    one : Prediction
        Its estimate with the range.

    Returns
    -------
    Prediction
        Unchanged where the model does not use the plan, or knows one only.
    """
    name = str(model.plan.get("input") or "")
    if len(model.baselines) < 2 or name not in {feature.name for feature in model.features}:
        return one
    own = PlanEstimate(
        one.plan, patient.values[name], _n(model, one.plan), one.probability, one.low, one.high
    )
    plans = [
        own if plan == one.plan else _other(model, patient, one, name, plan) for plan in _in_order(model)
    ]
    return replace(one, plans=tuple(plans))


def _in_order(model: PredictionModel) -> list[str]:
    bands = list(model.plan.get("band_labels") or [])
    return [plan for plan in bands if plan in model.baselines] or sorted(model.baselines)


def _n(model: PredictionModel, plan: str) -> int:
    rate = next((one for one in model.group_rates if one.plan == plan), None)
    return rate.n if rate else model.baselines[plan][0].n


def _other(model: PredictionModel, patient: Patient, one: Prediction, name: str, plan: str) -> PlanEstimate:
    value, n = _value_of(model, name, plan), _n(model, plan)
    if n < FEWEST_WITH_PLAN or value is None or not model.refits:
        return PlanEstimate(plan, value, n)
    both = raw_columns(model.features, [patient.values, {**patient.values, name: value}])
    _, probability = model.scorer.probability(both, 2)
    refits = np.array([refit.probability(both, 2) for refit in model.refits])
    difference = float(probability) - float(one.probability or 0.0)
    low, high = _held(refits[:, 1], float(probability))
    least, most = _held(refits[:, 1] - refits[:, 0], difference)
    return PlanEstimate(plan, value, n, float(probability), low, high, difference, least, most)


def _held(values: np.ndarray, point: float) -> tuple[float, float]:
    """Limits over the refits, widened to hold the number that they belong to."""
    low, high = np.percentile(values, RANGE)
    return min(float(low), point), max(float(high), point)


def _value_of(model: PredictionModel, name: str, plan: str) -> float | str | None:
    """Value of the plan's input: an arm is one itself, for a dose band the usual dose in it."""
    one = next(field for field in model.inputs if field.name == name)
    if model.plan.get("bands") or one.kind == "number":
        return one.typical.get(plan)
    return plan
