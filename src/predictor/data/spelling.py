"""Names that a reader takes for one and a computer for two."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping

import pandas as pd

__all__ = ["respelled_keys", "spelling"]


def spelling(text: str) -> str:
    """Return what is left of a text without case, repeated spaces, invisible characters and ways to store an accent.

    Parameters
    ----------
    text : str
    """
    visible = "".join(letter for letter in text if unicodedata.category(letter) != "Cf")
    return " ".join(unicodedata.normalize("NFC", visible).split()).casefold()


def respelled_keys(keys: Mapping[str, pd.Series]) -> dict[str, set[str]]:
    """Return, for each table, the patients' keys that are written in another way elsewhere.

    Parameters
    ----------
    keys : mapping of table name to pandas.Series of str
        The key of each row. Of ways to write a key, the one of a table with one row per patient is right, else the
        most frequent. Two ways in such a table are two patients, and nothing is said about them.
    """
    counts = {name: Counter(series) for name, series in keys.items()}
    lists = [set(found) for found in counts.values() if max(found.values(), default=0) == 1]
    ways: dict[str, Counter[str]] = {}
    for found in counts.values():
        for key, n in found.items():
            ways.setdefault(_without_zeros(spelling(key)), Counter())[key] += n
    wrong: set[str] = set()
    for written in ways.values():
        if len(written) > 1 and not any(len(written.keys() & listed) > 1 for listed in lists):
            listed_ways = [key for key in written if any(key in listed for listed in lists)]
            right = max(listed_ways or written, key=lambda key: (written[key], key))
            wrong |= written.keys() - {right}
    return {name: wrong & found.keys() for name, found in counts.items() if wrong & found.keys()}


def _without_zeros(text: str) -> str:
    """Spreadsheets make 12 of 0012."""
    return text.lstrip("0") if text.isascii() and text.isdigit() else text
