"""The form of a model, built from what the model asks for, and what was typed into it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from predictor.data.accepted_units import AcceptedUnit, unit_words
from predictor.prediction.reading import learned_text, read_value
from predictor.prediction.unit_choice import UNIT, conversion_text, find_unit
from predictor.prediction.values import unit_hint
from predictor.prediction_model import InputField, PredictionModel

__all__ = ["MISSING", "PARTS", "Filled", "FormField", "blank_form", "read_form"]

Control = Literal["text", "radio", "select"]
MOST_RADIOS = 6
MISSING, CHOSEN_UNIT = "__missing", "__unit"
PARTS = ("", CHOSEN_UNIT, MISSING)
"""What may follow an input's name in what a browser sends."""
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
    units : tuple of (str, str)
        What is sent and what is read, where a unit has to be chosen; none is chosen before somebody does.
    chosen_unit : str
    unit_error : str
    converted : str
        What a value in another unit is in the model's own.
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
    units: tuple[tuple[str, str], ...] = ()
    chosen_unit: str = ""
    unit_error: str = ""
    converted: str = ""

    @property
    def problems(self) -> list[tuple[str, str]]:
        """What is wrong, each with the id of the control where it is mended."""
        at = f"{self.name}-0" if self.control == "radio" else self.name
        found = [(at, self.error), (f"{self.name}-unit", self.unit_error)]
        return [one for one in found if one[1]]


@dataclass(frozen=True)
class Filled:
    """What came back.

    Parameters
    ----------
    fields : tuple of FormField
        With values and errors.
    values : dict of str to str
        By input, as typed; empty where it was not measured. Beside it the unit, where one was chosen.
    unusual : tuple of str
        Names of values outside of what the model has seen, which somebody has to confirm.
    """

    fields: tuple[FormField, ...]
    values: dict[str, str]
    unusual: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether nothing is left to be mended or confirmed."""
        return not any(one.error or one.unit_error for one in self.fields)

    @property
    def only_unusual(self) -> bool:
        """Whether a confirmation is all that is missing."""
        wrong = [one for one in self.fields if one.problems]
        return bool(self.unusual) and all(one.name in self.unusual and not one.unit_error for one in wrong)


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
        unit=unit_words(one.unit),
        units=tuple((unit.unit, unit_words(unit.unit)) for unit in one.accepted_units),
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
        hint=f"The model has seen {learned} {unit_words(one.unit)}".rstrip() if learned else "",
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
        By input; ``<input>__unit`` is its unit, ``<input>__missing`` stands where "Not measured" was chosen, and
        ``confirmed`` for unusual values.
    questions : sequence of FormField, optional
        From `blank_form`, where they are laid out already.
    """
    read, values, unusual = [], {}, []
    for question in questions or blank_form(model):
        one = model.input_by_name[question.name]
        answered, outside = _answered(question, one, typed)
        if outside:
            unusual.append(one.name)
            answered = replace(answered, error="") if typed.get(CONFIRMED) == "yes" else answered
        values[one.name] = "" if answered.missing else answered.value
        if answered.units:
            values[f"{one.name}{UNIT}"] = "" if answered.missing else answered.chosen_unit
        read.append(answered)
    return Filled(tuple(read), values, tuple(unusual))


def _answered(question: FormField, one: InputField, typed: Mapping[str, str]) -> tuple[FormField, bool]:
    """Put an answer into its question, and say whether it is only outside of what the model has seen."""
    text, code = typed.get(one.name, "").strip(), typed.get(one.name + CHOSEN_UNIT, "")
    unit = find_unit(one, code) if question.units else AcceptedUnit(one.unit)
    answer = partial(replace, question, value=text, chosen_unit=unit.unit if unit and question.units else "")
    if not question.required and one.name + MISSING in typed:
        return answer(missing=True), False
    value, complaint = _read(one, text)
    if unit is None:
        return answer(error=complaint, unit_error=f"Choose the unit for {one.label}" if text else ""), False
    if complaint or not isinstance(value, float) or one.grain == "yes_no":
        return answer(error=complaint), False
    converted = conversion_text(one, value, unit) if unit.unit != one.unit else ""
    error, outside = _complaint(one, value, unit, converted)
    return answer(error=error, converted=converted), outside


def _read(one: InputField, text: str) -> tuple[float | str | None, str]:
    if not text:
        return None, f"Enter {one.label}{'' if one.required else ', or choose Not measured'}"
    return read_value(one, text)


def _complaint(one: InputField, given: float, unit: AcceptedUnit, converted: str) -> tuple[str, bool]:
    """Say what is wrong with a number, and whether it is only outside of what the model has seen."""
    value, (low, high), own = unit.convert(given), one.limits, unit_words(one.unit)
    hint = unit_hint(one, value, unit if converted else None)
    entered = f"; you entered {converted}" if converted else ""
    if (low is not None and value < low) or (high is not None and value > high):
        return f"{one.label} must be {_between(low, high)} {own}".rstrip() + entered + hint, False
    if one.learned is not None and not one.learned[0] <= value <= one.learned[1]:
        seen = f"outside what the model has seen ({learned_text(one)} {own}".rstrip() + f"){entered}{hint}"
        end = "" if seen.endswith("?") else "."
        return f"{one.label} is {seen}{end} Check it; if it is right, no estimate can be given", True
    return "", False


def _between(low: float | None, high: float | None) -> str:
    if low is None:
        return f"at most {high:g}"
    return f"at least {low:g}" if high is None else f"between {low:g} and {high:g}"
