"""What becomes of MLflow's records when its store or the process that writes them fails: rows TRN-09 to TRN-15."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from clinic import Clinic
from faults import environment, on_small_disk, smallest_clinic, start, start_in, train_here
from predictor.errors import ResourceError
from predictor.log_items import Metric, Param, items_from, items_record
from predictor.run_store import verify_run
from predictor.runs import list_runs, repair_runs, send_run
from predictor.tracking import SAFE_ENVIRONMENT, embedded_uri, send
from trained_clinics import Answer, command_line

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:mlflow", "ignore:The ``noload`` loader strategy is deprecated"
)

SENDER = """
import os, sys
from pathlib import Path
from predictor.log_items import ChildRun, Metric
from predictor.tracking import send
items = [Metric("auc", 0.7), ChildRun("child", (Metric("auc", 0.6),))]
send(items, uri="embedded", experiment="e", root=Path(sys.argv[1]), run_name=sys.argv[2])
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Clinic:
    """A clinic with one finished run that MLflow has not heard of."""
    clinic = smallest_clinic(tmp_path_factory.mktemp("clinic"))
    train_here(clinic)
    return clinic


@pytest.fixture
def project(finished: Clinic, tmp_path: Path) -> Path:
    """A copy of it."""
    shutil.copytree(finished.folder, tmp_path / "project")
    return tmp_path / "project"


def runs_of(project: Path) -> Path:
    return project / "experiments" / "runs"


def the_run(project: Path) -> Path:
    (run,) = [path for path in runs_of(project).iterdir() if path.name.startswith("20")]
    return run


def records(project: Path) -> list[tuple[str, str]]:
    """Name and status of MLflow's runs, as SQLite has them."""
    with closing(sqlite3.connect(runs_of(project) / "mlflow.db")) as database:
        return sorted(database.execute("select name, status from runs").fetchall())


def assert_journal_and_mlflow_agree(project: Path) -> None:
    """I3 and I4: the run is whole, and MLflow has it once, with its one candidate below it."""
    run = the_run(project)
    assert verify_run(run) == ()
    whole = [name for name, status in records(project) if status == "FINISHED"]
    assert whole == [run.name, "net on all"]


def test_what_tracking_is_told_survives_being_written_down(finished: Clinic) -> None:
    run = the_run(finished.folder)
    told = json.loads((run / "tracking.json").read_text())
    items = items_from(told["items"], run)
    assert items_record(items, run) == told["items"]
    assert Param("seed", 5) in items
    assert str(finished.folder) not in (run / "tracking.json").read_text()
    assert items_record([Metric("slope", float("nan"))], run) == []


@pytest.mark.parametrize(
    "item",
    [
        {"kind": "Artifact", "path": "../../../config.yaml", "folder": ""},
        {"kind": "Artifact", "path": "/etc/hostname", "folder": ""},
        {"kind": "Model", "folder": "..", "name": "n"},
        {"kind": "Popen", "args": "true"},
        {"kind": "ChildRun", "name": "x", "items": 3},
        "text",
    ],
)
def test_a_run_of_another_hand_tells_tracking_of_no_file_but_its_own(tmp_path: Path, item: Any) -> None:
    run = tmp_path / "20260302T093000-x-000000"
    run.mkdir()
    told = {"uri": "embedded", "experiment": "e", "items": [item]}
    (run / "tracking.json").write_text(json.dumps(told))
    with pytest.raises(
        ResourceError, match="RUN-04 what tracking is to be told is not what a training writes"
    ):
        send_run(run, root=tmp_path)
    assert not (tmp_path / "experiments").exists()


@pytest.mark.slow
def test_trn_09_six_processes_start_on_an_empty_store_together(tmp_path: Path) -> None:
    assert_all_are_recorded(tmp_path, [f"run-{i}" for i in range(6)])


@pytest.mark.slow
def test_trn_10_eight_processes_write_to_a_used_store_together(tmp_path: Path) -> None:
    send([Metric("auc", 0.5)], uri="embedded", experiment="e", root=tmp_path, run_name="first")
    names = [f"run-{i}" for i in range(8)]
    assert_all_are_recorded(tmp_path, names, before=[("first", "FINISHED")])


def assert_all_are_recorded(
    root: Path, names: list[str], before: list[tuple[str, str]] | None = None
) -> None:
    command = [sys.executable, "-c", SENDER, str(root)]
    senders = [
        subprocess.Popen([*command, name], stderr=subprocess.PIPE, text=True, env=environment())
        for name in names
    ]
    errors = [sender.communicate(timeout=300)[1] for sender in senders]
    assert [sender.returncode for sender in senders] == [0] * len(names), errors
    assert not any("locked" in error for error in errors)
    expected = [*(before or []), *((name, "FINISHED") for name in names)]
    assert records(root) == sorted([*expected, *[("child", "FINISHED")] * len(names)])


# The store fails


def newer_schema(store: Path) -> None:
    with closing(sqlite3.connect(store)) as database:
        database.execute("update alembic_version set version_num = 'ffffffffffff'")
        database.commit()


def corrupted(store: Path) -> None:
    store.write_bytes(b"\x00 not a database any more" * 400)


def a_folder(store: Path) -> None:
    store.unlink()
    store.mkdir()


def refusing_runs(store: Path) -> None:
    """What a full quota or a write-protected file does in the middle: it opens, and takes no record."""
    with closing(sqlite3.connect(store)) as database:
        database.execute("delete from tags")
        database.execute("create trigger no before insert on runs begin select raise(abort, 'no'); end")
        database.commit()


def repaired(project: Path) -> Answer:
    """Mend in a process of its own: within one, MLflow opens a store only once."""
    process = start_in(project, "runs", "repair", "--json")
    out, err = process.communicate(timeout=120)
    return Answer(process.returncode, out, err)


def move_away(store: Path) -> None:
    for path in (store, *store.parent.glob("mlflow.db-*")):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.mark.parametrize("fault", [newer_schema, corrupted, a_folder, refusing_runs])
def test_trn_12_a_store_that_fails_is_a_notice_and_the_run_is_sent_later(project: Path, fault: Any) -> None:
    store = runs_of(project) / "mlflow.db"
    assert repaired(project).record["sent"] == [the_run(project).name]
    fault(store)
    answer = repaired(project)
    assert answer.code == 5, answer
    (problem,) = answer.record["problems"]
    assert problem["code"] == "TRK-02"
    assert "MLflow could not be written" in problem["message"]
    assert "predictor runs repair" in problem["remedy"]
    assert "Traceback" not in answer.err
    move_away(store)
    assert repaired(project).record["sent"] == [the_run(project).name]
    assert_journal_and_mlflow_agree(project)


def test_trn_12_a_store_that_was_deleted_is_made_again_with_every_run(project: Path) -> None:
    assert repaired(project).record["sent"] == [the_run(project).name]
    assert_journal_and_mlflow_agree(project)
    assert repaired(project).record["sent"] == []  # it is there already
    move_away(runs_of(project) / "mlflow.db")
    assert repaired(project).record["sent"] == [the_run(project).name]
    assert_journal_and_mlflow_agree(project)


def test_trn_12_a_training_whose_store_is_damaged_ends_well_and_says_so(tmp_path: Path) -> None:
    clinic = smallest_clinic(tmp_path / "clinic")
    store = clinic.folder / "experiments" / "runs" / "mlflow.db"
    store.parent.mkdir(parents=True)
    corrupted(store)
    answer = command_line("train", "config.yaml", "--workers", "1", "--json", cwd=clinic.folder)
    assert answer.code == 0, answer.err
    (notice,) = [one for one in answer.record["notices"] if "TRK-02" in one]
    assert "runs repair" in notice
    store.unlink()
    answer = command_line("runs", "repair", "--json", cwd=clinic.folder)
    assert (answer.code, answer.record["sent"]) == (0, [the_run(clinic.folder).name])
    assert_journal_and_mlflow_agree(clinic.folder)


def test_trn_12_a_store_on_a_disk_that_became_read_only(project: Path, tmp_path: Path) -> None:
    with on_small_disk(tmp_path / "disk", "20m") as disk:
        moved = disk / "project"
        shutil.copytree(project, moved)
        disk.read_only()
        answer = repaired(moved)
        assert (answer.code, answer.record["problems"][0]["code"]) == (5, "TRK-02")
        disk.writable()
        assert repaired(moved).record["sent"] == [the_run(moved).name]
        assert_journal_and_mlflow_agree(moved)


@contextmanager
def silent_server() -> Iterator[int]:
    """A server that takes every connection and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(64)
        yield server.getsockname()[1]


def test_trn_13_a_server_that_never_answers_is_a_notice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the wait of 20 s cut down to 1."""
    monkeypatch.setitem(SAFE_ENVIRONMENT, "MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setitem(SAFE_ENVIRONMENT, "MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    with silent_server() as port, pytest.raises(ResourceError, match="TRK-02"):
        send([], uri=f"http://127.0.0.1:{port}", experiment="e", root=tmp_path, run_name="r")


# Orphans

STUCK = """
import sys, time
from pathlib import Path
import predictor.tracking as tracking
real = tracking._log
def log(client, run_id, items):
    real(client, run_id, items)
    print("open", flush=True)
    time.sleep(600)
tracking._log = log
tracking.send([tracking.Metric("auc", 0.7)], uri="embedded", experiment="e", root=Path(sys.argv[1]), run_name="stuck")
"""


def test_trn_15_the_run_of_a_dead_process_is_closed_and_that_of_a_live_one_is_not(tmp_path: Path) -> None:
    import mlflow

    from predictor.tracking import reap_orphans

    def stuck() -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", STUCK, str(tmp_path)],
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        return process

    dead = stuck()
    dead.kill()
    dead.communicate()
    live = stuck()
    try:
        uri = embedded_uri(tmp_path)
        client = mlflow.MlflowClient(uri, uri)
        experiment = client.get_experiment_by_name("e").experiment_id
        elsewhere = client.create_run(
            experiment, tags={"predictor.host": "another-machine", "predictor.pid": "1 1"}
        ).info.run_id
        live.send_signal(signal.SIGSTOP)  # it holds the store's lock as long as it sends
        statuses = {run.info.run_id: run.info.status for run in client.search_runs([experiment])}
        assert sorted(statuses.values()) == ["RUNNING"] * 3
        orphan = _of(client, experiment, dead.pid)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("predictor.tracking.PATIENCE", 0.3)
            with pytest.raises(ResourceError, match="TRK-02"):
                reap_orphans("embedded", tmp_path)
        other = _of(client, experiment, live.pid)
        patch_lock(tmp_path)
        assert reap_orphans("embedded", tmp_path) == 1
        closed = client.get_run(orphan)
        assert closed.info.status == "KILLED"
        assert closed.data.tags["predictor.closed"]
        assert client.get_run(other).info.status == "RUNNING"
        assert client.get_run(elsewhere).info.status == "RUNNING"
    finally:
        live.kill()
        live.communicate()


def patch_lock(root: Path) -> None:
    """Give the store another lock file, as if the live process wrote to it from a server."""
    (root / "experiments" / "runs" / "mlflow.lock").unlink()


def _of(client: Any, experiment: str, pid: int) -> str:
    (run,) = [
        run
        for run in client.search_runs([experiment])
        if run.data.tags["predictor.pid"].startswith(f"{pid} ")
    ]
    return str(run.info.run_id)


def test_trn_15_a_training_killed_while_it_sends_is_complete_and_repair_sends_it(tmp_path: Path) -> None:
    clinic = smallest_clinic(tmp_path / "clinic")
    store = clinic.folder / "experiments" / "runs" / "mlflow.db"
    process = start(clinic, "train", "config.yaml", "--workers", "1")
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not _has_a_run(store):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.kill()
    process.communicate()
    assert [status for _, status in records(clinic.folder)][:1] == ["RUNNING"]
    assert verify_run(the_run(clinic.folder)) == ()
    answer = command_line("runs", "repair", "--json", cwd=clinic.folder)
    assert answer.code == 0, answer.err
    assert answer.record["closed"] >= 1
    assert answer.record["sent"] == [the_run(clinic.folder).name]
    assert_journal_and_mlflow_agree(clinic.folder)
    again = command_line("runs", "repair", "--json", cwd=clinic.folder).record
    assert (again["closed"], again["sent"]) == (0, [])


def _has_a_run(store: Path) -> bool:
    if not store.exists():
        return False
    try:
        with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as database:
            return bool(database.execute("select count(*) from runs where status = 'RUNNING'").fetchone()[0])
    except sqlite3.Error:
        return False


# The command


def test_runs_are_listed_verified_and_mended(project: Path) -> None:
    run = the_run(project)
    runs = runs_of(project)
    (one,) = list_runs(runs)
    assert (one.id, one.name, one.state) == (run.name, "clinic-wide", "finished")
    assert one.verdict
    assert run.name in command_line("runs", "list", cwd=project).out
    assert command_line("runs", "verify", cwd=project).code == 0
    (run / "units").mkdir()
    (run / "units" / "aa.unit").write_text("")
    assert "RUN-05" in command_line("runs", "verify", cwd=project).err
    assert repair_runs(runs, root=project).cleared == [run.name]
    assert command_line("runs", "verify", run.name[-6:], cwd=project).code == 0
    (run / "verdict.json").write_text("{}")
    answer = command_line("runs", "verify", cwd=project)
    assert answer.code == 4
    assert "RUN-04 the file was changed after the run" in answer.err
    assert command_line("runs", "repair", cwd=project).code == 5


def test_an_unfinished_run_is_removed_only_when_this_is_asked_for(tmp_path: Path) -> None:
    from datetime import UTC, datetime

    from predictor.run_store import start_run

    with start_run(tmp_path, "ketamine", now=datetime(2026, 3, 1, tzinfo=UTC)) as run:
        assert [one.state for one in list_runs(tmp_path)] == ["running"]
        assert repair_runs(tmp_path, root=tmp_path, remove_unfinished=True).removed == []
    assert [one.state for one in list_runs(tmp_path)] == ["unfinished"]
    assert repair_runs(tmp_path, root=tmp_path).removed == []
    assert run.path.exists()
    assert repair_runs(tmp_path, root=tmp_path, remove_unfinished=True).removed == [run.id]
    assert not run.path.exists()
