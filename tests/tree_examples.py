"""Random trees of a given size, for the tests of the ways in which trees are evaluated."""

from __future__ import annotations

import numpy as np

from predictor.models.trees import Trees

TREE_COLUMNS = 6


def grown_trees(leaves: int, *, trees: int = 5, seed: int = 0) -> Trees:
    """Random trees in depth-first order, each with as many leaves as are asked for."""
    rng = np.random.default_rng(seed)
    feature: list[int] = []
    right: list[int] = []

    def grow(n: int) -> None:
        own = len(feature)
        feature.append(-1 if n == 1 else int(rng.integers(TREE_COLUMNS)))
        right.append(0)
        if n > 1:
            to_the_left = int(rng.integers(1, n))
            grow(to_the_left)
            right[own] = len(feature)
            grow(n - to_the_left)

    roots = []
    for _ in range(trees):
        roots.append(len(feature))
        grow(leaves)
    nodes = len(feature)
    thresholds = np.round(rng.normal(size=nodes), 1)  # values are rounded too, and meet them
    parts = {"threshold": thresholds, "value": rng.normal(size=trees * leaves), "cover": np.ones(nodes)}
    return Trees.of({"roots": roots, "feature": feature, "right": right, **parts})
