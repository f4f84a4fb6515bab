"""The forest against scikit-learn's own, tree by tree."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier

from predictor.models.forest import Forest


def _data(n: int, p: int = 12, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    X = random.normal(size=(n, p)).astype(np.float32).astype(float)
    return X, (random.random(n) < 1 / (1 + np.exp(-X[:, 0]))).astype(int)


@pytest.mark.parametrize("n", [20, 150])
@pytest.mark.parametrize("params", [{}, {"max_depth": 4}, {"min_samples_leaf": 7}, {"max_features": 0.5}])
def test_trees_and_probabilities_equal_those_of_scikit_learn(n: int, params: dict[str, object]) -> None:
    X, y = _data(n)
    ours = Forest(30, random_state=5, **params).fit(X, y)  # type: ignore[arg-type]
    theirs = RandomForestClassifier(30, random_state=5, **params).fit(X, y)

    for one, other in zip(ours.estimators_, theirs.estimators_, strict=True):
        np.testing.assert_array_equal(one.tree_.feature, other.tree_.feature)
        np.testing.assert_array_equal(one.tree_.threshold, other.tree_.threshold)
        np.testing.assert_array_equal(one.tree_.value, other.tree_.value)
    np.testing.assert_array_equal(ours.predict_proba(X), theirs.predict_proba(X))
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))


def test_a_clone_grows_the_same_trees() -> None:
    X, y = _data(60)
    first = Forest(5, random_state=1).fit(X, y)
    again = clone(first).fit(X, y)

    np.testing.assert_array_equal(first.predict_proba(X), again.predict_proba(X))


def test_another_number_of_columns_is_refused_at_prediction() -> None:
    X, y = _data(40)
    fitted = Forest(3, random_state=1).fit(X, y)

    with pytest.raises(ValueError, match="11 features"):
        fitted.predict_proba(X[:, :11])
