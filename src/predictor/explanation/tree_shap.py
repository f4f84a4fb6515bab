r"""Exact path-dependent Shapley values of trees by numpy alone.

A leaf pays its value where a patient meets every condition on its path; a condition that is not known is met by
the share of training patients that took the same turn. With :math:`o_k \in \{0, 1\}` for a condition of the patient
and :math:`z_k` for that share, feature :math:`j` gets of the leaf

.. math:: v\,(o_j - z_j) \int_0^1 \prod_{k \ne j} \bigl(o_k t + z_k (1 - t)\bigr)\,dt,

since the integral of :math:`t^s (1-t)^{d-1-s}` is the Shapley weight of :math:`s` known among :math:`d - 1` others. The
integrand is a polynomial, so Gauss-Legendre quadrature with half as many points as conditions is exact, whatever
the depth. For many patients the answer depends on nothing but which way each node of a small subtree sends them, and
is looked up in a table of all ways.

References
----------
Lundberg et al. (2020), Nat Mach Intell 2:56. Yu et al. (2022), Linear TreeShap, NeurIPS 35.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from predictor.models.trees import Trees

__all__ = ["TreeShap"]

MOST_BITS, FEWER_BITS = 10, 8  # nodes of a table: 1,024 or 256 ways
MANY_PATIENTS = 16_384  # from here on the longer tables pay
FEW = 8  # patients who are added up one by one
FEWEST_FOR_TABLES = 512  # patients; fewer are answered sooner than tables are made
MOST_KEPT = 64_000_000  # bytes of tables that are kept for the next patients
ROWS_AT_ONCE, LEAVES_AT_ONCE = 256, 512
ROWS_OF_A_LOOKUP = 16_384


@dataclass(frozen=True)
class _Leaves:
    """Leaves as conditions on distinct features: ``low < x <= high``; unused places hold for everybody.

    Parameters
    ----------
    feature : ndarray of int of shape (depth, leaves)
        -1 in unused places.
    low, high : ndarray of float32 of shape (depth, leaves)
    share : ndarray of float64 of shape (depth, leaves)
        Of the training patients at the node who took the turn; the product where a feature is asked twice.
    value : ndarray of float64 of shape (leaves,)
    """

    feature: np.ndarray
    low: np.ndarray
    high: np.ndarray
    share: np.ndarray
    value: np.ndarray

    def take(self, chosen: slice | np.ndarray) -> _Leaves:
        """Keep some leaves, and the depth that they need."""
        feature = self.feature[:, chosen]
        depth = int((feature >= 0).sum(axis=0).max(initial=1))
        low, high, share = (part[:depth, chosen] for part in (self.low, self.high, self.share))
        return _Leaves(feature[:depth], low, high, share, self.value[chosen])


@dataclass(frozen=True)
class _Table:
    """Contributions of some leaves for every way that a few nodes can send a patient.

    Parameters
    ----------
    nodes : ndarray of int of shape (bits,)
    features : ndarray of int of shape (k,)
    values : ndarray of float64 of shape (k, 2**bits)
    """

    nodes: np.ndarray
    features: np.ndarray
    values: np.ndarray


class TreeShap:
    """Explains sums of trees.

    Parameters
    ----------
    trees : Trees

    Attributes
    ----------
    base : float
        Mean of the trees over their training patients, from which contributions start.
    """

    def __init__(self, trees: Trees) -> None:
        self._trees = trees
        self._leaves, self._number = _leaves_of(trees)
        self._tables: tuple[int, list[_Table | _Leaves]] | None = None
        self.base = float((self._leaves.value * self._leaves.share.prod(axis=0)).sum())

    def contributions(self, X: np.ndarray) -> np.ndarray:
        """Attribute the sum of the trees to the encoded columns.

        Parameters
        ----------
        X : ndarray of float32 of shape (columns, n)
            As `predictor.features.encoding.encode_block` gives it.

        Returns
        -------
        ndarray of float64 of shape (columns, n)
            With `base` they add up to ``trees.total``.
        """
        n = X.shape[1]
        total = np.zeros(X.shape)
        if n < FEWEST_FOR_TABLES:
            self._add_directly(self._leaves, X, total)
            return total
        for table in self._each_table(MOST_BITS if n >= MANY_PATIENTS else FEWER_BITS):
            if isinstance(table, _Leaves):
                self._add_directly(table, X, total)
                continue
            for rows in _steps(n, ROWS_OF_A_LOOKUP):
                self._look_up(table, X[:, rows], total[:, rows])
        return total

    def _add_directly(self, leaves: _Leaves, X: np.ndarray, total: np.ndarray) -> None:
        for chosen in _steps(len(leaves.value), LEAVES_AT_ONCE):
            some = leaves.take(chosen)
            for rows in _steps(X.shape[1], ROWS_AT_ONCE):
                asked = X[:, rows][some.feature]
                holds = (asked > some.low[:, :, None]) & (asked <= some.high[:, :, None])
                holds |= (some.feature < 0)[:, :, None]
                parts = _shapley(holds, some)
                if parts.shape[2] <= FEW:
                    _count_by_feature(total[:, rows], some.feature, parts)
                    continue
                for feature, part in zip(some.feature, parts, strict=True):
                    _add_by_feature(total[:, rows], feature, part)

    def _each_table(self, bits: int) -> Iterator[_Table | _Leaves]:
        """Yield all tables of so many nodes, keeping them if they are small, and the leaves too deep for any."""
        if self._tables is not None and self._tables[0] >= bits:
            yield from self._tables[1]
            return
        kept: list[_Table | _Leaves] = []
        deep: list[int] = []
        size = 0
        for root in self._trees.roots:
            for nodes, below in _groups(self._trees, int(root), [], bits):
                if len(nodes) > bits:
                    deep += [leaf for leaf, _ in below]
                    continue
                table = self._make_table(nodes, below)
                size += table.values.nbytes
                if size <= MOST_KEPT:
                    kept.append(table)
                yield table
        if deep:
            kept.append(self._leaves.take(np.sort(self._number[deep])))
            yield kept[-1]
        if size <= MOST_KEPT:
            self._tables = (bits, kept)

    def _make_table(self, nodes: Sequence[int], below: Sequence[tuple[int, list[int]]]) -> _Table:
        leaves = self._leaves.take(self._number[[leaf for leaf, _ in below]])
        bit = {node: 1 << i for i, node in enumerate(nodes)}
        mask, wanted = np.zeros((2, *leaves.feature.shape), dtype=np.int64)
        for at, (_, turns) in enumerate(below):
            for turn in turns:
                node = turn if turn >= 0 else ~turn
                place = int(np.argmax(leaves.feature[:, at] == self._trees.feature[node]))
                mask[place, at] |= bit[node]
                wanted[place, at] |= bit[node] if turn >= 0 else 0
        ways = np.arange(1 << len(nodes))
        parts = _shapley((ways & mask[:, :, None]) == wanted[:, :, None], leaves)
        features = np.unique(leaves.feature[leaves.feature >= 0])
        values = (
            np.stack([parts[leaves.feature == one].sum(axis=0) for one in features])
            if len(features)
            else parts[0]
        )
        return _Table(np.array(nodes, dtype=np.intp), features, np.ascontiguousarray(values))

    def _look_up(self, table: _Table, X: np.ndarray, total: np.ndarray) -> None:
        trees = self._trees
        way = np.zeros(X.shape[1], dtype=np.intp)
        for i, node in enumerate(table.nodes):
            way += (X[trees.feature[node]] <= trees.threshold[node]).astype(np.intp) << i
        for feature, values in zip(table.features, table.values, strict=False):
            total[feature] += values.take(way)


def _groups(
    trees: Trees, node: int, path: list[int], bits: int
) -> Iterator[tuple[list[int], list[tuple[int, list[int]]]]]:
    """Split a tree into leaves that share few nodes; each leaf comes with the turns to it, ``~node`` being right."""
    below = _subtree(trees, node, path)
    nodes = list(dict.fromkeys(turn if turn >= 0 else ~turn for _, turns in below for turn in turns))
    if len(nodes) <= bits or trees.feature[node] < 0:
        yield nodes, below
        return
    yield from _groups(trees, node + 1, [*path, node], bits)
    yield from _groups(trees, int(trees.right[node]), [*path, ~node], bits)


def _steps(n: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def _subtree(trees: Trees, node: int, path: list[int]) -> list[tuple[int, list[int]]]:
    """Leaves below a node, each with the turns to it."""
    if trees.feature[node] < 0:
        return [(node, path)]
    left = _subtree(trees, node + 1, [*path, node])
    return left + _subtree(trees, int(trees.right[node]), [*path, ~node])


def _shapley(holds: np.ndarray, leaves: _Leaves) -> np.ndarray:
    """Shapley values of leaves, shape (depth, leaves, n), from which conditions hold, of the same shape."""
    depth = len(holds)
    share, known = leaves.share[:, :, None], holds.astype(np.float64)
    total = np.zeros(holds.shape)
    for t, weight in _quadrature((depth + 1) // 2):
        factor = t * known
        factor += (1.0 - t) * share
        whole = weight * np.multiply.reduce(factor, axis=0)
        total += np.divide(whole, factor, out=factor)
    known -= share
    known *= leaves.value[:, None]
    total *= known
    return total


@cache
def _quadrature(points: int) -> tuple[tuple[float, float], ...]:
    """Points and weights of Gauss and Legendre on (0, 1)."""
    at, weights = np.polynomial.legendre.leggauss(points)
    return tuple(zip((at + 1.0) / 2.0, weights / 2.0, strict=True))


def _count_by_feature(total: np.ndarray, feature: np.ndarray, parts: np.ndarray) -> None:
    """Add all parts, shape (depth, leaves, n), of a few patients, one patient after another."""
    used = feature >= 0
    for own, part in zip(total.T, parts[used].T, strict=True):
        own += np.bincount(feature[used], weights=part, minlength=len(total))


def _add_by_feature(total: np.ndarray, feature: np.ndarray, part: np.ndarray) -> None:
    """Add the leaves' parts, shape (leaves, n), to the features that they are about."""
    order = np.argsort(feature, kind="stable")
    own = feature[order]
    starts = np.flatnonzero(np.diff(own, prepend=own[0] - 1))
    sums = np.add.reduceat(part[order], starts, axis=0)
    used = own[starts] >= 0
    total[own[starts][used]] += sums[used]


def _leaves_of(trees: Trees) -> tuple[_Leaves, np.ndarray]:
    """Walk all trees down level by level, carrying the conditions of each path.

    Returns
    -------
    leaves : _Leaves
        Those of few conditions first: what is computed together is then about equally deep.
    number : ndarray of int of shape (nodes,)
        Place of every node that is a leaf.
    """
    node = trees.roots.astype(np.intp)
    conditions = _Conditions.none(len(node))
    found: list[tuple[np.ndarray, _Conditions]] = []
    while len(node):
        inner = trees.feature[node] >= 0
        found.append((node[~inner], conditions.take(~inner)))
        node, conditions = node[inner], conditions.take(inner)
        sides = [(node + 1, True), (trees.right[node].astype(np.intp), False)]
        grown = [conditions.and_turn(trees, node, child, left=left) for child, left in sides]
        conditions = _Conditions(
            *(np.concatenate(pair, axis=1) for pair in zip(grown[0].parts, grown[1].parts, strict=True))
        )
        node = np.concatenate([child for child, _ in sides])
    return _in_order(trees, found)


def _in_order(trees: Trees, found: Sequence[tuple[np.ndarray, _Conditions]]) -> tuple[_Leaves, np.ndarray]:
    nodes = np.concatenate([some for some, _ in found])
    depth = max(1, *(len(conditions.feature) for _, conditions in found))
    deep = [conditions.of_depth(depth).parts for _, conditions in found]
    feature, low, high, share = (np.concatenate(part, axis=1) for part in zip(*deep, strict=True))
    order = np.lexsort([nodes, (feature >= 0).sum(axis=0)])
    value = trees.value[np.cumsum(trees.feature < 0)[nodes] - 1]
    number = np.zeros(len(trees.feature), dtype=np.intp)
    number[nodes[order]] = np.arange(len(nodes))
    leaves = _Leaves(feature, low, high, share, value)
    return leaves.take(order), number


@dataclass(frozen=True)
class _Conditions:
    """Conditions on the way to some nodes, each array of shape (depth, nodes)."""

    feature: np.ndarray
    low: np.ndarray
    high: np.ndarray
    share: np.ndarray

    @classmethod
    def none(cls, n: int) -> _Conditions:
        return cls(
            np.full((0, n), -1, dtype=np.intp),
            np.full((0, n), -np.inf, dtype=np.float32),
            np.full((0, n), np.inf, dtype=np.float32),
            np.ones((0, n)),
        )

    @property
    def parts(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        return self.feature, self.low, self.high, self.share

    def take(self, kept: np.ndarray) -> _Conditions:
        return _Conditions(*(part[:, kept] for part in self.parts))

    def of_depth(self, depth: int) -> _Conditions:
        more = depth - len(self.feature)
        empty = (-1, -np.inf, np.inf, 1.0)
        pairs = zip(self.parts, empty, strict=True)
        return _Conditions(
            *(np.pad(part, ((0, more), (0, 0)), constant_values=value) for part, value in pairs)
        )

    def and_turn(self, trees: Trees, node: np.ndarray, child: np.ndarray, *, left: bool) -> _Conditions:
        """Add the turn from each node to its child, in the place of the feature that it asks about."""
        grown = self.of_depth(len(self.feature) + 1)
        asked = trees.feature[node].astype(np.intp)
        same = grown.feature == asked
        place = np.where(same.any(axis=0), same.argmax(axis=0), (grown.feature >= 0).sum(axis=0))
        at = (place, np.arange(len(node)))
        grown.feature[at] = asked
        side, tighter = (grown.high, np.minimum) if left else (grown.low, np.maximum)
        side[at] = tighter(side[at], trees.threshold[node])
        grown.share[at] *= trees.cover[child] / trees.cover[node]
        return grown
