"""Inner folds: where a model is tuned and calibrated, inside its own training part, by whole groups."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

__all__ = ["inner_splits", "observed_splits"]

Split = tuple[np.ndarray, np.ndarray]


def inner_splits(
    y: np.ndarray, groups: np.ndarray | None = None, *, n_splits: int = 5, seed: int = 0
) -> list[Split]:
    """Split into inner folds, stratified by outcome, with every group on one side.

    Parameters
    ----------
    y : ndarray of shape (n,)
        Two classes.
    groups : ndarray of shape (n,), optional
        Patient or cluster; without it every row is a group of its own.
    n_splits : int
        Wanted folds; reduced to the number of groups in which the rarer class occurs, but not below 2.
    seed : int
        Seed of the shuffling.

    Returns
    -------
    list of (train, test) index arrays
        Splits whose training part has a single class are left out: nothing can be fitted there. The list is
        empty when one of the classes occurs in a single group.
    """
    labels = np.arange(len(y)) if groups is None else np.unique(groups, return_inverse=True)[1]
    spread = min(len(np.unique(labels[y == value])) for value in np.unique(y))
    if spread < 2:
        return []
    options = {"n_splits": max(2, min(n_splits, spread)), "shuffle": True, "random_state": seed}
    return [
        (train, test)
        for train, test in _split_groups(y, labels, options)
        if len(test) and len(np.unique(y[train])) == 2
    ]


def observed_splits(target: np.ndarray, given: np.ndarray | None, *, n_splits: int, seed: int) -> list[Split]:
    """Split those whose outcome was observed; whoever's was not may be learned from, and is never tested.

    Parameters
    ----------
    target : ndarray of shape (n,)
        0 and 1, and NaN where an outcome was not observed.
    given : ndarray of shape (n,) or None
        Groups.
    n_splits, seed
        As in `inner_splits`.
    """
    known = np.isfinite(target)
    if known.all():
        return inner_splits(target, given, n_splits=n_splits, seed=seed)
    labels = np.arange(len(target)) if given is None else given
    rows, extra = np.flatnonzero(known), np.flatnonzero(~known)
    found = inner_splits(target[rows], labels[rows], n_splits=n_splits, seed=seed)
    return [
        (np.sort(np.r_[rows[train], extra[~np.isin(labels[extra], labels[rows[test]])]]), rows[test])
        for train, test in found
    ]


def _split_groups(y: np.ndarray, labels: np.ndarray, options: dict[str, Any]) -> Iterator[Split]:
    groups, first, of_row = np.unique(labels, return_index=True, return_inverse=True)
    if (y == y[first][of_row]).all():
        # Every group has one outcome (copies of a patient, or single patients), so dealing groups is enough; balancing
        # rows over mixed groups takes fifty times as long.
        for _, tested in StratifiedKFold(**options).split(groups, y[first]):
            held_out = np.isin(of_row, tested)
            yield np.flatnonzero(~held_out), np.flatnonzero(held_out)
    else:
        yield from StratifiedGroupKFold(**options).split(np.zeros((len(y), 1)), y, labels)
