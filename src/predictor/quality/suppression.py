"""Figures from which no patient can be told: no count from 1 to 4, and no second figure that gives it away."""

from __future__ import annotations

import numpy as np

from predictor.data.description import SMALLEST_COUNT

__all__ = ["hidden_cells", "shown_count", "shown_shares"]


def shown_count(count: int) -> int | None:
    """Return a count, or None where it is from 1 to 4.

    Parameters
    ----------
    count : int
    """
    return None if 0 < count < SMALLEST_COUNT else int(count)


def hidden_cells(counts: np.ndarray) -> np.ndarray:
    """Return which counts of parts of a known whole are not shown, shape (k,).

    Parameters
    ----------
    counts : ndarray of int of shape (k,)
        A single hidden one could be worked out from the whole, so that the next smallest above 0 is hidden as well.
    """
    hidden = (counts > 0) & (counts < SMALLEST_COUNT)
    others = ~hidden & (counts > 0)
    if hidden.sum() == 1 and others.any():
        hidden[np.flatnonzero(others)[np.argmin(counts[others])]] = True
    return np.asarray(hidden)


def shown_shares(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Return the share of each group, NaN where it or the rest of the group would speak of 1 to 4 patients.

    Parameters
    ----------
    part, whole : ndarray of int of shape (k,)
        Of each group: those it is about, and all of them. Sums over the groups are taken to be known.
    """
    hidden = hidden_cells(part) | hidden_cells(whole - part) | (whole < SMALLEST_COUNT)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = part / whole
    return np.where(hidden, np.nan, shares)
