from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from predictor.durable import disk_errors
from predictor.errors import ConfigError, ResourceError
from predictor.run_store import FolderLock, Run, find_run, require_space, start_run, verify_run

NOW = datetime(2026, 3, 1, 9, 30, 5, tzinfo=UTC)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return start_run(tmp_path / "runs", "ketamine", now=NOW)


def finished(runs: Path, name: str = "ketamine") -> Path:
    with start_run(runs, name, now=NOW) as run:
        run.write_text("config.yaml", "version: 1\n")
        run.write_json("tables/verdict.json", {"label": "better"})
        return run.finish()


def records(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]


def test_the_name_says_when_and_what_and_that_it_is_unfinished(run: Run) -> None:
    assert run.path.name.startswith("20260301T093005-ketamine-")
    assert run.path.name == f"{run.id}.partial"
    assert len(run.id.rpartition("-")[2]) == 6


def test_only_the_owner_can_read_it(run: Run) -> None:
    assert stat.S_IMODE(run.path.stat().st_mode) == 0o700
    assert stat.S_IMODE(run.path.parent.stat().st_mode) == 0o700


def test_two_runs_of_the_same_second_have_two_folders(tmp_path: Path) -> None:
    assert len({start_run(tmp_path, "ketamine", now=NOW).id for _ in range(5)}) == 5


@pytest.mark.parametrize("name", ["../up", "a/b", "", ".hidden"])
def test_a_name_that_would_lead_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="not a name"):
        start_run(tmp_path / "runs", name, now=NOW)


@pytest.mark.parametrize(
    "name", ["../up.txt", "/etc/up.txt", "a/../../up.txt", "hashes.json", "journal.jsonl"]
)
def test_a_file_outside_the_run_or_its_own_books_is_refused(run: Run, name: str) -> None:
    with pytest.raises(ValueError, match="not a file of a run"):
        run.write_text(name, "x")


def test_finishing_hashes_every_file_and_takes_the_suffix_away(run: Run) -> None:
    run.write_text("config.yaml", "version: 1\n")
    run.write_bytes("figures/roc.png", b"\x89PNG")
    folder = run.finish()
    assert folder == run.path
    assert [path.name for path in folder.parent.iterdir()] == [run.id]
    hashes = json.loads((folder / "hashes.json").read_text())
    assert hashes.keys() == {"config.yaml", "figures/roc.png", "journal.jsonl"}
    assert hashes["figures/roc.png"] == hashlib.sha256(b"\x89PNG").hexdigest()
    assert verify_run(folder) == ()
    assert not (folder / ".lock").exists()


def test_the_journal_is_numbered_without_gaps(run: Run) -> None:
    run.record("fold", number=3)
    folder = run.finish()
    assert [(line["sequence"], line["event"]) for line in records(folder)] == [
        (0, "started"),
        (1, "fold"),
        (2, "finished"),
    ]


def test_a_record_is_on_disk_before_the_call_returns(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(Path(f"/proc/self/fd/{fd}").resolve().name))
    run.record("fold")
    run.write_text("a.txt", "x")
    assert synced[0] == "journal.jsonl"
    assert synced[1].startswith(".a.txt.")
    assert synced[2] == run.path.name


def test_json_is_strict(run: Run) -> None:
    with pytest.raises(ValueError, match="JSON"):
        run.write_json("a.json", {"auc": float("nan")})
    assert not (run.path / "a.json").exists()


def test_a_killed_write_leaves_the_old_file(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run.write_text("a.txt", "old")

    def killed(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", killed)
    with pytest.raises(KeyboardInterrupt):
        run.write_text("a.txt", "new")
    assert (run.path / "a.txt").read_text() == "old"
    assert sorted(path.name for path in run.path.iterdir()) == [".lock", "a.txt", "journal.jsonl"]


# Tables


def test_a_table_comes_back(run: Run) -> None:
    frame = pd.DataFrame({"model": ["elastic_net", "=1+1"], "auc": [0.71, -0.5], "n": [3, 4]})
    pd.testing.assert_frame_equal(pd.read_parquet(run.write_frame("t.parquet", frame)), frame)
    assert run.write_frame("t.csv", frame).read_text() == "model,auc,n\nelastic_net,0.71,3\n'=1+1,-0.5,4\n"


def test_csv_cells_a_spreadsheet_would_run_are_quoted(run: Run) -> None:
    cells = ["=cmd", "+1", "-1", "@x", "\tx", "plain", None]
    frame = pd.DataFrame({"text": pd.Series(cells, dtype=object), "number": [-1.0] * 7})
    read = pd.read_csv(run.write_frame("t.csv", frame), dtype=str, keep_default_na=False)
    assert list(read["text"]) == ["'=cmd", "'+1", "'-1", "'@x", "'\tx", "plain", ""]
    assert set(read["number"]) == {"-1.0"}


def test_a_categorical_column_is_quoted_too(run: Run) -> None:
    frame = pd.DataFrame({"text": pd.Categorical(["=a", "b"])})
    assert run.write_frame("t.csv", frame).read_text() == "text\n'=a\nb\n"


def test_another_kind_of_table_is_refused(run: Run) -> None:
    with pytest.raises(ValueError, match="neither"):
        run.write_frame("t.pkl", pd.DataFrame())


# Disk


def test_too_little_space_is_said_beforehand_with_both_numbers(tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match=rf"{tmp_path}/new/runs: TRN-04 .* {10**18} bytes .* \d+ free"):
        require_space(tmp_path / "new" / "runs", 10**18)
    require_space(tmp_path / "new" / "runs", 1)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "TRN-04 the disk is full: 3 bytes could not be written"),
        (errno.EDQUOT, "TRN-04"),
        (errno.EROFS, "TRN-05 the folder cannot be written"),
    ],
)
def test_a_full_disk_names_path_and_bytes_and_leaves_nothing(
    run: Run, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    def full(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ResourceError) as caught:
        run.write_text("a.txt", "abc")
    assert f"{run.path / 'a.txt'}: {words}" in str(caught.value)
    assert caught.value.exit_code == 5
    assert sorted(path.name for path in run.path.iterdir()) == [".lock", "journal.jsonl"]


def test_a_really_full_disk() -> None:
    with pytest.raises(ResourceError, match="TRN-04"), disk_errors(Path("/dev/full"), 1):
        Path("/dev/full").write_bytes(b"x")


def test_another_error_of_the_system_is_not_disguised(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: int) -> None:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match="broken"):
        run.write_text("a.txt", "abc")


def test_a_runs_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("")
    with pytest.raises(ResourceError, match="TRN-05"):
        start_run(tmp_path / "runs", "ketamine", now=NOW)


# Locks


def test_a_run_in_use_is_refused_with_the_process_that_holds_it(run: Run) -> None:
    with pytest.raises(ResourceError, match=f"TRN-11 the run is in use by process {os.getpid()}"):
        FolderLock(run.path)


def test_a_lock_is_given_back_at_the_end_of_the_block(run: Run) -> None:
    with run:
        pass
    FolderLock(run.path).release()


ORPHAN = """
import os, sys, time
from pathlib import Path
from predictor.run_store import FolderLock
lock = FolderLock(Path(sys.argv[1]))
if os.fork() == 0:
    print(os.getpid(), flush=True)
    time.sleep(60)
else:
    os._exit(0)
"""


def test_a_lock_of_a_dead_owner_is_taken_over_even_where_its_worker_lives(tmp_path: Path) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", ORPHAN, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert owner.stdout is not None
    worker = int(owner.stdout.readline())
    owner.wait()
    try:
        lock = FolderLock(tmp_path)
        with pytest.raises(ResourceError, match=f"process {os.getpid()}"):
            FolderLock(tmp_path)
        lock.release()
    finally:
        os.kill(worker, 9)
        owner.stdout.close()


def test_a_lock_that_names_nobody_is_respected(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path)
    (tmp_path / ".lock").write_text("")
    with pytest.raises(ResourceError, match="another process"):
        FolderLock(tmp_path)
    lock.release()


# Finding and verifying


def test_a_run_is_found_by_the_beginning_or_the_ending_of_its_id(tmp_path: Path) -> None:
    first, second = finished(tmp_path, "ketamine"), finished(tmp_path, "therapy")
    assert find_run(tmp_path, "20260301T093005-ket") == first
    assert find_run(tmp_path, second.name.rpartition("-")[2]) == second


def test_several_runs_with_one_beginning_are_named(tmp_path: Path) -> None:
    first, second = finished(tmp_path), finished(tmp_path)
    with pytest.raises(ConfigError, match="RUN-02 2 runs begin with") as caught:
        find_run(tmp_path, "2026")
    assert first.name in str(caught.value)
    assert second.name in str(caught.value)


def test_an_unfinished_run_is_not_found(run: Run) -> None:
    with pytest.raises(ConfigError, match="RUN-01 no finished run begins with"):
        find_run(run.path.parent, run.id)


def test_every_change_after_the_run_is_named(tmp_path: Path) -> None:
    folder = finished(tmp_path)
    assert verify_run(folder) == ()
    (folder / "config.yaml").write_text("version: 2\n")
    (folder / "tables" / "verdict.json").unlink()
    (folder / "notes.txt").write_text("")
    assert [str(problem) for problem in verify_run(folder)] == [
        f"{folder / 'tables/verdict.json'}: RUN-04 the file is missing. Restore it from a copy, or train again.",
        f"{folder / 'notes.txt'}: RUN-04 the file was added after the run. Restore it from a copy, or train again.",
        f"{folder / 'config.yaml'}: RUN-04 the file was changed after the run. "
        "Restore it from a copy, or train again.",
    ]


def test_a_run_without_hashes_cannot_be_verified(run: Run) -> None:
    assert [problem.code for problem in verify_run(run.path)] == ["RUN-03"]
