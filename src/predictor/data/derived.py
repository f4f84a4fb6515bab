"""Columns that a dictionary declares by a rule: body mass index, doses, the awakening response, counts and others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from predictor.config.derivations import (
    AwakeningResponse,
    BelowLimit,
    BodyMassIndex,
    Condition,
    Count,
    Difference,
    Dose,
    HoursBetween,
    inputs_of,
)
from predictor.config.dictionary import Column, Table
from predictor.data.cells import limits_of
from predictor.data.conversion import UnitError, convert
from predictor.data.item_scores import spread_by_assessment
from predictor.data.reading import Reading

__all__ = ["Counted", "add_derived", "counted_by"]

Counted = Mapping[str, tuple[Table, pd.DataFrame]]
"""Declaration and converted rows of the tables whose rows are counted."""


def counted_by(declared: Table) -> list[str]:
    """Return the tables whose rows a table counts.

    Parameters
    ----------
    declared : Table
    """
    rules = [column.derive for column in declared.columns.values()]
    return list(dict.fromkeys(rule.table for rule in rules if isinstance(rule, Count)))


def add_derived(frame: pd.DataFrame, reading: Reading, counted: Counted) -> tuple[pd.DataFrame, Reading]:
    """Return the table with its derived columns, each computed after those that it needs; in a long table as rows.

    Parameters
    ----------
    frame : pandas.DataFrame
        Converted columns of the file.
    reading : Reading
        Its findings receive UNI-05 and UNI-06 for units, DAT-17 for times in the wrong order, DAT-18 for a result
        outside its limits.
    counted : mapping of str to (Table, pandas.DataFrame)
    """
    if reading.declared.layout == "wide":
        return _computed(frame, reading, counted), reading
    return _add_rows(frame, reading, counted)


def _add_rows(frame: pd.DataFrame, reading: Reading, counted: Counted) -> tuple[pd.DataFrame, Reading]:
    """Compute from the values of one patient, visit and date, and append what is known."""
    columns = reading.declared.columns
    derived = [header for header, column in columns.items() if column.derive is not None]
    if not derived:
        return frame, reading
    needed = dict.fromkeys(one for header in derived for one in inputs_of(columns[header].derive))
    read = [header for header in needed if not columns[header].computed]
    wide, first = spread_by_assessment(frame, read, reading)
    wide = _computed(wide, replace(reading, rows=reading.rows[first]), counted)
    pieces, rows = [frame], [reading.rows]
    for header in derived:
        known = wide[header].notna().to_numpy(bool)
        own = frame.iloc[first[known]].assign(**{str(reading.declared.name_column): header})
        own[str(reading.declared.value_column)] = wide.loc[known, header].to_numpy(float)
        pieces.append(own)
        rows.append(reading.rows[first[known]])
    whole = pd.concat(pieces, ignore_index=True)
    cells = reading.cells.reindex(range(len(whole)))
    return whole, replace(reading, cells=cells, rows=np.concatenate(rows))


def _computed(frame: pd.DataFrame, reading: Reading, counted: Counted) -> pd.DataFrame:
    columns = reading.declared.columns
    waiting = {header: column for header, column in columns.items() if column.derive is not None}
    while waiting:
        ready = [h for h, column in waiting.items() if not set(inputs_of(column.derive)) & waiting.keys()]
        if not ready:
            break  # a circle, which the dictionary's checks refuse
        for header in ready:
            column = waiting.pop(header)
            values = _values(frame, reading, column, counted)
            frame = frame.assign(**{header: values})
            _check(reading, header, column, values)
    return frame


def _values(frame: pd.DataFrame, reading: Reading, column: Column, counted: Counted) -> np.ndarray:
    rule: Any = column.derive
    try:
        return np.asarray(RULES[type(rule)](rule, frame, reading, column, counted), dtype=float)
    except UnitError as error:
        reading.found.add(error.code, error.message, error.remedy)
        return np.full(len(frame), np.nan)


def _in(frame: pd.DataFrame, reading: Reading, header: str, unit: str) -> np.ndarray:
    return convert(frame[header].to_numpy(float), reading.declared.columns[header].unit, unit)


def _bmi(rule: BodyMassIndex, frame: pd.DataFrame, reading: Reading, *_: object) -> np.ndarray:
    """Weight / height², in kg/m2; height is taken in cm, so that the usual units need no package."""
    weight, height = _in(frame, reading, rule.weight, "kg"), _in(frame, reading, rule.height, "cm")
    return np.asarray(weight / (height / 100) ** 2)


def _dose(rule: Dose, frame: pd.DataFrame, reading: Reading, column: Column, *_: object) -> np.ndarray:
    weight, dose = _in(frame, reading, rule.weight, "kg"), frame[rule.dose].to_numpy(float)
    return np.asarray(dose * weight if column.unit == "mg" else dose / weight)


def _awakening(rule: AwakeningResponse, frame: pd.DataFrame, *_: object) -> np.ndarray:
    """Area above the first sample by trapezoids, divided by the time from the first to the last."""
    minutes = np.array(list(rule.samples.values()), dtype=float)
    samples = frame[list(rule.samples)].to_numpy(float)
    rise = samples - samples[:, :1]
    return np.asarray(np.trapezoid(rise, minutes, axis=1) / (minutes[-1] - minutes[0]))


def _hours(rule: HoursBetween, frame: pd.DataFrame, reading: Reading, *_: object) -> np.ndarray:
    """Hours; missing where a time of day is. Midnight is how a date without a time is read."""
    start, end = frame[rule.start], frame[rule.end]
    timed = (start != start.dt.normalize()) & (end != end.dt.normalize())
    hours = ((end - start).dt.total_seconds() / 3600).where(timed).to_numpy(float)
    for row in reading.rows[hours < 0]:
        message, remedy = f"{rule.end} is before {rule.start}", "Mend one of the two"
        reading.found.add("DAT-17", message, remedy, row=int(row), column=rule.end)
    return np.asarray(hours)


def _difference(rule: Difference, frame: pd.DataFrame, *_: object) -> np.ndarray:
    return np.asarray(frame[rule.of].to_numpy(float) - frame[rule.minus].to_numpy(float))


def _below(rule: BelowLimit, frame: pd.DataFrame, reading: Reading, *_: object) -> np.ndarray:
    written = reading.cells[rule.of].str.strip().str.startswith("<").to_numpy(bool)
    return np.where(frame[rule.of].isna().to_numpy(bool), np.nan, written)


def _count(
    rule: Count, frame: pd.DataFrame, reading: Reading, column: Column, counted: Counted
) -> np.ndarray:
    declared, rows = counted[rule.table]
    keep = np.ones(len(rows), dtype=bool)
    for test in rule.where:
        keep &= _passes(rows[declared.header_of(test.column) or test.column], test)
    number = rows.loc[keep, declared.key].value_counts()
    return frame[reading.declared.key].map(number).fillna(0).to_numpy(float)


def _passes(values: pd.Series, test: Condition) -> np.ndarray:
    """Whether each value passes; one that is missing does not."""
    if test.in_ is not None:
        return values.isin(test.in_).to_numpy(bool)
    numbers = values.to_numpy(float)
    low = -np.inf if test.min is None else test.min
    return np.asarray((numbers >= low) & (numbers <= (np.inf if test.max is None else test.max)))


RULES: Mapping[type, Callable[..., np.ndarray]] = {
    BodyMassIndex: _bmi,
    Dose: _dose,
    AwakeningResponse: _awakening,
    HoursBetween: _hours,
    Difference: _difference,
    BelowLimit: _below,
    Count: _count,
}


def _check(reading: Reading, header: str, column: Column, values: np.ndarray) -> None:
    for low, high, rule in limits_of(column):
        for row in reading.rows[(values < low) | (values > high)]:
            remedy = "Mend what it is computed from, or a unit; values are never clipped"
            reading.found.add("DAT-18", f"computed, and {rule}", remedy, row=int(row), column=header)
