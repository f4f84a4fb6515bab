"""Every declared value with its day relative to day 0. Dates are compared here and in `predictor.cohort.clock` only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import cast

import numpy as np
import pandas as pd

from predictor.cohort.clock import (
    days_from_dates,
    recorded_timing,
    versions_known,
)
from predictor.config.dictionary import Column, DateKnown, Dictionary, Table
from predictor.data.conform import ConformedTable

__all__ = ["Timeline", "build_timeline", "index_dates", "measure_of", "too_early"]

CLOCK = ["known_day", "known_before", "recorded"]
COLUMNS = ["unit", "reference", "day", "before_dose", "hour", *CLOCK, "value", "row"]


@dataclass(frozen=True)
class Timeline:
    """All that is recorded about the units, with the day of each value.

    Parameters
    ----------
    units : pandas.DataFrame
        Columns ``patient`` (str), ``day0`` (datetime, NaT where days are nominal), ``index_row`` (position in the
        index table, -1 where there is none). Row ``i`` is unit ``i``.
    records : pandas.DataFrame
        Columns ``unit``, ``reference`` (``table.column``), ``day`` (relative to day 0), ``before_dose`` (True, False,
        or None where no time of day says), ``hour`` (of the day), ``value``, ``row`` (line in the file), and when the
        value became known: ``known_day`` and ``known_before`` likewise, ``recorded`` (datetime, NaT where the
        dictionary names no such column). Missing values are left out. In order of time within each unit; of several
        values at one time the larger is the later one.
    attributes : dict of str to pandas.Series
        Values without a day (``baseline``, ``plan``, ``after``), one per unit; the first two as they were known at
        day 0.
    withheld : dict of str to ndarray of bool of shape (units,)
        Attributes of which some were recorded after day 0, and the units that have such a value.
    decision : ndarray of float of shape (units,) or None
        Day of the decision, where it follows an infusion; None where it is taken on the baseline.
    """

    units: pd.DataFrame
    records: pd.DataFrame
    attributes: Mapping[str, pd.Series]
    withheld: Mapping[str, np.ndarray] = field(default_factory=dict)
    decision: np.ndarray | None = None

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
            withheld={name: values[keep] for name, values in self.withheld.items()},
            decision=None if self.decision is None else self.decision[keep],
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
    same_day: str = "include",
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
    same_day : {"include", "exclude", "pre_dose_only"}
        What counts as known of what was recorded on day 0 itself.
    """
    attributes: dict[str, pd.Series] = {}
    withheld: dict[str, np.ndarray] = {}
    pieces: list[pd.DataFrame] = []
    # A visit map may depend on an attribute (`by`), so attributes come first.
    for name, declared in dictionary.tables():
        attributes |= _attributes(units, tables[name], declared, name, from_index_row=name == index_table)
        for reference, versions, after in _versions(
            units, tables[name], declared, name, from_index_row=name == index_table
        ):
            attributes[reference], later = versions_known(
                versions, n=len(units), same_day=None if after else same_day
            )
            withheld |= {reference: later} if later.any() else {}
    for name, declared in dictionary.tables():
        pieces += _records(units, tables[name], declared, name, attributes)
    return Timeline(units=units, records=_in_order(pieces), attributes=attributes, withheld=withheld)


def _in_order(pieces: list[pd.DataFrame]) -> pd.DataFrame:
    """Sort by unit and time. What was measured at the same time is put in the order of its values, not the file's."""
    if not pieces:
        return pd.DataFrame(columns=COLUMNS)
    records = pd.concat(pieces, ignore_index=True)
    value = records["value"].to_numpy(object)
    number = pd.to_numeric(records["value"], errors="coerce").to_numpy(float)
    words = np.fromiter((isinstance(one, str) for one in value), dtype=bool, count=len(value))
    text = np.zeros(len(value), dtype=np.intp)
    # Only a text can differ from another of the same number.
    text[words] = pd.factorize(value[words], sort=True)[0] + 1
    reference = pd.factorize(records["reference"], sort=True)[0]
    keys = [text, _before_all(number), reference, _before_all(records["hour"])]
    times = [records[name].to_numpy(float) for name in ("day", "unit")]
    order = np.lexsort([records["row"].to_numpy(float), *keys, *times])
    return records.take(order)[COLUMNS].reset_index(drop=True)


def _before_all(values: np.ndarray | pd.Series) -> np.ndarray:
    """Put what is missing before everything else."""
    numbers = np.asarray(values, dtype=float)
    return np.where(np.isnan(numbers), -np.inf, numbers)


def too_early(table: ConformedTable, declared: Table, day0: pd.Series) -> dict[str, np.ndarray]:
    """Return the lines of a file whose own date contradicts ``known: after``, by column.

    Parameters
    ----------
    table : ConformedTable
    declared : Table
    day0 : pandas.Series of datetime
        Day 0 that each row of the table has to follow; NaT where there is none.

    Returns
    -------
    dict of str to ndarray of int
        A column declared ``known: after`` that is a date before day 0, or that has a value in a row dated before day 0.
    """
    found: dict[str, np.ndarray] = {}
    for header, column in declared.columns.items():
        if declared.known_of(column) != "after":
            continue
        values = _own_values(table, declared, header)
        if column.kind == "date":
            dates = pd.to_datetime(values)
        elif isinstance(declared.known, DateKnown):
            dates = table.frame[declared.known.date].where(values.notna())
        else:
            continue
        early = (dates.dt.normalize() < day0.dt.normalize()).to_numpy(bool)
        if early.any():
            found[header] = table.rows[early]
    return found


def measure_of(references: pd.Series) -> pd.Series:
    """Return the column part of each ``table.column``.

    Parameters
    ----------
    references : pandas.Series of str
    """
    names = {reference: reference.partition(".")[2] for reference in references.unique()}
    return references.map(names)


def _has_own_day(declared: Table, column: Column) -> bool:
    return (
        isinstance(declared.known_of(column), DateKnown)
        or declared.visits is not None
        or column.day is not None
    )


def _own_values(table: ConformedTable, declared: Table, name: str) -> pd.Series:
    """Values of one declared column, missing in the rows of a long table that hold something else."""
    if declared.layout == "wide":
        return table.frame[name]
    return table.frame[str(declared.value_column)].where(table.frame[str(declared.name_column)] == name)


def _attributes(
    units: pd.DataFrame, table: ConformedTable, declared: Table, name: str, *, from_index_row: bool
) -> dict[str, pd.Series]:
    found: dict[str, pd.Series] = {}
    for header, column in _without_day(declared, from_index_row=from_index_row):
        if declared.recorded_of(column) is not None:
            continue
        if from_index_row and declared.layout == "wide":
            # A new patient may have no row yet: position -1, every value missing.
            values = table.frame[header].reindex(units["index_row"].to_numpy(int))
        else:
            values = _one_per_patient(table, declared, header).reindex(units["patient"])
        found[f"{name}.{column.reference(header)}"] = values.reset_index(drop=True)
    return found


def _without_day(declared: Table, *, from_index_row: bool) -> Iterator[tuple[str, Column]]:
    """Yield the columns of which a unit has one value: those without days, and those of its own row of the index."""
    for header, column in declared.columns.items():
        own_row = from_index_row and declared.layout == "wide" and column.known is None
        if own_row or not _has_own_day(declared, column):
            yield header, column


def _versions(
    units: pd.DataFrame, table: ConformedTable, declared: Table, name: str, *, from_index_row: bool
) -> Iterator[tuple[str, pd.DataFrame, bool]]:
    """Yield the versions of every column without a day of which it is recorded when each became known.

    Of the index table the versions are those of the unit's own row.
    """
    for header, column in _without_day(declared, from_index_row=from_index_row):
        recorded = declared.recorded_of(column)
        if recorded is None:
            continue
        rows = pd.DataFrame(
            {
                "patient": table.frame[declared.key],
                "value": _own_values(table, declared, header),
                "recorded": table.frame[recorded],
            }
        )
        own = units[["patient", "day0", "index_row"]].rename_axis("unit").reset_index()
        if from_index_row and declared.layout == "wide":
            joined = own.merge(rows.drop(columns="patient"), left_on="index_row", right_index=True)
        else:
            joined = own.merge(rows, on="patient")
        joined = joined.loc[joined["value"].notna()].reset_index(drop=True)
        nothing = pd.DataFrame({"day": np.nan, "before_dose": None}, index=joined.index)
        clock = recorded_timing(joined["recorded"], joined["day0"], nothing)
        versions = joined[["unit", "value"]].join(clock)
        yield f"{name}.{column.reference(header)}", versions, declared.known_of(column) == "after"


def _one_per_patient(table: ConformedTable, declared: Table, header: str) -> pd.Series:
    """Value of a column without days: the patient's only one, else the earliest; never the first in the file."""
    values = _own_values(table, declared, header)
    date = table.frame[declared.known.date] if isinstance(declared.known, DateKnown) else pd.NaT
    rows = pd.DataFrame({"patient": table.frame[declared.key], "value": values, "date": date})
    rows = rows.loc[values.notna()].sort_values(["patient", "date", "value"], kind="stable")
    return rows.drop_duplicates("patient").set_index("patient")["value"]


def _records(
    units: pd.DataFrame,
    table: ConformedTable,
    declared: Table,
    name: str,
    attributes: Mapping[str, pd.Series],
) -> list[pd.DataFrame]:
    rows = pd.DataFrame(
        {"patient": table.frame[declared.key], "position": np.arange(len(table.frame)), "row": table.rows}
    )
    joined = units[["patient", "day0"]].rename_axis("unit").reset_index().merge(rows, on="patient")
    pieces = []
    for header, column in declared.columns.items():
        if not _has_own_day(declared, column):
            continue
        values = _own_values(table, declared, header)
        own = joined.loc[values.notna().to_numpy(bool)[joined["position"]]].reset_index(drop=True)
        timing = _days(own, table, declared, column, attributes)
        recorded = declared.recorded_of(column)
        entered = table.frame[recorded].iloc[own["position"]].reset_index(drop=True) if recorded else None
        clock = recorded_timing(entered, own["day0"], timing)
        piece = pd.DataFrame(
            {
                "unit": own["unit"],
                "reference": f"{name}.{column.reference(header)}",
                "value": values.iloc[own["position"]].astype(object).reset_index(drop=True),
                "row": own["row"],
            }
        ).join([timing, clock])
        pieces.append(piece.loc[piece["day"].notna()])
    return pieces


def _days(
    joined: pd.DataFrame,
    table: ConformedTable,
    declared: Table,
    column: Column,
    attributes: Mapping[str, pd.Series],
) -> pd.DataFrame:
    """``day``, ``before_dose`` and ``hour`` of each joined row; the last two missing where no time of day says."""
    known = declared.known_of(column)
    if column.day is None and isinstance(known, DateKnown):
        date = table.frame[known.date].iloc[joined["position"]].reset_index(drop=True)
        return days_from_dates(date, joined["day0"])
    if column.day is not None:
        day = pd.Series(float(column.day), index=joined.index)
    else:
        day = _days_from_labels(joined, table, declared, attributes)
    nobody_knows = pd.Series([None] * len(joined), dtype=object)
    return pd.DataFrame({"day": day, "before_dose": nobody_knows, "hour": np.nan})


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
