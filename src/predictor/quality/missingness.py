"""Where the baseline is missing: by site, and by whether the outcome is known."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from predictor.data.description import SMALLEST_COUNT
from predictor.quality.suppression import shown_shares

__all__ = ["SMALL_SITES", "missingness_table"]

SMALL_SITES = "smaller ones"


def missingness_table(X: pd.DataFrame, parts: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Return the share of units without a value, overall and in each part.

    Parameters
    ----------
    X : pandas.DataFrame of shape (n, features)
        The baseline table.
    parts : mapping of str to ndarray of str of shape (n,)
        Ways to group the units, empty where a unit belongs to no group. Groups of fewer than 5 units are one.

    Returns
    -------
    pandas.DataFrame
        ``feature``, ``by`` (``all``, or a key of ``parts``), ``group``, ``n`` and ``missing``; the latter is NaN where
        it would speak of 1 to 4 units.
    """
    everybody = {"all": np.full(len(X), "", dtype=object)}
    pieces = [
        _by(X[name], labels, by)
        for name in X
        for by, labels in [*everybody.items(), *((by, _merged(labels)) for by, labels in parts.items())]
    ]
    columns = ["feature", "by", "group", "n", "missing"]
    return pd.concat(pieces, ignore_index=True) if pieces else pd.DataFrame(columns=columns)


def _merged(labels: np.ndarray) -> np.ndarray:
    names, counts = np.unique(labels.astype(str), return_counts=True)
    small = set(names[(counts < SMALLEST_COUNT) & (names != "")])
    return np.array([SMALL_SITES if label in small else label for label in labels], dtype=object)


def _by(values: pd.Series, labels: np.ndarray, by: str) -> pd.DataFrame:
    inside = np.ones(len(labels), bool) if by == "all" else labels.astype(str) != ""
    groups, of_unit = np.unique(labels[inside].astype(str), return_inverse=True)
    missing = values.isna().to_numpy(bool)[inside]
    whole = np.bincount(of_unit, minlength=len(groups))
    part = np.bincount(of_unit, weights=missing, minlength=len(groups)).astype(int)
    shares = shown_shares(part, whole)
    told = np.where(whole < SMALLEST_COUNT, np.nan, whole)
    return pd.DataFrame(
        {"feature": str(values.name), "by": by, "group": groups, "n": told, "missing": shares}
    )
