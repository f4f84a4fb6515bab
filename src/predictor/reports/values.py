"""Values and plans as a page writes them."""

from __future__ import annotations

from predictor.prediction_model import InputField, PredictionModel
from predictor.reports.wording import number_text

__all__ = ["plan_words", "value_text"]


def plan_words(model: PredictionModel, plan: str) -> str:
    """Write a plan in words: "this treatment" where there is one, else the arm or the dose band with its unit.

    Parameters
    ----------
    model : PredictionModel
    plan : str
    """
    if plan == "all":
        return "this treatment"
    unit = f" {model.plan.get('unit')}" if model.plan.get("bands") and model.plan.get("unit") else ""
    return plan.replace("_", " ") + unit


def value_text(one: InputField, value: float | str | None, *, unit: bool = False) -> str | None:
    """Write a value with as many digits as it has, at most two after the point; None where it is missing.

    Parameters
    ----------
    one : InputField
    value : float, str or None
    unit : bool
        Whether the unit follows.
    """
    if value is None:
        return None
    if isinstance(value, str):
        return value.replace("_", " ")
    if one.grain == "yes_no":
        return "Yes" if value else "No"
    return f"{_digits(value)} {one.unit if unit else ''}".strip()


def _digits(value: float) -> str:
    """Keep three digits of a small number: 0.0042 is not 0.00."""
    if value == int(value):
        return number_text(value, 0)
    if abs(value) < 0.1:
        return f"{value:.3g}".replace("-", "−")
    return number_text(value, 2).rstrip("0").rstrip(".")
