"""What is said about one patient, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from predictor.prediction_model import GroupRate

__all__ = ["Check", "Contribution", "InputValue", "Patient", "Prediction"]

Kind = Literal["estimate", "group_rate", "refusal"]


@dataclass(frozen=True)
class Contribution:
    """What one input does to the estimate, in points of 1 (0.06 raises 50 of 100 to 56)."""

    name: str
    label: str
    value: float | str | None
    unit: str
    reference: float | str | None
    points: float
    sensitive: bool = False


@dataclass(frozen=True)
class Check:
    """One question about whether the model applies to this patient."""

    id: str
    label: str
    status: Literal["ok", "check", "fail"]
    result: str
    meaning: str


@dataclass(frozen=True)
class InputValue:
    """One input as it was used."""

    name: str
    label: str
    value: float | str | None
    unit: str
    learned: str
    note: str


@dataclass(frozen=True)
class Prediction:
    """What is said about one patient.

    Parameters
    ----------
    row : int
        Row of the input, the first patient is 1.
    kind : {"estimate", "group_rate", "refusal"}
    plan : str
        Arm or dose band.
    probability, low, high : float or None
        Calibrated probability and its range over refits; None unless ``kind`` is ``estimate``.
    start : float or None
        Average probability for the same plan, from which the contributions start.
    group : GroupRate or None
        What was observed among development patients with the same plan.
    contributions : tuple of Contribution
        By size; with ``other`` they add up to ``probability − start``.
    other : float
        What a tree model attributes to the plan itself.
    checks : tuple of Check
    reasons : tuple of str
        Why there is no personal estimate.
    inputs : tuple of InputValue
    imputed_low, imputed_high : float or None
        Smallest and largest probability over the imputations, where a missing number was imputed several times.
    imputations : int
        How many; 0 where none was needed, or each missing number has one value.
    research_only : bool
        A number released for research although it was not shown to be better than the group's rate.
    readable : bool
        False where a value could not be read at all.
    """

    row: int
    kind: Kind
    plan: str
    group: GroupRate | None = None
    probability: float | None = None
    low: float | None = None
    high: float | None = None
    start: float | None = None
    contributions: tuple[Contribution, ...] = ()
    other: float = 0.0
    checks: tuple[Check, ...] = ()
    reasons: tuple[str, ...] = ()
    inputs: tuple[InputValue, ...] = ()
    imputed_low: float | None = None
    imputed_high: float | None = None
    imputations: int = 0
    research_only: bool = False
    readable: bool = True


@dataclass(frozen=True)
class Patient:
    """One row after reading: values by input name, and what could not be read."""

    row: int
    values: Mapping[str, float | str | None]
    unreadable: Mapping[str, str] = field(default_factory=dict)
    plan: str = "all"
