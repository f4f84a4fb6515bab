"""What is said of a table that is no error: its count apart, so that those of a large table's parts can be added."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

__all__ = ["Notice", "summed_notices"]


@dataclass(frozen=True)
class Notice:
    """One line about a table.

    Parameters
    ----------
    file : str
    said : str
    n : int or None
        Of how many it is said, which stands before ``said``; None where nothing is counted over the rows.
    example : str
        Which rows, and what follows them.
    """

    file: str
    said: str
    n: int | None = None
    example: str = ""

    def __str__(self) -> str:
        count = "" if self.n is None else f"{self.n} "
        return f"{self.file}: {count}{self.said}{self.example}"


def summed_notices(notices: Iterable[Notice]) -> list[Notice]:
    """Return what was said of the parts as said of the whole: counts are added, the example is the first part's.

    Parameters
    ----------
    notices : iterable of Notice
    """
    found: dict[tuple[str, str], Notice] = {}
    for one in notices:
        key = (one.file, one.said)
        first = found.setdefault(key, replace(one, n=None if one.n is None else 0))
        if first.n is not None and one.n is not None:
            found[key] = replace(first, n=first.n + one.n)
    return list(found.values())
