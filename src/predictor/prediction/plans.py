"""The same patient under each plan that development patients had: what a clinician may choose, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from predictor.prediction.ranges import RANGE
from predictor.prediction.records import Patient, PlanEstimate, Prediction
from predictor.prediction_model import PredictionModel, raw_columns

__all__ = ["FEWEST_WITH_PLAN", "Plan", "add_plans", "plans_of", "rows_by_plan"]

FEWEST_WITH_PLAN = 10
"""Development patients below which a plan gets no number."""


@dataclass(frozen=True)
class Plan:
    """One plan that development patients had.

    Parameters
    ----------
    name : str
    value : float, str or None
        Of the plan's input: an arm is one itself, for a dose band the usual dose in it.
    n : int
        Development patients with it.
    """

    name: str
    value: float | str | None
    n: int

    @property
    def shown(self) -> bool:
        """Whether enough patients had it."""
        return self.n >= FEWEST_WITH_PLAN and self.value is not None


def plans_of(model: PredictionModel, patient: Patient) -> list[Plan]:
    """List the plans of a model, the patient's own with the patient's own value.

    Parameters
    ----------
    model : PredictionModel
    patient : Patient

    Returns
    -------
    list of Plan
        Empty where the model does not use the plan, or knows one only.
    """
    name = str(model.plan.get("input") or "")
    if len(model.baselines) < 2 or name not in {feature.name for feature in model.features}:
        return []
    return [
        Plan(
            plan,
            patient.values[name] if plan == patient.plan else _value_of(model, name, plan),
            _n(model, plan),
        )
        for plan in _in_order(model)
    ]


def rows_by_plan(model: PredictionModel, patient: Patient) -> list[Mapping[str, float | str | None]]:
    """Give the patient's values as planned, and then under each other plan that is shown.

    Parameters
    ----------
    model : PredictionModel
    patient : Patient
    """
    name = str(model.plan.get("input") or "")
    others = [one for one in plans_of(model, patient) if one.shown and one.name != patient.plan]
    return [patient.values, *({**patient.values, name: one.value} for one in others)]


def add_plans(
    model: PredictionModel, patient: Patient, one: Prediction, refits: np.ndarray | None
) -> Prediction:
    """Add the estimate under each plan, and its difference from the planned one.

    Parameters
    ----------
    model : PredictionModel
    patient : Patient
    one : Prediction
        Its estimate with the range.
    refits : ndarray of shape (refits, rows) or None
        What every refit says of the rows of `rows_by_plan`: a difference has its range over pairs of one refit. None
        where there are no refits, and then no other plan is shown.

    Returns
    -------
    Prediction
        Unchanged where the model does not use the plan, or knows one only.
    """
    found: list[PlanEstimate] = []
    rows = rows_by_plan(model, patient)
    probability = model.scorer.probability(raw_columns(model.features, rows), len(rows))
    place = 0
    for plan in plans_of(model, patient):
        if plan.name == patient.plan:
            found.append(PlanEstimate(plan.name, plan.value, plan.n, one.probability, one.low, one.high))
            continue
        place += plan.shown
        if refits is None or not plan.shown:
            found.append(PlanEstimate(plan.name, plan.value, plan.n))
            continue
        found.append(_other(plan, float(probability[place]), one.probability or 0.0, refits[:, [0, place]]))
    return replace(one, plans=tuple(found)) if found else one


def _in_order(model: PredictionModel) -> list[str]:
    bands = list(model.plan.get("band_labels") or [])
    return [plan for plan in bands if plan in model.baselines] or sorted(model.baselines)


def _n(model: PredictionModel, plan: str) -> int:
    rate = next((one for one in model.group_rates if one.plan == plan), None)
    return rate.n if rate else model.baselines[plan][0].n


def _other(plan: Plan, probability: float, planned: float, refits: np.ndarray) -> PlanEstimate:
    difference = probability - planned
    low, high = _held(refits[:, 1], probability)
    least, most = _held(refits[:, 1] - refits[:, 0], difference)
    return PlanEstimate(plan.name, plan.value, plan.n, probability, low, high, difference, least, most)


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
