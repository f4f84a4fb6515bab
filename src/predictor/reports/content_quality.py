"""The data-quality report as plain data: what the files hold, in figures that show nobody."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from predictor.reports.view import View

__all__ = [
    "ColumnRow",
    "CoverageRow",
    "DataQualityV1",
    "MissingRow",
    "OutcomeRow",
    "StepLine",
    "TableRow",
    "TimelineRow",
]


class TableRow(View):
    """One table of the dictionary; None where 1 to 4 are counted."""

    table: str
    file: str
    rows: int | None
    patients: int | None
    columns: int


class StepLine(View):
    """Who is left after one step, and of how many of the excluded a missing value decided."""

    step: str
    patients: int
    units: int
    excluded: int
    unknown: int


class OutcomeRow(View):
    """Why an outcome is or is not known; None where 1 to 4 are counted or events mean nothing."""

    outcome: str
    kind: str
    reason: str
    n: int | None
    events: int | None


class ColumnRow(View):
    """One declared column with its bars: counts of equal parts of its range, None where 1 to 4."""

    table: str
    column: str
    label: str
    kind: str
    unit: str
    known: str
    n: int
    missing: int | None
    expected: str
    observed: str
    mean: str
    remark: str
    levels: str
    bars: tuple[int | None, ...] = ()


class MissingRow(View):
    """Share of units without a value of one feature; None where it would speak of 1 to 4 units."""

    feature: str
    all: float | None
    known: float | None = None
    not_known: float | None = None
    sites: tuple[float | None, ...] = ()


class CoverageRow(View):
    """Who has one quantity, and when it counts; None where 1 to 4 are counted or nothing is asked."""

    reference: str
    values: int | None
    units: int | None
    baseline: int | None
    recorded_later: int | None
    one_day: int | None
    assessed: tuple[int | None, ...] = ()


class TimelineRow(View):
    """Values of one quantity in one part of the time around day 0; None where 1 to 4."""

    reference: str
    first_day: int
    last_day: int
    n: int | None


class DataQualityV1(View):
    """Everything one data-quality report says."""

    schema_name: Literal["DataQualityV1"] = "DataQualityV1"
    experiment: str
    created_utc: datetime
    software_version: str
    config_sha256: str
    data_sha256: str
    simulated: bool
    units: int
    baseline_days: tuple[int, int]
    windows: tuple[tuple[str, int, int], ...] = ()
    tables: tuple[TableRow, ...]
    steps: tuple[StepLine, ...]
    outcomes: tuple[OutcomeRow, ...]
    columns: tuple[ColumnRow, ...]
    site: str = ""
    sites: tuple[str, ...] = ()
    missing: tuple[MissingRow, ...] = ()
    complete: tuple[str, ...] = ()
    assessed: tuple[str, ...] = ()
    coverage: tuple[CoverageRow, ...] = ()
    timeline: tuple[TimelineRow, ...] = ()
    duplicates: tuple[tuple[str, int], ...] = ()
    notices: tuple[str, ...] = ()
