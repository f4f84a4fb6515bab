"""Several values of one patient, one quantity and one time: imported twice, or two that contradict each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from predictor.config.dictionary import DateKnown, Table
from predictor.data.columns import structural_headers
from predictor.data.reading import Reading

__all__ = ["note_repeats", "rows_in_words"]

SHOWN = 5


def note_repeats(reading: Reading, frame: pd.DataFrame) -> None:
    """Say which rows repeat or contradict an earlier one of the same patient and time.

    Both are read: two ratings of a day may be right. Rows that were recorded at different times are corrections, and
    rows without a date are placed nowhere.

    Parameters
    ----------
    reading : Reading
        Its notices receive a line per kind.
    frame : pandas.DataFrame
        Converted columns of the file.
    """
    declared = reading.declared
    place = _place(declared)
    if len(place) < 2:
        return
    several = _in_one_place(frame, place)
    if not several.any():
        return
    columns = _compared(declared, frame)
    own, rows = frame.loc[several], reading.rows[several]
    group = own.groupby(place, dropna=False, sort=False).ngroup()
    # Of each column the last value before this row, within the patient and time.
    earlier = own[columns].groupby(group).ffill().groupby(group).shift()
    both = (own[columns].notna() & earlier.notna()).to_numpy(bool)
    differs = both & (own[columns].to_numpy(object) != earlier.to_numpy(object))
    new = own[columns].notna().to_numpy(bool) & ~both
    repeats = both.any(axis=1) & ~differs.any(axis=1) & ~new.any(axis=1)
    _say_repeated(reading, rows[repeats])
    for position, header in enumerate(columns):
        _say_contradicted(reading, header, rows, group.to_numpy(int), differs[:, position])


def _in_one_place(frame: pd.DataFrame, place: list[str]) -> np.ndarray:
    """Whether another row has the same patient, time, quantity and entry; none of a row without a time."""
    alike = frame.duplicated(place, keep=False).to_numpy(bool)
    return np.asarray(alike & frame[place[1]].notna().to_numpy(bool))


def rows_in_words(rows: Sequence[int] | np.ndarray) -> str:
    """Return rows for a message, the first five of them.

    Parameters
    ----------
    rows : sequence of int
    """
    shown = ", ".join(str(int(row)) for row in rows[:SHOWN])
    return f"row{'s' if len(rows) > 1 else ''} {shown}{', …' if len(rows) > SHOWN else ''}"


def _place(declared: Table) -> list[str]:
    """Headers that say whose a value is, when it was measured, of which quantity, and when it was recorded."""
    if declared.rows == "several":
        return []
    when = declared.visits.column if declared.visits else None
    when = declared.known.date if when is None and isinstance(declared.known, DateKnown) else when
    if when is None:
        return []
    name = declared.name_column if declared.layout == "long" else None
    return list(dict.fromkeys(one for one in (declared.key, when, name, declared.recorded) if one))


def _compared(declared: Table, frame: pd.DataFrame) -> list[str]:
    if declared.layout == "long":
        return [str(declared.value_column)]
    structural = structural_headers(declared)
    return [header for header in declared.columns if header in frame and header not in structural]


def _say_repeated(reading: Reading, rows: np.ndarray) -> None:
    if len(rows):
        reading.note(
            "rows repeat an earlier one of the same patient and time in every declared column",
            n=len(rows),
            example=f" ({rows_in_words(rows)}): imported twice?",
        )


def _say_contradicted(
    reading: Reading, header: str, rows: np.ndarray, group: np.ndarray, differs: np.ndarray
) -> None:
    if differs.any():
        involved = rows[np.isin(group, group[differs])]
        reading.note(
            f"values of {header!r} differ from an earlier one of the same patient and time",
            n=int(differs.sum()),
            example=f" ({rows_in_words(involved)}); nothing says which is right",
        )
