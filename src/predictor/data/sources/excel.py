"""Excel workbooks: one sheet as a table of text, and nothing that only looks like a value.

A cell is taken as it is stored, not as it is shown. What has no certain value is refused with the name of the cell: a
formula's error, a formula that was never calculated, merged cells, an id whose leading zeros are only its format.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from predictor.data.findings import Findings
from predictor.data.sources.excel_package import check_package
from predictor.data.sources.files import check_memory, read_bytes
from predictor.data.sources.optional import import_optional
from predictor.data.sources.text_table import (
    MAX_COLUMNS,
    MAX_ROWS,
    TextTable,
    check_names,
    refuse,
    table_of_records,
)

__all__ = ["read_excel"]

PER_CELL = (
    300  # bytes of memory for a cell that openpyxl makes when it is asked for, also where there is none
)
ZEROS = re.compile(r"0{2,}")


def read_excel(path: Path, *, sheet: str | None, shown_as: str) -> TextTable:
    """Read one sheet; its first row is the header.

    Parameters
    ----------
    path : Path
    sheet : str or None
        None for the only visible one.
    shown_as : str

    Raises
    ------
    DataError
        DAT-10 and DAT-11 (limits), DAT-12 (no workbook), DAT-14 (cells without a certain value, the sheet), DAT-03
        (header), DAT-05 (leading zeros that are only shown), DAT-15 (not readable).
    ResourceError
        ENV-02 without the package ``openpyxl``.
    """
    openpyxl = import_optional("openpyxl", extra="formats", what="Excel files")
    raw = read_bytes(path, shown_as, needed=lambda _, size: size)
    calculates = check_package(raw, shown_as)
    values = _load(openpyxl, raw, shown_as, data_only=True)
    chosen = _choose(values, sheet, shown_as)
    formulas = _load(openpyxl, raw, shown_as, data_only=False)[chosen.title] if calculates else None
    found = Findings(shown_as)
    records = _Sheet(chosen, formulas, found).records()
    header = _header(records, found)
    body = [(row, cells) for row, cells in records[1:] if any(cells)]
    found.raise_if_any()
    columns = {name: [cells[i] for _, cells in body] for i, name in enumerate(header)}
    digest = hashlib.sha256(raw).hexdigest()
    notices = _notices(values, chosen, shown_as)
    return table_of_records(
        columns, sha256=digest, shown_as=shown_as, rows=[row for row, _ in body], notices=notices
    )


def _load(openpyxl: Any, raw: bytes, shown_as: str, *, data_only: bool) -> Any:
    try:
        return openpyxl.load_workbook(io.BytesIO(raw), data_only=data_only, keep_links=False)
    except MemoryError:
        raise refuse(shown_as, "DAT-13", "too large for the free memory", "Save the sheet as CSV") from None
    except Exception:  # openpyxl raises whatever its XML parser, zip reader or own checks raise
        message = "the workbook is damaged: a part of it cannot be read"
        raise refuse(shown_as, "DAT-12", message, "Open it in Excel and save it again") from None


def _choose(book: Any, sheet: str | None, shown_as: str) -> Any:
    """Return the sheet that was named, else the only visible one."""
    sheets = {one.title: one for one in book.worksheets}
    if sheet is not None:
        if sheet not in sheets:
            message = f'no sheet is called "{sheet}"; there are {len(sheets)} sheets'
            raise refuse(shown_as, "DAT-14", message, "Mend `sheet:` in the dictionary")
        return sheets[sheet]
    visible = [one for one in sheets.values() if one.sheet_state == "visible"]
    if len(visible) != 1:
        message = f"{len(visible)} visible and {len(sheets) - len(visible)} hidden sheets, one was expected"
        raise refuse(shown_as, "DAT-14", message, "Write `sheet: NAME` under source")
    return visible[0]


class _Sheet:
    """The cells of one sheet with their formulas.

    Parameters
    ----------
    values : openpyxl.worksheet.worksheet.Worksheet
        With the results of formulas.
    formulas : openpyxl.worksheet.worksheet.Worksheet or None
        The same with the formulas themselves; None where the workbook has none.
    found : Findings
    """

    def __init__(self, values: Any, formulas: Any, found: Findings) -> None:
        self.values, self.formulas, self.found = values, formulas, found

    def records(self) -> list[tuple[int, list[str]]]:
        """Return the row numbers and texts, the header first; rows above it that are blank do not count."""
        if self.values.max_row > MAX_ROWS + 1:
            message = f"more than {MAX_ROWS:,} rows, which is the limit"
            raise refuse(self.found.file, "DAT-10", message, "Split the file")
        if self.values.max_column > MAX_COLUMNS:
            message = f"the sheet reaches to column {self.values.max_column:,}, the limit is {MAX_COLUMNS:,}"
            raise refuse(self.found.file, "DAT-10", message, "Delete what stands far to the right")
        # One cell in a far corner makes all that lie between.
        check_memory(PER_CELL * self.values.max_row * self.values.max_column, self.found.file)
        self._check_merged()
        rows = list(self._rows())
        first = next((i for i, (_, cells) in enumerate(rows) if any(cells)), len(rows))
        return rows[first:]

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        for cells in self.values.iter_rows():
            yield cells[0].row, [self._text(cell) for cell in cells]

    def _check_merged(self) -> None:
        for merged in self.values.merged_cells.ranges:
            message = f"the cells {merged.coord} are merged, so all but the first are empty"
            self._add(message, "Unmerge them and fill in each one", merged.min_row)

    def _text(self, cell: Any) -> str:
        value = cell.value
        if value is None:
            if self.formulas is not None and self.formulas[cell.coordinate].data_type == "f":
                message = f"the formula in cell {cell.coordinate} has no saved result"
                self._add(message, "Open the file in Excel, let it calculate, and save it", cell.row)
            return ""
        if cell.data_type == "e":
            message = f"the cell {cell.coordinate} holds a formula's error"
            self._add(message, "Mend the formula, or empty the cell", cell.row)
            return ""
        if isinstance(value, int | float) and ZEROS.fullmatch(str(cell.number_format)):
            message = f"the cell {cell.coordinate} shows leading zeros that are only its format"
            remedy = "Store the column as text, with its zeros"
            self.found.add("DAT-05", message, remedy, row=cell.row)
        return text_of(value)

    def _add(self, message: str, remedy: str, row: int) -> None:
        self.found.add("DAT-14", message, remedy, row=row)


def text_of(value: object) -> str:
    """Return a stored value as the text that the dictionary's rules read.

    Parameters
    ----------
    value : object
        Text, number, truth value, date or time.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(sep=" ")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return str(value.total_seconds())
    return str(value)


def _header(records: Sequence[tuple[int, list[str]]], found: Findings) -> list[str]:
    if not records:
        found.raise_if_any()
        raise refuse(found.file, "DAT-11", "the sheet is empty", "Write a header and at least one row")
    header = [name.strip() for name in records[0][1]]
    while header and not header[-1] and not any(cells[len(header) - 1] for _, cells in records[1:]):
        header.pop()
    check_names(header, found.file)
    return header


def _notices(book: Any, sheet: Any, shown_as: str) -> list[str]:
    notices = []
    if book.epoch.year == 1904:
        notices.append(f"{shown_as}: the workbook counts days from 1904; its dates were read so")
    hidden = [one for one in book.worksheets if one.sheet_state != "visible" and one is not sheet]
    if hidden:
        notices.append(f"{shown_as}: {len(hidden)} hidden sheets were not read")
    if sheet.sheet_state != "visible":
        notices.append(f"{shown_as}: the sheet that was named is hidden in Excel")
    rows = sum(bool(one.hidden) for one in sheet.row_dimensions.values())
    columns = sum(bool(one.hidden) for one in sheet.column_dimensions.values())
    if rows or columns:
        notices.append(
            f"{shown_as}: {rows} hidden rows and {columns} hidden columns were read like the others"
        )
    return notices
