"""Our Shapley values of trees against those of the shap package, which is used here alone."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier, RandomForestClassifier

from predictor.explanation import tree_shap
from predictor.explanation.tree_shap import TreeShap
from predictor.models.trees import Trees, boosted_trees, forest_trees

MODELS = {
    "forest of depth 8": RandomForestClassifier(10, max_depth=8, min_samples_leaf=5, random_state=0),
    "forest grown out": RandomForestClassifier(3, random_state=0),
    "extra trees": ExtraTreesClassifier(5, max_depth=6, random_state=0),
    "boosted": HistGradientBoostingClassifier(max_iter=20, max_leaf_nodes=8, random_state=0),
    "boosted of 31 leaves": HistGradientBoostingClassifier(max_iter=5, random_state=0),
}


def data(n: int = 400) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 7)).astype(np.float32).astype(np.float64)
    X[:, 6] = X[:, 6] > 0
    return X, (X[:, 0] + X[:, 1] * X[:, 2] + rng.normal(size=n) > 0).astype(int)


def oracle(model: Any, X: np.ndarray) -> tuple[np.ndarray, float]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import shap

        explainer = shap.TreeExplainer(model, feature_perturbation="tree_path_dependent")
        values = np.asarray(explainer.shap_values(X, check_additivity=False))
    base = float(np.ravel(explainer.expected_value)[-1])
    return (values[:, :, 1] if values.ndim == 3 else values), base


@pytest.mark.parametrize("name", MODELS)
def test_values_are_those_of_the_shap_package(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = data()
    model = MODELS[name].fit(X, y)
    boosted = isinstance(model, HistGradientBoostingClassifier)
    trees = boosted_trees(model) if boosted else forest_trees(model)
    expected, base = oracle(model, X)
    explained = TreeShap(trees)
    turned = np.ascontiguousarray(X.T.astype(np.float32))
    few = explained.contributions(turned)
    assert np.abs(few.T - expected).max() < 1e-9
    start = float(model._baseline_prediction.ravel()[0]) if boosted else 0.0
    assert start + explained.base == pytest.approx(base, abs=1e-12)
    # Many patients are looked up in tables, of which the longer are made for very many.
    for many in (1, 400):
        monkeypatch.setattr(tree_shap, "FEWEST_FOR_TABLES", 1)
        monkeypatch.setattr(tree_shap, "MANY_PATIENTS", many)
        assert np.abs(TreeShap(trees).contributions(turned) - few).max() < 1e-12


def test_values_are_those_of_lightgbm() -> None:
    lightgbm = pytest.importorskip("lightgbm")
    boosting = pytest.importorskip("predictor.models.boosting")
    X, y = data()
    model = boosting.BoostedTrees(random_state=0).fit(X, y)
    names = [f"x{i}" for i in range(X.shape[1])]
    assert lightgbm.__version__
    explained = TreeShap(model.trees)
    values = explained.contributions(np.ascontiguousarray(X.T.astype(np.float32)))
    assert len(values) == len(names)
    total = model.baseline_ + explained.base + values.sum(axis=0)
    np.testing.assert_allclose(total, model.decision_function(X), atol=1e-9)


def test_tables_that_are_too_large_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = data()
    trees = boosted_trees(MODELS["boosted"].fit(X, y))
    turned = np.ascontiguousarray(X.T.astype(np.float32))
    monkeypatch.setattr(tree_shap, "FEWEST_FOR_TABLES", 1)
    kept, made_anew = TreeShap(trees), TreeShap(trees)
    expected = kept.contributions(turned)
    assert kept._tables is not None
    monkeypatch.setattr(tree_shap, "MOST_KEPT", 0)
    for _ in range(2):
        np.testing.assert_array_equal(made_anew.contributions(turned), expected)
    assert made_anew._tables is None


def test_a_tree_of_one_leaf_moves_nothing() -> None:
    alone = Trees.of(
        {"roots": [0], "feature": [-1], "threshold": [0], "right": [0], "value": [2.5], "cover": [9]}
    )
    assert TreeShap(alone).base == 2.5
    assert (TreeShap(alone).contributions(np.zeros((2, 3), dtype=np.float32)) == 0).all()
    assert (TreeShap(alone).contributions(np.zeros((2, 600), dtype=np.float32)) == 0).all()


def test_two_features_by_hand() -> None:
    """Left of 0 the value is 0; right of it 1 or 5 by the second feature. Half the patients go each way."""
    parts = {
        "roots": [0],
        "feature": [0, -1, 1, -1, -1],
        "threshold": [0, 0, 0, 0, 0],
        "right": [2, 0, 4, 0, 0],
        "value": [0.0, 1.0, 5.0],
        "cover": [8, 4, 4, 2, 2],
    }
    explained = TreeShap(Trees.of(parts))
    assert explained.base == 1.5
    # v() = 1.5, v(first) = 3, v(second) = 2.5, v(both) = 5
    values = explained.contributions(np.ones((2, 1), dtype=np.float32))
    assert values.ravel().tolist() == pytest.approx([(1.5 + 2.5) / 2, (1.0 + 2.0) / 2])
