"""One table's text, column by column, turned into values; what does not fit is a finding with its row."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
import pandas as pd

from predictor.config.dictionary import Column, DateKnown, Table, Visits
from predictor.data.cells import RefusedCellError, cell_reader, plain_dates, plain_numbers
from predictor.data.instruments import find_instrument, similar_instruments
from predictor.data.reading import Reading
from predictor.data.spelling import spelling
from predictor.data.unit_columns import check_unit, convert_rows, note_limits, of_another_assay

__all__ = [
    "STANDS_ALREADY",
    "convert_columns",
    "date_headers",
    "declared_headers",
    "keep_declared_names",
    "measured",
    "structural_headers",
]

NUMERIC = {"number", "integer", "boolean"}
IDENTIFIER_ROWS = 20
STANDS_ALREADY = (
    "the file holds what the dictionary says is computed from items",
    "Give the score another name; declare the file's own total without `score:`, and the two are compared",
)


def date_headers(table: Table) -> list[str]:
    """Return the columns that hold the dates of other columns: those they speak of, and those they were recorded on.

    Parameters
    ----------
    table : Table
    """
    known = [table.known, *(column.known for column in table.columns.values())]
    dates = [k.date for k in known if isinstance(k, DateKnown)]
    return list(dict.fromkeys([*dates, *_recorded_headers(table)]))


def _recorded_headers(table: Table) -> list[str]:
    recorded = [table.recorded, *(column.recorded for column in table.columns.values())]
    return [header for header in recorded if header is not None]


def structural_headers(table: Table) -> list[str]:
    """Return the columns that place a row: key, visit label, dates, and in a long table name and value.

    Parameters
    ----------
    table : Table
    """
    names = [table.key, table.visits.column if table.visits else None, *date_headers(table)]
    if table.layout == "long":
        names += [table.name_column, table.value_column]
    return list(dict.fromkeys(name for name in names if name))


def declared_headers(table: Table) -> list[str]:
    """Return every column that the file should have: all but the computed ones.

    Parameters
    ----------
    table : Table
    """
    own = [header for header, column in table.columns.items() if not column.computed]
    own = own if table.layout == "wide" else []
    beside = [h for column in table.columns.values() for h in (column.unit_column, column.assay_column) if h]
    return list(dict.fromkeys([*structural_headers(table), *own, *beside]))


def keep_declared_names(reading: Reading) -> Reading:
    """Drop the rows of a long table whose quantity is not declared, and count them.

    Parameters
    ----------
    reading : Reading
    """
    declared, found = reading.declared, reading.found
    header = str(declared.name_column)
    names = reading.cells[header].str.strip()
    cells = reading.cells.assign(**{header: names})
    _refuse_computed(reading, names)
    known = names.isin(list(declared.columns)).to_numpy(bool)
    folded = {name.casefold(): name for name in declared.columns}
    for position in np.flatnonzero(~known & names.str.casefold().isin(list(folded)).to_numpy(bool)):
        meant = folded[names.iloc[position].casefold()]
        message = f"differs from the declared name {meant!r} in upper and lower case only"
        found.add("DAT-20", message, "Write it one way", row=int(reading.rows[position]), column=header)
    if not known.all():
        reading.note("rows hold names that are not declared and were dropped", n=int((~known).sum()))
    return replace(reading, cells=cells).take(known)


def _refuse_computed(reading: Reading, names: pd.Series) -> None:
    computed = [name for name, column in reading.declared.columns.items() if column.computed]
    for row in reading.rows[names.isin(computed).to_numpy(bool)]:
        reading.found.add("CFG-48", *STANDS_ALREADY, row=int(row), column=str(reading.declared.name_column))


def convert_columns(reading: Reading, absent: set[str]) -> pd.DataFrame:
    """Return the values of all declared columns; what does not fit is added to the findings.

    Parameters
    ----------
    reading : Reading
    absent : set of str
        Headers the file lacks and may lack; their columns are all missing.
    """
    declared = reading.declared
    dates = date_headers(declared)
    columns: dict[str, pd.Series] = {}
    for header in declared_headers(declared):
        column = declared.columns.get(header) if declared.layout == "wide" else None
        if header == declared.key:
            columns[header] = _convert_key(reading)
        elif declared.visits is not None and header == declared.visits.column:
            columns[header] = _convert_labels(reading, declared.visits)
        elif header in dates:
            columns[header] = _convert(reading, header, column or Column(type="date"), kind="date")
            _count_undated(reading, header, columns[header])
        elif header in absent:
            columns[header] = _scatter(
                np.empty(0, object), np.zeros(len(reading.rows), bool), declared.columns[header].kind
            )
        elif column is not None:
            columns[header] = _convert(reading, header, column, kind=column.kind)
        elif header == declared.value_column:
            columns[header] = _convert_long_values(reading)
        else:
            columns[header] = reading.cells[header].astype(object)
    return pd.DataFrame(columns)


def _count_undated(reading: Reading, header: str, dates: pd.Series) -> None:
    undated = int(dates.isna().sum())
    if undated and header in _recorded_headers(reading.declared):
        said = f"rows do not say in {header!r} when they were recorded, so they count as not known at day 0"
        reading.note(said, n=undated)
    elif undated:
        reading.note(f"rows have no date in {header!r} and cannot be placed in time", n=undated)


def _convert_key(reading: Reading) -> pd.Series:
    """Keys as written: ``00123`` stays, and so does a key called ``NA`` unless that is declared missing."""
    header = reading.declared.key
    keys = reading.cells[header]
    missing = keys.str.strip().isin(["", *reading.declared.source.missing]).to_numpy(bool)
    remedy = "Fill it in or delete the row"
    for row in reading.rows[missing]:
        reading.found.add("DAT-05", "the patient's key is missing", remedy, row=int(row), column=header)
    return keys.astype(object)


def _convert_labels(reading: Reading, visits: Visits) -> pd.Series:
    maps = visits.days.values() if visits.by else [visits.days]
    labels = list(dict.fromkeys(str(label) for days in maps for label in days))
    column = Column(type="category", values={label: label for label in labels})
    converted = _convert(reading, visits.column, column, kind="category")
    if visits.missing == "error":
        remedy = "Fill it in, or write missing: ignore under visits"
        for row in reading.rows[_missing(reading, visits.column, column)]:
            reading.found.add(
                "DAT-20", "the visit label is missing", remedy, row=int(row), column=visits.column
            )
    return converted


def _convert_long_values(reading: Reading) -> pd.Series:
    """Each measure's values by its own declaration; numbers if all measures are."""
    declared = reading.declared
    names = reading.cells[str(declared.name_column)]
    numeric = all(column.kind in NUMERIC for column in declared.columns.values())
    result = np.full(len(names), None, dtype=object)
    for name, column in declared.columns.items():
        if column.computed:
            continue
        own = (names == name).to_numpy(bool)
        header = str(declared.value_column)
        values = _convert(reading.take(own), header, column, kind=column.kind, shown=f"{header} ({name})")
        result[own] = values.astype(object).to_numpy()
    return pd.Series(result.astype(float)) if numeric else pd.Series(result, dtype=object)


def _missing(reading: Reading, header: str, column: Column) -> np.ndarray:
    codes = {"", *(code.strip() for code in [*reading.declared.source.missing, *column.missing])}
    empty = reading.cells[header].str.strip().isin(list(codes)).to_numpy(bool)
    return np.asarray(empty | of_another_assay(reading, column))


def _convert(reading: Reading, header: str, column: Column, *, kind: str, shown: str = "") -> pd.Series:
    """One column's values; every refused cell becomes a problem with its row."""
    shown = shown or header
    _check_instrument(reading, shown, column)
    check_unit(reading, shown, column)
    present = ~_missing(reading, header, column)
    note_limits(reading, header, column, present, shown)
    if column.file_unit is not None or column.unit_column is not None:
        # Limits are those of the declared unit, so that they are looked at after the conversion.
        plain = Column(type="number", below_limit=column.below_limit, above_limit=column.above_limit)
        values = _read(reading, header, plain, present, kind="number", shown=shown)
        return convert_rows(reading, values, column, shown)
    return _read(reading, header, column, present, kind=kind, shown=shown)


def _read(
    reading: Reading, header: str, column: Column, present: np.ndarray, *, kind: str, shown: str
) -> pd.Series:
    cells = reading.cells[header][present]
    verbatim = kind in {"text", "category"} and column.values is None
    cells = cells if verbatim else cells.str.strip()
    numbers = plain_numbers(cells, column, kind=kind, decimal=reading.decimal)
    if numbers is not None:
        return _scatter(numbers, present, kind)
    dates = plain_dates(cells, column, kind=kind)
    if dates is not None:
        return _scatter(dates, present, kind)
    positions, distinct = pd.factorize(cells)
    values, refused = _read_distinct(distinct, cell_reader(column, kind=kind, decimal=reading.decimal))
    rows = reading.rows[present]
    for at in np.flatnonzero(np.isin(positions, list(refused))) if refused else ():
        why = refused[int(positions[at])]
        reading.found.add(why.code, why.message, why.remedy, row=int(rows[at]), column=shown)
    if kind == "category" and column.values is None:
        _check_levels(reading, shown, positions, list(distinct), rows)
    return _scatter(values[positions], present, kind)


def _read_distinct(
    distinct: pd.Index, read: Callable[[str], object]
) -> tuple[np.ndarray, dict[int, RefusedCellError]]:
    """Each distinct text's value, and why some were refused, by position."""
    values: list[object] = []
    refused: dict[int, RefusedCellError] = {}
    for i, cell in enumerate(distinct.to_numpy(dtype=object)):
        try:
            values.append(read(cell))
        except RefusedCellError as error:
            refused[i] = error
            values.append(None)
    return np.array([*values, None], dtype=object)[:-1], refused


def _scatter(values: np.ndarray, present: np.ndarray, kind: str) -> pd.Series:
    """Put the values back where they were present, in the kind's type."""
    if kind in NUMERIC:
        numbers = np.full(len(present), np.nan)
        numbers[present] = values.astype(float)
        return pd.Series(numbers)
    if values.dtype.kind == "M":
        dates = np.full(len(present), np.datetime64("NaT", "ns"))
        dates[present] = values
        return pd.Series(dates)
    whole = np.full(len(present), None, dtype=object)
    whole[present] = values
    return pd.Series(whole.astype("datetime64[ns]")) if kind == "date" else pd.Series(whole, dtype=object)


def _check_instrument(reading: Reading, header: str, column: Column) -> None:
    if column.instrument is None:
        return
    scale = find_instrument(column.instrument)
    if scale is not None:
        items = list(scale.rating.items) if scale.rating else []
        if column.item is not None and str(column.item) not in items:
            named = f"it has {', '.join(items)}" if items else "only its total can be read"
            message = f"{scale.name} has no item {column.item!r}; {named}"
            reading.found.add("CFG-48", message, "Mend the dictionary", column=header)
        return
    near = similar_instruments(column.instrument)
    meant = f"Did you mean {' or '.join(near)}? " if near else ""
    remedy = f"{meant}For a scale that is not listed write measure: {column.instrument} and a range"
    reading.found.add("CFG-08", f"the instrument {column.instrument!r} is not known", remedy, column=header)


def _check_levels(
    reading: Reading, header: str, positions: np.ndarray, levels: list[str], rows: np.ndarray
) -> None:
    """Report levels that look alike, and text that is different in every row."""
    found = reading.found
    if len(levels) == len(positions) >= IDENTIFIER_ROWS:
        message = f"a category with another text in each of {len(levels)} rows"
        remedy = "Declare it as type: text if it is not to be used, or declare its values"
        found.add("DAT-21", message, remedy, column=header)
        return
    first = rows[np.unique(positions, return_index=True)[1]]
    seen: dict[str, int] = {}
    for level, row in zip(levels, first, strict=True):
        earlier = seen.setdefault(spelling(level), int(row))
        if earlier != row:
            message = (
                f"a category that differs from the one in row {earlier} only in case, spaces or invisible "
                "characters"
            )
            remedy = "Declare values and give both codes one name"
            found.add("DAT-20", message, remedy, row=int(row), column=header)


def measured(frame: pd.DataFrame, declared: Table) -> Iterable[tuple[str, Column, pd.Series]]:
    """Yield name, declaration and values of every declared column; in a long table of every measure.

    A score that could not be computed, because something else is wrong, is left out.

    Parameters
    ----------
    frame : pandas.DataFrame
        Converted columns.
    declared : Table
    """
    if declared.layout == "long":
        # Names become numbers once: comparing a million texts with each quantity's name is what costs.
        codes, names = pd.factorize(frame[str(declared.name_column)])
        values, places = frame[str(declared.value_column)], {name: at for at, name in enumerate(names)}
        for name, column in declared.columns.items():
            yield name, column, values.loc[codes == places.get(name, len(names))]
        return
    for name, column in declared.columns.items():
        if name != declared.key and name in frame:
            yield name, column, frame[name]
