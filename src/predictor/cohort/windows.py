"""Days relative to day 0. The only module in which dates are compared.

Later stages receive rows already cut to their window, so they have nothing to leak.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
import pandas as pd

from predictor.config.dictionary import Column, DateKnown, Dictionary, Table
from predictor.config.schema import Baseline, Window
from predictor.data.conform import ConformedTable

__all__ = [
    "Timeline",
    "assessed_rows",
    "attribute",
    "baseline_rows",
    "build_timeline",
    "index_dates",
    "measure_of",
    "rows_in_window",
]

COLUMNS = ["unit", "reference", "day", "before_dose", "value", "row"]


@dataclass(frozen=True)
class Timeline:
    """All that is recorded about the units, with the day of each value.

    Parameters
    ----------
    units : pandas.DataFrame
        Columns ``patient`` (str), ``day0`` (datetime, NaT where days are nominal), ``index_row`` (position in the
        index table, -1 where there is none). Row ``i`` is unit ``i``.
    records : pandas.DataFrame
        Columns ``unit``, ``reference`` (``table.column``), ``day`` (relative to day 0), ``before_dose`` (True, False, or
        None where no time of day says), ``value``, ``row`` (line in the file). Missing values are left out.
    attributes : dict of str to pandas.Series
        Values without a day (``baseline``, ``plan``, ``after``), one per unit.
    """

    units: pd.DataFrame
    records: pd.DataFrame
    attributes: Mapping[str, pd.Series]

    def take(self, keep: np.ndarray) -> Timeline:
        """Return the timeline of the units for which ``keep`` is True, renumbered from 0.

        Parameters
        ----------
        keep : ndarray of bool of shape (units,)
        """
        position = np.cumsum(keep) - 1
        inside = keep[self.records["unit"].to_numpy(int)]
        records = self.records.loc[inside].copy()
        records["unit"] = position[records["unit"].to_numpy(int)]
        return Timeline(
            units=self.units.loc[keep].reset_index(drop=True),
            records=records.reset_index(drop=True),
            attributes={
                name: values[keep].reset_index(drop=True) for name, values in self.attributes.items()
            },
        )


def index_dates(table: ConformedTable, declared: Table) -> pd.Series:
    """Return the date of each row of a dated table.

    Parameters
    ----------
    table : ConformedTable
    declared : Table
        Its declaration; ``known`` must be ``{date: COLUMN}``.
    """
    known = declared.known
    if not isinstance(known, DateKnown):
        msg = "the index table has no date; the config's checks let it through"
        raise TypeError(msg)
    return table.frame[known.date]


def build_timeline(
    units: pd.DataFrame,
    tables: Mapping[str, ConformedTable],
    dictionary: Dictionary,
    *,
    index_table: str | None,
) -> Timeline:
    """Give every declared value its day relative to each unit's day 0.

    Parameters
    ----------
    units : pandas.DataFrame
        ``patient``, ``day0``, ``index_row`` as in `Timeline`.
    tables : mapping of str to ConformedTable
    dictionary : Dictionary
    index_table : str or None
        The table whose row is day 0; its columns are read from that very row.
    """
    attributes: dict[str, pd.Series] = {}
    pieces: list[pd.DataFrame] = []
    # A visit map may depend on an attribute (`by`), so attributes come first.
    for name, declared in dictionary.tables():
        attributes |= _attributes(units, tables[name], declared, name, from_index_row=name == index_table)
    for name, declared in dictionary.tables():
        pieces += _records(units, tables[name], declared, name, attributes)
    records = pd.concat(pieces, ignore_index=True) if pieces else pd.DataFrame(columns=COLUMNS)
    records = records.sort_values(["unit", "reference", "day", "row"], kind="stable").reset_index(drop=True)
    return Timeline(units=units, records=records, attributes=attributes)


def baseline_rows(timeline: Timeline, baseline: Baseline) -> pd.DataFrame:
    """Return the records known at day 0: inside the baseline window, and before the dose where that is asked.

    Parameters
    ----------
    timeline : Timeline
    baseline : Baseline
        Whole days, both ends included. With ``pre_dose_only`` a value of day 0 counts only if its time is before the
        dose; one without a time does not.
    """
    records = timeline.records
    day = records["day"].to_numpy(float)
    inside = (day >= baseline.first_day) & (day <= baseline.last_day)
    if baseline.same_day == "exclude":
        inside &= day != 0
    elif baseline.same_day == "pre_dose_only":
        inside &= (day != 0) | (records["before_dose"] == True).to_numpy(bool)  # noqa: E712 - None counts as no
    return records.loc[inside]


def rows_in_window(timeline: Timeline, reference: str, window: Window) -> pd.DataFrame:
    """Return the records of one quantity whose day lies in a window, both ends included.

    Parameters
    ----------
    timeline : Timeline
    reference : str
        ``table.column``, or the name of a measure in any table.
    window : Window
    """
    records = timeline.records
    named = (
        records["reference"] == reference
        if "." in reference
        else measure_of(records["reference"]) == reference
    )
    return records.loc[named & records["day"].between(window.first_day, window.last_day)]


def assessed_rows(timeline: Timeline, reference: str, window: Window) -> pd.DataFrame:
    """Return one record per unit: the assessment that the window asks for.

    Parameters
    ----------
    timeline : Timeline
    reference : str
        ``table.column``, or the name of a measure in any table.
    window : Window
        ``prefer: nearest`` takes the value closest to ``target_day`` (default: the middle), the earlier one on a tie.
    """
    found = rows_in_window(timeline, reference, window)
    if window.prefer == "nearest":
        target = (
            window.target_day if window.target_day is not None else (window.first_day + window.last_day) / 2
        )
        distant = found.assign(distance=(found["day"] - target).abs())
        ordered = distant.sort_values(["unit", "distance", "day", "row"], kind="stable")
    else:
        ascending = [True, window.prefer == "first", True]
        ordered = found.sort_values(["unit", "day", "row"], kind="stable", ascending=ascending)
    return ordered.drop_duplicates("unit").set_index("unit")


def measure_of(references: pd.Series) -> pd.Series:
    """Return the column part of each ``table.column``.

    Parameters
    ----------
    references : pandas.Series of str
    """
    return references.str.partition(".")[2]


def attribute(timeline: Timeline, reference: str) -> pd.Series | None:
    """Return a value without a day, one per unit; None where ``reference`` has days.

    Parameters
    ----------
    timeline : Timeline
    reference : str
        ``table.column``.
    """
    return timeline.attributes.get(reference)


def _has_own_day(declared: Table, column: Column) -> bool:
    return (
        isinstance(declared.known_of(column), DateKnown)
        or declared.visits is not None
        or column.day is not None
    )


def _attributes(
    units: pd.DataFrame, table: ConformedTable, declared: Table, name: str, *, from_index_row: bool
) -> dict[str, pd.Series]:
    frame = table.frame
    found: dict[str, pd.Series] = {}
    # A new patient may have no row yet: position -1, every value missing.
    rows = frame.reindex(units["index_row"].to_numpy(int)).reset_index(drop=True) if from_index_row else None
    for header, column in declared.columns.items():
        dated = _has_own_day(declared, column)
        if rows is not None and (not dated or column.known is None):
            found[f"{name}.{column.reference(header)}"] = rows[header]
        elif not dated and declared.layout == "wide":
            values = frame.drop_duplicates(declared.key).set_index(declared.key)[header]
            found[f"{name}.{column.reference(header)}"] = values.reindex(units["patient"]).reset_index(
                drop=True
            )
    return found


def _records(
    units: pd.DataFrame,
    table: ConformedTable,
    declared: Table,
    name: str,
    attributes: Mapping[str, pd.Series],
) -> list[pd.DataFrame]:
    measured: dict[str, Column | None] = {
        header: column for header, column in declared.columns.items() if _has_own_day(declared, column)
    }
    if declared.layout == "long":
        measured = {str(declared.value_column): None}
    if not measured:
        return []
    rows = pd.DataFrame(
        {"patient": table.frame[declared.key], "position": np.arange(len(table.frame)), "row": table.rows}
    )
    joined = (
        units[["patient", "day0"]].rename_axis("unit").reset_index().merge(rows, on="patient", how="inner")
    )
    pieces = []
    for header, column in measured.items():
        day, before = _days(joined, table, declared, column, attributes)
        value = table.frame[header].iloc[joined["position"]].reset_index(drop=True)
        reference: pd.Series | str
        if column is None:
            quantity = table.frame[str(declared.name_column)].iloc[joined["position"]].reset_index(drop=True)
            names = {n: c.reference(n) for n, c in declared.columns.items()}
            reference = f"{name}." + quantity.map(names).fillna("")
        else:
            reference = f"{name}.{column.reference(header)}"
        piece = pd.DataFrame(
            {
                "unit": joined["unit"],
                "reference": reference,
                "day": day,
                "before_dose": before,
                "value": value.astype(object),
                "row": joined["row"],
            }
        )
        pieces.append(piece.loc[value.notna() & day.notna() & (piece["reference"] != f"{name}.")])
    return pieces


def _days(
    joined: pd.DataFrame,
    table: ConformedTable,
    declared: Table,
    column: Column | None,
    attributes: Mapping[str, pd.Series],
) -> tuple[pd.Series, pd.Series]:
    """Day relative to day 0 and whether it is before the dose, for each joined row."""
    nobody_knows = pd.Series([None] * len(joined), dtype=object)
    if column is not None and column.day is not None:
        return pd.Series(float(column.day), index=joined.index), nobody_knows
    known = declared.known_of(column) if column is not None else declared.known
    if isinstance(known, DateKnown):
        return _days_from_dates(joined, table.frame[known.date])
    return _days_from_labels(joined, table, declared, attributes), nobody_knows


def _days_from_dates(joined: pd.DataFrame, dates: pd.Series) -> tuple[pd.Series, pd.Series]:
    date = dates.iloc[joined["position"]].reset_index(drop=True)
    day0 = joined["day0"]
    day = (date.dt.normalize() - day0.dt.normalize()).dt.days
    # Midnight is how a date without a time is read, so it says nothing about before or after the dose.
    timed = (date != date.dt.normalize()) & (day0 != day0.dt.normalize())
    before = (date < day0).astype(object).where(timed, None)
    return day.astype(float), before


def _days_from_labels(
    joined: pd.DataFrame, table: ConformedTable, declared: Table, attributes: Mapping[str, pd.Series]
) -> pd.Series:
    visits = declared.visits
    if visits is None:
        return pd.Series(np.nan, index=joined.index)
    label = table.frame[visits.column].iloc[joined["position"]].reset_index(drop=True)
    if visits.by is None:
        return label.map(_as_days(visits.days))
    level = attributes[visits.by].iloc[joined["unit"]].reset_index(drop=True)
    maps = {str(key): _as_days(days) for key, days in visits.days.items()}
    return pd.Series(
        [maps.get(str(one), {}).get(str(two), np.nan) for one, two in zip(level, label, strict=True)],
        index=joined.index,
    )


def _as_days(days: Mapping[str, object]) -> dict[str, float]:
    return {str(label): np.nan if day == "ignore" else float(cast(int, day)) for label, day in days.items()}
