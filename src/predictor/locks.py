"""Who holds a folder: locks that end with their process, and processes that are recognised again."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from predictor.durable import disk_errors
from predictor.errors import Problem, ResourceError

__all__ = ["LOCK", "FolderLock", "LockedError", "folder_held", "holder", "process_start"]

LOCK = ".lock"


def process_start(pid: int) -> str | None:
    """When a process began, as the kernel counts it; None when it is gone (or the system does not tell).

    Parameters
    ----------
    pid : int
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    return stat.rpartition(")")[2].split()[19]


class LockedError(ResourceError):
    """Another process holds the folder."""


class FolderLock:
    """An exclusive lock on a folder, held until `release` or the end of the process.

    The kernel drops a ``flock`` when the last holder of the descriptor dies; a worker that outlives its
    parent would keep it, so the parent's pid and start time are written down and a lock whose owner is gone
    is taken over.

    Parameters
    ----------
    folder : Path
        Existing folder.

    Raises
    ------
    LockedError
        TRN-11, naming the process that holds it.
    ResourceError
        TRN-04 or TRN-05 where no lock can be written.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / LOCK
        with disk_errors(self.path, 0):
            self._descriptor: int | None = self._acquire(stale_allowed=True)

    def _acquire(self, *, stale_allowed: bool) -> int:
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid, started = _owner(descriptor)
            os.close(descriptor)
            if stale_allowed and pid is not None and process_start(pid) != started:
                self.path.unlink(missing_ok=True)
                return self._acquire(stale_allowed=False)
            who = "another process" if pid is None else f"process {pid}"
            problem = Problem(
                "TRN-11", f"the run is in use by {who}", "Wait for it", file=str(self.path.parent)
            )
            raise LockedError(problem) from None
        if not self._is_the_file(descriptor):  # released by its owner between our opening and our locking
            os.close(descriptor)
            return self._acquire(stale_allowed=stale_allowed)
        owner = json.dumps({"pid": os.getpid(), "started": process_start(os.getpid())})
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, owner.encode(), 0)
        return descriptor

    def _is_the_file(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), self.path.stat())
        except FileNotFoundError:
            return False

    def moved(self, folder: Path) -> None:
        """Say that the folder has another name now; it stays locked.

        Parameters
        ----------
        folder : Path
        """
        self.path = folder / LOCK

    def release(self) -> None:
        """Give the folder back; a second call does nothing."""
        if self._descriptor is not None:
            # Of a disk that takes no more writes it cannot be taken away; whoever comes next finds the owner gone.
            with suppress(OSError):
                self.path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = None


@contextmanager
def folder_held(folder: Path) -> Iterator[None]:
    """Hold a folder without leaving anything in it: for what is done to a finished run from outside.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    LockedError
        TRN-11.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        problem = Problem("TRN-11", "another process is sending this run", "Wait for it", file=str(folder))
        raise LockedError(problem) from error
    try:
        yield
    finally:
        os.close(descriptor)


def holder(folder: Path) -> int | None:
    """Return the process that holds a folder now, 0 where it does not say; None where nobody does.

    Parameters
    ----------
    folder : Path
    """
    try:
        descriptor = os.open(folder / LOCK, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        pid, started = _owner(descriptor)
        if pid is not None and process_start(pid) != started:
            return None
        return pid or 0
    finally:
        os.close(descriptor)
    return None


def _owner(descriptor: int) -> tuple[int | None, str | None]:
    try:
        owner = json.loads(os.pread(descriptor, 256, 0))
        return int(owner["pid"]), owner["started"]
    except (ValueError, KeyError, TypeError):
        return None, None
