"""What a column may be computed from: a closed list of rules, each declared once and used wherever the column is."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "AnyDerivation",
    "AwakeningResponse",
    "BelowLimit",
    "BodyMassIndex",
    "Condition",
    "Count",
    "Difference",
    "Dose",
    "HoursBetween",
    "inputs_of",
]


class Derived(BaseModel):
    """Unknown keys are refused, nothing is coerced."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)


class BodyMassIndex(Derived):
    """Weight divided by the square of height, in kg/m2."""

    rule: Literal["bmi"]
    weight: str
    height: str


class Dose(Derived):
    """Dose in mg from mg/kg and weight, or in mg/kg from mg and weight: the two units say which."""

    rule: Literal["dose"]
    dose: str
    weight: str


class AwakeningResponse(Derived):
    """Cortisol awakening response: the area under the curve above the first sample, divided by its length.

    So it is the mean rise, in the samples' unit, and missing where one of them is. A negative one is a fall.
    """

    rule: Literal["awakening_response"]
    samples: Annotated[dict[str, int], Field(min_length=2)]
    """Columns and their minutes since waking; the first is 0."""


class HoursBetween(Derived):
    """Hours from one time of day to another of the same row, such as from waking to the draw."""

    rule: Literal["hours_between"]
    start: str
    end: str


class Difference(Derived):
    """One column minus another. It is known when the later of the two is."""

    rule: Literal["difference"]
    of: str
    minus: str


class BelowLimit(Derived):
    """1 where the cell of another column was written as below the limit of detection, else 0."""

    rule: Literal["below_limit"]
    of: str


class Condition(Derived):
    """A test of one column of the counted table: limits, both included, or the values that count."""

    column: str
    min: float | None = None
    max: float | None = None
    in_: Annotated[list[str] | None, Field(alias="in")] = None


class Count(Derived):
    """Rows of another table that pass every test, such as adequate antidepressant trials that failed.

    A patient without any row there counts 0: nothing was recorded because there was nothing. What is missing in a row
    does not pass.
    """

    rule: Literal["count"]
    table: str
    where: list[Condition] = Field(default_factory=list)


AnyDerivation = Annotated[
    BodyMassIndex | Dose | AwakeningResponse | HoursBetween | Difference | BelowLimit | Count,
    Field(discriminator="rule"),
]


def inputs_of(rule: Any) -> list[str]:
    """Return the headers of the same table that a rule reads.

    Parameters
    ----------
    rule : a derivation
    """
    if isinstance(rule, Count):
        return []
    if isinstance(rule, AwakeningResponse):
        return list(rule.samples)
    return [value for key, value in rule if key != "rule"]
