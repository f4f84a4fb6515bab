"""Bytes of a regular file, read whole, unchanged, and only where they fit into memory."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from predictor.data.sources.memory import memory_free
from predictor.data.sources.text_table import refuse
from predictor.errors import DataError

__all__ = ["MAX_BYTES", "SAMPLE", "check_memory", "read_bytes", "read_stable"]

MAX_BYTES = 2 * 1024**3
SAMPLE = 100_000  # characters, below the csv module's own limit of a field

HARMLESS = 50_000_000  # bytes that fit wherever the package runs


@contextmanager
def read_stable(path: Path, shown_as: str) -> Iterator[None]:
    """Read a regular file by other means, and say afterwards if it changed meanwhile.

    Parameters
    ----------
    path : Path
    shown_as : str

    Raises
    ------
    DataError
        DAT-10 (size), DAT-11 (empty), DAT-15 (not readable, or changed while it was read).
    """
    try:
        before = path.stat()
        _check_size(before.st_mode, before.st_size, shown_as)
        yield
        after = path.stat()
    except OSError as error:
        raise _unreadable(error, shown_as) from None
    if _version(before) != _version(after):
        raise _changed(shown_as)


def _version(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_ino, found.st_size, found.st_mtime_ns


def _changed(shown_as: str) -> DataError:
    remedy = "Wait until it is complete and start again; nothing was kept"
    return refuse(shown_as, "DAT-15", "the file changed while it was read", remedy)


def _unreadable(error: OSError, shown_as: str) -> DataError:
    if isinstance(error, FileNotFoundError):
        return refuse(shown_as, "DAT-15", "the file does not exist", "Check the path; nothing was read")
    if isinstance(error, PermissionError):
        remedy = "Ask its owner for the right to read it; nothing was read"
        return refuse(shown_as, "DAT-15", "no permission to read the file", remedy)
    return refuse(shown_as, "DAT-15", f"the file cannot be read ({error.strerror})", "Nothing was read")


def read_bytes(path: Path, shown_as: str, *, needed: Callable[[bytes, int], int]) -> bytes:
    """Read a whole file.

    Parameters
    ----------
    path : Path
    shown_as : str
        How messages name the file.
    needed : callable
        From the file's first bytes and its size to the bytes of memory that reading it takes.

    Raises
    ------
    DataError
        DAT-10 (limits), DAT-11 (empty), DAT-15 (not readable, or changed while it was read).
    """
    try:
        before = path.stat()
        _check_size(before.st_mode, before.st_size, shown_as)
        with path.open("rb") as file:
            _check_needed(file, before.st_size, needed, shown_as)
            # One byte more than expected: a file that grows is noticed even if its clock is coarse.
            raw = file.read(before.st_size + 1)
        after = path.stat()
    except OSError as error:
        raise _unreadable(error, shown_as) from None
    if len(raw) != before.st_size or _version(before) != _version(after):
        raise _changed(shown_as)
    return raw


def _check_size(mode: int, size: int, shown_as: str) -> None:
    if stat.S_ISDIR(mode):
        raise refuse(shown_as, "DAT-15", "is a folder, a file was expected", "Name a file in it")
    if not stat.S_ISREG(mode):
        raise refuse(shown_as, "DAT-15", "is no regular file", "Save the data as a file and name that")
    if size == 0:
        raise refuse(shown_as, "DAT-11", "the file is empty", "Write a header and at least one row")
    if size > MAX_BYTES:
        remedy = "Split it, or leave out columns that are not declared"
        raise refuse(shown_as, "DAT-10", f"the file has {size:,} bytes, the limit is {MAX_BYTES:,}", remedy)


def _check_needed(file: BinaryIO, size: int, needed: Callable[[bytes, int], int], shown_as: str) -> None:
    if size > HARMLESS:
        check_memory(needed(file.read(SAMPLE), size), shown_as)
        file.seek(0)


def check_memory(needed: int, shown_as: str) -> None:
    """Refuse what does not fit into memory, before it is read.

    Parameters
    ----------
    needed : int
        Bytes.
    shown_as : str

    Raises
    ------
    DataError
        DAT-10.
    """
    free = memory_free()
    if free is not None and needed > free:
        message = (
            f"reading the file needs about {needed / 1e9:.1f} GB of memory, and {free / 1e9:.1f} GB are free"
        )
        remedy = "Leave out columns that are not declared, or split the file; nothing was read"
        raise refuse(shown_as, "DAT-10", message, remedy)
