"""Finished units of work, kept beside an unfinished run: a training that was killed goes on where it was.

A unit is one task of `predictor.execution.run_tasks`. Its result lies in a file named by the hash of everything that
it depends on: nothing can be taken for what it is not, and whatever was changed is computed anew.
"""

from __future__ import annotations

import hashlib
import io
import json
import struct
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from predictor.durable import write_atomically
from predictor.errors import Problem
from predictor.execution import Execution, run_tasks

__all__ = ["UnitStore", "digest", "run_units"]

Task = TypeVar("Task")
Result = TypeVar("Result")

SUFFIX = ".unit"
SHA = 64  # characters of a SHA-256
TREE = "tree"


@dataclass(frozen=True)
class UnitStore:
    """Results by the hash of their inputs, one file each, in a folder of the unfinished run.

    Parameters
    ----------
    folder : Path
    context : str
        What all units depend on besides their inputs: the hash of the software.
    notices : list of str
        Gets a line for each file that was damaged.
    found : list of str
        Keys of the results that an earlier start had left and that were used.
    failures : Counter of (str, str)
        How many units a candidate failed in, by its name and the reason.
    """

    folder: Path
    context: str = ""
    notices: list[str] = field(default_factory=list)
    found: list[str] = field(default_factory=list)
    failures: Counter[tuple[str, str]] = field(default_factory=Counter)

    def __len__(self) -> int:
        return len(list(self.folder.glob(f"*{SUFFIX}")))

    def read(self, key: str) -> Any | None:
        """Return a finished result, None where there is none or its file is damaged.

        Parameters
        ----------
        key : str
            From `digest`.
        """
        path = self._path(key)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        head, body = data[:SHA], data[SHA:]
        if head != _seal(key, body):
            message = "a finished unit of work is damaged and is done again"
            self.notices.append(str(Problem("TRN-16", message, "Look after the disk", file=str(path))))
            path.unlink()
            return None
        self.found.append(key)
        return _unpack(body)

    def write(self, key: str, value: Any) -> None:
        """Keep a result; when this returns it is on disk.

        Parameters
        ----------
        key : str
        value : numbers, texts, arrays, and lists, tuples and mappings of them

        Raises
        ------
        ResourceError
            TRN-04 or TRN-05.
        """
        body = _pack(value)
        write_atomically(self._path(key), _seal(key, body) + body)

    def note(self, what: str, reason: str) -> None:
        """Count a unit that did not go as it should.

        Parameters
        ----------
        what : str
            The candidate.
        reason : str
        """
        self.failures[what, reason] += 1

    def failed(self) -> pd.DataFrame:
        """Lay out which candidates failed in how many units, and why: ``candidate``, ``reason``, ``units``."""
        rows = [(name, reason, count) for (name, reason), count in sorted(self.failures.items())]
        return pd.DataFrame(rows, columns=["candidate", "reason", "units"])

    def complaints(self) -> tuple[str, ...]:
        """Say in lines what was damaged or failed."""
        failed = (
            f"{name}: {reason}, in {count} units of work (folds and resamples); see failures.csv"
            for (name, reason), count in sorted(self.failures.items())
        )
        return (*self.notices, *failed)

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}{SUFFIX}"


def _seal(key: str, body: bytes) -> bytes:
    return hashlib.sha256(key.encode() + body).hexdigest().encode()


def run_units(
    function: Callable[..., Result],
    tasks: Sequence[Task],
    *,
    shared: tuple[Any, ...] = (),
    beside: tuple[Any, ...] = (),
    execution: Execution,
    pack: Callable[[Result], Any],
    unpack: Callable[[Any], Result],
) -> Iterator[tuple[Task, Result]]:
    """Do what `predictor.execution.run_tasks` does, but no task twice: what is finished is kept, and found again.

    Parameters
    ----------
    function, tasks, shared, execution
        As there.
    beside : tuple
        Further arguments, on which no result depends.
    pack, unpack : callable
        Between a result and what `UnitStore.write` takes; ``pack`` may return None for what shall not be kept.
    """
    store, arguments = execution.units, (*shared, *beside)
    if store is None:
        yield from run_tasks(function, tasks, shared=arguments, execution=execution)
        return
    common = digest(store.context, function.__qualname__, shared)
    left = []
    for task in tasks:
        found = store.read(digest(common, task))
        if found is None:
            left.append(task)
        else:
            yield task, unpack(found)
    for task, result in run_tasks(function, left, shared=arguments, execution=execution):
        packed = pack(result)
        if packed is not None:
            store.write(digest(common, task), packed)
        yield task, result


def digest(*values: Any) -> str:
    """Hash plain values, arrays, tables and dataclasses of them; equal content gives an equal hash on any machine.

    Parameters
    ----------
    *values : object

    Returns
    -------
    str
        SHA-256.

    Raises
    ------
    TypeError
        For anything whose content cannot be seen.
    """
    hasher = hashlib.sha256()
    for piece in _pieces(values):
        hasher.update(struct.pack("<Q", len(piece)))
        hasher.update(piece)
    return hasher.hexdigest()


def _pieces(value: Any) -> Iterator[bytes]:
    """Cut a value into bytes, each after one that says what it is."""
    if value is None or isinstance(value, bool | int | float | str | np.generic):
        plain = value.item() if isinstance(value, np.generic) else value
        yield f"{type(plain).__name__} {plain!r}".encode()
    elif isinstance(value, np.ndarray):
        yield from _pieces_of_array(value)
    elif isinstance(value, pd.DataFrame):
        yield from _pieces([str(name) for name in value.columns])
        for name in value.columns:
            yield from _pieces_of_array(value[name].to_numpy())
    elif is_dataclass(value) and not isinstance(value, type):
        yield type(value).__name__.encode()
        yield from _pieces({one.name: getattr(value, one.name) for one in fields(value)})
    elif isinstance(value, Mapping):
        yield f"mapping {len(value)}".encode()
        for pair in value.items():
            yield from _pieces(pair)
    elif isinstance(value, Sequence):
        yield f"sequence {len(value)}".encode()
        for one in value:
            yield from _pieces(one)
    else:
        msg = f"{type(value).__name__} has no content that could be hashed"
        raise TypeError(msg)


def _pieces_of_array(array: np.ndarray) -> Iterator[bytes]:
    yield f"array {array.dtype.str} {array.shape}".encode()
    if array.dtype.hasobject:
        for one in array.ravel():
            yield from _pieces(one)
    else:
        yield np.ascontiguousarray(array).tobytes()


def _pack(value: Any) -> bytes:
    """Write arrays as they are and the rest as JSON: nothing that is read again can run anything."""
    arrays: list[np.ndarray] = []
    tree = json.dumps(_plain(value, arrays)).encode()
    named = {str(number): array for number, array in enumerate(arrays)}
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=False, **{TREE: np.frombuffer(tree, dtype=np.uint8)}, **named)
    return stream.getvalue()


def _plain(value: Any, arrays: list[np.ndarray]) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        arrays.append(value)
        return {"array": len(arrays) - 1}
    if isinstance(value, Mapping):
        return {"mapping": [[key, _plain(one, arrays)] for key, one in value.items()]}
    if isinstance(value, list | tuple):
        return {type(value).__name__: [_plain(one, arrays) for one in value]}
    msg = f"{type(value).__name__} cannot be kept"
    raise TypeError(msg)


def _unpack(body: bytes) -> Any:
    with np.load(io.BytesIO(body), allow_pickle=False) as content:
        arrays = {name: content[name] for name in content.files}
    return _whole(json.loads(arrays[TREE].tobytes()), arrays)


def _whole(tree: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    if not isinstance(tree, dict):
        return tree
    ((kind, content),) = tree.items()
    if kind == "array":
        return arrays[str(content)]
    if kind == "mapping":
        return {key: _whole(one, arrays) for key, one in content}
    whole = [_whole(one, arrays) for one in content]
    return tuple(whole) if kind == "tuple" else whole
