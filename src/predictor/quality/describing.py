"""From a config and its files to everything the data-quality report says; nothing is fitted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from predictor.checks.identity import duplicate_pairs
from predictor.cohort.outcomes import OBSERVED, Outcome, define_outcomes
from predictor.cohort.selection import Cohort, baseline_values, consenting_tables, select_cohort
from predictor.config.loading import LoadedConfig
from predictor.data.conform import ConformedTable, read_tables
from predictor.data.notices import notices_of_tables
from predictor.features.dataset import Feature
from predictor.features.extraction import extract_values, feature_sets
from predictor.quality.columns import Histogram, column_table, histograms
from predictor.quality.missingness import missingness_table
from predictor.quality.suppression import shown_count
from predictor.quality.timeline import coverage_table, timeline_table
from predictor.study import hash_of, is_simulated

__all__ = ["DataQuality", "describe_data"]


@dataclass(frozen=True)
class DataQuality:
    """What the data are like. No table holds a patient's value or a count from 1 to 4.

    Parameters
    ----------
    loaded : LoadedConfig
    simulated : bool
    data_hash : str
    tables : pandas.DataFrame
        ``table``, ``file``, ``rows``, ``patients``, ``columns`` (declared).
    attrition : pandas.DataFrame
        ``step``, ``patients``, ``units``, ``excluded``, ``unknown``.
    outcomes : pandas.DataFrame
        ``outcome``, ``kind``, ``reason`` (``observed``, or why it is missing), ``n``, ``events``.
    columns : pandas.DataFrame
        As `predictor.quality.columns.column_table`.
    histograms : tuple of Histogram
    missingness : pandas.DataFrame
        As `predictor.quality.missingness.missingness_table`; by ``site`` and by ``outcome``.
    features : tuple of Feature
        What ``missingness`` is about.
    site : str
        Column of the sites; empty where none is declared.
    coverage, timeline : pandas.DataFrame
        As `predictor.quality.timeline`.
    duplicates : pandas.DataFrame
        ``what`` and ``n``.
    notices : tuple of str
        What was left out or put right when the files were read.
    """

    loaded: LoadedConfig
    simulated: bool
    data_hash: str
    tables: pd.DataFrame
    attrition: pd.DataFrame
    outcomes: pd.DataFrame
    columns: pd.DataFrame
    histograms: tuple[Histogram, ...]
    missingness: pd.DataFrame
    features: tuple[Feature, ...]
    site: str
    coverage: pd.DataFrame
    timeline: pd.DataFrame
    duplicates: pd.DataFrame
    notices: tuple[str, ...]


def describe_data(loaded: LoadedConfig) -> DataQuality:
    """Read the data, select the cohort and describe both.

    Patients who did not consent are counted in the attrition and described nowhere.

    Parameters
    ----------
    loaded : LoadedConfig

    Raises
    ------
    DataError
        Data that break the dictionary, or an empty cohort. Too few events are no error here.
    """
    config, dictionary = loaded.config, loaded.dictionary
    read = read_tables(dictionary, loaded.sources)
    tables = consenting_tables(read, dictionary, config.cohort)
    cohort = select_cohort(read, dictionary, config.cohort)
    outcomes = define_outcomes(cohort, config.outcomes, baseline=config.cohort.baseline)
    features, _ = feature_sets(config.features, dictionary)
    X = extract_values(cohort.timeline, dictionary, features, baseline=config.cohort.baseline)
    site, parts = _parts(loaded, cohort, outcomes[config.primary])
    return DataQuality(
        loaded=loaded,
        simulated=is_simulated(dictionary),
        data_hash=hash_of(read),
        tables=_tables(tables, loaded),
        attrition=cohort.attrition,
        outcomes=_outcomes(outcomes),
        columns=column_table(tables, dictionary),
        histograms=tuple(histograms(tables, dictionary)),
        missingness=missingness_table(X, parts),
        features=features,
        site=site,
        coverage=coverage_table(cohort.timeline, config.cohort.baseline, config.outcomes),
        timeline=timeline_table(cohort.timeline),
        duplicates=_duplicates(X, cohort),
        notices=tuple(
            notices_of_tables({name: map(_without_path, table.notices) for name, table in read.items()})
        ),
    )


def _parts(loaded: LoadedConfig, cohort: Cohort, primary: Outcome) -> tuple[str, dict[str, np.ndarray]]:
    """Sites, by the transport check or else the cluster, and whether the primary outcome is known."""
    config = loaded.config
    observed = np.where(primary.why.astype(str) == OBSERVED, "known", "not known").astype(object)
    transport = config.validation.transport
    by = transport.by if transport is not None and transport.type == "leave_one_group_out" else None
    site = by or config.cohort.group or ""
    if not site:
        return "", {"outcome": observed}
    values = baseline_values(cohort.timeline, loaded.dictionary, site, baseline=config.cohort.baseline)
    labels = np.array(["" if pd.isna(value) else f"{value}" for value in values], dtype=object)
    return site, {"site": labels, "outcome": observed}


def _tables(tables: Mapping[str, ConformedTable], loaded: LoadedConfig) -> pd.DataFrame:
    rows = []
    for name, table in tables.items():
        declared = loaded.dictionary[name]
        patients = table.frame[declared.key].nunique()
        counts = (shown_count(len(table.frame)), shown_count(patients), len(declared.columns))
        rows.append((name, declared.source.path, *counts))
    columns = ["table", "file", "rows", "patients", "columns"]
    return pd.DataFrame(rows, columns=columns).astype({"rows": "Int64", "patients": "Int64"})


def _outcomes(outcomes: Mapping[str, Outcome]) -> pd.DataFrame:
    rows = []
    for name, outcome in outcomes.items():
        for reason, n in outcome.missing_reasons().itertuples(index=False, name=None):
            own = outcome.label[outcome.why.astype(str) == reason]
            told = reason == OBSERVED and outcome.kind != "change"
            events = shown_count(int(np.nansum(own))) if told else None
            rows.append((name, outcome.kind, reason, shown_count(n), events))
    columns = ["outcome", "kind", "reason", "n", "events"]
    return pd.DataFrame(rows, columns=columns).astype({"n": "Int64", "events": "Int64"})


def _duplicates(X: pd.DataFrame, cohort: Cohort) -> pd.DataFrame:
    """Count pairs of patients who look like one, and patients with several units."""
    patient = cohort.timeline.units["patient"]
    own = pd.factorize(patient)[0]
    pairs = duplicate_pairs(X, own) if len(X.columns) else pd.DataFrame({"exact": []})
    several = patient.value_counts()
    exact = pairs["exact"].to_numpy(bool)
    counts = {
        "pairs of patients with different keys that agree in every feature": exact.sum(),
        "pairs of patients with different keys that agree in at least nine of ten features": (~exact).sum(),
        "patients with several courses, which are kept together": (several > 1).sum(),
    }
    return pd.DataFrame({"what": list(counts), "n": [int(n) for n in counts.values()]})


def _without_path(notice: str) -> str:
    """Leave out where the file lies on this machine: the table's name stands before the notice."""
    return notice.partition(": ")[2] or notice
