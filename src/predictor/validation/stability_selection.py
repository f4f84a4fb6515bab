"""Which single markers keep being chosen? Lasso on complementary halves, with a bound on false finds."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor, sqrt

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from predictor.models.elastic_net import elastic_net_path

__all__ = ["select_stable", "selected_at_most"]

Floats = NDArray[np.float64]

THRESHOLD = 0.75  # share of the halves that a marker has to be chosen in
STRENGTHS = 40  # of the penalty, from the one that leaves nothing
WEAKEST = 1e-2  # of that


def select_stable(
    X: ArrayLike,
    y: ArrayLike,
    features: Sequence[str],
    groups: ArrayLike,
    *,
    pairs: int = 50,
    false_finds: float = 1.0,
    seed: int = 0,
) -> pd.DataFrame:
    """Choose features by the lasso on half of the patients, again and again, and keep those that nearly always come.

    Parameters
    ----------
    X : array of shape (n, p)
        Encoded and scaled.
    y : array of shape (n,)
        1 responder, 0 not.
    features : sequence of str of length p
        The feature that each column encodes; a feature is chosen when any of its columns is.
    groups : array of shape (n,)
        Whole clusters go into one half.
    pairs : int
        Of complementary halves.
    false_finds : float
        Most features that are expected to be kept without having to do with the outcome.
    seed : int

    Returns
    -------
    DataFrame
        ``feature``, ``frequency`` (share of the halves), ``stable``; most frequent first. In ``attrs``: ``threshold``,
        ``chosen`` (most features q of one half) and ``false_finds`` (the bound q²/((2π − 1)·p)).

    Notes
    -----
    q is as large as the bound allows. It holds for features that are exchangeable under the null and a rule no worse
    than guessing; with strongly correlated markers the chance is shared between them, so that "not stable" does not
    mean "without effect".

    References
    ----------
    Meinshausen N, Bühlmann P. Stability selection. J R Stat Soc B 2010;72:417-473. Shah RD, Samworth RJ. Variable
    selection with error control: another look at stability selection. J R Stat Soc B 2013;75:55-80.
    """
    matrix, outcome = np.asarray(X, dtype=float), np.asarray(y, dtype=float)
    names = list(dict.fromkeys(features))
    columns = np.array([[feature == name for feature in features] for name in names])
    most = max(1, floor(sqrt(false_finds * (2 * THRESHOLD - 1) * len(names))))
    halves = _halves(np.unique(np.asarray(groups), return_inverse=True)[1], outcome, pairs, seed)
    chosen = [selected_at_most(matrix[half], outcome[half], columns, most) for half in halves]
    frequency = np.mean(chosen, axis=0) if chosen else np.full(len(names), np.nan)
    table = pd.DataFrame({"feature": names, "frequency": frequency, "stable": frequency >= THRESHOLD})
    table = table.sort_values("frequency", ascending=False, kind="stable", ignore_index=True)
    bound = most**2 / ((2 * THRESHOLD - 1) * len(names))
    table.attrs = {"threshold": THRESHOLD, "chosen": most, "false_finds": bound}
    return table


def _halves(labels: NDArray[np.intp], y: Floats, pairs: int, seed: int) -> list[NDArray[np.intp]]:
    """Complementary halves of the groups; a half with a single class is left out."""
    random, count = np.random.default_rng(seed), int(labels.max()) + 1
    found = []
    for _ in range(pairs):
        order = random.permutation(count)
        for part in (order[: count // 2], order[count // 2 : 2 * (count // 2)]):
            rows = np.flatnonzero(np.isin(labels, part))
            if len(np.unique(y[rows])) == 2:
                found.append(rows)
    return found


def selected_at_most(X: Floats, y: Floats, columns: NDArray[np.bool_], most: int) -> NDArray[np.bool_]:
    """Weaken the lasso's penalty until one more feature would be too many.

    Parameters
    ----------
    X : ndarray of shape (n, p)
    y : ndarray of shape (n,)
    columns : ndarray of bool of shape (features, p)
    most : int

    Returns
    -------
    ndarray of bool of shape (features,)
    """
    strongest = float(np.abs((y - y.mean()) @ (X - X.mean(axis=0))).max(initial=0.0))
    if strongest == 0.0:
        return np.zeros(len(columns), dtype=bool)
    strengths = np.geomspace(1.0, WEAKEST, STRENGTHS) * strongest
    kept = np.zeros(len(columns), dtype=bool)
    for block in np.array_split(strengths, 10):
        for solution in elastic_net_path(X, y, [(1.0 / strength, 1.0) for strength in block]):
            now = (columns & (solution.coef != 0.0)).any(axis=1)
            if now.sum() > most:
                return kept
            kept = now
    return kept
