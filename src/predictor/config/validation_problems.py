"""What the transport split and the declared subgroups say about the dictionary's columns."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from predictor.config.dictionary import Dictionary
from predictor.config.schema import Config, Subgroup, Transport
from predictor.errors import Problem

__all__ = ["find_validation_problems"]


def find_validation_problems(config: Config, dictionary: Dictionary) -> Iterator[Problem]:
    """Yield what does not fit between the validation section and the dictionary.

    Parameters
    ----------
    config : Config
    dictionary : Dictionary
    """
    if config.validation.transport is not None:
        yield from _transport(config.validation.transport, dictionary)
    for position, one in enumerate(config.report.subgroups):
        yield from _subgroup(f"report.subgroups.{position}", one, dictionary)


def _transport(transport: Transport, dictionary: Dictionary) -> Iterator[Problem]:
    path, found = "validation.transport", dictionary.find(transport.by)
    if transport.type != "temporal":
        if transport.cut is not None:
            message = "leave_one_group_out has no cut"
            yield Problem("CFG-38", message, "Take it out, or write `type: temporal`", f"{path}.cut")
        return
    if found is not None and found[2].kind != "date":
        message = f"{transport.by} is {found[2].kind}, not a date"
        yield Problem("CFG-38", message, "Name a date known at day 0", f"{path}.by")
    elif found is not None and found[0].known_of(found[2]) == "after":
        message = (
            f"{transport.by} is known only after day 0, so it would split patients by what happened to them"
        )
        yield Problem("LEA-03", message, "Name a date known at day 0", f"{path}.by")
    if transport.cut is None:
        message = "a temporal split needs its cut"
        yield Problem("CFG-26", message, "Write `cut: YYYY-MM-DD`, the first day of the test part", path)
    elif not _is_day(transport.cut):
        message = "the cut is no day of the calendar"
        yield Problem("CFG-28", message, "Write it as YYYY-MM-DD", f"{path}.cut")


def _subgroup(path: str, one: Subgroup, dictionary: Dictionary) -> Iterator[Problem]:
    found = dictionary.find(one.column)
    if found is None:
        return
    table, _, column = found
    number = column.kind in ("number", "integer")
    if table.known_of(column) == "after":
        message = f"{one.column} is known only after day 0"
        yield Problem("CFG-38", message, "Name a column that is known at day 0", path)
    if column.kind in ("date", "text"):
        message = f"{one.column} is {column.kind}, which makes no subgroups"
        yield Problem("CFG-38", message, "Name a category, a yes or no, or a number with a cut", path)
    elif number and one.cut is None:
        message = f"{one.column} is a number, so its subgroups need a cut"
        yield Problem("CFG-26", message, f"Write `{{column: {one.column}, cut: …}}`", path)
    elif not number and one.cut is not None:
        yield Problem("CFG-38", f"{one.column} is {column.kind} and has no cut", "Take it out", f"{path}.cut")


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
