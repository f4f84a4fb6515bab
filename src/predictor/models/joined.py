"""Many models side by side, for the few patients of one page: all refits behind a range in one pass.

Asked one after another, two hundred refits cost two hundred times the price of calling numpy; laid side by side they
cost what their numbers cost. The answers are those of `CompactModel.probability` to the last digits of a float64.

A patient and the same patient under another plan take the same way through a large tree until a node asks about the
plan. They walk together until then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from predictor.features.columns import RawColumns
from predictor.features.encoding import Encoding, JoinedEncodings, join_encodings, upright
from predictor.models.asked_at_once import AskedAtOnce, ask_at_once
from predictor.models.masks import MOST_LEAVES, most_leaves
from predictor.models.plain import CLIP, CompactModel, Member, expit, logit, through_line
from predictor.models.trees import Trees

__all__ = ["JoinedModels", "join_models"]

Grown = tuple[int, Trees, int]  # a member's number, its trees, and the row of its first encoded column
ALL = -1  # an entry of the walk that stands for every patient
LEVELS = 4  # after so many steps, ways that have ended are taken out
MOST_ANSWERS = 4_000_000  # trees times patients of one walk, 32 MB


@dataclass(frozen=True)
class _Linear:
    """Coefficients of the linear members, one after another.

    Parameters
    ----------
    members : ndarray of int of shape (m,)
        Which members they are.
    column : ndarray of int of shape (coefficients,)
        Row of the encoded column.
    coef : ndarray of float64 of shape (coefficients, 1)
    starts : ndarray of int of shape (m,)
        First coefficient of each.
    """

    members: np.ndarray
    column: np.ndarray
    coef: np.ndarray
    starts: np.ndarray

    def add(self, encoded: np.ndarray, scores: np.ndarray) -> None:
        """Add each member's sum to its score."""
        if len(self.members):
            scores[self.members] += np.add.reduceat(self.coef * encoded[self.column], self.starts, axis=0)


@dataclass(frozen=True)
class _SmallTrees:
    """Trees of the members whose masks fit into an integer.

    Parameters
    ----------
    members : ndarray of int of shape (m,)
    trees : AskedAtOnce or None
        None without members.
    """

    members: np.ndarray
    trees: AskedAtOnce | None

    def add(self, encoded: np.ndarray, scores: np.ndarray) -> None:
        """Add each member's sum over its trees to its score."""
        if self.trees is not None:
            scores[self.members] += self.trees.sums(encoded)


@dataclass(frozen=True)
class _Forest:
    """Trees of the other members, one after another.

    Parameters
    ----------
    members : ndarray of int of shape (m,)
    starts : ndarray of int of shape (m,)
        First tree of each.
    roots : ndarray of int of shape (trees,)
    nodes : ndarray of complex128 of shape (nodes,)
        Sixteen bytes each, which one look into memory fetches: the threshold (float32), then (int32) the row of the
        encoded column that the node asks about, its left and its right child. A leaf leads to itself.
    leaf : ndarray of int32 of shape (nodes,)
        Place of a leaf's value.
    value : ndarray of float64 of shape (leaves,)
    depth : int
        Nodes on the longest way from a root to a leaf.
    """

    members: np.ndarray
    starts: np.ndarray
    roots: np.ndarray
    nodes: np.ndarray
    leaf: np.ndarray
    value: np.ndarray
    depth: int

    def add(self, encoded: np.ndarray, scores: np.ndarray) -> None:
        """Add each member's sum over its trees to its score."""
        if len(self.members):
            scores[self.members] += np.add.reduceat(self._leaves(encoded), self.starts, axis=0)

    def _leaves(self, encoded: np.ndarray) -> np.ndarray:
        """Value of the leaf that each patient reaches, shape (trees, n)."""
        n, values = encoded.shape[1], encoded.ravel()
        differs = (encoded != encoded[:, :1]).any(axis=1)
        found = np.empty((len(self.roots), n))
        tree, node, who = np.arange(len(self.roots)), self.roots, np.full(len(self.roots), ALL)
        for level in range(1, self.depth):
            asked = self._asked(node)
            parting = differs.take(asked[:, 1]) & (who == ALL)
            if parting.any():
                tree, node, who = _parted(parting, n, tree, node, who)
                asked = self._asked(node)
            place = asked[:, 1].astype(np.intp) * n + np.maximum(who, 0)
            before, right = node, values.take(place) > asked.view(np.float32)[:, 0]
            node = np.where(right, asked[:, 3], asked[:, 2])
            if level % LEVELS == 0:
                going = node != before
                self._arrive(found, *(one[~going] for one in (tree, node, who)))
                tree, node, who = tree[going], node[going], who[going]
        self._arrive(found, tree, node, who)
        return found

    def _asked(self, node: np.ndarray) -> np.ndarray:
        return np.asarray(self.nodes.take(node).view(np.int32).reshape(-1, 4))

    def _arrive(self, found: np.ndarray, tree: np.ndarray, node: np.ndarray, who: np.ndarray) -> None:
        value, together = self.value.take(self.leaf.take(node)), who == ALL
        found[tree[together]] = value[together][:, None]
        found[tree[~together], who[~together]] = value[~together]


def _parted(parting: np.ndarray, n: int, *parts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Put one entry per patient in the place of those whose node tells the patients apart."""
    tree, node, who = parts
    alone = [np.repeat(one[parting], n) for one in (tree, node)]
    patients = np.tile(np.arange(n), len(alone[0]) // n)
    apart = (*alone, patients)
    found = [np.concatenate([one[~parting], new]) for one, new in zip((tree, node, who), apart, strict=True)]
    return found[0], found[1], found[2]


@dataclass(frozen=True)
class JoinedModels:
    """Compact models laid side by side.

    Parameters
    ----------
    encodings : JoinedEncodings
        Of all of them.
    linear : _Linear
    small : _SmallTrees
    forest : _Forest
        Trees of more than 64 leaves.
    base, slope, intercept, weight : ndarray of shape (members, 1)
        Slope and intercept of each member's calibration: 1 and 0 without one.
    by_logit : ndarray of bool of shape (members, 1)
        Whether its sum is a probability that no calibration has turned into log-odds.
    starts : ndarray of int of shape (models,)
        First member of each model.
    line : ndarray of shape (2, models, 1) or None
        Slope and intercept that the log-odds of the averages go through.
    """

    encodings: JoinedEncodings
    linear: _Linear
    small: _SmallTrees
    forest: _Forest
    base: np.ndarray
    slope: np.ndarray
    intercept: np.ndarray
    by_logit: np.ndarray
    weight: np.ndarray
    starts: np.ndarray
    line: np.ndarray | None

    def probability(self, raw: RawColumns, n: int) -> np.ndarray:
        """Evaluate the probability that every model gives to every patient.

        Parameters
        ----------
        raw : mapping of str to ndarray of float64 or Categories
            Numbers with NaN where missing.
        n : int
            Patients, a few.

        Returns
        -------
        ndarray of float64 of shape (models, n)
            In their order, each row that of `CompactModel.probability` within 1e-12.
        """
        # The last row is what a leaf asks about.
        encoded = np.zeros((self.encodings.columns + 1, n), dtype=np.float32)
        self.encodings.write(raw, n, encoded)
        scores = np.repeat(self.base, n, axis=1)
        self.linear.add(encoded, scores)
        self.small.add(encoded, scores)
        step = max(1, MOST_ANSWERS // max(1, len(self.forest.roots)))
        for start in range(0, n, step):
            self.forest.add(encoded[:, start : start + step], scores[:, start : start + step])
        return self._averaged(scores)

    def _averaged(self, scores: np.ndarray) -> np.ndarray:
        eta = self.intercept + self.slope * scores
        if self.by_logit.any():
            eta = np.where(self.by_logit, logit(np.clip(scores, CLIP, 1.0 - CLIP)), eta)
        found = np.add.reduceat(self.weight * expit(eta), self.starts, axis=0)
        return found if self.line is None else through_line(found, (self.line[0], self.line[1]))


def join_models(models: Sequence[CompactModel]) -> JoinedModels:
    """Lay models side by side.

    Parameters
    ----------
    models : sequence of CompactModel
        One at least, each with one member at least; all with a line, or none.
    """
    members = [member for model in models for member in model.members]
    encodings, first = _encodings(members)
    offsets = np.cumsum([0, *(len(columns) for _, columns in encodings)])
    at = [int(offsets[i]) for i in first]
    lines = [model.line for model in models]
    nothing = int(offsets[-1])
    grown = [(i, member.trees, at[i]) for i, member in enumerate(members) if member.trees is not None]
    small = [one for one in grown if most_leaves(one[1]) <= MOST_LEAVES]
    sizes = [len(model.members) for model in models]
    sigmoid = [member.sigmoid or (1.0, 0.0) for member in members]
    return JoinedModels(
        encodings=join_encodings(encodings),
        linear=_linear(members, at),
        small=_small_trees(small, nothing=nothing),
        forest=_forest([one for one in grown if most_leaves(one[1]) > MOST_LEAVES], nothing=nothing),
        base=upright(member.base for member in members),
        slope=upright(slope for slope, _ in sigmoid),
        intercept=upright(intercept for _, intercept in sigmoid),
        by_logit=np.array([[m.sigmoid is None and m.scale == "probability"] for m in members]),
        weight=upright(weight for model in models for weight in model.weights),
        starts=np.cumsum([0, *sizes])[:-1],
        line=None if None in lines else np.array(lines, dtype=np.float64).T[:, :, None],
    )


def _encodings(members: Sequence[Member]) -> tuple[list[Encoding], list[int]]:
    """List what is encoded alike once, and say for each member which of them it takes."""
    found: dict[tuple[int, int], int] = {}
    encodings: list[Encoding] = []
    taken = []
    for member in members:
        key = (id(member.chain), id(member.columns))
        if key not in found:
            found[key] = len(encodings)
            encodings.append((member.chain, member.columns))
        taken.append(found[key])
    return encodings, taken


def _linear(members: Sequence[Member], at: Sequence[int]) -> _Linear:
    own = [i for i, member in enumerate(members) if len(member.coef)]
    sizes = [len(members[i].coef) for i in own]
    columns = [at[i] + np.arange(size) for i, size in zip(own, sizes, strict=True)]
    coef = [members[i].coef for i in own]
    return _Linear(
        members=np.array(own, dtype=np.intp),
        column=np.concatenate([np.zeros(0, dtype=np.intp), *columns]),
        coef=np.concatenate([np.zeros(0), *coef])[:, None],
        starts=np.cumsum([0, *sizes], dtype=np.intp)[:-1],
    )


def _small_trees(own: Sequence[Grown], *, nothing: int) -> _SmallTrees:
    trees = ask_at_once([(trees, place) for _, trees, place in own], nothing=nothing) if own else None
    return _SmallTrees(np.array([i for i, _, _ in own], dtype=np.intp), trees)


def _forest(own: Sequence[Grown], *, nothing: int) -> _Forest:
    grown = [trees for _, trees, _ in own]
    starts = np.cumsum([0, *(len(trees.feature) for trees in grown)])
    nodes = np.empty((starts[-1], 4), dtype=np.int32)
    for (_, trees, place), start in zip(own, starts, strict=False):
        _write_nodes(nodes[start : start + len(trees.feature)], trees, place, start=start, nothing=nothing)
    ends = nodes[:, 1] == nothing
    roots = [trees.roots + start for trees, start in zip(grown, starts, strict=False)]
    joined_roots = np.concatenate([np.zeros(0, dtype=np.intp), *roots]).astype(np.intp)
    return _Forest(
        members=np.array([i for i, _, _ in own], dtype=np.intp),
        starts=np.cumsum([0, *(len(trees.roots) for trees in grown)], dtype=np.intp)[:-1],
        roots=joined_roots,
        nodes=nodes.view(np.complex128).ravel(),
        leaf=(np.cumsum(ends) - 1).astype(np.int32),
        value=np.concatenate([np.zeros(0), *(trees.value for trees in grown)]),
        depth=_depth(nodes, joined_roots),
    )


def _write_nodes(nodes: np.ndarray, trees: Trees, place: int, *, start: int, nothing: int) -> None:
    inner, own = trees.feature >= 0, np.arange(start, start + len(nodes))
    nodes[:, 0] = trees.threshold.view(np.int32)
    nodes[:, 1] = np.where(inner, trees.feature.astype(np.int32) + place, nothing)
    nodes[:, 2] = np.where(inner, own + 1, own)
    nodes[:, 3] = np.where(inner, trees.right + start, own)


def _depth(nodes: np.ndarray, roots: np.ndarray) -> int:
    depth, level = 0, roots
    while len(level):
        depth += 1
        level = level[nodes[level, 2] != level]
        level = np.concatenate([nodes[level, 2], nodes[level, 3]])
    return depth
