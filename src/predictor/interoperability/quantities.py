"""A value as a resource states it, as a value of the model's input: in its unit, or by its code."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import numpy as np

from predictor.data.analytes import named_analyte
from predictor.data.cells import BELOW
from predictor.data.conversion import UnitError, convert
from predictor.errors import ResourceError
from predictor.interoperability.coded_inputs import CodedInput

__all__ = ["UCUM", "Refusal", "Value", "codes_of", "ucum_of", "value_of"]

UCUM = "http://unitsofmeasure.org"
WORDS = {"years": "a", "year": "a", "months": "mo", "weeks": "wk", "days": "d", "points": "{score}"}
"""UCUM codes of units that dictionaries may write as words."""
WITHOUT = re.compile(r"1|\{[^{}]*\}")
"""UCUM codes that mean no unit."""

Value = float | str | None


class Refusal(ValueError):  # noqa: N818 - the word of the clinic
    """What a resource says cannot be used; with the code of the error and what to send instead."""

    def __init__(self, code: str, message: str, remedy: str) -> None:
        super().__init__(message)
        self.code, self.message, self.remedy = code, message, remedy


def ucum_of(unit: str) -> str:
    """Return the UCUM code of a dictionary's unit.

    Parameters
    ----------
    unit : str
    """
    return WORDS.get(unit, unit) or "1"


def codes_of(concept: Mapping[str, Any]) -> set[str]:
    """Return ``system|code`` of every coding.

    Parameters
    ----------
    concept : mapping
        A CodeableConcept.
    """
    coding = concept.get("coding", []) if isinstance(concept, Mapping) else []
    listed = coding if isinstance(coding, list) else []
    return {
        f"{one.get('system', '')}|{one['code']}"
        for one in listed
        if isinstance(one, Mapping) and "code" in one
    }


def value_of(part: Mapping[str, Any], one: CodedInput) -> tuple[Value, str]:
    """Return what an Observation, or one of its components, says of an input, and the unit it was converted from.

    Parameters
    ----------
    part : mapping
    one : CodedInput

    Returns
    -------
    tuple of (float, str or None) and str
        None where it says that the value is missing.

    Raises
    ------
    Refusal
        FHI-02 for a number whose unit is not known, FHI-07 for what is no value of this input.
    """
    if "dataAbsentReason" in part:
        return None, ""
    if "valueQuantity" in part:
        return number_of_quantity(part["valueQuantity"], one)
    if "valueInteger" in part and one.field.kind == "number":
        if not WITHOUT.fullmatch(ucum_of(one.field.unit)) and one.field.unit != "points":
            raise _no_unit(one)
        return float(part["valueInteger"]), ""
    if "valueBoolean" in part and one.field.grain == "yes_no":
        return ("yes" if part["valueBoolean"] else "no"), ""
    if "valueCodeableConcept" in part and one.coded is not None:
        return named_value(codes_of(part["valueCodeableConcept"]), one), ""
    message = "it holds no value of the kind that this input has, and does not say that it is missing"
    raise Refusal("FHI-07", message, "Send a quantity, a code, or dataAbsentReason")


def named_value(codes: set[str], one: CodedInput) -> str:
    """Return the name that the dictionary gives to a code.

    Raises
    ------
    Refusal
        FHI-07.
    """
    values = one.coded.values if one.coded is not None else {}
    names = {values[code] for code in codes if code in values}
    if len(names) != 1:
        message = (
            "its code is none of those that the dictionary declares" if not names else "its codes differ"
        )
        raise Refusal("FHI-07", message, "Send a declared code, or have it declared (`fhir: values:`)")
    return names.pop()


def number_of_quantity(quantity: Mapping[str, Any], one: CodedInput) -> tuple[float, str]:
    """Return a quantity in the input's unit, and the unit it was converted from (empty where it is the same).

    Raises
    ------
    Refusal
        FHI-02.
    """
    if one.field.kind != "number" or one.field.grain == "yes_no":
        raise Refusal("FHI-07", "it holds a quantity, and the input is none", "Send a code")
    if quantity.get("system") != UCUM or not quantity.get("code") or "value" not in quantity:
        raise _no_unit(one)
    value = _within_limits(quantity, one)
    given, wanted = str(quantity["code"]), ucum_of(one.field.unit)
    if given == wanted or (WITHOUT.fullmatch(given) and WITHOUT.fullmatch(wanted)):
        return value, ""
    accepted = next((unit for unit in one.field.accepted_units if unit.unit == given), None)
    if accepted is not None:
        return accepted.convert(value), given
    try:
        found = convert(np.array([value]), given, wanted, named_analyte(one.column))
    except UnitError:
        message = f"its unit cannot be converted to {wanted}"
        raise Refusal("FHI-02", message, f"Send it in {wanted}") from None
    except ResourceError:
        message = "its unit is another one, and the extra that converts units is not installed here"
        raise Refusal("FHI-02", message, f"Send it in {wanted}, or install the extra units") from None
    return float(found[0]), given


def _within_limits(quantity: Mapping[str, Any], one: CodedInput) -> float:
    """Read a limit ("< 0.4") as the dictionary says, as in training; without that it is no value."""
    value, sign = quantity["value"], str(quantity.get("comparator", ""))
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise Refusal("FHI-07", "its value is no number", "Send a number")
    if not sign:
        return float(value)
    column = one.column
    if sign.startswith("<") and column.below_limit is not None:
        return float(value) * BELOW[column.below_limit]
    if sign.startswith(">") and column.above_limit is not None:
        return float(value)
    message = "it is only a limit (comparator), and the dictionary does not say how to read one"
    raise Refusal("FHI-02", message, "Send the value, or have `below_limit` or `above_limit` declared")


def _no_unit(one: CodedInput) -> Refusal:
    message = "a quantity without a UCUM code"
    return Refusal(
        "FHI-02", message, f"Send valueQuantity with system {UCUM} and code {ucum_of(one.field.unit)}"
    )
