"""What one cell's text means: strict grammars for numbers, dates, yes or no, and declared codes.

A refusal says which rule was broken and what to write. It never repeats the cell.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from predictor.data.analytes import named_analyte
from predictor.data.conversion import UnitError, convert
from predictor.data.instruments import find_instrument

if TYPE_CHECKING:
    import pandas as pd

    from predictor.config.dictionary import Column

__all__ = [
    "RefusedCellError",
    "boolean_of",
    "cell_reader",
    "date_of",
    "limits_of",
    "number_of",
    "plain_dates",
    "plain_numbers",
]

TRUE = {"1", "1.0", "true", "yes"}
FALSE = {"0", "0.0", "false", "no"}
BELOW = {"half": 0.5, "sqrt2": 1 / math.sqrt(2), "limit": 1.0}
NUMBER = {
    mark: re.compile(
        rf"[+-]?(?:[0-9]+(?:{re.escape(mark)}[0-9]*)?|{re.escape(mark)}[0-9]+)(?:[eE][+-]?[0-9]+)?"
    )
    for mark in (".", ",")
}
ISO_DATE = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?(?P<zone>Z|[+-][0-9]{2}:?[0-9]{2})?)?"
)
LISTED = 12


class RefusedCellError(ValueError):
    """A cell breaks a rule; carries the code, the rule and the remedy, never the cell."""

    def __init__(self, code: str, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.remedy = code, message, remedy


def number_of(text: str, *, decimal: str = ".") -> float:
    """Read a number written with digits, one decimal mark and perhaps an exponent.

    Parameters
    ----------
    text : str
        Without spaces around it.
    decimal : {".", ","}

    Raises
    ------
    RefusedCellError
        DAT-07 for thousands separators, the other decimal mark, ``<`` and ``>``, flags, infinity, or text.
    """
    if NUMBER[decimal].fullmatch(text):
        value = float(text.replace(decimal, "."))
        if math.isfinite(value):
            return value
    raise RefusedCellError("DAT-07", *_number_rule(text, decimal))


def _number_rule(text: str, decimal: str) -> tuple[str, str]:
    other = "," if decimal == "." else "."
    if text.startswith(("<", "≤")):
        return (
            "a value below a limit, a number was expected",
            "Write below_limit: half, sqrt2 or limit for the column, and `<` before the number",
        )
    if text.startswith((">", "≥")):
        return (
            "a value above a limit, a number was expected",
            "Write above_limit: limit for the column and `>` before the number, or declare the code under missing",
        )
    if re.fullmatch(rf"[+-]?[0-9]{{1,3}}(?:[{other}' ][0-9]{{3}})+(?:{re.escape(decimal)}[0-9]+)?", text):
        return (
            "a thousands separator or another decimal mark",
            f'Write the number without separators, or declare decimal: "{other}" if that is what it is',
        )
    if other in text and NUMBER[other].fullmatch(text):
        return (
            f'the decimal mark is "{other}", declared is "{decimal}"',
            f'Write decimal: "{other}" under source',
        )
    if text.lower().lstrip("+-") in {"inf", "infinity", "nan"} or NUMBER[decimal].fullmatch(text):
        return (
            "infinite or not a number, a finite number was expected",
            "Declare the code under missing, or mend the cell",
        )
    if re.match(r"[+-]?[0-9]", text):
        return (
            "a number followed by other characters",
            "Write the number alone; a flag or unit belongs in its own column",
        )
    return "text where a number was expected", "Declare the code under missing, or mend the cell"


def date_of(text: str) -> datetime:
    """Read an ISO 8601 date, with a local time of day where one is given.

    Parameters
    ----------
    text : str
        ``2026-03-04``, ``2026-03-04T10:30`` or ``2026-03-04 10:30:00``.

    Raises
    ------
    RefusedCellError
        DAT-16 for ambiguous and impossible dates, spreadsheet serial numbers and time zones.
    """
    match = ISO_DATE.fullmatch(text)
    if match is None:
        raise RefusedCellError("DAT-16", *_date_rule(text))
    if match["zone"]:
        raise RefusedCellError(
            "DAT-16", "a time with a time zone", "Write the clinic's local time without a zone"
        )
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        raise RefusedCellError("DAT-16", "an impossible date or time", "Mend the cell") from None
    if not 1900 <= value.year <= 2200:
        raise RefusedCellError(
            "DAT-16",
            "an impossible year, 1900 to 2200 was expected",
            "Mend the cell, or declare the code under missing",
        )
    return value


def _date_rule(text: str) -> tuple[str, str]:
    iso = "Write dates as 2026-03-04"
    if re.match(r"[0-9]{1,2}[/.\- ][0-9]{1,2}[/.\- ][0-9]{2,4}\b", text):
        return "an ambiguous date: day and month can be told apart only by ISO 8601", iso
    if re.fullmatch(r"[0-9]{5}(?:\.[0-9]+)?", text):
        return (
            "a spreadsheet's serial number, an ISO 8601 date was expected",
            f"Format the column as text before exporting. {iso}",
        )
    return "an ISO 8601 date was expected", iso


def boolean_of(text: str) -> float:
    """Read yes or no as 1.0 or 0.0.

    Parameters
    ----------
    text : str
        1, 0, true, false, yes, no, in either case; ``1.0`` and ``0.0`` as well.

    Raises
    ------
    RefusedCellError
        DAT-20 for anything else.
    """
    lowered = text.lower()
    if lowered in TRUE or lowered in FALSE:
        return 1.0 if lowered in TRUE else 0.0
    remedy = "Map other codes under values, for example values: {j: yes, n: no}"
    raise RefusedCellError("DAT-20", "1, 0, true, false, yes or no was expected", remedy)


def plain_numbers(cells: pd.Series, column: Column, *, kind: str, decimal: str) -> np.ndarray | None:
    """Return all numbers at once; None where one cell is not a plain number or breaks a rule.

    The fast way through a sound column, with the same values as `cell_reader`, cell by cell.

    Parameters
    ----------
    cells : pandas.Series of str
        Without spaces around them, none missing.
    column : Column
    kind : {"number", "integer", "category", "boolean", "date", "text"}
    decimal : {".", ","}
    """
    if kind not in {"number", "integer"} or column.values is not None:
        return None
    if not cells.str.fullmatch(NUMBER[decimal].pattern).all():
        return None
    values = cells.str.replace(decimal, ".", regex=False).astype(float).to_numpy()
    sound = np.isfinite(values)
    if kind == "integer":
        sound &= values == np.floor(values)
    for low, high, _ in limits_of(column):
        sound &= (values >= low) & (values <= high)
    only = _only_of(column)
    sound &= np.isin(values, only) if only else True
    return values if sound.all() else None


PLAIN_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?)?"


def plain_dates(cells: pd.Series, column: Column, *, kind: str) -> np.ndarray | None:
    """Return all dates at once; None where one cell is not a plain date of the calendar.

    The fast way through a sound column, with the same values as `date_of`, cell by cell.

    Parameters
    ----------
    cells : pandas.Series of str
        Without spaces around them, none missing.
    column : Column
    kind : {"number", "integer", "category", "boolean", "date", "text"}
    """
    if kind != "date" or column.values is not None or not cells.str.fullmatch(PLAIN_DATE).all():
        return None
    import pandas as pd

    dates = pd.to_datetime(cells, format="ISO8601", errors="coerce")
    sound = dates.dt.year.between(1900, 2200)
    return dates.to_numpy(dtype="datetime64[ns]") if sound.all() else None


def cell_reader(column: Column, *, kind: str, decimal: str) -> Callable[[str], object]:
    """Return the function that turns a cell's text into its value.

    Parameters
    ----------
    column : Column
    kind : {"number", "integer", "category", "boolean", "date", "text"}
    decimal : {".", ","}
        Decimal mark of the file.
    """
    read: Callable[[str], object] = str
    if kind in {"number", "integer"}:
        read = _number_reader(column, kind=kind, decimal=decimal)
    elif kind == "boolean":
        read = boolean_of
    elif kind == "date":
        read = date_of
    if column.values is None:
        return read
    names = {code.strip(): name for code, name in column.values.items()}
    return lambda text: read(code_of(text, names))


def code_of(text: str, names: dict[str, str]) -> str:
    """Return the name that a declared code stands for.

    Parameters
    ----------
    text : str
        Without spaces around it.
    names : dict of str to str
        Declared codes and their names.

    Raises
    ------
    RefusedCellError
        DAT-20 for a code that is not declared.
    """
    if text in names:
        return names[text]
    message = f"not one of the declared codes: {listed(names)}"
    if text.casefold() in {code.casefold() for code in names}:
        message += "; it differs from one of them in upper and lower case only"
    raise RefusedCellError("DAT-20", message, "Add the code to values, or to missing, or mend the cell")


def listed(codes: Iterable[str]) -> str:
    """Return declared codes as text, the first twelve of them.

    Parameters
    ----------
    codes : iterable of str
    """
    every = [repr(code) for code in codes]
    return ", ".join(every[:LISTED]) + (f" and {len(every) - LISTED} more" if len(every) > LISTED else "")


def _number_reader(column: Column, *, kind: str, decimal: str) -> Callable[[str], float]:
    factor = BELOW[column.below_limit] if column.below_limit else None
    limits, only = limits_of(column), _only_of(column)

    def read(text: str) -> float:
        below = factor is not None and text.startswith("<")
        beyond = below or (column.above_limit is not None and text.startswith(">"))
        value = number_of(text[1:].strip() if beyond else text, decimal=decimal)
        if kind == "integer" and not value.is_integer():
            raise RefusedCellError(
                "DAT-18", "a whole number was expected", "Mend the cell, or declare type: number"
            )
        for low, high, rule in limits:
            if not low <= value <= high:
                raise RefusedCellError("DAT-18", rule, "Mend the cell; values are never clipped")
        if only and value not in only:
            rule = f"none of {', '.join(f'{one:g}' for one in only)}, which item {column.item} can be"
            raise RefusedCellError("DAT-18", rule, "Mend the cell; values are never clipped")
        return value * factor if below and factor is not None else value

    return read


def limits_of(column: Column) -> list[tuple[float, float, str]]:
    """Return the ranges that a column's numbers have to lie in, each with the rule in words.

    Parameters
    ----------
    column : Column
    """
    limits = []
    if column.range is not None:
        low = -math.inf if column.range[0] is None else column.range[0]
        high = math.inf if column.range[1] is None else column.range[1]
        unit = f" {column.unit}" if column.unit else ""
        limits.append((low, high, f"outside the declared range {_range(low, high)}{unit}"))
    limits += _bounds(column)
    scale = find_instrument(column.instrument) if column.instrument else None
    if scale is not None and column.item is not None:
        item = scale.rating.items.get(str(column.item)) if scale.rating else None
        ends = [(item.low, item.high)] if item else []
        limits += [
            (*end, f"outside {_range(*end)}, which item {column.item} of {scale.name} can be") for end in ends
        ]
    elif scale is not None:
        limits.append(
            (
                scale.low,
                scale.high,
                f"outside {_range(scale.low, scale.high)}, which a total of {scale.name} can be",
            )
        )
    return limits


def _bounds(column: Column) -> list[tuple[float, float, str]]:
    """Limits of an analyte, in the column's unit, where it declares no range."""
    analyte = named_analyte(column)
    if analyte is None or analyte.bounds is None or column.range is not None or not column.unit:
        return []
    try:
        low, high = sorted(convert(np.array(analyte.bounds), analyte.unit, column.unit, analyte).tolist())
    except UnitError:
        return []  # said once, where the column's unit is looked at
    # A factor may move a limit by its last digit; a value at the limit is inside.
    low, high = low - 1e-9 * abs(low), high + 1e-9 * abs(high)
    return [(low, high, f"outside {low:.4g} to {high:.4g} {column.unit}, which {analyte.name} can be")]


def _only_of(column: Column) -> tuple[float, ...]:
    """Ratings that an item can have where its range does not say so."""
    scale = find_instrument(column.instrument) if column.instrument and column.item is not None else None
    item = scale.rating.items.get(str(column.item)) if scale and scale.rating else None
    return item.only if item else ()


def _range(low: float, high: float) -> str:
    if math.isinf(low):
        return f"up to {high:g}"
    return f"from {low:g}" if math.isinf(high) else f"{low:g} to {high:g}"
