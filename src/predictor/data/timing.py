"""Analytes that say little without the time of the draw and of waking, such as cortisol."""

from __future__ import annotations

import pandas as pd

from predictor.config.derivations import HoursBetween
from predictor.config.dictionary import DateKnown, Table
from predictor.data.analytes import named_analyte
from predictor.data.columns import measured
from predictor.data.reading import Reading

__all__ = ["note_untimed"]


def note_untimed(reading: Reading, frame: pd.DataFrame) -> None:
    """Say of which timed values the hour of the draw, or the time since waking, is not known.

    Parameters
    ----------
    reading : Reading
        Its notices receive a line per column and lack.
    frame : pandas.DataFrame
        Converted columns.
    """
    declared = reading.declared
    for header, column, values in measured(frame, declared):
        analyte = named_analyte(column)
        if analyte is None or not analyte.timed:
            continue
        known, present = declared.known_of(column), values.notna()
        lacking = int(present.sum())
        if isinstance(known, DateKnown):
            drawn = frame.loc[values.index, known.date]
            # Midnight is how a date without a time is read.
            lacking = int((present & (drawn.isna() | (drawn == drawn.dt.normalize()))).sum())
        if lacking:
            reading.note(f"values of {header} ({analyte.name}) have no time of the draw", n=lacking)
        if not _says_waking(declared):
            message = f"nothing says how long after waking {header} ({analyte.name}) was drawn"
            remedy = "declare the measure hours_since_waking, or derive it with the rule hours_between"
            reading.note(f"{message}; {remedy}")


def _says_waking(declared: Table) -> bool:
    return any(
        isinstance(column.derive, HoursBetween) or column.reference(header) == "hours_since_waking"
        for header, column in declared.columns.items()
    )
