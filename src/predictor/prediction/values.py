"""Do a patient's values lie where the model has learned? Declared limits, learned ranges, and units mixed up."""

from __future__ import annotations

import math

from predictor.data.accepted_units import AcceptedUnit, unit_words
from predictor.prediction.reading import learned_text
from predictor.prediction.records import Broken, Check, Patient
from predictor.prediction_model import InputField, PredictionModel

__all__ = ["check_ranges", "unit_hint"]

# Between units in use: powers of ten, creatinine, glucose, cholesterol, cortisol, vitamin D, pounds, inches.
UNIT_FACTORS = (10.0, 100.0, 1000.0, 88.4, 18.0, 38.67, 27.59, 2.496, 2.2046, 2.54)
SLIGHTLY = 1.5  # what lies less far outside is unusual, and not in another unit

LABEL, UNSEEN = "Values inside learned ranges", "The model has not seen such values"
CORRECT = "Correct the value"
CHECK_IT = "Check the value and its unit; if it is right, no estimate can be given"


def check_ranges(model: PredictionModel, patient: Patient) -> Check:
    """Ask whether every value can be read, keeps its declared limits, and was seen in development.

    Parameters
    ----------
    model : PredictionModel
    patient : Patient
    """
    refuse = bool(model.policy.get("withhold_if", {}).get("outside_training_range", True))
    labels = {one.name: one.label for one in model.inputs}
    broken = [
        Broken(name, labels[name], complaint, CORRECT) for name, complaint in patient.unreadable.items()
    ]
    broken += [_broken(one, _limits_text(one)) for one in model.inputs if _breaks(one, patient)]
    asked = [one for one in model.inputs if one.role != "entry"]
    outside = [_broken(one, _outside_text(one, patient)) for one in asked if _is_outside(one, patient)]
    said = "; ".join(one.rule for one in (*broken, *outside))
    if broken or (outside and refuse):
        return Check("learned_ranges", LABEL, "fail", said, UNSEEN, (*broken, *outside))
    if outside:
        return Check("learned_ranges", LABEL, "check", said, UNSEEN)
    return Check("learned_ranges", LABEL, "ok", "All recorded values", "The model has seen such values")


def _broken(one: InputField, rule: str) -> Broken:
    return Broken(one.name, one.label, rule, CHECK_IT)


def _breaks(one: InputField, patient: Patient) -> bool:
    value, (low, high) = patient.values[one.name], one.limits
    return isinstance(value, float) and (
        (low is not None and value < low) or (high is not None and value > high)
    )


def _limits_text(one: InputField) -> str:
    low, high = one.limits
    return f"{one.label} breaks its declared limits ({low} to {high} {one.unit}".rstrip() + ")"


def _is_outside(one: InputField, patient: Patient) -> bool:
    value = patient.values[one.name]
    if one.learned is None or not isinstance(value, float):
        return False
    return not one.learned[0] <= value <= one.learned[1]


def _outside_text(one: InputField, patient: Patient) -> str:
    seen = f"{one.label} is outside what the model has seen ({learned_text(one)} {one.unit}".rstrip() + ")"
    return seen + unit_hint(one, patient.values[one.name], patient.units.get(one.name))


def unit_hint(one: InputField, value: float | str | None, given: AcceptedUnit | None = None) -> str:
    """Say in which unit a value would be usual, or by which factor between units it would lie inside, if by any.

    Parameters
    ----------
    one : InputField
    value : float, str or None
        In the model's unit.
    given : AcceptedUnit or None
        In which it was given; None for the model's own.

    Returns
    -------
    str
        Goes on after a semicolon; empty where no factor helps, and for what lies only a little outside.
    """
    if one.learned is None or not isinstance(value, float) or not (value > 0 and one.learned[1] > 0):
        return ""
    low, high = one.learned
    if low / SLIGHTLY <= value <= high * SLIGHTLY:
        return ""
    meant = _usual_units(one, value if given is None else given.restore(value))
    if meant:
        return f"; it would be usual if the unit were {' or '.join(meant)}"
    return "" if given is not None else _factor_hint(one, value)


def _usual_units(one: InputField, typed: float) -> list[str]:
    """Name the accepted units in which a number as it was given lies where the model has learned."""
    assert one.learned is not None
    low, high = one.learned
    return [unit_words(unit.unit) for unit in one.accepted_units if low <= unit.convert(typed) <= high]


def _factor_hint(one: InputField, value: float) -> str:
    """Name the factor between units in use that brings a value nearest to the middle of what was learned."""
    assert one.learned is not None
    low, high = one.learned
    middle = math.sqrt(max(low, high / 1e3) * high)
    changed = {
        f"{word} by {factor:g}": value * factor if word == "multiplied" else value / factor
        for factor in UNIT_FACTORS
        for word in ("divided", "multiplied")
    }
    inside = {how: found for how, found in changed.items() if low <= found <= high}
    if not inside:
        return ""
    how = min(inside, key=lambda how: abs(math.log(inside[how] / middle)) if inside[how] > 0 else math.inf)
    return f"; {how} it would lie inside: was it recorded in another unit than {one.unit or 'declared'}?"
