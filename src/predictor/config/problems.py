"""What the config's sections and the dictionary say about each other.

Pydantic checks one value at a time; here and in the modules named `*_problems` are the checks between values.
Each is a function that yields `Problem`s with the key path alone: `predictor.config.loading` knows the file and
adds its name and line.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from urllib.parse import urlsplit

from predictor.config.cohort_problems import conditions_of, find_cohort_problems
from predictor.config.dictionary import Dictionary
from predictor.config.dictionary_problems import find_dictionary_problems
from predictor.config.feature_problems import find_feature_problems
from predictor.config.messages import nearest, suggestion
from predictor.config.outcome_problems import find_outcome_problems
from predictor.config.outcome_sections import recorded_columns
from predictor.config.schema import PROCEDURES, Config
from predictor.config.validation_problems import find_validation_problems
from predictor.errors import Problem
from predictor.execution import address_problem

__all__ = ["count_fits", "find_problems"]

LOCAL_HOSTS = ("127.0.0.1", "localhost")
FAR_TOO_MANY = 20  # times the limit: more likely a slip than a wish


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
    yield from find_cohort_problems(config, dictionary)
    yield from find_feature_problems(config, dictionary, lost=lost)
    yield from find_outcome_problems(config, dictionary)
    yield from find_validation_problems(config, dictionary)
    yield from _names(config, lost)
    yield from _fits(config)
    yield from _imputed_outcomes(config)
    yield from _tracking(config)
    yield from _execution(config)
    if config.report.release == "research" and not (config.report.reason or "").strip():
        remedy = "Write `reason: …`; it is printed on every page"
        yield Problem("CFG-42", "release: research needs a reason", remedy, "report.release")


def _references(config: Config) -> Iterator[tuple[str, str | None]]:
    """Key path and reference of every column that the config may name."""
    cohort, transport = config.cohort, config.validation.transport
    yield from ((f"cohort.{key}", getattr(cohort, key)) for key in ("course", "group", "consent"))
    yield "cohort.treatment.column", cohort.treatment.column if cohort.treatment else None
    yield from ((f"{path}.column", condition.column) for path, condition in conditions_of(config))
    for name, outcome in config.outcomes.items():
        yield from ((f"outcomes.{name}.{at}column", column) for at, column, _ in recorded_columns(outcome))
    yield "severity", config.severity
    for group, entries in config.features.groups.items():
        yield from ((f"features.groups.{group}.{n}", entry.column) for n, entry in enumerate(entries))
    yield "validation.transport.by", transport.by if transport else None
    for n, one in enumerate(config.report.subgroups):
        yield f"report.subgroups.{n}.column", one.column


def _undeclared(config: Config, dictionary: Dictionary, lost: Container[str]) -> Iterator[Problem]:
    known = dictionary.references()
    for path, reference in _references(config):
        if reference is None:
            continue
        if dictionary.find(reference) is None and not any(part in lost for part in reference.split(".")):
            yield Problem("CFG-20", f"{reference} is not declared", _near_column(reference, known), path)
    tables = {"cohort.patients": config.cohort.patients, "cohort.index.table": config.cohort.index.table}
    for path, table in tables.items():
        if table is not None and table not in dictionary and table not in lost:
            remedy = suggestion(table, dictionary.root, what="tables")
            yield Problem("CFG-20", f'the table "{table}" is not declared', remedy, path)


def _near_column(reference: str, known: list[str]) -> str:
    """Offer a like name in the same table, else the same name in another table."""
    table, _, column = reference.partition(".")
    here = [name.partition(".")[2] for name in known if name.startswith(f"{table}.")]
    if near := nearest(column, here):
        return suggestion(reference, [f"{table}.{name}" for name in near])
    elsewhere = [name for name in known if name.partition(".")[2] == column]
    return suggestion(reference, elsewhere or known, what="columns")


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
    if judge not in PROCEDURES and judge not in config.models and judge not in lost:
        remedy = suggestion(judge, [*PROCEDURES, *config.models], what="judges")
        yield Problem("CFG-23", f'the judge "{judge}" is no model', remedy, "validation.judge")


def count_fits(config: Config) -> int:
    """Count the fits of the nested cross-validation: outer × repeats × inner × candidates × sets × imputations.

    Parameters
    ----------
    config : Config
    """
    outer, inner = config.validation.outer, config.validation.inner
    tried = sum(model.n_candidates * len(model.features) for model in config.models.values())
    return outer.n_splits * outer.n_repeats * inner.n_splits * tried * max(config.imputations, 1)


def _fits(config: Config) -> Iterator[Problem]:
    fits, limit = count_fits(config), config.validation.max_fits
    if fits > limit:
        outer, inner, m = config.validation.outer, config.validation.inner, max(config.imputations, 1)
        times = f"{m} imputations × " if m > 1 else ""
        message = (
            f"{outer.n_splits} splits × {outer.n_repeats} repeats × {inner.n_splits} inner splits × {times}"
            f"{fits // (outer.n_splits * outer.n_repeats * inner.n_splits * m):,} candidates = {fits:,} fits, "
            f"above the limit of {limit:,}"
        )
        yield Problem("CFG-11", message, _fewer(fits, limit, m), "validation.max_fits")


def _fewer(fits: int, limit: int, m: int) -> str:
    """Say what to write: fewer imputations where two of them fit, else whatever is tried, or a higher limit."""
    if fits > FAR_TOO_MANY * limit:
        return "Lower them, or raise validation.max_fits"
    allowed = (
        f"write `validation.max_fits: {fits}` if the time is there (`predictor check` then estimates it)"
    )
    fitting = limit * m // fits
    if fitting >= 2:
        return f"Write `m: {fitting}` under imputation, which stays within it, or {allowed}"
    return f"Lower them, or {allowed}"


def _imputed_outcomes(config: Config) -> Iterator[Problem]:
    for name, outcome in config.outcomes.items():
        if outcome.if_missing != "impute":
            continue
        path = f"outcomes.{name}.if_missing"
        if name != config.primary:
            message = f"{name} is not the primary outcome, and only that is imputed"
            yield Problem("CFG-47", message, "Write `if_missing: exclude`", path)
        elif not config.imputations:
            message = f"{name} shall be imputed, and missing inputs are filled in by their median"
            yield Problem("CFG-47", message, "Write `imputation: {method: multiple}`, or exclude", path)


def _execution(config: Config) -> Iterator[Problem]:
    section = config.execution
    problem = address_problem(section.address, section.allowed_hosts, path="execution.address")
    if problem is not None:
        yield problem


def _tracking(config: Config) -> Iterator[Problem]:
    uri, allowed = config.tracking.uri, config.tracking.allowed_hosts
    if uri == "embedded":
        return
    try:
        parts = urlsplit(uri)
        host, port, user = parts.hostname, parts.port, parts.username
    except ValueError:
        host, port, user, parts = None, None, None, urlsplit("")
    local = parts.scheme == "http" and host in LOCAL_HOSTS and port is not None
    remote = parts.scheme == "https" and host in allowed
    if not (local or remote) or user is not None:
        remedy = "Write embedded, http://127.0.0.1:PORT, or https with a host in tracking.allowed_hosts"
        yield Problem("CFG-13", "this tracking address is not allowed", remedy, "tracking.uri")
