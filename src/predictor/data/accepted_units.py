"""The units in which a quantity may be given at the bedside, each with the line into the unit of the dictionary.

They are worked out once, in training, from the table of `predictor.data.analytes`: whoever reads a value later needs
neither that table nor the packages that convert units.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from predictor.data.analytes import named_analyte
from predictor.data.conversion import UnitError, convert
from predictor.errors import ResourceError

if TYPE_CHECKING:
    from predictor.config.dictionary import Column

__all__ = ["AcceptedUnit", "accepted_units", "unit_words"]

DIGITS = 12  # significant: what floating point adds behind them (10.000000000000002) is no measurement
ANNOTATED = re.compile(r"\[([^\]_]*)[^\]]*\]")
MICRO = re.compile(r"(?<![A-Za-z])u(?=mol|g|L|IU)")


@dataclass(frozen=True)
class AcceptedUnit:
    """One unit, and how a value in it becomes one in the dictionary's: value = factor × given + offset.

    Parameters
    ----------
    unit : str
        UCUM code.
    factor, offset : float
        1 and 0 for the dictionary's own unit.
    """

    unit: str
    factor: float = 1.0
    offset: float = 0.0

    def convert(self, given: float) -> float:
        """Return a value in the dictionary's unit, to 12 significant digits.

        Parameters
        ----------
        given : float
            In this unit.
        """
        return given if (self.factor, self.offset) == (1, 0) else _rounded(self.factor * given + self.offset)

    def restore(self, value: float) -> float:
        """Return a value of the dictionary's unit in this one, to 12 significant digits.

        Parameters
        ----------
        value : float
            In the dictionary's unit.
        """
        return (
            value if (self.factor, self.offset) == (1, 0) else _rounded((value - self.offset) / self.factor)
        )


def accepted_units(column: Column) -> tuple[AcceptedUnit, ...]:
    """Return the units in which laboratories and clinics report a column's quantity, its own first.

    Parameters
    ----------
    column : Column

    Returns
    -------
    tuple of AcceptedUnit
        Empty where only its own is known, or nothing that could convert is installed (extra ``units``).
    """
    analyte = named_analyte(column)
    if analyte is None or not column.unit:
        return ()
    found = [AcceptedUnit(column.unit)]
    for unit in dict.fromkeys((analyte.unit, *analyte.units)):
        if unit == column.unit:
            continue
        try:
            zero, one = convert(np.array([0.0, 1.0]), unit, column.unit, analyte)
        except (UnitError, ResourceError):
            continue
        found.append(AcceptedUnit(unit, _rounded(float(one - zero)), _rounded(float(zero))))
    return tuple(found) if len(found) > 1 else ()


def unit_words(code: str) -> str:
    """Write a UCUM code as clinics do: ``[lb_av]`` is lb, ``mm[Hg]`` mmHg, ``ug/dL`` µg/dL.

    Parameters
    ----------
    code : str
    """
    return MICRO.sub("µ", ANNOTATED.sub(r"\1", code))


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
