"""New patients from an export in the dictionary's own layout, as of a date.

For a model that decides at the baseline the date is everybody's day 0. For one that decides after an infusion, day 0
and the decision are those of the course that each patient is in.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from predictor.cohort.selection import baseline_days, baseline_values, patient_table
from predictor.cohort.timeline import build_timeline, index_dates
from predictor.config.dictionary import Dictionary
from predictor.config.dictionary_problems import find_dictionary_problems
from predictor.config.schema import AfterInfusion, CohortSection
from predictor.data.conform import ConformedTable, read_tables
from predictor.errors import DataError, ModelError, Problem
from predictor.prediction.course import courses_on, decisions_on
from predictor.prediction.reading import DATE, DAY0, DECIDED, KEY, SOURCE, UNDECIDED
from predictor.prediction_model import PredictionModel

__all__ = ["declared_layout", "read_export"]


def read_export(
    model: PredictionModel, path: Path, dictionary: Dictionary, cohort: CohortSection, *, as_of: date
) -> pd.DataFrame:
    """Read an export and take each patient's baseline as of a date.

    Parameters
    ----------
    model : PredictionModel
    path : Path
        The folder with the dictionary's files, or the one file that all its tables come from.
    dictionary : Dictionary
    cohort : CohortSection
        Of the config that the model was trained with, see `declared_layout`.
    as_of : date
        Day 0 of every patient, or the last day on which a decision after an infusion may have come; nothing later is
        looked at. Where days are nominal (visit labels), the labels decide.

    Returns
    -------
    pandas.DataFrame
        One row per patient: ``patient``, the model's inputs, and beside each the day and the table it comes from; with
        a decision after an infusion also day 0, the day of the decision, and why it had not come.

    Raises
    ------
    DataError
    """
    tables = read_tables(dictionary, _sources(path, dictionary), learning=False)
    name = patient_table(cohort, dictionary)
    patients = sorted(set(tables[name].frame[dictionary[name].key]))
    infusions = isinstance(cohort.decision_time, AfterInfusion)
    units = (courses_on if infusions else _units)(patients, tables, dictionary, cohort, as_of=as_of)
    timeline = build_timeline(
        units, tables, dictionary, index_table=cohort.index.table, same_day=cohort.baseline.same_day
    )
    columns: dict[str, object] = {KEY: units["patient"].to_numpy(object)}
    day0 = [one.date() for one in units["day0"]]
    if infusions:
        decided, why = decisions_on(units, tables, dictionary, cohort, as_of=as_of)
        timeline = replace(timeline, decision=decided)
        columns |= {DAY0: day0, DECIDED: _dates(day0, decided), UNDECIDED: why}
    references = _references(model)
    for one in model.inputs:
        source, take = references[one.name]
        values = baseline_values(timeline, dictionary, source, baseline=cohort.baseline, take=take)
        columns[one.name] = values.to_numpy(object)
        days = baseline_days(timeline, dictionary, source, baseline=cohort.baseline, take=take)
        columns[f"{one.name}{DATE}"] = _dates(day0, days)
        columns[f"{one.name}{SOURCE}"] = source.partition(".")[0]
    return pd.DataFrame(columns)


def _dates(day0: Sequence[date], days: Iterable[float]) -> list[date | None]:
    return [None if np.isnan(day) else first + timedelta(day) for first, day in zip(day0, days, strict=True)]


def declared_layout(model: PredictionModel) -> tuple[Dictionary, CohortSection]:
    """Read from a model how exports are laid out.

    At its training they passed these checks; the folder may have been written by somebody else since.

    Parameters
    ----------
    model : PredictionModel

    Raises
    ------
    ModelError
        ART-03, if what it says contradicts itself.
    """
    try:
        dictionary = Dictionary.model_validate(model.dictionary)
        cohort = CohortSection.model_validate(model.cohort)
        named = {cohort.patients, cohort.index.table} - {None}
        sound = not any(find_dictionary_problems(dictionary)) and named <= dictionary.root.keys()
        sound = sound and all(dictionary.find(one.source) for one in model.inputs)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        sound = False
    if not sound:
        message = "what the model's folder says about the layout of an export contradicts itself"
        raise ModelError(Problem("ART-03", message, "Restore the folder from a copy, or train again"))
    return dictionary, cohort


def _references(model: PredictionModel) -> dict[str, tuple[str, str]]:
    """Return the dictionary column and the choice among several values behind each input."""
    return {one.name: (one.source, one.take) for one in model.inputs}


def _sources(path: Path, dictionary: Dictionary) -> dict[str, Path]:
    files = {table: declared.source.file for table, declared in dictionary.tables()}
    servers = [table for table, file in files.items() if file is None]
    if servers:
        message = f"the tables {', '.join(servers)} come from a database on a server, not from files"
        remedy = "Give one row per patient instead (`predictor predict --template`)"
        raise DataError(Problem("PRE-01", message, remedy, file=str(path)))
    names = {table: Path(file).name for table, file in files.items() if file is not None}
    if not path.exists():
        message, remedy = "there is no such file or folder", f"Give the folder that holds {_listed(names)}"
        raise DataError(Problem("PRE-01", message, remedy, file=str(path)))
    if path.is_dir():
        return {table: path / name for table, name in names.items()}
    if len(set(names.values())) > 1:
        message = f"the dictionary has {len(set(names.values()))} files, and one file was given"
        remedy = f"Give the folder that holds {_listed(names)}"
        raise DataError(Problem("PRE-01", message, remedy, file=str(path)))
    return dict.fromkeys(names, path)


def _listed(names: dict[str, str]) -> str:
    return ", ".join(sorted(set(names.values())))


def _units(
    patients: list[str],
    tables: dict[str, ConformedTable],
    dictionary: Dictionary,
    cohort: CohortSection,
    *,
    as_of: date,
) -> pd.DataFrame:
    day0 = (
        datetime.combine(as_of, time.max)
        if cohort.baseline.same_day == "pre_dose_only"
        else datetime.combine(as_of, time())
    )
    units = pd.DataFrame({"patient": patients, "day0": pd.Timestamp(day0).floor("s"), "index_row": -1})
    units["day0"] = units["day0"].astype("datetime64[ns]")
    index = cohort.index
    if index.visits or index.table is None:
        return units
    declared, table = dictionary[index.table], tables[index.table]
    # The planned course is the patient's row whose date is nearest to day 0; a patient without one has no plan.
    distance = (index_dates(table, declared) - pd.Timestamp(as_of)).abs()
    rows = pd.DataFrame(
        {"patient": table.frame[declared.key], "position": np.arange(len(table.frame)), "distance": distance}
    )
    nearest = (
        rows.dropna()
        .sort_values(["patient", "distance", "position"], kind="stable")
        .drop_duplicates("patient")
    )
    found = nearest.set_index("patient")["position"].reindex(units["patient"])
    units["index_row"] = found.fillna(-1).to_numpy(int)
    return units
