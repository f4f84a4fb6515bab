"""Sums of small trees for a few patients: every node of every tree is asked at once, and one leaf of each remains.

A walk takes as many steps as the deepest tree, each over arrays that are looked up out of order. Here each node rules
out the leaves on its other side, whether a patient would come to it or not, and what is left of a tree is the leaf
that the patient reaches. Another plan of the same patient changes the answers of the nodes that ask about the plan.

References
----------
Lucchese et al. (2015), QuickScorer, SIGIR: for the masks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from predictor.models.masks import mask_type, most_leaves, only_bit, ruled_out
from predictor.models.trees import Trees

__all__ = ["AskedAtOnce", "ask_at_once"]

NODES = 65_536  # at once: their masks stay in the processor's second cache


@dataclass(frozen=True)
class _Nodes:
    """Inner nodes of trees, one tree after another; a tree without any has one that asks nothing.

    Parameters
    ----------
    column : ndarray of intp of shape (nodes,)
        Row of the encoded column.
    threshold : ndarray of float32 of shape (nodes,)
    left : ndarray of unsigned integers of shape (nodes,)
        A 1 for every leaf that is left after a step to the left.
    change : ndarray of unsigned integers of shape (nodes,)
        What a step to the right changes in it.
    starts : ndarray of intp of shape (trees,)
        First node of each tree.
    leaves : ndarray of intp of shape (trees,)
        Place of the value of its first leaf.
    """

    column: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    change: np.ndarray
    starts: np.ndarray
    leaves: np.ndarray

    def reached(self, encoded: np.ndarray, differs: np.ndarray) -> np.ndarray:
        """Place of the value of the leaf that each patient reaches, shape (n, trees).

        Parameters
        ----------
        encoded : ndarray of float32 of shape (n, columns)
        differs : ndarray of bool of shape (columns,)
            Whether a patient's value is not the first one's.
        """
        place = np.empty((len(encoded), len(self.starts)), dtype=np.intp)
        kept = self._kept(encoded[0], slice(None))
        parting = np.flatnonzero(differs.take(self.column)) if len(encoded) > 1 else slice(0)
        for i, values in enumerate(encoded):
            if i:
                kept[parting] = self._kept(values, parting)
            place[i] = only_bit(np.bitwise_and.reduceat(kept, self.starts)) + self.leaves
        return place

    def _kept(self, values: np.ndarray, nodes: slice | np.ndarray) -> np.ndarray:
        """Mask of some nodes for one patient: without a branch, which the processor would guess wrong half the time."""
        right = values.take(self.column[nodes]) > self.threshold[nodes]
        return np.asarray(self.left[nodes] ^ (self.change[nodes] & -right.astype(self.left.dtype)))


@dataclass(frozen=True)
class AskedAtOnce:
    """Trees of at most 64 leaves, of several models.

    Parameters
    ----------
    parts : tuple of _Nodes
        Of a size that a cache holds.
    value : ndarray of float64 of shape (leaves,)
    sizes : tuple of int
        Trees of each model.
    """

    parts: tuple[_Nodes, ...]
    value: np.ndarray
    sizes: tuple[int, ...]

    def sums(self, encoded: np.ndarray) -> np.ndarray:
        """Sum each model's trees, shape (models, n).

        Parameters
        ----------
        encoded : ndarray of float32 of shape (columns + 1, n)
            The last row is 0.
        """
        differs = (encoded != encoded[:, :1]).any(axis=1)
        values = np.ascontiguousarray(encoded.T)
        reached = np.concatenate([part.reached(values, differs) for part in self.parts], axis=1)
        return np.add.reduceat(self.value.take(reached), self._starts, axis=1).T

    @cached_property
    def _starts(self) -> np.ndarray:
        return np.cumsum([0, *self.sizes[:-1]])


def ask_at_once(grown: Sequence[tuple[Trees, int]], *, nothing: int) -> AskedAtOnce:
    """Lay the trees of several models side by side.

    Parameters
    ----------
    grown : sequence of (Trees, int)
        Of each model, with the row of its first encoded column; one model at least, none of whose trees has more than
        64 leaves.
    nothing : int
        A row that is 0 for everybody.
    """
    dtype = mask_type(max(most_leaves(trees) for trees, _ in grown))
    asked = [_asked(trees, first, nothing, dtype) for trees, first in grown]
    column, threshold, left, change = (
        np.concatenate(part) for part in zip(*(one[:4] for one in asked), strict=True)
    )
    sizes, leaves = np.concatenate([one[4] for one in asked]), np.concatenate([one[5] for one in asked])
    starts, first_leaf = np.cumsum(sizes) - sizes, np.cumsum(leaves) - leaves
    parts = []
    for trees in np.split(np.arange(len(starts)), np.flatnonzero(np.diff(starts // NODES)) + 1):
        nodes = slice(starts[trees[0]], starts[trees[-1]] + sizes[trees[-1]])
        parts.append(
            _Nodes(
                column[nodes],
                threshold[nodes],
                left[nodes],
                change[nodes],
                starts[trees] - nodes.start,
                first_leaf[trees],
            )
        )
    value = np.concatenate([trees.value for trees, _ in grown])
    return AskedAtOnce(tuple(parts), value, tuple(len(trees.roots) for trees, _ in grown))


def _asked(
    trees: Trees, first: int, nothing: int, dtype: np.dtype[np.unsignedinteger]
) -> tuple[np.ndarray, ...]:
    """Give a model's nodes as (column, threshold, left, change), and (nodes, leaves) of each tree."""
    leaves = np.add.reduceat(trees.feature < 0, trees.roots)
    asks = trees.feature >= 0
    asks[trees.roots] = True  # a root that is a leaf asks nothing, and rules nothing out
    inner = trees.feature[asks] >= 0
    there = np.repeat([(1 << int(n)) - 1 for n in leaves], np.add.reduceat(asks, trees.roots)).astype(
        np.uint64
    )
    left, right = (np.where(inner, there & ~gone[asks], there).astype(dtype) for gone in ruled_out(trees))
    column = np.where(inner, trees.feature[asks] + first, nothing).astype(np.intp)
    return column, trees.threshold[asks], left, left ^ right, np.add.reduceat(asks, trees.roots), leaves
