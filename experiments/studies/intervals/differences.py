"""Coverage of limits for differences of fixed rules and for treating by one, and of a rate in few clusters."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
import pandas as pd
from counting import count
from fixed_rules import BATCH, CELLS, RESAMPLES, limits_of, line_of
from population import (
    EFFECTS,
    LARGER,
    SMALLER,
    THRESHOLDS,
    Cell,
    Floats,
    Sample,
    base,
    draw,
    own_spread,
    predict,
    truth,
)
from scipy.special import expit, logit

from predictor.validation.counts import group_rates
from predictor.validation.discrimination import within_fold_auc
from predictor.validation.treat_if import strategy_benefit
from predictor.validation.uncertainty import (
    Estimate,
    cluster_weights,
)
from predictor.validation.utility import net_benefit

ENTROPY = 20_261_132
GAIN = (0.4, 0.6)  # of the rule that says whom to treat: log-odds of the treatment, and per third number
WORTH = 0.1  # responders that one treatment has to bring
TRIAL = (0.3, 0.8)  # what the treatment truly does


def batch(name: str, number: int, *, sets: int = BATCH, resamples: int = RESAMPLES) -> pd.DataFrame:
    """Count the coverage in one batch of data sets."""
    cell = CELLS[name]
    lines: list[dict[str, object]] = []
    for i in range(sets):
        key = [ENTROPY, cell.clusters, cell.size, round(1000 * cell.rate), number, i]
        lines += intervals(cell, np.random.default_rng(np.random.SeedSequence(key)), resamples)
    return count(lines)


def intervals(cell: Cell, rng: np.random.Generator, resamples: int) -> Iterator[dict[str, object]]:
    """Draw one data set and give all limits."""
    sample = draw(cell, rng)
    weights = cluster_weights(sample.groups, resamples=resamples, seed=int(rng.integers(2**31)))
    weights = np.vstack([np.ones((1, len(sample.y))), weights])
    known = {**truth(cell), **trial_truth(cell)}
    for name, values in {**_gains(cell, sample, weights), **_strategies(cell, sample, rng, weights)}.items():
        for how, limits in limits_of(values, cell.clusters).items():
            yield line_of(name, how, Estimate(float(values[0]), *limits, np.nan), known[name])
    if cell.size > 1:
        yield line_of("rate", "Wilson on the effective n, t", _rate(sample), known["rate"])


def _gains(cell: Cell, sample: Sample, weights: Floats) -> dict[str, Floats]:
    """Return what the larger rule has over the smaller, in the sample and its resamples."""
    y, nowhere = sample.y, np.zeros(len(sample.y))
    rules = [predict(cell, sample.x, rule) for rule in (LARGER, SMALLER)]
    areas = [within_fold_auc(y, p, nowhere, weights=weights) for p in rules]
    benefits = [net_benefit(y, p, THRESHOLDS, weights=weights) for p in rules]
    found = {"gain_auc": areas[0] - areas[1]}
    return found | {
        f"gain_net_benefit_{cut:g}": benefits[0][:, i] - benefits[1][:, i] for i, cut in enumerate(THRESHOLDS)
    }


def _rate(sample: Sample) -> Estimate:
    """Return the group's rate as the reports have it."""
    one = group_rates(sample.y, sample.groups, np.zeros(len(sample.y))).iloc[0]
    return Estimate(float(one["rate"]), float(one["low"]), float(one["high"]), np.nan)


def _strategies(cell: Cell, sample: Sample, rng: np.random.Generator, weights: Floats) -> dict[str, Floats]:
    """Draw the same patients' outcomes in a trial and value treating by a fixed rule, and treating everybody."""
    arm = (rng.permutation(sample.groups.max() + 1) % 2)[sample.groups]
    y = (rng.random(len(arm)) < expit(_trial_odds(cell, sample.x, arm, sample.own))).astype(float)
    chosen = {"treat_if": _gain(cell, sample.x) >= WORTH, "treat_all": np.ones(len(arm), dtype=bool)}
    return {
        name: strategy_benefit(y, arm == 1, named, WORTH, weights=weights) for name, named in chosen.items()
    }


def _trial_odds(cell: Cell, x: Floats, arm: Floats | float, own: Floats) -> Floats:
    return np.asarray(base(cell) + x[:, :2] @ EFFECTS + own + arm * (TRIAL[0] + TRIAL[1] * x[:, 2]))


def _gain(cell: Cell, x: Floats) -> Floats:
    """Predicted probability under treatment minus that without."""
    control = logit(predict(cell, x, LARGER))
    return np.asarray(expit(control + GAIN[0] + GAIN[1] * x[:, 2]) - expit(control))


@cache
def trial_truth(cell: Cell) -> dict[str, float]:
    """Return what the strategies are worth: means over two million SIMULATED patients of known probability."""
    rng = np.random.default_rng(ENTROPY)
    x, own = rng.standard_normal((2_000_000, 3)), own_spread(cell) * rng.standard_normal(2_000_000)
    better = expit(_trial_odds(cell, x, 1.0, own)) - expit(_trial_odds(cell, x, 0.0, own)) - WORTH
    return {
        "treat_if": float(np.mean(better * (_gain(cell, x) >= WORTH))),
        "treat_all": float(better.mean()),
    }
