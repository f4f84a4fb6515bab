"""Does the procedure travel? Leave one whole part out, repeat everything, predict the part; then look over all."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from predictor.execution import Execution
from predictor.features.dataset import Dataset
from predictor.models.plain import expit
from predictor.validation.calibration import (
    calibration_in_the_large,
    logistic_recalibration,
    observed_expected,
)
from predictor.validation.discrimination import delong
from predictor.validation.meta_analysis import logit_estimate, random_effects
from predictor.validation.resampling import Protocol, cross_validate
from predictor.validation.splits import Fold, extend_training
from predictor.validation.uncertainty import Estimate, wilson_interval

__all__ = ["FEWEST", "MEASURES", "transport_frame", "transport_summary"]

FEWEST = 20
MEASURES = ("auc", "intercept", "slope", "observed_expected")
COLUMNS = [
    "site", "n", "events", "observed", "observed_low", "observed_high", "expected",
    *(f"{measure}{part}" for measure in MEASURES for part in ("", "_low", "_high", "_se")), "note",
]  # fmt: skip
SUMMARY = [
    "measure", "sites", "value", "low", "high", "prediction_low", "prediction_high", "tau2", "i2", "note",
]  # fmt: skip
NAMES = {
    "auc": "AUC",
    "intercept": "calibration in the large",
    "slope": "calibration slope",
    "observed_expected": "observed / expected",
}


def transport_frame(
    protocol: Protocol,
    dataset: Dataset,
    y: np.ndarray,
    splits: Sequence[tuple[str, np.ndarray, np.ndarray]],
    labels: np.ndarray,
    *,
    execution: Execution,
    level: float,
    progress: Callable[[int, int], None],
) -> pd.DataFrame:
    """Predict each part from the others.

    Parameters
    ----------
    protocol : Protocol
    dataset : Dataset
        Evaluable units; then those whose outcome is imputed in training parts.
    y : ndarray of shape (n,)
        NaN for the latter.
    splits : sequence of (str, ndarray of int, ndarray of int)
        Name, training and test positions of each part; empty where no transport is declared.
    labels : ndarray of str of shape (n,)
        Site of each unit, or whether it is later: a unit whose outcome is imputed is not learned from where it
        shares this with the part that is predicted.
    execution : Execution
    level : float
    progress : callable

    Returns
    -------
    pandas.DataFrame
        One row per part: events observed and expected, and each of `MEASURES` with limits and standard error (of the
        AUC and of the logarithm of observed / expected). A part with fewer than 20 events or non-events gets none of
        them of its own.
    """
    folds = [Fold(repeat=0, fold=i, train=train, test=test) for i, (_, train, test) in enumerate(splits)]
    folds = extend_training(folds, int(np.isfinite(y).sum()), dataset.groups, labels)
    if not folds:
        return pd.DataFrame(columns=COLUMNS)
    done = iter(range(1, len(folds) + 1))
    results = cross_validate(
        protocol,
        dataset,
        y,
        folds,
        execution=execution,
        explain=False,
        progress=lambda _: progress(next(done), len(folds)),
    )
    rows = [
        _site(name, y[result.fold.test], result.predictions[protocol.judge], level)
        for (name, _, _), result in zip(splits, results, strict=True)
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _site(name: str, y: np.ndarray, p: np.ndarray, level: float) -> dict[str, object]:
    n, events = len(y), int(y.sum())
    low, high = wilson_interval(events, n, level=level)
    row: dict[str, object] = {
        "site": name,
        "n": n,
        "events": events,
        "observed": events / n,
        "observed_low": low,
        "observed_high": high,
        "expected": float(p.mean()),
        "note": "",
    }
    if min(events, n - events) < FEWEST:
        return {**row, "note": f"fewer than {FEWEST} events or non-events: too few to judge"}
    found = {
        "auc": delong(y, p, level=level),
        "intercept": calibration_in_the_large(y, p, level=level),
        "slope": logistic_recalibration(y, p, level=level).slope,
        "observed_expected": observed_expected(y, p, level=level),
    }
    for measure, one in found.items():
        row |= {measure: one.value, f"{measure}_low": one.low, f"{measure}_high": one.high}
        row[f"{measure}_se"] = one.se
    return row


def transport_summary(frame: pd.DataFrame, *, level: float) -> pd.DataFrame:
    """Average the parts by random effects, and say where a further one's true value is expected.

    The AUC is averaged as log-odds and observed / expected as logarithm; both are given back on their own scale.

    Parameters
    ----------
    frame : DataFrame
        From `transport_frame`.
    level : float

    Returns
    -------
    DataFrame
        One row per measure, none with fewer than two parts in all: ``sites`` that could be judged, mean with Hartung
        and Knapp's limits, prediction interval on t(k − 2), ``tau2`` and ``i2`` (per cent) on the averaged scale.

    References
    ----------
    Debray TPA et al. A framework for meta-analysis of prediction model studies. Stat Methods Med Res 2019;28:2768-2786.
    """
    if len(frame) < 2:
        return pd.DataFrame(columns=SUMMARY)
    return pd.DataFrame([_pooled(frame, measure, level) for measure in MEASURES], columns=SUMMARY)


def _pooled(frame: pd.DataFrame, measure: str, level: float) -> dict[str, object]:
    forward, back = SCALES[measure]
    own = frame[[measure, f"{measure}_se"]].to_numpy(dtype=float)
    judged = [forward(value, se) for value, se in own if np.isfinite(value) and se > 0]
    judged = [(value, se) for value, se in judged if np.isfinite(value)]
    row: dict[str, object] = {"measure": NAMES[measure], "sites": len(judged)}
    # A site left out may be the one that differs most, so that its absence has to be read with the mean.
    left_out = len(frame) - len(judged)
    notes = [f"without {left_out} of {len(frame)} sites, too small to judge"] if left_out else []
    if len(judged) < 2:
        return {**row, "note": "; ".join(["fewer than two sites could be judged", *notes])}
    values, errors = zip(*judged, strict=True)
    found = random_effects(values, errors)
    low, high = found.interval(level=level)
    ends = found.prediction(level=level)
    return row | {
        "value": back(found.mean),
        "low": back(low),
        "high": back(high),
        "prediction_low": back(ends[0]),
        "prediction_high": back(ends[1]),
        "tau2": found.tau2,
        "i2": found.i2,
        "note": "; ".join([*([] if len(judged) > 2 else ["two sites say nothing about a third"]), *notes]),
    }


def _log_odds(value: float, se: float) -> tuple[float, float]:
    one = logit_estimate(Estimate(value, np.nan, np.nan, se))
    return one.value, one.se


def _share(value: float) -> float:
    return float(expit(np.float64(value)))  # type: ignore[arg-type]


def _ratio(value: float) -> float:
    return float(np.exp(value))


def _as_is(value: float, se: float) -> tuple[float, float]:
    return value, se


def _logarithm(value: float, se: float) -> tuple[float, float]:
    return float(np.log(value)), se


SCALES: dict[str, tuple[Callable[[float, float], tuple[float, float]], Callable[[float], float]]] = {
    "auc": (_log_odds, _share),
    "intercept": (_as_is, float),
    "slope": (_as_is, float),
    "observed_expected": (_logarithm, _ratio),
}
