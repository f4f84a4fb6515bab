"""Contributions of many patients, summarised: which features matter, how surely, and in which direction."""

from __future__ import annotations

import numpy as np
import pandas as pd

__all__ = ["dependence", "importance"]

FEWEST = 5
MOST_BINS = 10


def importance(points: pd.DataFrame, fold: np.ndarray, repeat: np.ndarray) -> pd.DataFrame:
    """Rank features by their mean absolute contribution, with its spread over folds and repeats.

    Parameters
    ----------
    points : pandas.DataFrame of shape (rows, features)
        Out-of-fold contributions on the probability scale, one row per patient and repeat, one column per
        feature.
    fold, repeat : ndarray of int of shape (rows,)
        Where each row was held out.

    Returns
    -------
    pandas.DataFrame
        Columns ``feature``, ``mean`` (of the folds' means, each of which is a mean over its patients),
        ``sd``, ``low`` and ``high`` (smallest and largest fold) and ``folds``; the most important first. A
        spread as large as the mean says that the ranking is a matter of chance.
    """
    by_fold = points.abs().groupby([np.asarray(repeat), np.asarray(fold)]).mean()
    table = pd.DataFrame(
        {
            "feature": [str(name) for name in points.columns],
            "mean": by_fold.mean().to_numpy(),
            "sd": by_fold.std(ddof=1).to_numpy() if len(by_fold) > 1 else np.nan,
            "low": by_fold.min().to_numpy(),
            "high": by_fold.max().to_numpy(),
            "folds": len(by_fold),
        }
    )
    return table.sort_values(["mean", "feature"], ascending=[False, True], ignore_index=True)


def dependence(points: pd.DataFrame, X: pd.DataFrame, feature: str) -> pd.DataFrame:
    """Tabulate how contributions of a feature change with its value, and how many patients stand behind it.

    Parameters
    ----------
    points : pandas.DataFrame of shape (n, features)
        Contributions on the probability scale.
    X : pandas.DataFrame of shape (n, features)
        Values of the same patients.
    feature : str
        Column of both.

    Returns
    -------
    pandas.DataFrame
        One row per tenth of a number or per level of a category, then one for missing values. Columns ``bin``
        (text), ``low`` and ``high`` (bin of a number, upper end included, rounded to three digits, NaN where
        open), ``n``, ``mean``, ``p10`` and ``p90`` of the contribution. Bins of fewer than five patients keep
        no number, and levels of fewer than five are counted together, so that no row speaks of a recognisable
        patient.
    """
    values, shares = X[feature], points[feature].to_numpy(dtype=np.float64)
    if pd.api.types.is_numeric_dtype(values):
        labels, frame = _number_bins(values.to_numpy(dtype=np.float64, na_value=np.nan))
    else:
        labels, frame = _level_bins(values)
    rows = [_described(shares[labels == label]) for label in frame.index]
    described = pd.DataFrame(rows, index=frame.index, columns=["n", "mean", "p10", "p90"])
    return pd.concat([frame, described], axis=1).reset_index(drop=True)


def _described(shares: np.ndarray) -> tuple[float, float, float, float]:
    if len(shares) < FEWEST:
        return (np.nan, np.nan, np.nan, np.nan)
    low, high = np.percentile(shares, [10, 90])
    return (len(shares), float(shares.mean()), float(low), float(high))


def _number_bins(values: np.ndarray) -> tuple[np.ndarray, pd.DataFrame]:
    """Label of each patient, and the bins: tenths with rounded inner edges, open outwards."""
    present = values[~np.isnan(values)]
    bins = min(MOST_BINS, max(1, len(present) // FEWEST))
    quantiles = np.quantile(present, np.linspace(0, 1, bins + 1)[1:-1]) if len(present) else np.zeros(0)
    edges = np.unique([float(f"{edge:.3g}") for edge in quantiles])
    labels = np.where(np.isnan(values), -1, np.searchsorted(edges, values, side="left"))
    low, high = np.concatenate([[np.nan], edges]), np.concatenate([edges, [np.nan]])
    rows = {
        label: (_range_text(low[label], high[label]), low[label], high[label])
        for label in range(len(edges) + 1)
        if (labels == label).any()
    }
    return labels, _bins(rows, missing=bool((labels == -1).any()))


def _range_text(low: float, high: float) -> str:
    if np.isnan(low) and np.isnan(high):
        return "all"
    if np.isnan(low):
        return f"≤ {high:g}"
    return f"> {low:g}" if np.isnan(high) else f"{low:g} to {high:g}"


def _level_bins(values: pd.Series) -> tuple[np.ndarray, pd.DataFrame]:
    """Label of each patient, and the levels; rare ones together."""
    counts = values.value_counts()
    kept = sorted(str(level) for level in counts.index[counts >= FEWEST])
    rare = len(kept)
    texts = values.astype(object).where(values.notna(), None)
    labels = np.array([-1 if t is None else kept.index(t) if t in kept else rare for t in texts])
    rows = {label: (level, np.nan, np.nan) for label, level in enumerate(kept)}
    if (labels == rare).any():
        rows[rare] = ("fewer than 5 each", np.nan, np.nan)
    return labels, _bins(rows, missing=bool((labels == -1).any()))


def _bins(rows: dict[int, tuple[str, float, float]], *, missing: bool) -> pd.DataFrame:
    if missing:
        rows = {**rows, -1: ("missing", np.nan, np.nan)}
    return pd.DataFrame.from_dict(rows, orient="index", columns=["bin", "low", "high"])
