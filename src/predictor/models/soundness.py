"""Whether plain numbers read from a file can be a model: what no fit gives is refused before it is evaluated.

Hashes say that a file is the one that was listed, not that whoever listed it meant well. A tree whose child stands
before its parent would be walked for ever.
"""

from __future__ import annotations

import math

import numpy as np

from predictor.models.plain import CompactModel, Member
from predictor.models.trees import Trees

__all__ = ["require_sound"]


def require_sound(model: CompactModel) -> CompactModel:
    """Return a model, or raise ValueError where its numbers are none that a fit gives.

    Parameters
    ----------
    model : CompactModel
    """
    shares = model.weights
    if len(shares) != len(model.members) or not all(0 <= share <= 1 for share in shares):
        raise ValueError("the weights are no shares")
    if not math.isclose(sum(shares), 1.0, abs_tol=1e-9):
        raise ValueError("the weights do not add up to 1")
    if not all(map(math.isfinite, model.line or ())):
        raise ValueError("the line is none")
    for member in model.members:
        _require_member(member)
    return model


def _require_member(member: Member) -> None:
    columns = member.columns
    numbers = [
        member.base,
        *(member.sigmoid or ()),
        *(number for column in columns for number in (column.fill, column.center, column.scale)),
    ]
    sound = (
        all(map(math.isfinite, numbers))
        and all(column.scale != 0 and column.feature in member.features for column in columns)
        and len(member.coef) in (0, len(columns))
        and bool(np.isfinite(member.coef).all())
        and member.scale in ("log_odds", "probability")
    )
    if not sound:
        raise ValueError("the coefficients are none")
    if member.trees is not None:
        _require_trees(member.trees, len(columns))


def _require_trees(trees: Trees, columns: int) -> None:
    nodes, inner = len(trees.feature), trees.feature >= 0
    sound = (
        len(trees.threshold) == len(trees.right) == len(trees.cover) == nodes
        and len(trees.value) == nodes - int(inner.sum())
        and bool(((trees.roots >= 0) & (trees.roots < nodes)).all())
        and bool(((trees.feature >= -1) & (trees.feature < columns)).all())
        and bool(((trees.right > np.arange(nodes) + 1) & (trees.right < nodes))[inner].all())
        and bool(np.isfinite(trees.value).all() and not np.isnan(trees.threshold).any())
    )
    if not sound:
        raise ValueError("the trees are none")
