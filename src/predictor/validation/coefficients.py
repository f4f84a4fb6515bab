"""Coefficients of a logistic model over m imputations, with intervals that hold what was missing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import expit

from predictor.features.columns import EncodedColumn
from predictor.models.catalog import FAMILIES
from predictor.models.tuning import TunedClassifier, fit_encoder
from predictor.validation.pooling import Pooled, pool

__all__ = ["COLUMNS", "coefficient_table", "pool_logistic"]

COLUMNS = ["column", "estimate", "se", "low", "high", "df", "missing_information", "in_model"]


def pool_logistic(parts: Sequence[tuple[np.ndarray, np.ndarray]], *, level: float = 0.95) -> Pooled:
    """Fit a logistic model to each imputation and pool by Rubin's rules, with Barnard and Rubin's degrees of freedom.

    Parameters
    ----------
    parts : sequence of (ndarray of shape (n, p), ndarray of shape (n,))
        Inputs without a gap and outcomes as 0 and 1, of at least two imputations.
    level : float
        Of the intervals.

    Returns
    -------
    Pooled
        The intercept, then the p coefficients. The model is the catalog's ``logistic``, whose penalty keeps estimates
        finite and changes them by a fraction of a per cent; its variances are those of the penalised information.

    Raises
    ------
    ValueError
        With fewer patients than parameters + 2.
    """
    n, p = parts[0][0].shape
    if n < p + 2:
        msg = f"{n} patients cannot have intervals for {p + 1} parameters."
        raise ValueError(msg)
    found = [_fit(X, target) for X, target in parts]
    estimates, variances = zip(*found, strict=True)
    return pool(np.array(estimates), np.array(variances), df_complete=n - p - 1, level=level)


def _fit(X: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    model = FAMILIES["logistic"].make(0).fit(X, target)
    beta = np.r_[model.intercept_, model.coef_[0]]
    design = np.column_stack([np.ones(len(X)), X])
    p = expit(design @ beta)
    penalty = np.r_[0.0, np.full(X.shape[1], 1.0 / model.C)]
    information = design.T @ (design * (p * (1.0 - p))[:, None]) + np.diag(penalty)
    return beta, np.diag(np.linalg.inv(information))


def coefficient_table(
    models: Sequence[TunedClassifier], X: pd.DataFrame, y: np.ndarray, *, level: float = 0.95
) -> pd.DataFrame:
    """Pool the coefficients of the encoded columns that a penalised linear model was fitted on.

    Parameters
    ----------
    models : sequence of TunedClassifier
        One for each imputation.
    X : pandas.DataFrame of shape (n, features)
        What they were fitted on; every part is imputed again, which gives the same numbers.
    y : ndarray of shape (n,)
        0, 1, and NaN where the outcome is imputed.
    level : float

    Returns
    -------
    pandas.DataFrame
        `COLUMNS`: log-odds for one standard deviation of a number, or for a level against the first one; limits,
        degrees of freedom, fraction of missing information, and the mean coefficient of the penalised model itself,
        which is shrunken and has no honest interval. Empty where there are too few patients or imputations.
    """
    names = [str(name) for name in models[0].feature_names_in_]
    parts = [fit_encoder(model.preprocessor, X[names], y) for model in models]
    columns = [EncodedColumn(**one) for one in parts[0][0].encoded_] if parts[0][0] is not None else []
    kept = [i for i, column in enumerate(columns) if not _is_reference(i, columns, parts[0][1])]
    if len(models) < 2 or not kept or len(X) < len(kept) + 2:
        return pd.DataFrame(columns=COLUMNS)
    scale = np.array([1.0 if c.operation == "value" else c.scale for c in columns])
    pooled = pool_logistic([(one[1][:, kept] * scale[kept], one[2]) for one in parts], level=level)
    penalised = np.mean([model.model_.coef_[0][: len(columns)] for model in models], axis=0) / scale
    return pd.DataFrame(
        {
            "column": [columns[i].name for i in kept],
            "estimate": pooled.estimate[1:],
            "se": pooled.se[1:],
            "low": pooled.low[1:],
            "high": pooled.high[1:],
            "df": pooled.df[1:],
            "missing_information": pooled.missing_information[1:],
            "in_model": penalised[kept],
        }
    )


def _is_reference(place: int, columns: Sequence[EncodedColumn], encoded: np.ndarray) -> bool:
    """Whether a column is the first of a category of which every level has one: the others are compared with it."""
    own = [i for i, column in enumerate(columns) if column.feature == columns[place].feature]
    if columns[place].operation == "value" or place != own[0]:
        return False
    raw = sum(encoded[:, i] * columns[i].scale + columns[i].center for i in own)
    return bool(np.allclose(raw, 1.0, atol=1e-4))
