"""The same patient under each plan that development patients had: what a clinician may choose, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from predictor.features.columns import RawColumns
from predictor.prediction.ranges import RANGE
from predictor.prediction.records import Patient, PlanEstimate, Prediction
from predictor.prediction_model import PredictionModel, raw_columns

__all__ = ["FEWEST_WITH_PLAN", "Plan", "add_plans", "columns_by_plan", "plans_of"]

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


def columns_by_plan(model: PredictionModel, patient: Patient) -> tuple[RawColumns, int]:
    """Give the patient's values as planned, and then under each other plan that is shown.

    Parameters
    ----------
    model : PredictionModel
    patient : Patient

    Returns
    -------
    raw : mapping of str to ndarray or Categories
    n : int
        Plans.
    """
    name = str(model.plan.get("input") or "")
    others = [one for one in plans_of(model, patient) if one.shown and one.name != patient.plan]
    rows = [patient.values, *({**patient.values, name: one.value} for one in others)]
    return raw_columns(model.features, rows), len(rows)


def add_plans(
    model: PredictionModel, patient: Patient, one: Prediction, answers: tuple[np.ndarray, np.ndarray] | None
) -> Prediction:
    """Add the estimate under each plan, and its difference from the planned one.

    Parameters
    ----------
    model : PredictionModel
    patient : Patient
    one : Prediction
        Its estimate with the range.
    answers : tuple of ndarray, of shape (plans,) and (refits, plans), or None
        What the model and every refit say of the plans of `columns_by_plan`: a difference has its range over pairs of
        one refit. None where there are no refits, and then no other plan is shown.

    Returns
    -------
    Prediction
        Unchanged where the model does not use the plan, or knows one only.
    """
    plans = plans_of(model, patient)
    given = iter(()) if answers is None else _others(one.probability or 0.0, *answers)
    found = []
    for plan in plans:
        if plan.name == patient.plan:
            numbers: tuple[float | None, ...] = (one.probability, one.low, one.high)
        else:
            numbers = next(given, ()) if plan.shown else ()
        found.append(PlanEstimate(plan.name, plan.value, plan.n, *numbers))
    return replace(one, plans=tuple(found)) if found else one


def _others(planned: float, probability: np.ndarray, refits: np.ndarray) -> Iterator[tuple[float, ...]]:
    """Yield the estimate under each other plan and its difference, each with limits that hold it."""
    found = probability[1:]
    points = np.concatenate([found, found - planned])
    over_refits = np.concatenate([refits[:, 1:], refits[:, 1:] - refits[:, :1]], axis=1)
    low, high = np.percentile(over_refits, RANGE, axis=0)  # one call for all plans: it is dear
    limits = np.array([points, np.minimum(low, points), np.maximum(high, points)])
    for estimate, difference in zip(limits[:, : len(found)].T, limits[:, len(found) :].T, strict=True):
        yield (*estimate.tolist(), *difference.tolist())


def _in_order(model: PredictionModel) -> list[str]:
    bands = list(model.plan.get("band_labels") or [])
    return [plan for plan in bands if plan in model.baselines] or sorted(model.baselines)


def _n(model: PredictionModel, plan: str) -> int:
    rate = next((one for one in model.group_rates if one.plan == plan), None)
    return rate.n if rate else model.baselines[plan][0].n


def _value_of(model: PredictionModel, name: str, plan: str) -> float | str | None:
    """Value of the plan's input: an arm is one itself, for a dose band the usual dose in it."""
    one = model.input_by_name[name]
    if model.plan.get("bands") or one.kind == "number":
        return one.typical.get(plan)
    return plan
