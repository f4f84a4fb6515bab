"""A table in figures that show nobody."""

from __future__ import annotations

from typing import Any

import pandas as pd

from predictor.config.dictionary import Column, DateKnown, Table
from predictor.data.columns import measured
from predictor.data.conform import ConformedTable

__all__ = ["describe"]

SMALLEST_COUNT = 5


def describe(table: ConformedTable, declared: Table) -> pd.DataFrame:
    """Summarise a table without showing anybody: no count from 1 to 4, no extreme of fewer than 5 rows.

    Parameters
    ----------
    table : ConformedTable
    declared : Table

    Returns
    -------
    pandas.DataFrame
        One row per declared column: ``column`` (name in configs), ``label``, ``kind``, ``unit``, ``known``,
        ``n`` (rows), ``missing`` (NA from 1 to 4), ``low`` and ``high`` (fifth smallest and largest value,
        NA below 10 values), ``levels`` (categories with their counts; no count where it is suppressed).
    """
    rows: list[dict[str, Any]] = []
    for header, column, values in measured(table.frame, declared):
        missing = int(values.isna().sum())
        low, high = _inner_range(values.dropna(), column.kind)
        known = declared.known_of(column)
        rows.append(
            {
                "column": column.reference(header),
                "label": column.label or "",
                "kind": column.kind,
                "unit": column.unit,
                "known": f"on {known.date}" if isinstance(known, DateKnown) else known or "",
                "n": len(values),
                "missing": pd.NA if 0 < missing < SMALLEST_COUNT else missing,
                "low": low,
                "high": high,
                "levels": _levels(values.dropna(), column),
            }
        )
    return pd.DataFrame(rows).astype({"missing": "Int64"})


def _inner_range(values: pd.Series, kind: str) -> tuple[Any, Any]:
    if kind not in {"number", "integer", "date"} or len(values) < 2 * SMALLEST_COUNT:
        return pd.NA, pd.NA
    ordered = values.sort_values()
    low, high = ordered.iloc[SMALLEST_COUNT - 1], ordered.iloc[-SMALLEST_COUNT]
    return (low.date().isoformat(), high.date().isoformat()) if kind == "date" else (low, high)


def _levels(values: pd.Series, column: Column) -> str:
    if column.kind not in {"category", "boolean"}:
        return ""
    shown = values.map({1.0: "yes", 0.0: "no"}) if column.kind == "boolean" else values
    counts = shown.value_counts()
    few = set(counts.index[counts < SMALLEST_COUNT])
    if len(few) == 1 and len(counts) > 1:
        # One suppressed count could be worked out from the others, so the next smallest goes as well.
        few.add(counts.index[counts >= SMALLEST_COUNT][-1])
    named = [f"{level} ({count})" for level, count in counts.items() if level not in few]
    # Declared names are no secret; a learned level that few patients have may be one.
    rare = (
        sorted(few)
        if column.values or column.kind == "boolean"
        else [f"{len(few)} rarer levels"]
        if few
        else []
    )
    return ", ".join([*named, *rare])
