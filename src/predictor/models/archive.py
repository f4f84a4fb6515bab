"""Compact models in one compressed file of numbers: small enough for 200 refits beside a model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from predictor.features.chain import Chain, chain_from_plain, chain_to_plain
from predictor.models.plain import (
    CompactModel,
    KnownColumns,
    Member,
    imputers_of,
    plain_imputer,
    shared_columns,
)
from predictor.models.trees import Trees

__all__ = ["load_compact", "save_compact"]

# Covers serve explanations, and only the model itself is explained.
STORED = tuple(part.name for part in fields(Trees) if part.name != "cover")


def save_compact(models: Sequence[CompactModel], path: Path) -> None:
    """Write models to one npz file, which holds numbers and JSON text and is read without pickle.

    Parameters
    ----------
    models : sequence of CompactModel
        What their trees need for explanations is left out.
    path : Path
    """
    described = [_described(model) for model in models]
    members = [member for model in models for member in model.members]
    arrays: dict[str, np.ndarray] = {
        "models": np.frombuffer(json.dumps(described).encode(), dtype=np.uint8),
        "coef": np.concatenate([np.zeros(0), *(member.coef for member in members)]),
    }
    grown = [member.trees for member in members if member.trees is not None]
    if grown:
        for name in STORED:
            arrays[name] = np.concatenate([getattr(trees, name) for trees in grown])
    with Path(path).open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def load_compact(file: Path | BinaryIO) -> list[CompactModel]:
    """Read what `save_compact` wrote."""
    with np.load(file, allow_pickle=False) as archive:
        arrays = _Arrays({name: archive[name] for name in archive.files})
    described = json.loads(arrays.take("models").tobytes().decode())
    return [
        CompactModel(
            _rebuilt_members(entry, arrays),
            tuple(float(weight) for weight in entry["weights"]),
        )
        for entry in described
    ]


class _Arrays:
    """Gives each model its share off the front."""

    def __init__(self, arrays: dict[str, np.ndarray]) -> None:
        self._arrays = arrays
        self._start = dict.fromkeys(arrays, 0)

    def take(self, name: str, size: int | None = None) -> np.ndarray:
        start = self._start[name]
        stop = len(self._arrays[name]) if size is None else start + size
        self._start[name] = stop
        return self._arrays[name][start:stop]


def _rebuilt_members(entry: dict[str, Any], arrays: _Arrays) -> tuple[Member, ...]:
    imputers = [chain_from_plain(one) for one in entry.get("imputers", [])]
    known: list[KnownColumns] = []
    return tuple(_rebuilt(member, arrays, imputers, known) for member in entry["members"])


def _rebuilt(
    entry: dict[str, Any], arrays: _Arrays, imputers: Sequence[Chain], known: list[KnownColumns]
) -> Member:
    sizes, sigmoid = entry["trees"], entry["sigmoid"]
    coef = arrays.take("coef", entry["coef"])
    trees = None
    if sizes is not None:
        parts = {name: arrays.take(name, sizes[name]) for name in STORED}
        trees = Trees(**parts, cover=np.zeros(len(parts["feature"])))
    return Member(
        features=tuple(entry["features"]),
        columns=shared_columns(entry["columns"], known),
        base=entry["base"],
        coef=coef,
        trees=trees,
        scale=entry["scale"],
        sigmoid=None if sigmoid is None else (sigmoid[0], sigmoid[1]),
        chain=imputers[entry["imputer"]] if "imputer" in entry else None,
        imputation=entry.get("imputation", 0),
    )


def _described(model: CompactModel) -> dict[str, Any]:
    imputers = imputers_of(model)
    return {
        "weights": model.weights,
        **({"imputers": [chain_to_plain(chain) for chain in imputers]} if imputers else {}),
        "members": [
            {**_described_member(member), **plain_imputer(member, imputers)} for member in model.members
        ],
    }


def _described_member(member: Member) -> dict[str, Any]:
    """Everything but the arrays, of which the sizes."""
    trees = member.trees
    return {
        "features": member.features,
        "columns": [asdict(column) for column in member.columns],
        "base": member.base,
        "coef": len(member.coef),
        "trees": None if trees is None else {name: len(getattr(trees, name)) for name in STORED},
        "scale": member.scale,
        "sigmoid": member.sigmoid,
    }
