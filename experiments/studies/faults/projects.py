"""Projects to train in, each in a folder of its own, and commands that start within a moment."""

from __future__ import annotations

import csv
import os
import resource
import shutil
import signal
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
# Put in front of every patient's key, so that a key can be told from any other number.
CANARY = "Kanarek"
DATA = {
    "ketamine_nimh": "nimh_ketamine",
    "thinking_healthy": "thinking_healthy",
    "opt_periodontal": "opt_periodontal",
}
FEATURES = {
    "ketamine_nimh": "clinical",
    "thinking_healthy": "clinical",
    "opt_periodontal": "clinical_dental_site",
}
SHORT = {
    "validation.outer.n_repeats": "1",
    "validation.outer.n_splits": "3",
    "validation.inner.n_splits": "2",
    "validation.bootstrap.resamples": "2",
    "validation.interval.resamples": "100",
    "models.elastic_net.candidates": "1",
    "models.random_forest.candidates": "1",
    "models.random_forest.params.n_estimators": "5",
    "models.boosted_trees.candidates": "1",
    "models.boosted_trees.params.n_estimators": "5",
}
MODELS = ("elastic_net", "random_forest", "boosted_trees")


@dataclass(frozen=True)
class Project:
    """A project's folder and the command that trains in it.

    Parameters
    ----------
    folder : Path
    command : list of str
    key : str
        Part of every patient's key.
    """

    folder: Path
    command: list[str]
    key: str = CANARY

    @property
    def runs(self) -> Path:
        """Folder of the runs."""
        return self.folder / "experiments" / "runs"

    def start(self, *arguments: str) -> Command:
        """Start a command in a process of its own, by default the training."""
        return Command(self.folder, list(arguments) or self.command)

    def finished(self) -> list[Path]:
        """List the finished runs."""
        return sorted(path for path in self.runs.glob("20*") if not path.name.endswith(".partial"))

    def unfinished(self) -> list[Path]:
        """List the runs that are not finished."""
        return sorted(self.runs.glob("20*.partial"))


def make_project(case: str, place: Path) -> Project:
    """Write an invented clinic of 60 patients, or copy a shipped example with its data.

    Parameters
    ----------
    case : {"clinic", "ketamine_nimh", "thinking_healthy", "opt_periodontal"}
    place : Path
    """
    train = ["train", "--workers", "1", "--runs-folder", "experiments/runs"]
    if case == "clinic":
        sys.path.insert(0, str(ROOT / "tests"))
        from faults import smallest_clinic

        smallest_clinic(place, sites=2)
        return Project(place, [*train, "config.yaml"], "K00")
    shutil.copytree(ROOT / "configs", place / "configs")
    shutil.copytree(ROOT / "data" / DATA[case], place / "data" / DATA[case])
    (place / "pyproject.toml").touch()
    for table in (place / "data" / DATA[case]).glob("*.[ct]sv"):
        _mark_keys(table)
    short = {**SHORT, **{f"models.{name}.features": f"[{FEATURES[case]}]" for name in MODELS}}
    options = [part for key, value in short.items() for part in ("--set", f"{key}={value}")]
    return Project(place, [*train, f"configs/{case}.yaml", *options])


def _mark_keys(table: Path) -> None:
    """Put the canary in front of the first column, which holds the keys; their order stays."""
    delimiter = "\t" if table.suffix == ".tsv" else ","
    with table.open(newline="", encoding="utf-8") as file:
        head, *rows = csv.reader(file, delimiter=delimiter)
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
        writer.writerows([head, *([CANARY + row[0], *row[1:]] for row in rows)])


def warm_up() -> None:
    """Import what a training needs, so that a command's time is its work; nothing is run here."""
    import predictor.cli
    import predictor.experiment
    import predictor.runs
    from predictor.tracking import _mlflow

    assert str(ROOT) in str(predictor.experiment.__file__)
    assert predictor.cli
    assert predictor.runs
    _mlflow()


class Command:
    """`predictor` in a process of its own, forked from this one when its libraries are there.

    Parameters
    ----------
    folder : Path
        Where it is started; what it says lies in ``output`` below it.
    arguments : list of str
    """

    number = 0

    def __init__(self, folder: Path, arguments: list[str]) -> None:
        Command.number += 1
        self.said = folder / "output" / f"{Command.number}.txt"
        self.said.parent.mkdir(exist_ok=True)
        self.code: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            self._be(folder, arguments)

    def _be(self, folder: Path, arguments: list[str]) -> None:
        code = 70
        try:
            os.chdir(folder)
            handle = os.open(self.said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(handle, 1)
            os.dup2(handle, 2)
            sys.argv = ["predictor", *arguments]
            from predictor.cli import main

            main()
            code = 0
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        except Exception:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def ended(self) -> bool:
        """Whether the process has ended."""
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
        return self.code is not None

    def kill(self) -> None:
        """End it as `kill -9` does."""
        if not self.ended():
            os.kill(self.pid, signal.SIGKILL)
            self.wait()

    def wait(self, seconds: float = 600.0) -> int:
        """Wait for the end and return the exit code, negative for a signal."""
        deadline = time.monotonic() + seconds
        while not self.ended():
            if time.monotonic() > deadline:
                raise TimeoutError(self.said.read_text())
            time.sleep(0.05)
        assert self.code is not None
        return self.code

    def output(self) -> str:
        """Return what it has said on both channels."""
        return self.said.read_text(encoding="utf-8", errors="replace")


def cpu_seconds() -> float:
    """CPU time of this process and of all commands that have ended."""
    whole = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in whole)
