"""The draft of a config for a REDCap project: its outcome, day 0 and inputs as the drafted dictionary suggests them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from predictor.data.sources.redcap import ARM
from predictor.drafting.names import day_of, words_of
from predictor.drafting.questions import SCALES
from predictor.drafting.writing import marked, plain, whole_text

__all__ = ["redcap_config_text", "starts_treatment"]

STARTS = {"infusion", "treatment", "dose", "dosing", "administration", "intervention"}
"""Words in the names of the form, or the date, with which a treatment begins."""
AROUND, USUAL = 7, (14, 42, 28)
Tables = Mapping[str, Mapping[str, Any]]


def starts_treatment(*names: str) -> bool:
    """Say whether a form, its date or its event is called like the start of a treatment.

    Parameters
    ----------
    *names : str
    """
    return any(STARTS & set(words_of(name)) for name in names)


def redcap_config_text(tables: Tables, *, name: str, dictionary: str, simulated: bool) -> str:
    """Write the draft of a config for a drafted dictionary.

    Parameters
    ----------
    tables : mapping of str to mapping
        The drafted dictionary as plain data.
    name : str
        Of the experiment.
    dictionary : str
        The dictionary's file, beside the config.
    simulated : bool
    """
    index, scored = _index(tables), _scored(tables)
    lines = ["# SIMULATED data: no patient in these files exists."] if simulated else []
    lines += [
        "# A draft: decide on every marked line, then delete its mark.",
        "version: 1",
        "experiment:",
        f"  name: {plain(name)}",
        marked(f"  question: {plain('Who will respond?')}", "what is asked, in words?"),
        f"data: {{dictionary: {plain(dictionary)}}}",
        *_cohort(tables, index),
        *_outcome(tables, scored),
        "features:",
        "  groups:",
        marked("    clinical:", "what is known, and thought to matter, before the decision?"),
        *(f"      - {plain(reference)}" for reference in _features(tables, index, scored)),
        "  sets:",
        "    all: [clinical]",
    ]
    return whole_text(lines)


def _date(table: Mapping[str, Any]) -> str | None:
    known = table.get("known")
    return str(known["date"]) if isinstance(known, Mapping) else None


def _events(table: Mapping[str, Any]) -> list[str]:
    return list(table["source"].get("where", {}).get("redcap_event_name", []))


def _repeats(table: Mapping[str, Any]) -> bool:
    return bool(any(table["source"].get("where", {}).get("redcap_repeat_instrument", [""])))


def _index(tables: Tables) -> str | None:
    """Form whose date is day 0: one that is called like the start of a treatment."""
    dated = [(name, date) for name, table in tables.items() if (date := _date(table))]
    return next((name for name, date in dated if starts_treatment(name, date)), None)


def _scored(tables: Tables) -> tuple[str, str] | None:
    """Form and scale of the outcome: a usual scale that is rated again after day 0, else any that is."""
    found = [
        (name, str(column["instrument"]))
        for name, table in tables.items()
        if len({_plain_event(event) for event in _events(table)}) > 1 or _repeats(table)
        for column in table["columns"].values()
        if "instrument" in column
    ]
    order = [*SCALES, *(scale for _, scale in found)]
    return min(found, key=lambda one: order.index(one[1]), default=None)


def _plain_event(event: str) -> str:
    return event.partition("_arm_")[0]


def _cohort(tables: Tables, index: str | None) -> Iterator[str]:
    yield "cohort:"
    first = next(
        (name for name, table in tables.items() if _date(table) is None and "visits" not in table), None
    )
    if first is not None:
        yield marked(f"  patients: {plain(first)}", "is everybody in this form, once?")
    if index is None:
        yield marked(
            "  index: visits", "no form with the date of a treatment was found: do the events' days say it?"
        )
        yield "  baseline: {first_day: -28, last_day: 0}"
    else:
        question = "does the treatment start on the date of this form?"
        yield marked(f"  index: {{table: {plain(index)}, take: first}}", question)
        same_day = "which days count as baseline, and do values of day 0 come before the treatment?"
        yield marked("  baseline: {first_day: -28, last_day: 0, same_day: include}", same_day)
    yield from _treatment(tables)


def _treatment(tables: Tables) -> Iterator[str]:
    """Take the arms for the plan, with the word about their comparison that can do no harm."""
    for name, table in tables.items():
        arms = table["columns"].get(ARM, {}).get("values", {})
        if arms:
            control = plain(list(arms.values())[-1])
            yield marked(
                f"  treatment: {{column: {plain(f'{name}.{ARM}')}, control: {control}, assignment: observational}}",
                "are arms treatments, which one is the comparison, and was it dealt by chance (randomised)?",
            )


def _outcome(tables: Tables, scored: tuple[str, str] | None) -> Iterator[str]:
    if scored is None:
        yield marked("outcomes: {}", "no scale that is rated again was found: declare an outcome")
        yield "primary: response"
        return
    table, scale = scored
    first, last, target = _window(_events(tables[table]))
    yield "outcomes:"
    yield "  response:"
    yield "    kind: response"
    yield marked(f"    measure: {scale}", "is this the score that decides?")
    yield marked("    reduction: 0.5", "a fall by half?")
    days = f"{{first_day: {first}, last_day: {last}, target_day: {target}}}"
    yield marked(f"    assessed: {days}", "on which days is it decided?")
    yield "primary: response"
    yield f"severity: {table}.{scale}"


def _window(events: list[str]) -> tuple[int, int, int]:
    """Return a week around the first later event whose name tells its day, such as week_4."""
    days = sorted(day for event in events if (day := day_of(_plain_event(event))) is not None and day > 0)
    if not days:
        return USUAL
    around = min(AROUND, max(days[0] // 2, 0))
    return days[0] - around, days[0] + around, days[0]


def _features(tables: Tables, index: str | None, scored: tuple[str, str] | None) -> list[str]:
    """Severity first, then what may be known at day 0: single forms but the treatment's, and what is dated."""
    found: dict[str, None] = {f"{scored[0]}.{scored[1]}": None} if scored else {}
    for name, table in tables.items():
        later = [day_of(_plain_event(event)) for event in _events(table)]
        if name == index or (later and all(day is not None and day > 0 for day in later)):
            continue
        for header, column in table["columns"].items():
            usable = column.get("type") not in ("date", "text") and len(column.get("values", [1, 2])) > 1
            if usable:
                found[f"{name}.{column.get('instrument') or column.get('analyte') or header}"] = None
    return list(found)
