"""Does the procedure travel? Leave one whole group out, repeat everything, predict the group."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from predictor.execution import Execution
from predictor.features.dataset import Dataset
from predictor.validation.calibration import logistic_recalibration
from predictor.validation.discrimination import delong
from predictor.validation.resampling import Protocol, cross_validate
from predictor.validation.splits import Fold, leave_one_group_out
from predictor.validation.uncertainty import wilson_interval

__all__ = ["transport_frame"]

FEWEST = 20
COLUMNS = [
    "site", "n", "events", "observed", "observed_low", "observed_high", "expected",
    "auc", "auc_low", "auc_high", "slope", "note",
]  # fmt: skip


def transport_frame(
    protocol: Protocol,
    dataset: Dataset,
    y: np.ndarray,
    labels: np.ndarray,
    *,
    execution: Execution,
    level: float,
    progress: Callable[[int, int], None],
) -> pd.DataFrame:
    """Predict each group from all others.

    Parameters
    ----------
    protocol : Protocol
    dataset : Dataset
        Evaluable units.
    y : ndarray of shape (n,)
    labels : ndarray of str of shape (n,)
        Group of each unit, empty where unknown; all empty where no transport is declared.
    execution : Execution
    level : float
    progress : callable

    Returns
    -------
    pandas.DataFrame
        One row per group: events observed and expected, AUC and slope. A group with fewer than 20 events or non-events
        gets neither of its own.
    """
    left_out = list(leave_one_group_out(labels, y, patients=dataset.groups))
    folds = [Fold(repeat=0, fold=i, train=train, test=test) for i, (_, train, test) in enumerate(left_out)]
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
        for (name, _, _), result in zip(left_out, results, strict=True)
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
        "auc": np.nan,
        "auc_low": np.nan,
        "auc_high": np.nan,
        "slope": np.nan,
        "note": "",
    }
    if min(events, n - events) < FEWEST:
        return {**row, "note": f"fewer than {FEWEST} events or non-events: too few to judge"}
    estimate = delong(y, p)
    return {
        **row,
        "auc": estimate.value,
        "auc_low": estimate.low,
        "auc_high": estimate.high,
        "slope": logistic_recalibration(y, p).slope.value,
    }
