"""A table too large to be text at once: conformed in parts of whole patients, and kept as far as somebody needs it.

Every row is checked. What is said of a whole column (one value only, a date far from all others) is said when all parts
were seen; what is said of a patient's rows holds within a part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from predictor.config.dictionary import DateKnown, Table
from predictor.data.analytes import guarded_analyte
from predictor.data.columns import date_headers, measured
from predictor.data.findings import SHOWN, Findings
from predictor.data.lone_dates import lone_notices
from predictor.data.notices import Notice, summed_notices
from predictor.data.reading import Reading
from predictor.errors import Problem

__all__ = [
    "Keep",
    "Survey",
    "WholeColumn",
    "first_problems",
    "readable_in_parts",
    "say_uninformative",
]

Keep = Callable[[pd.DataFrame], np.ndarray]
"""From the converted rows of a table to which of them are needed."""


@dataclass(frozen=True)
class WholeColumn:
    """Every value of a column, also of rows that were not kept: 12 bytes each.

    Parameters
    ----------
    values : ndarray of float of shape (n,)
    owner : ndarray of int of shape (n,)
        Place in ``patients`` of each value's.
    patients : ndarray of str
    """

    values: np.ndarray
    owner: np.ndarray
    patients: np.ndarray


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
    notices: list[Notice] = field(default_factory=list)
    guarded: dict[str, list[tuple[np.ndarray, np.ndarray]]] = field(default_factory=dict)
    patients: list[np.ndarray] = field(default_factory=list)

    def add(self, reading: Reading, frame: pd.DataFrame) -> None:
        """Note the values of a part: of each column two at most, of each date and of what has a unit to doubt all."""
        codes, patients = pd.factorize(frame[self.declared.key])
        owner = pd.Series(codes + sum(map(len, self.patients)), index=frame.index).astype(np.int32)
        self.patients.append(np.asarray(patients, dtype=object))
        for label, column, values in measured(frame, self.declared):
            if reading.found.concern(label):
                self.doubtful.add(label)
            elif guarded_analyte(column) is not None:
                known = values.dropna()
                pair = known.to_numpy(float), owner.loc[known.index].to_numpy()
                self.guarded.setdefault(label, []).append(pair)
            seen = self.values.setdefault(label, set())
            if len(seen) < 2:
                seen.update(values.dropna().unique()[:2])
        own = frame.iloc[: len(reading.rows)]
        for header in date_headers(self.declared):
            self.days.setdefault(header, []).append(own[header].to_numpy("datetime64[D]"))
        self.rows.append(reading.rows)
        self.notices += reading.notices

    def whole_columns(self) -> dict[str, WholeColumn]:
        """Return all values of the columns whose unit can be doubted; a part holds whole patients."""
        patients = np.concatenate(self.patients) if self.patients else np.empty(0, object)
        return {
            label: WholeColumn(
                np.concatenate([values for values, _ in pieces]),
                np.concatenate([owner for _, owner in pieces]),
                patients,
            )
            for label, pieces in self.guarded.items()
        }

    def finish(self, found: Findings, *, learning: bool, sound: bool) -> list[Notice]:
        """Report what is wrong with the whole of each column; return what else is said of the table."""
        rows, notices = np.concatenate(self.rows), summed_notices(self.notices)
        for header, pieces in self.days.items() if learning else ():
            notices += lone_notices(found.file, header, np.concatenate(pieces), rows)
        for label, seen in self.values.items() if learning else ():
            column = self.declared.columns[label]
            if label in self.doubtful or (column.computed and not sound):
                continue
            if column.kind != "date" and self.declared.known_of(column) != "after":
                say_uninformative(found, notices, label, len(seen))
        return notices


def say_uninformative(found: Findings, notices: list[Notice], label: str, distinct: int) -> None:
    """Report a column without a value, and note one with a single value.

    Parameters
    ----------
    found : Findings
    notices : list of Notice
    label : str
        A header, or a long table's quantity.
    distinct : int
        How many values it has.
    """
    if distinct == 0:
        remedy = "Remove the column from the dictionary, or check its missing codes"
        found.add("DAT-21", "no row has a value", remedy, column=label)
    elif distinct == 1:
        said = f"{label!r} has the same value in every row, so it tells patients nothing apart"
        notices.append(Notice(found.file, said))


def first_problems(problems: Iterable[Problem]) -> list[Problem]:
    """Return the problems of all parts in the file's order, each once, and no more than are shown of a file.

    Parameters
    ----------
    problems : iterable of Problem
    """
    every = sorted(dict.fromkeys(problems), key=lambda one: (one.line or 0, one.path))
    return every[: SHOWN + 1]
