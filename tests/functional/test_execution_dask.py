"""Training and scoring on a real cluster of worker processes, one of them killed: everything as on one machine."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_scale import long_file

from cluster import Cluster, running_cluster
from predictor.config.loading import load_config
from predictor.errors import DataError, Problem, ResourceError
from predictor.execution import Execution, run_tasks
from predictor.experiment.judging import outer_folds
from predictor.experiment.training import declared_execution
from predictor.study import prepare_study
from predictor.validation.resampling import cross_validate
from trained_clinics import Clinic, clinic_of, command_line, result_hashes, train_quietly, trained

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    # The workers import this module's functions by name.
    with pytest.MonkeyPatch.context() as patch:
        paths = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
        patch.setenv("PYTHONPATH", os.pathsep.join(paths))
        with running_cluster(tmp_path_factory.mktemp("cluster")) as found:
            yield found


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Cluster]:
    """Give a cluster of its own to a test that kills a worker."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent))
        with running_cluster(tmp_path / "cluster") as found:
            yield found


def test_a_training_leaves_the_same_files(cluster: Cluster, tmp_path: Path) -> None:
    local = trained()
    clinic = Clinic(tmp_path / "again")
    shutil.copytree(clinic_of(local).folder, clinic.folder, ignore=shutil.ignore_patterns("experiments"))
    spread = train_quietly(clinic, execution=cluster.execution)
    assert spread.evaluation.verdict == local.evaluation.verdict
    assert result_hashes(spread.folder) == result_hashes(local.folder)


def test_the_config_names_the_cluster_and_keeps_its_hash(cluster: Cluster) -> None:
    path = clinic_of(trained()).config
    overrides = ["execution.engine=dask", f"execution.address={cluster.address}"]
    loaded = load_config(path, overrides=overrides)
    assert replace(declared_execution(loaded), unit_seconds=None) == cluster.execution
    assert loaded.config_hash == load_config(path).config_hash


def test_a_worker_killed_in_the_middle_costs_only_its_task(mortal: Cluster) -> None:
    study = prepare_study(load_config(clinic_of(trained("random_forest")).config))
    rows, y = study.evaluable("response")
    data, folds = study.dataset.take(rows), outer_folds(study)
    finished: list[str] = []

    def kill_one(step: str) -> None:
        finished.append(step)
        if len(finished) == 1:
            mortal.kill(1)

    run = partial(cross_validate, study.protocol, data, y, folds)
    spread = run(execution=mortal.execution, progress=kill_one)
    assert len(finished) == len(folds) > 1
    for ours, theirs in zip(run(), spread, strict=True):
        assert ours.weights == theirs.weights
        assert ours.inner_log_loss == theirs.inner_log_loss
        np.testing.assert_array_equal(ours.points, theirs.points)
        for name, p in ours.predictions.items():
            np.testing.assert_array_equal(p, theirs.predictions[name])


def test_parts_of_a_file_are_scored_the_same_though_a_worker_is_killed(
    mortal: Cluster, tmp_path: Path
) -> None:
    from predictor.scoring import score_file

    model, source = trained().folder / "model", long_file(tmp_path / "in.parquet", groups=6)
    killed: list[int] = []

    def kill_one(step: str, done: int, total: int) -> None:
        if done and not killed:
            killed.append(done)
            mortal.kill(0)

    out, alone = tmp_path / "out.parquet", tmp_path / "alone.parquet"
    scored = score_file(model, source, out, execution=mortal.execution, progress=kill_one)
    assert killed[0] < scored.rows == 3_000_000
    score_file(model, source, alone)
    assert out.read_bytes() == alone.read_bytes()


def test_the_command_line_scores_on_the_cluster(cluster: Cluster, tmp_path: Path) -> None:
    model, source = trained().folder / "model", long_file(tmp_path / "in.parquet", groups=2)
    out, two = tmp_path / "out.parquet", tmp_path / "two.parquet"
    answer = command_line("predict", model, source, "--out", out, "--cluster", cluster.address, "--json")
    assert (answer.code, answer.record["rows"]) == (0, 1_000_000)
    assert command_line("predict", model, source, "--out", two, "--workers", "2").code == 0
    pd.testing.assert_frame_equal(pd.read_parquet(out), pd.read_parquet(two), check_exact=True)


def fail(task: int, kind: str, secret: str) -> int:
    """Fail as a stage would, holding what nobody else may see."""
    if task == 0:
        return task
    if kind == "data":
        raise DataError(Problem("DAT-22", "there are too few events"))
    if kind == "disk":
        raise OSError(f"cannot write {secret}")
    raise ValueError(f"could not convert string to float: {secret!r}")


def test_an_error_of_ours_comes_back_whole_and_no_log_holds_a_value(cluster: Cluster) -> None:
    def run(kind: str) -> None:
        list(run_tasks(fail, [0, 1], shared=(kind, "Planted Patient"), execution=cluster.execution))

    with pytest.raises(DataError) as raised:
        run("data")
    assert [problem.code for problem in raised.value.problems] == ["DAT-22"]
    with pytest.raises(ValueError, match="could not convert"):
        run("defect")
    with pytest.raises(ResourceError, match="TRN-13") as lost:
        run("disk")
    assert "Planted" not in str(lost.value)
    assert "Planted" not in cluster.said()
    assert "Compute Failed" in cluster.said()


def double(task: int, factor: int) -> int:
    """Take long enough to be killed."""
    time.sleep(0.3)
    return task * factor


def test_shared_data_whose_last_copy_is_lost_are_sent_again(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(
            "PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[1])])
        )
        with running_cluster(tmp_path, workers=1) as single:
            found = []
            for task, result in run_tasks(double, range(8), shared=(3,), execution=single.execution):
                found.append((task, result))
                if len(found) == 2:
                    single.add_worker()
                    single.kill(0)
    assert sorted(found) == [(i, 3 * i) for i in range(8)]


def test_a_cluster_that_does_not_answer_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("predictor.execution.TIMEOUT", "1s")
    nobody = Execution("dask", address="tcp://127.0.0.1:1")
    with pytest.raises(ResourceError, match="TRN-12 no scheduler of the cluster answers"):
        list(run_tasks(double, [1], shared=(2,), execution=nobody))
