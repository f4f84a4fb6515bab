"""Gradient-boosted trees grown by LightGBM and kept as plain numbers.

LightGBM grows them; everything after that (scoring, explaining, saving, loading) reads arrays and needs no LightGBM.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from scipy.special import expit, logit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils._param_validation import Interval
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from predictor.errors import Problem, ResourceError
from predictor.models.trees import Nodes, Trees, join_trees

__all__ = ["BoostedTrees", "boosted_scores"]

FIXED = {
    "num_threads": 1,
    "verbose": -1,
    "deterministic": True,
    "force_row_wise": True,
    "use_missing": False,
    "enable_bundle": False,
    "feature_pre_filter": False,
}


class BoostedTrees(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Boosted trees for a binary outcome, with columns and patients sampled for every tree.

    Parameters have LightGBM's names. What is fixed: one thread, no missing values and no categories of its own, since
    the encoder has dealt with both.

    Parameters
    ----------
    n_estimators : int
        Trees. The first k trees of a longer run are those of a run of k.
    learning_rate : float
    num_leaves : int
        Most leaves of a tree; 2 leaves know no interactions.
    min_child_samples : int
        Fewest patients in a leaf.
    colsample_bytree : float
        Share of the columns drawn for each tree.
    max_columns : int
        Most columns drawn for each tree, whatever their share.
    subsample : float
        Share of the patients drawn for each tree, without replacement.
    reg_lambda : float
        L2 penalty of the leaves' values.
    max_bin : int
        Values of a column that are told apart.
    random_state : int

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
    baseline_ : float
        Log-odds before the first tree: those of the prevalence.
    trees : Trees

    References
    ----------
    Ke et al. (2017), NeurIPS 30. Friedman (2002), Comput Stat Data Anal 38:367, for sampling.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0, 1, closed="right")],
        "num_leaves": [Interval(Integral, 2, 64, closed="both")],
        "min_child_samples": [Interval(Integral, 1, None, closed="left")],
        "colsample_bytree": [Interval(Real, 0, 1, closed="right")],
        "max_columns": [Interval(Integral, 1, None, closed="left")],
        "subsample": [Interval(Real, 0, 1, closed="right")],
        "reg_lambda": [Interval(Real, 0, None, closed="left")],
        "max_bin": [Interval(Integral, 2, 255, closed="both")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_estimators: int = 100,
        *,
        learning_rate: float = 0.1,
        num_leaves: int = 4,
        min_child_samples: int = 10,
        colsample_bytree: float = 0.3,
        max_columns: int = 200,
        subsample: float = 0.7,
        reg_lambda: float = 1.0,
        max_bin: int = 63,
        random_state: int | None = 0,
    ) -> None:
        self.n_estimators = n_estimators
        self.learning_rate = learning_rate
        self.num_leaves = num_leaves
        self.min_child_samples = min_child_samples
        self.colsample_bytree = colsample_bytree
        self.max_columns = max_columns
        self.subsample = subsample
        self.reg_lambda = reg_lambda
        self.max_bin = max_bin
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> BoostedTrees:
        """Grow the trees on encoded patients of shape (n, p) without missing values, and outcomes of two classes."""
        X, y = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) != 2:
            msg = f"Two classes are needed, and y has {len(self.classes_)} class(es)."
            raise ValueError(msg)
        self.baseline_ = _level(codes)
        booster, _ = _grow(self, _dataset(X, codes, self.max_bin), self.n_estimators)
        self._keep(join_trees([_nodes(tree) for tree in _described(booster)]))
        return self

    def _keep(self, trees: Trees) -> None:
        self.roots_, self.feature_, self.threshold_ = trees.roots, trees.feature, trees.threshold
        self.right_, self.value_, self.cover_ = trees.right, trees.value, trees.cover

    @property
    def trees(self) -> Trees:
        """The grown trees; with `baseline_` they add up to log-odds."""
        check_is_fitted(self, "roots_")
        return Trees(
            roots=self.roots_,
            feature=self.feature_,
            threshold=self.threshold_,
            right=self.right_,
            value=self.value_,
            cover=self.cover_,
        )

    def decision_function(self, X: Any) -> np.ndarray:
        """Log-odds of the second class, shape (n,)."""
        check_is_fitted(self, "roots_")
        X = validate_data(self, X, dtype=np.float64, reset=False)
        return np.asarray(self.baseline_ + self.trees.total(X))

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities of both classes, shape (n, 2)."""
        log_odds = self.decision_function(X)
        return np.column_stack([expit(-log_odds), expit(log_odds)])

    def predict(self, X: Any) -> np.ndarray:
        """Predict the more probable class, shape (n,)."""
        return np.asarray(self.classes_[(self.decision_function(X) > 0).astype(int)])


def boosted_scores(
    candidates: Sequence[Mapping[str, Any]], X: np.ndarray, target: np.ndarray, X_new: np.ndarray, seed: int
) -> np.ndarray:
    """Score new patients by every candidate, growing one run of trees for all that differ in their number alone.

    Parameters
    ----------
    candidates : sequence of mapping
        Parameters of `BoostedTrees`.
    X, X_new : ndarray of shape (n, p), (m, p)
        Encoded patients.
    target : ndarray of shape (n,)
        0 or 1, both present.
    seed : int

    Returns
    -------
    ndarray of shape (m, candidates)
        Log-odds, as `BoostedTrees.decision_function` of each candidate fitted alone.
    """
    models = [BoostedTrees(random_state=seed).set_params(**params) for params in candidates]
    scores = np.empty((len(X_new), len(models)))
    datasets: dict[int, Any] = {}
    for alike in _alike(models):
        longest = max((models[i] for i in alike), key=lambda model: model.n_estimators)
        if longest.max_bin not in datasets:
            datasets[longest.max_bin] = _dataset(X, target, longest.max_bin)
        booster, grown = _grow(longest, datasets[longest.max_bin], longest.n_estimators)
        stages = _level(target) + _after_each_tree(booster, X_new)
        for i in alike:
            scores[:, i] = stages[:, grown[models[i].n_estimators - 1]]
    return scores


def _alike(models: Sequence[BoostedTrees]) -> list[list[int]]:
    """Positions of models that differ in nothing but the number of trees."""
    found: dict[tuple[Any, ...], list[int]] = {}
    for i, model in enumerate(models):
        params = {name: value for name, value in model.get_params().items() if name != "n_estimators"}
        found.setdefault(tuple(sorted(params.items())), []).append(i)
    return list(found.values())


def _level(target: np.ndarray) -> float:
    return float(logit(target.mean()))


def _lightgbm() -> Any:
    """Import LightGBM, which takes a second, only where trees are grown."""
    try:
        import lightgbm
    except OSError as error:
        message = "LightGBM does not load: the system's OpenMP library is missing"
        remedy = "Install it: libgomp1 on Debian and Ubuntu, libgomp on Fedora, libomp by Homebrew on macOS"
        raise ResourceError(Problem("ENV-01", message, remedy)) from error
    return lightgbm


def _dataset(X: np.ndarray, target: np.ndarray, max_bin: int) -> Any:
    """Sort the values of every column into bins, once for all that are grown on them."""
    lightgbm = _lightgbm()
    options = {"max_bin": max_bin, **FIXED}
    # Encoded values are float32 numbers already.
    return lightgbm.Dataset(
        X.astype(np.float32),
        label=target,
        init_score=np.full(len(target), _level(target)),
        params=options,
        free_raw_data=False,
    )


def _grow(model: BoostedTrees, dataset: Any, rounds: int) -> tuple[Any, list[int]]:
    """Grow the trees; also say how many there are after each round, since one that cannot split leaves no tree."""
    sampled = {"bagging_fraction": model.subsample, "bagging_freq": 1} if model.subsample < 1 else {}
    options = {
        "objective": "binary",
        "boost_from_average": False,
        "learning_rate": model.learning_rate,
        "num_leaves": model.num_leaves,
        "min_data_in_leaf": model.min_child_samples,
        # LightGBM's own default. With 0 it can take rounding for a leaf, find nobody in it, and give up.
        "min_sum_hessian_in_leaf": 1e-3,
        "feature_fraction": min(model.colsample_bytree, model.max_columns / max(1, dataset.data.shape[1])),
        "lambda_l2": model.reg_lambda,
        "max_bin": model.max_bin,
        "seed": 0 if model.random_state is None else int(model.random_state),
        **sampled,
        **FIXED,
    }
    grown: list[int] = []
    count = [lambda round_: grown.append(round_.model.num_trees())]
    return _lightgbm().train(options, dataset, num_boost_round=rounds, callbacks=count), grown


def _after_each_tree(booster: Any, X: np.ndarray) -> np.ndarray:
    """Sum of the first 0, 1, 2, … trees for each patient, shape (n, 1 + trees)."""
    values = [tree["leaf_value"] for tree in _described(booster)]
    sums = np.zeros((len(X), 1 + len(values)))
    if values:
        leaves = booster.predict(X.astype(np.float32), pred_leaf=True, num_threads=1).astype(np.intp)
        starts = np.cumsum([0, *(len(one) for one in values)])[:-1]
        np.cumsum(np.concatenate(values)[leaves.reshape(len(X), -1) + starts], axis=1, out=sums[:, 1:])
    return sums


def _described(booster: Any) -> Iterator[dict[str, np.ndarray]]:
    """Arrays of each tree, as LightGBM's own text format has them."""
    text = booster.model_to_string(importance_type="split")
    for block in text.split("\nTree=")[1:]:
        lines = dict(line.split("=", 1) for line in block.split("\n\n", 1)[0].split("\n") if "=" in line)
        yield {
            "leaf_value": _floats(lines["leaf_value"]),
            "leaf_count": _floats(lines.get("leaf_count", "1")),
            "internal_count": _floats(lines.get("internal_count", "")),
            "feature": _floats(lines.get("split_feature", "")),
            "threshold": _floats(lines.get("threshold", "")),
            "left": _floats(lines.get("left_child", "")),
            "right": _floats(lines.get("right_child", "")),
        }


def _floats(text: str) -> np.ndarray:
    return np.array(text.split(), dtype=np.float64)


def _nodes(tree: Mapping[str, np.ndarray]) -> Nodes:
    """Lay one tree's nodes in depth-first order: feature, threshold, left, right, value, cover."""
    rows: list[list[float]] = []

    def lay(child: int) -> int:
        place = len(rows)
        if child < 0:
            leaf = -child - 1
            rows.append([-1, 0.0, -1, -1, tree["leaf_value"][leaf], tree["leaf_count"][leaf]])
            return place
        rows.append(
            [tree["feature"][child], tree["threshold"][child], 0, 0, 0.0, tree["internal_count"][child]]
        )
        rows[place][2] = lay(int(tree["left"][child]))
        rows[place][3] = lay(int(tree["right"][child]))
        return place

    lay(0 if len(tree["feature"]) else -1)
    feature, threshold, left, right, value, cover = np.array(rows, dtype=np.float64).T
    return feature.astype(np.intp), threshold, left.astype(np.intp), right.astype(np.intp), value, cover
