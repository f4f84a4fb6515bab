"""Checks of what predicts against what is predicted: nothing known after day 0, never the outcome itself."""

from __future__ import annotations

from collections.abc import Container, Iterator

from predictor.config.cohort_problems import unknown_levels
from predictor.config.dictionary import Column, DateKnown, Dictionary, Table
from predictor.config.messages import suggestion
from predictor.config.outcome_sections import recorded_columns
from predictor.config.schema import (
    DECISION_TAKES,
    AdverseEventOutcome,
    ChangeOutcome,
    Config,
    DropoutOutcome,
    EventOutcome,
    FeatureEntry,
    Window,
)
from predictor.config.yaml_text import PLACEHOLDER
from predictor.errors import Problem

__all__ = ["find_feature_problems"]


def find_feature_problems(
    config: Config, dictionary: Dictionary, *, lost: Container[str]
) -> Iterator[Problem]:
    """Yield what is wrong between outcomes, severity, features and the dictionary.

    Parameters
    ----------
    config : Config
    dictionary : Dictionary
    lost : container of str
        Names whose own declaration was refused.
    """
    yield from _outcomes(config, dictionary, lost)
    yield from _severity(config, dictionary)
    yield from _features(config, dictionary)
    yield from _repeated(config)


def _outcomes(config: Config, dictionary: Dictionary, lost: Container[str]) -> Iterator[Problem]:
    for name, outcome in config.outcomes.items():
        path = f"outcomes.{name}"
        for at, column, values in recorded_columns(outcome):
            yield from _recorded(f"{path}.{at}", column, values, dictionary)
        if not isinstance(outcome, EventOutcome | AdverseEventOutcome):
            yield from _measured(path, outcome.measure, outcome.assessed, dictionary, lost)
    primary = config.outcomes.get(config.primary)
    if primary is None and config.primary not in lost:
        remedy = suggestion(config.primary, config.outcomes, what="outcomes")
        yield Problem("CFG-24", f'the primary outcome "{config.primary}" is not declared', remedy, "primary")
    elif isinstance(primary, ChangeOutcome):
        remedy = "Name an outcome of another kind"
        yield Problem(
            "CFG-24", "a change is described, not modelled, so it cannot be primary", remedy, "primary"
        )


def _recorded(path: str, reference: str, values: list[str], dictionary: Dictionary) -> Iterator[Problem]:
    found = dictionary.find(reference)
    if found is None:
        return
    table, _, column = found
    if table.known_of(column) in ("baseline", "plan") and table.days_of(column) is None:
        message = f"{reference} is declared as known at day 0, so it is no outcome"
        yield Problem("CFG-24", message, "Write `known: after` in the dictionary", f"{path}column")
    yield from unknown_levels(values, column, reference, f"{path}in")


def _measured(
    path: str, measure: str, window: Window, dictionary: Dictionary, lost: Container[str]
) -> Iterator[Problem]:
    columns = _columns_of(measure, dictionary)
    if not columns:
        if measure not in lost:
            known = {
                c.reference(h): None
                for _, t in dictionary.tables()
                for h, c in t.columns.items()
                if c.quantity
            }
            message = f'no declared column has the measure "{measure}"'
            yield Problem("CFG-25", message, suggestion(measure, known, what="measures"), f"{path}.measure")
        return
    days = [table.days_of(column) for table, column in columns]
    declared = sorted({day for found in days if found for day in found})
    inside = [day for day in declared if window.first_day <= day <= window.last_day]
    if None not in days and not inside and window.first_day <= window.last_day:
        message = f"{measure} has no day from {window.first_day} to {window.last_day}"
        remedy = f"Its days are {', '.join(map(str, declared)) or 'not declared'}"
        yield Problem("CFG-31", message, remedy, f"{path}.assessed")


def _columns_of(measure: str, dictionary: Dictionary) -> list[tuple[Table, Column]]:
    return [
        (table, table.columns[header])
        for _, table in dictionary.tables()
        for header in table.headers_of(measure)
        if table.columns[header].quantity
    ]


def _severity(config: Config, dictionary: Dictionary) -> Iterator[Problem]:
    if config.severity is None:
        recorded = (EventOutcome, AdverseEventOutcome, DropoutOutcome)
        scored = [name for name, outcome in config.outcomes.items() if not isinstance(outcome, recorded)]
        if scored:
            message = f'the outcome "{scored[0]}" is measured on a score, so a severity is needed'
            remedy = "Write `severity: table.measure`; it is the reference every model has to beat"
            yield Problem("CFG-33", message, remedy, "severity")
        return
    found = dictionary.find(config.severity)
    if found is None:
        return
    if found[2].kind not in ("number", "integer"):
        yield Problem(
            "CFG-33", f"{config.severity} is {found[2].kind}, not a number", "Name a score", "severity"
        )
    yield from _too_late(config, dictionary, "severity", config.severity)


def _features(config: Config, dictionary: Dictionary) -> Iterator[Problem]:
    for group, entries in config.features.groups.items():
        for position, entry in enumerate(entries):
            found = dictionary.find(entry.column)
            if found is not None:
                path = f"features.groups.{group}.{position}"
                yield from _usable(path, entry, found[2])
                yield from _early(config, found[0], path, entry, found[2])
                yield from _too_late(config, dictionary, path, entry.column)


def _usable(path: str, entry: FeatureEntry, column: Column) -> Iterator[Problem]:
    if column.kind == "date":
        yield Problem("CFG-38", f"{entry.column} is a date, which no model takes", "Leave it out", path)
    elif column.kind not in ("number", "integer"):
        numeric: list[str] = [entry.transform] if entry.transform != "none" else []
        numeric += [entry.take] if entry.take in ("mean", "min", "max", "slope", "early_change") else []
        if numeric:
            message = f"{entry.column} is {column.kind}, so it has no {' and no '.join(numeric)}"
            yield Problem("CFG-38", message, "Write the column alone", path)
    if entry.unit is not None and entry.unit != column.unit:
        declared = f'in "{column.unit}"' if column.unit else "without a unit"
        message = f'{entry.column} is declared {declared}, not in "{entry.unit}"'
        yield Problem("CFG-38", message, "Units are not converted; write the dictionary's", f"{path}.unit")


def _early(config: Config, table: Table, path: str, entry: FeatureEntry, column: Column) -> Iterator[Problem]:
    """Yield a problem for what is known only after an infusion where the decision comes before, or no date tells."""
    if entry.take not in DECISION_TAKES:
        return
    if config.cohort.decision_time == "baseline":
        message = (
            f"{entry.take} of {entry.column} is known only after day 0, and the decision is taken before"
        )
        remedy = "Write `cohort.decision_time: {after_infusion: …, last_day: …}`, or another `take:`"
        yield Problem("LEA-03", message, remedy, f"{path}.take")
    elif not isinstance(table.known_of(column), DateKnown):
        message = f"{entry.column} has no date, so nothing says what of it was known at the decision"
        yield Problem("CFG-38", message, "Write `take: last`, or declare its date", f"{path}.take")


def _repeated(config: Config) -> Iterator[Problem]:
    for name, groups in config.features.sets.items():
        seen: set[tuple[str, str]] = set()
        for entry in (entry for group in groups for entry in config.features.groups.get(group, [])):
            if (entry.column, entry.take) in seen and entry.column != PLACEHOLDER:
                message = f"{entry.column} is listed twice in this set"
                yield Problem("CFG-41", message, "Keep one", f"features.sets.{name}")
            seen.add((entry.column, entry.take))


def _too_late(config: Config, dictionary: Dictionary, path: str, reference: str) -> Iterator[Problem]:
    """One line at most: the outcome's own column (CFG-15), else known after day 0 (LEA-03)."""
    found = dictionary.find(reference)
    if found is None:
        return
    table, header, column = found
    if _is_outcome(config, dictionary, table, header, reference):
        message = f"{reference} is what the outcome is made of, so it cannot predict it"
        yield Problem("CFG-15", message, "Leave it out", path)
        return
    if table.known_of(column) == "after" and table.days_of(column) is None:
        message = f"{reference} is known only after day 0"
        remedy = (
            "Leave it out; the treatment received and whatever follows it are no features. If it was known "
            "before, mend its `known:` in the dictionary"
        )
        yield Problem("LEA-03", message, remedy, path)
        return
    days = [table.days_of(table.columns[h]) for h in table.headers_of(column.reference(header))]
    baseline = config.cohort.baseline
    if None in days or baseline.first_day > baseline.last_day:
        return
    declared = sorted({day for found_days in days if found_days for day in found_days})
    if not any(baseline.first_day <= day <= baseline.last_day for day in declared):
        message = (
            f"{reference} has no day in the baseline window, {baseline.first_day} to {baseline.last_day}"
        )
        remedy = f"Leave it out, or widen the window; its days are {', '.join(map(str, declared))}"
        yield Problem("LEA-03", message, remedy, path)


def _is_outcome(config: Config, dictionary: Dictionary, table: Table, header: str, reference: str) -> bool:
    """Whether a column is an outcome's own: its event, or the cells it is measured on under another name."""
    cells = (table.source.cells, header)
    early = _has_early_day(config, table, header)
    for outcome in config.outcomes.values():
        if isinstance(outcome, EventOutcome):
            event = dictionary.find(outcome.column)
            if reference == outcome.column or (event and (event[0].source.cells, event[1]) == cells):
                return True
        elif isinstance(outcome, AdverseEventOutcome):
            continue  # a value of the baseline window is no sign of harm; one known afterwards is refused as such
        elif not early and cells in _assessed_cells(outcome.measure, outcome.assessed, dictionary):
            return True
    return False


def _has_early_day(config: Config, table: Table, header: str) -> bool:
    """Whether a measured column, or another of the same measure in its table, has a day up to day 0."""
    name = table.columns[header].reference(header)
    days = [table.days_of(table.columns[other]) or frozenset() for other in table.headers_of(name)]
    return any(day <= config.cohort.baseline.last_day for found in days for day in found)


def _assessed_cells(measure: str, window: Window, dictionary: Dictionary) -> set[tuple[str, str]]:
    """File and header of the columns that carry the outcome's own day."""
    return {
        (table.source.cells, header)
        for _, table in dictionary.tables()
        for header in table.headers_of(measure)
        if (day := table.columns[header].day) is not None and window.first_day <= day <= window.last_day
    }
