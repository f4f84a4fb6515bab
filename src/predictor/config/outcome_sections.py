"""What may be asked about: response, remission, change, events, side effects, drop-out and relapse."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from predictor.config.dictionary import Declared

__all__ = [
    "AdverseEventOutcome",
    "AnyOutcome",
    "ChangeOutcome",
    "Condition",
    "DropoutOutcome",
    "EventOutcome",
    "Harm",
    "IntercurrentEvent",
    "Reference",
    "RelapseOutcome",
    "RemissionOutcome",
    "ResponseOutcome",
    "Window",
    "recorded_columns",
]

Reference = Annotated[str, Field(pattern=r"^[^.\s]+\.[^.\s]+$")]


class Condition(Declared):
    """One test of one column."""

    column: Reference
    min: float | None = None
    """Included."""
    max: float | None = None
    """Included."""
    in_: Annotated[list[str] | None, Field(alias="in")] = None
    """Values that pass."""


class Window(Declared):
    """When the outcome is assessed: whole days after day 0, both ends included."""

    first_day: int
    last_day: int
    target_day: int | None = None
    """Where ``nearest`` is nearest to; default: the middle."""
    prefer: Literal["nearest", "first", "last"] = "nearest"
    """Which of several assessments in the window counts."""


IfMissing = Literal["exclude", "non_responder", "impute"]


class IntercurrentEvent(Condition):
    """An event after day 0, up to the day of the assessment, that changes what the score means.

    Rescue medication and an early stop of treatment are such events. Of several the earliest one decides, of those of
    one day the first in this list. A column without days counts as happened before the assessment.
    """

    strategy: Literal["treatment_policy", "composite", "hypothetical", "while_on_treatment"]
    """``treatment_policy``: the score counts as it is; ``composite``: the event itself is no response;
    ``hypothetical``: what would have been without it is not known, so the outcome is missing; ``while_on_treatment``:
    the last score up to the day of the event counts. The words are those of ICH E9 (R1)."""


Intercurrent = dict[str, IntercurrentEvent]


class ResponseOutcome(Declared):
    """A fall of a score by at least ``reduction`` of its baseline value (inclusive)."""

    kind: Literal["response"]
    measure: str
    """Instrument, analyte or measure of the dictionary."""
    reduction: Annotated[float, Field(gt=0, le=1)] = 0.5
    assessed: Window
    confirmed: Window | None = None
    """Sustained response: a second assessment, here, has to show it too. One that does not is no response, whatever the
    other; one that is missing leaves it open unless the other does not show it."""
    intercurrent: Intercurrent = Field(default_factory=dict)
    """Events that change what the score means, by name, each with its strategy; default: the score as it is."""
    if_missing: IfMissing = "exclude"
    """What becomes of patients without an assessment; the other strategies are printed beside it. ``impute``: they are
    learned from with drawn outcomes, inside training parts, and never tested; for the primary outcome, with multiple
    imputation."""
    better: Literal["lower"] = "lower"


class RemissionOutcome(Declared):
    """A score at or below ``at_most``."""

    kind: Literal["remission"]
    measure: str
    at_most: float
    assessed: Window
    confirmed: Window | None = None
    """Sustained remission: a second assessment has to show it too."""
    intercurrent: Intercurrent = Field(default_factory=dict)
    """As for a response."""
    if_missing: IfMissing = "exclude"


class ChangeOutcome(Declared):
    """Baseline minus follow-up; described, not modelled."""

    kind: Literal["change"]
    measure: str
    assessed: Window
    intercurrent: Intercurrent = Field(default_factory=dict)
    """As for a response, but a change has no ``composite``."""
    if_missing: Literal["exclude"] = "exclude"


class EventOutcome(Declared):
    """A declared column, known afterwards, that takes one of the values ``in``.

    With ``assessed`` only dated values inside the window count; any one of them makes the event.
    """

    kind: Literal["event"]
    column: Reference
    in_: Annotated[list[str], Field(alias="in", min_length=1)]
    assessed: Window | None = None
    if_missing: Literal["exclude", "non_event", "impute"] = "exclude"


class Harm(Declared):
    """One sign of an adverse event: values that a column takes, a limit that it reaches, or a rise above baseline."""

    column: Reference
    in_: Annotated[list[str] | None, Field(alias="in")] = None
    """Values that are the event, such as dizziness or nausea recorded as yes."""
    at_least: float | None = None
    """Largest value in the window at or above this, such as a systolic pressure of 180 or a CADSS total of 5."""
    rise_by: float | None = None
    """Largest value in the window at least so much above the last one at baseline."""


class AdverseEventOutcome(Declared):
    """Any of several signs in a window; none only where every one of them was recorded."""

    kind: Literal["adverse_event"]
    any: Annotated[list[Harm], Field(min_length=1)]
    assessed: Window
    if_missing: Literal["exclude", "non_event", "impute"] = "exclude"


class DropoutOutcome(Declared):
    """No score of a measure in the window: the patient was lost to it. Never missing."""

    kind: Literal["dropout"]
    measure: str
    assessed: Window
    if_missing: Literal["exclude"] = "exclude"


class RelapseOutcome(Declared):
    """After a response: a return of the illness, and the days until it.

    The event is ``consecutive`` assessments in a row, after the one that showed the response, that are each at
    ``at_least`` or more, or improved by less than ``improvement_below``; or a recorded event. Followed are those who
    responded, up to their last assessment or ``last_day``. What is modelled is a relapse within ``within`` days.
    """

    kind: Literal["relapse"]
    measure: str
    reduction: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Of a response."""
    assessed: Window
    """When the response is assessed; time runs from that assessment."""
    at_least: float | None = None
    """Score of a relapse, such as MADRS 22."""
    improvement_below: Annotated[float, Field(gt=0, le=1)] | None = None
    """Improvement on baseline below which a relapse is, such as 0.5."""
    consecutive: Annotated[int, Field(ge=1)] = 2
    apart: Annotated[list[int], Field(min_length=2, max_length=2)] | None = None
    """Fewest and most days between assessments in a row; default: any."""
    dated_by: Literal["first", "last"] = "last"
    """Which of the assessments in a row is the day of the relapse."""
    event: Condition | None = None
    """A recorded event that is a relapse by itself, such as an admission."""
    within: Annotated[int, Field(ge=1)]
    """Days after the response."""
    last_day: int = 366
    """End of follow-up, in days after day 0."""
    if_missing: Literal["exclude"] = "exclude"


AnyOutcome = Annotated[
    ResponseOutcome
    | RemissionOutcome
    | ChangeOutcome
    | EventOutcome
    | AdverseEventOutcome
    | DropoutOutcome
    | RelapseOutcome,
    Field(discriminator="kind"),
]


def recorded_columns(outcome: AnyOutcome) -> Iterator[tuple[str, str, list[str]]]:
    """Yield key path, reference and named values of every recorded column that an outcome uses besides its score.

    Parameters
    ----------
    outcome : outcome section
    """
    if isinstance(outcome, EventOutcome):
        yield "", outcome.column, outcome.in_
    elif isinstance(outcome, AdverseEventOutcome):
        yield from ((f"any.{n}.", harm.column, harm.in_ or []) for n, harm in enumerate(outcome.any))
    elif isinstance(outcome, RelapseOutcome):
        if outcome.event is not None:
            yield "event.", outcome.event.column, outcome.event.in_ or []
    elif not isinstance(outcome, DropoutOutcome):
        for name, event in outcome.intercurrent.items():
            yield f"intercurrent.{name}.", event.column, event.in_ or []
