"""What every reader gives: a table of text with the place of each record. What the text means comes later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from predictor.data.findings import Findings
from predictor.errors import DataError, Problem

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MAX_CELL", "MAX_COLUMNS", "MAX_ROWS", "TextTable", "check_names", "refuse", "table_of_records"]

MAX_COLUMNS = 5_000
MAX_ROWS = 1_000_000
MAX_CELL = 32 * 1024


@dataclass(frozen=True)
class TextTable:
    """A source's cells as they stand in it.

    Parameters
    ----------
    frame : pandas.DataFrame
        Columns of text named by the header; the index counts records from 0. An empty cell is ``""``.
    rows : ndarray of int of shape (records,)
        Line of a text file or row of a sheet on which each record starts, the header being line 1; where a
        format has no lines, the record's number from 1.
    notices : tuple of str
        What was put right, e.g. spaces around header names.
    sha256 : str
        Hash of the file's bytes, or of the rows that a database gave, whatever their order.
    shown_as : str
        File as the user named it, or the database without its credentials.
    unread : tuple of str
        Headers that the source has and that were not read as text.
    """

    frame: pd.DataFrame
    rows: np.ndarray
    notices: tuple[str, ...]
    sha256: str
    shown_as: str = ""
    unread: tuple[str, ...] = ()


def refuse(
    file: str, code: str, message: str, remedy: str = "", *, row: int | None = None, column: str = ""
) -> DataError:
    """Return the error of one problem.

    Parameters
    ----------
    file : str
    code : str
    message : str
    remedy : str
    row : int, optional
    column : str
    """
    return DataError(Problem(code, message, remedy, path=column, file=file, line=row))


def check_names(header: Sequence[str], shown_as: str) -> None:
    """Refuse a header with blank or repeated names.

    Parameters
    ----------
    header : sequence of str
        Without spaces around the names.
    shown_as : str

    Raises
    ------
    DataError
        DAT-03.
    """
    found = Findings(shown_as)
    if not header:
        found.add(
            "DAT-03", "the first line is blank, the header was expected", "Delete the blank line", row=1
        )
    first: dict[str, int] = {}
    for position, name in enumerate(header, start=1):
        if not name:
            found.add("DAT-03", f"the header of column {position} is blank", "Give the column a name", row=1)
        elif name in first:
            message = f"columns {first[name]} and {position} have the same header"
            found.add("DAT-03", message, "Rename one of them", row=1, column=name)
        first.setdefault(name, position)
    found.raise_if_any()


def table_of_records(
    columns: Mapping[str, Sequence[str]],
    *,
    sha256: str,
    shown_as: str,
    rows: Sequence[int] | np.ndarray | None = None,
    notices: Sequence[str] = (),
) -> TextTable:
    """Put columns of text together, within the limits that hold for every format.

    Parameters
    ----------
    columns : mapping of str to sequence of str
        By header, all of one length.
    sha256, shown_as : str
    rows : sequence or ndarray of int, optional
        Place of each record; by default records are counted from 1.
    notices : sequence of str

    Raises
    ------
    DataError
        DAT-10 (limits), DAT-11 (no rows).
    """
    import pandas as pd

    if len(columns) > MAX_COLUMNS:
        message = f"{len(columns):,} columns, the limit is {MAX_COLUMNS:,}"
        raise refuse(shown_as, "DAT-10", message, "Leave out columns that are not declared")
    frame = pd.DataFrame({name: pd.array(cells, dtype="str") for name, cells in columns.items()})
    if not len(frame):
        raise refuse(shown_as, "DAT-11", "there is a header and no rows", "Write at least one row")
    if len(frame) > MAX_ROWS:
        raise refuse(shown_as, "DAT-10", f"more than {MAX_ROWS:,} rows, which is the limit", "Split the file")
    places = np.arange(1, len(frame) + 1) if rows is None else np.asarray(rows)
    _check_cells(frame, places, shown_as)
    return TextTable(frame, places.astype(np.int64), tuple(notices), sha256, shown_as)


def _check_cells(frame: pd.DataFrame, places: np.ndarray, shown_as: str) -> None:
    found = Findings(shown_as)
    message = f"a cell has more than {MAX_CELL:,} characters, which is the limit"
    for name in frame.columns:
        long = (frame[name].str.len() > MAX_CELL).to_numpy(bool)
        for row in places[long]:
            found.add("DAT-10", message, "Shorten it or leave the column out", row=int(row), column=name)
    found.raise_if_any()
