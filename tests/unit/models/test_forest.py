"""The forest against scikit-learn's own, tree by tree."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.metrics import roc_auc_score

from predictor.models.forest import ExtraTrees, Forest


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


def test_extra_trees_equal_those_of_scikit_learn() -> None:
    X, y = _data(150)
    ours = ExtraTrees(30, random_state=5, min_samples_leaf=3).fit(X, y)
    theirs = ExtraTreesClassifier(30, random_state=5, min_samples_leaf=3, bootstrap=True).fit(X, y)

    np.testing.assert_array_equal(ours.predict_proba(X), theirs.predict_proba(X))


def test_out_of_bag_scores_equal_those_of_scikit_learn() -> None:
    X, y = _data(150)
    scores = Forest(60, random_state=5, max_samples=80).fit_out_of_bag(X, y)
    theirs = RandomForestClassifier(60, random_state=5, max_samples=80, oob_score=True).fit(X, y)

    np.testing.assert_allclose(scores, theirs.oob_decision_function_[:, 1], atol=1e-12)


def test_a_patients_copies_never_score_each_other() -> None:
    """Two rows of everybody with an outcome of pure noise: rows drawn singly would recognise their copy."""
    X, _ = _data(100)
    noise = np.random.default_rng(3).integers(0, 2, 100)
    twice, outcome, groups = np.vstack([X, X]), np.tile(noise, 2), np.tile(np.arange(100), 2)
    leaking = Forest(60, random_state=0).fit_out_of_bag(twice, outcome)
    honest = Forest(60, random_state=0).fit_out_of_bag(twice, outcome, groups)

    assert roc_auc_score(outcome, leaking) > 0.9
    assert roc_auc_score(outcome, honest) < 0.65
    np.testing.assert_array_equal(honest[:100], honest[100:])


def test_a_patient_whom_every_tree_has_drawn_has_no_score() -> None:
    X, y = _data(20)
    scores = Forest(1, random_state=0).fit_out_of_bag(X, y)
    assert 5 < np.isfinite(scores).sum() < 15
