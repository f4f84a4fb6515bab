"""Coverage of every cheap interval for its named estimand: what a fixed rule is worth in the population."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from counting import count
from population import (
    LARGER,
    SMALLER,
    THRESHOLDS,
    Cell,
    Sample,
    draw,
    predict,
    truth,
)
from scipy.special import expit, logit
from scipy.stats import norm
from scipy.stats import t as student

from predictor.validation.calibration import (
    calibration_in_the_large,
    calibration_intercept,
    calibration_slope,
    logistic_recalibration,
    observed_expected,
)
from predictor.validation.calibration_likelihood import profile_limits
from predictor.validation.discrimination import delong, delong_difference, within_fold_auc
from predictor.validation.increment import Block, increment_table
from predictor.validation.overall import brier, log_loss, log_losses, scaled_brier
from predictor.validation.uncertainty import (
    Estimate,
    cluster_standard_error,
    cluster_weights,
    effective_sample_size,
    expanded_level,
    intraclass_correlation,
    percentile_interval,
    wilson_interval,
)
from predictor.validation.utility import net_benefit

Floats = np.ndarray
Line = dict[str, object]

ENTROPY = 20_261_128
CELLS = {
    one.name: one
    for one in (
        Cell(100, 1, 0.4),
        Cell(200, 1, 0.4),
        Cell(500, 1, 0.4),
        Cell(300, 1, 0.15),
        Cell(20, 15, 0.4),
        Cell(40, 10, 0.4),
        Cell(100, 5, 0.4),
    )
}
BATCH = 250  # data sets of one batch
RESAMPLES = 400
FOLDS = 5  # of the increment, whose rules are nevertheless fixed


def batch(name: str, number: int, *, sets: int = BATCH, resamples: int = RESAMPLES) -> pd.DataFrame:
    """Count the coverage in one batch of data sets."""
    cell = CELLS[name]
    lines: list[Line] = []
    for i in range(sets):
        key = [ENTROPY, cell.clusters, cell.size, round(1000 * cell.rate), number, i]
        lines += intervals(cell, np.random.default_rng(np.random.SeedSequence(key)), resamples)
    return count(lines)


def intervals(cell: Cell, rng: np.random.Generator, resamples: int) -> Iterator[Line]:
    """Draw one data set and give all limits."""
    sample, seed = draw(cell, rng), int(rng.integers(2**31))
    p, q = predict(cell, sample.x, LARGER), predict(cell, sample.x, SMALLER)
    weights = cluster_weights(sample.groups, resamples=resamples, seed=seed)
    weights = np.vstack([np.ones((1, len(p))), weights])
    known = truth(cell)
    for name, how, one in [
        *_formulas(sample, p, q),
        *_resampled(sample, p, weights),
        *_increments(sample, p, q, seed),
    ]:
        yield line_of(name, how, one, known[name])


def line_of(estimand: str, how: str, one: Estimate, known: float) -> Line:
    return {
        "estimand": estimand,
        "interval": how,
        "value": one.value,
        "low": one.low,
        "high": one.high,
        "truth": known,
    }


def _formulas(sample: Sample, p: Floats, q: Floats) -> Iterator[tuple[str, str, Estimate]]:
    """Intervals by formula; all but the rate on the effective n take the patients as independent."""
    y = sample.y
    area = delong(y, p)
    yield "auc", "DeLong", area
    yield "auc", "DeLong, logit", _on_logit(area)
    yield "auc", "DeLong by clusters, logit, t", _on_logit_by_clusters(sample, p)
    yield "gain_auc", "DeLong, paired", delong_difference(y, p, q)
    yield "observed_expected", "normal on the log scale", observed_expected(y, p)
    yield "calibration_intercept", "Wald", calibration_in_the_large(y, p)
    slope = logistic_recalibration(y, p).slope
    yield "calibration_slope", "Wald", slope
    yield (
        "calibration_slope",
        "profile likelihood",
        Estimate(slope.value, *profile_limits(y, p)["slope"], np.nan),
    )
    rate, n = float(y.mean()), len(y)
    yield "rate", "Wilson", Estimate(rate, *wilson_interval(y.sum(), n), np.nan)
    effective = effective_sample_size(sample.groups, intraclass_correlation(y, sample.groups))
    limits = wilson_interval(rate * effective, effective)
    yield "rate", "Wilson on the effective n, normal", Estimate(rate, *limits, np.nan)


def _on_logit(area: Estimate) -> Estimate:
    if not 0 < area.value < 1:
        return Estimate(area.value, np.nan, np.nan, np.nan)
    half = norm.ppf(0.975) * area.se / (area.value * (1 - area.value))
    low, high = expit(logit(area.value) + np.array([-half, half]))
    return Estimate(area.value, float(low), float(high), area.se)


def _on_logit_by_clusters(sample: Sample, p: Floats) -> Estimate:
    """Obuchowski's variance of the AUC from clusters' sums of structural components (Biometrics 1997;53:567-578)."""
    cases, controls = sample.y == 1, sample.y == 0
    below = (p[controls] < p[cases, np.newaxis]) + 0.5 * (p[controls] == p[cases, np.newaxis])
    value, many = float(below.mean()), int(sample.groups.max()) + 1
    parts = [
        np.bincount(sample.groups[cases], weights=below.mean(axis=1) - value, minlength=many) / cases.sum(),
        np.bincount(sample.groups[controls], weights=below.mean(axis=0) - value, minlength=many)
        / controls.sum(),
    ]
    # Cases and controls of one cluster go together, so their parts are added before they are squared.
    se = float(np.sqrt(many / (many - 1) * np.sum((parts[0] + parts[1]) ** 2)))
    if not 0 < value < 1:
        return Estimate(value, np.nan, np.nan, np.nan)
    half = float(student.ppf(0.975, many - 1)) * se / (value * (1 - value))
    return Estimate(value, float(expit(logit(value) - half)), float(expit(logit(value) + half)), se)


def _resampled(sample: Sample, p: Floats, weights: Floats) -> Iterator[tuple[str, str, Estimate]]:
    """Limits from the bootstrap of whole clusters: the package's percentiles, and two that know how many clusters."""
    y = sample.y
    draws = {
        "auc": within_fold_auc(y, p, np.zeros(len(y)), weights=weights),
        "brier": brier(y, p, weights=weights),
        "scaled_brier": scaled_brier(y, p, weights=weights),
        "log_loss": log_loss(y, p, weights=weights),
        "calibration_intercept": calibration_intercept(y, p, weights=weights),
        "calibration_slope": calibration_slope(y, p, weights=weights),
        "observed_expected": (weights @ y) / (weights @ p),
    }
    benefits = net_benefit(y, p, THRESHOLDS, weights=weights)
    draws |= {f"net_benefit_{cut:g}": benefits[:, i] for i, cut in enumerate(THRESHOLDS)}
    clusters = len(np.unique(sample.groups))
    for name, values in draws.items():
        for how, limits in limits_of(values, clusters).items():
            yield name, how, Estimate(float(values[0]), *limits, np.nan)


def limits_of(values: Floats, clusters: int) -> dict[str, tuple[float, float]]:
    """Return limits from draws of which the first is the sample itself."""
    found = {
        "bootstrap percentiles": percentile_interval(values[1:]),
        "expanded percentiles": percentile_interval(values[1:], level=expanded_level(0.95, clusters)),
    }
    half = (
        student.ppf(0.975, clusters - 1) * np.sqrt(clusters / (clusters - 1)) * np.nanstd(values[1:], ddof=1)
    )
    defined = np.isfinite(found["bootstrap percentiles"]).all()
    centre = float(values[0]) if defined else np.nan
    return {**found, "t with bootstrap SE": (centre - float(half), centre + float(half))}


def _increments(sample: Sample, p: Floats, q: Floats, seed: int) -> Iterator[tuple[str, str, Estimate]]:
    """Limits of what the second number saves in loss, by the table of the reports; both rules are fixed."""
    n = len(p)
    fold = np.random.default_rng(seed).permutation(sample.groups.max() + 1)[sample.groups] % FOLDS
    frame = pd.DataFrame({"kind": "set", "repeat": 0, "fold": fold, "row": np.arange(n)})
    both = pd.concat([frame.assign(procedure="smaller", p=q), frame.assign(procedure="larger", p=p)])
    table = increment_table(
        both,
        [Block("second", "smaller", "larger")],
        y=sample.y,
        groups=sample.groups,
        thresholds=THRESHOLDS,
        level=0.95,
        resamples=1,
        seed=seed,
    ).set_index("metric")
    for metric in ("log_loss", "brier"):
        one = table.loc[metric]
        yield (
            f"gain_{metric}",
            "t, larger of two SEs",
            Estimate(one["value"], one["low"], one["high"], np.nan),
        )
    d = log_losses(sample.y, q) - log_losses(sample.y, p)
    se = cluster_standard_error(d, sample.groups)
    half = float(student.ppf(0.975, sample.groups.max())) * se
    yield "gain_log_loss", "t, SE of clusters", Estimate(d.mean(), d.mean() - half, d.mean() + half, se)
