"""From one prediction to what its page says of the other outcomes."""

from __future__ import annotations

from predictor.other_outcomes import GroupRate
from predictor.other_outcomes import OtherOutcome as Declared
from predictor.prediction import Prediction
from predictor.prediction.records import OtherEstimate
from predictor.prediction_model import PredictionModel
from predictor.reports.content import ObservedRate, OtherOutcome
from predictor.reports.values import plan_words
from predictor.reports.wording import capitalised

__all__ = ["OTHERS_THAT_FIT", "other_outcomes", "rows_beside"]

OTHERS_THAT_FIT = 3
"""Other outcomes beside the main one on the first page; with more of them, all go to an annex."""


def rows_beside(others: int) -> int:
    """Return how many contributions the first page has room for beside so many other outcomes.

    Parameters
    ----------
    others : int
    """
    return 5 - others if 0 < others <= OTHERS_THAT_FIT else 6


def other_outcomes(model: PredictionModel, prediction: Prediction) -> tuple[OtherOutcome, ...]:
    """Lay out each other outcome: its estimate with the range where there is one, else what was observed.

    Parameters
    ----------
    model : PredictionModel
    prediction : Prediction
        Not a refusal.
    """
    declared = {one.name: one for one in model.outcomes}
    return tuple(_laid_out(model, declared[one.name], one) for one in prediction.others)


def _laid_out(model: PredictionModel, declared: Declared, one: OtherEstimate) -> OtherOutcome:
    name = capitalised(declared.name.replace("_", " "))
    observed = None if one.group is None else _observed(model, one.group)
    if one.probability is None or one.low is None or one.high is None:
        return OtherOutcome(
            name=name, definition=declared.definition, verdict=declared.verdict, observed=observed
        )
    return OtherOutcome.from_probabilities(
        name, declared.definition, one.probability, one.low, one.high, observed=observed
    )


def _observed(model: PredictionModel, rate: GroupRate) -> ObservedRate:
    words = plan_words(model, rate.plan)
    return ObservedRate.from_counts(words, rate.events, rate.n, lo=rate.low, hi=rate.high, this_plan=True)
