"""Coverage of the summary over sites: the mean, and the prediction interval for the true AUC of a further site."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
import pandas as pd
from counting import count
from fixed_rules import line_of
from population import GRID, Floats, intercept, performance
from scipy.special import expit, logit

from predictor.validation.discrimination import delong
from predictor.validation.meta_analysis import logit_estimate, random_effects
from predictor.validation.uncertainty import Estimate

ENTROPY = 20_261_133
RATE = 0.4
SLOPE = 1.0  # log-odds per standard deviation of the score, on average over sites
# Sites, and the deviation of the slope between them.
CELLS = {
    f"{k} sites, {name}": (k, spread)
    for k in (5, 10, 20)
    for name, spread in (("alike", 0.0), ("different", 0.35))
}
SIZES = (60, 300)  # patients of a site
BATCH = 500


def batch(name: str, number: int, *, sets: int = BATCH) -> pd.DataFrame:
    """Count the coverage in one batch of data sets."""
    lines: list[dict[str, object]] = []
    for i in range(sets):
        key = [ENTROPY, list(CELLS).index(name), number, i]
        lines += intervals(name, np.random.default_rng(np.random.SeedSequence(key)))
    return count(lines)


def intervals(name: str, rng: np.random.Generator) -> Iterator[dict[str, object]]:
    """Draw the sites' patients and a further site; on the log-odds scale of the AUC, as the report has it."""
    k, spread = CELLS[name]
    slopes = np.maximum(SLOPE + spread * rng.standard_normal(k + 1), 0.0)
    found = [logit_estimate(_site(slope, rng)) for slope in slopes[:k]]
    summary = random_effects([one.value for one in found], [one.se for one in found])
    mean, further = mean_truth(spread), float(true_logit(slopes[k]))
    for how, knapp in (("Hartung and Knapp", True), ("normal", False)):
        limits = summary.interval(knapp=knapp)
        yield line_of("mean over sites", how, Estimate(summary.mean, *limits, np.nan), mean)
    limits = summary.prediction()
    yield line_of("a further site", "prediction, t(k - 2)", Estimate(summary.mean, *limits, np.nan), further)


def _site(slope: float, rng: np.random.Generator) -> Estimate:
    """AUC of a fixed score at one site."""
    score = rng.standard_normal(int(rng.integers(*SIZES)))
    y = rng.random(len(score)) < expit(intercept(RATE, SLOPE) + slope * score)
    return delong(y.astype(float), score)


@cache
def _curve() -> tuple[Floats, Floats]:
    slopes = np.linspace(0, 4, 81)
    level, order = intercept(RATE, SLOPE), expit(GRID)
    areas = [performance(order, expit(level + slope * GRID))["auc"] for slope in slopes]
    return slopes, logit(np.array(areas))


def true_logit(slope: Floats | float) -> Floats:
    """Return the log-odds of the true AUC at a site of this slope."""
    return np.asarray(np.interp(slope, *_curve()))


@cache
def mean_truth(spread: float) -> float:
    """Mean over all sites of the log-odds of their true AUC."""
    return float(true_logit(np.maximum(SLOPE + spread * GRID, 0.0)).mean())
