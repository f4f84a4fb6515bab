"""Sums of small trees without walking them: every value rules out leaves, and one leaf of each tree remains.

References
----------
Lucchese et al. (2015), QuickScorer, SIGIR: for the masks. Here the masks of all nodes that ask about one input are
joined per interval of its values, so that an input costs one lookup for all trees together.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from predictor.features.columns import (
    Categories,
    EncodedColumn,
    RawColumns,
    read_number,
    read_numbers,
    rows_of,
)
from predictor.models.trees import Trees

__all__ = ["MOST_LEAVES", "MaskedTrees", "mask_trees", "mask_type", "most_leaves", "only_bit", "ruled_out"]

MOST_LEAVES = 64  # bits of the widest mask
MOST_BYTES = 1 << 18  # of a joined table: it should stay in the processor's second cache
ROWS, ROWS_OF_STATES = 2048, 16_384
CELLS, MOST_IN_A_CELL = 2048, 4


@dataclass(frozen=True)
class _Grid:
    """Counts the cuts below a number five times as fast as a binary search: even cells first, then what is in the cell.

    Parameters
    ----------
    low, pace : float
        Start of the cells, and cells per unit.
    below : ndarray of intp of shape (cells,)
        Cuts below each cell.
    cuts : ndarray of float32 of shape (cuts + 1,)
        And infinity.
    crowd : int
        Cuts in the fullest cell.
    """

    low: np.float32
    pace: np.float32
    below: np.ndarray
    cuts: np.ndarray
    crowd: int

    @classmethod
    def over(cls, cuts: np.ndarray) -> _Grid:
        """Lay cells over sorted cuts."""
        low = cuts[0] if len(cuts) else np.float32(0)
        width = float(cuts[-1]) - float(low) if len(cuts) else 0.0
        pace = np.float32((CELLS - 1) / width if width > 1e-30 else 0.0)
        cells = cls(low, pace, np.zeros(CELLS, dtype=np.intp), cuts, 0)._cells(cuts)
        counts = np.bincount(cells, minlength=CELLS)
        below = np.cumsum(counts) - counts
        return cls(low, pace, below, np.append(cuts, np.float32(np.inf)), int(counts.max()))

    def bins(self, values: np.ndarray) -> np.ndarray:
        """Count the cuts below each number, shape (n,); none is NaN."""
        if self.crowd > MOST_IN_A_CELL:
            return np.searchsorted(self.cuts[:-1], values, side="left")
        found = self.below.take(self._cells(values))
        for _ in range(self.crowd):
            found += self.cuts.take(found) < values
        return found

    def _cells(self, values: np.ndarray) -> np.ndarray:
        if self.pace == 0:
            return np.zeros(len(values), dtype=np.int16)
        # A rising function of the value, in whatever way it is rounded: what lies in an earlier cell is smaller.
        with np.errstate(over="ignore", invalid="ignore"):
            place = np.subtract(values, self.low)
            place *= self.pace
        np.clip(place, 0, CELLS - 1, out=place)
        cells: np.ndarray = place.astype(np.int16)
        return cells


@dataclass(frozen=True)
class _Input:
    """States of one raw input: intervals between thresholds and missing, or levels, other and missing.

    Parameters
    ----------
    name : str
    columns : tuple of EncodedColumn
        Encoded columns of the input.
    cuts : ndarray of float32 of shape (states - 1,)
        Thresholds of a number on its encoded scale and infinity, beyond which only missing lies.
    levels : tuple of str or None
        Kept levels of a category.
    """

    name: str
    columns: tuple[EncodedColumn, ...]
    cuts: np.ndarray
    levels: tuple[str, ...] | None

    @property
    def size(self) -> int:
        """Number of states."""
        return len(self.cuts) + 1 if self.levels is None else len(self.levels) + 2

    @cached_property
    def value(self) -> EncodedColumn:
        """Encoded column of the number itself."""
        return next(
            (one for one in self.columns if one.operation == "value"), EncodedColumn(self.name, "value")
        )

    def encoded(self) -> np.ndarray:
        """Encode a patient in each state, shape (states, columns)."""
        missing = np.arange(self.size) == self.size - 1
        return np.stack([self._column(column, missing) for column in self.columns], axis=1)

    def _column(self, column: EncodedColumn, missing: np.ndarray) -> np.ndarray:
        if column.operation == "value":
            return np.append(self.cuts, column.encoded(column.fill))
        if column.operation == "missing":
            return np.asarray(column.encoded(missing.astype(np.float64)))
        levels = self.levels or ()
        code = len(levels) if column.operation == "other" else levels.index(column.level)
        return np.asarray(column.encoded((np.arange(self.size) == code).astype(np.float64)))

    def states(self, raw: np.ndarray | Categories) -> np.ndarray:
        """State of each patient, shape (n,)."""
        if isinstance(raw, Categories):
            return raw.known_as(self.levels or ())
        encoded = self.value.encoded(read_numbers(raw, self.columns[0].transform))
        missing = np.isnan(encoded)
        if not missing.any():
            return self._grid.bins(encoded)
        return np.where(missing, self.size - 1, self._grid.bins(np.where(missing, np.float32(0), encoded)))

    def state(self, raw: float | str | None) -> int:
        """State of one patient."""
        if self.levels is not None:
            if raw is None:
                return self.size - 1
            return self.levels.index(str(raw)) if raw in self.levels else len(self.levels)
        value = read_number(raw, self.columns[0].transform)
        if value is None:
            return self.size - 1
        return bisect_left(self._cuts, float(np.float32((value - self.value.center) / self.value.scale)))

    @cached_property
    def _grid(self) -> _Grid:
        return _Grid.over(self.cuts[:-1])

    @cached_property
    def _cuts(self) -> list[float]:
        return [float(cut) for cut in self.cuts]


@dataclass(frozen=True)
class _Lookup:
    """Masks of all trees for the joint states of a few inputs.

    Parameters
    ----------
    inputs : tuple of _Input
    masks : ndarray of unsigned integers of shape (states, trees)
        A 1 for every leaf that can still be reached.
    """

    inputs: tuple[_Input, ...]
    masks: np.ndarray

    def joined(self, other: _Lookup) -> _Lookup:
        """Look both up at once."""
        masks = self.masks[:, None, :] & other.masks[None, :, :]
        return _Lookup(self.inputs + other.inputs, masks.reshape(-1, masks.shape[2]))

    def states(self, raw: RawColumns) -> np.ndarray:
        """Joint state of each patient."""
        total = self.inputs[0].states(raw[self.inputs[0].name])
        for one in self.inputs[1:]:
            total = total * one.size + one.states(raw[one.name])
        return total


@dataclass(frozen=True)
class MaskedTrees:
    """Trees of at most 64 leaves, ready to be summed.

    Parameters
    ----------
    lookups : tuple of _Lookup
    single : tuple of _Lookup
        The same, one for each input.
    values : ndarray of float64 of shape (trees, 256) or (trees, leaves)
        By mask where a tree has at most 8 leaves, otherwise by leaf.
    """

    lookups: tuple[_Lookup, ...]
    single: tuple[_Lookup, ...]
    values: np.ndarray

    def total(self, raw: RawColumns, n: int) -> np.ndarray:
        """Sum over the trees of the leaf that each patient reaches, shape (n,)."""
        if not self.lookups:
            return np.full(n, self._constant)
        total = np.empty(n)
        for start in range(0, n, ROWS_OF_STATES):
            rows = slice(start, min(start + ROWS_OF_STATES, n))
            names = {one.name for lookup in self.lookups for one in lookup.inputs}
            self._add_block({name: rows_of(raw[name], rows) for name in names}, total[rows])
        return total

    def _add_block(self, raw: RawColumns, total: np.ndarray) -> None:
        states = [(lookup.masks, lookup.states(raw)) for lookup in self.lookups]
        for start in range(0, len(total), ROWS):
            rows = slice(start, min(start + ROWS, len(total)))
            (masks, state), *others = states
            left = masks.take(state[rows], axis=0)
            other = np.empty_like(left)
            for masks, state in others:
                left &= masks.take(state[rows], axis=0, out=other, mode="clip")
            total[rows] = self._values_of(left)

    def one(self, values: Mapping[str, float | str | None]) -> float:
        """Sum over the trees for one patient; the masks of all trees are one large integer."""
        if not self.single:
            return self._constant
        left = -1
        for lookup, masks in zip(self.single, self._joined_bits, strict=True):
            one = lookup.inputs[0]
            left &= masks[one.state(values[one.name])]
        dtype = self.single[0].masks.dtype
        bits = left.to_bytes(dtype.itemsize * len(self.values), "little")
        return float(self._values_of(np.frombuffer(bits, dtype=dtype)[None, :])[0])

    @cached_property
    def _joined_bits(self) -> list[list[int]]:
        return [[int.from_bytes(row.tobytes(), "little") for row in lookup.masks] for lookup in self.single]

    @cached_property
    def _constant(self) -> float:
        return float(self.values[:, 1 if self.values.shape[1] == 256 else 0].sum())

    @cached_property
    def _starts(self) -> np.ndarray:
        trees, width = self.values.shape
        return np.asarray(np.arange(trees, dtype=np.int32) * width)

    def _values_of(self, masks: np.ndarray) -> np.ndarray:
        """Sum of the values of the leaves left, shape (n,); each mask has one bit set."""
        place = masks if masks.dtype == np.uint8 else only_bit(masks)
        return np.asarray(self.values.ravel().take(place + self._starts).sum(axis=1))


def most_leaves(trees: Trees) -> int:
    """Leaves of the largest tree."""
    return int(np.add.reduceat(trees.feature < 0, trees.roots).max())


def mask_type(leaves: int) -> np.dtype[np.unsignedinteger]:
    """Return the narrowest unsigned integer with a bit for every leaf, of at most 64."""
    return np.dtype(next(f"u{size}" for size in (1, 2, 4, 8) if leaves <= 8 * size))


def only_bit(masks: np.ndarray) -> np.ndarray:
    """Return the place of the one bit that each mask has, from the exponent of the mask as a float."""
    if masks.dtype == np.uint64:
        return (masks.astype(np.float64).view(np.int64) >> 52) - 1023
    place = masks.astype(np.float32).view(np.int32)
    place >>= 23
    place -= 127
    return place


def mask_trees(trees: Trees, columns: Sequence[EncodedColumn]) -> MaskedTrees:
    """Compile trees of at most 64 leaves.

    Parameters
    ----------
    trees : Trees
    columns : sequence of EncodedColumn
        Encoded columns that the trees ask about.
    """
    largest = most_leaves(trees)
    dtype = mask_type(largest)
    asked = {columns[i].feature for i in trees.feature[trees.feature >= 0]}
    names = [name for name in dict.fromkeys(column.feature for column in columns) if name in asked]
    gone = ruled_out(trees)
    single = tuple(_lookup(trees, columns, name, gone, dtype) for name in names)
    return MaskedTrees(_joined(single), single, _leaf_values(trees, largest, by_mask=dtype.itemsize == 1))


def _lookup(
    trees: Trees,
    columns: Sequence[EncodedColumn],
    name: str,
    gone: tuple[np.ndarray, np.ndarray],
    dtype: np.dtype[np.unsignedinteger],
) -> _Lookup:
    places = [i for i, column in enumerate(columns) if column.feature == name]
    own = tuple(columns[i] for i in places)
    nodes = np.flatnonzero(np.isin(trees.feature, places))
    one = _Input(name, own, _cuts(trees, columns, nodes), _levels(own))
    encoded = one.encoded()
    there = [(1 << int(leaves)) - 1 for leaves in np.add.reduceat(trees.feature < 0, trees.roots)]
    masks = np.tile(np.array(there, dtype=np.uint64).astype(dtype), (one.size, 1))
    tree_of = np.searchsorted(trees.roots, nodes, side="right") - 1
    if_left, if_right = (part.astype(dtype) for part in gone)
    for node, tree in zip(nodes, tree_of, strict=True):
        left = encoded[:, places.index(trees.feature[node])] <= trees.threshold[node]
        masks[:, tree] &= ~np.where(left, if_left[node], if_right[node])
    return _Lookup((one,), masks)


def _cuts(trees: Trees, columns: Sequence[EncodedColumn], nodes: np.ndarray) -> np.ndarray:
    of_value = [node for node in nodes if columns[trees.feature[node]].operation == "value"]
    return np.append(np.unique(trees.threshold[of_value]), np.float32(np.inf)).astype(np.float32)


def _levels(columns: Sequence[EncodedColumn]) -> tuple[str, ...] | None:
    if columns[0].transform != "text":
        return None
    return tuple(column.level for column in columns if column.operation == "level")


def ruled_out(trees: Trees) -> tuple[np.ndarray, np.ndarray]:
    """Return the leaves that cannot be reached after going left and after going right at each node, as bits.

    Parameters
    ----------
    trees : Trees
        None with more than 64 leaves.

    Returns
    -------
    if_left, if_right : ndarray of uint64 of shape (nodes,)
    """
    size = len(trees.feature)
    end = np.arange(1, size + 1)
    for node in np.flatnonzero(trees.feature >= 0)[::-1]:
        end[node] = end[trees.right[node]]
    before = np.concatenate([[0], np.cumsum(trees.feature < 0)])
    first = before[trees.roots][np.searchsorted(trees.roots, np.arange(size), side="right") - 1]

    def bits(start: np.ndarray, stop: np.ndarray) -> np.ndarray:
        pairs = zip((before[start] - first).tolist(), (before[stop] - first).tolist(), strict=True)
        return np.array([((1 << max(b, a)) - (1 << a)) if a >= 0 else 0 for a, b in pairs], dtype=np.uint64)

    inner = trees.feature >= 0
    right = np.where(inner, trees.right, end)
    start = np.where(inner, np.arange(size) + 1, end)
    if_left, if_right = bits(right, end), bits(start, right)
    return if_left, if_right


def _joined(single: Sequence[_Lookup]) -> tuple[_Lookup, ...]:
    """Join small tables as long as the result is small."""
    found: list[_Lookup] = []
    for lookup in sorted(single, key=lambda one: len(one.masks)):
        if found and len(found[-1].masks) * lookup.masks.nbytes <= MOST_BYTES:
            found[-1] = found[-1].joined(lookup)
        else:
            found.append(lookup)
    return tuple(found)


def _leaf_values(trees: Trees, largest: int, *, by_mask: bool) -> np.ndarray:
    leaves = np.flatnonzero(trees.feature < 0)
    tree = np.searchsorted(trees.roots, leaves, side="right") - 1
    place = np.arange(len(leaves)) - np.searchsorted(tree, tree)
    values = np.zeros((len(trees.roots), 256 if by_mask else largest))
    values[tree, (1 << place) if by_mask else place] = trees.value
    return values
