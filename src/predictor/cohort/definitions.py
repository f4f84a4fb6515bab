"""The definition of an outcome, and of the decision's time, in words, as reports print them."""

from __future__ import annotations

from collections.abc import Mapping

from predictor.config.outcome_sections import Harm
from predictor.config.schema import AfterInfusion, AnyOutcome, IntercurrentEvent, RelapseOutcome, Window

__all__ = ["describe_decision", "outcome_text"]


def outcome_text(outcome: AnyOutcome) -> str:
    """Return an outcome's definition in words, as `describe_outcome` does.

    Parameters
    ----------
    outcome : AnyOutcome
    """
    if outcome.kind == "event":
        return f"{_spoken(outcome.column)}: {' or '.join(outcome.in_)}"
    if outcome.kind == "adverse_event":
        return " or ".join(map(_harm_text, outcome.any)) + f", {_when(outcome.assessed)}"
    scale = outcome.measure.upper() if len(outcome.measure) <= 6 else outcome.measure
    when = f"assessed {_when(outcome.assessed)}"
    if outcome.kind == "dropout":
        return f"no {scale} score {_when(outcome.assessed)}"
    if outcome.kind == "relapse":
        fell = f"a response ({scale} down by {outcome.reduction:.0%}, {when})"
        return f"within {outcome.within} days of {fell}: {_relapse_text(outcome, scale)}"
    if outcome.kind == "change":
        return f"change of the {scale} score, {when}" + _events_text(outcome.intercurrent)
    if outcome.kind == "response":
        text = f"the {scale} score fell by at least {outcome.reduction:.0%} of its baseline value, {when}"
    else:
        text = f"the {scale} score was {outcome.at_most:g} or less, {when}"
    again = f", and again {_when(outcome.confirmed)}" if outcome.confirmed else ""
    return text + again + _events_text(outcome.intercurrent)


def _spoken(reference: str) -> str:
    return reference.partition(".")[2].replace("_", " ")


def _when(window: Window) -> str:
    if window.first_day == window.last_day:
        return f"on day {window.first_day} after day 0"
    return f"on day {window.first_day} to {window.last_day} after day 0"


def _harm_text(harm: Harm) -> str:
    tests = [" or ".join(harm.in_)] if harm.in_ else []
    tests += [f"{harm.at_least:g} or more"] if harm.at_least is not None else []
    tests += [f"up by {harm.rise_by:g} or more"] if harm.rise_by is not None else []
    return f"{_spoken(harm.column)}: {' or '.join(tests)}"


def _relapse_text(outcome: RelapseOutcome, scale: str) -> str:
    signs = [f"{scale} {outcome.at_least:g} or more"] if outcome.at_least is not None else []
    if outcome.improvement_below is not None:
        signs.append(f"{scale} improved by less than {outcome.improvement_below:.0%}")
    apart = f", {outcome.apart[0]} to {outcome.apart[1]} days apart" if outcome.apart else ""
    times = f" at {outcome.consecutive} assessments in a row{apart}" if signs else ""
    scored = [" or ".join(signs) + times] if signs else []
    return " or ".join([*scored, *([_spoken(outcome.event.column)] if outcome.event else [])])


def _events_text(events: Mapping[str, IntercurrentEvent]) -> str:
    named = [
        f"{name.replace('_', ' ')} ({event.strategy.replace('_', ' ')})" for name, event in events.items()
    ]
    return f"; intercurrent events: {', '.join(named)}" if named else ""


def describe_decision(decision: AfterInfusion) -> str:
    """Return in words when the estimate is needed.

    Parameters
    ----------
    decision : AfterInfusion
    """
    days = f"{decision.days} days after" if decision.days != 1 else "the day after"
    when = "at the end of the day of" if not decision.days else days
    return (
        f"{when} infusion {decision.after_infusion}, on day {decision.last_day} relative to day 0 at the latest; who "
        "did not come to it is left out"
    )
