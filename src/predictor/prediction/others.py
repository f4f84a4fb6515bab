"""The other outcomes for one patient: an estimate where one was shown to be better, else the group's rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from predictor.other_outcomes import OtherOutcome
from predictor.prediction.ranges import range_limits, refit_probabilities, spread_over_gaps
from predictor.prediction.records import OtherEstimate, Patient, Prediction
from predictor.prediction_model import PredictionModel, raw_columns

__all__ = ["add_others"]


def add_others(
    model: PredictionModel, patients: Sequence[Patient], judged: Sequence[Prediction]
) -> list[Prediction]:
    """Add the other outcomes to every patient whom the model applies to.

    Parameters
    ----------
    model : PredictionModel
    patients : sequence of Patient
    judged : sequence of Prediction
        Of the same patients. A refusal stays as it is: it is one of all outcomes.

    Returns
    -------
    list of Prediction
    """
    chosen = [i for i, one in enumerate(judged) if one.kind != "refusal"]
    found = list(judged)
    if not model.outcomes or not chosen:
        return found
    by_outcome = [_estimates(model, other, [patients[i] for i in chosen]) for other in model.outcomes]
    for place, i in enumerate(chosen):
        found[i] = replace(judged[i], others=tuple(estimates[place] for estimates in by_outcome))
    return found


def _estimates(
    model: PredictionModel, other: OtherOutcome, patients: Sequence[Patient]
) -> list[OtherEstimate]:
    rates = {one.plan: one for one in other.group_rates}
    observed = [OtherEstimate(other.name, rates.get(patient.plan)) for patient in patients]
    own = model.of_outcomes.get(other.name)
    if own is None:
        return observed
    raw, n = raw_columns(model.features, [patient.values for patient in patients]), len(patients)
    probability = own.scorer.probability(raw, n)
    refits = refit_probabilities(own, raw, n)
    low, high = range_limits(refits, probability, spread_over_gaps(own, raw, n))
    numbers = zip(observed, probability.tolist(), low.tolist(), high.tolist(), strict=True)
    return [replace(one, probability=p, low=lo, high=hi) for one, p, lo, hi in numbers]
