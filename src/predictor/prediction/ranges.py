"""The range beside a personal estimate: over refits on other patients, and over what missing inputs may have been.

It covers the choice of development patients, and the gaps of this patient. It does not cover the choice of model, what
was not measured, or other places: see ``experiments/studies/intervals/README.md``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from predictor.features.columns import Categories, RawColumns, rows_of
from predictor.models.plain import FEWEST_FOR_FUSION
from predictor.prediction_model import InputField, PredictionModel

__all__ = ["RANGE", "Spread", "range_limits", "refit_probabilities", "spread_over_gaps"]

RANGE = (2.5, 97.5)
MOST_SIDE_BY_SIDE = 64  # patients; for more, one refit after another is the shorter way
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


def refit_probabilities(model: PredictionModel, raw: RawColumns, n: int) -> np.ndarray:
    """Evaluate what every refit says, shape (refits, n).

    Parameters
    ----------
    model : PredictionModel
        With refits.
    raw : mapping of str to ndarray or Categories
    n : int
    """
    if n <= MOST_SIDE_BY_SIDE:
        return model.joined_refits.probability(raw, n)
    return np.array([refit.probability(raw, n) for refit in model.refits])


def range_limits(
    refits: np.ndarray, probability: np.ndarray, spread: Spread
) -> tuple[np.ndarray, np.ndarray]:
    """Return the 2.5 and 97.5 percentile over the refits, widened to hold the estimate and the spread over gaps.

    Parameters
    ----------
    refits : ndarray of shape (refits, n)
        From `refit_probabilities`.
    probability : ndarray of shape (n,)
    spread : Spread
        From `spread_over_gaps`.
    """
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
    asked = [
        f.name
        for f in model.features
        if (f.kind == "number" if several > 1 else _options(model.input_by_name[f.name]))
    ]
    gaps = np.any([_is_missing(raw[name]) for name in asked], axis=0) if asked else np.zeros(n, dtype=bool)
    rows = np.flatnonzero(gaps)
    low, high = np.full(n, np.nan), np.full(n, np.nan)
    if len(rows):
        few = {name: rows_of(values, rows) for name, values in raw.items()}
        options = {name: _options(model.input_by_name[name]) for name in asked}
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
    at_once = max(1, min(DRAWS, FEWEST_FOR_FUSION // n - 1))  # few patients take all draws together
    found = []
    for start in range(0, DRAWS, at_once):
        draws = range(start, min(start + at_once, DRAWS))
        rows = np.tile(np.arange(n), len(draws))
        filled = {
            name: _joined(_filled(raw[name], options[name][drawn[name][i]]) for i in draws)
            for name in options
        }
        tiled = {name: rows_of(values, rows) for name, values in raw.items() if name not in filled}
        found.append(model.scorer.probability({**tiled, **filled}, len(rows)).reshape(-1, n))
    return np.concatenate(found)


def _joined(parts: Iterable[np.ndarray | Categories]) -> np.ndarray | Categories:
    """Lay columns one after another."""
    several = list(parts)
    if not isinstance(several[0], Categories):
        return np.concatenate(several)  # type: ignore[arg-type]
    levels: list[object] = []
    codes = []
    for one in several:
        assert isinstance(one, Categories)
        codes.append(np.where(one.codes < 0, -1, one.codes + len(levels)))
        levels += one.levels
    return Categories(np.concatenate(codes), levels)


def _filled(values: np.ndarray | Categories, by: float | str) -> np.ndarray | Categories:
    if isinstance(values, Categories):
        levels = [*values.levels, by]
        return Categories(np.where(_is_missing(values), len(levels) - 1, values.codes), levels)
    return np.where(np.isnan(values), by, values)
