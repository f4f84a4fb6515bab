"""What is said of a table that is no error: its count apart, so that those of a large table's parts can be added."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

__all__ = ["Notice", "notices_of_tables", "summed_notices"]

NAMED = 3


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


def notices_of_tables(notices: Mapping[str, Iterable[str]]) -> list[str]:
    """Return every notice once, with the tables that it is about before it.

    Tables of one file say the same of that file, and whoever reads a page of it overlooks the line that differs.

    Parameters
    ----------
    notices : mapping of str to iterable of str
        By table.

    Examples
    --------
    >>> notices_of_tables({"age": ["x.csv: 3 rows"], "madrs": ["x.csv: 3 rows", "y"]})
    ['age, madrs: x.csv: 3 rows', 'madrs: y']
    """
    tables: dict[str, dict[str, None]] = {}
    for name, said in notices.items():
        for notice in said:
            tables.setdefault(notice, {})[name] = None
    return [f"{_named(list(names))}: {notice}" for notice, names in tables.items()]


def _named(names: list[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names) if more <= 0 else f"{', '.join(names[:NAMED])} and {more} more"
