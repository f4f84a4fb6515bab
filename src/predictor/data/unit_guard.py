"""Values that look like another unit than the declared one: of all patients, of some sites, or of a part of the rows.

Only what `predictor.data.analytes` knows is judged: columns with that ``analyte``, or a ``measure`` of that name. A
column with ``unit_confirmed`` is left alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from predictor.config.dictionary import Column, Dictionary
from predictor.data.analytes import Analyte, guarded_analyte
from predictor.data.columns import measured
from predictor.data.conform import ConformedTable
from predictor.data.conversion import UnitError, can_convert, convert
from predictor.data.parts import WholeColumn
from predictor.errors import DataError, Problem, ResourceError

__all__ = ["check_units", "find_suspect_units", "unguarded"]

FEWEST, FEWEST_AT_SITE = 20, 10
NEAR = np.log(1.5)  # how far two medians may lie from a unit's factor
UNLIKELY = 5.0  # standard errors between sites
FAR = np.log(5.0)  # between sites a factor that is questioned even if no unit explains it
# Standard deviations between two parts. A normal distribution cut at its middle has 2.6; of 4000 simulated samples of
# 50 values none reached 4.5, of samples of 20 values 65 in 1000 reached 4: so few are not judged by themselves.
TWO_HUMPS, FEWEST_IN_HUMPS = 5.0, 50
CLEARLY = 2.0  # standard errors of a median beyond its limit
SMALLEST_PART = 0.1
CONFIRM = (
    "Mend `unit:`, or write `file_unit:` or `unit_column:`; if it is right, write `unit_confirmed: true`"
)


@dataclass(frozen=True)
class Measured:
    """Values of one column, above 0, with the site of each row where sites are known."""

    column: Column
    analyte: Analyte
    values: np.ndarray
    sites: np.ndarray

    def others(self) -> dict[str, float]:
        """Return the factor of each other unit into the declared one; none where the extra is not installed."""
        found = {}
        for unit in dict.fromkeys((self.analyte.unit, *self.analyte.units)):
            try:
                factor = float(convert(np.ones(1), unit, self.column.unit, self.analyte)[0])
            except (UnitError, ResourceError):
                continue
            if factor > 0 and abs(np.log(factor)) > np.log(1.2) and unit not in self.analyte.linear:
                found[unit] = factor
        return found


def check_units(
    tables: Mapping[str, ConformedTable], dictionary: Dictionary, *, site: str | None = None
) -> None:
    """Stop and ask where a unit is doubtful.

    Parameters
    ----------
    tables : mapping of str to ConformedTable
    dictionary : Dictionary
    site : str or None
        ``table.column`` of the sites.

    Raises
    ------
    DataError
        UNI-01 and UNI-03.
    """
    problems = list(find_suspect_units(tables, dictionary, site=site))
    if problems:
        raise DataError(problems)


def unguarded(dictionary: Dictionary) -> list[str]:
    """Name the columns whose units cannot be compared with others, because the extra ``units`` is not installed.

    Parameters
    ----------
    dictionary : Dictionary
    """
    if can_convert():
        return []
    return [
        f"{table}.{name}"
        for table, declared in dictionary.tables()
        for name, column in declared.columns.items()
        if guarded_analyte(column) is not None
    ]


def find_suspect_units(
    tables: Mapping[str, ConformedTable], dictionary: Dictionary, *, site: str | None = None
) -> Iterator[Problem]:
    """Yield columns whose unit is doubtful: UNI-01 for all values, UNI-03 for a part of them.

    Parameters
    ----------
    tables : mapping of str to ConformedTable
    dictionary : Dictionary
    site : str or None
        ``table.column`` of the sites.

    Notes
    -----
    UNI-01: the median of 20 values or more lies outside the analyte's ``median`` by 2 standard errors at least and,
    converted from another of its units, inside. UNI-03: the sites (10 values or more each), put in order of their
    medians and cut at the widest gap, differ by 5 standard errors and by a unit's factor (to within 1.5), or by more
    than 5; or 50 values or more, cut where the two parts differ most, do so by 5 standard deviations and by a unit's
    factor.
    """
    site_of = _site_of(tables, dictionary, site)
    for name, table in tables.items():
        declared = dictionary[name]
        for header, column, values in measured(table.frame, declared):
            analyte = guarded_analyte(column)
            if analyte is None:
                continue
            whole = table.whole.get(header)
            if whole is None:
                owner, patients = pd.factorize(table.frame.loc[values.index, declared.key])
                whole = WholeColumn(values.to_numpy(float), owner, np.asarray(patients, dtype=object))
            known = whole.values > 0
            sites = pd.Series(whole.patients).map(site_of).to_numpy(dtype=object)[whole.owner]
            own = Measured(column, analyte, whole.values[known], sites[known])
            for code, message in _suspicions(own):
                yield Problem(code, message, CONFIRM, path=header, file=declared.source.path)


def _site_of(
    tables: Mapping[str, ConformedTable], dictionary: Dictionary, site: str | None
) -> dict[str, object]:
    found = dictionary.find(site) if site else None
    if site is None or found is None:
        return {}
    declared, header, _ = found
    if declared.layout == "long":
        return {}
    frame = tables[site.partition(".")[0]].frame
    return dict(zip(frame[declared.key], frame[header], strict=True))


def _suspicions(own: Measured) -> Iterator[tuple[str, str]]:
    if len(own.values) < FEWEST:
        return
    found = list(_by_site(own)) or list(_two_humps(own)) or list(_whole(own))
    yield from found[:1]


def _whole(own: Measured) -> Iterator[tuple[str, str]]:
    limits = own.analyte.median
    if limits is None:
        return
    try:
        low, high = convert(np.array(limits), own.analyte.unit, own.column.unit, own.analyte)
    except (UnitError, ResourceError):
        return
    median = float(np.median(own.values))
    error = 1.2533 * float(np.log(own.values).std()) / np.sqrt(len(own.values))
    if low * np.exp(-CLEARLY * error) <= median <= high * np.exp(CLEARLY * error):
        return
    fitting = [unit for unit in (own.analyte.unit, *own.analyte.units) if _fits(own, unit, median, low, high)]
    if fitting:
        yield (
            "UNI-01",
            f"the median is {median:.3g} {own.column.unit}, {low:.3g} to {high:.3g} was expected of "
            f"{own.analyte.name}: it looks like {' or '.join(fitting)}",
        )


def _fits(own: Measured, unit: str, median: float, low: float, high: float) -> bool:
    if unit == own.column.unit:
        return False
    try:
        converted = float(convert(np.array([median]), unit, own.column.unit, own.analyte)[0])
    except (UnitError, ResourceError):
        return False
    return low <= converted <= high


def _by_site(own: Measured) -> Iterator[tuple[str, str]]:
    logs = pd.Series(np.log(own.values)).groupby(own.sites)
    table = logs.agg(["median", "std", "size"])
    table = table.loc[table["size"] >= FEWEST_AT_SITE].sort_values("median")
    if len(table) < 2:
        return
    medians, sizes = table["median"].to_numpy(float), table["size"].to_numpy(float)
    cut = int(np.argmax(np.diff(medians))) + 1
    low, high = (np.average(part, weights=size) for part, size in _parts(medians, sizes, cut))
    spread = float(np.sqrt(np.average(table["std"].to_numpy(float) ** 2, weights=sizes)))
    # The standard error of a median of normal values is 1.2533 times that of their mean.
    error = 1.2533 * spread * np.sqrt(1 / sizes[:cut].sum() + 1 / sizes[cut:].sum())
    apart = high - low
    if apart < UNLIKELY * error or apart < NEAR:
        return
    unit = _nearest(own, apart)
    if unit is None and apart < FAR:
        return
    fewer = min(cut, len(table) - cut)
    looks = f", which is what {unit} would do" if unit else ""
    yield (
        "UNI-03",
        f"the median of {own.analyte.name} at {fewer} of {len(table)} sites is {np.exp(apart):.3g} times smaller or "
        f"larger than at the others{looks}",
    )


def _parts(medians: np.ndarray, sizes: np.ndarray, cut: int) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(medians[:cut], sizes[:cut]), (medians[cut:], sizes[cut:])]


def _two_humps(own: Measured) -> Iterator[tuple[str, str]]:
    logs = np.sort(np.log(own.values))
    n = len(logs)
    if n < FEWEST_IN_HUMPS:
        return
    sizes = np.arange(1, n)
    lower = np.cumsum(logs)[:-1] / sizes
    upper = (logs.sum() - np.cumsum(logs)[:-1]) / (n - sizes)
    cut = int(np.argmax(sizes * (n - sizes) * (upper - lower) ** 2)) + 1
    parts = logs[:cut], logs[cut:]
    within = np.sqrt(sum(((part - part.mean()) ** 2).sum() for part in parts) / n)
    apart = parts[1].mean() - parts[0].mean()
    if min(cut, n - cut) < SMALLEST_PART * n or apart < TWO_HUMPS * within:
        return
    unit = _nearest(own, apart)
    if unit is not None:
        yield (
            "UNI-03",
            f"{min(cut, n - cut)} of {n} values of {own.analyte.name} are about {np.exp(apart):.3g} times smaller or "
            f"larger than the others, which is what {unit} would do",
        )


def _nearest(own: Measured, apart: float) -> str | None:
    """Return the unit whose factor explains a distance between two parts."""
    distances = {unit: abs(abs(np.log(factor)) - apart) for unit, factor in own.others().items()}
    best = min(distances, key=lambda unit: distances[unit], default=None)
    return best if best is not None and distances[best] <= NEAR else None
