"""The yardstick: what a good engineer writes by hand with bare scikit-learn, and nothing else.

Nested cross-validation of three families, the winner by outer log loss, a last grid search on everybody, one sigmoid.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_validate
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

__all__ = ["PLANS", "Plan", "families", "fit", "linear_pipeline"]

SCORES = ["neg_log_loss", "roc_auc"]


@dataclass(frozen=True)
class Plan:
    """Grids, folds and forest size: 29 configurations on A; fewer and three inner folds where fits are dear."""

    elastic_net: dict[str, Any] = field(
        default_factory=lambda: {"model__C": np.logspace(-2.5, -0.5, 3), "model__l1_ratio": [0.1, 0.9]}
    )
    forest: dict[str, Any] = field(
        default_factory=lambda: {"model__min_samples_leaf": [5, 15], "model__max_features": ["sqrt"]}
    )
    boosting: dict[str, Any] = field(
        default_factory=lambda: {
            "model__learning_rate": [0.06, 0.1],
            "model__max_leaf_nodes": [15],
            "model__min_samples_leaf": [20, 80],
        }
    )
    inner: int = 3
    trees: int = 300


PLANS = {
    "A": Plan(
        elastic_net={"model__C": np.logspace(-2.5, 0.5, 5), "model__l1_ratio": [0.1, 0.5, 0.9]},
        forest={"model__min_samples_leaf": [1, 5, 15], "model__max_features": ["sqrt", 0.3]},
        boosting={
            "model__learning_rate": [0.03, 0.1],
            "model__max_leaf_nodes": [4, 15],
            "model__min_samples_leaf": [10, 30],
        },
        inner=5,
    ),
    "B": Plan(
        boosting={
            "model__learning_rate": [0.06, 0.1],
            "model__max_leaf_nodes": [15],
            "model__min_samples_leaf": [20],
        }
    ),
    "C": Plan(trees=100),
}


def _column_kinds(X: pd.DataFrame) -> tuple[list[str], list[str]]:
    numbers = X.select_dtypes("number").columns.tolist()
    return numbers, [name for name in X.columns if name not in numbers]


def _linear_encoder(X: pd.DataFrame) -> ColumnTransformer:
    numbers, categories = _column_kinds(X)
    parts = [(make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numbers)]
    if categories:
        one_hot = OneHotEncoder(handle_unknown="ignore", min_frequency=5, sparse_output=False)
        filled = SimpleImputer(strategy="constant", fill_value="missing")
        parts.append((make_pipeline(filled, one_hot), categories))
    return make_column_transformer(*parts)


def _tree_encoder(X: pd.DataFrame) -> ColumnTransformer:
    numbers, categories = _column_kinds(X)
    parts: list[tuple[Any, list[str]]] = [(SimpleImputer(strategy="median"), numbers)]
    if categories:
        ordinal = OrdinalEncoder(
            handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-1
        )
        parts.append((ordinal, categories))
    return make_column_transformer(*parts)


def linear_pipeline(X: pd.DataFrame) -> Pipeline:
    """Return the elastic net with saga, as most people would write it."""
    model = LogisticRegression(solver="saga", l1_ratio=0.5, max_iter=1000, tol=1e-3)
    return Pipeline([("encode", _linear_encoder(X)), ("model", model)])


def families(X: pd.DataFrame, plan: Plan) -> dict[str, tuple[Pipeline, dict[str, Any]]]:
    """Return pipeline and grid of each family."""
    forest = RandomForestClassifier(n_estimators=plan.trees, random_state=0)
    boosting = HistGradientBoostingClassifier(
        random_state=0, max_iter=100, early_stopping=False, categorical_features="from_dtype"
    )
    return {
        "elastic_net": (linear_pipeline(X), plan.elastic_net),
        "forest": (Pipeline([("encode", _tree_encoder(X)), ("model", forest)]), plan.forest),
        "boosting": (Pipeline([("model", boosting)]), plan.boosting),
    }


def fit(
    X: pd.DataFrame, y: np.ndarray, *, dataset: str, seed: int, outer: int = 5, inner: int | None = None
) -> dict[str, Any]:
    """Choose, tune, calibrate and fit; ``inner`` replaces the plan's number of inner folds.

    Returns
    -------
    dict
        ``predict``, a callable of a DataFrame; ``internal_auc`` and ``internal_log_loss``, means over the outer
        folds; ``selected``, the family.
    """
    plan = PLANS[dataset]
    outer_folds = StratifiedKFold(outer, shuffle=True, random_state=seed)
    inner_folds = StratifiedKFold(inner or plan.inner, shuffle=True, random_state=seed + 1)
    searches = {
        name: GridSearchCV(pipeline, grid, cv=inner_folds, scoring="neg_log_loss")
        for name, (pipeline, grid) in families(X, plan).items()
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # levels unseen in a fold, saga short of its tolerance
        scores = {
            name: cross_validate(search, X, y, cv=outer_folds, scoring=SCORES)
            for name, search in searches.items()
        }
        losses = {name: -float(found["test_neg_log_loss"].mean()) for name, found in scores.items()}
        selected = min(losses, key=losses.__getitem__)
        best = searches[selected].fit(X, y).best_estimator_
        model = CalibratedClassifierCV(best, method="sigmoid", cv=inner_folds, ensemble=False).fit(X, y)
    return {
        "predict": lambda patients: model.predict_proba(patients)[:, 1],
        "internal_auc": float(scores[selected]["test_roc_auc"].mean()),
        "internal_log_loss": losses[selected],
        "selected": selected,
    }
