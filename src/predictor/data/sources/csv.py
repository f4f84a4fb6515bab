"""Delimited text files, read strictly: all is text, and nothing is guessed, padded, shifted or renamed.

`pandas.read_csv` turns ``00123`` into 123, a site called ``NA`` into a missing value, and a file in which
every row has one field too many into a shifted table, all silently. Here the structure is checked first; what
the text means is the dictionary's business (`predictor.data.conform`).
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from predictor.data.findings import Findings
from predictor.data.sources.files import SAMPLE, read_bytes
from predictor.data.sources.memory import memory_needed
from predictor.data.sources.text_table import (
    MAX_CELL,
    MAX_COLUMNS,
    MAX_ROWS,
    TextTable,
    check_names,
    refuse,
)
from predictor.errors import DataError, Problem

if TYPE_CHECKING:
    import _csv

__all__ = ["TextRecords", "read_records", "read_text_table"]

DELIMITERS = (",", ";", "\t", "|")
UTF8_BOM = codecs.BOM_UTF8
UTF16_BOMS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True)
class TextRecords:
    """A file's cells as plain lists, for a few rows or where no table is needed.

    Parameters
    ----------
    header : list of str
    records : list of list of str
        One list per row, as long as the header.
    rows : list of int
        Line of the file on which each record starts.
    notices : tuple of str
    sha256 : str
    """

    header: list[str]
    records: list[list[str]]
    rows: list[int]
    notices: tuple[str, ...]
    sha256: str


def read_records(path: Path, *, delimiter: str | None, encoding: str, shown_as: str) -> TextRecords:
    """Read a delimited text file as lists of text; parameters and errors are those of `read_text_table`."""
    separator = _separator(path, delimiter, shown_as)
    raw = read_bytes(path, shown_as, needed=partial(memory_needed, separator=separator))
    text = _decode(raw, encoding, shown_as)
    digest = hashlib.sha256(raw).hexdigest()
    del raw
    header, notices = _read_header(text, separator, shown_as)
    records, rows = _read_records(text, separator, len(header), shown_as)
    return TextRecords(header, records, rows, notices, digest)


def read_text_table(path: Path, *, delimiter: str | None, encoding: str, shown_as: str) -> TextTable:
    """Read a delimited text file as text.

    Parameters
    ----------
    path : Path
    delimiter : str or None
        One character; None is a tab for ``.tsv`` and ``.tab`` and a comma otherwise.
    encoding : str
        As declared. With UTF-8 a byte order mark is accepted.
    shown_as : str
        How messages name the file.

    Raises
    ------
    DataError
        With all that is wrong: DAT-01 to DAT-04 (fields, header, delimiter), DAT-08 (encoding), DAT-09
        (quotes), DAT-10 (limits), DAT-11 (empty), DAT-15 (not readable, or changed while it was read).
    """
    import pandas as pd  # a single patient is read without it

    read = read_records(path, delimiter=delimiter, encoding=encoding, shown_as=shown_as)
    columns = zip(*read.records, strict=True)
    frame = pd.DataFrame(
        {name: pd.array(cells, dtype="str") for name, cells in zip(read.header, columns, strict=True)}
    )
    return TextTable(frame, np.array(read.rows, dtype=np.int64), read.notices, read.sha256, shown_as)


def _separator(path: Path, delimiter: str | None, shown_as: str) -> str:
    if delimiter is None:
        return "\t" if path.suffix.lower() in {".tsv", ".tab"} else ","
    if len(delimiter) != 1 or delimiter in '"\r\n':
        remedy = 'Write for example delimiter: ";", and a tab as delimiter: "\\t" in double quotes'
        raise refuse(
            shown_as, "DAT-04", "the declared delimiter has to be one character and no quote", remedy
        )
    return delimiter


def _decode(raw: bytes, encoding: str, shown_as: str) -> str:
    try:
        codec = codecs.lookup(encoding).name
        wide = codec.startswith(("utf-16", "utf-32"))
        if not wide:
            _check_bytes(raw, shown_as)
        text = raw.removeprefix(UTF8_BOM).decode("utf-8") if codec == "utf-8" else raw.decode(encoding)
    except LookupError:
        remedy = 'Write for example encoding: utf-8 or encoding: cp1252 under "source"'
        raise refuse(shown_as, "DAT-08", "the declared encoding is not known", remedy) from None
    except UnicodeDecodeError as error:
        removed = len(raw) - len(error.object)
        raise _undecodable(raw, error.start + removed, encoding, shown_as) from None
    if not text.strip():
        raise refuse(shown_as, "DAT-11", "the file is empty", "Write a header and at least one row")
    if wide and "\0" in text:
        raise refuse(shown_as, "DAT-08", "holds a NUL character", "Export the file again")
    return text


def _check_bytes(raw: bytes, shown_as: str) -> None:
    if raw.startswith(UTF16_BOMS) or _alternates_with_nul(raw[:200]):
        remedy = 'Save it as UTF-8, or write encoding: utf-16 under "source"'
        raise refuse(shown_as, "DAT-08", "the file is UTF-16, at byte 0", remedy)
    offset = raw.find(b"\0")
    if offset >= 0:
        row = raw.count(b"\n", 0, offset) + 1
        message = f"holds a NUL byte at byte offset {offset}"
        raise refuse(
            shown_as, "DAT-08", message, "The file is damaged or is no text file; export it again", row=row
        )


def _alternates_with_nul(start: bytes) -> bool:
    return len(start) >= 4 and any(not any(start[i::2]) and all(start[1 - i :: 2]) for i in (0, 1))


def _undecodable(raw: bytes, offset: int, encoding: str, shown_as: str) -> DataError:
    row = raw.count(b"\n", 0, offset) + 1
    message = f"byte offset {offset} is not {encoding}"
    remedy = "Save the file as UTF-8, or declare its encoding"
    try:
        raw.decode("cp1252")
    except UnicodeDecodeError:
        return refuse(shown_as, "DAT-08", message, remedy, row=row)
    remedy = 'It may be Windows-1252: save the file as UTF-8, or write encoding: cp1252 under "source"'
    return refuse(shown_as, "DAT-08", message, remedy, row=row)


def _reader(text: str, separator: str) -> _csv.Reader:
    return csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)


def _read_header(text: str, separator: str, shown_as: str) -> tuple[list[str], tuple[str, ...]]:
    """Header names without spaces around them, and a notice where there were any."""
    try:
        written = next(_reader(text, separator))
    except csv.Error as error:
        found = Findings(shown_as)
        _add_quote_problem(found, error, 1, 1)
        raise DataError(found.problems()) from None
    header = [name.strip() for name in written]
    if len(header) > MAX_COLUMNS:
        message = f"{len(header):,} columns, the limit is {MAX_COLUMNS:,}"
        raise refuse(shown_as, "DAT-10", message, "Leave out columns that are not declared", row=1)
    if len(header) == 1:
        # With one column, the delimiter is the first suspect.
        _check_delimiter(text, separator, 1, shown_as)
    check_names(header, shown_as)
    padded = [repr(name) for name, before in zip(header, written, strict=True) if name != before]
    if not padded:
        return header, ()
    shown = ", ".join(padded[:10]) + (" …" if len(padded) > 10 else "")
    return header, (f"{shown_as}: spaces around header names were removed: {shown}",)


def _read_records(text: str, separator: str, width: int, shown_as: str) -> tuple[list[list[str]], list[int]]:
    """All records after the header with the lines they start on."""
    found = Findings(shown_as)
    reader = _reader(text, separator)
    next(reader)
    records: list[list[str]] = []
    rows: list[int] = []
    blank: list[int] = []
    while len(records) <= MAX_ROWS and not found.full:
        start = reader.line_num + 1
        try:
            record = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            _add_quote_problem(found, error, start, reader.line_num)
            break
        if not record:
            blank.append(start)
            continue
        # Blank lines at the end of a file are harmless; one inside it may be a lost record.
        for row in blank:
            found.add("DAT-02", "the line is blank inside the table", "Delete it or fill it in", row=row)
        blank.clear()
        _check_record(found, record, width, start, reader.line_num)
        records.append(record)
        rows.append(start)
    if len(records) > MAX_ROWS:
        raise refuse(shown_as, "DAT-10", f"more than {MAX_ROWS:,} rows, which is the limit", "Split the file")
    if not records and not found:
        raise refuse(shown_as, "DAT-11", "the file has a header and no rows", "Write at least one row")
    if found:
        _check_delimiter(text, separator, width, shown_as)
        raise _summary(found, records, width)
    return records, rows


def _check_record(found: Findings, record: list[str], width: int, start: int, end: int) -> None:
    if len(record) != width:
        message = f"{len(record)} fields, the header has {width}"
        if end > start:
            message += f"; a quote that opens in this row runs on to row {end}"
            found.add("DAT-09", message, "Close the quote where its cell ends", row=start)
            return
        code, remedy = (
            ("DAT-01", "Quote a cell that holds the delimiter, or give every column a header")
            if len(record) > width
            else ("DAT-02", "Write every field of the row, also the empty ones")
        )
        found.add(code, message, remedy, row=start)
    elif max(map(len, record)) > MAX_CELL:
        _add_long_cell(found, start, end)


def _add_long_cell(found: Findings, start: int, end: int) -> None:
    if end > start:
        message = f"a quote that opens in this row is not closed within {MAX_CELL:,} characters"
        found.add("DAT-09", message, 'Close it; write a quote inside a cell twice ("")', row=start)
    else:
        message = f"a cell has more than {MAX_CELL:,} characters, which is the limit"
        found.add("DAT-10", message, "Shorten it or leave the column out", row=start)


def _add_quote_problem(found: Findings, error: csv.Error, start: int, end: int) -> None:
    if "field larger" in str(error):
        _add_long_cell(found, start, end)
    elif end > start or "unexpected end" in str(error):
        message = "a quote that opens in this row is not closed, so nothing after it can be read"
        found.add("DAT-09", message, 'Close it; write a quote inside a cell twice ("")', row=start)
    else:
        message = "a quoted cell is followed by something else than the delimiter"
        found.add("DAT-09", message, 'Write a quote inside a cell twice ("")', row=start)


def _summary(found: Findings, records: list[list[str]], width: int) -> DataError:
    """One line instead of thousands where all rows have the same wrong number of fields."""
    widths = {len(record) for record in records}
    if len(records) < 2 or len(widths) != 1 or width in widths or len(found.counts) != 1:
        return DataError(found.problems())
    first = found.problems()[0]
    message = f"{first.message}; the same in all {len(records):,} rows"
    return DataError(Problem(first.code, message, first.remedy, file=first.file, line=first.line))


def _check_delimiter(text: str, separator: str, width: int, shown_as: str) -> None:
    """Refuse a file that another delimiter splits better, and name it; never used to read."""
    lines = text[:SAMPLE].splitlines()
    sample = (lines[:-1] if len(text) > SAMPLE else lines)[:20]
    for other in DELIMITERS:
        records = [record for record in csv.reader(sample, delimiter=other) if record]
        widths = {len(record) for record in records}
        if other == separator or len(widths) != 1 or max(widths) <= width:
            continue
        written = "\\t" if other == "\t" else other
        remedy = f'Write delimiter: "{written}"'
        cells = [cell.strip() for record in records[1:] for cell in record]
        if other != "," and any(re.fullmatch(r"[+-]?\d+,\d+", cell) for cell in cells):
            remedy += ' and decimal: ","'
        message = f"split at {separator!r} the header has {width} fields"
        message += f", split at {other!r} every row has {max(widths)}"
        raise refuse(shown_as, "DAT-04", message, f'{remedy} under "source" in the dictionary', row=1)
