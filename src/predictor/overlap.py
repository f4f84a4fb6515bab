"""Are some of these patients among those that a model was developed on? Told from both tables, and from nothing stored.

A model's folder holds nothing that could answer this: whatever lets its holder recognise a patient again, hashed or
not, also tells him who took part. So the question is asked where the development data lie.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from scipy.stats import binom

__all__ = ["Shared", "count_shared"]

CHANCE = 1e-3
DIGITS = 9

Row = tuple[Hashable, ...]


@dataclass(frozen=True)
class Shared:
    """How many rows of one table are in another one.

    Parameters
    ----------
    n : int
        Rows looked for.
    same : int
        Those with the key and the values of one row there.
    renamed : int
        Those with the values of a row there, and another key.
    repeated : float
        Share of rows there whose values another row there has too: that often two patients look alike.
    """

    n: int
    same: int
    renamed: int
    repeated: float

    @property
    def by_chance(self) -> bool:
        """Whether so many equal rows under other keys are what patients who look alike make.

        They are, unless so many of n rows, each with chance ``repeated``, have a probability below 0.001.
        """
        return bool(binom.sf(self.renamed - 1, self.n, self.repeated) >= CHANCE)

    @property
    def none(self) -> bool:
        """Whether nothing says that the tables share a patient."""
        return self.same == 0 and self.by_chance


def count_shared(
    keys: Sequence[str], rows: Sequence[Row], other_keys: Sequence[str], other_rows: Sequence[Row]
) -> Shared:
    """Count the rows of one table that are in another one; an equal key alone does not count, since sites number alike.

    Parameters
    ----------
    keys : sequence of str
    rows : sequence of tuple
        Values of the same inputs in the same order, numbers as float; compared to nine digits.
    other_keys, other_rows
        The table that they are looked for in.
    """
    mine, theirs = [_rounded(row) for row in rows], [_rounded(row) for row in other_rows]
    known = set(zip(other_keys, theirs, strict=True))
    times = Counter(theirs)
    pairs = list(zip(keys, mine, strict=True))
    same = sum(pair in known for pair in pairs)
    renamed = sum(row in times and (key, row) not in known for key, row in pairs)
    alike = sum(times[row] > 1 for row in theirs)
    return Shared(len(mine), same, renamed, (alike + 1) / (len(theirs) + 1))


def _rounded(row: Row) -> Row:
    return tuple(float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value for value in row)
