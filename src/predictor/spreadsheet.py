"""Text that a spreadsheet would run: it gets an apostrophe in every CSV file that leaves the package."""

from __future__ import annotations

from typing import TypeVar

__all__ = ["FORMULA_STARTS", "without_formula"]

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")

T = TypeVar("T")


def without_formula(cell: T) -> T | str:
    """Return a cell as it is, or behind an apostrophe where a spreadsheet would take the text for a formula.

    Parameters
    ----------
    cell : object
        Numbers stay numbers, also below zero.

    Examples
    --------
    >>> without_formula("=1+1"), without_formula(-1.0)
    ("'=1+1", -1.0)
    """
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA_STARTS) else cell
