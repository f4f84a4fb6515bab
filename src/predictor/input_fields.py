"""What a prediction model asks for: the fields of its inputs, what it learned of each, and the rules of entry."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace

import numpy as np
import pandas as pd

from predictor.cohort.selection import baseline_values
from predictor.config.schema import DECISION_TAKES, FeatureEntry, Rule
from predictor.data.accepted_units import AcceptedUnit, accepted_units
from predictor.features.dataset import Feature
from predictor.features.extraction import declare_feature
from predictor.prediction.unit_choice import UNIT
from predictor.prediction_model import InputField
from predictor.study import Study

__all__ = ["describe_inputs"]

DIGITS, FEWEST_FOR_TENTHS = 3, 20
VALUES = frozenset({"last", "latest", "first", "mean", "min", "max"})  # ways to take one that keep its unit


def describe_inputs(
    study: Study,
    features: Sequence[Feature],
    X: pd.DataFrame,
    plan: np.ndarray,
    importance: Mapping[str, float],
) -> tuple[tuple[InputField, ...], tuple[dict[str, object], ...]]:
    """Describe the fields of the features, then those that only entry rules need, and the rules by input name.

    Parameters
    ----------
    study : Study
    features : sequence of Feature
        Those of the model.
    X : DataFrame of shape (n, n_features)
        Baseline of the evaluable units, indexed by their position in the cohort.
    plan : ndarray of shape (n,)
    importance : mapping of str to float
        Mean absolute out-of-fold contribution of each feature.
    """
    total = sum(importance.get(f.name, 0.0) for f in features) or 1.0
    treatment = study.loaded.config.cohort.treatment
    fields = {
        f.source: _field(
            f,
            X[f.name],
            plan,
            importance=importance.get(f.name, 0.0) / total,
            required=treatment is not None and f.source == treatment.column,
            max_age=_max_age(study, f.source),
        )
        for f in features
        if f.take == "last"
    }
    extra = {
        f.name: _field(
            f,
            X[f.name],
            plan,
            importance=importance.get(f.name, 0.0) / total,
            max_age=None if f.take in DECISION_TAKES else _max_age(study, f.source),
        )
        for f in features
        if f.take != "last"
    }
    # The plan decides whose rate and whose average a patient is compared with, whether or not the model uses it.
    if treatment is not None and treatment.column not in fields:
        fields[treatment.column] = _asked_field(study, treatment.column, X.index.to_numpy(int), role="plan")
    rules: list[dict[str, object]] = []
    for rule in study.loaded.config.cohort.eligibility:
        described = _rule(study, rule, fields, plan_rows=X.index.to_numpy(int))
        if described is not None:
            rules.append(described)
    inputs = (*fields.values(), *extra.values())
    names = {one.name for one in inputs}
    return tuple(replace(one, accepted_units=_units(study, one, names)) for one in inputs), tuple(rules)


def _units(study: Study, one: InputField, names: AbstractSet[str]) -> tuple[AcceptedUnit, ...]:
    """Return the units in which an input may be given.

    A plan is the protocol's, in its own unit; a whole number in another unit is none in its own; and a change or a
    slope is no longer the quantity that the units belong to.
    """
    found = study.loaded.dictionary.find(one.source)
    measured = one.kind == "number" and one.grain == "any" and one.role != "plan" and one.take in VALUES
    if found is None or not measured or one.name + UNIT in names:
        return ()
    return accepted_units(found[2])


def _rule(
    study: Study, rule: Rule, fields: dict[str, InputField], *, plan_rows: np.ndarray
) -> dict[str, object] | None:
    """Describe a rule by input names; one about what was known only afterwards cannot be asked at day 0."""
    dictionary = study.loaded.dictionary
    conditions: list[dict[str, object]] = []
    declared = [dictionary.find(condition.column) for condition in rule.conditions()]
    if any(found is None or found[0].known_of(found[2]) == "after" for found in declared):
        return None
    for condition in rule.conditions():
        if condition.column not in fields:
            fields[condition.column] = _asked_field(study, condition.column, plan_rows, role="entry")
        conditions.append(
            {
                "input": fields[condition.column].name,
                "min": condition.min,
                "max": condition.max,
                "in": condition.in_,
            }
        )
    return {"name": rule.name, "conditions": conditions}


def _asked_field(study: Study, column: str, rows: np.ndarray, *, role: str) -> InputField:
    """Describe an input that is no feature of the model, but without which nothing can be said about a patient."""
    feature = declare_feature(FeatureEntry(column=column), role, study.loaded.dictionary)
    baseline = study.loaded.config.cohort.baseline
    values = baseline_values(study.cohort.timeline, study.loaded.dictionary, column, baseline=baseline)
    return _field(
        feature,
        values.iloc[rows],
        study.cohort.plan[rows],
        importance=0.0,
        role=role,
        required=True,
        max_age=_max_age(study, column),
    )


def _field(
    feature: Feature,
    values: pd.Series,
    plan: np.ndarray,
    *,
    importance: float,
    role: str | None = None,
    required: bool = False,
    max_age: int | None = None,
) -> InputField:
    number = feature.kind == "number"
    known = values.dropna()
    counts = known.value_counts() if not number else pd.Series(dtype=int)
    # A level of fewer than 5 patients is merged by the encoder and must not be readable in the folder either.
    levels = tuple(sorted(str(level) for level, n in counts.items() if n >= 5))
    numbers = known.astype(float) if number else known
    return InputField(
        name=feature.name,
        label=feature.label,
        kind=feature.kind,
        unit=feature.unit,
        levels=levels if role != "entry" else tuple(feature.levels) or levels,
        limits=feature.limits,
        learned=_learned(numbers, feature.limits) if number and len(numbers) else None,
        role=role or feature.known,  # type: ignore[arg-type]
        required=required,
        missing_share=float(values.isna().mean()),
        importance=float(importance),
        typical=_typical(values, plan, number=number, levels=levels),
        source=feature.source,
        take=feature.take,
        grain=feature.grain,
        deciles=_deciles(numbers) if number else (),
        max_age_days=max_age,
    )


def _deciles(numbers: pd.Series) -> tuple[float, ...]:
    """Cut what was recorded into tenths; of fewer patients a cut would be nearly somebody's own value."""
    if len(numbers) < FEWEST_FOR_TENTHS:
        return ()
    cuts = np.quantile(numbers.to_numpy(float), np.arange(1, 10) / 10)
    return tuple(_rounded(float(cut), round) for cut in cuts)


def _max_age(study: Study, source: str) -> int | None:
    """Say how old a value may be: as the column declares, else as old as development took it, where it has days."""
    if source in study.cohort.timeline.attributes:
        return None
    window = -study.loaded.config.cohort.baseline.first_day
    found = study.loaded.dictionary.find(source)
    declared = found[2].max_age_days if found is not None else None
    return window if declared is None else min(window, declared)


def _learned(numbers: pd.Series, limits: tuple[float | None, float | None]) -> tuple[float, float]:
    """Range seen in development, rounded outward but not beyond what the dictionary allows."""
    low = _rounded(float(numbers.min()), math.floor)
    high = _rounded(float(numbers.max()), math.ceil)
    return (
        low if limits[0] is None else max(low, limits[0]),
        high if limits[1] is None else min(high, limits[1]),
    )


def _rounded(value: float, rule: Callable[[float], int]) -> float:
    """Keep three significant digits: an extreme, and the median of an odd number, is one patient's own value."""
    if value == 0:
        return 0.0
    digits = DIGITS - 1 - math.floor(math.log10(abs(value)))
    scaled = value * 10.0**digits if digits >= 0 else value / 10.0**-digits
    # 0.29 * 100 is 28.999…: a value that has few digits already stays as it is.
    whole = round(scaled) if math.isclose(scaled, round(scaled), rel_tol=1e-12) else rule(scaled)
    return whole / 10.0**digits if digits >= 0 else whole * 10.0**-digits


def _typical(
    values: pd.Series, plan: np.ndarray, *, number: bool, levels: Sequence[str]
) -> dict[str, float | str]:
    found: dict[str, float | str] = {}
    for name in sorted(set(plan)):
        known = values[plan == name].dropna()
        if number and len(known):
            found[str(name)] = _rounded(float(known.astype(float).median()), round)
        elif len(known):
            common = [level for level in known.value_counts().index if str(level) in levels]
            if common:
                found[str(name)] = str(common[0])
    return found
