"""Checks of the cohort against the dictionary: day 0, windows, eligibility, treatment."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from predictor.config.dictionary import Column, DateKnown, Dictionary, Table
from predictor.config.messages import suggestion
from predictor.config.schema import (
    AdverseEventOutcome,
    AfterInfusion,
    Condition,
    Config,
    EventOutcome,
    Window,
)
from predictor.errors import Problem

__all__ = ["conditions_of", "find_cohort_problems", "unknown_levels"]


def find_cohort_problems(config: Config, dictionary: Dictionary) -> Iterator[Problem]:
    """Yield what is wrong between the cohort, the outcomes' windows and the dictionary.

    Parameters
    ----------
    config : Config
    dictionary : Dictionary
    """
    yield from _index(config, dictionary)
    yield from _recorded(config, dictionary)
    yield from _decision(config, dictionary)
    yield from _windows(config)
    yield from _eligibility(config, dictionary)
    yield from _selection_on_outcome(config, dictionary)
    yield from _treatment(config, dictionary)


def conditions_of(config: Config) -> Iterator[tuple[str, Condition]]:
    """Yield key path and test of every eligibility condition that names a column.

    Parameters
    ----------
    config : Config
    """
    for position, rule in enumerate(config.cohort.eligibility):
        path = f"cohort.eligibility.{position}"
        if rule.any is not None:
            yield from ((f"{path}.any.{number}", condition) for number, condition in enumerate(rule.any))
        elif rule.column is not None:
            yield path, rule.conditions()[0]


def _index(config: Config, dictionary: Dictionary) -> Iterator[Problem]:
    index = config.cohort.index
    if index.visits == (index.table is not None):
        remedy = "Write `index: visits`, or `index: {table: …}`"
        yield Problem("CFG-35", "day 0 is either `visits` or a row of a table", remedy, "cohort.index")
    elif index.visits and not _says_when(config, dictionary):
        remedy = "Give a table `visits:` or columns a `day:`, or write `index: {table: …}`"
        yield Problem("CFG-35", "`visits`, but nothing in the dictionary has a day", remedy, "cohort.index")
    elif index.table is not None and index.table in dictionary:
        yield from _index_table(config, dictionary[index.table])


def _says_when(config: Config, dictionary: Dictionary) -> bool:
    # A recorded event is not looked up by its day: one row per patient, without any day, then says everything.
    if all(outcome.kind == "event" for outcome in config.outcomes.values()):
        return True
    return any(table.has_days for _, table in dictionary.tables())


def _index_table(config: Config, table: Table) -> Iterator[Problem]:
    index = config.cohort.index
    if not isinstance(table.known, DateKnown):
        message = f'the index table "{index.table}" has no date'
        remedy = (
            f"Write `known: {{date: COLUMN}}` at the table {index.table} in the dictionary, "
            "or `index: visits` where the export has no dates"
        )
        yield Problem("CFG-35", message, remedy, "cohort.index.table")
    for name, value in index.where.items():
        path = f"cohort.index.where.{name}"
        header = table.header_of(name)
        if header is None:
            names = [column.reference(h) for h, column in table.columns.items()]
            yield Problem("CFG-20", f"{index.table}.{name} is not declared", suggestion(name, names), path)
        else:
            yield from unknown_levels([value], table.columns[header], f"{index.table}.{name}", path)


def _recorded(config: Config, dictionary: Dictionary) -> Iterator[Problem]:
    """Yield a problem for each table that says when it was recorded where day 0 has no date to compare that with."""
    if not config.cohort.index.visits:
        return
    for name, table in dictionary.tables():
        if table.recorded is not None or any(c.recorded is not None for c in table.columns.values()):
            message = f"{name} says when it was recorded, and day 0 has no date to compare that with"
            remedy = "Write `index: {table: …}` with a dated table, or delete `recorded:` in the dictionary"
            yield Problem("CFG-35", message, remedy, "cohort.index")


def _decision(config: Config, dictionary: Dictionary) -> Iterator[Problem]:
    """Yield what is wrong with a decision after an infusion: its table, and outcomes that begin before it."""
    decision, path = config.cohort.decision_time, "cohort.decision_time"
    if not isinstance(decision, AfterInfusion):
        return
    name = decision.table or config.cohort.index.table
    if name is None:
        message = "visits have no dates, so no infusion can be counted"
        yield Problem("CFG-57", message, "Write `index: {table: …}` with a dated table", path)
    elif name not in dictionary:
        names = [table for table, _ in dictionary.tables()]
        yield Problem(
            "CFG-20", f'the table "{name}" is not declared', suggestion(name, names), f"{path}.table"
        )
    else:
        yield from _infusion_table(decision, dictionary[name], name, path)
    if decision.days > decision.last_day:
        message = (
            f"it is {decision.days} days after an infusion, and at the latest on day {decision.last_day}"
        )
        yield Problem("CFG-57", message, "Raise last_day", f"{path}.last_day")
    for outcome, one in config.outcomes.items():
        window = one.assessed
        if window is not None and window.first_day <= decision.last_day:
            message = (
                f"the outcome is assessed from day {window.first_day} on, and the decision may be taken on day "
                f"{decision.last_day}"
            )
            remedy = f"Let it begin after day {decision.last_day}, or lower cohort.decision_time.last_day"
            yield Problem("CFG-57", message, remedy, f"outcomes.{outcome}.assessed.first_day")


def _infusion_table(decision: AfterInfusion, table: Table, name: str, path: str) -> Iterator[Problem]:
    if not isinstance(table.known, DateKnown):
        message = f'the table "{name}" has no date, so no infusion can be counted'
        yield Problem("CFG-57", message, "Write `known: {date: COLUMN}` in the dictionary", path)
    for column, value in decision.where.items():
        header = table.header_of(column)
        if header is None:
            names = [one.reference(h) for h, one in table.columns.items()]
            message = f"{name}.{column} is not declared"
            yield Problem("CFG-20", message, suggestion(column, names), f"{path}.where.{column}")
        else:
            yield from unknown_levels(
                [value], table.columns[header], f"{name}.{column}", f"{path}.where.{column}"
            )


def _selection_on_outcome(config: Config, dictionary: Dictionary) -> Iterator[Problem]:
    """Yield a problem for each rule that selects patients by the very event that is predicted."""
    events = [o.column for o in config.outcomes.values() if isinstance(o, EventOutcome)]
    cells = {(found[0].source.path, found[1]) for found in map(dictionary.find, events) if found}
    for path, condition in conditions_of(config):
        found = dictionary.find(condition.column)
        if found and (found[0].source.path, found[1]) in cells:
            message = f"{condition.column} is the outcome itself, so the rule selects patients by what happens to them"
            remedy = "Leave the rule out; who has no outcome is dealt with by `if_missing`"
            yield Problem("CFG-15", message, remedy, path)


def unknown_levels(values: list[str], column: Column, reference: str, path: str) -> Iterator[Problem]:
    """Yield one problem for each value that a column does not declare; none where it declares no values.

    Parameters
    ----------
    values : list of str
        As the config writes them: the names of the values, not the file's codes.
    column : Column
    reference : str
        The column's name in messages.
    path : str
        Key path of the values.
    """
    levels = list(dict.fromkeys((column.values or {}).values()))
    for value in values:
        if levels and value not in levels:
            message = f'"{value}" is no value of {reference}'
            yield Problem("CFG-27", message, suggestion(value, levels, what="values"), path)


def _windows(config: Config) -> Iterator[Problem]:
    baseline = config.cohort.baseline
    if baseline.first_day > baseline.last_day:
        message = f"the window ends on day {baseline.last_day}, before it starts on day {baseline.first_day}"
        yield Problem("CFG-31", message, "Swap first_day and last_day", "cohort.baseline")
    for name, outcome in config.outcomes.items():
        if not isinstance(outcome, EventOutcome | AdverseEventOutcome):
            yield from _assessed(
                f"outcomes.{name}.assessed", outcome.assessed, last_baseline_day=baseline.last_day
            )


def _assessed(path: str, window: Window, *, last_baseline_day: int) -> Iterator[Problem]:
    if window.first_day > window.last_day:
        message = f"the window ends on day {window.last_day}, before it starts on day {window.first_day}"
        yield Problem("CFG-31", message, "Swap first_day and last_day", path)
    elif window.first_day <= last_baseline_day:
        message = f"the outcome is assessed from day {window.first_day}, inside the baseline window"
        yield Problem("CFG-31", message, "Let it start after the baseline's last_day", path)
    elif window.target_day is not None and not window.first_day <= window.target_day <= window.last_day:
        message = (
            f"the target day {window.target_day} lies outside days {window.first_day} to {window.last_day}"
        )
        yield Problem("CFG-31", message, "Move it inside", f"{path}.target_day")


def _eligibility(config: Config, dictionary: Dictionary) -> Iterator[Problem]:
    for position, rule in enumerate(config.cohort.eligibility):
        path = f"cohort.eligibility.{position}"
        if rule.any is not None and (rule.column or _tests(rule.min, rule.max, rule.in_)):
            yield Problem(
                "CFG-32", f'"{rule.name}" has `any` beside a test of its own', "Keep one of the two", path
            )
        elif rule.any == [] or (rule.any is None and rule.column is None):
            yield Problem(
                "CFG-32",
                f'"{rule.name}" tests no column',
                "Write `column:` with `min:`, `max:` or `in:`",
                path,
            )
    for path, condition in conditions_of(config):
        found = dictionary.find(condition.column)
        yield from _condition(path, condition, found[2] if found else None)


def _tests(low: float | None, high: float | None, values: list[str] | None) -> bool:
    return low is not None or high is not None or values is not None


def _condition(path: str, condition: Condition, column: Column | None) -> Iterator[Problem]:
    low, high, values = condition.min, condition.max, condition.in_
    if not _tests(low, high, values):
        yield Problem(
            "CFG-32", f"{condition.column} is named but not tested", "Write `min:`, `max:` or `in:`", path
        )
    if low is not None and high is not None and low > high:
        yield Problem("CFG-32", f"min {low:g} is above max {high:g}, so nobody passes", "Swap them", path)
    if column is None:
        return
    numeric = column.kind in ("number", "integer")
    if (low is not None or high is not None) and not numeric:
        message = f"{condition.column} is {column.kind}, so it has no min or max"
        yield Problem("CFG-32", message, "Write `in: […]`", path)
    if values is not None and numeric:
        yield Problem("CFG-32", f"{condition.column} is a number", "Write `min:` and `max:`", path)
    yield from unknown_levels(values or [], column, condition.column, f"{path}.in")


def _treatment(config: Config, dictionary: Dictionary) -> Iterator[Problem]:
    treatment = config.cohort.treatment
    found = dictionary.find(treatment.column) if treatment else None
    if treatment is None or found is None:
        return
    table, _, column = found
    path, numeric = "cohort.treatment", column.kind in ("number", "integer")
    if table.known_of(column) == "after":
        message = (
            f"{treatment.column} is known only after day 0: it is the treatment received, not the one planned"
        )
        yield Problem("LEA-03", message, "Name the column of the plan", f"{path}.column")
    if isinstance(treatment.control, str):
        if numeric:
            message = f"{treatment.column} is a number, so its control level is one too"
            yield Problem("CFG-34", message, "Write a number, for example 0", f"{path}.control")
        for problem in unknown_levels([treatment.control], column, treatment.column, f"{path}.control"):
            yield Problem("CFG-34", problem.message, problem.remedy, problem.path)
    elif treatment.control is not None and not numeric:
        message = f"{treatment.column} is {column.kind}, so its control level is one of its values"
        yield Problem("CFG-34", message, "Write the value's name", f"{path}.control")
    if treatment.bands is not None:
        yield from _bands(treatment.bands, column, treatment.column)


def _bands(bands: list[float], column: Column, reference: str) -> Iterator[Problem]:
    path = "cohort.treatment.bands"
    if column.kind not in ("number", "integer"):
        yield Problem(
            "CFG-34", f"bands are for numbers, {reference} is {column.kind}", "Delete `bands:`", path
        )
    elif any(low >= high for low, high in pairwise(bands)):
        yield Problem(
            "CFG-34", "the bands are not increasing", "Write them from low to high, each once", path
        )
