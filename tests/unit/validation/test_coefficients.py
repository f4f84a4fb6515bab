"""Pooled coefficients against maximum likelihood written out, and categories against their first level."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.stats import t

from predictor.features.dataset import Feature
from predictor.features.imputation import Draw
from predictor.features.preprocessing import build_preprocessor
from predictor.models.tuning import TunedClassifier
from predictor.validation.coefficients import coefficient_table, pool_logistic


def patients(n: int = 500, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2))
    return X, (rng.random(n) < 1 / (1 + np.exp(0.3 - X @ [0.8, -0.5]))).astype(int)


def maximum_likelihood(X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Estimates and covariance of an unpenalised logistic model, by a general minimiser."""
    design = np.column_stack([np.ones(len(X)), X])
    found = minimize(
        lambda b: float(np.logaddexp(0, design @ b).sum() - y @ design @ b),
        np.zeros(design.shape[1]),
        method="BFGS",
        options={"gtol": 1e-7},
    )
    p = 1 / (1 + np.exp(-design @ found.x))
    return found.x, np.linalg.inv(design.T @ (design * (p * (1 - p))[:, None]))


def test_without_anything_missing_they_are_those_of_maximum_likelihood() -> None:
    X, y = patients()
    beta, covariance = maximum_likelihood(X, y)
    pooled = pool_logistic([(X, y)] * 3)
    np.testing.assert_allclose(
        pooled.estimate, beta, atol=2e-3
    )  # the ridge changes them by a fraction of a per cent
    np.testing.assert_allclose(pooled.se, np.sqrt(np.diag(covariance)), rtol=2e-3)
    np.testing.assert_allclose(pooled.between, 0.0, atol=1e-15)
    # Barnard and Rubin's degrees of freedom end near those of complete data, 497.
    assert (pooled.df < 497).all()
    assert (pooled.df > 480).all()
    width = t.ppf(0.975, pooled.df) * pooled.se
    np.testing.assert_allclose(pooled.high - pooled.low, 2 * width)


def test_imputations_that_differ_widen_the_interval() -> None:
    X, y = patients()
    rng = np.random.default_rng(2)
    parts = [(X + 0.3 * rng.normal(size=X.shape), y) for _ in range(5)]
    pooled = pool_logistic(parts)
    each = np.array([pool_logistic([part, part]).estimate for part in parts])
    np.testing.assert_allclose(pooled.estimate, each.mean(axis=0))
    np.testing.assert_allclose(pooled.total, pooled.within + 1.2 * each.var(axis=0, ddof=1))


def test_too_few_patients_are_refused() -> None:
    with pytest.raises(ValueError, match="3 patients"):
        pool_logistic([(np.eye(3), np.array([0, 1, 0]))] * 2)


def test_levels_are_compared_with_the_first_and_numbers_by_standard_deviation() -> None:
    rng = np.random.default_rng(3)
    n = 600
    level = rng.choice(np.array(["a", "b", "c"], dtype=object), n)
    number = 50 + 10 * rng.normal(size=n)
    eta = -0.2 + 0.06 * (number - 50) + np.where(level == "b", 0.7, 0.0) - np.where(level == "c", 0.4, 0.0)
    y = (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(float)
    X = pd.DataFrame({"number": number, "level": level})
    features = [Feature("number", "t.n", "number", "n"), Feature("level", "t.l", "category", "l")]
    models = [
        TunedClassifier(
            "elastic_net",
            build_preprocessor(features, Draw(k, 2, 2, 0)),
            candidates=[{"C": 0.1}],
            random_state=0,
        ).fit(X, y)
        for k in range(2)
    ]
    table = coefficient_table(models, X, y).set_index("column")
    assert list(table.index) == ["number", "level=b", "level=c"]
    by_hand = np.column_stack([number / number.std(), level == "b", level == "c"]).astype(float)
    beta, covariance = maximum_likelihood(by_hand - by_hand.mean(axis=0), y.astype(int))
    np.testing.assert_allclose(table["estimate"], beta[1:], atol=5e-3)
    np.testing.assert_allclose(table["se"], np.sqrt(np.diag(covariance))[1:], rtol=5e-3)
    assert (table["in_model"].abs() < table["estimate"].abs()).all()
