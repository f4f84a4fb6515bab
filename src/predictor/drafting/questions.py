"""The draft of a config: what could be asked of these tables, with what has to be decided marked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from predictor.drafting.guesses import Guess
from predictor.drafting.names import words_of
from predictor.drafting.tables import TableDraft
from predictor.drafting.writing import marked, plain, whole_text

__all__ = ["config_text"]

SCALES = ("madrs", "hamd17", "qids_sr16", "phq9", "bdi2", "ids30", "hamd6")
EVENTS = {"response", "responder", "remission", "relapse", "relapsed", "dropout", "outcome"}
YES = ("yes", "Yes", "Y", "1", "1.0", "true")


def config_text(
    name: str, tables: Sequence[TableDraft], frames: Mapping[str, pd.DataFrame], *, simulated: bool
) -> str:
    """Write the draft of a config.

    Parameters
    ----------
    name : str
        Of the experiment.
    tables : sequence of TableDraft
    frames : mapping of str to pandas.DataFrame
        Cells of each table, as text.
    simulated : bool
    """
    used = [table for table in tables if not table.left_out]
    index = next((table for table in used if table.is_treatment), None)
    scored = list(_scored(used))
    lines = ["# SIMULATED data: no patient in these files exists."] if simulated else []
    lines += [
        "# A draft: decide on every marked line, then delete its mark.",
        "version: 1",
        "experiment:",
        f"  name: {_name(name)}",
        marked(f"  question: {plain('Who will respond?')}", "what is asked, in words?"),
        "data: {dictionary: dictionary.yaml}",
        *_cohort(used, index),
        *_outcomes(scored, used),
        "features:",
        "  groups:",
        marked("    clinical:", "what is known, and thought to matter, before the decision?"),
        *(f"      - {plain(reference)}" for reference in _features(used, frames, index, scored)),
        "  sets:",
        "    all: [clinical]",
    ]
    return whole_text(lines)


def _name(text: str) -> str:
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-")[:60]
    return name if re.match(r"[A-Za-z0-9]", name) else "experiment"


def _cohort(tables: Sequence[TableDraft], index: TableDraft | None) -> Iterator[str]:
    yield "cohort:"
    listing = next((table.name for table in tables if table.one_row), None)
    if listing is not None:
        yield f"  patients: {listing}"
    if index is not None:
        yield marked(
            f"  index: {{table: {index.name}, take: first}}", "does the treatment start on this date?"
        )
        same_day = "which days count as baseline, and do values of day 0 come before the treatment?"
        yield marked("  baseline: {first_day: -28, last_day: 0, same_day: include}", same_day)
    else:
        yield marked(
            "  index: visits", "no table of treatments with dates was found: do visits or columns carry days?"
        )
        yield "  baseline: {first_day: -28, last_day: 0}"
    consent = _consent(tables)
    if consent is not None:
        yield marked(f"  consent: {consent}", "are rows without a yes here left unread?")


def _consent(tables: Sequence[TableDraft]) -> str | None:
    """Column that says who agreed to research, where one is called so."""
    return next(
        (f"{t.name}.{_reference(g)}" for t in tables for g in t.columns if g.declared and _is_consent(g)),
        None,
    )


def _is_consent(guess: Guess) -> bool:
    return "consent" in words_of(guess.header)


def _scored(tables: Sequence[TableDraft]) -> Iterator[tuple[str, str, tuple[int, int, int] | None]]:
    """Yield table, scale, and the days of an assessment after day 0 where they are told; the usual scales first."""
    found = [
        (table.name, str(guess.declared["instrument"]), _later_days(table, guess))
        for table in tables
        for guess in table.columns
        if "instrument" in guess.declared and "item" not in guess.declared and "name" not in guess.declared
    ]
    order = [*SCALES, *dict.fromkeys(scale for _, scale, _ in found)]
    both = [(name, scale, days) for name, scale, days in found if days is not None]
    yield from sorted(dict.fromkeys(both), key=lambda one: order.index(one[1]))


def _later_days(table: TableDraft, guess: Guess) -> tuple[int, int, int] | None:
    """First, last and target day of an assessment that a table seems to have; None where it has only a baseline."""
    if table.visits is not None:
        days = sorted(day for day in table.visits.values() if day != "ignore" and day > 0)
        return (days[0], days[-1], days[-1]) if days and 0 in table.visits.values() else None
    if table.date is not None:
        return None if table.is_treatment else (14, 42, 28)
    same = [
        one.declared.get("day")
        for one in table.columns
        if one.declared.get("instrument") == guess.declared["instrument"] and "item" not in one.declared
    ]
    later = sorted(day for day in same if day is not None and day > 0)
    return (later[0], later[0], later[0]) if later and any(day == 0 for day in same) else None


def _outcomes(
    scored: Sequence[tuple[str, str, tuple[int, int, int] | None]], tables: Sequence[TableDraft]
) -> Iterator[str]:
    if scored and scored[0][2] is not None:
        table, scale, (first, last, target) = scored[0][0], scored[0][1], scored[0][2]
        days = f"{{first_day: {first}, last_day: {last}, target_day: {target}}}"
        yield "outcomes:"
        yield "  response:"
        yield "    kind: response"
        yield marked(f"    measure: {scale}", "is this the score that decides?")
        yield marked("    reduction: 0.5", "a fall by half?")
        yield marked(f"    assessed: {days}", "on which days is it decided?")
        yield "primary: response"
        yield f"severity: {table}.{scale}"
        return
    event = next(_events(tables), None)
    if event is None:
        yield marked("outcomes: {}", "nothing looks like an outcome: declare one")
        yield "primary: response"
        return
    table, name, values = event
    yield "outcomes:"
    yield "  event:"
    yield "    kind: event"
    yield marked(f"    column: {table}.{name}", "is this what shall be predicted?")
    yield marked(f"    in: {plain(values)}", "which of its values?")
    yield "primary: event"


def _events(tables: Sequence[TableDraft]) -> Iterator[tuple[str, str, list[str]]]:
    """Yield table, column and values of what may be an event: what is called so, then what is known later at all."""
    later = [(table, guess) for table in tables for guess in table.columns if guess.later and guess.declared]
    told = [one for one in later if one[1].declared.get("type") == "boolean" or _levels(one[1]) > 1]
    called = [one for one in told if EVENTS & set(words_of(one[1].header))]
    for table, guess in [*called, *(one for one in told if _levels(one[1]) <= 2)]:
        levels = guess.declared.get("values") or ["yes"]
        yield table.name, _reference(guess), [level for level in levels if level in YES] or levels[:1]


def _levels(guess: Guess) -> int:
    return len(guess.declared.get("values", []))


def _reference(guess: Guess) -> str:
    declared = guess.declared
    if "name" in declared:
        return str(declared["name"])
    quantity = declared.get("instrument") or declared.get("analyte") or declared.get("measure")
    if quantity is None:
        return guess.header
    return f"{quantity}_{declared['item']}" if "item" in declared else str(quantity)


def _features(
    tables: Sequence[TableDraft],
    frames: Mapping[str, pd.DataFrame],
    index: TableDraft | None,
    scored: Sequence[tuple[str, str, tuple[int, int, int] | None]],
) -> list[str]:
    """Return the references of what seems to be known at day 0, and can be an input."""
    found: dict[str, None] = {}
    for table in tables:
        if not _reaches_day0(table, frames, index):
            continue
        for guess in table.columns:
            days = [one.declared.get("day") for one in table.columns if _same(one, guess)]
            early = all(day is None for day in days) or any(day is not None and day <= 0 for day in days)
            later = guess.later and guess.declared.get("day") is None and "instrument" not in guess.declared
            kind, levels = guess.declared.get("type"), guess.declared.get("values", [])
            usable = kind not in ("date", "text") and "item" not in guess.declared and len(levels) != 1
            if guess.declared and usable and early and not later and not _is_consent(guess):
                found[f"{table.name}.{_reference(guess)}"] = None
    severity = {f"{table}.{scale}" for table, scale, _ in scored[:1]}
    return [*severity, *(reference for reference in found if reference not in severity)]


def _same(one: Guess, other: Guess) -> bool:
    return bool(one.declared) and _reference(one) == _reference(other)


def _reaches_day0(table: TableDraft, frames: Mapping[str, pd.DataFrame], index: TableDraft | None) -> bool:
    """Whether the rows of a dated table are, for some patients, dated up to the start of their treatment."""
    if table.visits is not None:
        return any(day != "ignore" and day <= 0 for day in table.visits.values())
    if table.date is None or table is index:
        return True
    if index is None:
        return False
    starts = frames[index.name].groupby(index.key)[str(index.date)].min()
    rows = frames[table.name]
    start = rows[table.key].map(starts)
    # Text of ISO dates sorts as the dates do; the first ten characters are the day.
    before = rows[table.date].str[:10] <= start.fillna("").str[:10]
    return bool((before & (rows[table.date] != "")).mean() > SOME)


SOME = 0.01
