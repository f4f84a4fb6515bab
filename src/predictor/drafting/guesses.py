"""One column's declaration as its name and its cells suggest it, with the questions that only the site can answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from predictor.checks.leaks import suggests_later
from predictor.config.dictionary import Column
from predictor.data.analytes import ANALYTES, Analyte
from predictor.data.cells import RefusedCellError, cell_reader
from predictor.data.conversion import UnitError, convert
from predictor.data.instruments import INSTRUMENTS
from predictor.drafting.names import (
    day_of,
    named_analytes,
    named_instrument,
    named_item,
    named_unit,
    names_person,
    sounds_later,
)
from predictor.errors import ResourceError

__all__ = ["MISSING", "Guess", "guess_column"]

MISSING = ("NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", ".", "None")
MOST_LEVELS, FEWEST_OF_A_LEVEL, MOST_CODES = 20, 5, 6


@dataclass(frozen=True)
class Guess:
    """What a column seems to be.

    Parameters
    ----------
    header : str
    declared : dict
        As in the dictionary; empty where the column is left out.
    questions : tuple of str
        What has to be confirmed.
    left_out : str
        Why it is not declared.
    later : bool
        Whether its name sounds like something known after day 0.
    """

    header: str
    declared: dict[str, Any] = field(default_factory=dict)
    questions: tuple[str, ...] = ()
    left_out: str = ""
    later: bool = False


def guess_column(header: str, cells: Sequence[str], *, table: str) -> Guess:
    """Guess what a column holds.

    Parameters
    ----------
    header : str
        In a long table, the quantity's name.
    cells : sequence of str
    table : str
        The table's name, which may say that everything in it is known later.
    """
    known = [text for cell in cells if (text := cell.strip()) not in ("", *MISSING)]
    later = sounds_later([header, table]) or suggests_later(header)
    if not known:
        return Guess(header, left_out="it has no value")
    if names_person(header):
        return Guess(header, left_out="it may identify a person")
    if all(_reads(known, kind="date")):
        return Guess(header, {"type": "date"}, later=later)
    if _numeric(known):
        declared, questions = _number(header, known)
        return Guess(header, declared, tuple(questions), later=later)
    return _text(header, known, later=later)


def _reads(cells: Sequence[str], *, kind: str, **declared: Any) -> list[bool]:
    """Say of each cell whether our own reader takes it as this kind."""
    read = cell_reader(Column(type=kind, **declared), kind=kind, decimal=".")  # type: ignore[arg-type]
    return [_taken(read, cell) for cell in cells]


def _taken(read: Any, cell: str) -> bool:
    try:
        read(cell)
    except RefusedCellError:
        return False
    return True


def _numeric(cells: Sequence[str]) -> bool:
    distinct = list(dict.fromkeys(cells))
    plain = _reads(distinct, kind="number")
    return all(plain) or (any(plain) and all(_reads(distinct, kind="number", below_limit="sqrt2")))


def _number(header: str, cells: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    values = np.array([_value(cell) for cell in cells])
    scale = named_instrument(header)
    if scale is not None:
        low, high = INSTRUMENTS[scale].low, INSTRUMENTS[scale].high
        if low <= values.min() and values.max() <= high:
            return _score(header, scale, values)
        measure = {"measure": header.lower() if header.isidentifier() else scale, "type": "number"}
        return measure, [
            f"called like {scale}, but not all values lie in {low:g} to {high:g}: another version?"
        ]
    analytes = named_analytes(header)
    declared: dict[str, Any] = {}
    questions: list[str] = []
    if any(cell.startswith("<") for cell in cells):
        declared["below_limit"] = "sqrt2"
        questions.append(
            "values below the limit of detection are read as the limit / √2: half, sqrt2 or limit?"
        )
    if analytes:
        return _laboratory(header, analytes, values, declared, questions)
    return _plain_number(header, cells, values, declared, questions)


def _value(cell: str) -> float:
    return float(cell.lstrip("<> "))


def _score(header: str, scale: str, values: np.ndarray) -> tuple[dict[str, Any], list[str]]:
    declared: dict[str, Any] = {"instrument": scale}
    day = day_of(header)
    item = None if day is not None else named_item(header, scale)
    rating = INSTRUMENTS[scale].rating
    if item is not None and rating is not None and values.max() <= rating.items[item].high:
        declared["item"] = int(item) if item.isdigit() else item
        return declared, [f"is this item {item} of {scale}?"]
    if day is not None:
        declared["day"] = day
        return declared, [f"is this the total of {scale}, on day {day} counted from day 0?"]
    return declared, [f"is this the total of {scale}?"]


def _laboratory(
    header: str, analytes: list[str], values: np.ndarray, declared: dict[str, Any], questions: list[str]
) -> tuple[dict[str, Any], list[str]]:
    analyte = ANALYTES[analytes[0]]
    named, fitting = named_unit(header), _fitting_units(analyte, float(np.median(values)))
    unit = named or (fitting[0] if fitting else analyte.unit)
    why = "by its name" if named else "the median fits" if fitting else "nothing tells: the usual one"
    declared = {"analyte": analyte.name, "unit": unit} | declared
    questions = [f"{analyte.full_name} in {unit} ({why})?", *questions]
    if len(fitting) > 1 and not named:
        questions.append(f"{', '.join(fitting[1:])} would fit as well")
    if len(analytes) > 1:
        questions.append(f"or {' or '.join(analytes[1:])}?")
    return declared, questions


def _fitting_units(analyte: Analyte, median: float) -> list[str]:
    """Units in which the median is what a group of patients has."""
    if analyte.median is None:
        return []
    low, high = analyte.median
    fitting = []
    for unit in dict.fromkeys([analyte.unit, *analyte.units]):
        try:
            value = float(convert(np.array([median]), unit, analyte.unit, analyte)[0])
        except (UnitError, ResourceError):
            continue
        if low <= value <= high:
            fitting.append(unit)
    return fitting


def _plain_number(
    header: str, cells: Sequence[str], values: np.ndarray, declared: dict[str, Any], questions: list[str]
) -> tuple[dict[str, Any], list[str]]:
    distinct = list(dict.fromkeys(cells))
    if set(values) == {0.0, 1.0} and all(_reads(distinct, kind="boolean")):
        return {"type": "boolean"}, ["is 1 yes and 0 no?"]
    whole = all(_reads(distinct, kind="integer"))
    if whole and len(set(values)) <= MOST_CODES:
        questions.append("a number, or codes? Codes are a category with `values:`")
    questions.append("which unit and range?")
    unit = {"unit": "years"} if header.lower() == "age" else {}
    return {"type": "integer" if whole else "number", **unit, **declared}, questions


def _text(header: str, known: Sequence[str], *, later: bool) -> Guess:
    levels, counts = np.unique(np.array(known), return_counts=True)
    if len(levels) > MOST_LEVELS or (len(levels) > 1 and len(levels) > len(known) / 2):
        return Guess(header, left_out="free text or keys: declare `type: text` if it is needed")
    if counts.min() >= FEWEST_OF_A_LEVEL:
        values = [str(level) for level in levels]
        return Guess(
            header, {"type": "category", "values": values}, ("are these all its values?",), later=later
        )
    question = "rare values are not listed here: give it `values:`"
    return Guess(header, {"type": "category"}, (question,), later=later)
