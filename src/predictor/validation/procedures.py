"""Out-of-fold predictions as arrays: one procedure is a table of repeats × patients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from predictor.validation.uncertainty import percentile_interval

__all__ = ["Procedure", "arrange", "fold_means", "over_repeats", "procedures_of", "table_row"]

Floats = NDArray[np.float64]
Positions = NDArray[np.int64]


@dataclass(frozen=True)
class Procedure:
    """One procedure's out-of-fold predictions.

    Parameters
    ----------
    name : str
    kind : {"reference", "candidate", "judged"}
    p : ndarray of shape (R, n)
        Probability of each patient in each repeat.
    fold : ndarray of int of shape (R, n)
        Outer fold in which the patient was tested.
    """

    name: str
    kind: str
    p: Floats
    fold: Positions

    @property
    def values_per_fold(self) -> float:
        """Median number of distinct predictions in a fold; 1 where everybody is told the same."""
        pairs = zip(self.p, self.fold, strict=True)
        return float(np.median([len(np.unique(p[f == k])) for p, f in pairs for k in np.unique(f)]))


def arrange(predictions: pd.DataFrame) -> tuple[Positions, list[Procedure]]:
    """Turn the tidy frame into the patients' positions and one table per procedure.

    Parameters
    ----------
    predictions : DataFrame
        ``procedure``, ``kind``, ``repeat``, ``fold``, ``row``, ``p``.

    Returns
    -------
    rows : ndarray of int of shape (n,)
    procedures : list of Procedure
        In order of first appearance.

    Raises
    ------
    ValueError
        Unless every procedure has one row per repeat and patient, a probability in each, the same folds and
        one kind, exactly one is judged, and at least one is a reference.
    """
    rows, procedures = procedures_of(predictions)
    kinds = [one.kind for one in procedures]
    if kinds.count("judged") != 1 or "reference" not in kinds:
        raise ValueError("Exactly one judged procedure and at least one reference were expected.")
    return rows, procedures


def procedures_of(predictions: pd.DataFrame) -> tuple[Positions, list[Procedure]]:
    """Turn a tidy frame of any kinds of procedures into the patients' positions and one table per procedure.

    Parameters
    ----------
    predictions : DataFrame
        As for `arrange`.

    Raises
    ------
    ValueError
        Unless every procedure has one row per repeat and patient, a probability in each, the same folds and one kind.
    """
    frame = predictions.sort_values(["repeat", "row"], kind="stable")
    rows, repeats = np.unique(frame["row"]).astype(np.int64), int(frame["repeat"].nunique())
    procedures: list[Procedure] = []
    for name in predictions["procedure"].unique():
        one = _table(str(name), frame[frame["procedure"] == name], (repeats, len(rows)))
        if procedures and not np.array_equal(one.fold, procedures[0].fold):
            raise ValueError(f"{name}: its folds differ from those of {procedures[0].name}.")
        procedures.append(one)
    return rows, procedures


def fold_means(d: Floats, fold: Positions) -> Floats:
    """Average patients' values in every fold of every repeat.

    Parameters
    ----------
    d : ndarray of shape (R, n)
    fold : ndarray of int of shape (R, n)

    Returns
    -------
    ndarray of shape (R, K)
        NaN where a fold tested nobody.
    """
    labels = np.unique(fold)
    inside = fold[:, np.newaxis, :] == labels[:, np.newaxis]
    with np.errstate(invalid="ignore"):
        return np.asarray((inside * d[:, np.newaxis, :]).sum(axis=2) / inside.sum(axis=2), dtype=float)


def _table(name: str, own: pd.DataFrame, shape: tuple[int, int]) -> Procedure:
    complete = len(own) == shape[0] * shape[1] and not own.duplicated(["repeat", "row"]).any()
    if not complete or own["kind"].nunique() != 1:
        raise ValueError(f"{name}: one row per repeat and patient and one kind were expected.")
    p = own["p"].to_numpy(dtype=float).reshape(shape)
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError(f"{name}: a probability is missing or outside 0 to 1.")
    fold = own["fold"].to_numpy(dtype=np.int64).reshape(shape)
    return Procedure(name, str(own["kind"].iloc[0]), p, fold)


def over_repeats(one: Procedure, metric: Callable[[Floats, Positions], Floats]) -> Floats:
    """Average over repeats what `metric` makes of a repeat's predictions and folds.

    Parameters
    ----------
    one : Procedure
    metric : callable
        Takes p and fold, both of shape (n,).

    Returns
    -------
    ndarray
        Of the shape that `metric` returns.
    """
    return np.asarray(np.mean([metric(p, fold) for p, fold in zip(one.p, one.fold, strict=True)], axis=0))


def table_row(one: Procedure, draws: Floats, level: float, **what: object) -> dict[str, object]:
    """Return one line of a table: the sample's own value, which is the first draw, and limits from the others.

    Parameters
    ----------
    one : Procedure
    draws : ndarray of shape (1 + B,)
    level : float
    **what : object
        Further columns, between ``kind`` and ``value``.
    """
    limits = percentile_interval(draws[1:], level=level) if np.isfinite(draws[0]) else (np.nan, np.nan)
    value = {"value": float(draws[0]), "low": limits[0], "high": limits[1]}
    return {"procedure": one.name, "kind": one.kind, **what, **value}
