"""From a table of new patients to the model's inputs: every cell is read by the model's own schema."""

from __future__ import annotations

import csv
import io
import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np

from predictor.data.cells import RefusedCellError, boolean_of, number_of
from predictor.errors import DataError, Problem
from predictor.prediction.records import Patient, Recorded
from predictor.prediction.unit_choice import UNIT, conversion_text, read_unit
from predictor.prediction_model import InputField, PredictionModel
from predictor.spreadsheet import without_formula

if TYPE_CHECKING:
    import pandas as pd

    from predictor.data.accepted_units import AcceptedUnit

__all__ = [
    "DATE",
    "DAY0",
    "DECIDED",
    "KEY",
    "SOURCE",
    "UNDECIDED",
    "Rows",
    "check_columns",
    "empty_table",
    "learned_text",
    "patient_keys",
    "read_patients",
    "read_value",
    "template",
]

LONGEST_NUMBER = LONGEST_SOURCE = 40
KEY = "patient"  # the column that no model reads
DATE, SOURCE = "_date", "_source"  # of the columns beside an input
# Of an export's courses, see `predictor.prediction.course`.
DAY0, DECIDED, UNDECIDED = "_day0", "_decided", "_undecided"
MISSING_TYPES = {"NAType", "NaTType"}  # of pandas, which need not have been imported


class Rows:
    """A small table without pandas: names, and one sequence of cells per patient.

    Parameters
    ----------
    columns : sequence of str
    cells : sequence of sequence
    """

    def __init__(self, columns: Sequence[str], cells: Sequence[Sequence[object]]) -> None:
        self.columns = columns
        self._cells = cells

    def __len__(self) -> int:
        return len(self._cells)

    def itertuples(self, *, index: bool, name: None) -> Iterator[Sequence[object]]:
        """Yield the cells of each patient, as a data frame does."""
        return iter(self._cells)


def read_patients(model: PredictionModel, frame: pd.DataFrame | Rows) -> list[Patient]:
    """Read each row; what cannot be read is noted beside the row, never guessed.

    Parameters
    ----------
    model : PredictionModel
    frame : pandas.DataFrame or Rows
        One row per patient.

    Raises
    ------
    DataError
        PRE-01, if columns are missing, unknown or doubled.
    """
    if not hasattr(frame, "itertuples"):
        message = f"a table with one row per patient was expected, came {type(frame).__name__}"
        raise DataError(Problem("PRE-01", message, "Give a pandas.DataFrame, or the path of a CSV file"))
    check_columns(model, frame)
    names = [str(c) for c in frame.columns]
    rows = frame.itertuples(index=False, name=None)
    return [
        _read_patient(model, i + 1, dict(zip(names, values, strict=True))) for i, values in enumerate(rows)
    ]


def check_columns(
    model: PredictionModel, frame: pd.DataFrame | Rows, *, instead: str = "`--template` writes an empty table"
) -> None:
    """Refuse a table whose columns are not the model's inputs.

    Parameters
    ----------
    model : PredictionModel
    frame : pandas.DataFrame or Rows
        May also have a column ``patient`` with a pseudonym, and beside each input NAME a column ``NAME_date``, the day
        it was recorded, one ``NAME_source``, and beside a number ``NAME_unit``, the UCUM code of one of its accepted
        units; an empty cell means the model's own.
    instead : str
        Where whoever sent the table finds one with the right columns.

    Raises
    ------
    DataError
        PRE-01, one line per missing, unknown or doubled column.
    """
    expected = [f.name for f in model.inputs]
    known = {KEY, *(f"{name}{part}" for name in expected for part in ("", DATE, SOURCE))}
    if not isinstance(frame, Rows) and model.cohort.get("decision_time", "baseline") != "baseline":
        known |= {DAY0, DECIDED, UNDECIDED}
    known |= {f"{one.name}{UNIT}" for one in model.inputs if one.kind == "number"}
    given = [str(c) for c in frame.columns]
    problems = [
        Problem("PRE-01", f"the column {name} stands {given.count(name)} times", "Keep one", path=name)
        for name in dict.fromkeys(given)
        if given.count(name) > 1
    ]
    problems += [
        Problem(
            "PRE-01",
            f"the model needs the column {name}",
            "Add it; leave a cell empty where it was not measured",
            path=name,
        )
        for name in expected
        if name not in given
    ]
    problems += [
        Problem(
            "PRE-01",
            f"the model knows no column {name}",
            f"Take it out; {instead}",
            path=name,
        )
        for name in dict.fromkeys(given)
        if name not in known
    ]
    if problems:
        raise DataError(problems)


def patient_keys(frame: pd.DataFrame | Rows) -> list[str] | None:
    """Return the pseudonyms of a table's column ``patient``, row by row; None where it has no such column.

    Parameters
    ----------
    frame : pandas.DataFrame or Rows
    """
    names = [str(name) for name in frame.columns]
    if KEY not in names:
        return None
    place = names.index(KEY)
    return [str(row[place]) for row in frame.itertuples(index=False, name=None)]


def learned_text(field_: InputField) -> str:
    """Return the learned range or levels in words.

    Parameters
    ----------
    field_ : InputField
    """
    if field_.kind == "category":
        return ", ".join(field_.levels)
    if field_.learned is None:
        return ""
    low, high = field_.learned
    if field_.grain == "yes_no":
        return ", ".join(word for word, value in (("no", 0), ("yes", 1)) if low <= value <= high)
    return f"{low:g} to {high:g}"


def template(model: PredictionModel) -> pd.DataFrame:
    """Return an empty table with the columns that the model needs.

    Parameters
    ----------
    model : PredictionModel
    """
    import pandas as pd

    return pd.DataFrame(columns=_columns(model))


def empty_table(model: PredictionModel) -> str:
    """Return the same as text of a CSV file, without the library of tables.

    Parameters
    ----------
    model : PredictionModel
    """
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerow([without_formula(name) for name in _columns(model)])
    return text.getvalue()


def _columns(model: PredictionModel) -> list[str]:
    return [KEY, *(one.name for one in model.inputs)]


def _read_patient(model: PredictionModel, row: int, raw: Mapping[str, object]) -> Patient:
    values: dict[str, float | str | None] = {}
    unreadable: dict[str, str] = {}
    for one in model.inputs:
        value, complaint = read_value(one, raw[one.name])
        values[one.name] = value
        if complaint:
            unreadable[one.name] = complaint
    recorded = {one.name: _read_recorded(one, raw, unreadable) for one in model.inputs}
    units = _convert(model, raw, values, unreadable, recorded)
    return Patient(
        row=row,
        values=values,
        unreadable=unreadable,
        plan=_plan_of(model, values),
        recorded=recorded,
        units=units,
        day0=_day_of(raw.get(DAY0)),
        decided=_day_of(raw.get(DECIDED)),
        undecided=str(raw.get(UNDECIDED) or ""),
    )


def _convert(
    model: PredictionModel,
    raw: Mapping[str, object],
    values: dict[str, float | str | None],
    unreadable: dict[str, str],
    recorded: dict[str, Recorded],
) -> dict[str, AcceptedUnit]:
    """Bring what was given in another unit into the model's, and note beside it what was given."""
    units: dict[str, AcceptedUnit] = {}
    beside = raw.keys() - values.keys()
    for one in model.inputs:
        given, cell = values[one.name], f"{one.name}{UNIT}"
        if cell not in beside or not isinstance(given, float):
            continue
        unit, complaint = read_unit(one, "" if _is_blank(raw[cell]) else str(raw[cell]))
        if complaint:
            values[one.name], unreadable[one.name] = None, complaint
        elif unit is not None:
            values[one.name], units[one.name] = unit.convert(given), unit
            recorded[one.name] = replace(recorded[one.name], note=conversion_text(one, given, unit))
    return units


def _day_of(cell: object) -> date | None:
    """Return a day that `predictor.prediction.export` wrote; a text is none."""
    return cell if isinstance(cell, date) and type(cell).__name__ not in MISSING_TYPES else None


def _read_recorded(one: InputField, raw: Mapping[str, object], unreadable: dict[str, str]) -> Recorded:
    """Read the day and the source that may stand beside an input; a day that cannot be read is noted."""
    source, day = raw.get(f"{one.name}{SOURCE}"), raw.get(f"{one.name}{DATE}")
    found: date | None = None
    if isinstance(day, date) and type(day).__name__ not in MISSING_TYPES:
        found = day.date() if isinstance(day, datetime) else day
    elif isinstance(day, str) and day.strip():
        try:
            found = date.fromisoformat(day.strip())
        except ValueError:
            unreadable.setdefault(one.name, f"The date of {one.label} must be like 2026-11-20")
    return Recorded(found, source.strip()[:LONGEST_SOURCE] if isinstance(source, str) else "")


def read_value(one: InputField, raw: object) -> tuple[float | str | None, str]:
    """Return the value and an empty complaint, or None and what is wrong (never the value itself)."""
    if _is_blank(raw):
        return None, ""
    if one.kind == "category":
        return _read_level(one, raw)
    return _read_yes_or_no(one, raw) if one.grain == "yes_no" else _read_number(one, raw)


def _is_blank(raw: object) -> bool:
    if isinstance(raw, str):
        return not raw.strip()
    return raw is None or (isinstance(raw, float) and math.isnan(raw)) or type(raw).__name__ in MISSING_TYPES


def _read_level(one: InputField, raw: object) -> tuple[str | None, str]:
    text = str(raw).strip() if isinstance(raw, str) else str(raw)
    if text in one.levels:
        return text, ""
    near = [level for level in one.levels if level.casefold() == text.casefold()]
    hint = f" (write {near[0]})" if near else ""
    return (
        None,
        f"{one.label} must be one of {', '.join(one.levels)}{hint}; other levels were not seen in development",
    )


def _read_number(one: InputField, raw: object) -> tuple[float | None, str]:
    unit = "" if one.accepted_units else f" in {one.unit or 'plain units'}"
    complaint = f"{one.label} must be a number{unit}, like {_example(one)}"
    if isinstance(raw, bool | np.bool_):
        return None, f"{complaint}; true and false are no numbers"
    if isinstance(raw, str):
        text = raw.strip()
        if text.count(",") == 1 and text.replace(",", "", 1).lstrip("+-").isdigit():
            return None, f"{complaint}; write the decimal with a point, not a comma"
        if len(text) > LONGEST_NUMBER:  # no measured quantity needs more digits
            return None, complaint
        try:  # the grammar of the data files: float() alone would read 1_000 and digits of other scripts
            number = number_of(text)
        except RefusedCellError as error:
            return None, f"{complaint}; {error.message}"
    elif isinstance(raw, int | float | np.integer | np.floating | Decimal):
        try:
            number = float(raw)
        except OverflowError:
            return None, complaint
    else:
        return None, complaint
    if not math.isfinite(number):
        return None, f"{complaint}; it must be finite"
    if one.grain == "whole" and not number.is_integer():
        return None, f"{complaint}; it must be a whole number"
    return number + 0.0, ""


def _read_yes_or_no(one: InputField, raw: object) -> tuple[float | None, str]:
    complaint = f"{one.label} must be yes or no, true or false, 1 or 0"
    if isinstance(raw, str):
        try:
            return boolean_of(raw.strip()), ""
        except RefusedCellError:
            return None, complaint
    if isinstance(raw, bool | np.bool_ | int | float | np.integer | np.floating | Decimal) and raw in (0, 1):
        return float(raw), ""
    return None, complaint


def _example(one: InputField) -> str:
    if one.learned is None:
        return "1"
    middle = (one.learned[0] + one.learned[1]) / 2
    return f"{middle:.0f}" if one.grain == "whole" else f"{middle:.3g}"


def _plan_of(model: PredictionModel, values: Mapping[str, float | str | None]) -> str:
    """Arm or dose band of a patient by the model's own declaration."""
    name = model.plan.get("input")
    if not name:
        return "all"
    value = values.get(str(name))
    if value is None:
        return ""
    bands = model.plan.get("bands")
    if not bands:
        return f"{value:g}" if isinstance(value, float) else value
    labels = list(model.plan["band_labels"])
    return str(labels[bisect_right([float(band) for band in bands], float(value))])
