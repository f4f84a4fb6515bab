"""From rows already cut to the baseline window to one row per unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from predictor.cohort.outcomes import Outcome
from predictor.cohort.selection import Cohort, baseline_values
from predictor.cohort.timeline import Timeline
from predictor.cohort.windows import withheld_values
from predictor.config.dictionary import Column, Dictionary
from predictor.config.schema import Baseline, FeatureEntry, Features
from predictor.errors import ConfigError, DataError, Problem
from predictor.features.dataset import Dataset, Feature

__all__ = ["Extraction", "declare_feature", "extract_dataset", "extract_values", "feature_sets"]


LATER = {"latest": ", latest", "early_change": ", early change"}
"""What a label adds, so that nobody enters a score of the baseline in the place of one after it."""


@dataclass(frozen=True)
class Extraction:
    """The dataset, which features each set holds, and what was left out of it and why.

    Parameters
    ----------
    dataset : Dataset
    sets : dict of str to tuple of str
        Feature names of each set, without the dropped ones.
    dropped : dict of str to str
        Feature name to reason.
    """

    dataset: Dataset
    sets: Mapping[str, tuple[str, ...]]
    dropped: Mapping[str, str]


def declare_feature(entry: FeatureEntry, group: str, dictionary: Dictionary) -> Feature:
    """Return the feature that a config entry and its dictionary column declare together.

    Parameters
    ----------
    entry : FeatureEntry
    group : str
    dictionary : Dictionary
    """
    found = dictionary.find(entry.column)
    if found is None:
        problem = Problem(
            "CFG-14",
            f"{entry.column} is not declared",
            "Declare it in the dictionary",
            path="features.groups",
        )
        raise DataError(problem)
    table, header, column = found
    kind = "category" if column.kind in {"category", "text"} else "number"
    known = "plan" if table.known_of(column) == "plan" else "baseline"
    return Feature(
        name=_feature_name(entry, dictionary),
        source=entry.column,
        kind=kind,  # type: ignore[arg-type]
        label=(column.label or _plain_label(column, header)) + LATER.get(entry.take, ""),
        unit=column.unit if entry.take != "slope" else f"{column.unit or 'points'}/week",
        known=known,  # type: ignore[arg-type]
        group=group,
        take=entry.take,
        transform=entry.transform,
        levels=tuple(dict.fromkeys(column.values.values())) if column.values and kind == "category" else (),
        limits=_limits(column) if entry.take not in ("slope", "early_change") else (None, None),
        sensitive=column.sensitive,
        grain=_grain(entry, column),
    )


def _plain_label(column: Column, header: str) -> str:
    """Name a column that has no label of its own: scales by their capitals, MADRS, as outcomes are named."""
    name = column.reference(header)
    return name.upper() if column.instrument and len(name) <= 6 else name.replace("_", " ")


def _grain(entry: FeatureEntry, column: Column) -> Literal["any", "whole", "yes_no"]:
    if column.kind == "boolean":
        return "yes_no"
    return "whole" if column.kind == "integer" and entry.take not in ("mean", "slope") else "any"


def feature_sets(
    features: Features, dictionary: Dictionary
) -> tuple[tuple[Feature, ...], dict[str, tuple[str, ...]]]:
    """Return every feature used by a set, once and in the config's order, and the names in each set.

    Parameters
    ----------
    features : Features
    dictionary : Dictionary

    Raises
    ------
    ConfigError
        CFG-41 where groups ask for different transformations of one column.
    """
    groups = {
        group: [declare_feature(entry, group, dictionary) for entry in entries]
        for group, entries in features.groups.items()
    }
    sets = {
        name: tuple(f.name for group in members for f in groups[group])
        for name, members in features.sets.items()
    }
    used = {name for names in sets.values() for name in names}
    found: dict[str, Feature] = {}
    for feature in (f for members in groups.values() for f in members if f.name in used):
        first = found.setdefault(feature.name, feature)
        if first.transform != feature.transform:
            message = f"{feature.source} is used as {first.transform} and as {feature.transform}"
            path = f"features.groups.{feature.group}"
            raise ConfigError(Problem("CFG-41", message, "Give it one transform everywhere", path=path))
    return tuple(found.values()), sets


def extract_values(
    timeline: Timeline, dictionary: Dictionary, features: Sequence[Feature], *, baseline: Baseline
) -> pd.DataFrame:
    """Return the value of each feature for each unit, from the baseline window only.

    Parameters
    ----------
    timeline : Timeline
    dictionary : Dictionary
    features : sequence of Feature
    baseline : Baseline
    """
    columns: dict[str, pd.Series] = {}
    for feature in features:
        values = baseline_values(timeline, dictionary, feature.source, baseline=baseline, take=feature.take)
        columns[feature.name] = _typed(values, feature)
    return pd.DataFrame(columns, index=range(len(timeline.units)))


def extract_dataset(
    cohort: Cohort,
    outcomes: Mapping[str, Outcome],
    dictionary: Dictionary,
    features: Features,
    *,
    baseline: Baseline,
    severity: str | None = None,
) -> Extraction:
    """Build the dataset and leave out what cannot be used, with the reason.

    Parameters
    ----------
    cohort : Cohort
    outcomes : mapping of str to Outcome
    dictionary : Dictionary
    features : Features
        ``max_missing`` bounds the share of missing values; it looks at no outcome.
    baseline : Baseline
    severity : str or None
        ``table.column`` that the reference models need, whether or not a set holds it.

    Raises
    ------
    DataError
        DAT-21 where a feature has no value at all, or a different text for every unit, or nothing is left of a set;
        LEA-03 where it has values, and all of them became known only after day 0.
    """
    declared, sets = feature_sets(features, dictionary)
    if severity is not None and not any(f.source == severity and f.take == "last" for f in declared):
        declared += (declare_feature(FeatureEntry(column=severity), "severity", dictionary),)
    X = extract_values(cohort.timeline, dictionary, declared, baseline=baseline)
    late = withheld_values(cohort.timeline, baseline)
    problems, dropped = _unusable(
        X, [f for f in declared if not _too_late(X, f, late)], max_missing=features.max_missing
    )
    problems = [
        _known_later(f, dictionary, late[f.source]) for f in declared if _too_late(X, f, late)
    ] + problems
    for name, names in sets.items():
        if not problems and dropped.keys() >= set(names):
            message = f"nothing is left of the set {name}: every column is constant or mostly missing"
            problems.append(Problem("DAT-21", message, "Add columns to it", path=f"features.sets.{name}"))
    if problems:
        raise DataError(problems)
    kept = tuple(f for f in declared if f.name not in dropped)
    labels = pd.DataFrame(
        {name: o.label for name, o in outcomes.items() if o.kind != "change"}, index=X.index
    )
    dataset = Dataset(
        X=X[[f.name for f in kept]], outcomes=labels, groups=cohort.groups, plan=cohort.plan, features=kept
    )
    return Extraction(
        dataset=dataset,
        sets={name: tuple(n for n in names if n not in dropped) for name, names in sets.items()},
        dropped=dropped,
    )


def _feature_name(entry: FeatureEntry, dictionary: Dictionary) -> str:
    table, _, column = entry.column.partition(".")
    clashes = sum(reference.partition(".")[2] == column for reference in dictionary.references()) > 1
    name = f"{table}_{column}" if clashes else column
    return name if entry.take == "last" else f"{name}_{entry.take}"


def _limits(column: Column) -> tuple[float | None, float | None]:
    return (column.range[0], column.range[1]) if column.range else (None, None)


def _typed(values: pd.Series, feature: Feature) -> pd.Series:
    if feature.kind == "number":
        return pd.to_numeric(values).astype(float)
    return values.astype(object).where(values.notna(), None)


def _too_late(X: pd.DataFrame, feature: Feature, late: Mapping[str, int]) -> bool:
    """Whether a feature has values, of which nobody knew any at day 0."""
    return feature.source in late and bool(X[feature.name].isna().all())


def _known_later(feature: Feature, dictionary: Dictionary, count: int) -> Problem:
    found = dictionary.find(feature.source)
    table, header, column = found if found is not None else (None, feature.source, None)
    recorded = table.recorded_of(column) if table is not None and column is not None else None
    message = f"all {count} values of {feature.source} that speak of the baseline were recorded after day 0"
    if recorded is not None:
        message += f" (by {recorded})"
    remedy = "Leave it out of features.groups: nobody could have known it when the decision was taken"
    return Problem(
        "LEA-03", message, remedy, path=header, file=table.source.path if table is not None else ""
    )


def _unusable(
    X: pd.DataFrame, features: Sequence[Feature], *, max_missing: float
) -> tuple[list[Problem], dict[str, str]]:
    problems: list[Problem] = []
    dropped: dict[str, str] = {}
    for feature in features:
        values = X[feature.name]
        missing, distinct = float(values.isna().mean()), values.nunique()
        if missing == 1:
            message = f"no patient of the cohort has a value for {feature.source} inside the baseline window"
            remedy = "Take it out of features.groups, or check its visit map, dates and missing codes"
            problems.append(Problem("DAT-21", message, remedy, path=feature.source))
        elif (
            feature.kind == "category"
            and not feature.levels
            and distinct == values.notna().sum()
            and distinct > 10
        ):
            message = f"{feature.source} has a different text for every patient, so it says nothing about the next one"
            problems.append(
                Problem("DAT-21", message, "Declare its `values`, or take it out", path=feature.source)
            )
        elif distinct == 1:
            dropped[feature.name] = "the same value for everybody"
        elif missing > max_missing:
            dropped[feature.name] = f"missing for {missing:.0%} of patients (limit {max_missing:.0%})"
    return problems, dropped
