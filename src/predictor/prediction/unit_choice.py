"""The unit that a value is given in: which one was chosen, and what the value is in the model's own."""

from __future__ import annotations

import math

from predictor.data.accepted_units import AcceptedUnit, unit_words
from predictor.prediction_model import InputField

__all__ = ["UNIT", "conversion_text", "find_unit", "read_unit"]

UNIT = "_unit"  # of the column beside an input
SHOWN = 4  # significant digits of a converted value


def find_unit(one: InputField, code: str) -> AcceptedUnit | None:
    """Return the unit of this code, None where the input is not taken in it.

    Parameters
    ----------
    one : InputField
    code : str
        UCUM.
    """
    if code == one.unit:
        return AcceptedUnit(code)
    return next((unit for unit in one.accepted_units if unit.unit == code), None)


def read_unit(one: InputField, code: str) -> tuple[AcceptedUnit | None, str]:
    """Return the unit that stands beside a value and an empty complaint, or None and what is wrong with it.

    Parameters
    ----------
    one : InputField
    code : str
        UCUM; an empty one means the model's own unit, for which None is returned too: nothing is converted.
    """
    code = code.strip()
    if code in ("", one.unit):
        return None, ""
    found = find_unit(one, code)
    if found is not None:
        return found, ""
    known = [unit.unit for unit in one.accepted_units] or [one.unit or "left out, as it has none"]
    return None, f"The unit of {one.label} must be {'one of ' if len(known) > 1 else ''}{', '.join(known)}"


def conversion_text(one: InputField, given: float, unit: AcceptedUnit) -> str:
    """Write what a value is in the model's own unit: 5 mg/dL = 50 mg/L.

    Parameters
    ----------
    one : InputField
    given : float
        In ``unit``.
    unit : AcceptedUnit
    """
    value = _shown(unit.convert(given))
    return f"{given:.10g} {unit_words(unit.unit)} = {value} {unit_words(one.unit)}"


def _shown(value: float) -> str:
    """Keep four significant digits, and all of those before the point."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    after = max(0, SHOWN - 1 - math.floor(math.log10(abs(value))))
    text = f"{value:.{after}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
