"""What is said about one patient, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from predictor.data.accepted_units import AcceptedUnit
from predictor.other_outcomes import GroupRate

__all__ = [
    "Broken",
    "Check",
    "Contribution",
    "InputValue",
    "OtherEstimate",
    "Patient",
    "PlanEstimate",
    "Prediction",
    "Recorded",
]

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
class Broken:
    """One rule that a patient breaks, and what would resolve it; ``input`` is empty where the rule is about none."""

    input: str
    label: str
    rule: str
    resolve: str


@dataclass(frozen=True)
class Check:
    """One question about whether the model applies to this patient; ``broken`` says why it fails, input by input.

    ``day`` is the one that its words name, if any, for a page that writes dates in its own way.
    """

    id: str
    label: str
    status: Literal["ok", "check", "fail"]
    result: str
    meaning: str
    broken: tuple[Broken, ...] = ()
    day: date | None = None


@dataclass(frozen=True)
class Recorded:
    """When and where a value was recorded, as far as the table says; ``note`` is what else a reader has to know."""

    day: date | None = None
    source: str = ""
    note: str = ""


@dataclass(frozen=True)
class InputValue:
    """One input as it was used; one that is not readable has no value, and the note says what is wrong with it."""

    name: str
    label: str
    value: float | str | None
    unit: str
    learned: str
    note: str
    recorded: Recorded = Recorded()
    readable: bool = True


@dataclass(frozen=True)
class PlanEstimate:
    """What the model says for the same patient under one plan.

    Parameters
    ----------
    plan : str
        Arm or dose band.
    value : float, str or None
        Of the plan's input: the patient's own, or the usual one of that plan; None where there is none.
    n : int
        Development patients with this plan.
    probability, low, high : float or None
        None where too few patients had the plan.
    difference, difference_low, difference_high : float or None
        From the patient's own plan, with its range over the refits; None for the own plan.
    """

    plan: str
    value: float | str | None
    n: int
    probability: float | None = None
    low: float | None = None
    high: float | None = None
    difference: float | None = None
    difference_low: float | None = None
    difference_high: float | None = None


@dataclass(frozen=True)
class OtherEstimate:
    """What is said of another outcome for the same patient and plan.

    Parameters
    ----------
    name : str
        Of the outcome.
    group : GroupRate or None
        What was observed among development patients with the same plan; None where there was none.
    probability, low, high : float or None
        None where no personal estimate was shown to be better.
    """

    name: str
    group: GroupRate | None
    probability: float | None = None
    low: float | None = None
    high: float | None = None


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
        Smallest and largest probability over the values that the missing inputs may have; the range holds them.
    imputations : int
        How many were tried; 0 where nothing is missing.
    plans : tuple of PlanEstimate
        The same patient under each plan, where the model uses the plan and there are several.
    others : tuple of OtherEstimate
        The other outcomes, in the model's order.
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
    plans: tuple[PlanEstimate, ...] = ()
    others: tuple[OtherEstimate, ...] = ()
    research_only: bool = False
    readable: bool = True


@dataclass(frozen=True)
class Patient:
    """One row after reading: values by input name, what could not be read, and when and where each was recorded.

    ``values`` are in the model's units; ``units`` names the others that some were given in. Of an export, for a
    model that decides after an infusion, also day 0 of the course and the day of the decision, or why it had not come.
    """

    row: int
    values: Mapping[str, float | str | None]
    unreadable: Mapping[str, str] = field(default_factory=dict)
    plan: str = "all"
    recorded: Mapping[str, Recorded] = field(default_factory=dict)
    units: Mapping[str, AcceptedUnit] = field(default_factory=dict)
    day0: date | None = None
    decided: date | None = None
    undecided: str = ""
