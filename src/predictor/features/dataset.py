"""The dataset: one row per patient (or course), cut to what was known at day 0."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

__all__ = ["Dataset", "Feature"]


@dataclass(frozen=True)
class Feature:
    """One model input, as the dictionary and the config declare it.

    Parameters
    ----------
    name : str
        Column of ``X``; the dictionary's name, which a one-row-per-patient file also uses.
    source : str
        ``table.column`` of the dictionary.
    kind : {"number", "category"}
    label : str
        What a clinician reads.
    unit : str
        Unit of ``X``'s values; empty for categories and pure counts.
    known : {"baseline", "plan"}
        ``plan``: decided at day 0.
    group : str
        Feature group of the config (``clinical``, ``biomarkers`` …).
    take : str
        Which of several values inside the baseline window is used.
    transform : {"none", "log", "log1p", "sqrt"}
        Applied inside the estimator; values outside its domain count as missing.
    levels : tuple of str
        Declared levels of a category; empty when any text is allowed.
    limits : tuple of (float or None, float or None)
        Declared range of a number, both ends included.
    grain : {"any", "whole", "yes_no"}
        Which numbers a value can be: any, a whole one, or 1 and 0.
    sensitive : bool
        Not listed among the reasons on a patient's page.
    """

    name: str
    source: str
    kind: Literal["number", "category"]
    label: str
    unit: str = ""
    known: Literal["baseline", "plan"] = "baseline"
    group: str = ""
    take: str = "last"
    transform: Literal["none", "log", "log1p", "sqrt"] = "none"
    levels: tuple[str, ...] = ()
    limits: tuple[float | None, float | None] = (None, None)
    sensitive: bool = False
    grain: Literal["any", "whole", "yes_no"] = "any"


@dataclass(frozen=True)
class Dataset:
    """What the estimators see: X, y of every outcome, groups and plan.

    Parameters
    ----------
    X : pandas.DataFrame of shape (n, features)
        Row ``i`` is unit ``i``; numbers are float64 with NaN, categories are ``object`` columns of str with None.
        Sorted by unit, so that the row order of the files does not matter.
    outcomes : pandas.DataFrame of shape (n, outcomes)
        0.0 / 1.0 after the declared strategy for missing outcomes, NaN where the unit is not evaluable.
    groups : ndarray of int of shape (n,)
        Patient, or declared cluster: never on both sides of a split, resampled whole.
    plan : ndarray of str of shape (n,)
        Arm or dose band; one label for everybody where no plan is declared.
    features : tuple of Feature
        In the order of ``X``'s columns.
    """

    X: pd.DataFrame
    outcomes: pd.DataFrame
    groups: np.ndarray
    plan: np.ndarray
    features: tuple[Feature, ...]

    def take(self, rows: np.ndarray) -> Dataset:
        """Return the dataset of some units.

        Parameters
        ----------
        rows : ndarray of int
            Positions.
        """
        return Dataset(
            X=self.X.iloc[rows].reset_index(drop=True),
            outcomes=self.outcomes.iloc[rows].reset_index(drop=True),
            groups=self.groups[rows],
            plan=self.plan[rows],
            features=self.features,
        )
