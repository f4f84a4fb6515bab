"""Trees of a fitted model as plain arrays, evaluated by numpy alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Trees", "boosted_trees", "forest_trees", "join_trees"]

Nodes = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]

ROWS = 4096
TYPES = {
    "roots": np.int32,
    "feature": np.int16,
    "threshold": np.float32,
    "right": np.int32,
    "value": np.float64,
    "cover": np.float64,
}


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
    cover : ndarray of float64 of shape (nodes,)
        Weight of the training patients that reached each node; what explanations average over.
    """

    roots: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    right: np.ndarray
    value: np.ndarray
    cover: np.ndarray

    @classmethod
    def of(cls, parts: Mapping[str, Sequence[float] | np.ndarray]) -> Trees:
        """Read the arrays, by the names of the parameters, in their types."""
        return cls(**{name: np.asarray(parts[name], dtype=dtype) for name, dtype in TYPES.items()})

    def total(self, X: np.ndarray) -> np.ndarray:
        """Sum over the trees of the leaf that each encoded patient reaches, shape (n,)."""
        total = np.empty(len(X))
        for start in range(0, len(X), ROWS):
            rows = slice(start, start + ROWS)
            total[rows] = self._total(X[rows])
        return total

    def _total(self, X: np.ndarray) -> np.ndarray:
        rows = np.arange(len(X))[:, None]
        node = np.broadcast_to(self.roots, (len(X), len(self.roots))).copy()
        while True:
            asked = self.feature[node]
            inner = asked >= 0
            if not inner.any():
                break
            left = X[rows, np.maximum(asked, 0)] <= self.threshold[node] if X.shape[1] else inner
            node = np.where(inner, np.where(left, node + 1, self.right[node]), node)
        leaf = np.cumsum(self.feature < 0) - 1
        return np.asarray(self.value[leaf[node]].sum(axis=1))


def forest_trees(model: Any) -> Trees:
    """Take the trees of a fitted RandomForestClassifier; their leaves add up to its probability."""
    size = len(model.estimators_)
    return join_trees([_forest_nodes(tree.tree_, size) for tree in model.estimators_])


def boosted_trees(model: Any) -> Trees:
    """Take the trees of a fitted HistGradientBoostingClassifier; with its baseline they add up to log-odds."""
    # scikit-learn has no public view of them. The pinned minor version and the tests of equality guard this.
    return join_trees([_boosted_nodes(stage[0].nodes) for stage in model._predictors])


def _forest_nodes(tree: Any, size: int) -> Nodes:
    """Nodes as (feature, threshold, left, right, value, cover); a forest is the mean of its trees."""
    feature = np.where(tree.children_left < 0, -1, tree.feature)
    value = tree.value[:, 0, 1] / size
    return (
        feature,
        tree.threshold,
        tree.children_left,
        tree.children_right,
        value,
        tree.weighted_n_node_samples,
    )


def _boosted_nodes(nodes: np.ndarray) -> Nodes:
    feature = np.where(nodes["is_leaf"], -1, nodes["feature_idx"])
    return feature, nodes["num_threshold"], nodes["left"], nodes["right"], nodes["value"], nodes["count"]


def join_trees(trees: Sequence[Nodes]) -> Trees:
    """Lay trees one after another."""
    if not all(
        (left[feature >= 0] == np.flatnonzero(feature >= 0) + 1).all() for feature, _, left, *_ in trees
    ):
        msg = (
            "Trees are not in depth-first order: this scikit-learn stores them otherwise than the pinned one."
        )
        raise ValueError(msg)
    starts = np.cumsum([0, *(len(tree[0]) for tree in trees)])[:-1]
    feature = np.concatenate([tree[0] for tree in trees])
    inner = feature >= 0
    right = np.concatenate([tree[3] + start for tree, start in zip(trees, starts, strict=True)])
    return Trees(
        roots=starts.astype(np.int32),
        feature=feature.astype(np.int16),
        threshold=_rounded_down(np.where(inner, np.concatenate([tree[1] for tree in trees]), 0.0)),
        right=np.where(inner, right, 0).astype(np.int32),
        value=np.concatenate([tree[4] for tree in trees])[~inner].astype(np.float64),
        cover=np.concatenate([tree[5] for tree in trees]).astype(np.float64),
    )


def _rounded_down(values: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        rounded = values.astype(np.float32)
    lower = np.nextafter(rounded, np.float32(-np.inf))
    return np.asarray(np.where(rounded > values, lower, rounded), dtype=np.float32)
