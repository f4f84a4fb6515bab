"""Checks text tables against the dictionary and converts them.

What the dictionary does not declare is not read. What breaks a declaration is an error that names file, row,
column and rule, never the cell. All problems of all tables are reported together.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from predictor.config.dictionary import DateKnown, Dictionary, Table
from predictor.config.source import Source
from predictor.data.columns import (
    STANDS_ALREADY,
    convert_columns,
    declared_headers,
    keep_declared_names,
    measured,
    structural_headers,
)
from predictor.data.derived import Counted, add_derived, counted_by
from predictor.data.findings import Findings
from predictor.data.item_scores import add_scores
from predictor.data.lone_dates import note_lone_dates
from predictor.data.parts import (
    Keep,
    Survey,
    WholeColumn,
    first_problems,
    readable_in_parts,
    say_uninformative,
)
from predictor.data.reading import Reading
from predictor.data.repeats import note_repeats
from predictor.data.rows import keep_own_rows
from predictor.data.sources.parquet_parts import UNDECLARED, PatientParts, open_parts
from predictor.data.sources.reading import read_source
from predictor.data.sources.text_table import TextTable
from predictor.data.spelling import respelled_keys
from predictor.data.timing import note_untimed
from predictor.errors import DataError, Problem

__all__ = ["ConformedTable", "conform_table", "read_tables"]


@dataclass(frozen=True)
class ConformedTable:
    """One table as the dictionary declares it.

    Parameters
    ----------
    name : str
        The table's name in the dictionary.
    frame : pandas.DataFrame
        The key (text as written), visit labels, dates, and one column per declared header. Numbers, integers
        and booleans (1.0, 0.0) are float64 with NaN; dates datetime64[ns] with NaT; all else str or None.
    rows : ndarray of int of shape (rows,)
        Line of the file behind each row of the frame.
    notices : tuple of str
        What was left out or put right, in counts.
    sha256 : str
        Hash of the file.
    whole : dict of str to WholeColumn
        Of a table of which only a part of the rows was kept: all values of each column whose unit can be doubted.
    """

    name: str
    frame: pd.DataFrame
    rows: np.ndarray
    notices: tuple[str, ...]
    sha256: str
    whole: Mapping[str, WholeColumn] = field(default_factory=dict)


def read_tables(
    dictionary: Dictionary,
    sources: Mapping[str, Path],
    *,
    learning: bool = True,
    keep: Callable[[Mapping[str, ConformedTable], str], Keep | None] | None = None,
) -> dict[str, ConformedTable]:
    """Read and convert every table of a dictionary; a file shared by several tables is read once.

    Parameters
    ----------
    dictionary : Dictionary
    sources : mapping of str to Path
        File of each table; a database on a server has none.
    learning : bool
        True where a model is to be learned: one row is then too little, a column without any value an error.
        False for new patients, whose file also need not have the columns known ``after`` day 0.
    keep : callable, optional
        From the tables that were read at once and the name of one that is read in parts to which of its rows are
        needed; by default all are kept.

    Raises
    ------
    DataError
        With the problems of all tables.
    """
    problems: dict[Problem, None] = {}  # tables of one file share problems
    tables, large = _read_at_once(dictionary, sources, problems, learning=learning)
    for name, parts in large.items() if not problems else ():
        needed = keep(tables, name) if keep is not None else None
        with _collected(problems):
            tables[name] = _conform_parts(parts, dictionary[name], name, keep=needed, learning=learning)
    if not problems:
        problems |= dict.fromkeys(_padded_keys(tables, dictionary, sources))
    if not problems:
        problems |= dict.fromkeys(_respelled_keys(tables, dictionary, sources))
    if problems:
        raise DataError(list(problems))
    return {name: tables[name] for name, _ in dictionary.tables()}


@contextmanager
def _collected(problems: dict[Problem, None]) -> Iterator[None]:
    """Go on after a table that cannot be read, with what is wrong with it."""
    try:
        yield
    except DataError as error:
        problems.update(dict.fromkeys(error.problems))


def _read_at_once(
    dictionary: Dictionary, sources: Mapping[str, Path], problems: dict[Problem, None], *, learning: bool
) -> tuple[dict[str, ConformedTable], dict[str, PatientParts]]:
    """Read every table that is not too large, and open the others."""
    texts: dict[tuple[Path | None, str, tuple[str, ...]], TextTable | DataError] = {}
    tables: dict[str, ConformedTable] = {}
    large: dict[str, PatientParts] = {}
    needed_whole = {one for _, declared in dictionary.tables() for one in counted_by(declared)}
    for name, declared in sorted(dictionary.tables(), key=lambda table: bool(counted_by(table[1]))):
        source, path = declared.source, sources.get(name)
        with _collected(problems):
            parts = _open_large(path, declared) if name not in needed_whole else None
            if parts is not None:
                large[name] = parts
                continue
            file = (path and path.absolute(), source.reading, declared.concepts)
            if file not in texts:
                texts[file] = _try_read(path, source, declared.concepts)
            text = texts[file]
            if isinstance(text, DataError):
                raise text
            counted = {
                one: (dictionary[one], tables[one].frame) for one in counted_by(declared) if one in tables
            }
            if len(counted) < len(counted_by(declared)):
                continue  # what is wrong with the counted table is said already
            tables[name] = conform_table(
                text, declared, name=name, decimal=source.decimal, learning=learning, counted=counted
            )
    return tables, large


def _open_large(path: Path | None, declared: Table) -> PatientParts | None:
    """Open a Parquet file that is larger than what is read at once, where its table can be read in parts."""
    if path is None or not path.is_file() or counted_by(declared) or readable_in_parts(declared):
        return None
    wanted = [*declared_headers(declared), *declared.source.where, "DTYPE", "PARAMCD"]
    return open_parts(path, wanted, declared.key, shown_as=_shown(path, declared.source))


def _conform_parts(
    parts: PatientParts, declared: Table, name: str, *, keep: Keep | None, learning: bool
) -> ConformedTable:
    """Conform a table part by part, and keep of each what is needed."""
    survey, problems = Survey(declared), dict[Problem, None]()
    frames, rows, n = list[pd.DataFrame](), list[np.ndarray](), 0
    for text in parts.texts():
        try:
            part = conform_table(text, declared, name=name, decimal=".", learning=learning, survey=survey)
        except DataError as error:
            problems |= dict.fromkeys(error.problems)
            continue
        chosen = np.ones(len(part.frame), bool) if keep is None or problems else keep(part.frame)
        frames.append(part.frame.loc[chosen])
        rows.append(part.rows[chosen])
        n += len(part.frame)
    found = Findings(parts.shown_as)
    said = [str(one) for one in survey.finish(found, learning=learning, sound=not problems)]
    if problems or found:
        raise DataError(first_problems([*problems, *found.problems()]))
    kept, place = pd.concat(frames, ignore_index=True), np.concatenate(rows)
    if len(kept) < n:
        said.append(
            f"{parts.shown_as}: of {n:,} rows, all checked, {n - len(kept):,} lie outside every window and were not "
            "kept"
        )
    order = np.argsort(place, kind="stable")
    return ConformedTable(
        name,
        kept.iloc[order].reset_index(drop=True),
        place[order],
        tuple(said),
        parts.sha256,
        whole=survey.whole_columns() if len(kept) < n else {},
    )


def _try_read(path: Path | None, source: Source, concepts: tuple[str, ...]) -> TextTable | DataError:
    try:
        return read_source(path, source, shown_as=_shown(path, source), concepts=concepts)
    except DataError as error:
        return error


def _shown(path: Path | None, source: Source) -> str:
    if path is None:
        return source.place
    here = Path.cwd()
    shown = str(path.relative_to(here) if path.is_relative_to(here) else path)
    return shown if source.sql is None else f"{shown} ({source.sql.asked})"


def _padded_keys(
    tables: Mapping[str, ConformedTable], dictionary: Dictionary, sources: Mapping[str, Path]
) -> list[Problem]:
    """Keys that would be one patient's but for spaces around them: the rows would silently not be joined."""
    written: dict[str, set[str]] = {}
    for name, table in tables.items():
        for key in table.frame[dictionary[name].key].unique():
            written.setdefault(key.strip(), set()).add(key)
    padded = {key for keys in written.values() if len(keys) > 1 for key in keys if key != key.strip()}
    remedy = "Write each key the same way everywhere"
    problems = []
    for name, table in tables.items():
        header = dictionary[name].key
        rows = table.rows[table.frame[header].isin(list(padded)).to_numpy(bool)]
        if len(rows):
            message = f"{len(rows)} patient keys differ from others only in spaces around them"
            problems.append(
                Problem(
                    "DAT-05",
                    message,
                    remedy,
                    path=header,
                    file=_shown(sources.get(name), dictionary[name].source),
                    line=int(rows[0]),
                )
            )
    return problems


def _respelled_keys(
    tables: Mapping[str, ConformedTable], dictionary: Dictionary, sources: Mapping[str, Path]
) -> Iterable[Problem]:
    """Keys that would be one patient's but for case, leading zeros or what cannot be seen."""
    wrong = respelled_keys({name: table.frame[dictionary[name].key] for name, table in tables.items()})
    for name, keys in wrong.items():
        header = dictionary[name].key
        rows = tables[name].rows[tables[name].frame[header].isin(list(keys)).to_numpy(bool)]
        message = (
            f"{len(keys)} patient keys are written in another way elsewhere: they differ in case, leading zeros or "
            "invisible characters only"
        )
        remedy = "Write each key the same way everywhere"
        yield Problem(
            "DAT-05",
            message,
            remedy,
            path=header,
            file=_shown(sources.get(name), dictionary[name].source),
            line=int(rows[0]),
        )


def conform_table(
    text: TextTable,
    table: Table,
    *,
    name: str,
    decimal: str,
    learning: bool = True,
    counted: Counted | None = None,
    survey: Survey | None = None,
) -> ConformedTable:
    """Check and convert one table by its declaration.

    Parameters
    ----------
    text : TextTable
        The file's cells.
    table : Table
        The declaration.
    name : str
        The table's name in the dictionary.
    decimal : {".", ","}
        Decimal mark of the file.
    learning : bool
        As in `read_tables`.
    counted : mapping of str to (Table, pandas.DataFrame), optional
        Tables whose rows its columns count.
    survey : Survey, optional
        Where the text is a part of the table only: learns what is said of whole columns.

    Raises
    ------
    DataError
        CFG-14 for a declared column that the file does not have; DAT-05 keys and copies, DAT-07 numbers,
        DAT-11 one row, DAT-16 dates, DAT-18 ranges, DAT-19 items that contradict their total, DAT-20 codes, DAT-21
        columns without information; CFG-48 for a score without its items.
    """
    found = Findings(text.shown_as or name)
    reading = Reading(text.frame, text.rows, table, decimal, found)
    absent = _check_headers(reading, unread=text.unread, learning=learning)
    reading = keep_own_rows(reading, learning=learning)
    reading = _check_duplicates(reading)
    if table.layout == "long":
        reading = keep_declared_names(reading)
    frame = convert_columns(reading, absent)
    if learning and not found:
        note_repeats(reading, frame)
    if learning and not found and survey is None:
        note_lone_dates(reading, frame)
    if not found:
        frame, reading = add_derived(frame, reading, counted or {})
    if not found:
        frame, reading = add_scores(frame, reading)
    if learning:
        note_untimed(reading, frame)
    if survey is not None:
        survey.add(reading, frame)
    elif learning:
        _check_informative(reading, frame)
    found.raise_if_any()
    said = (*text.notices, *map(str, reading.notices))
    return ConformedTable(name, frame, reading.rows, said, text.sha256)


def _check_headers(reading: Reading, *, unread: tuple[str, ...], learning: bool) -> set[str]:
    """Report declared columns that the file lacks; return those that it may lack."""
    declared = reading.declared
    headers = [*(one for one in reading.cells.columns if one != UNDECLARED), *unread]
    wanted = list(dict.fromkeys([*declared_headers(declared), *declared.source.where]))
    lacking = [header for header in wanted if header not in headers]
    structural = [*structural_headers(declared), *declared.source.where]
    absent = {
        header
        for header in lacking
        if not learning and header not in structural and _known_after(declared, header)
    }
    message = "declared in the dictionary, but the file has no such column"
    for header in lacking:
        if header not in absent:
            nearest = _nearest(header, headers)
            remedy = f"{f'Did you mean {nearest}? ' if nearest else ''}Mend the dictionary or the file"
            reading.found.add("CFG-14", message, remedy, row=1, column=header)
    reading.found.raise_if_any()
    if absent:
        reading.note(f"{len(absent)} columns known after day 0 are not in the file")
    computed = {header for header, column in declared.columns.items() if column.computed}
    for header in headers if declared.layout == "wide" else ():
        if header in computed:
            reading.found.add("CFG-48", *STANDS_ALREADY, row=1, column=header)
    undeclared = len(set(headers) - set(wanted) - computed)
    if undeclared:
        reading.note(f"{undeclared} columns are not declared in this table and were not read")
    return absent


def _known_after(table: Table, header: str) -> bool:
    column = table.columns[header]
    return table.known_of(column) == "after" or (column.day is not None and column.day > 0)


def _nearest(header: str, headers: Iterable[str]) -> str:
    lowered = {known.casefold(): known for known in reversed(list(headers))}
    close = difflib.get_close_matches(header.casefold(), list(lowered), n=3, cutoff=0.6)
    return " or ".join(repr(lowered[name]) for name in close)


def _one_row_per_patient(table: Table) -> bool:
    if table.rows == "several" or table.layout == "long" or table.visits is not None:
        return False
    if isinstance(table.known, DateKnown):
        return False
    return any(not isinstance(table.known_of(column), DateKnown) for column in table.columns.values())


def _check_duplicates(reading: Reading) -> Reading:
    """Drop exact copies of a row where that is declared; report every other one."""
    declared, found = reading.declared, reading.found
    copies = reading.cells.duplicated().to_numpy(bool)
    if declared.duplicates == "drop_exact" and copies.any():
        reading.note("rows are exact copies of another row and were dropped", n=int(copies.sum()))
        reading = reading.take(~copies)
        copies = np.zeros(len(reading.rows), dtype=bool)
    keys = reading.cells[declared.key]
    # Versions of one patient's row are told apart by when they were recorded.
    which = [declared.key, *([declared.recorded] if declared.recorded is not None else [])]
    again = reading.cells[which].duplicated().to_numpy(bool) & (keys.str.strip() != "").to_numpy(bool)
    if _one_row_per_patient(declared):
        rows, message = reading.rows[again], "the patient's key stands in an earlier row"
        remedy = (
            "Keep one row per patient, or declare visits or dates; duplicates: drop_exact drops exact copies"
        )
    else:
        rows, message = reading.rows[copies], "an exact copy of an earlier row"
        remedy = "Delete it, or write duplicates: drop_exact in the dictionary"
    for row in rows:
        found.add("DAT-05", message, remedy, row=int(row), column=declared.key)
    return reading


def _check_informative(reading: Reading, frame: pd.DataFrame) -> None:
    """Report one row, and columns known at day 0 without any value; note those with a single value."""
    found, declared = reading.found, reading.declared
    if len(reading.cells) == 1:
        message = "the file has one row; nothing can be learned from one patient"
        found.add("DAT-11", message, "Add the other patients' rows")
        return
    sound = not found
    for label, column, values in measured(frame, declared):
        if column.computed and not sound:
            continue
        if column.kind == "date" or declared.known_of(column) == "after" or found.concern(label):
            continue
        say_uninformative(found, reading.notices, label, values.nunique())
