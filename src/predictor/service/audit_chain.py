"""The audit log's chain as it lies on disk: its lines, its end, and what a killed process can have left there."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from predictor.durable import write_atomically

__all__ = [
    "DAYS",
    "FIRST",
    "HEAD",
    "End",
    "Rest",
    "entry_of",
    "hash_of",
    "lines_of",
    "mend",
    "read_head",
    "rest_of_a_kill",
    "write_head",
]

FIRST = "0" * 64
DAYS = "????-??-??.jsonl"
HEAD = "head.json"
HEAD_BYTES, READINGS = 192, 4
KEYS = ("time", "action", "user", "outcome", "report", "model", "subject", "previous", "hash")


@dataclass(frozen=True)
class End:
    """Where the chain stands: how many lines there are, and the hash of the last."""

    lines: int = 0
    hash: str = FIRST

    @property
    def check(self) -> str:
        """What the two give together: a head of which half is older is none."""
        return hashlib.sha256(f"{self.lines} {self.hash}".encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Rest:
    """What a process left that was killed between a line and the head.

    Parameters
    ----------
    path : Path
    begun : int
        Bytes of a line that has only begun, of which nothing was ever answered; 0 for a whole one.
    end : End
        Of the chain without the former, or with the latter.
    """

    path: Path
    begun: int
    end: End

    @property
    def told(self) -> str:
        """What it is, in words."""
        return "the last line has only begun" if self.begun else f"the last line is not in {HEAD} yet"


def rest_of_a_kill(folder: Path, head: End) -> Rest | None:
    """Find at the end of the chain what a kill can have left, and nothing else: the rest is for `verify_audit`."""
    tail = _tail(folder)
    if not tail:
        return None
    path, last = tail[-1]
    if not last.endswith(b"\n"):
        before = entry_of(tail[-2][1].decode(errors="replace")) if len(tail) > 1 else {"hash": FIRST}
        return Rest(path, len(last), head) if before and before["hash"] == head.hash else None
    entry = entry_of(last.decode(errors="replace"))
    if entry is None or entry["hash"] != hash_of(entry) or entry["previous"] != head.hash:
        return None
    return Rest(path, 0, End(head.lines + 1, entry["hash"]))


def mend(folder: Path, rest: Rest) -> None:
    """Let line and head fit again: take away what has only begun, or let the head know the whole line."""
    if rest.begun:
        os.truncate(rest.path, rest.path.stat().st_size - rest.begun)
    write_head(folder, rest.end)


def _tail(folder: Path) -> list[tuple[Path, bytes]]:
    """Return the last two lines with their files, also when the last is alone in a new one."""
    found: list[tuple[Path, bytes]] = []
    for path in sorted(folder.glob(DAYS), reverse=True):
        found = [*((path, line) for line in path.read_bytes().splitlines(keepends=True)), *found][-2:]
        if len(found) > 1:
            break
    return found


def lines_of(folder: Path) -> Iterator[tuple[Path, int, str]]:
    """Read all lines in their order, each with its file and its number there."""
    for path in sorted(folder.glob(DAYS)):
        text = path.read_text(encoding="utf-8", errors="replace")
        for number, line in enumerate(text.splitlines(keepends=True), 1):
            yield path, number, line


def entry_of(line: str) -> dict[str, str] | None:
    """Read a line; None when it has not the form of one of ours."""
    try:
        found = json.loads(line)
    except json.JSONDecodeError:
        return None
    return found if isinstance(found, dict) and tuple(found) == KEYS else None


def hash_of(entry: dict[str, str]) -> str:
    """Return SHA-256 over all that a line says, the hash of the one before included."""
    content = {key: entry[key] for key in KEYS if key != "hash"}
    return hashlib.sha256(json.dumps(content, ensure_ascii=True).encode()).hexdigest()


def read_head(folder: Path) -> End:
    """Read where the chain ended when its last line was written; an end that no chain has, when it cannot be read."""
    for attempt in range(READINGS):  # one can fall into the moment in which it is written
        time.sleep(attempt / 1000)
        try:
            found = json.loads((folder / HEAD).read_text(encoding="utf-8"))
            end = End(int(found["lines"]), str(found["hash"]))
        except FileNotFoundError:
            return End()
        except (ValueError, KeyError, TypeError):
            continue
        if found.get("check", end.check) == end.check:
            return end
    return End(-1, "")


def write_head(folder: Path, end: End) -> None:
    """Remember where the chain ends, on the disk when this returns.

    The few bytes are written over those before, in one sector: a new file for every line would cost ten times as much,
    and three waits for the disk where this is one.
    """
    said = json.dumps({"lines": end.lines, "hash": end.hash, "check": end.check})
    data = f"{said:{HEAD_BYTES - 1}}\n".encode()
    try:
        descriptor = os.open(folder / HEAD, os.O_WRONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        write_atomically(folder / HEAD, data)
        return
    try:
        if os.pwrite(descriptor, data, 0) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
