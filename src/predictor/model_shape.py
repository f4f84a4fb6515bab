"""Whether the texts of a model's folder have the shape that whoever predicts relies on.

A folder whose hashes fit may still have been written by somebody else. What only looks like a model is refused when it
is loaded; it does not fail in front of a patient.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from predictor.errors import ModelError, Problem

__all__ = ["require_printable", "require_shape"]

Shape = Callable[[Any], bool]
HUGE = 1e300


def _text(value: Any) -> bool:
    return isinstance(value, str) and not any("\ud800" <= one <= "\udfff" for one in value)


def _one_of(*words: str) -> Shape:
    return lambda value: isinstance(value, str) and value in words


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _number(value: Any) -> bool:
    # A whole number of 400 digits is finite, and no float.
    return isinstance(value, int | float) and not _flag(value) and abs(value) < HUGE and math.isfinite(value)


def _positive(value: Any) -> bool:
    return _number(value) and value > 0


def _share(value: Any) -> bool:
    return _number(value) and 0 <= value <= 1


def _day(value: Any) -> bool:
    try:
        return _text(value) and bool(date.fromisoformat(value))
    except ValueError:
        return False


def _maybe(shape: Shape) -> Shape:
    return lambda value: value is None or shape(value)


def _all(shape: Shape) -> Shape:
    return lambda value: isinstance(value, list) and all(map(shape, value))


def _some(shape: Shape) -> Shape:
    return lambda value: _all(shape)(value) and len(value) > 0


def _ends(value: Any) -> bool:
    return _all(_maybe(_number))(value) and len(value) == 2


def _having(*needed: str, **shapes: Shape) -> Shape:
    """Make the shape of a mapping: the keys that it needs, and how the known ones look where they are there."""
    return lambda value: (
        isinstance(value, dict)
        and all(key in value for key in needed)
        and all(shape(value[key]) for key, shape in shapes.items() if key in value)
    )


def _condition(value: Any) -> bool:
    limits = _having("input", input=_text, min=_maybe(_number), max=_maybe(_number))(value)
    return limits and _maybe(_all(_text))(value.get("in"))


def _count(value: Any) -> bool:
    return type(value) is int and 0 <= value < HUGE


def _rate(value: Any) -> bool:
    """Tell whether a rate can be printed: a count among patients, between its limits."""
    names = ("plan", "n", "events", "rate", "low", "high")
    whole = _having(*names, plan=_text, n=_count, events=_count, rate=_share, low=_share, high=_share)(value)
    return whole and 0 < value["n"] >= value["events"] and value["low"] <= value["rate"] <= value["high"]


def _each(shape: Shape) -> Shape:
    return lambda value: isinstance(value, dict) and all(map(shape, value.values()))


FEATURE = _having(
    "name",
    "source",
    name=_text,
    source=_text,
    label=_text,
    unit=_text,
    kind=_one_of("number", "category"),
    known=_text,
    group=_text,
    take=_text,
    transform=_text,
    levels=_all(_text),
    limits=_ends,
    sensitive=_flag,
    grain=_text,
)
UNIT = _having("unit", "factor", "offset", unit=_text, factor=_positive, offset=_number)
INPUT = _having(
    "name",
    name=_text,
    source=_text,
    take=_text,
    grain=_one_of("any", "whole", "yes_no"),
    deciles=_all(_number),
    max_age_days=_maybe(_number),
    label=_text,
    unit=_text,
    kind=_one_of("number", "category"),
    role=_text,
    levels=_all(_text),
    limits=_ends,
    learned=_maybe(_ends),
    required=_flag,
    missing_share=_share,
    importance=_number,
    typical=_having(),
    accepted_units=_all(UNIT),
)
ENCODED = _having(
    feature=_text,
    operation=_text,
    level=_text,
    transform=_text,
    fill=_number,
    center=_number,
    scale=_number,
)
BASELINE = _having(
    "start_log_odds",
    "mean_log_odds_contributions",
    start_log_odds=_number,
    mean_log_odds_contributions=_each(_number),
    n=_number,
)
OUTCOME = _having(name=_text, definition=_text, horizon=_text, scale=_text, better=_one_of("higher", "lower"))
ESTIMATE = _having(value=_maybe(_number), low=_maybe(_number), high=_maybe(_number))
COUNTS = _having(
    "threshold",
    "above_responded",
    "below_responded",
    threshold=_count,
    above_responded=_count,
    below_responded=_count,
)
RATE = _having(plan=_text, n=_number, rate=_maybe(_share), low=_maybe(_share), high=_maybe(_share))
OTHER = _having(
    "name",
    "kind",
    "definition",
    "n",
    "events",
    "verdict",
    "interval",
    "group_rates",
    "personal",
    name=_text,
    kind=_text,
    definition=_text,
    n=_number,
    events=_number,
    verdict=_one_of("better", "no_better", "too_little"),
    interval=_text,
    group_rates=_all(_rate),
    personal=_flag,
)
SHAPES: Mapping[str, Shape] = {
    "schema.json": _having(
        "features",
        "inputs",
        "dictionary",
        "cohort",
        features=_all(FEATURE),
        inputs=_all(INPUT),
        dictionary=_having(),
        cohort=_having(),
    ),
    "applicability.json": _having(
        "entry_rules",
        "plan",
        "policy",
        entry_rules=_all(_having("name", "conditions", name=_text, conditions=_some(_condition))),
        distance=_maybe(_having("columns", columns=_all(ENCODED))),
        plan=_having(input=_maybe(_text), bands=_maybe(_all(_number)), band_labels=_maybe(_all(_text))),
        policy=_having(
            release=_text,
            withhold_if=_having(
                outside_training_range=_flag, unlike_development=_flag, missing_features_over=_share
            ),
        ),
    ),
    "card.json": _having(
        valid_until=_maybe(_day),
        name=_text,
        title=_text,
        outcome=OUTCOME,
        n=_number,
        events=_number,
        limits=_all(_text),
        tried=_all(_having(label=_text, built_from=_text, result=_text)),
        simulated=_flag,
        paper=_one_of("A4", "letter"),
        verdict=_having(label=_text, sentence=_text, reason=_text),
        metrics=_each(ESTIMATE),
        plain_counts=_maybe(COUNTS),
    ),
    "explain.json": _each(_all(BASELINE)),
    "metrics.json": _having("group_rates", group_rates=_all(RATE), outcomes=_all(OTHER)),
}


def require_shape(parts: Mapping[str, Any]) -> None:
    """Refuse texts that no release writes.

    Parameters
    ----------
    parts : mapping of str to object
        Content of the JSON files by name.

    Raises
    ------
    ValueError
        With the first file that has another shape, or speaks of features and inputs that there are not.
    """
    for name, shape in SHAPES.items():
        if not shape(parts[name]):
            raise ValueError(f"{name} has another shape than a model's")
    schema = parts["schema.json"]
    names, features = ({one["name"] for one in schema[kind]} for kind in ("inputs", "features"))
    if features - names:
        raise ValueError("schema.json has a feature that nobody is asked for")
    for baseline in (one for found in parts["explain.json"].values() for one in found):
        if baseline["mean_log_odds_contributions"].keys() - features:
            raise ValueError("explain.json names a feature that the model does not have")
    applicability = parts["applicability.json"]
    asked = {one["input"] for rule in applicability["entry_rules"] for one in rule["conditions"]}
    planned = {applicability["plan"].get("input")} - {None, ""}
    if asked - names or planned - names:
        raise ValueError("applicability.json names an input that the model does not have")


PRINTED = (
    "name",
    "title",
    "owner",
    "contact",
    "created",
    "valid_until",
    "config_sha256",
    "simulated",
    "outcome",
    "limits",
    "n",
    "events",
    "developed_on",
    "metrics",
    "verdict",
    "tried",
    "group_interval",
)


def require_printable(card: Mapping[str, Any]) -> None:
    """Refuse to print a report of a model whose card does not say what stands on every page.

    Parameters
    ----------
    card : mapping

    Raises
    ------
    ModelError
        ART-03.
    """
    missing = [name for name in PRINTED if card.get(name) is None]
    outcome = card.get("outcome") or {}
    missing += [
        f"outcome.{name}"
        for name in ("name", "definition", "horizon", "scale", "better")
        if name not in outcome
    ]
    if missing:
        message = f"the model's card does not say {', '.join(missing)}"
        raise ModelError(Problem("ART-03", message, "Restore the folder from a copy, or train again"))
