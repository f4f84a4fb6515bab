"""What has to hold after every fault, as counts that have to be 0: I1 to I8 of the reliability goals."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from projects import Command, Project

COUNTS = (
    "inputs_changed",
    "units_lost",
    "unverified",
    "mlflow_disagrees",
    "left_behind",
    "files_different",
    "old_model_fails",
    "keys_in_logs",
)
# Files that carry the run's own id, its time, or addresses of memory; what the model predicts is in golden.json.
OWN = (
    "journal.jsonl",
    "tracking.json",
    "model_report.html",
    "tripod_ai.html",
    "probast_ai.html",
    "model_card.json",
    "model/model.skops",
    "model/manifest.json",
)


def input_hashes(project: Project) -> dict[str, str]:
    """Return the hash of every file that the user owns."""
    names = [path for pattern in ("*.*", "configs/**/*", "data/*/*") for path in project.folder.glob(pattern)]
    return {str(path): _sha(path) for path in sorted(names) if path.is_file()}


def unit_hashes(project: Project) -> dict[str, str]:
    """Return the hash of each finished unit of work of the unfinished runs."""
    found = {}
    for path in project.runs.glob("*.partial/units/*.unit"):
        try:
            found[path.name] = _sha(path)
        except FileNotFoundError:  # the run has just been finished
            return {}
    return found


def result_hashes(run: Path) -> dict[str, str]:
    """Return the hashes of a finished run's files that another run of the same training has to share."""
    hashes: dict[str, str] = json.loads((run / "hashes.json").read_text())
    return {name: sha for name, sha in hashes.items() if name not in OWN and "patient_reports" not in name}


def count_lost(
    project: Project,
    *,
    old: Path,
    inputs: Mapping[str, str],
    units_lost: int,
    commands: list[Command],
    expected: int = 1,
) -> dict[str, int]:
    """Count what an interruption has cost, after it was gone on with and mended.

    Parameters
    ----------
    project : Project
    old : Path
        The run of an undisturbed training, finished before: it says what is right, and its model goes on serving.
    inputs : mapping of str to str
        `input_hashes` before the fault.
    units_lost : int
    commands : list of Command
        Whatever was started; what they said may hold no key.
    expected : int
        How many runs have to be there besides the old one.
    """
    runs = [run for run in project.finished() if run != old]
    verified = project.start("runs", "verify", "--runs-folder", "experiments/runs")
    # Before it answers anything, a model is loaded through every gate and repeats its golden predictions.
    table = project.folder / "output" / f"{Command.number}.csv"
    serves = project.start("predict", str(old / "model"), "--template", str(table))
    whole = result_hashes(old)
    found = [result_hashes(run) for run in runs]
    return {
        "inputs_changed": sum(inputs[name] != now for name, now in input_hashes(project).items()),
        "units_lost": units_lost,
        "unverified": int(verified.wait() != 0) + abs(len(runs) - expected),
        "mlflow_disagrees": _disagreements(project, [old, *runs]),
        "left_behind": len(_left(project)),
        "files_different": sum(
            one.get(name) != whole.get(name) for one in found for name in one.keys() | whole.keys()
        ),
        "old_model_fails": int(serves.wait() != 0),
        "keys_in_logs": _keys(project, [*commands, verified, serves]),
    }


def _disagreements(project: Project, runs: list[Path]) -> int:
    """Count runs that MLflow does not have exactly once, and records that stand open."""
    with closing(sqlite3.connect(project.runs / "mlflow.db")) as database:
        count = "select count(*) from runs where name = ? and status = 'FINISHED'"
        times = [int(database.execute(count, (run.name,)).fetchone()[0]) for run in runs]
        (still,) = database.execute("select count(*) from runs where status = 'RUNNING'").fetchone()
    return sum(one != 1 for one in times) + int(still)


def _left(project: Project) -> list[Path]:
    ends = (".tmp", ".partial", ".lock")
    found = [path for path in project.runs.rglob("*") if path.name.endswith(ends)]
    return [path for path in found if path != project.runs / "mlflow.lock"]


def _keys(project: Project, commands: list[Command]) -> int:
    """Files of the runs folder, MLflow's among them, and outputs, with a patient's key."""
    files = [path for path in project.runs.rglob("*") if path.is_file()]
    key = project.key.encode()
    return sum(key in path.read_bytes() for path in files) + sum(
        project.key in one.output() for one in commands
    )


def _sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
