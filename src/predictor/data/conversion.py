"""Values from one unit into another, by UCUM codes.

Factors come from pint's definitions, UCUM codes are read by ucumvert; between mass and amount of substance the
analyte's molar mass is used. Both packages belong to the extra ``units`` and are asked for only where units differ.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from predictor.errors import Problem, ResourceError

if TYPE_CHECKING:
    from predictor.data.analytes import Analyte

__all__ = ["UnitError", "can_convert", "convert"]


class UnitError(ValueError):
    """A unit is not known, or cannot be converted; carries the code, what was expected, and the remedy."""

    def __init__(self, code: str, message: str, remedy: str) -> None:
        super().__init__(message)
        self.code, self.message, self.remedy = code, message, remedy


def convert(values: np.ndarray, given: str, wanted: str, analyte: Analyte | None = None) -> np.ndarray:
    """Return values in another unit.

    Parameters
    ----------
    values : ndarray of float
        In ``given``.
    given, wanted : str
        UCUM codes, such as ``ug/dL`` and ``nmol/L``.
    analyte : Analyte or None
        Whose molar mass, or own rule, may be needed.

    Raises
    ------
    UnitError
        UNI-05 for a code that UCUM does not know; UNI-06 where the two are not units of one quantity, or the molar mass
        is not known.
    ResourceError
        ENV-02 where the extra ``units`` is not installed and the two differ.

    Notes
    -----
    mol = g / M: 1 µg/dL of cortisol (M = 362.46 g/mol) is 10/362.46 µmol/L = 27.59 nmol/L.
    """
    if given == wanted:
        return values
    linear = analyte.linear if analyte is not None else {}
    if analyte is not None and wanted == analyte.unit and given in linear:
        factor, offset = linear[given]
        return np.asarray(values * factor + offset)
    if analyte is not None and given == analyte.unit and wanted in linear:
        factor, offset = linear[wanted]
        return np.asarray((values - offset) / factor)
    return np.asarray(values * _factor(given, wanted, analyte.molar_mass if analyte is not None else None))


def can_convert() -> bool:
    """Say whether the extra ``units`` is installed."""
    return all(find_spec(name) is not None for name in ("pint", "ucumvert"))


@cache
def _factor(given: str, wanted: str, molar_mass: float | None) -> float:
    one, other = _quantity(given), _quantity(wanted)
    amounts = [unit.dimensionality.get("[substance]", 0) for unit in (one, other)]
    if amounts[0] != amounts[1]:
        if molar_mass is None:
            message = f"{given} and {wanted} are mass and amount of substance, and no molar mass is known"
            raise UnitError(
                "UNI-06", message, "Add molar_mass to the analyte, or export one of the two everywhere"
            )
        mass = molar_mass * _quantity("g/mol")
        one = one * mass if amounts[0] > amounts[1] else one / mass
    if one.dimensionality != other.dimensionality:
        message = f"{given} cannot be converted to {wanted}: they are units of different quantities"
        raise UnitError("UNI-06", message, "Mend the unit in the dictionary or the file")
    return float((one / other).to("dimensionless").magnitude)


@cache
def _quantity(code: str) -> Any:
    registry = _registry()
    try:
        return registry.from_ucum(code)
    except Exception as error:  # its parser raises errors of several packages
        message = f"{code!r} is no UCUM code"
        raise UnitError(
            "UNI-05", message, "Write for example mg/L, ug/dL, nmol/L, m[IU]/L or [lb_av]"
        ) from error


@cache
def _registry() -> Any:
    try:
        from ucumvert import PintUcumRegistry
    except ImportError as error:
        message = "converting units needs the packages pint and ucumvert, which are not installed"
        remedy = 'Install them: pip install "response-predictor[units]"'
        raise ResourceError(Problem("ENV-02", message, remedy)) from error
    return PintUcumRegistry()
