"""Has the decision come for which a model is asked, where it follows an infusion? Asked of patients of an export."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from predictor.config.schema import DECISION_TAKES
from predictor.prediction.records import Broken, Check, Patient
from predictor.prediction_model import InputField, PredictionModel

__all__ = ["NOT_BEGUN", "NOT_YET", "TOO_LATE", "age_counts_from", "check_decision"]

LABEL = "Time of the decision"
NOT_BEGUN, NOT_YET, TOO_LATE = "not_begun", "not_yet", "too_late"


def check_decision(model: PredictionModel, patient: Patient) -> Check | None:
    """Ask whether the patient had come to the decision by the day that was asked about.

    Parameters
    ----------
    model : PredictionModel
    patient : Patient

    Returns
    -------
    Check or None
        None where nothing tells: a row of a table holds what its author knew at the decision.
    """
    decision = model.cohort.get("decision_time")
    if not isinstance(decision, Mapping) or not (patient.decided or patient.undecided):
        return None
    if patient.decided:
        result, meaning = f"On {patient.decided}", "Nothing later was looked at"
        return Check("decision_time", LABEL, "ok", result, meaning, day=patient.decided)
    result, resolve = _words(patient.undecided, decision)
    broken = Broken("", LABEL, result, resolve)
    meaning = "The model was built on patients who had come to this decision"
    return Check("decision_time", LABEL, "fail", result, meaning, (broken,))


def _words(why: str, decision: Mapping[str, object]) -> tuple[str, str]:
    """Return what is not so, and what would resolve it."""
    kth, days, last = (decision[name] for name in ("after_infusion", "days", "last_day"))
    when = f"infusion {kth}" if not days else f"day {days} after infusion {kth}"
    if why == TOO_LATE:
        return (
            f"{when[0].upper()}{when[1:]} did not come by day {last} of the course",
            "A model built on patients like this one",
        )
    begun = "No course had begun" if why == NOT_BEGUN else f"{when[0].upper()}{when[1:]} had not come"
    return f"{begun} by the day that was asked about", f"Ask again at {when}, or record the infusions"


def age_counts_from(one: InputField, patient: Patient) -> date | None:
    """Return the day from which an input's age counts for this patient; None where the export says none.

    Parameters
    ----------
    one : InputField
    patient : Patient
    """
    return patient.decided if one.take in DECISION_TAKES else patient.day0
