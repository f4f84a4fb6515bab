"""Whether a value is what the config asks for."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd

from predictor.cohort.names import names_of
from predictor.config.schema import Condition

__all__ = ["is_one_of", "meets", "names_of"]


def meets(values: pd.Series, condition: Condition) -> tuple[np.ndarray, np.ndarray]:
    """Return whether each value meets a condition, and whether it is known at all.

    Parameters
    ----------
    values : pandas.Series
        Numbers or categories.
    condition : Condition
        ``min`` and ``max`` are included; an unknown value never meets a condition.
    """
    known = values.notna().to_numpy(bool)
    holds = known.copy()
    if condition.min is not None or condition.max is not None:
        number = pd.to_numeric(values, errors="coerce").to_numpy(float)
        holds &= number >= (condition.min if condition.min is not None else -np.inf)
        holds &= number <= (condition.max if condition.max is not None else np.inf)
    if condition.in_ is not None:
        holds &= is_one_of(values, condition.in_)
    return holds, known


def is_one_of(values: pd.Series, wanted: Collection[str]) -> np.ndarray:
    """Return whether each value is one of the names that a config writes; a missing value is none of them.

    Parameters
    ----------
    values : pandas.Series
        Categories, numbers, or booleans as 1.0 and 0.0, which a config writes as true and false.
    wanted : collection of str
    """
    return np.array([not names_of(value).isdisjoint(wanted) for value in values], dtype=bool)
