"""Every node asked at once against a walk through the trees: the same leaves, however many a tree has."""

from __future__ import annotations

import numpy as np
import pytest

from predictor.models.asked_at_once import NODES, AskedAtOnce, ask_at_once
from predictor.models.masks import most_leaves
from predictor.models.trees import Trees
from tree_examples import TREE_COLUMNS as COLUMNS
from tree_examples import grown_trees as grown


def asked(models: list[Trees], X: np.ndarray) -> np.ndarray:
    """Lay them side by side, each with encoded columns of its own."""
    together: AskedAtOnce = ask_at_once(
        [(trees, i * COLUMNS) for i, trees in enumerate(models)], nothing=len(models) * COLUMNS
    )
    nothing = np.zeros((1, len(X)), dtype=np.float32)
    return together.sums(np.concatenate([*([X.T] * len(models)), nothing]))


@pytest.mark.parametrize("leaves", [1, 2, 8, 9, 16, 17, 32, 33, 63, 64])
@pytest.mark.parametrize("n", [1, 4])
def test_the_leaves_are_those_of_a_walk(leaves: int, n: int) -> None:
    trees = grown(leaves)
    assert most_leaves(trees) == leaves
    X = np.round(np.random.default_rng(1).normal(size=(40, COLUMNS)), 1).astype(np.float32)
    for start in range(0, 40, n):
        few = X[start : start + n]
        np.testing.assert_allclose(asked([trees], few)[0], trees.total(few), rtol=0, atol=1e-12)


def test_models_of_different_sizes_keep_their_own_sums() -> None:
    models = [grown(12, trees=7), grown(1, trees=2), grown(40, trees=3, seed=1), grown(5, trees=1, seed=2)]
    X = np.random.default_rng(2).normal(size=(3, COLUMNS)).astype(np.float32)
    expected = np.array([trees.total(X) for trees in models])
    np.testing.assert_allclose(asked(models, X), expected, rtol=0, atol=1e-12)


def test_another_plan_changes_the_answers_of_its_own_nodes_alone() -> None:
    """Copies of a patient that differ in one column: the others are not asked again."""
    trees = grown(30, trees=20)
    X = np.tile(np.random.default_rng(3).normal(size=(1, COLUMNS)).astype(np.float32), (4, 1))
    for column in range(COLUMNS):
        copies = X.copy()
        copies[1:, column] += np.array([-2, 0.5, 2], dtype=np.float32)
        found = asked([trees], copies)[0]
        np.testing.assert_allclose(found, trees.total(copies), rtol=0, atol=1e-12)
        assert np.ptp(found) > 0


def test_more_nodes_than_are_asked_at_once() -> None:
    models = [grown(64, trees=60, seed=seed) for seed in range(25)]
    assert sum((trees.feature >= 0).sum() for trees in models) > NODES
    X = np.random.default_rng(4).normal(size=(2, COLUMNS)).astype(np.float32)
    expected = np.array([trees.total(X) for trees in models])
    np.testing.assert_allclose(asked(models, X), expected, rtol=0, atol=1e-12)
