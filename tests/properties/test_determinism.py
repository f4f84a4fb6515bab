"""One config, one set of data, one result, byte for byte: on one worker or two, in any order, place, language or time.

Each test is named by what it varies. `result_hashes` leaves nothing of a run out but its journal and its own id.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clinic import Clinic
from faults import NOW, environment, smallest_clinic, train_here, units_of
from trained_clinics import result_hashes

FEW = {"features": ["all"], "candidates": 1}
FOREST = {**FEW, "params": {"n_estimators": 10, "min_samples_leaf": 8}}
EVERY_FAMILY: dict[str, Any] = {
    "experiment.question": "Who responds, and à quel prix?",
    "models": {
        "net": {"type": "elastic_net", **FEW, "candidates": 2},
        "forest": {"type": "random_forest", **FOREST},
        "extra": {"type": "extra_trees", **FOREST},
        "lightgbm": {"type": "lightgbm", **FEW},
        "hist": {"type": "hist_gradient_boosting", **FEW},
    },
    "imputation": {"method": "multiple", "m": 2},
    "validation.outer": {"n_splits": 2, "n_repeats": 2},
    "validation.bootstrap": {"resamples": 2},
}
# A process that has seen nothing of this one; its arguments are the config, the folder of runs and the workers.
ELSEWHERE = """
import sys
from pathlib import Path
import faults
from clinic import Clinic
config, runs, workers = sys.argv[1:]
print(faults.train_here(Clinic(Path(config).parent), runs=Path(runs), workers=int(workers)).folder)
"""


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Clinic:
    """Two sites, two arms, gaps, every family of models, averaged, and multiple imputation."""
    return smallest_clinic(
        tmp_path_factory.mktemp("every") / "clinic",
        sites=2,
        treatment="arms",
        missing=0.15,
        changes=EVERY_FAMILY,
    )


@pytest.fixture(scope="module")
def once(clinic: Clinic, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return result_hashes(train_here(clinic, runs=tmp_path_factory.mktemp("once")).folder)


def start_elsewhere(
    clinic: Clinic, runs: Path, changes: Mapping[str, str] | None = None, *, cwd: Path, workers: int = 1
) -> subprocess.Popen[str]:
    """Train in a new process with some of its environment changed; an empty value takes a variable away."""
    variables = {**environment(), "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])}
    variables |= changes or {}
    return subprocess.Popen(
        [sys.executable, "-c", ELSEWHERE, str(clinic.config), str(runs), str(workers)],
        cwd=cwd,
        env={name: value for name, value in variables.items() if value},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def trained_elsewhere(
    clinic: Clinic, tmp_path: Path, changes: Mapping[str, str] | None = None, *, cwd: Path | None = None
) -> dict[str, str]:
    process = start_elsewhere(clinic, tmp_path / "runs", changes, cwd=cwd or clinic.folder)
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    return result_hashes(Path(out.strip().splitlines()[-1]))


@pytest.fixture(scope="module")
def turkish(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return variables of a language with a decimal comma, in which the small I has no dot and the large one has.

    Where it cannot be made the strictest of all stays: ASCII, and Python's own remedies for it switched off.
    """
    folder = tmp_path_factory.mktemp("locale")
    name = "tr_TR.UTF-8"
    made = shutil.which("localedef") and subprocess.run(
        ["localedef", "-i", "tr_TR", "-f", "UTF-8", str(folder / name)], check=False, capture_output=True
    )
    if made and (folder / name).is_dir():
        return {"LOCPATH": str(folder), "LC_ALL": name, "LANG": name}
    return ASCII


ASCII = {"LC_ALL": "POSIX", "LANG": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}


NAMING_THE_DATA = {"model/card.json", "model/manifest.json", "model_report.html", "tracking.json"}


# Quick, on an elastic net alone -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Clinic, dict[str, str]]:
    clinic = smallest_clinic(tmp_path_factory.mktemp("small") / "clinic", sites=2, treatment="arms")
    return clinic, result_hashes(train_here(clinic, runs=tmp_path_factory.mktemp("small_once")).folder)


def test_det_the_same_training_twice_gives_the_same_bytes(
    small: tuple[Clinic, dict[str, str]], tmp_path: Path
) -> None:
    clinic, before = small
    assert result_hashes(train_here(clinic, runs=tmp_path).folder) == before


def test_det_another_seed_gives_other_bytes(small: tuple[Clinic, dict[str, str]], tmp_path: Path) -> None:
    """What finds nothing must be able to find something."""
    clinic, before = small
    other = result_hashes(train_here(clinic, "experiment.seed=6", runs=tmp_path).folder)
    for name in ("predictions.parquet", "model/model.skops", "model_report.html", "performance.csv"):
        assert other[name] != before[name], name


def test_det_nothing_around_a_process_reaches_its_results(
    small: tuple[Clinic, dict[str, str]], turkish: dict[str, str], tmp_path: Path
) -> None:
    clinic, before = small
    changes = {**turkish, "PYTHONHASHSEED": "4711", "TZ": "Pacific/Kiritimati", "OMP_NUM_THREADS": "2"}
    assert trained_elsewhere(clinic, tmp_path, changes, cwd=tmp_path) == before


# Every family, one cause at a time --------------------------------------------------------------------------


@pytest.mark.slow
def test_det_the_same_training_twice_with_every_family(
    clinic: Clinic, once: dict[str, str], tmp_path: Path
) -> None:
    assert result_hashes(train_here(clinic, runs=tmp_path).folder) == once


@pytest.mark.slow
@pytest.mark.parametrize("workers", [2, 3])
def test_det_workers(clinic: Clinic, once: dict[str, str], tmp_path: Path, workers: int) -> None:
    assert result_hashes(train_here(clinic, runs=tmp_path, workers=workers).folder) == once


@pytest.mark.slow
@pytest.mark.parametrize("seed", ["0", "1", "random"])
def test_det_hash_seed(clinic: Clinic, once: dict[str, str], tmp_path: Path, seed: str) -> None:
    assert trained_elsewhere(clinic, tmp_path, {"PYTHONHASHSEED": seed}) == once


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["turkish", "ascii"])
def test_det_locale(
    clinic: Clinic, once: dict[str, str], turkish: dict[str, str], tmp_path: Path, kind: str
) -> None:
    assert trained_elsewhere(clinic, tmp_path, turkish if kind == "turkish" else ASCII) == once


@pytest.mark.slow
@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/Anchorage"])
def test_det_time_zone(clinic: Clinic, once: dict[str, str], tmp_path: Path, zone: str) -> None:
    assert trained_elsewhere(clinic, tmp_path, {"TZ": zone}) == once


@pytest.mark.slow
def test_det_current_directory(clinic: Clinic, once: dict[str, str], tmp_path: Path) -> None:
    assert trained_elsewhere(clinic, tmp_path, cwd=Path("/")) == once


@pytest.mark.slow
def test_det_place_of_the_project(clinic: Clinic, once: dict[str, str], tmp_path: Path) -> None:
    moved = Clinic(tmp_path / "another folder" / "of the clinic")
    shutil.copytree(clinic.folder, moved.folder, ignore=shutil.ignore_patterns("experiments"))
    assert result_hashes(train_here(moved, runs=tmp_path / "runs").folder) == once


@pytest.mark.slow
@pytest.mark.parametrize("threads", ["1", "2", "4"])
def test_det_threads(clinic: Clinic, once: dict[str, str], tmp_path: Path, threads: str) -> None:
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    assert trained_elsewhere(clinic, tmp_path, dict.fromkeys(names, threads)) == once


@pytest.mark.slow
@pytest.mark.parametrize("axis", ["rows", "columns"])
def test_det_order_of_the_data(clinic: Clinic, once: dict[str, str], tmp_path: Path, axis: str) -> None:
    shuffled = Clinic(tmp_path / "clinic")
    shutil.copytree(clinic.folder, shuffled.folder, ignore=shutil.ignore_patterns("experiments"))
    table = clinic.table("patients")
    rng = np.random.default_rng(1)
    order = rng.permutation(len(table) if axis == "rows" else len(table.columns))
    shuffled.write_table("patients", table.iloc[order] if axis == "rows" else table.iloc[:, order])
    run = train_here(shuffled, runs=tmp_path / "runs").folder
    found = result_hashes(run)
    different = {name for name in once if found[name] != once[name]}
    # The file has another hash, which its model, and whoever shows the model's, carries; no result is another.
    assert {name for name in different if not name.startswith("patient_reports/")} == NAMING_THE_DATA


@pytest.mark.slow
def test_det_killed_and_resumed(clinic: Clinic, once: dict[str, str], tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    process = start_elsewhere(clinic, runs, cwd=clinic.folder, workers=2)
    deadline = time.monotonic() + 300
    while not any(len(units_of(run)) >= 3 for run in runs.glob("*.partial")):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    (run,) = runs.glob("*.partial")
    training = train_here(clinic, runs=runs, now=NOW.replace(year=2027))
    assert training.folder.name == run.name.removesuffix(".partial")
    assert result_hashes(training.folder) == once
