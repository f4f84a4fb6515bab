"""What the transport split and the declared subgroups say about the dictionary's columns."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from predictor.config.dictionary import Dictionary
from predictor.config.schema import Config, Transport
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
    if transport.cut is None:
        message = "a temporal split needs its cut"
        yield Problem("CFG-26", message, "Write `cut: YYYY-MM-DD`, the first day of the test part", path)
    elif not _is_day(transport.cut):
        message = "the cut is no day of the calendar"
        yield Problem("CFG-28", message, "Write it as YYYY-MM-DD", f"{path}.cut")


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
