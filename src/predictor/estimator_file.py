"""An estimator as a skops file that is the same, byte for byte, whenever and wherever the same estimator is written.

skops numbers its objects by their addresses in memory and stamps the members of its archive with the time. Neither
says anything about the estimator, and both would give every training another hash for the same model.
"""

from __future__ import annotations

import io
import json
from pathlib import PurePosixPath
from typing import Any
from zipfile import ZIP_STORED, ZipFile, ZipInfo

__all__ = ["estimator_bytes"]

SCHEMA = "schema.json"


def estimator_bytes(estimator: object) -> bytes:
    """Write an estimator with skops; objects are numbered in the order in which they occur, and times are left out.

    Parameters
    ----------
    estimator : object
        Anything that skops can write.

    Returns
    -------
    bytes
        A skops file, read like any other.
    """
    import skops.io  # with scikit-learn, which nobody needs who predicts

    with ZipFile(io.BytesIO(skops.io.dumps(estimator))) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(members.pop(SCHEMA))
    numbers: dict[int, int] = {}
    names: dict[str, str] = {}
    _renumber(schema, numbers, names)
    ordered = {new: members[old] for old, new in names.items()}
    return _archive({**ordered, SCHEMA: json.dumps(schema, indent=2).encode()})


def _renumber(part: Any, numbers: dict[int, int], names: dict[str, str]) -> None:
    """Give the objects of a schema, and the members that hold their arrays, their places in it as numbers."""
    if isinstance(part, list):
        for one in part:
            _renumber(one, numbers, names)
    if not isinstance(part, dict):
        return
    if isinstance(part.get("__id__"), int):
        part["__id__"] = numbers.setdefault(part["__id__"], len(numbers))
    if isinstance(part.get("file"), str):
        new = f"{len(names)}{PurePosixPath(part['file']).suffix}"
        part["file"] = names.setdefault(part["file"], new)
    for one in part.values():
        _renumber(one, numbers, names)


def _archive(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with ZipFile(buffer, "w", ZIP_STORED) as archive:
        for name, data in members.items():
            archive.writestr(ZipInfo(name), data)  # ZipInfo's own time is 1980-01-01
    return buffer.getvalue()
