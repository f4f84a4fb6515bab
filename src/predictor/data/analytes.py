"""Laboratory analytes and measures of the body: units, plausible limits, limits of detection, and what to heed.

They stand in ``analytes.toml``, where the keys are explained. Two matrices are two analytes, so that serum and plasma,
or serum and saliva, are never pooled.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from predictor.config.dictionary import Column

__all__ = ["ANALYTES", "Analyte", "guarded_analyte", "named_analyte", "similar_analytes"]

Ends = tuple[float, float]


@dataclass(frozen=True)
class Analyte:
    """What is known about a quantity before any value of it is read.

    Parameters
    ----------
    name : str
        Name used in dictionaries and configs.
    full_name, matrix : str
    unit : str
        UCUM code that ``bounds``, ``median`` and ``detection`` are given in.
    units : tuple of str
        Further UCUM codes that it is reported in.
    molar_mass : float or None
        g/mol.
    linear : mapping of str to (float, float)
        Unit to factor and offset into ``unit``, where no factor alone converts.
    bounds : (float, float) or None
        Hard limits of one value.
    median : (float, float) or None
        Limits of the median of a group of patients.
    detection : (float, float) or None
        Usual limits of detection.
    loinc : str
    timed : bool
        A value says little without the time of the draw and of waking.
    care : str
    """

    name: str
    full_name: str
    matrix: str
    unit: str
    units: tuple[str, ...] = ()
    molar_mass: float | None = None
    linear: Mapping[str, Ends] = field(default_factory=dict)
    bounds: Ends | None = None
    median: Ends | None = None
    detection: Ends | None = None
    loinc: str = ""
    timed: bool = False
    care: str = ""


def _analyte(name: str, table: Mapping[str, Any]) -> Analyte:
    pairs = {key: tuple(value) for key, value in table.items() if isinstance(value, list)}
    linear = {unit: (factor, offset) for unit, (factor, offset) in table.get("linear", {}).items()}
    return Analyte(name, **{**table, **pairs, "linear": linear})


@cache
def _all() -> Mapping[str, Analyte]:
    text = files("predictor.data").joinpath("analytes.toml").read_text(encoding="utf-8")
    tables: dict[str, dict[str, Any]] = {}
    for name, table in tomllib.loads(text).items():
        inherited = tables[table["like"]] if "like" in table else {}
        tables[name] = {**inherited, **{key: value for key, value in table.items() if key != "like"}}
    return {name: _analyte(name, table) for name, table in tables.items()}


class _Analytes(Mapping[str, Analyte]):
    """Every analyte by its name; the file is read when the first one is asked for, not when this is imported."""

    def __getitem__(self, name: str) -> Analyte:
        return _all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(_all())

    def __len__(self) -> int:
        return len(_all())


ANALYTES: Mapping[str, Analyte] = _Analytes()


def named_analyte(column: Column) -> Analyte | None:
    """Return what a column's ``analyte`` or ``measure`` names; a measure need not be known.

    Parameters
    ----------
    column : Column
    """
    return ANALYTES.get(column.analyte or column.measure or "")


def guarded_analyte(column: Column) -> Analyte | None:
    """Return what a column names whose unit is to be doubted; None without a unit, or where a person has confirmed it.

    Parameters
    ----------
    column : Column
    """
    return named_analyte(column) if column.unit and not column.unit_confirmed else None


def similar_analytes(name: str) -> list[str]:
    """Return known names that resemble ``name``.

    Parameters
    ----------
    name : str
    """
    return difflib.get_close_matches(name.casefold(), list(ANALYTES), n=3, cutoff=0.5)
