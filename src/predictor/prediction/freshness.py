"""Are a patient's values recent enough? Age against the window that development took its values from."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from predictor.prediction.deciding import age_counts_from
from predictor.prediction.records import Check, Patient
from predictor.prediction_model import InputField, PredictionModel

__all__ = ["age_note", "check_freshness"]

LABEL = "Up-to-date inputs"


def check_freshness(model: PredictionModel, patient: Patient, *, today: date) -> Check | None:
    """Ask whether every value that can grow old has a date, and one inside its limit.

    Parameters
    ----------
    model : PredictionModel
    patient : Patient
    today : date
        Day 0 of the patient.

    Returns
    -------
    Check or None
        None where no recorded value can grow old. An old value never refuses: the clinician may know that it holds.
    """
    ageing = [one for one in model.inputs if one.max_age_days and patient.values[one.name] is not None]
    if not ageing:
        return None
    old = [f"{one.label} was {note}" for one in ageing if (note := age_note(one, patient, today=today))]
    undated = [one.label for one in ageing if _day(one, patient) is None]
    if not old and not undated:
        return Check("fresh_inputs", LABEL, "ok", "All in time", "As recent as in development")
    words = list(_counts(len(old), len(undated)))
    meanings = old + ([f"Taken as current: {', '.join(undated)}. {_limits(ageing)}"] if undated else [])
    return Check("fresh_inputs", LABEL, "check", ", ".join(words), "; ".join(meanings))


def age_note(one: InputField, patient: Patient, *, today: date) -> str:
    """Say how old a value is where it is older than its limit, or dated later than today; else nothing.

    Parameters
    ----------
    one : InputField
    patient : Patient
    today : date
        From which ages count where the patient has no day of its own.
    """
    day = _day(one, patient)
    if day is None or one.max_age_days is None:
        return ""
    age = ((age_counts_from(one, patient) or today) - day).days
    if age < 0:
        return "dated after the assessment"
    if age <= one.max_age_days:
        return ""
    return f"measured {age} days ago; the model needs {one.max_age_days} days or fewer"


def _day(one: InputField, patient: Patient) -> date | None:
    recorded = patient.recorded.get(one.name)
    return None if recorded is None else recorded.day


def _counts(old: int, undated: int) -> Iterator[str]:
    if old:
        yield f"{old} not in time"
    if undated:
        yield f"{undated} without a date"


def _limits(ageing: list[InputField]) -> str:
    days = {one.max_age_days for one in ageing}
    return f"The limit is {', '.join(str(one) for one in sorted(d for d in days if d))} days"
