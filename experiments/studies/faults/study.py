"""Kill trainings at random moments, start them again, and count what was lost."""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
RESULTS = Path(__file__).with_name("results.csv")
PROGRAM = [sys.executable, "-c", "from predictor.cli import main; main()"]
COLUMNS = [
    "case", "moment", "seconds", "phase", "units_kept", "inputs_changed", "units_lost", "unverified",
    "mlflow_disagrees", "left_behind", "tables_different", "keys_in_logs", "resumed",
]  # fmt: skip
# Files that carry the run's own id, its time, or addresses of memory; what the model predicts is in golden.json.
OWN = (
    "journal.jsonl", "tracking.json", "model_report.html", "tripod_ai.html", "probast_ai.html", "model_card.json",
    "model/model.skops", "model/manifest.json",
)  # fmt: skip


def main() -> None:
    """Go on with `results.csv`, one line for each moment."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case", choices=["clinic", "ketamine_nimh"])
    parser.add_argument("--moments", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    done = _done(options.case)
    with tempfile.TemporaryDirectory() as place:
        project, command, key = _project(options.case, Path(place))
        started = time.monotonic()
        _run(project, command)
        duration = time.monotonic() - started
        whole = _results(_finished(project)[0])
        _clear(project)
        moments = random.Random(options.seed)
        for moment in range(options.moments):
            seconds = moments.uniform(0.0, duration)
            if moment not in done:
                row = _kill_and_resume(project, command, seconds, whole, key)
                _append({"case": options.case, "moment": moment, "seconds": f"{seconds:.2f}", **row})
                _clear(project)


def _done(case: str) -> set[int]:
    if not RESULTS.exists():
        return set()
    with RESULTS.open(newline="") as file:
        return {int(row["moment"]) for row in csv.DictReader(file) if row["case"] == case}


def _append(row: dict[str, object]) -> None:
    new = not RESULTS.exists()
    with RESULTS.open("a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(row)
    print(row, flush=True)


def _project(case: str, place: Path) -> tuple[Path, list[str], str]:
    """Folder, command, and a piece of the patients' keys that no log may hold."""
    if case == "clinic":
        sys.path.insert(0, str(ROOT / "tests"))
        from faults import smallest_clinic

        smallest_clinic(place, sites=2)
        return place, ["train", "config.yaml", "--workers", "1"], "K00"
    for name in ("configs", "data/nimh_ketamine"):
        shutil.copytree(ROOT / name, place / name)
    (place / "pyproject.toml").touch()
    few = ["--set", "validation.bootstrap.resamples=4", "--set", "validation.outer.n_repeats=2"]
    config = f"configs/{case}.yaml"
    return place, ["train", config, "--workers", "1", "--runs-folder", "experiments/runs", *few], ""


def _environment() -> dict[str, str]:
    source = str(ROOT / "src")
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": source}


def _run(project: Path, command: list[str]) -> str:
    done = subprocess.run(
        [*PROGRAM, *command], cwd=project, env=_environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def _kill_and_resume(
    project: Path, command: list[str], seconds: float, whole: dict[str, str], key: str
) -> dict[str, object]:
    inputs = _inputs(project)
    process = subprocess.Popen(
        [*PROGRAM, *command],
        cwd=project,
        env=_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(seconds)
    process.kill()
    process.wait()
    kept, phase = _units(project), _phase(project)
    output = ""
    if not _finished(project):
        watched = subprocess.Popen(
            [*PROGRAM, *command], cwd=project, env=_environment(), stdout=subprocess.PIPE, text=True
        )
        lost = _watch(watched, project, kept)
        output, _ = watched.communicate()
        assert watched.returncode == 0
    else:
        lost = 0
    _run(project, ["runs", "repair"])
    verified = subprocess.run(
        [*PROGRAM, "runs", "verify"], cwd=project, env=_environment(), capture_output=True, check=False
    )
    (run,) = _finished(project)
    results = _results(run)
    texts = [path.read_text() for path in run.rglob("*.json*")] if key else []
    return {
        "phase": phase,
        "units_kept": len(kept),
        "inputs_changed": sum(inputs[name] != now for name, now in _inputs(project).items()),
        "units_lost": lost,
        "unverified": int(verified.returncode != 0),
        "mlflow_disagrees": int(_recorded(project, run.name) != 1),
        "left_behind": len(_left(project)),
        "tables_different": sum(whole.get(name) != sha for name, sha in results.items())
        + len(whole.keys() - results.keys()),
        "keys_in_logs": sum(key in text for text in [*texts, output]) if key else 0,
        "resumed": int("goes on" in output),
    }


def _watch(process: subprocess.Popen[str], project: Path, kept: dict[str, str]) -> int:
    """Count finished units that are missing or different while the resumed training works."""
    lost: set[str] = set()
    while process.poll() is None:
        now = _units(project)
        if now:
            lost |= {name for name, sha in kept.items() if now.get(name, sha) != sha}
        time.sleep(0.1)
    return len(lost)


def _runs(project: Path) -> Path:
    return project / "experiments" / "runs"


def _finished(project: Path) -> list[Path]:
    found = _runs(project).glob("20*") if _runs(project).exists() else []
    return [path for path in found if not path.name.endswith(".partial")]


def _units(project: Path) -> dict[str, str]:
    found = {}
    for path in _runs(project).glob("*.partial/units/*.unit"):
        try:
            found[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
        except FileNotFoundError:  # the run has just been finished
            return {}
    return found


def _phase(project: Path) -> str:
    if _finished(project):
        return "finished, before or while MLflow was told"
    partial = list(_runs(project).glob("*.partial"))
    if not partial:
        return "before the run"
    folder = partial[0]
    if any(folder.glob("model*")):
        return "model folder and reports"
    return "units of work" if _units(project) else "beginning"


def _results(run: Path) -> dict[str, str]:
    hashes: dict[str, str] = json.loads((run / "hashes.json").read_text())
    return {name: sha for name, sha in hashes.items() if name not in OWN and "patient_reports" not in name}


def _inputs(project: Path) -> dict[str, str]:
    names = [
        *project.glob("*.csv"),
        *project.glob("*.yaml"),
        *project.glob("configs/**/*.yaml"),
        *project.glob("data/*/*"),
    ]
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(names) if path.is_file()
    }


def _recorded(project: Path, name: str) -> int:
    query = "select count(*) from runs where name = ? and status = 'FINISHED'"
    with closing(sqlite3.connect(_runs(project) / "mlflow.db")) as database:
        return int(database.execute(query, (name,)).fetchone()[0])


def _left(project: Path) -> list[Path]:
    found = [path for path in _runs(project).rglob("*") if path.name.endswith((".tmp", ".partial", ".lock"))]
    return [path for path in found if path != _runs(project) / "mlflow.lock"]


def _clear(project: Path) -> None:
    """Take the finished runs away; the store of MLflow stays, as it does in a project."""
    for run in [*_finished(project), *_runs(project).glob("*.partial")]:
        shutil.rmtree(run)


if __name__ == "__main__":
    main()
