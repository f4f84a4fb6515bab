"""Which patients of a block need no second look: the checks of one patient, made on whole columns.

A row that passes is answered as `predictor.prediction` would answer it. Any other is handed to it, so that what is
said about a patient, and why, is decided in one place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from predictor.cohort.names import names_of
from predictor.features.columns import Categories, RawColumns
from predictor.prediction_model import InputField, PredictionModel

__all__ = ["plans_of", "sound_rows"]


def sound_rows(model: PredictionModel, raw: RawColumns, n: int, plan: Categories) -> np.ndarray:
    """Return which rows meet every check but that of the date, shape (n,).

    Parameters
    ----------
    model : PredictionModel
    raw : mapping of str to ndarray or Categories
        Every input of the model.
    n : int
    plan : Categories
        From `plans_of`.
    """
    sound = np.ones(n, dtype=bool)
    missing = {one.name: _is_missing(raw[one.name]) for one in model.inputs}
    for one in model.inputs:
        _keep(sound, _fits(model, one, raw[one.name]))
    _keep(sound, _complete(model, missing, n))
    for rule in model.entry_rules:
        _keep(sound, _meets(rule, raw, n))
    if model.distance is not None and _refuses(model, "unlike_development"):
        _keep(sound, model.distance.squared(raw, n) <= model.distance.refusal)
    if model.plan.get("input"):
        known = np.array([level in model.baselines for level in plan.levels] + [False])
        _keep(sound, known[plan.codes])
    return sound


def plans_of(model: PredictionModel, raw: RawColumns, n: int) -> Categories:
    """Arm or dose band of each patient by the model's own declaration; missing where it is not known.

    Parameters
    ----------
    model : PredictionModel
    raw : mapping of str to ndarray or Categories
    n : int
    """
    name = model.plan.get("input")
    if not name:
        return Categories(np.zeros(n, dtype=np.intp), ["all"])
    values = raw[str(name)]
    if isinstance(values, Categories):
        return values
    known = ~np.isnan(values)
    bands = model.plan.get("bands")
    if bands:
        codes = np.searchsorted(np.asarray(bands, dtype=float), values, side="right")
        return Categories(np.where(known, codes, -1), [str(label) for label in model.plan["band_labels"]])
    distinct, codes = np.unique(values, return_inverse=True)
    return Categories(np.where(known, codes, -1), [f"{value:g}" for value in distinct])


def _refuses(model: PredictionModel, what: str) -> bool:
    return bool(model.policy.get("withhold_if", {}).get(what, True))


def _keep(sound: np.ndarray, kept: np.ndarray | None) -> None:
    if kept is not None:
        sound &= kept


def _is_missing(values: np.ndarray | Categories) -> np.ndarray | None:
    """Rows without a value; None where every row has one."""
    missing = values.codes < 0 if isinstance(values, Categories) else np.isnan(values)
    return missing if missing.any() else None


def _fits(model: PredictionModel, one: InputField, values: np.ndarray | Categories) -> np.ndarray | None:
    """Rows whose value can be read and lies where it has to; None for all. A missing value fits."""
    if isinstance(values, Categories):
        known = [level in one.levels for level in values.levels]
        return None if all(known) else np.array([*known, True])[values.codes]
    lows, highs = [one.limits[0]], [one.limits[1]]
    refuses = _refuses(model, "outside_training_range")
    if refuses and one.role != "entry" and one.learned is not None:
        lows.append(one.learned[0])
        highs.append(one.learned[1])
    low = max((x for x in lows if x is not None), default=-np.finfo(float).max)
    high = min((x for x in highs if x is not None), default=np.finfo(float).max)
    fits = _inside(values, low, high)
    return _whole(one, values, fits)


def _inside(values: np.ndarray, low: float, high: float) -> np.ndarray | None:
    # Two passes that stay in registers decide for most blocks; fmin and fmax pass over missing values.
    least, most = np.fmin.reduce(values, initial=np.inf), np.fmax.reduce(values, initial=-np.inf)
    if least >= low and most <= high:
        return None
    return np.asarray((values >= low) & (values <= high) | np.isnan(values))


def _whole(one: InputField, values: np.ndarray, fits: np.ndarray | None) -> np.ndarray | None:
    if one.grain == "any":
        return fits
    sound = (values == 0) | (values == 1) if one.grain == "yes_no" else values == np.floor(values)
    sound = np.asarray(sound | np.isnan(values))
    return sound if fits is None else np.asarray(sound & fits)


def _complete(model: PredictionModel, missing: Mapping[str, np.ndarray | None], n: int) -> np.ndarray | None:
    """Rows of which enough is known."""
    used = [one for one in model.inputs if one.role != "entry"]
    incomplete = [(one, gone) for one in used if (gone := missing[one.name]) is not None]
    if not incomplete:
        return None
    # Whoever is close to the limit gets the second look, whatever the order of the sum.
    limit = float(model.policy.get("withhold_if", {}).get("missing_features_over", 0.3)) - 1e-9
    most = sum(one.importance for one, _ in incomplete)
    if most <= limit and len(incomplete) < len(used) and not any(one.required for one, _ in incomplete):
        return None
    share, count = np.zeros(n), np.zeros(n, dtype=np.intp)
    sound = np.ones(n, dtype=bool)
    for one, gone in incomplete:
        share += gone * one.importance
        count += gone
        if one.required:
            sound &= ~gone
    return np.asarray(sound & (share <= limit) & (count < len(used)) | (count == 0))


def _meets(rule: Mapping[str, Any], raw: RawColumns, n: int) -> np.ndarray:
    met = np.zeros(n, dtype=bool)
    for condition in rule["conditions"]:
        met |= _meets_condition(condition, raw[str(condition["input"])])
    return np.asarray(met)


def _meets_condition(condition: Mapping[str, Any], values: np.ndarray | Categories) -> np.ndarray:
    allowed, low, high = condition.get("in"), condition.get("min"), condition.get("max")
    if isinstance(values, Categories):
        # A limit of a text is the second look's business.
        plain = low is None and high is None
        return _by_level(
            values, lambda level: plain and (allowed is None or not names_of(level).isdisjoint(allowed))
        )
    met = ~np.isnan(values)
    if allowed is not None:
        distinct, codes = np.unique(values, return_inverse=True)
        met &= _by_level(
            Categories(codes, distinct.tolist()), lambda value: not names_of(value).isdisjoint(allowed)
        )
    if low is not None:
        met &= values >= float(low)
    if high is not None:
        met &= values <= float(high)
    return np.asarray(met)


def _by_level(values: Categories, holds: Callable[[Any], bool]) -> np.ndarray:
    return np.asarray(np.array([*(holds(level) for level in values.levels), False])[values.codes])
