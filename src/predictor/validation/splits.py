"""Splitters by name. A patient (or cluster) is never on both sides of any of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

__all__ = ["Fold", "before_and_after", "extend_training", "leave_one_group_out", "repeated_folds", "strata"]


@dataclass(frozen=True)
class Fold:
    """One outer split: positions of the training and test units."""

    repeat: int
    fold: int
    train: np.ndarray
    test: np.ndarray


def strata(y: np.ndarray, groups: np.ndarray, plan: np.ndarray) -> np.ndarray:
    """Return what the folds are balanced on: the outcome, and the arm where every group has only one.

    Parameters
    ----------
    y : ndarray of shape (n,)
        0 or 1.
    groups : ndarray of int of shape (n,)
    plan : ndarray of str of shape (n,)

    Notes
    -----
    In a cluster-randomised trial a fold may otherwise hold the clusters of one arm only.
    """
    pairs = {(int(g), str(p)) for g, p in zip(groups, plan, strict=True)}
    n_groups = len(np.unique(groups))
    clustered = n_groups < len(groups)
    if clustered and len(pairs) == n_groups and len(np.unique(plan)) > 1:
        return np.unique(np.char.add(plan.astype(str), y.astype(int).astype(str)), return_inverse=True)[1]
    return y.astype(int)


def repeated_folds(
    y: np.ndarray, groups: np.ndarray, plan: np.ndarray, *, n_splits: int, n_repeats: int, seed: int
) -> list[Fold]:
    """Return the outer folds: grouped, stratified, and the same for every model.

    Parameters
    ----------
    y : ndarray of shape (n,)
        0 or 1, no missing value.
    groups : ndarray of int of shape (n,)
    plan : ndarray of str of shape (n,)
    n_splits, n_repeats : int
    seed : int
    """
    label = strata(y, groups, plan)
    if np.bincount(label).min() < n_splits:
        label = y.astype(int)  # an arm with fewer events than folds cannot be balanced as well
    children = np.random.SeedSequence(seed).spawn(n_repeats)
    return [
        Fold(repeat=repeat, fold=fold, train=train, test=test)
        for repeat, child in enumerate(children)
        for fold, (train, test) in enumerate(_split(label, groups, n_splits, int(child.generate_state(1)[0])))
    ]


def leave_one_group_out(
    group: np.ndarray, y: np.ndarray, *, patients: np.ndarray | None = None
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield each group's name with the positions outside and inside it, where both classes remain outside.

    Parameters
    ----------
    group : ndarray of str of shape (n,)
        Site. An empty name is nobody's test set.
    y : ndarray of shape (n,)
    patients : ndarray of int of shape (n,), optional
        Whoever has a unit inside the group is left out of its training part with all others.
    """
    for name in sorted(set(group) - {""}):
        inside = group == name
        outside = ~inside if patients is None else ~np.isin(patients, patients[inside])
        if len(np.unique(y[outside])) == 2:
            yield str(name), np.flatnonzero(outside), np.flatnonzero(inside)


def before_and_after(
    later: np.ndarray, y: np.ndarray, *, patients: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the positions before and from a date on; None where a side is empty or the first has one class only.

    Parameters
    ----------
    later : ndarray of float of shape (n,)
        0 before, 1 from the date on, NaN where the date is unknown: on neither side.
    y : ndarray of shape (n,)
    patients : ndarray of int of shape (n,), optional
        Whoever has a unit in the later part is left out of the earlier one with all others.
    """
    test, train = later == 1, later == 0
    if patients is not None:
        train &= ~np.isin(patients, patients[test])
    if not test.any() or len(np.unique(y[train])) < 2:
        return None
    return np.flatnonzero(train), np.flatnonzero(test)


def extend_training(folds: Sequence[Fold], n: int, *labels: np.ndarray) -> list[Fold]:
    """Add units that are learned from and never tested to every training part.

    Parameters
    ----------
    folds : sequence of Fold
        Of the first ``n`` units.
    n : int
    *labels : ndarray of shape (units,)
        Patient, cluster, site: a unit that shares one with a tested unit stays out.
    """
    extended = []
    for fold in folds:
        extra = np.arange(n, len(labels[0]))
        for label in labels:
            extra = extra[~np.isin(label[extra], label[fold.test])]
        extended.append(Fold(fold.repeat, fold.fold, np.r_[fold.train, extra], fold.test))
    return extended


def _split(
    label: np.ndarray, groups: np.ndarray, n_splits: int, seed: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    if len(np.unique(groups)) == len(groups):
        yield from StratifiedKFold(n_splits, shuffle=True, random_state=seed).split(label, label)
    else:
        yield from StratifiedGroupKFold(n_splits, shuffle=True, random_state=seed).split(label, label, groups)
