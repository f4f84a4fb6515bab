"""The range beside a personal estimate: over refits on other patients, and over what missing inputs may have been.

It covers the choice of development patients, and the gaps of this patient. It does not cover the choice of model, what
was not measured, or other places: see ``experiments/studies/intervals/README.md``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from predictor.features.columns import Categories, RawColumns, rows_of
from predictor.prediction_model import InputField, PredictionModel

__all__ = ["RANGE", "Spread", "range_limits", "spread_over_gaps"]

RANGE = (2.5, 97.5)
DRAWS, SEED = 40, 40


@dataclass(frozen=True)
class Spread:
    """How far estimates move over the values that missing inputs may have.

    Parameters
    ----------
    low, high : ndarray of shape (n,)
        Smallest and largest probability; NaN for patients without a gap, and where it is not known.
    draws : int
        Values tried.
    """

    low: np.ndarray
    high: np.ndarray
    draws: int


def range_limits(
    model: PredictionModel, raw: RawColumns, probability: np.ndarray, spread: Spread
) -> tuple[np.ndarray, np.ndarray]:
    """Return the 2.5 and 97.5 percentile over the refits, widened to hold the estimate and the spread over gaps.

    Parameters
    ----------
    model : PredictionModel
    raw : mapping of str to ndarray or Categories
    probability : ndarray of shape (n,)
    spread : Spread
        From `spread_over_gaps`.
    """
    refits = np.array([refit.probability(raw, len(probability)) for refit in model.refits])
    low, high = np.percentile(refits, RANGE, axis=0)
    return (
        np.fmin(np.minimum(low, probability), spread.low),
        np.fmax(np.maximum(high, probability), spread.high),
    )


def spread_over_gaps(model: PredictionModel, raw: RawColumns, n: int) -> Spread:
    """Evaluate how far each estimate moves over the values that its missing inputs may have.

    A model with multiple imputation answers by its own draws. For any other the gaps take forty times values that
    development patients had: tenths of numbers, and levels.

    Parameters
    ----------
    model : PredictionModel
    raw : mapping of str to ndarray or Categories
    n : int
    """
    several = model.scorer.imputations
    fields = {one.name: one for one in model.inputs}
    asked = [
        f.name for f in model.features if (f.kind == "number" if several > 1 else _options(fields[f.name]))
    ]
    gaps = np.any([_is_missing(raw[name]) for name in asked], axis=0) if asked else np.zeros(n, dtype=bool)
    rows = np.flatnonzero(gaps)
    low, high = np.full(n, np.nan), np.full(n, np.nan)
    if len(rows):
        few = {name: rows_of(values, rows) for name, values in raw.items()}
        options = {name: _options(fields[name]) for name in asked}
        found = (
            model.scorer.by_imputation(few, len(rows))
            if several > 1
            else _by_value(model, few, options, len(rows))
        )
        low[rows], high[rows] = found.min(axis=0), found.max(axis=0)
    return Spread(low, high, several if several > 1 else DRAWS)


def _is_missing(values: np.ndarray | Categories) -> np.ndarray:
    return np.asarray(values.known_as(()) == 1 if isinstance(values, Categories) else np.isnan(values))


def _options(one: InputField) -> tuple[float | str, ...]:
    return one.levels if one.kind == "category" else one.deciles


def _by_value(
    model: PredictionModel, raw: RawColumns, options: dict[str, tuple[float | str, ...]], n: int
) -> np.ndarray:
    """Evaluate with every gap filled, shape (draws, n), each option of an input in turn."""
    rng = np.random.default_rng(SEED)
    drawn = {name: rng.permutation(np.resize(np.arange(len(all_)), DRAWS)) for name, all_ in options.items()}
    filled = (
        {name: _filled(raw[name], options[name][drawn[name][i]]) for name in options} for i in range(DRAWS)
    )
    return np.array([model.scorer.probability({**raw, **one}, n) for one in filled])


def _filled(values: np.ndarray | Categories, by: float | str) -> np.ndarray | Categories:
    if isinstance(values, Categories):
        levels = [*values.levels, by]
        return Categories(np.where(_is_missing(values), len(levels) - 1, values.codes), levels)
    return np.where(np.isnan(values), by, values)
