"""What the config's sections and the dictionary say about each other.

Pydantic checks one value at a time; here are the checks between values. Each is a function that yields `Problem`s with the key
path alone: `predictor.config.loading` knows the file and adds its name and line.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from itertools import pairwise
from urllib.parse import urlsplit

from predictor.config.dictionary import Column, DateKnown, Dictionary, Table
from predictor.config.dictionary_problems import find_dictionary_problems
from predictor.config.messages import suggestion
from predictor.config.schema import (
    ChangeOutcome,
    Condition,
    Config,
    EventOutcome,
    Window,
)
from predictor.errors import Problem

__all__ = ["CODES", "count_fits", "find_problems"]

CODES: dict[str, str] = {
    "CFG-01": "A key is unknown.",
    "CFG-02": "A key is written twice.",
    "CFG-03": "YAML tags and directives are not allowed.",
    "CFG-04": "YAML anchors and aliases are not allowed.",
    "CFG-05": "The file is nested too deeply.",
    "CFG-06": "The file is empty, too large, not UTF-8, not one document, or no mapping.",
    "CFG-07": "A value has the wrong type, or means different things in different YAML versions.",
    "CFG-08": "A model type is not in the catalog.",
    "CFG-09": "A path leads outside the project and the data folder.",
    "CFG-10": "An output would overwrite an input.",
    "CFG-11": "The search needs more fits than allowed.",
    "CFG-12": "A number of folds or repeats is impossible.",
    "CFG-13": "The tracking address is not allowed.",
    "CFG-14": "A declared column is not in its file.",
    "CFG-15": "The same column is a predictor and the outcome.",
    "CFG-16": "The config changed between a run and its continuation.",
    "CFG-20": "A column or table is not declared in the dictionary.",
    "CFG-21": "A feature set names an unknown group.",
    "CFG-22": "A model names an unknown feature set.",
    "CFG-23": "The judge is neither the selection nor a model.",
    "CFG-24": "The primary outcome is unknown, or is not one that can be predicted.",
    "CFG-25": "No declared column has this measure.",
    "CFG-26": "A required key is missing.",
    "CFG-27": "A value is not one of those allowed.",
    "CFG-28": "A number or a list is outside its limits.",
    "CFG-29": "A name does not have the form it needs.",
    "CFG-30": "The file is not valid YAML.",
    "CFG-31": "A window is reversed, or holds no day that is declared.",
    "CFG-32": "An eligibility rule tests nothing, or tests a column in a way that it cannot be tested.",
    "CFG-33": "The severity is missing or is no number.",
    "CFG-34": "The treatment's control level or bands do not fit its column.",
    "CFG-35": "Day 0 is not declared.",
    "CFG-36": "Visit labels are not all mapped to days.",
    "CFG-37": "A table's layout and its columns do not fit.",
    "CFG-38": "A column's type, values, range or use contradict each other.",
    "CFG-39": "Nothing says when a column is known.",
    "CFG-40": "A laboratory value has no unit.",
    "CFG-41": "A feature is listed twice in one set.",
    "CFG-42": "Releasing numbers for research needs a reason.",
    "CFG-43": "Two columns of a table have the same name.",
    "CFG-44": "An override on the command line cannot be applied.",
    "CFG-45": "A config or dictionary file cannot be opened.",
    "LEA-03": "A feature or the plan is known only after day 0.",
}

_LOCAL_HOSTS = ("127.0.0.1", "localhost")


def find_problems(config: Config, dictionary: Dictionary, *, lost: Container[str] = ()) -> Iterator[Problem]:
    """Yield everything that is wrong between the sections of a config and its dictionary.

    Parameters
    ----------
    config : Config
    dictionary : Dictionary
    lost : container of str
        Names whose own declaration was refused: nothing is said about references to them.

    Yields
    ------
    Problem
        With the key path; paths that start with ``dictionary.`` live in the dictionary's file.
    """
    yield from find_dictionary_problems(dictionary, lost=lost)
    yield from _undeclared(config, dictionary, lost)
    yield from _index(config, dictionary)
    yield from _windows(config)
    yield from _eligibility(config, dictionary)
    yield from _treatment(config, dictionary)
    yield from _outcomes(config, dictionary, lost)
    yield from _severity(config, dictionary)
    yield from _features(config, dictionary)
    yield from _names(config, lost)
    yield from _fits(config)
    yield from _tracking(config)
    if config.report.release == "research" and not (config.report.reason or "").strip():
        remedy = "Write `reason: …`; it is printed on every page"
        yield Problem("CFG-42", "release: research needs a reason", remedy, "report.release")


def _references(config: Config) -> Iterator[tuple[str, str]]:
    """Key path and reference of every column that the config names."""
    cohort = config.cohort
    for key in ("course", "group", "consent"):
        if (reference := getattr(cohort, key)) is not None:
            yield f"cohort.{key}", reference
    if cohort.treatment is not None:
        yield "cohort.treatment.column", cohort.treatment.column
    for path, condition in _conditions(config):
        if condition.column:
            yield f"{path}.column", condition.column
    for name, outcome in config.outcomes.items():
        if isinstance(outcome, EventOutcome):
            yield f"outcomes.{name}.column", outcome.column
    if config.severity is not None:
        yield "severity", config.severity
    for group, entries in config.features.groups.items():
        for position, entry in enumerate(entries):
            yield f"features.groups.{group}.{position}", entry.column
    if config.validation.transport is not None:
        yield "validation.transport.by", config.validation.transport.by


def _conditions(config: Config) -> Iterator[tuple[str, Condition]]:
    for position, rule in enumerate(config.cohort.eligibility):
        path = f"cohort.eligibility.{position}"
        if rule.any is not None:
            yield from ((f"{path}.any.{number}", condition) for number, condition in enumerate(rule.any))
        elif rule.column is not None:
            yield path, rule.conditions()[0]


def _undeclared(config: Config, dictionary: Dictionary, lost: Container[str]) -> Iterator[Problem]:
    known = dictionary.references()
    for path, reference in _references(config):
        if dictionary.find(reference) is None and not any(part in lost for part in reference.split(".")):
            yield Problem("CFG-20", f"{reference} is not declared", _near_column(reference, known), path)
    tables = {"cohort.patients": config.cohort.patients, "cohort.index.table": config.cohort.index.table}
    for path, table in tables.items():
        if table is not None and table not in dictionary and table not in lost:
            remedy = suggestion(table, dictionary.root, what="tables")
            yield Problem("CFG-20", f'the table "{table}" is not declared', remedy, path)


def _near_column(reference: str, known: list[str]) -> str:
    """Nearest names, those of the same column name in another table first."""
    column = reference.partition(".")[2]
    elsewhere = [name for name in known if name.partition(".")[2] == column]
    return (
        suggestion(reference, elsewhere or known, what="columns")
        if elsewhere or known
        else "Declare it first"
    )


def _index(config: Config, dictionary: Dictionary) -> Iterator[Problem]:
    index = config.cohort.index
    if index.visits == (index.table is not None):
        remedy = "Write `index: visits`, or `index: {table: …}`"
        yield Problem("CFG-35", "day 0 is either `visits` or a row of a table", remedy, "cohort.index")
    elif index.visits and not any(table.has_days for _, table in dictionary.tables()):
        remedy = "Give a table `visits:` or columns a `day:`, or write `index: {table: …}`"
        yield Problem("CFG-35", "`visits`, but nothing in the dictionary has a day", remedy, "cohort.index")
    elif index.table is not None and index.table in dictionary:
        yield from _index_table(config, dictionary[index.table])


def _index_table(config: Config, table: Table) -> Iterator[Problem]:
    index = config.cohort.index
    if not isinstance(table.known, DateKnown):
        message = f'the index table "{index.table}" has no date'
        remedy = f"Write `known: {{date: COLUMN}}` at the table {index.table} in the dictionary"
        yield Problem("CFG-35", message, remedy, "cohort.index.table")
    for name, value in index.where.items():
        path = f"cohort.index.where.{name}"
        header = table.header_of(name)
        if header is None:
            names = [column.reference(h) for h, column in table.columns.items()]
            yield Problem("CFG-20", f"{index.table}.{name} is not declared", suggestion(name, names), path)
        else:
            yield from _levels([value], table.columns[header], f"{index.table}.{name}", path)


def _levels(values: list[str], column: Column, reference: str, path: str) -> Iterator[Problem]:
    levels = list(dict.fromkeys((column.values or {}).values()))
    for value in values:
        if levels and value not in levels:
            message = f'"{value}" is no value of {reference}'
            yield Problem("CFG-27", message, suggestion(value, levels, what="values"), path)


def _windows(config: Config) -> Iterator[Problem]:
    baseline = config.cohort.baseline
    if baseline.first_day > baseline.last_day:
        message = f"the window ends on day {baseline.last_day}, before it starts on day {baseline.first_day}"
        yield Problem("CFG-31", message, "Swap first_day and last_day", "cohort.baseline")
    for name, outcome in config.outcomes.items():
        if not isinstance(outcome, EventOutcome):
            yield from _assessed(
                f"outcomes.{name}.assessed", outcome.assessed, last_baseline_day=baseline.last_day
            )


def _assessed(path: str, window: Window, *, last_baseline_day: int) -> Iterator[Problem]:
    if window.first_day > window.last_day:
        message = f"the window ends on day {window.last_day}, before it starts on day {window.first_day}"
        yield Problem("CFG-31", message, "Swap first_day and last_day", path)
    elif window.first_day <= last_baseline_day:
        message = f"the outcome is assessed from day {window.first_day}, inside the baseline window"
        yield Problem("CFG-31", message, "Let it start after the baseline's last_day", path)
    elif window.target_day is not None and not window.first_day <= window.target_day <= window.last_day:
        message = (
            f"the target day {window.target_day} lies outside days {window.first_day} to {window.last_day}"
        )
        yield Problem("CFG-31", message, "Move it inside", f"{path}.target_day")


def _eligibility(config: Config, dictionary: Dictionary) -> Iterator[Problem]:
    for position, rule in enumerate(config.cohort.eligibility):
        path = f"cohort.eligibility.{position}"
        if rule.any is not None and (rule.column or _tests(rule.min, rule.max, rule.in_)):
            yield Problem(
                "CFG-32", f'"{rule.name}" has `any` beside a test of its own', "Keep one of the two", path
            )
        elif rule.any == [] or (rule.any is None and rule.column is None):
            yield Problem(
                "CFG-32",
                f'"{rule.name}" tests no column',
                "Write `column:` with `min:`, `max:` or `in:`",
                path,
            )
    for path, condition in _conditions(config):
        found = dictionary.find(condition.column)
        yield from _condition(path, condition, found[2] if found else None)


def _tests(low: float | None, high: float | None, values: list[str] | None) -> bool:
    return low is not None or high is not None or values is not None


def _condition(path: str, condition: Condition, column: Column | None) -> Iterator[Problem]:
    low, high, values = condition.min, condition.max, condition.in_
    if not _tests(low, high, values):
        yield Problem(
            "CFG-32", f"{condition.column} is named but not tested", "Write `min:`, `max:` or `in:`", path
        )
    if low is not None and high is not None and low > high:
        yield Problem("CFG-32", f"min {low:g} is above max {high:g}, so nobody passes", "Swap them", path)
    if column is None:
        return
    numeric = column.kind in ("number", "integer")
    if (low is not None or high is not None) and not numeric:
        message = f"{condition.column} is {column.kind}, so it has no min or max"
        yield Problem("CFG-32", message, "Write `in: […]`", path)
    if values is not None and numeric:
        yield Problem("CFG-32", f"{condition.column} is a number", "Write `min:` and `max:`", path)
    yield from _levels(values or [], column, condition.column, f"{path}.in")


def _treatment(config: Config, dictionary: Dictionary) -> Iterator[Problem]:
    treatment = config.cohort.treatment
    found = dictionary.find(treatment.column) if treatment else None
    if treatment is None or found is None:
        return
    table, _, column = found
    path, numeric = "cohort.treatment", column.kind in ("number", "integer")
    if table.known_of(column) == "after":
        message = (
            f"{treatment.column} is known only after day 0: it is the treatment received, not the one planned"
        )
        yield Problem("LEA-03", message, "Name the column of the plan", f"{path}.column")
    if isinstance(treatment.control, str):
        if numeric:
            message = f"{treatment.column} is a number, so its control level is one too"
            yield Problem("CFG-34", message, "Write a number, for example 0", f"{path}.control")
        for problem in _levels([treatment.control], column, treatment.column, f"{path}.control"):
            yield Problem("CFG-34", problem.message, problem.remedy, problem.path)
    elif treatment.control is not None and not numeric:
        message = f"{treatment.column} is {column.kind}, so its control level is one of its values"
        yield Problem("CFG-34", message, "Write the value's name", f"{path}.control")
    if treatment.bands is not None:
        yield from _bands(treatment.bands, column, treatment.column)


def _bands(bands: list[float], column: Column, reference: str) -> Iterator[Problem]:
    path = "cohort.treatment.bands"
    if column.kind not in ("number", "integer"):
        yield Problem(
            "CFG-34", f"bands are for numbers, {reference} is {column.kind}", "Delete `bands:`", path
        )
    elif any(low >= high for low, high in pairwise(bands)):
        yield Problem(
            "CFG-34", "the bands are not increasing", "Write them from low to high, each once", path
        )


def _outcomes(config: Config, dictionary: Dictionary, lost: Container[str]) -> Iterator[Problem]:
    for name, outcome in config.outcomes.items():
        path = f"outcomes.{name}"
        if isinstance(outcome, EventOutcome):
            yield from _event(path, outcome, dictionary)
        else:
            yield from _measured(path, outcome.measure, outcome.assessed, dictionary, lost)
    primary = config.outcomes.get(config.primary)
    if primary is None and config.primary not in lost:
        remedy = suggestion(config.primary, config.outcomes, what="outcomes")
        yield Problem("CFG-24", f'the primary outcome "{config.primary}" is not declared', remedy, "primary")
    elif isinstance(primary, ChangeOutcome):
        remedy = "Name an outcome of kind response, remission or event"
        yield Problem(
            "CFG-24", "a change is described, not modelled, so it cannot be primary", remedy, "primary"
        )


def _event(path: str, outcome: EventOutcome, dictionary: Dictionary) -> Iterator[Problem]:
    found = dictionary.find(outcome.column)
    if found is None:
        return
    table, _, column = found
    if table.known_of(column) in ("baseline", "plan"):
        message = f"{outcome.column} is declared as known at day 0, so it is no outcome"
        yield Problem("CFG-24", message, "Write `known: after` in the dictionary", f"{path}.column")
    yield from _levels(outcome.in_, column, outcome.column, f"{path}.in")


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
        scored = [name for name, outcome in config.outcomes.items() if not isinstance(outcome, EventOutcome)]
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
            path = f"features.groups.{group}.{position}"
            found = dictionary.find(entry.column)
            if found is None:
                continue
            kind = found[2].kind
            if kind == "date":
                yield Problem(
                    "CFG-38", f"{entry.column} is a date, which no model takes", "Leave it out", path
                )
            if kind not in ("number", "integer") and (
                entry.transform != "none" or entry.take in ("mean", "min", "max")
            ):
                message = f"{entry.column} is {kind}, so it has no {entry.take if entry.transform == 'none' else entry.transform}"
                yield Problem("CFG-38", message, "Write the column alone", path)
            yield from _too_late(config, dictionary, path, entry.column)
    for name, groups in config.features.sets.items():
        seen: set[tuple[str, str]] = set()
        for group in groups:
            for entry in config.features.groups.get(group, []):
                if (entry.column, entry.take) in seen:
                    yield Problem(
                        "CFG-41", f"{entry.column} is listed twice", "Keep one", f"features.sets.{name}"
                    )
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
        remedy = "Leave it out; the treatment received and whatever follows it are no features"
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
    """Whether a column is an outcome's own: named as its event, or the very cells it is measured on, under any name."""
    days = [
        table.days_of(table.columns[h]) for h in table.headers_of(table.columns[header].reference(header))
    ]
    before = any(
        found is None or any(day <= config.cohort.baseline.last_day for day in found) for found in days
    )
    cells = (table.source.path, header)
    for outcome in config.outcomes.values():
        if isinstance(outcome, EventOutcome):
            event = dictionary.find(outcome.column)
            if reference == outcome.column or (event and (event[0].source.path, event[1]) == cells):
                return True
            continue
        for _, other in dictionary.tables():
            for own in other.headers_of(outcome.measure):
                day = other.columns[own].day
                late = day is not None and outcome.assessed.first_day <= day <= outcome.assessed.last_day
                if late and (other.source.path, own) == cells and (table is not other or not before):
                    return True
    return False


def _names(config: Config, lost: Container[str]) -> Iterator[Problem]:
    groups, sets = config.features.groups, config.features.sets
    for name, members in sets.items():
        for position, group in enumerate(members):
            if group not in groups and group not in lost:
                remedy = suggestion(group, groups, what="groups")
                yield Problem(
                    "CFG-21",
                    f'the group "{group}" is not declared',
                    remedy,
                    f"features.sets.{name}.{position}",
                )
    for name, model in config.models.items():
        for position, chosen in enumerate(model.features):
            if chosen not in sets and chosen not in lost:
                remedy = suggestion(chosen, sets, what="sets")
                path = f"models.{name}.features.{position}"
                yield Problem("CFG-22", f'the feature set "{chosen}" is not declared', remedy, path)
    judge = config.validation.judge
    if judge != "selection" and judge not in config.models and judge not in lost:
        remedy = suggestion(judge, ["selection", *config.models], what="judges")
        yield Problem("CFG-23", f'the judge "{judge}" is no model', remedy, "validation.judge")


def count_fits(config: Config) -> int:
    """Count the fits of the nested cross-validation: outer splits × repeats × inner splits × candidates × sets.

    Parameters
    ----------
    config : Config
    """
    outer, inner = config.validation.outer, config.validation.inner
    tried = sum(model.n_candidates * len(model.features) for model in config.models.values())
    return outer.n_splits * outer.n_repeats * inner.n_splits * tried


def _fits(config: Config) -> Iterator[Problem]:
    fits, limit = count_fits(config), config.validation.max_fits
    if fits > limit:
        outer, inner = config.validation.outer, config.validation.inner
        message = (
            f"{outer.n_splits} splits × {outer.n_repeats} repeats × {inner.n_splits} inner splits × "
            f"{fits // (outer.n_splits * outer.n_repeats * inner.n_splits):,} candidates = {fits:,} fits, "
            f"above the limit of {limit:,}"
        )
        yield Problem("CFG-11", message, "Lower them, or raise validation.max_fits", "validation.max_fits")


def _tracking(config: Config) -> Iterator[Problem]:
    uri, allowed = config.tracking.uri, config.tracking.allowed_hosts
    if uri == "embedded":
        return
    try:
        parts = urlsplit(uri)
        host, port, user = parts.hostname, parts.port, parts.username
    except ValueError:
        host, port, user, parts = None, None, None, urlsplit("")
    local = parts.scheme == "http" and host in _LOCAL_HOSTS and port is not None
    remote = parts.scheme == "https" and host in allowed
    if not (local or remote) or user is not None:
        remedy = "Write embedded, http://127.0.0.1:PORT, or an https address whose host is in tracking.allowed_hosts"
        yield Problem("CFG-13", "this tracking address is not allowed", remedy, "tracking.uri")
