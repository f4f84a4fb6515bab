"""A table too large to be text at once: conformed in parts of whole patients, and kept as far as somebody needs it.

Every row is checked. What is said of a whole column (one value only, a date far from all others) is said when all parts
were seen; what is said of a patient's rows holds within a part.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from predictor.config.dictionary import DateKnown, Table
from predictor.data.columns import date_headers, measured
from predictor.data.findings import SHOWN, Findings
from predictor.data.lone_dates import note_lone
from predictor.data.reading import Reading
from predictor.errors import Problem

__all__ = [
    "Keep",
    "Survey",
    "first_problems",
    "readable_in_parts",
    "say_uninformative",
    "summed_notices",
]

Keep = Callable[[pd.DataFrame], np.ndarray]
"""From the converted rows of a table to which of them are needed."""

INTEGER = re.compile(r"\d+")


def readable_in_parts(declared: Table) -> str:
    """Say why a table cannot be read in parts; empty where it can.

    Parameters
    ----------
    declared : Table
    """
    if declared.source.kind != "parquet" or not isinstance(declared.known, DateKnown):
        return "it has no date that holds for the whole table"
    free = [
        header
        for header, column in declared.columns.items()
        if column.kind == "category" and column.values is None and not column.computed
    ]
    return f"the values of {free[0]} are not declared" if free else ""


@dataclass
class Survey:
    """What is known of whole columns while parts go by.

    Parameters
    ----------
    declared : Table
    """

    declared: Table
    values: dict[str, set[object]] = field(default_factory=dict)
    days: dict[str, list[np.ndarray]] = field(default_factory=dict)
    rows: list[np.ndarray] = field(default_factory=list)
    doubtful: set[str] = field(default_factory=set)

    def add(self, reading: Reading, frame: pd.DataFrame) -> None:
        """Note the values of a part: of each column two at most, of each date all."""
        for label, _, values in measured(frame, self.declared):
            if reading.found.concern(label):
                self.doubtful.add(label)
            seen = self.values.setdefault(label, set())
            if len(seen) < 2:
                seen.update(values.dropna().unique()[:2])
        own = frame.iloc[: len(reading.rows)]
        for header in date_headers(self.declared):
            self.days.setdefault(header, []).append(own[header].to_numpy("datetime64[D]"))
        self.rows.append(reading.rows)

    def finish(self, found: Findings, notices: list[str], *, learning: bool, sound: bool) -> None:
        """Say of each column what is wrong with the whole of it."""
        rows = np.concatenate(self.rows)
        for header, pieces in self.days.items() if learning else ():
            note_lone(notices, found.file, header, np.concatenate(pieces), rows)
        for label, seen in self.values.items() if learning else ():
            column = self.declared.columns[label]
            if label in self.doubtful or (column.computed and not sound):
                continue
            if column.kind != "date" and self.declared.known_of(column) != "after":
                say_uninformative(found, notices, label, len(seen))


def say_uninformative(found: Findings, notices: list[str], label: str, distinct: int) -> None:
    """Report a column without a value, and note one with a single value.

    Parameters
    ----------
    found : Findings
    notices : list of str
    label : str
        A header, or a long table's quantity.
    distinct : int
        How many values it has.
    """
    if distinct == 0:
        remedy = "Remove the column from the dictionary, or check its missing codes"
        found.add("DAT-21", "no row has a value", remedy, column=label)
    elif distinct == 1:
        notices.append(
            f"{found.file}: {label!r} has the same value in every row, so it tells patients nothing apart"
        )


def first_problems(problems: Iterable[Problem]) -> list[Problem]:
    """Return the problems of all parts in the file's order, each once, and no more than are shown of a file.

    Parameters
    ----------
    problems : iterable of Problem
    """
    every = sorted(dict.fromkeys(problems), key=lambda one: (one.line or 0, one.path))
    return every[: SHOWN + 1]


def summed_notices(notices: Iterable[str]) -> list[str]:
    """Return what was said of the parts as said of the whole: counts are added, rows of the first part stay.

    Parameters
    ----------
    notices : iterable of str
    """
    counts: dict[tuple[str, ...], tuple[str, int | None]] = {}
    for notice in notices:
        # The first number behind the file's name is the count; those that follow are rows, limits and names.
        file, _, said = notice.partition(": ")
        number = INTEGER.match(said)
        key = (file, INTEGER.sub("#", said.partition(" (row")[0]) if number else said)
        first, total = counts.get(key, (notice, 0))
        if number is None or "columns are not declared" in said:
            counts[key] = (first, None)
        else:
            counts[key] = (first, (total or 0) + int(number[0]))
    return [_with_count(first, total) for first, total in counts.values()]


def _with_count(notice: str, count: int | None) -> str:
    if count is None:
        return notice
    file, colon, said = notice.partition(": ")
    return f"{file}{colon}{INTEGER.sub(str(count), said, count=1)}"
