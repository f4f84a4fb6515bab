"""A REDCap export without its data dictionary: recognised by its headers, and taken apart into the tables it holds.

What only the data dictionary says (codes, labels, who may be identified by a column) is asked for and not guessed.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from predictor.data.sources.redcap import ADDED, EVENT, INSTRUMENT, OWN
from predictor.data.sources.redcap_dictionary import HEADERS
from predictor.drafting.names import plain_name

__all__ = ["ASKED", "find_dictionary", "is_redcap", "is_redcap_dictionary", "redcap_tables"]

USUAL = "data_dictionary.csv"
BOX = "___"
ASKED = (
    "a REDCap export? Download the project's data dictionary into this folder and name it here; better, draft again "
    "with --redcap-dictionary, which takes over types, codes, labels and what identifies a person"
)


def is_redcap(headers: Sequence[str]) -> bool:
    """Say whether a file has the columns that REDCap alone writes.

    Parameters
    ----------
    headers : sequence of str
        A column of events or repeats; or the record id with the state of a form and with boxes of a question or, under
        its usual name, without.
    """
    if EVENT in headers or INSTRUMENT in headers:
        return True
    states = any(header.endswith("_complete") for header in headers)
    boxes = any(BOX in header for header in headers)
    return bool(headers) and (states and (boxes or headers[0] == "record_id"))


def is_redcap_dictionary(path: Path) -> bool:
    """Say whether a CSV file begins like a data dictionary of REDCap.

    Parameters
    ----------
    path : Path
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = next(csv.reader(file), [])
    except (OSError, UnicodeDecodeError, csv.Error):
        return False
    return all(set(HEADERS[name]) & set(header) for name in ("name", "form", "kind"))


def find_dictionary(export: Path) -> str | None:
    """Return the name of the one data dictionary that lies beside an export; None where none does, or several.

    Parameters
    ----------
    export : Path
    """
    beside = [path for path in sorted(export.parent.glob("*.csv")) if path != export]
    found = [path.name for path in beside if is_redcap_dictionary(path)]
    return found[0] if len(found) == 1 else None


def redcap_tables(
    name: str, frame: pd.DataFrame, dictionary: str | None
) -> Iterator[tuple[str, dict[str, Any], pd.DataFrame]]:
    """Yield each table of an export: rows that are no repeats, then those of each repeating instrument.

    Parameters
    ----------
    name : str
        Of the first table.
    frame : pandas.DataFrame
        Cells as text; the first column is the record id.
    dictionary : str or None

    Yields
    ------
    name : str
    source : dict
        Keys of ``source``.
    frame : pandas.DataFrame
        Its rows and columns, without REDCap's own but for the event where it tells rows apart.
    """
    redcap = {"redcap": {"dictionary": dictionary or USUAL}}
    if INSTRUMENT not in frame:
        yield name, redcap, _own(frame)
        return
    for form in dict.fromkeys(["", *frame[INSTRUMENT]]):
        rows = frame.loc[frame[INSTRUMENT] == form]
        if len(rows):
            yield (
                plain_name(form).lower() if form else name,
                redcap | {"where": {INSTRUMENT: [form]}},
                _own(_filled(rows)),
            )


def _filled(rows: pd.DataFrame) -> pd.DataFrame:
    """Leave out what only other rows hold."""
    return rows[[header for header in rows if (rows[header] != "").any()]]


def _own(rows: pd.DataFrame) -> pd.DataFrame:
    """Leave out what REDCap adds, the event too where it does not tell a patient's rows apart."""
    key = rows.columns[0]
    apart = EVENT in rows and not rows.duplicated([key, EVENT]).any()
    ours = {EVENT} if apart and rows[key].duplicated().any() else set()
    states = {header for header in rows.columns[1:] if header.endswith(ADDED)}
    kept = [header for header in rows if header in ours or not (header in OWN or header in states)]
    return rows[kept].reset_index(drop=True)
