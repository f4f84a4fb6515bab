"""A fitted classifier as plain numbers: small enough for 200 refits beside a model, evaluated by numpy alone."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from scipy.special import expit
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from threadpoolctl import threadpool_limits

from predictor.features.preprocessing import EncodedColumn, encode, encoded_columns
from predictor.models.elastic_net import ElasticNetLogistic
from predictor.models.sigmoid import Scale, Sigmoid, log_odds
from predictor.models.tuning import TunedClassifier, fit_encoder

__all__ = ["CompactModel", "Trees", "compact", "load_compact", "refit_range", "save_compact"]


@dataclass(frozen=True)
class Trees:
    """Nodes of all trees of a model, one after another, each tree in depth-first order.

    Parameters
    ----------
    roots : ndarray of int32 of shape (trees,)
        Position of every tree's root.
    feature : ndarray of int16 of shape (nodes,)
        Encoded column that a node asks about; -1 at a leaf.
    threshold : ndarray of float32 of shape (nodes,)
        A patient with a value at or below it goes left. Rounded down from float64, which changes no answer
        because every encoded value is itself a float32.
    right : ndarray of int32 of shape (nodes,)
        Position of the right child; the left child is the next node.
    value : ndarray of float64 of shape (leaves,)
        Contributions of the leaves, in the order of the nodes.
    """

    roots: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    right: np.ndarray
    value: np.ndarray

    def total(self, X: np.ndarray) -> np.ndarray:
        """Sum over the trees of the leaf that each encoded patient reaches, shape (n,)."""
        rows = np.arange(len(X))[:, None]
        node = np.broadcast_to(self.roots, (len(X), len(self.roots))).copy()
        while True:
            asked = self.feature[node]
            inner = asked >= 0
            if not inner.any():
                break
            left = X[rows, np.maximum(asked, 0)] <= self.threshold[node]
            node = np.where(inner, np.where(left, node + 1, self.right[node]), node)
        leaf = np.cumsum(self.feature < 0) - 1
        return np.asarray(self.value[leaf[node]].sum(axis=1))


@dataclass(frozen=True)
class CompactModel:
    """A fitted `TunedClassifier` without scikit-learn.

    Parameters
    ----------
    columns : tuple of EncodedColumn
        How patients are encoded.
    base : float
        Intercept, or the value before the first tree.
    coef : ndarray of float64 of shape (len(columns),) or (0,)
        Coefficients of a linear model.
    trees : Trees or None
        Trees of the other models.
    scale : {"log_odds", "probability"}
        What base, coefficients and trees add up to.
    sigmoid : tuple of (float, float) or None
        Slope and intercept of the calibration.
    """

    columns: tuple[EncodedColumn, ...]
    base: float
    coef: np.ndarray
    trees: Trees | None
    scale: Scale
    sigmoid: Sigmoid | None

    def log_odds(self, X: pd.DataFrame) -> np.ndarray:
        """Evaluate calibrated log-odds, shape (n,): `TunedClassifier.decision_function` within 1e-9."""
        encoded = encode(self.columns, X)
        scores = np.full(len(X), self.base)
        if len(self.coef):
            scores = scores + encoded @ self.coef
        if self.trees is not None:
            scores = scores + self.trees.total(encoded if self.columns else np.zeros((len(X), 1)))
        return log_odds(scores, self.sigmoid, self.scale)

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        """Evaluate calibrated probabilities of both classes, shape (n, 2)."""
        eta = self.log_odds(X)
        return np.column_stack([expit(-eta), expit(eta)])


def compact(fitted: TunedClassifier) -> CompactModel:
    """Take the plain numbers out of a fitted classifier.

    Raises
    ------
    ValueError
        If it has no preprocessor, or none of the catalog's models.
    """
    if fitted.preprocessor_ is None:
        raise ValueError("A compact model needs a preprocessor. Fit with build_preprocessor(features).")
    columns = encoded_columns(fitted.preprocessor_)
    base, coef, trees = _numbers(fitted.model_, len(columns))
    return CompactModel(columns, base, coef, trees, fitted.family_.score, fitted.calibration_)


def _numbers(model: Any, p: int) -> tuple[float, np.ndarray, Trees | None]:
    nothing = np.zeros(0)
    if isinstance(model, DummyClassifier):
        return float(model.class_prior_[1]), nothing, None
    if isinstance(model, ElasticNetLogistic):
        return float(model.intercept_[0]), model.coef_[0][:p].copy(), None
    if isinstance(model, RandomForestClassifier):
        size = len(model.estimators_)
        return 0.0, nothing, _join([_forest_tree(tree.tree_, size) for tree in model.estimators_])
    # scikit-learn has no public view of the boosted trees' nodes. The pinned minor version and the equality
    # tests guard it.
    predictors = [stage[0].nodes for stage in model._predictors]
    return (
        float(model._baseline_prediction.ravel()[0]),
        nothing,
        _join([_boosted_tree(nodes) for nodes in predictors]),
    )


Nodes = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def _forest_tree(tree: Any, size: int) -> Nodes:
    """Nodes as (feature, threshold, left, right, value); a forest is the mean of its trees."""
    feature = np.where(tree.children_left < 0, -1, tree.feature)
    return feature, tree.threshold, tree.children_left, tree.children_right, tree.value[:, 0, 1] / size


def _boosted_tree(nodes: np.ndarray) -> Nodes:
    feature = np.where(nodes["is_leaf"], -1, nodes["feature_idx"])
    return feature, nodes["num_threshold"], nodes["left"], nodes["right"], nodes["value"]


def _join(trees: Sequence[Nodes]) -> Trees:
    """Lay trees one after another, each in depth-first order."""
    features, thresholds, rights, values, roots = [], [], [], [], []
    start = 0
    for feature, threshold, left, right, value in trees:
        order = _depth_first(feature, left, right)
        position = np.empty(len(order), dtype=np.int64)
        position[order] = np.arange(len(order)) + start
        is_leaf = feature[order] < 0
        roots.append(start)
        features.append(feature[order])
        thresholds.append(np.where(is_leaf, 0.0, threshold[order]))
        rights.append(np.where(is_leaf, 0, position[np.where(is_leaf, 0, right[order])]))
        values.append(value[order][is_leaf])
        start += len(order)
    return Trees(
        roots=np.array(roots, dtype=np.int32),
        feature=np.concatenate(features).astype(np.int16),
        threshold=_rounded_down(np.concatenate(thresholds)),
        right=np.concatenate(rights).astype(np.int32),
        value=np.concatenate(values).astype(np.float64),
    )


def _depth_first(feature: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    inner = np.flatnonzero(feature >= 0)
    if (left[inner] == inner + 1).all():
        return np.arange(len(feature))
    order, waiting = [], [0]
    while waiting:
        node = waiting.pop()
        order.append(node)
        if feature[node] >= 0:
            waiting += [int(right[node]), int(left[node])]
    return np.array(order)


def _rounded_down(values: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        rounded = values.astype(np.float32)
    lower = np.nextafter(rounded, np.float32(-np.inf))
    return np.asarray(np.where(rounded > values, lower, rounded), dtype=np.float32)


def save_compact(models: Sequence[CompactModel], path: Path) -> None:
    """Write models to one compressed npz file, which holds numbers and JSON text and is read without pickle."""
    described = [_described(model) for model in models]
    arrays: dict[str, np.ndarray] = {
        "models": np.frombuffer(json.dumps(described).encode(), dtype=np.uint8),
        "coef": np.concatenate([np.zeros(0), *(model.coef for model in models)]),
    }
    grown = [model.trees for model in models if model.trees is not None]
    if grown:
        for part in fields(Trees):
            arrays[part.name] = np.concatenate([getattr(trees, part.name) for trees in grown])
    with Path(path).open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def load_compact(path: Path) -> list[CompactModel]:
    """Read what `save_compact` wrote."""
    with np.load(path, allow_pickle=False) as file:
        arrays: dict[str, np.ndarray] = {name: file[name] for name in file.files}
    described = json.loads(arrays.pop("models").tobytes().decode())
    return [_rebuilt(entry, arrays) for entry in described]


def _rebuilt(entry: dict[str, Any], arrays: dict[str, np.ndarray]) -> CompactModel:
    """Build one model from its description, taking its share off the front of the arrays."""

    def take(name: str, size: int) -> np.ndarray:
        taken, arrays[name] = arrays[name][:size], arrays[name][size:]
        return taken

    sizes, sigmoid = entry["trees"], entry["sigmoid"]
    return CompactModel(
        columns=tuple(EncodedColumn(**column) for column in entry["columns"]),
        base=entry["base"],
        coef=take("coef", entry["coef"]),
        trees=None if sizes is None else Trees(**{name: take(name, size) for name, size in sizes.items()}),
        scale=entry["scale"],
        sigmoid=None if sigmoid is None else (sigmoid[0], sigmoid[1]),
    )


def _described(model: CompactModel) -> dict[str, Any]:
    """Everything but the arrays, of which the sizes."""
    trees = model.trees
    return {
        "columns": [asdict(column) for column in model.columns],
        "base": model.base,
        "coef": len(model.coef),
        "trees": None
        if trees is None
        else {part.name: len(getattr(trees, part.name)) for part in fields(Trees)},
        "scale": model.scale,
        "sigmoid": model.sigmoid,
    }


def refit_range(
    fitted: TunedClassifier,
    X: pd.DataFrame,
    y: np.ndarray,
    groups: np.ndarray,
    *,
    resamples: int = 200,
    seed: int = 0,
    workers: int = 1,
) -> list[CompactModel]:
    """Refit the chosen pipeline on resampled patients, for the range beside a personal estimate.

    Parameters
    ----------
    fitted : TunedClassifier
        Gives preprocessor, parameters and calibration.
    X, y, groups
        Development patients, as it was fitted on.
    resamples : int
        How many refits.
    seed : int
        Each resample has its own child of it, so the result does not depend on ``workers``.
    workers : int
        Processes.

    Returns
    -------
    list of CompactModel of length ``resamples``

    Notes
    -----
    Whole groups are drawn with replacement; a draw with a single class is drawn again. Preprocessing is
    fitted anew, hyperparameters are held. The calibration is held as well. The level's sampling is in the
    refitted model itself, whose base follows the resample's own rate; a sigmoid from the patients left out of
    each resample would replace that by the noise of a third of the patients, and one from inner folds would
    cost their number of times more and, at fewer than 100 events, estimate nothing but that level. What is
    not in the range is the uncertainty of the sigmoid's slope.
    """
    target = np.asarray(y == fitted.classes_[1], dtype=np.int64)
    labels = np.unique(groups, return_inverse=True)[1]
    seeds = np.random.SeedSequence(seed).spawn(resamples)
    blocks = np.array_split(np.arange(resamples), max(1, min(workers, resamples)))
    jobs = (delayed(_refit_block)(fitted, X, target, labels, [seeds[i] for i in block]) for block in blocks)
    return [model for block in Parallel(n_jobs=workers, backend="loky")(jobs) for model in block]


def _refit_block(
    fitted: TunedClassifier, X: pd.DataFrame, target: np.ndarray, labels: np.ndarray, seeds: Sequence[Any]
) -> list[CompactModel]:
    with threadpool_limits(limits=1):
        return [_refit(fitted, X, target, labels, child) for child in seeds]


def _refit(
    fitted: TunedClassifier, X: pd.DataFrame, target: np.ndarray, labels: np.ndarray, child: Any
) -> CompactModel:
    random = np.random.default_rng(child)
    rows = next(rows for rows in _draws(labels, random) if len(np.unique(target[rows])) == 2)
    preprocessor, encoded = fit_encoder(fitted.preprocessor, X.iloc[rows])
    model = fitted.family_.make(int(random.integers(2**31))).set_params(**fitted.best_params_)
    model.fit(encoded, target[rows])
    columns = encoded_columns(preprocessor)
    base, coef, trees = _numbers(model, len(columns))
    return CompactModel(columns, base, coef, trees, fitted.family_.score, fitted.calibration_)


def _draws(labels: np.ndarray, random: np.random.Generator) -> Iterator[np.ndarray]:
    """Rows of as many groups as there are, drawn with replacement, again and again."""
    order = np.argsort(labels, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(labels))[:-1])
    while True:
        yield np.concatenate([members[group] for group in random.integers(len(members), size=len(members))])
