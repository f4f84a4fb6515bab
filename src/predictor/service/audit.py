"""Who did what and when: lines that are only ever added, each with the hash of the one before.

One file per day. A line that is changed, taken out or put elsewhere breaks the chain at its place, and a last line that
is missing differs from what ``head.json`` remembers. Whoever can write all files of the folder can write a whole new
chain; against that, copy ``head.json`` to a place that they cannot reach.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import hmac
import json
import os
import secrets
import threading
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from predictor.durable import sync, write_atomically
from predictor.errors import Problem, ResourceError
from predictor.service.audit_chain import (
    DAYS,
    End,
    hash_of,
    mend,
    read_head,
    rest_of_a_kill,
    write_head,
)

__all__ = ["ACTIONS", "AuditLog"]

ACTIONS = (
    "start",
    "set_up",
    "sign_in",
    "sign_in_refused",
    "sign_out",
    "refused",
    "estimate",
    "batch",
    "read",
    "printed",
    "other_plan",
    "correction",
    "taken",
    "account_made",
    "feedback",
    "launch",
)
KEY, LOCK = "pseudonyms.key", "audit.lock"


class AuditLog:
    """Append-only record of a service.

    Parameters
    ----------
    folder : Path
        Made when missing, readable by its owner alone. One service writes it at a time.

    Raises
    ------
    ResourceError
        TRN-04, TRN-05, or AUD-02 when another service writes there.

    Attributes
    ----------
    mended : str
        What was done about a line at which the process before this one was killed; empty when there was none.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._lock = folder, threading.Lock()
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._held = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            message, remedy = "another service writes this audit log", "Stop it, or name another folder"
            raise ResourceError(Problem("AUD-02", message, remedy, file=str(folder))) from error
        except OSError as error:
            raise _cannot_write(folder, error) from error
        self._secret = _secret(folder / KEY)
        self._end, self.mended = read_head(folder), ""
        self._day = max((path.name for path in folder.glob(DAYS)), default="")
        rest = rest_of_a_kill(folder, self._end)
        if rest is not None:
            self._end, self.mended = rest.end, f"mended: {rest.told}"
            try:
                mend(folder, rest)
            except (OSError, ResourceError) as error:
                raise _cannot_write(folder, error) from error

    def close(self) -> None:
        """Let another service write here; a process that dies does."""
        os.close(self._held)

    def subject(self, pseudonym: str) -> str:
        """Return a keyed hash of a pseudonym: the same patient can be found again, and not be read out."""
        return hmac.new(self._secret, pseudonym.encode(), hashlib.sha256).hexdigest()[:16]

    def record(
        self,
        action: str,
        *,
        user: str = "",
        outcome: str = "",
        report: str = "",
        model: str = "",
        pseudonym: str = "",
        now: datetime | None = None,
    ) -> None:
        """Add one line, and return only when it is on disk.

        Parameters
        ----------
        action : str
            One of `ACTIONS`.
        user, outcome, report, model : str
            Who; a kind or a code; the report's id; the model's name. Never a patient's value.
        pseudonym : str
            Kept as its keyed hash.
        now : datetime, optional

        Raises
        ------
        ResourceError
            AUD-01: what cannot be recorded must not be answered.
        """
        if action not in ACTIONS:
            raise ValueError(f"{action} is no action of the audit log.")
        moment = now or datetime.now(UTC)
        with self._lock:
            entry = {
                "time": moment.isoformat(timespec="milliseconds"),
                "action": action,
                "user": user,
                "outcome": outcome,
                "report": report,
                "model": model,
                "subject": self.subject(pseudonym) if pseudonym else "",
                "previous": self._end.hash,
            }
            entry["hash"] = hash_of(entry)
            end = End(self._end.lines + 1, entry["hash"])
            # The newest file where the clock was put back: the chain goes on at its end.
            day = max(f"{moment:%Y-%m-%d}.jsonl", self._day)
            try:
                self._append(self._folder / day, entry, end)
            except (OSError, ResourceError) as error:
                raise _cannot_write(self._folder, error) from error
            self._end, self._day = end, day

    def _append(self, path: Path, entry: dict[str, str], end: End) -> None:
        """Write line and head, or neither: the next line would not fit to one that the head does not know."""
        size = _append(path, entry)
        try:
            write_head(self._folder, end)
        except (OSError, ResourceError):
            os.truncate(path, size)
            with suppress(OSError, ResourceError):  # it may have been written, and not have reached the disk
                write_head(self._folder, self._end)
            raise


def _append(path: Path, entry: dict[str, str]) -> int:
    """Add a line, and return how long the file was before."""
    new = not path.exists()
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        data = (json.dumps(entry, ensure_ascii=True) + "\n").encode()
        try:
            _write_all(descriptor, data)
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, size)  # half a line would break the chain for good
            raise
    finally:
        os.close(descriptor)
    if new:
        sync(path.parent)
    return size


def _write_all(descriptor: int, data: bytes) -> None:
    if os.write(descriptor, data) != len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _secret(path: Path) -> bytes:
    if not path.exists():
        write_atomically(path, secrets.token_bytes(32))
        path.chmod(0o600)
    return path.read_bytes()


def _cannot_write(folder: Path, error: Exception) -> ResourceError:
    reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else "the disk refused"
    remedy = "Free space or mend the permissions; until then no estimate is given"
    return ResourceError(
        Problem("AUD-01", f"the audit log cannot be written ({reason})", remedy, file=str(folder))
    )
