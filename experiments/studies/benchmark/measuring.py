"""CPU seconds of a process and its children, fresh processes to measure in, and tables that grow row by row.

Standard library alone: importing this costs neither side anything.
"""

from __future__ import annotations

import csv
import json
import os
import resource
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["ONE_THREAD", "append_row", "cpu_seconds", "finished", "run_fresh"]

# A second OpenMP thread costs several times the CPU of one and gains little, so every side gets one.
ONE_THREAD = {
    f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB_MAXIMUM")
}


def cpu_seconds() -> float:
    """Return user and system seconds of this process and of the children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def run_fresh(command: Sequence[str], *, timeout: float | None = None) -> dict[str, Any]:
    """Run a command in a fresh process; it gets the path of a JSON file to write as its last argument."""
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        done = subprocess.run(
            [*command, str(answer)],
            env={**os.environ, **ONE_THREAD},
            cwd=folder,  # what a peer leaves behind goes with the folder
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if done.returncode or not answer.exists():
            raise RuntimeError(f"{command} ended with {done.returncode}:\n{done.stderr[-2000:]}")
        return dict(json.loads(answer.read_text()))


def finished(path: Path, keys: Sequence[str]) -> set[tuple[str, ...]]:
    """Return the keys of the rows that a table already holds, as text."""
    if not path.exists():
        return set()
    with path.open(encoding="utf-8", newline="") as file:
        return {tuple(row[key] for key in keys) for row in csv.DictReader(file)}


def append_row(path: Path, row: Mapping[str, object]) -> None:
    """Append one row at once, so that an interrupted study loses nothing it has finished."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = not path.exists()
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if new:
            writer.writerow(row)
        writer.writerow(f"{value:.6g}" if isinstance(value, float) else value for value in row.values())
