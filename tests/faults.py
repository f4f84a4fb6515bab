"""Trainings to be interrupted: a clinic that trains in a second, and what has to hold after every fault."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from clinic import Clinic, build_clinic
from predictor.execution import Progress
from predictor.experiment import Training, train
from predictor.run_store import verify_run
from predictor.stopping import Stop
from predictor.tracking import TrackingRecord
from trained_clinics import result_hashes

PROGRAM = [sys.executable, "-c", "from predictor.cli import main; main()"]
NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


def smallest_clinic(folder: Path, *, changes: Mapping[str, Any] | None = None, **options: Any) -> Clinic:
    """Write a clinic of 60 patients in one table, with 6 outer folds and 4 resamples."""
    return build_clinic(folder, layout="wide", n=60, lost=0.0, changes=changes, **options)


def train_here(
    clinic: Clinic,
    *overrides: str,
    runs: Path | None = None,
    resume: str | None = None,
    stop: Stop | None = None,
    workers: int = 1,
    progress: Progress | None = None,
    now: datetime = NOW,
) -> Training:
    """Train in this process, without MLflow, whose import costs more than the whole training."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("predictor.runs.send", lambda *_, **__: TrackingRecord("-", "-", None, "-"))
        return train(
            clinic.load(*overrides),
            runs_folder=runs,
            resume=resume,
            stop=stop,
            workers=workers,
            progress=progress,
            now=now,
        )


def stop_after(step: str, done: int) -> tuple[Stop, Progress]:
    """Ask to stop when so much of a step is done."""
    stop = Stop()

    def progress(name: str, so_far: int, _: int) -> None:
        if (name, so_far) == (step, done):
            stop.number = 15

    return stop, progress


def command(*arguments: object) -> list[str]:
    """Return the command line that a user would type."""
    return [*PROGRAM, *map(str, arguments)]


def environment() -> dict[str, str]:
    """Return the variables for a process of its own that runs this source."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}


def start(clinic: Clinic, *arguments: object) -> subprocess.Popen[str]:
    """Start a command in the clinic's folder and come back at once."""
    return start_in(clinic.folder, *arguments)


def start_in(folder: Path, *arguments: object) -> subprocess.Popen[str]:
    """Start a command in a folder and come back at once."""
    return subprocess.Popen(
        command(*arguments),
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )


class SmallDisk(type(Path())):  # type: ignore[misc]
    """The folder of a file system of its own in memory."""

    def read_only(self) -> None:
        """Let nobody write to it."""
        subprocess.run(["mount", "-o", "remount,ro", str(self)], check=True)

    def writable(self) -> None:
        """Let it be written to again."""
        subprocess.run(["mount", "-o", "remount,rw", str(self)], check=True)

    @contextmanager
    def read_only_below(self, folder: Path) -> Iterator[None]:
        """Let nobody who opens a file from now on write below a folder, though others hold files there open."""
        subprocess.run(["mount", "--bind", str(folder), str(folder)], check=True)
        try:
            subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True)
            yield
        finally:
            subprocess.run(["umount", "-l", str(folder)], check=True)


@contextmanager
def on_small_disk(folder: Path, size: str) -> Iterator[SmallDisk]:
    """Mount a file system that really is so small; where that is not permitted, skip the test."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)],
            check=True,
            capture_output=True,
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no file system may be mounted here")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def units_of(run: Path) -> dict[str, str]:
    """Return the hash of each finished unit of a run."""
    return {path.name: sha(path) for path in sorted(run.glob("units/*.unit"))}


def sha(path: Path) -> str:
    """Hash a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def inputs_of(clinic: Clinic) -> dict[str, str]:
    """Return the hash of each file that the user owns."""
    return {path.name: sha(path) for path in sorted(clinic.folder.iterdir()) if path.is_file()}


def assert_nothing_lost(clinic: Clinic, runs: Path, before: Mapping[str, str], whole: Path) -> Path:
    """Check what has to hold after a resumed training: I1, I3, I5, I6 and I8 of the reliability goals.

    Parameters
    ----------
    before : mapping of str to str
        `inputs_of` before the fault.
    whole : Path
        A run that was never interrupted.

    Returns
    -------
    Path
        The one finished run.
    """
    assert inputs_of(clinic) == before
    (run,) = [path for path in runs.iterdir() if path.name.startswith("20")]
    assert not run.name.endswith(".partial")
    assert verify_run(run) == ()
    left = [path for path in runs.rglob("*") if path.name.endswith((".tmp", ".partial", ".lock"))]
    assert [path for path in left if path != runs / "mlflow.lock"] == []
    assert result_hashes(run) == result_hashes(whole)
    texts = [path.read_text(encoding="utf-8") for path in run.rglob("*.json*")]
    assert not any("K00" in text for text in texts), "a patient's key is in a log"
    return run


def journal(run: Path) -> list[dict[str, Any]]:
    """Read a run's records."""
    return [json.loads(line) for line in (run / "journal.jsonl").read_text().splitlines()]
