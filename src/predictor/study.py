"""From a loaded config to everything that is fixed before the first fit: cohort, outcomes, dataset and protocol."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from predictor.cohort.definitions import outcome_text
from predictor.cohort.outcomes import Outcome, define_outcomes
from predictor.cohort.reach import rows_within_reach
from predictor.cohort.selection import Cohort, baseline_values, select_cohort
from predictor.config.dictionary import Dictionary
from predictor.config.loading import LoadedConfig
from predictor.config.schema import PROCEDURES
from predictor.data.conform import ConformedTable, read_tables
from predictor.data.parts import Keep
from predictor.data.unit_guard import check_units
from predictor.errors import ConfigError, DataError, Problem
from predictor.features.dataset import Dataset
from predictor.features.extraction import Extraction, extract_dataset
from predictor.features.site_proxies import SiteProxy, find_site_proxies
from predictor.models.catalog import family_candidates, validate_params
from predictor.validation.resampling import Candidate, Protocol, reference_columns
from predictor.validation.splits import before_and_after, leave_one_group_out

__all__ = [
    "Study",
    "about_imputation",
    "count_fits",
    "describe_outcome",
    "hash_of",
    "is_simulated",
    "prepare_study",
    "read_needed",
    "site_labels",
    "site_proxies",
    "transport_labels",
    "transport_splits",
]

FEWEST_EVENTS = 5
SMALLEST_SITE = 5


@dataclass(frozen=True)
class Study:
    """All that is decided before the first fit.

    Parameters
    ----------
    loaded : LoadedConfig
    tables : dict of str to ConformedTable
    cohort : Cohort
    outcomes : dict of str to Outcome
    extraction : Extraction
    protocol : Protocol
    severity : str or None
        Name of the severity feature.
    """

    loaded: LoadedConfig
    tables: Mapping[str, ConformedTable]
    cohort: Cohort
    outcomes: Mapping[str, Outcome]
    extraction: Extraction
    protocol: Protocol
    severity: str | None

    @property
    def dataset(self) -> Dataset:
        """Features, groups and plan of every unit of the cohort."""
        return self.extraction.dataset

    @property
    def primary(self) -> Outcome:
        """The outcome that the verdict is about."""
        return self.outcomes[self.loaded.config.primary]

    @property
    def data_hash(self) -> str:
        """One hash over all files that were read."""
        return hash_of(self.tables)

    @property
    def simulated(self) -> bool:
        """Whether any table says that it is simulated, in its title or by the only value that a column may have."""
        return is_simulated(self.loaded.dictionary)

    def evaluable(self, outcome: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the positions of the evaluable units and their labels.

        Parameters
        ----------
        outcome : str
        """
        rows = np.flatnonzero(self.outcomes[outcome].evaluable)
        return rows, self.outcomes[outcome].label[rows]

    def trainable(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the positions and labels of the evaluable units, then of those whose primary outcome is imputed.

        The label of the latter is NaN: they are learned from, inside training parts, and never tested.
        """
        rows, _ = self.evaluable(self.loaded.config.primary)
        if self.loaded.config.outcomes[self.loaded.config.primary].if_missing == "impute":
            rows = np.r_[rows, np.flatnonzero(self.primary.unassessed)]
        return rows, self.primary.label[rows]


def hash_of(tables: Mapping[str, ConformedTable]) -> str:
    """Return one hash over all files that tables were read from.

    Parameters
    ----------
    tables : dict of str to ConformedTable
    """
    digests = "".join(f"{name}:{table.sha256};" for name, table in sorted(tables.items()))
    return hashlib.sha256(digests.encode()).hexdigest()


def is_simulated(dictionary: Dictionary) -> bool:
    """Return whether any table says that it is simulated, in its title or by the only value that a column may have.

    Parameters
    ----------
    dictionary : Dictionary
    """
    return any(
        "SIMULATED" in table.title
        or any(set((column.values or {}).values()) == {"SIMULATED"} for column in table.columns.values())
        for _, table in dictionary.tables()
    )


def read_needed(loaded: LoadedConfig) -> dict[str, ConformedTable]:
    """Read every table; of one that is read in parts the rows that a window of the config can reach.

    Parameters
    ----------
    loaded : LoadedConfig

    Raises
    ------
    DataError
    """
    config, dictionary = loaded.config, loaded.dictionary

    def keep(tables: Mapping[str, ConformedTable], name: str) -> Keep | None:
        return rows_within_reach(tables, name, dictionary, config.cohort, config.outcomes)

    return read_tables(dictionary, loaded.sources, keep=keep)


def prepare_study(loaded: LoadedConfig) -> Study:
    """Read the data, select patients, define outcomes, take the baseline and lay down the protocol.

    Parameters
    ----------
    loaded : LoadedConfig

    Raises
    ------
    ConfigError
        Parameters or search spaces that the model families do not have; more folds than can be filled (CFG-12).
    DataError
        Data that break the dictionary, doubtful units, an empty cohort, or (DAT-22) fewer than 5 events or non-events.
    """
    config, dictionary = loaded.config, loaded.dictionary
    _check_models(loaded)
    tables = read_needed(loaded)
    check_units(tables, dictionary, site=_site_column(loaded))
    cohort = select_cohort(tables, dictionary, config.cohort)
    outcomes = define_outcomes(cohort, config.outcomes, baseline=config.cohort.baseline)
    extraction = extract_dataset(
        cohort,
        outcomes,
        dictionary,
        config.features,
        baseline=config.cohort.baseline,
        severity=config.severity,
    )
    features = extraction.dataset.features
    severity = next((f.name for f in features if f.source == config.severity and f.take == "last"), None)
    protocol = Protocol(
        candidates=_candidates(loaded, extraction),
        judge=_judge(loaded),
        references=reference_columns(severity, [f for f in features if f.known == "plan"]),
        inner_splits=config.validation.inner.n_splits,
        calibration=config.calibration,
        seed=config.experiment.seed,
        arms=_arms(loaded, extraction),
        imputations=config.imputations,
        rounds=config.imputation.rounds,
    )
    study = Study(loaded, tables, cohort, outcomes, extraction, protocol, severity)
    _check_events(study)
    _check_cut(study)
    return study


def _site_column(loaded: LoadedConfig) -> str | None:
    transport = loaded.config.validation.transport
    by = transport.by if transport is not None and transport.type == "leave_one_group_out" else None
    return by or loaded.config.cohort.group


def count_fits(study: Study) -> int:
    """Return how many models are fitted in the nested cross-validation, the bootstrap and the final fit.

    Parameters
    ----------
    study : Study
    """
    validation = study.loaded.config.validation
    grid = sum(len(c.grid) for c in study.protocol.candidates)
    once = grid * validation.inner.n_splits + len(study.protocol.candidates)
    outer = validation.outer.n_splits * validation.outer.n_repeats
    transport = len(transport_splits(study))
    resamples = validation.bootstrap.resamples
    bootstrap = resamples + 1 if resamples else 0
    m = max(study.protocol.imputations, 1)
    return m * once * (outer + transport + 1 + bootstrap) + outer * len(study.protocol.references)


def site_labels(study: Study) -> np.ndarray:
    """Return the group of each unit that the transport check leaves out, empty where it is unknown or too small.

    A group of fewer than 5 evaluable units is no test of anything, and its line in a table would say what became of
    single patients.

    Parameters
    ----------
    study : Study
    """
    transport = study.loaded.config.validation.transport
    n = len(study.cohort.groups)
    if transport is None or transport.type != "leave_one_group_out":
        return np.full(n, "", dtype=object)
    values = _baseline(study, transport.by)
    labels = np.array(["" if v is None or v != v else str(v) for v in values], dtype=object)
    names, counts = np.unique(labels[study.primary.evaluable], return_counts=True)
    named = np.isin(labels.astype(str), names[counts >= SMALLEST_SITE].astype(str))
    return np.where(named, labels, "").astype(object)


def transport_splits(study: Study) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Return each part that the transport check predicts from the others: name, training and test positions.

    Parameters
    ----------
    study : Study

    Returns
    -------
    list of (str, ndarray of int, ndarray of int)
        Positions among the evaluable units; empty where no transport is declared.
    """
    transport = study.loaded.config.validation.transport
    rows, y = study.evaluable(study.primary.name)
    patients = study.cohort.groups[rows]
    if transport is None:
        return []
    if transport.type == "leave_one_group_out":
        return list(leave_one_group_out(site_labels(study)[rows], y, patients=patients))
    days = pd.to_datetime(_baseline(study, transport.by).iloc[rows]).dt.normalize()
    later = np.where(days.isna(), np.nan, (days >= pd.Timestamp(str(transport.cut))).astype(float))
    parts = before_and_after(later, y, patients=patients)
    return [] if parts is None else [(f"from {transport.cut} on", *parts)]


def _baseline(study: Study, reference: str) -> pd.Series:
    timeline, baseline = study.cohort.timeline, study.loaded.config.cohort.baseline
    return baseline_values(timeline, study.loaded.dictionary, reference, baseline=baseline)


def transport_labels(study: Study) -> np.ndarray:
    """Return what a unit whose outcome is imputed may not share with a part that the transport check predicts.

    Parameters
    ----------
    study : Study

    Returns
    -------
    ndarray of str of shape (units,)
        The site; or ``later`` from the date on and where the date is unknown.
    """
    transport = study.loaded.config.validation.transport
    if transport is None or transport.type == "leave_one_group_out":
        return site_labels(study)
    days = pd.to_datetime(_baseline(study, transport.by)).dt.normalize()
    return np.where(days < pd.Timestamp(str(transport.cut)), "", "later").astype(object)


def site_proxies(study: Study) -> list[SiteProxy]:
    """Find features that whole sites lack, by the declared sites: those of the transport check, else the clusters.

    Parameters
    ----------
    study : Study
    """
    config = study.loaded.config
    transport = config.validation.transport
    if transport is not None and transport.type == "leave_one_group_out":
        return find_site_proxies(study.dataset.X, site_labels(study))
    if config.cohort.group is not None:
        return find_site_proxies(study.dataset.X, study.cohort.groups.astype(str))
    return []


def about_imputation(study: Study) -> str:
    """Say what is done about missing inputs, and what follows from it.

    Parameters
    ----------
    study : Study
    """
    m = study.protocol.imputations
    if not m:
        return (
            "missing numbers get the training median with an indicator that they were missing: fast, and right for "
            "prediction as long as values go on missing for the same reasons; coefficients are not interpretable "
            "(imputation: {method: multiple} draws them instead)"
        )
    return (
        f"missing numbers are imputed {m} times inside every fold: in training parts with the outcome, where somebody "
        f"is predicted without it, and the {m} probabilities are averaged; it assumes that values are missing at "
        "random given what is known, and has no indicators; a category that is missing stays a level of its own; "
        "references keep the median"
    )


def describe_outcome(study: Study, name: str) -> str:
    """Return the definition of an outcome, as it completes "response means …".

    Parameters
    ----------
    study : Study
    name : str
    """
    return outcome_text(study.loaded.config.outcomes[name])


def _candidates(loaded: LoadedConfig, extraction: Extraction) -> tuple[Candidate, ...]:
    return tuple(
        Candidate(
            name=f"{name} | {feature_set}",
            model=name,
            feature_set=feature_set,
            family=section.type,
            features=extraction.sets[feature_set],
            grid=tuple(
                family_candidates(
                    section.type,
                    params=section.params,
                    search=section.search,
                    n=section.candidates,
                    seed=loaded.config.experiment.seed,
                )
            ),
        )
        for name, section in loaded.config.models.items()
        for feature_set in section.features
    )


def _arms(loaded: LoadedConfig, extraction: Extraction) -> dict[str, tuple[str, str]]:
    """Arms that chance decided on, where the arm is a feature; none of doses or of what was chosen by indication."""
    treatment = loaded.config.cohort.treatment
    if treatment is None or treatment.assignment == "observational" or treatment.bands:
        return {}
    plan = next((f for f in extraction.dataset.features if f.source == treatment.column), None)
    if plan is None or plan.kind != "category":
        return {}
    values = sorted(extraction.dataset.X[plan.name].dropna().unique())
    return {str(value): (plan.name, str(value)) for value in values}


def _judge(loaded: LoadedConfig) -> str:
    """Name of the judged procedure: the average, the selection, or the one candidate behind a model's name."""
    judge = loaded.config.validation.judge
    if judge in PROCEDURES:
        return judge
    return f"{judge} | {loaded.config.models[judge].features[0]}"


def _check_models(loaded: LoadedConfig) -> None:
    problems = []
    for name, section in loaded.config.models.items():
        for where, names in (("params", section.params), ("search", section.search)):
            for unknown, near in validate_params(section.type, names).items():
                remedy = f"Write one of: {', '.join(near)}" if near else "Take it out"
                problems.append(
                    loaded.locate(
                        Problem(
                            "CFG-01",
                            f"{section.type} has no parameter {unknown}",
                            remedy,
                            path=f"models.{name}.{where}.{unknown}",
                        )
                    )
                )
    if problems:
        raise ConfigError(problems)
    problems = [loaded.locate(problem) for problem in _impossible_values(loaded)]
    if problems:
        raise ConfigError(problems)


def _impossible_values(loaded: LoadedConfig) -> Iterator[Problem]:
    for name, section in loaded.config.models.items():
        asked = {"params": section.params, "search": section.search, "n": section.candidates}
        try:
            family_candidates(section.type, **asked)  # type: ignore[arg-type]
        except ValueError as error:
            message, _, remedy = str(error).partition(". ")
            yield Problem("CFG-28", message, remedy or "Write a value it can have", path=f"models.{name}")


def _check_events(study: Study) -> None:
    rows, y = study.evaluable(study.loaded.config.primary)
    events, others = int(y.sum()), int(len(y) - y.sum())
    path = f"outcomes.{study.primary.name}"
    if min(events, others) < FEWEST_EVENTS:
        message = f"{study.primary.name}: {events} events and {others} non-events among {len(y)} evaluable"
        remedy = f"At least {FEWEST_EVENTS} of each are needed even to try; collect more, or ask for another outcome"
        raise DataError(Problem("DAT-22", message, remedy, path=path))
    groups = study.cohort.groups[rows]
    fewest = min(len(np.unique(groups[y == value])) for value in (0, 1))
    if fewest < 2:
        message = f"{study.primary.name}: all events or all non-events are in one patient or cluster"
        remedy = "At least two are needed, one to learn from and one to test on"
        raise DataError(Problem("DAT-22", message, remedy, path=path))
    _check_folds(study, fewest, min(events, others), clustered=len(np.unique(groups)) < len(groups))


def _check_cut(study: Study) -> None:
    """Refuse a date that leaves too few on one side, before anything is fitted."""
    transport = study.loaded.config.validation.transport
    if transport is None or transport.type != "temporal":
        return
    parts = transport_splits(study)
    tested = len(parts[0][2]) if parts else 0
    if tested < SMALLEST_SITE:
        message = f"{tested} evaluable units can be tested from {transport.cut} on by those before it"
        remedy = (
            f"Choose a day with events and non-events before it and at least {SMALLEST_SITE} units from it on"
        )
        problem = Problem("CFG-12", message, remedy, path="validation.transport.cut")
        raise ConfigError(study.loaded.locate(problem))


def _check_folds(study: Study, fewest: int, rarer: int, *, clustered: bool) -> None:
    n_splits = study.loaded.config.validation.outer.n_splits
    if n_splits <= fewest:
        return
    where = f", in {fewest} patients or clusters" if clustered else ""
    message = f"{n_splits} outer folds, but the smaller class has {rarer} patients{where}"
    problem = Problem("CFG-12", message, f"Write at most {fewest}", path="validation.outer.n_splits")
    raise ConfigError(study.loaded.locate(problem))
