"""Interrupt trainings in every way that can be made to happen, go on with them, and count what was lost.

A line of ``results.csv`` that is there is not computed again.
"""

from __future__ import annotations

import os

# Before NumPy: one thread, so that a process may be forked and nothing depends on the machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import csv
import random
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from invariants import COUNTS, count_lost, input_hashes, unit_hashes
from projects import DATA, Command, Project, cpu_seconds, make_project, warm_up

import predictor.beginning

RESULTS = Path(__file__).with_name("results.csv")
COLUMNS = (
    "case",
    "fault",
    "moment",
    "seconds",
    "of_seconds",
    "phase",
    "units_kept",
    "gone_on",
    *COUNTS,
    "cpu",
)
TOGETHER = {"six_on_an_empty_store": 6, "eight_on_a_used_store": 8}
DISK = "48m"
SMALL = 3 * 2**20  # bytes
RESERVE = predictor.beginning.REST
LONGER = 1.2  # moments go a little beyond the time that the run is unfinished, to when MLflow is told


def main(arguments: Sequence[str] | None = None) -> None:
    """Do what is missing of a case, or of all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", default=["clinic", *DATA])
    parser.add_argument("--moments", type=int, default=20)
    parser.add_argument("--faults", nargs="*", default=["kill"], choices=[*FAULTS, *TOGETHER])
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    warm_up()
    for case in options.cases:
        wanted = [(fault, moment) for fault in options.faults for moment in _moments(fault, options.moments)]
        missing = [one for one in wanted if (case, *one) not in _done(options.out)]
        if missing:
            study_case(case, missing, options.out)


def _moments(fault: str, number: int) -> range:
    return range(1 if fault in TOGETHER else number)


def study_case(case: str, wanted: Sequence[tuple[str, int]], out: Path) -> None:
    """Train once undisturbed, then once for each wanted fault and moment.

    Parameters
    ----------
    case : str
    wanted : sequence of (str, int)
    out : Path
    """
    with tempfile.TemporaryDirectory() as place, _project(case, Path(place)) as project:
        old, seconds = _undisturbed(project)
        for fault, moment in wanted:
            before = cpu_seconds()
            if fault in TOGETHER:
                row = together(project, old, TOGETHER[fault], empty=fault.endswith("empty_store"))
            else:
                at = random.Random(f"{case} {fault} {moment}").uniform(0.0, LONGER * seconds)
                row = {
                    "seconds": f"{at:.2f}",
                    "of_seconds": f"{seconds:.2f}",
                    **disturbed(project, old, FAULTS[fault], at),
                }
            cpu = f"{cpu_seconds() - before:.1f}"
            _append(out, {"case": case, "fault": fault, "moment": moment, **row, "cpu": cpu})
            _clear(project, old)


@contextmanager
def _project(case: str, place: Path) -> Iterator[Project]:
    """Give a project whose runs lie on a small file system of their own, where one may be mounted."""
    project = make_project(case, place)
    project.runs.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(project.runs)]
    mounted = case == "clinic" and subprocess.run(mount, check=False, capture_output=True).returncode == 0
    try:
        yield project
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(project.runs)], check=True)


def _undisturbed(project: Project) -> tuple[Path, float]:
    """Train, and return the run and how long it was unfinished; MLflow is told after that."""
    command = project.start()
    _wait_for_run(project, command)
    began = time.monotonic()
    while not project.finished() and not command.ended():
        time.sleep(0.01)
    seconds = time.monotonic() - began
    assert command.wait() == 0, command.output()
    (run,) = project.finished()
    return run, seconds


def _wait_for_run(project: Project, command: Command) -> None:
    while not project.unfinished() and not command.ended():
        time.sleep(0.01)


# The faults


def kill(project: Project, command: Command) -> None:
    """End the process with `kill -9`."""
    command.kill()


def fill_disk(project: Project, _: Command) -> None:
    """Leave no byte of the file system free."""
    with suppress(OSError), (project.runs / "filler").open("wb", buffering=0) as file:
        for size in (1 << 16, 512):
            with suppress(OSError):
                while True:
                    file.write(b"x" * size)


def free_disk(project: Project) -> None:
    """Take the filler away."""
    (project.runs / "filler").unlink(missing_ok=True)


def read_only(project: Project, _: Command) -> None:
    """Let nothing that is opened from now on be written; what the training holds open it may finish."""
    _write_protect(project.runs)


def writable(project: Project) -> None:
    """Let it take writes again."""
    _unprotect(project.runs)


def _write_protect(path: Path) -> None:
    """Put a mount that takes no writes, also of root, over a file or folder: the disk itself is busy while in use."""
    subprocess.run(["mount", "--bind", str(path), str(path)], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", str(path)], check=True)


def _unprotect(path: Path) -> None:
    subprocess.run(["umount", "-l", str(path)], check=True)


def delete_store(project: Project, _: Command) -> None:
    """Take MLflow's database away."""
    for path in project.runs.glob("mlflow.db*"):
        path.unlink(missing_ok=True)


def corrupt_store(project: Project, _: Command) -> None:
    """Write over MLflow's database."""
    (project.runs / "mlflow.db").write_bytes(b"\x00 no database" * 1000)


def write_protect_store(project: Project, _: Command) -> None:
    """Let MLflow's database be read and not written."""
    _write_protect(project.runs / "mlflow.db")


def unprotect_store(project: Project) -> None:
    """Let it be written again."""
    _unprotect(project.runs / "mlflow.db")


def age_program(project: Project, _: Command) -> None:
    """Leave a database as a later version of MLflow does."""
    with closing(sqlite3.connect(project.runs / "mlflow.db", timeout=60.0)) as database, database:
        database.execute("update alembic_version set version_num = 'ffffffffffff'")


def shrink_disk(project: Project) -> None:
    """Leave the training a file system of 3 MB, which it would refuse before the work if it were not told to try."""
    predictor.beginning.REST = 0
    state = os.statvfs(project.runs)
    used = (state.f_blocks - state.f_bfree) * state.f_frsize
    _remount(project, f"size={used + SMALL}")


def grow_disk(project: Project) -> None:
    """Take the filler away and give the space back."""
    predictor.beginning.REST = RESERVE
    free_disk(project)
    _remount(project, f"size={DISK}")


def _remount(project: Project, option: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{option}", str(project.runs)], check=True)


def nothing(project: Project) -> None:
    """Mend nothing."""


def move_store(project: Project) -> None:
    """Do what TRK-02 says to do with a damaged store."""
    delete_store(project, None)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Fault:
    """What is done to a training, what a user does before going on, and what the training begins with."""

    strike: Callable[[Project, Command], None]
    mend: Callable[[Project], None] = nothing
    before: Callable[[Project], None] = nothing


FAULTS = {
    "kill": Fault(kill),
    "full_disk": Fault(fill_disk, free_disk),
    "full_disk_of_3_mb": Fault(fill_disk, grow_disk, shrink_disk),
    "read_only_disk": Fault(read_only, writable),
    "store_deleted": Fault(delete_store),
    "store_corrupted": Fault(corrupt_store, move_store),
    "store_read_only": Fault(write_protect_store, unprotect_store),
    "store_of_a_later_version": Fault(age_program, move_store),
}


def disturbed(project: Project, old: Path, fault: Fault, at: float) -> dict[str, object]:
    """Train, strike after so many seconds of the run, mend, give the command again, and count.

    Parameters
    ----------
    project : Project
    old : Path
    fault : Fault
    at : float
        Seconds since the run's folder was there, uniform over the time that a run is unfinished and a fifth more.
    """
    inputs = input_hashes(project)
    fault.before(project)
    command = project.start()
    _wait_for_run(project, command)
    _wait(command, at)
    phase = _phase(project, old, command)
    fault.strike(project, command)
    command.wait()
    assert command.code in (0, 5, -9), command.output()
    assert "Traceback" not in command.output(), command.output()
    fault.mend(project)
    kept, lost, commands = unit_hashes(project), 0, [command]
    if not [run for run in project.finished() if run != old]:
        again = project.start()
        lost = _watch(project, again, kept)
        commands.append(again)
        assert again.wait() == 0, again.output()
    repair = project.start("runs", "repair", "--runs-folder", "experiments/runs")
    assert repair.wait() == 0, repair.output()
    counts = count_lost(project, old=old, inputs=inputs, units_lost=lost, commands=[*commands, repair])
    gone_on = sum("goes on: " in one.output() for one in commands)
    return {"phase": phase, "units_kept": len(kept), "gone_on": gone_on, **counts}


def together(project: Project, old: Path, number: int, *, empty: bool) -> dict[str, object]:
    """Start so many trainings at the same time on one store, and count.

    Parameters
    ----------
    project : Project
    old : Path
    number : int
    empty : bool
        Whether the store is taken away before.
    """
    inputs = input_hashes(project)
    if empty:
        delete_store(project, None)  # type: ignore[arg-type]
    commands = [project.start() for _ in range(number)]
    for command in commands:
        assert command.wait() == 0, command.output()
        assert "locked" not in command.output()
        assert "TRK-02" not in command.output()
    if empty:  # the old run is sent again
        assert project.start("runs", "repair", "--runs-folder", "experiments/runs").wait() == 0
    counts = count_lost(project, old=old, inputs=inputs, units_lost=0, commands=commands, expected=number)
    return {"phase": "all", "units_kept": 0, "gone_on": 0, **counts}


def _wait(command: Command, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and not command.ended():
        time.sleep(0.01)


def _watch(project: Project, command: Command, kept: dict[str, str]) -> int:
    """Count finished units that are missing or different while the second start works."""
    lost: set[str] = set()
    while not command.ended():
        now = unit_hashes(project)
        if now:
            lost |= {name for name, sha in kept.items() if now.get(name) != sha}
        time.sleep(0.2)
    return len(lost)


def _phase(project: Project, old: Path, command: Command) -> str:
    if command.ended():
        return "ended"
    if not project.unfinished():
        return "finished, before or while MLflow was told"
    if any(project.unfinished()[0].glob("model*")):
        return "model folder and reports"
    return "units of work" if unit_hashes(project) else "beginning"


def _done(out: Path) -> set[tuple[str, str, int]]:
    if not out.exists():
        return set()
    with out.open(newline="") as file:
        return {(row["case"], row["fault"], int(row["moment"])) for row in csv.DictReader(file)}


def _append(out: Path, row: dict[str, object]) -> None:
    new = not out.exists()
    with out.open("a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(row)
    print(row, flush=True)


def _clear(project: Project, old: Path) -> None:
    """Take the new runs away; the old one and the store of MLflow stay, as they do in a project."""
    for run in [*project.finished(), *project.unfinished()]:
        if run != old:
            shutil.rmtree(run)


if __name__ == "__main__":
    main()
