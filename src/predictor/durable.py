"""Files that are on disk whole or not at all, plain ones where they are read, and errors that say what to do."""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from predictor.errors import Problem, ResourceError

__all__ = [
    "TEMPORARY",
    "disk_errors",
    "read_json",
    "read_plain",
    "require_space",
    "sync",
    "write_atomically",
    "writing",
]

TEMPORARY = ".tmp"
NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
NOT_ALLOWED = (errno.EROFS, errno.EACCES, errno.EPERM, errno.EEXIST, errno.ENOTDIR)


def read_plain(path: Path, most: int = -1) -> bytes:
    """Read a regular file; a pipe, at which one would wait for ever, or a device is none.

    Parameters
    ----------
    path : Path
    most : int
        Bytes to read at most; all of them by default.

    Raises
    ------
    OSError
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", str(path))
        return file.read(most)


def read_json(path: Path) -> Any:
    """Read a JSON file that may have been written by another hand.

    Parameters
    ----------
    path : Path

    Raises
    ------
    OSError, ValueError
        ValueError for whatever is no JSON, however deep it goes.
    """
    try:
        return json.loads(read_plain(path))
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def sync(*paths: Path) -> None:
    """Wait until files are on disk, or the names in folders.

    Parameters
    ----------
    *paths : Path
    """
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def disk_errors(path: Path, n_bytes: int) -> Iterator[None]:
    """Say of a full or unwritable disk which file it was, and how many bytes.

    Parameters
    ----------
    path : Path
    n_bytes : int

    Raises
    ------
    ResourceError
        TRN-04 or TRN-05; every other error of the system stays what it is.
    """
    try:
        yield
    except OSError as error:
        if error.errno in NO_SPACE:
            code, message = "TRN-04", f"the disk is full: {n_bytes} bytes could not be written"
        elif error.errno in NOT_ALLOWED:
            code, message = "TRN-05", f"the folder cannot be written ({os.strerror(error.errno)})"
        else:
            raise
        remedy = "Free space or choose another runs folder, then start the run again"
        raise ResourceError(Problem(code, message, remedy, file=str(path))) from error


@contextmanager
def writing(target: Path) -> Iterator[None]:
    """Say that a file or folder which somebody asked for cannot be written.

    Parameters
    ----------
    target : Path

    Raises
    ------
    ResourceError
        TRN-04 on a full disk, TRN-05 otherwise.
    """
    try:
        yield
    except OSError as error:
        code = "TRN-04" if error.errno in NO_SPACE else "TRN-05"
        message = f"this cannot be written ({os.strerror(error.errno or 0)})"
        remedy = "Choose a place that exists and can be written"
        raise ResourceError(Problem(code, message, remedy, file=str(target))) from error


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file under another name, wait for the disk, and only then give it its name.

    Parameters
    ----------
    path : Path
        Its folder is made when missing.
    data : bytes

    Raises
    ------
    ResourceError
        TRN-04 or TRN-05. Nothing partial is left behind, and an older file of that name stays as it was.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}{TEMPORARY}")
    with disk_errors(path, len(data)):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("xb") as handle:
                handle.write(data)
                handle.flush()
                os.fsync(handle.fileno())
            temporary.replace(path)
            sync(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


def require_space(folder: Path, n_bytes: int) -> None:
    """Refuse to begin what the disk cannot hold.

    Parameters
    ----------
    folder : Path
        Existing folder, or one whose nearest existing parent is on the same disk.
    n_bytes : int
        Estimated need in bytes.

    Raises
    ------
    ResourceError
        TRN-04, naming the folder and both numbers of bytes.
    """
    existing = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    free = shutil.disk_usage(existing).free
    if free < n_bytes:
        message = f"the run needs about {n_bytes} bytes and the disk has {free} free"
        remedy = "Free space, or choose another runs folder"
        raise ResourceError(Problem("TRN-04", message, remedy, file=str(folder)))
