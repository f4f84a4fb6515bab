"""Bootstrap resamples of patients, as rows to fit on and as counts to judge by."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["draw_patients", "membership_counts"]

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]


def draw_patients(
    groups: ArrayLike, *, resamples: int, seed: int, outcome: ArrayLike | None = None
) -> list[Rows]:
    """Draw bootstrap resamples of whole groups, as many groups as there are.

    Parameters
    ----------
    groups : array of shape (n,)
        Cluster, or the patient's own key: all rows of a drawn group come along.
    resamples : int
    seed : int
        Each resample has its own child of it, so the rows do not depend on how many are drawn.
    outcome : array of shape (n,), optional
        A resample with a single class is drawn again; NaN is none.

    Returns
    -------
    list of ndarray
        Row numbers, of as many rows as the drawn groups have.

    Raises
    ------
    ValueError
        With fewer than two groups, or an outcome of one class, which no draw would mend.
    """
    labels, codes = np.unique(np.asarray(groups), return_inverse=True)
    target = None if outcome is None else np.asarray(outcome, dtype=float)
    if len(labels) < 2 or (target is not None and _classes(target) < 2):
        raise ValueError("A bootstrap needs two groups at least and both outcomes.")
    order = np.argsort(codes, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(codes))[:-1])
    children = np.random.SeedSequence(seed).spawn(resamples)
    return [_draw(members, target, np.random.default_rng(child)) for child in children]


def _draw(members: Sequence[Rows], target: Floats | None, random: np.random.Generator) -> Rows:
    while True:
        drawn = random.integers(len(members), size=len(members))
        rows = np.concatenate([members[group] for group in drawn])
        if target is None or _classes(target[rows]) == 2:
            return rows


def _classes(target: Floats) -> int:
    return len(np.unique(target[np.isfinite(target)]))


def membership_counts(resamples: Iterable[ArrayLike], n: int) -> Floats:
    """Count how often each patient occurs in each resample.

    Parameters
    ----------
    resamples : iterable of row numbers
    n : int
        Patients.

    Returns
    -------
    ndarray of shape (B, n)
        As floats, so that they can be used as weights.
    """
    return np.stack([np.bincount(np.asarray(rows), minlength=n) for rows in resamples]).astype(float)
