"""What is wrong with a column that a rule computes: its inputs, their units, and when it is known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from predictor.config.derivations import (
    AwakeningResponse,
    BelowLimit,
    BodyMassIndex,
    Count,
    Difference,
    Dose,
    HoursBetween,
    inputs_of,
)
from predictor.config.dictionary import Column, Dictionary, Table
from predictor.config.messages import suggestion
from predictor.errors import Problem

__all__ = ["find_derivation_problems"]

ABOUT_CELLS = ("values", "below_limit", "above_limit", "file_unit", "unit_column", "assay_column", "score")
IN_LONG = (AwakeningResponse, BodyMassIndex, Difference, Dose)
"""Rules that need nothing but values of one patient, visit and date."""
WORDS = {"baseline": 0, "plan": 1, "after": 2}


def find_derivation_problems(
    dictionary: Dictionary, name: str, header: str, column: Column
) -> Iterator[Problem]:
    """Yield what keeps a derived column from being computed.

    Parameters
    ----------
    dictionary : Dictionary
    name, header : str
        The column's table and its own name.
    column : Column
    """
    rule, table, place = column.derive, dictionary[name], f"dictionary.{name}.columns.{header}"
    if rule is None:
        return
    if table.layout == "long" and not isinstance(rule, IN_LONG):
        message = f"in a long table nothing is computed by the rule {rule.rule}"
        yield Problem("CFG-49", message, "Declare it in a table of layout: wide", f"{place}.derive")
        return
    for word in [word for word in ABOUT_CELLS if getattr(column, word) is not None]:
        message = f"a derived column is not read from the file, so {word} says nothing about it"
        yield Problem("CFG-38", message, f"Delete `{word}:`", f"{place}.{word}")
    if column.kind not in ("number", "integer"):
        message = f"a derived column is a number, not {column.kind}"
        yield Problem("CFG-38", message, "Write `type: number`", f"{place}.type")
    undeclared = [one for one in inputs_of(rule) if one not in table.columns]
    for one in undeclared:
        remedy = suggestion(one, list(table.columns), what="columns of this table")
        yield Problem("CFG-49", f'"{one}" is no declared column of this table', remedy, f"{place}.derive")
    if undeclared:
        return
    if _is_circle(table, header):
        message = "the column would be computed from itself"
        yield Problem("CFG-49", message, "Name columns of the file", f"{place}.derive")
        return
    for message, remedy in [*_inputs(table, rule), *_units(table, column, rule), *_time(table, column, rule)]:
        yield Problem("CFG-49", message, remedy, f"{place}.derive")
    if isinstance(rule, Count):
        yield from _counted(dictionary, name, rule, f"{place}.derive")


def _is_circle(table: Table, header: str) -> bool:
    seen, waiting = set(), [header]
    while waiting:
        for one in inputs_of(table.columns[waiting.pop()].derive or Count(rule="count", table="")):
            if one == header:
                return True
            if one not in seen and one in table.columns:
                seen.add(one)
                waiting.append(one)
    return False


def _inputs(table: Table, rule: Any) -> Iterator[tuple[str, str]]:
    """Yield inputs of the wrong type."""
    wanted = ("date",) if isinstance(rule, HoursBetween) else ("number", "integer")
    for one in inputs_of(rule):
        if table.columns[one].score is not None:
            yield f'"{one}" is a score, which is computed after this column', "Name columns of the file"
        elif table.columns[one].kind not in wanted:
            yield f'"{one}" is {table.columns[one].kind}, {wanted[0]} was expected', "Name another column"
    if isinstance(rule, BelowLimit) and table.columns[rule.of].below_limit is None:
        yield f'"{rule.of}" has no below_limit, so no cell of it can be below one', "Write below_limit for it"
    if isinstance(rule, AwakeningResponse):
        minutes = list(rule.samples.values())
        if minutes[0] != 0 or minutes != sorted(set(minutes)):
            yield "the samples' minutes do not rise from 0", "List them in their order, the first at 0"


def _units(table: Table, column: Column, rule: Any) -> Iterator[tuple[str, str]]:
    """Yield units that the rule's result or inputs cannot have."""
    units = {one: table.columns[one].unit for one in inputs_of(rule)}
    if isinstance(rule, BodyMassIndex) and column.unit != "kg/m2":
        yield f'the body mass index is in kg/m2, declared is "{column.unit}"', "Write unit: kg/m2"
    if isinstance(rule, BodyMassIndex | Dose):
        for one in [one for one in units if not units[one]]:
            yield f'"{one}" has no unit', "Write its UCUM code, for example unit: kg or unit: cm"
    if isinstance(rule, Dose) and (units[rule.dose], column.unit) not in (("mg/kg", "mg"), ("mg", "mg/kg")):
        message = "a dose goes from mg/kg to mg, or from mg to mg/kg"
        yield message, "Write the two units so"
    if isinstance(rule, AwakeningResponse | Difference) and {*units.values(), column.unit} != {column.unit}:
        yield "the inputs and the result are not all in one unit", "Convert with file_unit, or write one unit"


def _time(table: Table, column: Column, rule: Any) -> Iterator[tuple[str, str]]:
    """Yield inputs that are known later than the column is said to be: it would tell of the future."""
    for one in inputs_of(rule):
        if not _no_later(table, table.columns[one], column):
            message = f'"{one}" may be known later than this column is said to be'
            remedy = (
                "Give this column the `known:` or the `day:` of the latest column that it is computed from"
            )
            yield message, remedy


def _no_later(table: Table, one: Column, column: Column) -> bool:
    if table.visits is not None:
        return True  # the same visit
    if one.day is not None or column.day is not None:
        baseline = one.day is None and table.known_of(one) == "baseline"
        return baseline or (one.day is not None and column.day is not None and one.day <= column.day)
    known, own = table.known_of(one), table.known_of(column)
    if isinstance(known, str) and isinstance(own, str):
        return WORDS[known] <= WORDS[own]
    return known == own or known == "baseline" or own == "after"


def _counted(dictionary: Dictionary, name: str, rule: Count, path: str) -> Iterator[Problem]:
    if rule.table not in dictionary or rule.table == name:
        others = [other for other, _ in dictionary.tables() if other != name]
        remedy = suggestion(rule.table, others, what="tables")
        yield Problem("CFG-49", f'"{rule.table}" is no other table', remedy, f"{path}.table")
        return
    counted = dictionary[rule.table]
    if any(isinstance(column.derive, Count) for column in counted.columns.values()):
        message = f"{rule.table} counts rows of another table itself"
        yield Problem("CFG-49", message, "Count in one table only", f"{path}.table")
    for position, test in enumerate(rule.where):
        place, header = f"{path}.where.{position}", counted.header_of(test.column)
        if header is None:
            references = [column.reference(h) for h, column in counted.columns.items()]
            remedy = suggestion(test.column, references, what="columns")
            yield Problem("CFG-49", f'"{test.column}" is no column of {rule.table}', remedy, place)
            continue
        kind = counted.columns[header].kind
        if (test.in_ is not None) != (kind in ("category", "text")) or kind == "date":
            message = f'"{test.column}" is {kind}: categories are tested by `in`, numbers by `min` and `max`'
            yield Problem("CFG-49", message, "Write the other", place)
    if counted.known != "baseline" or any(
        counted.known_of(column) != "baseline" or column.day is not None
        for column in counted.columns.values()
    ):
        message = f"the rows of {rule.table} are not all known at day 0"
        remedy = (
            "Count rows of a table that is `known: baseline` throughout, such as the history of treatments"
        )
        yield Problem("CFG-49", message, remedy, f"{path}.table")
