"""What a training does when it is stopped, killed, starved or started twice: rows TRN-01 to TRN-18."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from clinic import Clinic
from faults import (
    NOW,
    assert_nothing_lost,
    environment,
    inputs_of,
    journal,
    on_small_disk,
    smallest_clinic,
    start,
    stop_after,
    train_here,
    units_of,
)
from predictor.errors import ConfigError, RefusedError, ResourceError
from predictor.locks import FolderLock, holder
from predictor.run_store import Run
from predictor.stopping import Stopped
from trained_clinics import result_hashes


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Clinic:
    return smallest_clinic(tmp_path_factory.mktemp("clinic"), sites=2)


@pytest.fixture(scope="module")
def whole(clinic: Clinic, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of a training that nothing disturbs."""
    return train_here(clinic, runs=tmp_path_factory.mktemp("whole")).folder


def interrupted(clinic: Clinic, runs: Path, step: str = "nested cross-validation", done: int = 3) -> Path:
    """Train until so much of a step is done, and return the unfinished run."""
    stop, progress = stop_after(step, done)
    with pytest.raises(Stopped):
        train_here(clinic, runs=runs, stop=stop, progress=progress)
    (run,) = runs.glob("*.partial")
    return run


@pytest.mark.parametrize(
    ("step", "done", "units"),
    [
        ("nested cross-validation", 1, 2),
        ("bootstrap", 3, 22),
        ("model folder", 0, 26),
    ],
)
def test_trn_01_an_interrupted_training_goes_on_and_ends_the_same(
    clinic: Clinic, whole: Path, tmp_path: Path, step: str, done: int, units: int
) -> None:
    """6 folds and 2 sites with references, 5 fits of the bootstrap without: 2 × 6 + 2 × 2 + 2 × 5 units."""
    before = inputs_of(clinic)
    kept = units_of(interrupted(clinic, tmp_path, step, done))
    assert len(kept) == units
    seen: dict[str, str] = {}

    def look(name: str, so_far: int, _: int) -> None:
        if name == "final fit":
            (run,) = tmp_path.glob("*.partial")
            seen.update(units_of(run))

    training = train_here(clinic, runs=tmp_path, now=NOW + timedelta(days=9), progress=look)
    assert kept.items() <= seen.items()  # I2: no unit was done again
    assert f"goes on: {units} finished units of work are there" in training.notices[0]
    run = assert_nothing_lost(clinic, tmp_path, before, whole)
    assert [record["event"] for record in journal(run)] == ["started", "resumed", "finished"]
    assert json.loads((run / "model" / "card.json").read_text())["created"] == f"{NOW:%Y-%m-%d}"


def test_trn_01_no_fit_is_made_twice(clinic: Clinic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from predictor.validation import resampling

    interrupted(clinic, tmp_path, "nested cross-validation", 6)
    fitted: list[int] = []
    real = resampling.fit_candidates

    def counted(*arguments: Any, **options: Any) -> Any:
        fitted.append(len(arguments[3]))
        return real(*arguments, **options)

    monkeypatch.setattr(resampling, "fit_candidates", counted)
    train_here(clinic, runs=tmp_path)
    assert len(fitted) == 2 + 5  # sites and bootstrap


def test_trn_01_two_interruptions_are_no_more_than_one(clinic: Clinic, whole: Path, tmp_path: Path) -> None:
    before = inputs_of(clinic)
    first = interrupted(clinic, tmp_path, "nested cross-validation", 2)
    assert interrupted(clinic, tmp_path, "bootstrap", 2) == first
    train_here(clinic, runs=tmp_path)
    assert_nothing_lost(clinic, tmp_path, before, whole)


def test_trn_01_a_kill_in_the_middle_of_a_record_costs_that_record(
    clinic: Clinic, whole: Path, tmp_path: Path
) -> None:
    run = interrupted(clinic, tmp_path)
    with (run / "journal.jsonl").open("a") as file:
        file.write('{"sequence": 1, "event": "resu')
    (run / ".performance.csv.12345678.tmp").write_text("half")
    (run / "units" / ".aa.unit.12345678.tmp").write_text("half")
    train_here(clinic, runs=tmp_path)
    assert_nothing_lost(clinic, tmp_path, inputs_of(clinic), whole)


def test_trn_02_a_half_written_model_is_never_taken_for_one(
    clinic: Clinic, whole: Path, tmp_path: Path
) -> None:
    run = interrupted(clinic, tmp_path, "model folder", 0)
    (run / "model.partial").mkdir()
    (run / "model.partial" / "card.json").write_text("{")
    train_here(clinic, runs=tmp_path)
    assert_nothing_lost(clinic, tmp_path, inputs_of(clinic), whole)


# Signals


def wait_for_units(process: subprocess.Popen[str], runs: Path, number: int) -> Path:
    """Wait until a training has finished so many units of work."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        for run in runs.glob("*.partial"):
            if len(units_of(run)) >= number:
                return run
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.02)
    raise TimeoutError


@pytest.mark.parametrize(("number", "workers", "code"), [(signal.SIGTERM, 1, 143), (signal.SIGINT, 2, 130)])
def test_trn_03_a_signal_stops_after_the_unit_and_the_run_can_be_gone_on_with(
    tmp_path: Path, number: int, workers: int, code: int
) -> None:
    clinic = smallest_clinic(
        tmp_path / "clinic", changes={"validation.outer": {"n_splits": 3, "n_repeats": 60}}
    )
    process = start(clinic, "train", "config.yaml", "--runs-folder", tmp_path / "runs", "--workers", workers)
    run = wait_for_units(process, tmp_path / "runs", 4)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert "Stopping after the unit of work" in err
    assert err.splitlines()[-1] == "Stopped. The same command goes on where it was."
    assert "Traceback" not in err
    assert 4 <= len(units_of(run)) < 2 * 3 * 60
    assert list(run.rglob("*.tmp")) == []
    assert not (run / ".lock").exists()


def test_trn_03_asked_twice_it_stops_at_once(tmp_path: Path) -> None:
    clinic = smallest_clinic(tmp_path / "clinic")
    slow = (
        "import time, predictor.validation.resampling as r\n"
        "r.fit_candidates = lambda *a, **k: time.sleep(100)\n"
        "from predictor.cli import main; main()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", slow, "train", "config.yaml", "--workers", "1"],
        cwd=clinic.folder,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    runs = clinic.folder / "experiments" / "runs"
    deadline = time.monotonic() + 120
    while not list(runs.glob("*.partial/attrition.csv")) and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert process.poll() is None  # the unit that is being done goes on
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=10)
    assert process.returncode == 130
    assert "Traceback" not in err


# Locks


def test_trn_11_a_run_that_is_being_written_is_refused_with_the_process_that_writes_it(
    clinic: Clinic, tmp_path: Path
) -> None:
    run = interrupted(clinic, tmp_path)
    units = units_of(run)
    lock = FolderLock(run)
    with pytest.raises(ResourceError, match=f"TRN-11 the run is in use by process {os.getpid()}"):
        train_here(clinic, runs=tmp_path, resume=run.name[-14:-8])
    assert holder(run) == os.getpid()
    lock.release()
    assert holder(run) is None
    assert units_of(run) == units


def test_trn_11_without_asking_for_it_another_run_begins_beside_one_that_is_being_written(
    clinic: Clinic, tmp_path: Path
) -> None:
    run = interrupted(clinic, tmp_path)
    with Run(run):
        training = train_here(clinic, runs=tmp_path)
    assert "is being written by another process: a new run begins" in training.notices[0]
    assert not run.name.startswith(training.folder.name)
    assert run.exists()


def test_trn_14_the_clock_may_jump_records_and_runs_are_told_apart_by_numbers(
    clinic: Clinic, whole: Path, tmp_path: Path
) -> None:
    interrupted(clinic, tmp_path, "nested cross-validation", 2)
    run = train_here(clinic, runs=tmp_path, now=NOW - timedelta(days=4000)).folder
    assert [record["sequence"] for record in journal(run)] == [0, 1, 2]
    assert result_hashes(run) == result_hashes(whole)


@pytest.mark.parametrize("damage", ["truncated", "flipped", "renamed"])
def test_trn_16_a_damaged_unit_is_noticed_and_done_again(
    clinic: Clinic, whole: Path, tmp_path: Path, damage: str
) -> None:
    run = interrupted(clinic, tmp_path)
    first, second, *_ = sorted(run.glob("units/*.unit"))
    data = bytearray(first.read_bytes())
    if damage == "truncated":
        first.write_bytes(data[: len(data) // 2])
    elif damage == "flipped":
        data[-len(data) // 3] ^= 4
        first.write_bytes(data)
    else:  # one unit's result under the name of another
        first.write_bytes(second.read_bytes())
    training = train_here(clinic, runs=tmp_path)
    (notice,) = [one for one in training.notices if "TRN-16" in one]
    assert first.name in notice
    assert_nothing_lost(clinic, tmp_path, inputs_of(clinic), whole)


def test_trn_18_a_run_of_other_hashes_is_refused_with_both(clinic: Clinic, tmp_path: Path) -> None:
    run = interrupted(clinic, tmp_path)
    units, began = units_of(run), journal(run)[0]["hashes"]
    loaded = clinic.load("experiment.seed=6")
    with pytest.raises(RefusedError) as caught:
        train_here(clinic, "experiment.seed=6", runs=tmp_path, resume=run.name[:10])
    assert caught.value.exit_code == 6
    (problem,) = caught.value.problems
    assert problem.code == "TRN-18"
    assert (
        f"the config changed since the run was begun: its hash was {began['config'][:12]}" in problem.message
    )
    assert loaded.config_hash[:12] in problem.message
    assert units_of(run) == units
    training = train_here(clinic, "experiment.seed=6", runs=tmp_path)
    assert training.notices[0].endswith("was begun with other config: not used")
    assert units_of(run) == units


def test_trn_18_another_version_of_a_library_or_of_the_data_is_another_run(
    clinic: Clinic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from predictor import provenance

    run = interrupted(clinic, tmp_path)
    real = provenance.version
    monkeypatch.setattr(provenance, "version", lambda name: "0.1" if name == "scipy" else real(name))
    with pytest.raises(RefusedError, match="TRN-18 the software"):
        train_here(clinic, runs=tmp_path, resume=run.name[:10])
    monkeypatch.undo()
    table = clinic.table("patients")
    try:
        clinic.write_table("patients", table.assign(age=table["age"].iloc[::-1].to_numpy()))
        with pytest.raises(RefusedError, match="TRN-18 the data"):
            train_here(clinic, runs=tmp_path, resume=run.name[:10])
    finally:
        clinic.write_table("patients", table)
    with pytest.raises(ConfigError, match="RUN-01 no unfinished run begins with 'nothing'"):
        train_here(clinic, runs=tmp_path, resume="nothing")


# Disk


def test_trn_04_a_disk_too_small_for_the_run_is_said_before_the_work(clinic: Clinic, tmp_path: Path) -> None:
    with on_small_disk(tmp_path / "disk", "3m") as disk:
        with pytest.raises(ResourceError, match=r"TRN-04 the run needs about \d+ bytes") as caught:
            train_here(clinic, runs=disk / "runs")
        assert caught.value.exit_code == 5
        assert list(disk.iterdir()) == []


@pytest.mark.parametrize("step", ["nested cross-validation", "bootstrap", "final fit", "model folder"])
def test_trn_04_a_disk_that_fills_up_leaves_nothing_half_and_the_run_goes_on_after_freeing(
    clinic: Clinic, whole: Path, tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a real file system of 3 MB, which is filled to the last byte in the middle of each phase."""
    monkeypatch.setattr("predictor.beginning.REST", 0)
    before = inputs_of(clinic)
    with on_small_disk(tmp_path / "disk", "3m") as disk:

        def fill(name: str, done: int, _: int) -> None:
            if name == step and not (disk / "filler").exists():
                with suppress(OSError), (disk / "filler").open("wb", buffering=0) as file:
                    while True:
                        file.write(b"x" * 512)

        with pytest.raises(ResourceError, match="TRN-04") as caught:
            train_here(clinic, runs=disk / "runs", progress=fill)
        assert caught.value.exit_code == 5
        assert str(disk) in str(caught.value)
        (run,) = (disk / "runs").glob("*.partial")
        kept = units_of(run)
        assert list(run.rglob("*.tmp")) == []
        assert not list(run.glob("model*/"))
        (disk / "filler").unlink()
        training = train_here(clinic, runs=disk / "runs")
        assert f"{len(kept)} finished units" in training.notices[0]
        assert_nothing_lost(clinic, disk / "runs", before, whole)


def test_trn_05_a_folder_that_cannot_be_written_is_refused_before_the_work(
    clinic: Clinic, tmp_path: Path
) -> None:
    steps: list[str] = []
    with on_small_disk(tmp_path / "disk", "64m") as disk:
        disk.read_only()
        with pytest.raises(ResourceError, match="TRN-05 the folder cannot be written") as caught:
            train_here(clinic, runs=disk / "runs", progress=lambda name, *_: steps.append(name))
    assert caught.value.exit_code == 5
    assert steps == ["reading"]
    (tmp_path / "file").write_text("")
    with pytest.raises(ResourceError, match="TRN-05"):
        train_here(clinic, runs=tmp_path / "file")


@pytest.mark.parametrize("step", ["nested cross-validation", "bootstrap", "model folder"])
def test_trn_05_a_disk_that_becomes_read_only_in_mid_run_is_said_and_the_run_goes_on_later(
    clinic: Clinic, whole: Path, tmp_path: Path, step: str
) -> None:
    before = inputs_of(clinic)
    with on_small_disk(tmp_path / "disk", "64m") as disk:
        runs = disk / "runs"
        reached: list[int] = []
        with ExitStack() as protected:

            def protect(name: str, done: int, _: int) -> None:
                if name == step and not reached:
                    reached.append(done)
                    protected.enter_context(disk.read_only_below(runs))

            with pytest.raises(ResourceError, match=r"TRN-05 the (model's )?folder c.*Read-only file system"):
                train_here(clinic, runs=runs, progress=protect)
        (run,) = runs.glob("*.partial")
        kept = units_of(run)
        training = train_here(clinic, runs=runs)
        assert f"{len(kept)} finished units" in training.notices[0]
        assert_nothing_lost(clinic, runs, before, whole)


# Memory


def test_trn_06_a_worker_that_is_killed_is_a_message_and_the_run_goes_on_later(tmp_path: Path) -> None:
    clinic = smallest_clinic(
        tmp_path / "clinic", changes={"validation.outer": {"n_splits": 3, "n_repeats": 60}}
    )
    process = start(clinic, "train", "config.yaml", "--runs-folder", tmp_path / "runs", "--workers", 2)
    run = wait_for_units(process, tmp_path / "runs", 4)
    for pid in _workers_of(process.pid):
        os.kill(pid, signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 5
    assert "TRN-06 a worker's process was ended from outside" in err
    assert "--workers 1" in err
    assert "Traceback" not in err
    assert len(units_of(run)) >= 4


def _workers_of(parent: int) -> list[int]:
    """Children of a process that do joblib's work."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if int(status.read_text().rpartition(")")[2].split()[1]) == parent:
                line = (status.parent / "cmdline").read_bytes()
                if b"loky" in line and b"resource_tracker" not in line:
                    found.append(int(status.parent.name))
    assert found
    return found


def test_trn_06_a_lack_of_memory_is_no_candidates_fault(
    clinic: Clinic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hungry(*_: Any, **__: Any) -> None:
        raise MemoryError

    monkeypatch.setattr("predictor.validation.resampling.fit_shared", hungry)
    with pytest.raises(ResourceError, match="TRN-06 memory ran out"):
        train_here(clinic, runs=tmp_path)


# Candidates that cannot be fitted


@pytest.fixture(scope="module")
def two_models(tmp_path_factory: pytest.TempPathFactory) -> Clinic:
    models = {
        "net": {"type": "elastic_net", "features": ["all"], "candidates": 2},
        "plain": {
            "type": "extra_trees",
            "features": ["all"],
            "candidates": 1,
            "params": {"n_estimators": 20},
        },
    }
    return smallest_clinic(
        tmp_path_factory.mktemp("two"), changes={"models": models, "validation.bootstrap": {"resamples": 0}}
    )


def break_plain(monkeypatch: pytest.MonkeyPatch, fault: Any, *, most: int = 40) -> None:
    """Let the second model fail wherever it is fitted on fewer than ``most`` + 1 patients, as in every outer fold."""
    from predictor.models.tuning import _Tuning

    real = _Tuning.finish

    def finish(self: Any, preprocessor: Any, everything: Any, *rest: Any) -> Any:
        if self.model.estimator == "extra_trees" and len(everything.target) <= most:
            fault()
        return real(self, preprocessor, everything, *rest)

    monkeypatch.setattr(_Tuning, "finish", finish)


def singular() -> None:
    raise np.linalg.LinAlgError("a patient's value: 4711")


def endless() -> None:
    while True:
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("fault", "reason"), [(singular, "LinAlgError at"), (endless, "took longer than 1 s")]
)
def test_trn_07_a_candidate_that_raises_or_never_ends_is_named_and_has_no_weight(
    two_models: Clinic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Any, reason: str
) -> None:
    break_plain(monkeypatch, fault)
    training = train_here(two_models, "execution.unit_seconds=1", runs=tmp_path)
    table = pd.read_csv(training.folder / "failures.csv")
    assert table["candidate"].tolist() == ["plain | all"]
    assert table["reason"].iloc[0].startswith(reason)
    assert table["units"].tolist() == [6]
    assert "4711" not in (training.folder / "failures.csv").read_text()
    assert any(one.startswith("plain | all: ") and reason in one for one in training.notices)
    weights = pd.read_csv(training.folder / "weights.csv").set_index("candidate")["mean"]
    assert weights.to_dict() == {"net | all": 1.0, "plain | all": 0.0}
    predictions = pd.read_parquet(training.folder / "predictions.parquet")
    failed = predictions[predictions["procedure"] == "plain | all"]
    prevalence = predictions[predictions["procedure"] == "prevalence"]
    assert failed["p"].to_numpy() == pytest.approx(prevalence["p"].to_numpy())


def test_trn_07_where_no_candidate_is_left_the_training_says_so(
    two_models: Clinic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("predictor.validation.resampling.fit_shared", fail)
    with pytest.raises(
        ResourceError, match="TRN-07 no candidate could be fitted in repeat 1, fold 1"
    ) as found:
        train_here(two_models, runs=tmp_path)
    assert "plain | all: ZeroDivisionError at" in str(found.value)


def test_trn_07_a_candidate_that_fails_on_all_patients_is_not_released(
    two_models: Clinic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 60 patients: every outer fold has 40."""
    from predictor import release

    real = release.fit_candidates

    def fit(*arguments: Any, names: Any, **options: Any) -> Any:
        if "plain | all" in names:
            singular()
        return real(*arguments, names=names, **options)

    monkeypatch.setattr(release, "fit_candidates", fit)
    with pytest.raises(ResourceError, match=r"TRN-07 plain \| all could not be fitted on all patients"):
        train_here(two_models, runs=tmp_path)


def test_trn_08_scores_that_are_no_numbers_are_never_chosen() -> None:
    """The first of two candidates gives no number; by the order of the list it would win every tie."""
    from predictor.models.tuning import TunedClassifier, _Part, _Tuning

    target = np.tile([0, 1], 20)
    model = TunedClassifier("logistic", candidates=[{"C": 1.0}, {"C": 0.5}])
    tuning = _Tuning.start(model, len(target), seed=1)
    tuning.scores[:, 1] = np.where(target == 1, 0.4, -0.4)
    X = np.column_stack([target + np.linspace(-1, 1, 40), np.linspace(1, 2, 40)])
    model.classes_ = np.array([0, 1])
    by_others = tuning.finish(None, _Part(X, target, np.arange(40)), np.zeros(40, dtype=int), None, 1)
    assert model.best_params_ == {"C": 0.5}
    assert model.inner_log_loss_ == pytest.approx(np.log1p(np.exp(-0.4)))
    assert np.isfinite(by_others).all()


def test_trn_08_a_fit_that_does_not_converge_is_written_down(clinic: Clinic, tmp_path: Path) -> None:
    training = train_here(clinic, "models.net.params={max_iter: 1}", runs=tmp_path)
    table = pd.read_csv(training.folder / "failures.csv")
    assert table["reason"].tolist() == ["did not converge"]
    assert table["units"].iloc[0] >= 6
    assert any(one.code == "P009" for one in training.findings)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [2, 8])
def test_trn_17_results_do_not_depend_on_the_number_of_processes(
    clinic: Clinic, whole: Path, tmp_path: Path, workers: int
) -> None:
    run = train_here(clinic, runs=tmp_path, workers=workers).folder
    assert result_hashes(run) == result_hashes(whole)


def test_a_run_whose_journal_is_damaged_is_not_gone_on_with(clinic: Clinic, tmp_path: Path) -> None:
    run = interrupted(clinic, tmp_path)
    (run / "journal.jsonl").write_text("{")
    with pytest.raises(ConfigError, match="RUN-06 the journal of this run is damaged"):
        train_here(clinic, runs=tmp_path, resume=run.name[:10])
    assert len(units_of(run)) == 6


def test_cfg_16_a_config_changed_between_kill_and_start_is_never_mixed_with_the_old_one(
    clinic: Clinic, tmp_path: Path
) -> None:
    run = interrupted(clinic, tmp_path)
    units, text = units_of(run), clinic.config.read_text(encoding="utf-8")
    try:
        clinic.config.write_text(text.replace("seed: 5", "seed: 6"), encoding="utf-8")
        with pytest.raises(RefusedError, match="TRN-18 the config changed"):
            train_here(clinic, runs=tmp_path, resume=run.name[:10])
        training = train_here(clinic, runs=tmp_path)
    finally:
        clinic.config.write_text(text, encoding="utf-8")
    assert journal(training.folder)[1]["event"] == "finished"  # begun anew
    assert units_of(run) == units
