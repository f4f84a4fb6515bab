"""What a dictionary's declarations say against each other, table by table.

Every function yields `Problem`s with key paths that start with ``dictionary.``; the line is added later.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import Any

from predictor.config.coding_problems import find_coding_problems
from predictor.config.derivation_problems import find_derivation_problems
from predictor.config.dictionary import Column, DateKnown, Dictionary, Table
from predictor.config.messages import suggestion
from predictor.config.source_problems import find_source_problems
from predictor.errors import Problem
from predictor.spreadsheet import FORMULA_STARTS

__all__ = ["find_dictionary_problems"]


def find_dictionary_problems(dictionary: Dictionary, *, lost: Container[str] = ()) -> Iterator[Problem]:
    """Yield every contradiction inside the dictionary.

    Parameters
    ----------
    dictionary : Dictionary
    lost : container of str
        Names whose own declaration was refused: nothing is said about references to them.
    """
    for name, table in dictionary.tables():
        path = f"dictionary.{name}"
        yield from _layout(path, table)
        yield from find_source_problems(f"{path}.source", table.source, table.concepts)
        yield from _names(path, name, table)
        yield from _visits(path, table, dictionary, lost)
        yield from _table_known(path, table)
        for header, column in table.columns.items():
            place = f"{path}.columns.{header}"
            yield from _type(place, column)
            yield from _part(place, column)
            yield from _limits(place, column)
            yield from _age(place, table, column)
            yield from _known(place, table, column)
            yield from _unit(place, column)
            yield from find_coding_problems(f"{place}.fhir", column)
            yield from find_derivation_problems(dictionary, name, header, column)


def _layout(path: str, table: Table) -> Iterator[Problem]:
    given = {"name_column": table.name_column, "value_column": table.value_column}
    for key, value in given.items():
        if table.layout == "long" and value is None:
            remedy = f"Write `{key}: …` with the header of that column in the file"
            yield Problem("CFG-37", f"a long table needs {key}", remedy, path)
        if table.layout == "wide" and value is not None:
            yield Problem(
                "CFG-37",
                f"a wide table has no {key}",
                "Write `layout: long`, or delete the key",
                f"{path}.{key}",
            )


def _names(path: str, name: str, table: Table) -> Iterator[Problem]:
    if "." in name or any(letter.isspace() for letter in name):
        yield Problem("CFG-29", "a table's name has no dot and no space", "Rename the table", path)
    first: dict[str, str] = {}
    for header, column in table.columns.items():
        reference, place = column.reference(header), f"{path}.columns.{header}"
        if not reference or "." in reference or any(letter.isspace() for letter in reference):
            message = f'"{reference}" cannot be written as table.column in a config'
            yield Problem("CFG-29", message, "Give the column a `name:` without dots and spaces", place)
        elif reference.startswith(FORMULA_STARTS):  # names are the headers of templates and results
            message = f'"{reference}" would be run as a formula by a spreadsheet'
            yield Problem("CFG-29", message, "Give the column a `name:` that begins with a letter", place)
        earlier = first.setdefault(reference, header)
        if earlier != header and not _same_measure(table, reference, earlier, header):
            message = f'the columns "{earlier}" and "{header}" are both called {reference}'
            remedy = "Give one another `name:`; only one quantity on different days may share a name"
            yield Problem("CFG-43", message, remedy, place)


def _same_measure(table: Table, reference: str, earlier: str, header: str) -> bool:
    one, two = table.columns[earlier], table.columns[header]
    if one.quantity is None or one.quantity != two.quantity or two.day is None:
        return False
    before = list(table.columns)[: list(table.columns).index(header)]
    same = [table.columns[h] for h in before if table.columns[h].reference(h) == reference]
    return all(column.day is not None and column.day != two.day for column in same)


def _type(place: str, column: Column) -> Iterator[Problem]:
    quantities = [word for word in ("instrument", "analyte", "measure") if getattr(column, word)]
    if len(quantities) > 1:
        remedy = "Keep one of them"
        yield Problem(
            "CFG-38", f"a column is one quantity, this one is {' and '.join(quantities)}", remedy, place
        )
    if column.type is None and not quantities and column.derive is None:
        remedy = (
            "Write `type:` (number, integer, category, boolean, date, text), "
            "or `instrument:`, `analyte:` or `measure:`"
        )
        yield Problem("CFG-38", "the column has neither a type nor a quantity", remedy, place)
    elif quantities and column.kind not in ("number", "integer"):
        message = f"a column with {quantities[0]} is a number, not {column.kind}"
        yield Problem("CFG-38", message, "Delete `type:`", f"{place}.type")
    elif column.values is not None and column.kind not in ("category", "boolean"):
        message = f"values are for categories and booleans, this column is {column.kind}"
        yield Problem("CFG-38", message, "Write `type: category`, or delete `values:`", f"{place}.values")


def _part(place: str, column: Column) -> Iterator[Problem]:
    """Yield what `item` and `score` do not go with."""
    given = [word for word in ("item", "score") if getattr(column, word) is not None]
    if given and column.instrument is None:
        message = f"{given[0]} is a part of an instrument, and none is named"
        yield Problem("CFG-38", message, "Write `instrument: …`", f"{place}.{given[0]}")
    if len(given) > 1:
        message = "an item is read from the file, a score is computed from items"
        yield Problem("CFG-38", message, "Keep one of the two", f"{place}.score")
    if column.score is None:
        return
    about_cells = ("type", "range", "values", "below_limit")
    for word in [w for w in about_cells if getattr(column, w) is not None] + ["missing"] * bool(
        column.missing
    ):
        message = f"a score is computed from items, so {word} says nothing about it"
        yield Problem("CFG-38", message, f"Delete `{word}:`", f"{place}.{word}")


def _age(place: str, table: Table, column: Column) -> Iterator[Problem]:
    if column.max_age_days is None:
        return
    dated = (
        isinstance(table.known_of(column), DateKnown) or table.visits is not None or column.day is not None
    )
    if not dated:
        message = "a value has an age only where something says when it was measured"
        remedy = "Write `known: {date: COLUMN}`, or delete `max_age_days:`"
        yield Problem("CFG-38", message, remedy, f"{place}.max_age_days")


def _limits(place: str, column: Column) -> Iterator[Problem]:
    if column.range is None or (column.type is None and column.quantity is None):
        return
    low, high = column.range
    if low is not None and high is not None and low > high:
        yield Problem(
            "CFG-28",
            f"the range ends at {high:g} before it starts at {low:g}",
            "Swap the two",
            f"{place}.range",
        )
    if column.kind not in ("number", "integer"):
        message = f"a range is for numbers, this column is {column.kind}"
        yield Problem("CFG-38", message, "Delete `range:`", f"{place}.range")


def _table_known(path: str, table: Table) -> Iterator[Problem]:
    if isinstance(table.known, DateKnown):
        yield from _date_column(f"{path}.known", table, table.known.date)
    if table.recorded is not None:
        yield from _date_column(f"{path}.recorded", table, table.recorded)


def _known(place: str, table: Table, column: Column) -> Iterator[Problem]:
    if isinstance(column.known, DateKnown):
        yield from _date_column(f"{place}.known", table, column.known.date)
    if column.recorded is not None:
        yield from _date_column(f"{place}.recorded", table, column.recorded)
    if column.day is not None and table.visits is not None:
        message = "the column has a day of its own and its table has visit labels"
        yield Problem("CFG-36", message, "Keep one of the two", f"{place}.day")
    if table.known_of(column) is None and column.day is None and table.visits is None:
        remedy = (
            "Write `known:` baseline, plan, after or {date: COLUMN}, at the column or for the whole table"
        )
        yield Problem("CFG-39", "nothing says when this column is known", remedy, place)


def _date_column(path: str, table: Table, header: str) -> Iterator[Problem]:
    if table.layout == "long":
        return
    column = table.columns.get(header)
    if column is None:
        dates = [name for name, declared in table.columns.items() if declared.type == "date"]
        message = f'"{header}" is no declared column of this table'
        yield Problem("CFG-39", message, suggestion(header, dates, what="date columns"), path)
    elif column.type != "date":
        message = f'"{header}" is declared as {column.kind}, not as a date'
        yield Problem("CFG-39", message, f"Write `type: date` at {header}", path)


def _unit(place: str, column: Column) -> Iterator[Problem]:
    if column.analyte is not None and not column.unit:
        message = f"the laboratory value {column.analyte} has no unit"
        yield Problem("CFG-40", message, "Write the unit of the file, for example `unit: mg/L`", place)
    converted = [word for word in ("file_unit", "unit_column") if getattr(column, word) is not None]
    if converted and not column.unit:
        message = f"{converted[0]} says what values are converted from, and nothing says to what"
        yield Problem("CFG-38", message, "Write `unit:` with a UCUM code", f"{place}.{converted[0]}")
    if len(converted) > 1:
        message = "the file's unit is one for all rows, or stands in a column"
        yield Problem("CFG-38", message, "Keep one of the two", f"{place}.unit_column")
    if converted and column.kind != "number":
        message = f"only numbers are converted, this column is {column.kind}"
        yield Problem("CFG-38", message, "Write `type: number`", f"{place}.{converted[0]}")
    if column.assay is not None and column.analyte is None:
        message = "an assay measures an analyte, and none is named"
        yield Problem("CFG-38", message, "Write `analyte: …`", f"{place}.assay")
    if column.assay_column is not None and column.assay is None:
        message = "nothing says which of the assays in that column is meant"
        yield Problem("CFG-38", message, "Write `assay: …`", f"{place}.assay_column")


def _visits(path: str, table: Table, dictionary: Dictionary, lost: Container[str]) -> Iterator[Problem]:
    visits = table.visits
    if visits is None:
        return
    if visits.by is None:
        yield from _day_map(f"{path}.visits.days", visits.days)
        return
    yield from _visits_by(path, visits.by, visits.days, dictionary, lost)


def _visits_by(
    path: str, by: str, days: dict[str, Any], dictionary: Dictionary, lost: Container[str]
) -> Iterator[Problem]:
    found = dictionary.find(by)
    if found is None:
        if not any(part in lost for part in by.split(".")):
            remedy = suggestion(by, dictionary.references(), what="columns")
            yield Problem("CFG-20", f"{by} is not declared", remedy, f"{path}.visits.by")
        return
    levels = list(dict.fromkeys((found[2].values or {}).values()))
    if not levels:
        remedy = "Declare its `values:`"
        yield Problem("CFG-36", f"{by} has no declared values to map visits by", remedy, f"{path}.visits.by")
        return
    for level in levels:
        if level not in days:
            message = f'the visit map has no entry for {by} = "{level}"'
            yield Problem("CFG-36", message, f"Write `{level}: {{LABEL: DAY, …}}`", f"{path}.visits.days")
    for level, mapped in days.items():
        if level not in levels:
            message = f'"{level}" is no value of {by}'
            yield Problem(
                "CFG-36", message, suggestion(level, levels, what="values"), f"{path}.visits.days.{level}"
            )
        else:
            yield from _day_map(f"{path}.visits.days.{level}", mapped)
    yield from _same_labels(
        path, {level: days[level] for level in levels if isinstance(days.get(level), dict)}
    )


def _same_labels(path: str, maps: dict[str, dict[str, Any]]) -> Iterator[Problem]:
    """Every level names every label; one forgotten would otherwise be found only where a patient has it."""
    labels = {label: None for mapped in maps.values() for label in mapped}
    for level, mapped in maps.items():
        missing = [label for label in labels if label not in mapped]
        if missing:
            message = f'"{level}" does not map the visits {", ".join(missing)}'
            yield Problem(
                "CFG-36", message, "Write a day or `ignore` for each", f"{path}.visits.days.{level}"
            )


def _day_map(path: str, days: Any) -> Iterator[Problem]:
    if not isinstance(days, dict) or not days:
        yield Problem(
            "CFG-36", "expected visit labels with their days", "Write `LABEL: DAY` or `LABEL: ignore`", path
        )
        return
    for label, day in days.items():
        if day != "ignore" and (not isinstance(day, int) or isinstance(day, bool)):
            message = "a visit stands for a whole day relative to day 0, or for `ignore`"
            yield Problem("CFG-36", message, "Write for example 28, -7 or ignore", f"{path}.{label}")
