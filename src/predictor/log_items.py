"""Log items: what tracking is told of a training, as plain data that can be kept and told again."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

__all__ = [
    "Artifact",
    "ChildRun",
    "Item",
    "Metric",
    "Model",
    "Param",
    "Tag",
    "Text",
    "items_from",
    "items_record",
]


@dataclass(frozen=True)
class Param:
    """A setting: written once, as text."""

    name: str
    value: str | float | bool


@dataclass(frozen=True)
class Metric:
    """A number about the whole cohort or a fold; one that is not finite is left out."""

    name: str
    value: float
    step: int = 0


@dataclass(frozen=True)
class Tag:
    """A label to search runs by: hashes, commit, versions, verdict."""

    name: str
    value: str


@dataclass(frozen=True)
class Text:
    """A short text, e.g. the filled-in config, kept as the file ``path``."""

    path: str
    text: str


@dataclass(frozen=True)
class Artifact:
    """A finished file of the run folder without any patient's row, kept in ``folder``."""

    path: Path
    folder: str = ""


@dataclass(frozen=True)
class Model:
    """A prediction model's folder, registered under ``name``."""

    folder: Path
    name: str


@dataclass(frozen=True)
class ChildRun:
    """One model on one feature set, below the training's run."""

    name: str
    items: tuple[Param | Metric | Tag | Text | Artifact, ...]


Item = Param | Metric | Tag | Text | Artifact | ChildRun | Model

KINDS: Mapping[str, type[Any]] = {one.__name__: one for one in (Param, Metric, Tag, Text, Artifact, Model)}

PLACES: Mapping[type[Any], str] = {Artifact: "path", Model: "folder"}  # what lies in the run's folder


def items_record(items: Iterable[Item], folder: Path) -> list[dict[str, Any]]:
    """Write items as plain data; numbers that are not finite are left out, as they are where items are sent.

    Parameters
    ----------
    items : iterable of Item
    folder : Path
        Of the run; its files are named relative to it, so that it may be renamed.
    """
    return [_record(item, folder) for item in items if not _is_void(item)]


def _is_void(item: Item) -> bool:
    return isinstance(item, Metric) and not math.isfinite(item.value)


def _record(item: Item, folder: Path) -> dict[str, Any]:
    if isinstance(item, ChildRun):
        return {"kind": "ChildRun", "name": item.name, "items": items_record(item.items, folder)}
    found = {one.name: getattr(item, one.name) for one in fields(item)}
    plain = {
        name: value.relative_to(folder).as_posix() if isinstance(value, Path) else value
        for name, value in found.items()
    }
    return {"kind": type(item).__name__, **plain}


def items_from(record: Sequence[Mapping[str, Any]], folder: Path) -> list[Item]:
    """Read items that `items_record` wrote.

    Parameters
    ----------
    record : sequence of mapping
    folder : Path
        Of the run, where it is now.

    Raises
    ------
    KeyError, TypeError, ValueError
        For what it did not write, and for a file that does not lie in the folder.
    """
    return [_item(one, folder) for one in record]


def _item(record: Mapping[str, Any], folder: Path) -> Any:
    if record["kind"] == "ChildRun":
        return ChildRun(record["name"], tuple(items_from(record["items"], folder)))  # type: ignore[arg-type]
    kind = KINDS[record["kind"]]
    whole = {name: value for name, value in record.items() if name != "kind"}
    if kind in PLACES:
        whole[PLACES[kind]] = _inside(folder, whole[PLACES[kind]])
    return kind(**whole)


def _inside(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ValueError("a run tells only of its own files")
    return path
