"""From described data to the data-quality page, its tables and its lines in the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import pandas as pd

from predictor.answers import WATERMARK
from predictor.config.schema import EventOutcome
from predictor.data.frames import rows_of
from predictor.provenance import software_version
from predictor.quality.describing import DataQuality
from predictor.reports.content_quality import (
    ColumnRow,
    CoverageRow,
    DataQualityV1,
    MissingRow,
    OutcomeRow,
    StepLine,
    TableRow,
    TimelineRow,
)

__all__ = ["quality_record", "quality_tables", "quality_text", "quality_view"]

OFTEN_MISSING = 0.20
MOST_SITES = 12


def quality_view(found: DataQuality, *, created: datetime) -> DataQualityV1:
    """Lay out the data-quality page.

    Parameters
    ----------
    found : DataQuality
    created : datetime
    """
    config = found.loaded.config
    measured = {name: o for name, o in config.outcomes.items() if not isinstance(o, EventOutcome)}
    missing = list(_missing(found))
    assessed = tuple(name for name in measured if name in found.coverage)
    return DataQualityV1(
        experiment=config.experiment.name,
        created_utc=created,
        software_version=software_version(),
        config_sha256=found.loaded.config_hash,
        data_sha256=found.data_hash,
        simulated=found.simulated,
        units=int(found.attrition["units"].iloc[-1]),
        baseline_days=(config.cohort.baseline.first_day, config.cohort.baseline.last_day),
        windows=tuple((name, o.assessed.first_day, o.assessed.last_day) for name, o in measured.items()),
        tables=tuple(TableRow(**_plain(r)) for r in _dicts(found.tables)),
        steps=tuple(StepLine(**_plain(r)) for r in _dicts(found.attrition)),
        outcomes=tuple(OutcomeRow(**_plain(r)) for r in _dicts(found.outcomes)),
        columns=tuple(_columns(found)),
        site=found.site,
        sites=_sites(found),
        missing=tuple(row for row in missing if row.all != 0),
        complete=tuple(row.feature for row in missing if row.all == 0),
        assessed=assessed,
        coverage=tuple(_coverage(found, assessed)),
        timeline=tuple(TimelineRow(**_plain(r)) for r in _dicts(_quantities(found, found.timeline))),
        duplicates=tuple((str(r.what), int(r.n)) for r in rows_of(found.duplicates)),
        notices=found.notices,
    )


def _dicts(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """Replace every missing value by None, and numpy's numbers by Python's."""
    return {
        name: None if pd.isna(value) else value.item() if hasattr(value, "item") else value
        for name, value in row.items()
    }


def _quantities(found: DataQuality, table: pd.DataFrame) -> pd.DataFrame:
    """Keep the rows of instruments, analytes and measures; other dated columns stand in the file alone."""
    dictionary = found.loaded.dictionary
    names = {name: dictionary.find(name) for name in dict.fromkeys(table["reference"])}
    kept = [name for name, one in names.items() if one is not None and one[2].quantity]
    return table[table["reference"].isin(kept)]


def _columns(found: DataQuality) -> Iterator[ColumnRow]:
    bars = {one.reference: one.counts for one in found.histograms}
    for row in map(_plain, _dicts(found.columns)):
        reference = f"{row['table']}.{row['column']}"
        mean = "" if row["mean"] is None else f"{_short(row['mean'], 3)} ({_short(row['sd'], 2)})"
        yield ColumnRow(
            table=row["table"],
            column=row["column"],
            label=row["label"],
            kind=row["kind"],
            unit=row["unit"],
            known=row["known"],
            n=row["n"],
            missing=row["missing"],
            expected=_span(row["expected_low"], row["expected_high"]),
            observed=_span(row["low"], row["high"]),
            mean=mean,
            remark=row["remark"],
            levels=row["levels"],
            bars=bars.get(reference, ()),
        )


def _short(value: float, digits: int) -> str:
    """Write a number with so many significant digits and no exponent."""
    return f"{float(f'{value:.{digits}g}'):.10g}"


def _span(low: Any, high: Any) -> str:
    def words(end: Any) -> str:
        return end if isinstance(end, str) else f"{end:g}"

    if low is None and high is None:
        return ""
    if low is None or high is None:
        return f"at most {words(high)}" if low is None else f"at least {words(low)}"
    return f"{words(low)} to {words(high)}"


def _sites(found: DataQuality) -> tuple[str, ...]:
    """Sites on the page: the twelve largest, in their own order."""
    rows = found.missingness[found.missingness["by"] == "site"].drop_duplicates("group")
    largest = set(rows.nlargest(MOST_SITES, "n")["group"])
    return tuple(group for group in rows["group"] if group in largest)


def _missing(found: DataQuality) -> Iterator[MissingRow]:
    sites = _sites(found)
    labels = {feature.name: feature.label for feature in found.features}
    for name, rows in found.missingness.groupby("feature", sort=False):
        share = {(r.by, r.group): None if pd.isna(r.missing) else float(r.missing) for r in rows_of(rows)}
        yield MissingRow(
            feature=labels.get(str(name), str(name)),
            all=share.get(("all", "")),
            known=share.get(("outcome", "known")),
            not_known=share.get(("outcome", "not known")),
            sites=tuple(share.get(("site", site)) for site in sites),
        )


def _coverage(found: DataQuality, assessed: tuple[str, ...]) -> Iterator[CoverageRow]:
    counted = ("values", "units", "baseline", "recorded_later", "one_day")
    for row in map(_plain, _dicts(_quantities(found, found.coverage))):
        yield CoverageRow(
            reference=row["reference"],
            **{name: row.get(name) for name in counted},
            assessed=tuple(row.get(name) for name in assessed),
        )


def quality_tables(found: DataQuality) -> dict[str, pd.DataFrame]:
    """Return the tables of the report by the names of their files.

    Parameters
    ----------
    found : DataQuality
    """
    names = (
        "tables",
        "attrition",
        "outcomes",
        "columns",
        "missingness",
        "coverage",
        "timeline",
        "duplicates",
    )
    return {name: getattr(found, name) for name in names}


def quality_text(found: DataQuality) -> str:
    """Say who is left, what is often missing, and what is unlike what was expected.

    Parameters
    ----------
    found : DataQuality
    """
    parts = [WATERMARK] if found.simulated else []
    parts += [
        found.tables.to_string(index=False),
        "",
        found.attrition.to_string(index=False),
        "",
        found.outcomes.to_string(index=False, na_rep="-"),
        "",
        *(f"{r.table}.{r.column}: {r.remark}" for r in rows_of(found.columns) if r.remark),
        *_often_missing(found),
        *(f"{r.n} {r.what}" for r in rows_of(found.duplicates) if r.n),
    ]
    return "\n".join(parts).rstrip()


def _often_missing(found: DataQuality) -> Iterator[str]:
    overall = found.missingness[found.missingness["by"] == "all"]
    for r in rows_of(overall[overall["missing"] > OFTEN_MISSING]):
        yield f"{r.feature}: missing in {r.missing:.0%} of the selected courses"


def quality_record(found: DataQuality) -> dict[str, Any]:
    """Return the same as plain data.

    Parameters
    ----------
    found : DataQuality
    """
    tables = {name: [_plain(row) for row in _dicts(table)] for name, table in quality_tables(found).items()}
    return {"simulated": found.simulated, "site": found.site, "notices": list(found.notices), **tables}
