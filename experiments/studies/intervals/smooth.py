"""Coverage of the limits of the smooth calibration errors: of percentiles, and of what the package prints."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
import pandas as pd
from counting import count
from fixed_rules import CELLS, line_of
from population import EFFECTS, LARGER, Cell, base, draw, own_spread, predict, scores

from predictor.validation.new_patients import smooth_errors
from predictor.validation.uncertainty import (
    Estimate,
    cluster_weights,
    distance_interval,
    expanded_level,
    percentile_interval,
)

ENTROPY = 20_261_134
NEAR, FAR = "near", "far off"
# What the predictions are: of the rule of the other studies, or of one that is twice as extreme and predicts too much.
RULES = {NEAR: LARGER, FAR: (0.7, 2 * LARGER[1])}
SIZES = tuple(name for name, cell in CELLS.items() if cell.clusters in (200, 500, 40))
NAMES = tuple(f"{name}, {rule}" for rule in RULES for name in SIZES)
METRICS = ("ici", "e50", "e90")
BATCH = 100
RESAMPLES = 200


def batch(name: str, number: int, *, sets: int = BATCH, resamples: int = RESAMPLES) -> pd.DataFrame:
    """Count the coverage in one batch of data sets."""
    size, rule = name.rsplit(", ", 1)
    cell = CELLS[size]
    lines: list[dict[str, object]] = []
    for i in range(sets):
        key = [ENTROPY, cell.clusters, cell.size, round(1000 * cell.rate), number, i]
        lines += intervals(cell, rule, np.random.default_rng(np.random.SeedSequence(key)), resamples)
    return count(lines)


def intervals(cell: Cell, rule: str, rng: np.random.Generator, resamples: int) -> Iterator[dict[str, object]]:
    """Draw one data set and give both kinds of limits of each distance."""
    sample, seed = draw(cell, rng), int(rng.integers(2**31))
    weights = cluster_weights(sample.groups, resamples=resamples, seed=seed)
    values, draws = smooth_errors(sample.y, predict(cell, sample.x, RULES[rule]), weights)
    level = expanded_level(0.95, len(np.unique(sample.groups)))
    for metric in METRICS:
        value, true = values[metric], truth(cell, rule)[metric]
        ways = {
            "expanded percentiles": percentile_interval(draws[metric], level=level),
            "reaching down": distance_interval(value, draws[metric], level=level),
        }
        for way, (low, high) in ways.items():
            yield line_of(metric, way, Estimate(value, low, high, np.nan), true)


@cache
def truth(cell: Cell, rule: str) -> dict[str, float]:
    """Mean, median and 90th percentile of |prediction - true rate| in the population."""
    level, (extra, effects) = base(cell), RULES[rule]
    p, rate = scores((level, EFFECTS), own_spread(cell), (level + extra, effects))
    error = np.abs(p - rate)
    return {"ici": float(error.mean()), "e50": float(np.median(error)), "e90": float(np.quantile(error, 0.9))}
