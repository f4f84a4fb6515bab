"""The form of a model, built from what the model asks for, and what was typed into it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from predictor.prediction.reading import learned_text, read_value
from predictor.prediction.values import unit_hint
from predictor.prediction_model import InputField, PredictionModel

__all__ = ["MISSING", "Filled", "FormField", "blank_form", "read_form"]

Control = Literal["text", "radio", "select"]
MOST_RADIOS = 6
MISSING = "__missing"
CONFIRMED = "confirmed"
GROUPS = {"entry": "May the model be used?", "baseline": "Before treatment", "plan": "The planned treatment"}


@dataclass(frozen=True)
class FormField:
    """One question.

    Parameters
    ----------
    name, label, unit, group : str
    control : {"text", "radio", "select"}
    choices : tuple of (str, str)
        What is sent, and what is read.
    keyboard : {"decimal", "numeric"}
        Of a phone, for numbers.
    width : int
        Characters.
    hint : str
        What the model has seen.
    required : bool
        Without the choice "Not measured".
    value : str
        As it was typed.
    missing : bool
        "Not measured" was chosen.
    error : str
    """

    name: str
    label: str
    unit: str
    group: str
    control: Control
    choices: tuple[tuple[str, str], ...] = ()
    keyboard: Literal["decimal", "numeric"] = "decimal"
    width: int = 8
    hint: str = ""
    required: bool = False
    value: str = ""
    missing: bool = False
    error: str = ""


@dataclass(frozen=True)
class Filled:
    """What came back.

    Parameters
    ----------
    fields : tuple of FormField
        With values and errors.
    values : dict of str to str
        By input, as typed; empty where it was not measured.
    unusual : tuple of str
        Names of values outside of what the model has seen, which somebody has to confirm.
    """

    fields: tuple[FormField, ...]
    values: dict[str, str]
    unusual: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether nothing is left to be mended or confirmed."""
        return not any(one.error for one in self.fields)

    @property
    def only_unusual(self) -> bool:
        """Whether a confirmation is all that is missing."""
        return bool(self.unusual) and all(one.name in self.unusual for one in self.fields if one.error)


def blank_form(model: PredictionModel) -> tuple[FormField, ...]:
    """Lay out the questions: who the model is for, what was before treatment, and the plan.

    Parameters
    ----------
    model : PredictionModel
    """
    fields = [_field(one) for one in model.inputs]
    order = list(GROUPS.values())
    return tuple(sorted(fields, key=lambda one: order.index(one.group)))


def _field(one: InputField) -> FormField:
    found = FormField(
        name=one.name,
        label=one.label,
        unit=one.unit,
        group=GROUPS[one.role],
        control="text",
        required=one.required,
    )
    if one.kind == "category" or one.grain == "yes_no":
        choices = one.levels if one.kind == "category" else ("yes", "no")
        control: Control = "radio" if len(choices) <= MOST_RADIOS else "select"
        named = tuple((level, _readable(level)) for level in choices)
        return replace(found, control=control, choices=named)
    learned = learned_text(one)
    return replace(
        found,
        keyboard="numeric" if one.grain == "whole" else "decimal",
        width=max(6, *(len(f"{limit:g}") + 2 for limit in one.learned)) if one.learned else 8,
        hint=f"The model has seen {learned}{f' {one.unit}' if one.unit else ''}" if learned else "",
    )


def _readable(level: str) -> str:
    return level.replace("_", " ").capitalize() if level.islower() else level


def read_form(
    model: PredictionModel, typed: Mapping[str, str], *, questions: Sequence[FormField] | None = None
) -> Filled:
    """Read what was typed, and say beside each question what is wrong with it.

    Parameters
    ----------
    model : PredictionModel
    typed : mapping of str to str
        By input; ``<input>__missing`` where "Not measured" was chosen, and ``confirmed`` for unusual values.
    questions : sequence of FormField, optional
        From `blank_form`, where they are laid out already.
    """
    inputs = {one.name: one for one in model.inputs}
    read, values, unusual = [], {}, []
    for question in questions or blank_form(model):
        one, text = inputs[question.name], typed.get(question.name, "").strip()
        missing = not question.required and question.name + MISSING in typed
        error, outside = ("", False) if missing else _complaint(one, text)
        if outside:
            unusual.append(one.name)
            error = "" if typed.get(CONFIRMED) == "yes" else error
        values[one.name] = "" if missing else text
        read.append(replace(question, value=text, missing=missing, error=error))
    return Filled(tuple(read), values, tuple(unusual))


def _complaint(one: InputField, text: str) -> tuple[str, bool]:
    """Say what is wrong, and whether it is only outside of what the model has seen."""
    if not text:
        return f"Enter {one.label}{'' if one.required else ', or choose Not measured'}", False
    value, complaint = read_value(one, text)
    if complaint:
        return complaint, False
    if not isinstance(value, float) or one.grain == "yes_no":
        return "", False
    low, high = one.limits
    if (low is not None and value < low) or (high is not None and value > high):
        return f"{one.label} must be {_between(low, high)} {one.unit}".rstrip() + unit_hint(one, value), False
    if one.learned is not None and not one.learned[0] <= value <= one.learned[1]:
        seen = f"outside what the model has seen ({learned_text(one)} {one.unit}".rstrip()
        hint = unit_hint(one, value) or "."
        return f"{one.label} is {seen}){hint} Check it; if it is right, no estimate can be given", True
    return "", False


def _between(low: float | None, high: float | None) -> str:
    if low is None:
        return f"at most {high:g}"
    return f"at least {low:g}" if high is None else f"between {low:g} and {high:g}"
