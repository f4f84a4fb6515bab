"""Would treating by the model do better than treating everybody or nobody? Only where arms were dealt by chance.

Each patient is predicted under both arms. The strategy treats those whose predicted gain reaches a threshold: the share
of further responders that one treatment has to be worth. What it would have achieved is read from the patients whose
arm happens to be the one that the strategy names.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from predictor.validation.uncertainty import percentile_interval

__all__ = ["strategy_benefit", "treat_if_table"]

Floats = NDArray[np.float64]


def strategy_benefit(
    y: ArrayLike, treated: ArrayLike, recommended: ArrayLike, threshold: float, *, weights: ArrayLike
) -> Floats:
    """Response under a strategy minus response without treatment minus threshold × proportion treated.

    Parameters
    ----------
    y : array of shape (n,)
        1 responder, 0 not.
    treated : array of bool of shape (n,)
        Arm, dealt by chance.
    recommended : array of bool of shape (n,)
        Whom the strategy treats.
    threshold : float
        Responders per treated patient that the treatment has to bring to be worth it.
    weights : array of shape (B, n)
        Frequency weights, one row per resample.

    Returns
    -------
    ndarray of shape (B,)
        In responders per patient; 0 is treating nobody. NaN where an arm has nobody whom the strategy sends there.

    References
    ----------
    Vickers AJ, Kattan MW, Sargent D. Method for evaluating prediction models that apply the results of randomized
    trials to individual patients. Trials 2007;8:14.
    """
    outcome, arm = np.asarray(y, dtype=float), np.asarray(treated, dtype=bool)
    named, w = np.asarray(recommended, dtype=bool), np.atleast_2d(np.asarray(weights, dtype=float))
    share = w[:, named].sum(axis=1) / w.sum(axis=1)
    following = np.zeros(len(w))
    for inside, part in ((named & arm, share), (~named & ~arm, 1 - share)):
        following += np.where(part > 0, part * _mean(outcome, w, inside), 0.0)
    return np.asarray(following - _mean(outcome, w, ~arm) - threshold * share)


def _mean(y: Floats, weights: Floats, inside: NDArray[np.bool_]) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((weights[:, inside] @ y[inside]) / weights[:, inside].sum(axis=1))


def treat_if_table(
    y: ArrayLike,
    treated: ArrayLike,
    gain: ArrayLike,
    *,
    thresholds: Sequence[float],
    weights: ArrayLike,
    level: float,
) -> pd.DataFrame:
    """Put the model's strategy beside treating everybody, at several thresholds.

    Parameters
    ----------
    y, treated : array of shape (n,)
    gain : array of shape (R, n)
        Predicted probability under treatment minus under control, out of fold, one row per repeat.
    thresholds : sequence of float
    weights : array of shape (1 + B, n)
        The first row is the sample itself.
    level : float

    Returns
    -------
    DataFrame
        ``threshold``, ``strategy`` (treating by the predicted gain, or everybody), ``treated`` (share) and ``value``
        with ``low`` and ``high``.
    """
    gains, everybody = np.atleast_2d(np.asarray(gain, dtype=float)), np.ones(len(np.asarray(y)), dtype=bool)
    lines = []
    for cut in thresholds:
        by_model = np.mean(
            [strategy_benefit(y, treated, one >= cut, cut, weights=weights) for one in gains], axis=0
        )
        to_all = strategy_benefit(y, treated, everybody, cut, weights=weights)
        for name, draws, share in (
            ("treat if the predicted gain reaches it", by_model, float((gains >= cut).mean())),
            ("treat everybody", to_all, 1.0),
        ):
            low, high = percentile_interval(draws[1:], level=level)
            line = {"threshold": float(cut), "strategy": name, "treated": share}
            lines.append({**line, "value": float(draws[0]), "low": low, "high": high})
    return pd.DataFrame(lines)
