"""What a column says about its unit and its assay, row by row: conversions, and what was below or above a limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from predictor.data.analytes import ANALYTES, named_analyte, similar_analytes
from predictor.data.cells import limits_of
from predictor.data.conversion import UnitError, convert

if TYPE_CHECKING:
    from predictor.config.dictionary import Column
    from predictor.data.reading import Reading

__all__ = ["check_unit", "convert_rows", "note_limits", "of_another_assay"]

READ_AS = {"half": "half of it", "sqrt2": "the limit divided by √2", "limit": "the limit itself"}


def check_unit(reading: Reading, shown: str, column: Column) -> None:
    """Report an analyte that is not known, and a unit that it cannot have.

    Parameters
    ----------
    reading : Reading
    shown : str
        The column as messages name it.
    column : Column
    """
    if column.analyte is None:
        return
    analyte = ANALYTES.get(column.analyte)
    if analyte is None:
        near = similar_analytes(column.analyte)
        meant = f"Did you mean {' or '.join(near)}? " if near else ""
        remedy = f"{meant}For one that is not listed write measure: {column.analyte} and a range"
        reading.found.add("UNI-05", f"the analyte {column.analyte!r} is not known", remedy, column=shown)
    elif column.unit and column.unit not in (analyte.unit, *analyte.units):
        try:
            convert(np.ones(1), column.unit, analyte.unit, analyte)
        except UnitError as error:
            remedy = f"Write one of: {', '.join((analyte.unit, *analyte.units))}"
            reading.found.add(error.code, f"{error.message}, for {analyte.name}", remedy, column=shown)


def of_another_assay(reading: Reading, column: Column) -> np.ndarray:
    """Return which rows were measured with another assay than the declared one.

    Parameters
    ----------
    reading : Reading
    column : Column
    """
    if column.assay_column is None:
        return np.zeros(len(reading.rows), dtype=bool)
    others = (reading.cells[column.assay_column].str.strip() != column.assay).to_numpy(bool)
    if others.any():
        said = f"rows of another assay than {column.assay} were not read as {column.analyte}"
        reading.note(said, n=int(others.sum()))
    return others


def note_limits(reading: Reading, header: str, column: Column, present: np.ndarray, shown: str) -> None:
    """Count the cells that are below or above a limit and say what was made of them.

    Parameters
    ----------
    reading : Reading
    header : str
    column : Column
    present : ndarray of bool of shape (rows,)
    shown : str
    """
    cells = reading.cells[header][present].str.strip()
    if column.below_limit is not None and (below := int(cells.str.startswith("<").sum())):
        made = READ_AS[column.below_limit]
        reading.note(f"values of {shown} are below the limit of detection, read as {made}", n=below)
    if column.above_limit is not None and (above := int(cells.str.startswith(">").sum())):
        reading.note(f"values of {shown} are above the largest measurable one, read as it", n=above)


def convert_rows(reading: Reading, values: pd.Series, column: Column, shown: str) -> pd.Series:
    """Return the values in the column's unit, each from the unit of its row; what cannot be is a finding.

    Parameters
    ----------
    reading : Reading
    values : pandas.Series of float
        As they stand in the file.
    column : Column
    shown : str
    """
    numbers = values.to_numpy(float)
    present = ~np.isnan(numbers)
    given = _units_of_rows(reading, column)
    result = np.full(len(numbers), np.nan)
    for unit in np.unique(given[present]):
        own = present & (given == unit)
        try:
            result[own] = convert(numbers[own], str(unit), column.unit, named_analyte(column))
        except UnitError as error:
            _refuse(reading, column, own, error, shown, missing=unit == "")
            continue
        if unit != column.unit:
            said = f"values of {shown} were converted from {unit} to {column.unit}"
            reading.note(said, n=int(own.sum()))
    _check_limits(reading, result, column, shown)
    return pd.Series(result, index=values.index)


def _units_of_rows(reading: Reading, column: Column) -> np.ndarray:
    if column.unit_column is not None:
        return np.asarray(reading.cells[column.unit_column].str.strip().to_numpy(dtype=object))
    return np.full(len(reading.rows), column.file_unit or column.unit, dtype=object)


def _refuse(
    reading: Reading, column: Column, own: np.ndarray, error: UnitError, shown: str, *, missing: bool
) -> None:
    """Refuse a declared unit once, and one that stands in cells by row without repeating it."""
    if column.unit_column is None:
        reading.found.add(error.code, error.message, error.remedy, column=shown)
        return
    message = "the unit is missing" if missing else f"the unit is no UCUM code that can become {column.unit}"
    remedy = "Mend the cell: UCUM codes are written like mg/L, ug/dL or nmol/L"
    for row in reading.rows[own]:
        reading.found.add(error.code, message, remedy, row=int(row), column=column.unit_column)


def _check_limits(reading: Reading, values: np.ndarray, column: Column, shown: str) -> None:
    for low, high, rule in limits_of(column):
        for row in reading.rows[(values < low) | (values > high)]:
            remedy = "Mend the cell, or its unit; values are never clipped"
            reading.found.add("DAT-18", f"{rule}, after the conversion", remedy, row=int(row), column=shown)
