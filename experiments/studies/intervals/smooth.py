"""Coverage of the limits of the smooth calibration errors, and how far ICI itself is off where patients are few."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
import pandas as pd
from counting import count
from fixed_rules import CELLS, line_of
from population import EFFECTS, LARGER, Cell, base, draw, own_spread, predict, scores

from predictor.validation.new_patients import evaluate_new
from predictor.validation.uncertainty import Estimate

ENTROPY = 20_261_134
NAMES = tuple(name for name, cell in CELLS.items() if cell.clusters in (200, 500, 40))
METRICS = ("ici", "e50", "e90")
BATCH = 100
RESAMPLES = 200


def batch(name: str, number: int, *, sets: int = BATCH, resamples: int = RESAMPLES) -> pd.DataFrame:
    """Count the coverage in one batch of data sets."""
    cell = CELLS[name]
    lines: list[dict[str, object]] = []
    for i in range(sets):
        key = [ENTROPY, cell.clusters, cell.size, round(1000 * cell.rate), number, i]
        lines += intervals(cell, np.random.default_rng(np.random.SeedSequence(key)), resamples)
    return count(lines)


def intervals(cell: Cell, rng: np.random.Generator, resamples: int) -> Iterator[dict[str, object]]:
    """Draw one data set and give the limits of the table for new patients."""
    sample, seed = draw(cell, rng), int(rng.integers(2**31))
    p = predict(cell, sample.x, LARGER)
    table = evaluate_new(sample.y, p, sample.groups, level=0.95, resamples=resamples, seed=seed)
    for one in table[table["metric"].isin(METRICS)].to_dict("records"):
        limits = Estimate(one["value"], one["low"], one["high"], np.nan)
        yield line_of(one["metric"], "bootstrap percentiles", limits, truth(cell)[one["metric"]])


@cache
def truth(cell: Cell) -> dict[str, float]:
    """Mean, median and 90th percentile of |prediction - true rate| in the population."""
    level = base(cell)
    p, rate = scores((level, EFFECTS), own_spread(cell), (level + LARGER[0], LARGER[1]))
    error = np.abs(p - rate)
    return {"ici": float(error.mean()), "e50": float(np.median(error)), "e90": float(np.quantile(error, 0.9))}
