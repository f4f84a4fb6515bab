"""Boosted trees against LightGBM's own predictions, and what is kept of them: plain numbers."""

from __future__ import annotations

import sys
from typing import Any

import lightgbm
import numpy as np
import pytest
import skops.io
from scipy.special import logit

from predictor.errors import ResourceError
from predictor.models.boosting import BoostedTrees, boosted_scores
from predictor.models.trees import Trees

# Ours are LightGBM's own leaves added up in another order; thresholds are float32, as the columns are.
CLOSE = {"rtol": 0.0, "atol": 1e-9}


def data(n: int = 200, p: int = 8, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)).astype(np.float32).astype(float)
    X[:, -1] = X[:, -1] > 0.5
    return X, (rng.random(n) < 1 / (1 + np.exp(-X[:, 0] - X[:, 1] * X[:, 2]))).astype(int)


def booster(X: np.ndarray, y: np.ndarray, **changes: Any) -> np.ndarray:
    """Log-odds of the same patients by LightGBM's own interface, with the options written out once more."""
    options = {
        "objective": "binary",
        "boost_from_average": False,
        "learning_rate": 0.1,
        "num_leaves": 4,
        "min_data_in_leaf": 10,
        "min_sum_hessian_in_leaf": 1e-3,
        "feature_fraction": 0.3,
        "bagging_fraction": 0.7,
        "bagging_freq": 1,
        "lambda_l2": 1.0,
        "max_bin": 63,
        "seed": 3,
        "num_threads": 1,
        "verbose": -1,
        "deterministic": True,
        "force_row_wise": True,
        "use_missing": False,
        "enable_bundle": False,
        "feature_pre_filter": False,
    } | changes
    level = logit(y.mean())
    grown = lightgbm.train(
        options,
        lightgbm.Dataset(X, label=y, init_score=np.full(len(y), level), params=options),
        num_boost_round=30,
    )
    return np.asarray(level + grown.predict(X, raw_score=True))


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({}, {}),
        ({"num_leaves": 12, "reg_lambda": 0.0}, {"num_leaves": 12, "lambda_l2": 0.0}),
        ({"learning_rate": 0.5, "min_child_samples": 2}, {"learning_rate": 0.5, "min_data_in_leaf": 2}),
        ({"subsample": 1.0, "max_bin": 15}, {"bagging_fraction": 1.0, "bagging_freq": 0, "max_bin": 15}),
        # At most 4 of 8 columns, though all were asked for.
        ({"colsample_bytree": 1.0, "max_columns": 4}, {"feature_fraction": 0.5}),
    ],
)
def test_log_odds_equal_those_of_lightgbm_with_the_same_options(
    ours: dict[str, Any], theirs: dict[str, Any]
) -> None:
    X, y = data()
    fitted = BoostedTrees(30, random_state=3).set_params(**ours).fit(X, y)
    np.testing.assert_allclose(fitted.decision_function(X), booster(X, y, **theirs), **CLOSE)


def test_probabilities_and_classes_follow_from_the_log_odds() -> None:
    X, y = data()
    fitted = BoostedTrees(20).fit(X, np.where(y == 1, "yes", "no"))
    p = fitted.predict_proba(X)
    np.testing.assert_allclose(logit(p[:, 1]), fitted.decision_function(X), atol=1e-9)
    assert np.allclose(p.sum(axis=1), 1.0)
    assert set(fitted.predict(X)) == {"no", "yes"}
    assert ((fitted.predict(X) == "yes") == (p[:, 1] > 0.5)).all()


CANDIDATES: list[dict[str, Any]] = [
    {"num_leaves": leaves, "n_estimators": trees, "max_bin": bins}
    for bins in (63, 15)
    for leaves in (3, 12)
    for trees in (10, 40, 1)
]


def test_staged_scores_equal_separate_fits() -> None:
    X, y = data()
    X_new, _ = data(50, seed=1)
    scores = boosted_scores(CANDIDATES, X, y, X_new, 7)
    for params, own in zip(CANDIDATES, scores.T, strict=True):
        alone = BoostedTrees(random_state=7).set_params(**params).fit(X, y)
        np.testing.assert_allclose(own, alone.decision_function(X_new), **CLOSE)


def test_the_first_trees_of_a_long_run_are_those_of_a_short_one() -> None:
    X, y = data()
    short, long = (BoostedTrees(trees, random_state=2).fit(X, y).trees for trees in (15, 60))
    size = len(short.feature)
    assert (len(short.roots), len(long.roots)) == (15, 60)
    for name in ("roots", "feature", "threshold", "right", "value", "cover"):
        own = getattr(short, name)
        np.testing.assert_array_equal(own, getattr(long, name)[: len(own)])
    assert long.roots[15] == size


def test_trees_that_cannot_split_leave_the_prevalence() -> None:
    X, y = data(18)  # two leaves of 10 patients need 20
    fitted = BoostedTrees(25).fit(X, y)
    np.testing.assert_allclose(fitted.predict_proba(X)[:, 1], y.mean(), atol=1e-12)
    scores = boosted_scores([{"n_estimators": 5}, {"n_estimators": 25}], X, y, X, 0)
    np.testing.assert_allclose(scores, logit(y.mean()), atol=1e-12)
    nothing = BoostedTrees(25).fit(np.zeros((60, 1)), np.arange(60) % 3 == 0)
    np.testing.assert_allclose(nothing.predict_proba(np.zeros((2, 1)))[:, 1], 1 / 3, atol=1e-12)


def test_a_round_that_cannot_split_does_not_shift_the_later_ones() -> None:
    """With 15 of 22 patients drawn, a first tree of leaves of 7 or more often splits nothing, and a later one does."""
    candidates = [{"n_estimators": trees, "min_child_samples": 7} for trees in (1, 2, 4, 12)]
    y = np.arange(22) < 3
    shifted = 0
    for seed in range(20):
        X = np.random.default_rng(seed).normal(size=(22, 1)).astype(np.float32).astype(float)
        scores = boosted_scores(candidates, X, y.astype(int), X, seed)
        for params, own in zip(candidates, scores.T, strict=True):
            alone = BoostedTrees(random_state=seed).set_params(**params).fit(X, y)
            np.testing.assert_allclose(own, alone.decision_function(X), **CLOSE)
        shifted += len(alone.trees.roots) < 12
    assert shifted


def test_every_root_covers_the_patients_that_were_drawn() -> None:
    X, y = data(200)
    everybody = BoostedTrees(10, subsample=1.0).fit(X, y).trees
    assert (everybody.cover[everybody.roots] == 200).all()
    inner = np.flatnonzero(everybody.feature >= 0)
    split = everybody.cover[inner + 1] + everybody.cover[everybody.right[inner]]
    np.testing.assert_array_equal(everybody.cover[inner], split)


def test_nothing_of_lightgbm_is_kept() -> None:
    X, y = data()
    fitted = BoostedTrees(5).fit(X, y)
    plain = (int, float, str, np.ndarray, type(None))
    assert {name for name, value in vars(fitted).items() if not isinstance(value, plain)} == set()
    assert not any(value.dtype == object for value in vars(fitted).values() if isinstance(value, np.ndarray))
    assert isinstance(fitted.trees, Trees)


def test_a_saved_model_predicts_bit_for_bit() -> None:
    X, y = data()
    fitted = BoostedTrees(20, num_leaves=12).fit(X, y)
    kept = skops.io.dumps(fitted)
    foreign = skops.io.get_untrusted_types(data=kept)
    assert foreign == ["predictor.models.boosting.BoostedTrees"]
    again = skops.io.loads(kept, trusted=foreign)
    np.testing.assert_array_equal(again.decision_function(X), fitted.decision_function(X))


@pytest.mark.parametrize("fewest", [1, 2, 5])
def test_clusters_far_apart_and_tiny_leaves_are_grown(fewest: int) -> None:
    """Without a least weight of a leaf LightGBM gave up on most of these."""
    for seed in range(8):
        rng = np.random.default_rng(seed)
        y = rng.integers(0, 2, 60)
        X = (rng.normal(size=(60, 3)) + 4 * y[:, None]).astype(np.float32).astype(float)
        fitted = BoostedTrees(60, learning_rate=0.5, min_child_samples=fewest, num_leaves=8).fit(X, y)
        assert np.isfinite(fitted.decision_function(X)).all()


def test_one_seed_one_model() -> None:
    X, y = data()
    first, same, other = (BoostedTrees(10, random_state=seed).fit(X, y) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.decision_function(X), same.decision_function(X))
    assert not np.array_equal(first.decision_function(X), other.decision_function(X))


def test_one_class_and_other_columns_are_refused() -> None:
    X, y = data(40)
    with pytest.raises(ValueError, match="Two classes are needed, and y has 1 class"):
        BoostedTrees().fit(X, np.ones(40))
    with pytest.raises(ValueError, match="7 features"):
        BoostedTrees(3).fit(X, y).decision_function(X[:, :7])


class _NoOpenMP:
    """Finds LightGBM and fails as the loader does without its library."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name == "lightgbm":
            msg = "libgomp.so.1: cannot open shared object file: No such file or directory"
            raise OSError(msg)


def test_a_missing_openmp_library_is_named_with_its_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "lightgbm")
    monkeypatch.setattr(sys, "meta_path", [_NoOpenMP(), *sys.meta_path])
    X, y = data(40)
    with pytest.raises(ResourceError, match="ENV-01 LightGBM does not load") as refused:
        BoostedTrees(3).fit(X, y)
    for package in ("libgomp1", "libgomp", "libomp"):
        assert package in str(refused.value)


def test_a_fitted_model_predicts_without_lightgbm(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = data()
    fitted = BoostedTrees(5).fit(X, y)
    expected = fitted.predict_proba(X)
    monkeypatch.delitem(sys.modules, "lightgbm")
    monkeypatch.setattr(sys, "meta_path", [_NoOpenMP(), *sys.meta_path])
    np.testing.assert_array_equal(fitted.predict_proba(X), expected)
