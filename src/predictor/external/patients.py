"""The patients of a config as a model's inputs, which that config need not have been written for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd

from predictor.cohort.selection import Cohort, baseline_values
from predictor.config.loading import LoadedConfig
from predictor.config.schema import FeatureEntry
from predictor.errors import DataError, Problem
from predictor.features.dataset import Feature
from predictor.features.extraction import declare_feature
from predictor.prediction_model import InputField, PredictionModel

__all__ = ["find_columns", "patient_keys", "read_inputs"]


def find_columns(model: PredictionModel, loaded: LoadedConfig) -> dict[str, FeatureEntry]:
    """Find the config's column behind each input of the model: by the feature's name, else by the column itself.

    Parameters
    ----------
    model : PredictionModel
    loaded : LoadedConfig

    Raises
    ------
    DataError
        PRE-01 for each input that the config does not have, or has as another kind or in another unit.
    """
    declared = {feature.name: (entry, feature) for entry, feature in _declared(loaded)}
    problems: list[Problem] = []
    found: dict[str, FeatureEntry] = {}
    for one in model.inputs:
        pair = declared.get(one.name) or _by_source(one, loaded)
        if pair is None:
            message = f"the model needs {one.name}, and no feature of the config has this name"
            remedy, path = "Declare a column of this name", f"features.{one.name}"
            problems.append(Problem("PRE-01", message, remedy, path=path))
        elif (pair[1].kind, pair[1].unit) != (one.kind, one.unit):
            problems.append(_different(one, pair[1]))
        else:
            found[one.name] = pair[0]
    if problems:
        raise DataError(problems)
    return found


def read_inputs(cohort: Cohort, loaded: LoadedConfig, columns: Mapping[str, FeatureEntry]) -> pd.DataFrame:
    """Read the model's inputs of every unit at its baseline.

    Parameters
    ----------
    cohort : Cohort
    loaded : LoadedConfig
    columns : mapping
        See `find_columns`.

    Returns
    -------
    DataFrame
        One row per unit of the cohort, one column per input.
    """
    baseline = loaded.config.cohort.baseline
    return pd.DataFrame(
        {
            name: baseline_values(
                cohort.timeline, loaded.dictionary, entry.column, baseline=baseline, take=entry.take
            ).to_numpy(object)
            for name, entry in columns.items()
        }
    )


def patient_keys(cohort: Cohort) -> list[str]:
    """Return the key of every unit's patient, to be compared and never shown.

    Parameters
    ----------
    cohort : Cohort
    """
    return [str(key) for key in cohort.timeline.units["patient"]]


def _declared(loaded: LoadedConfig) -> Iterator[tuple[FeatureEntry, Feature]]:
    config = loaded.config
    asked = [FeatureEntry(column=c.column) for rule in config.cohort.eligibility for c in rule.conditions()]
    if config.cohort.treatment is not None:
        asked.append(FeatureEntry(column=config.cohort.treatment.column))
    for entry in (*asked, *(one for group in config.features.groups.values() for one in group)):
        yield entry, declare_feature(entry, "model", loaded.dictionary)


def _by_source(one: InputField, loaded: LoadedConfig) -> tuple[FeatureEntry, Feature] | None:
    if not one.source or loaded.dictionary.find(one.source) is None:
        return None
    entry = FeatureEntry(column=one.source, take=one.take)  # type: ignore[arg-type]
    return entry, declare_feature(entry, "model", loaded.dictionary)


def _different(one: InputField, feature: Feature) -> Problem:
    there, here = one.unit or "plain units", feature.unit or "plain units"
    message = f"{one.name} is a {one.kind} in {there} in the model, and a {feature.kind} in {here} here"
    return Problem("PRE-01", message, "Units are not converted; give the model's", path=one.name)
