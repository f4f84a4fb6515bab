"""Whether a text file fits into memory, asked before it is read: a process that the system kills says nothing."""

from __future__ import annotations

import resource
from pathlib import Path

__all__ = ["memory_free", "memory_needed"]

# A cell is a Python string of 49 bytes and its letters, with two pointers, and stands once more, packed, in the data
# frame. While the text is split its letters are held as bytes, as text, and four bytes each in the text's buffer.
PER_CELL, PER_BYTE = 80, 8
MEMINFO = Path("/proc/meminfo")
CGROUPS = (
    (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")),
    (
        Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
        Path("/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ),
)


def memory_needed(start: bytes, size: int, separator: str) -> int:
    """Estimate the bytes of memory that reading a file takes.

    Parameters
    ----------
    start : bytes
        Some first lines.
    size : int
        Bytes of the whole file.
    separator : str
    """
    cells = start.count(separator.encode()) + start.count(b"\n")
    return PER_BYTE * size + PER_CELL * cells * size // max(1, len(start))


def memory_free() -> int | None:
    """Return the bytes that this process may still take, or None where the system does not say."""
    found = [free for free in (_system(), *map(_group, CGROUPS), _limit()) if free is not None]
    return min(found, default=None)


def _system() -> int | None:
    for line in _lines(MEMINFO):
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None


def _group(files: tuple[Path, Path]) -> int | None:
    most, used = (next(iter(_lines(path)), "") for path in files)
    return int(most) - int(used) if most.isdigit() and used.isdigit() else None


def _limit() -> int | None:
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    if soft == resource.RLIM_INFINITY:
        return None
    pages = next(iter(_lines(Path("/proc/self/statm"))), "0").split()[0]
    return soft - int(pages) * resource.getpagesize()


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii").splitlines()
    except OSError:
        return []
