"""What the parts of an outcome say against each other."""

from __future__ import annotations

from collections.abc import Iterator

from predictor.config.dictionary import DateKnown, Dictionary
from predictor.config.schema import (
    AdverseEventOutcome,
    AnyOutcome,
    ChangeOutcome,
    Condition,
    Config,
    IntercurrentEvent,
    RelapseOutcome,
    RemissionOutcome,
    ResponseOutcome,
)
from predictor.errors import Problem

__all__ = ["find_outcome_problems"]

Contradiction = tuple[str, str, str]


def find_outcome_problems(config: Config, dictionary: Dictionary) -> Iterator[Problem]:
    """Yield contradictions inside each outcome.

    Parameters
    ----------
    config : Config
    dictionary : Dictionary
    """
    for name, outcome in config.outcomes.items():
        for at, message, remedy in _contradictions(outcome, dictionary):
            yield Problem("CFG-53", message, remedy, f"outcomes.{name}.{at}")


def _contradictions(outcome: AnyOutcome, dictionary: Dictionary) -> Iterator[Contradiction]:
    if isinstance(outcome, ResponseOutcome | RemissionOutcome):
        yield from _confirmed(outcome)
    if isinstance(outcome, ResponseOutcome | RemissionOutcome | ChangeOutcome):
        for name, event in outcome.intercurrent.items():
            for message, remedy in _intercurrent(outcome, event, dictionary):
                yield f"intercurrent.{name}", message, remedy
    elif isinstance(outcome, AdverseEventOutcome):
        yield from _harms(outcome, dictionary)
    elif isinstance(outcome, RelapseOutcome):
        yield from _relapse(outcome, dictionary)


def _confirmed(outcome: ResponseOutcome | RemissionOutcome) -> Iterator[Contradiction]:
    second = outcome.confirmed
    if second is None:
        return
    if second.first_day > second.last_day:
        yield "confirmed", f"the window ends on day {second.last_day}, before it starts", "Swap the two"
    elif second.first_day <= outcome.assessed.last_day:
        message = f"the second assessment may be on day {second.first_day}, inside the window of the first"
        yield (
            "confirmed",
            message,
            "Let it start after `assessed` ends: one score is no confirmation of itself",
        )


def _intercurrent(
    outcome: ResponseOutcome | RemissionOutcome | ChangeOutcome,
    event: IntercurrentEvent,
    dictionary: Dictionary,
) -> Iterator[tuple[str, str]]:
    yield from _tested(event, dictionary)
    if event.strategy == "composite" and isinstance(outcome, ChangeOutcome):
        yield "a change has no value that an event could stand for", "Write another strategy"
    if event.strategy == "hypothetical" and outcome.if_missing == "non_responder":
        message = (
            "what would have been without the event is not known, and if_missing makes no response of it"
        )
        yield message, "Write strategy: composite if that is meant, or if_missing: exclude or impute"
    if event.strategy != "while_on_treatment":
        return
    if isinstance(outcome, ResponseOutcome | RemissionOutcome) and outcome.confirmed is not None:
        yield "a score before the event is not confirmed by one after it", "Write another strategy"
    if not _dated(event.column, dictionary):
        yield f"{event.column} has no day, so no score can be said to be before it", "Name a dated column"


def _tested(condition: Condition, dictionary: Dictionary) -> Iterator[tuple[str, str]]:
    numbers = condition.min is not None or condition.max is not None
    if not numbers and condition.in_ is None:
        yield f"{condition.column} is named but not tested", "Write `in:`, `min:` or `max:`"
    yield from _kind(condition.column, dictionary, numbers=numbers, named=condition.in_ is not None)


def _kind(reference: str, dictionary: Dictionary, *, numbers: bool, named: bool) -> Iterator[tuple[str, str]]:
    found = dictionary.find(reference)
    if found is None:
        return
    kind = found[2].kind
    if numbers and kind not in ("number", "integer"):
        yield f"{reference} is {kind}, so it has no limits", "Write `in: […]`"
    if named and kind in ("number", "integer"):
        yield f"{reference} is a number, so it has no named values", "Write a limit"


def _dated(reference: str, dictionary: Dictionary) -> bool:
    found = dictionary.find(reference)
    if found is None:
        return True  # said elsewhere
    table, _, column = found
    return isinstance(table.known_of(column), DateKnown) or table.visits is not None or column.day is not None


def _harms(outcome: AdverseEventOutcome, dictionary: Dictionary) -> Iterator[Contradiction]:
    for position, harm in enumerate(outcome.any):
        tests = [harm.in_ is not None, harm.at_least is not None, harm.rise_by is not None]
        if not any(tests):
            message = f"{harm.column} is named but not tested"
            yield f"any.{position}", message, "Write `in:`, `at_least:` or `rise_by:`"
        for message, remedy in _kind(harm.column, dictionary, numbers=any(tests[1:]), named=tests[0]):
            yield f"any.{position}", message, remedy
        if harm.rise_by is not None and not _dated(harm.column, dictionary):
            yield (
                f"any.{position}",
                f"{harm.column} has no day, so no value of it is at baseline",
                "Name a dated column",
            )


def _relapse(outcome: RelapseOutcome, dictionary: Dictionary) -> Iterator[Contradiction]:
    if outcome.at_least is None and outcome.improvement_below is None and outcome.event is None:
        message = "nothing says what a relapse is"
        yield "kind", message, "Write `at_least:`, `improvement_below:` or `event:`"
    if outcome.apart is not None and not 0 < outcome.apart[0] <= outcome.apart[1]:
        yield (
            "apart",
            "the days between assessments are not positive and increasing",
            "Write for example [5, 15]",
        )
    if outcome.last_day <= outcome.assessed.last_day:
        message = f"follow-up ends on day {outcome.last_day}, before the response is assessed"
        yield "last_day", message, "Let it end later"
    if outcome.event is not None:
        for message, remedy in _tested(outcome.event, dictionary):
            yield "event", message, remedy
        if not _dated(outcome.event.column, dictionary):
            yield (
                "event",
                f"{outcome.event.column} has no day, so nothing says when it was",
                "Name a dated column",
            )
