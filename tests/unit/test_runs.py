"""Runs of another hand: whatever their files say or are, nothing raises, waits, or touches what is not theirs."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from predictor.run_store import start_run
from predictor.runs import finished_runs, list_runs, repair_runs, verify_runs

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
DEEP = "[" * 100_000


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished run with a file, a folder and a verdict."""
    with start_run(tmp_path / "runs", "x", now=NOW) as begun:
        begun.write_json("verdict.json", {"label": "better", "sentence": "It is."})
        begun.write_text("model/card.json", "{}")
        return begun.finish()


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A folder beside the project that nothing may touch."""
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim" / "file").write_text("mine")
    return tmp_path / "victim"


def everything(run: Path) -> None:
    """List, verify and repair; each has to come back, and soon."""
    began = time.monotonic()
    list_runs(run.parent)
    verify_runs(finished_runs(run.parent))
    repair_runs(run.parent, root=run.parent.parent, remove_unfinished=True)
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("name", ["journal.jsonl", "verdict.json", "hashes.json", "tracking.json"])
@pytest.mark.parametrize(
    "content", [DEEP, "[]", "3", "null", "NaN", "9" * 5000, '"x"', "", "\0", '{"label": null, "uri": null}']
)
def test_a_file_that_says_something_else_is_no_traceback(run: Path, name: str, content: str) -> None:
    (run / name).write_text(content + "\n")
    everything(run)


@pytest.mark.parametrize(
    "name", ["journal.jsonl", "verdict.json", "hashes.json", "tracking.json", "more.csv"]
)
def test_a_pipe_in_the_place_of_a_file_is_not_waited_for_and_is_found(run: Path, name: str) -> None:
    (run / name).unlink(missing_ok=True)
    os.mkfifo(run / name)
    everything(run)
    if name != "journal.jsonl":  # without a journal it is no run
        assert verify_runs([run])[run.name][0].code in ("RUN-03", "RUN-04")


@pytest.mark.parametrize("target", ["file", "."])
def test_a_link_is_a_change_of_the_run(run: Path, victim: Path, target: str) -> None:
    (run / "more").symlink_to(victim / target)
    (problem,) = verify_runs([run])[run.name]
    assert (problem.code, Path(problem.file).name) == ("RUN-04", "more")


@pytest.mark.parametrize("name", ["units", ".lock"])
def test_a_leftover_that_is_a_link_is_taken_away_and_not_what_it_leads_to(
    run: Path, victim: Path, name: str
) -> None:
    (run / name).symlink_to(victim)
    repair_runs(run.parent, root=run.parent.parent)
    assert not (run / name).is_symlink()
    assert (victim / "file").read_text() == "mine"


def link_to_unfinished(run: Path, victim: Path) -> None:
    record = {"sequence": 0, "event": "started", "at": NOW.isoformat(), "name": "x", "hashes": {}}
    (victim / "journal.jsonl").write_text(json.dumps(record) + "\n")
    run.with_name(f"{run.name}-1.partial").symlink_to(victim)


def link_to_finished(run: Path, victim: Path) -> None:
    shutil.copy(run / "journal.jsonl", victim)
    (victim / "units").mkdir()
    run.with_name(f"{run.name}-1").symlink_to(victim)


@pytest.mark.parametrize("make", [link_to_unfinished, link_to_finished])
def test_a_link_among_the_runs_is_no_run(run: Path, victim: Path, make: Callable[[Path, Path], None]) -> None:
    make(run, victim)
    before = sorted(victim.rglob("*"))
    assert [one.id for one in list_runs(run.parent)] == [run.name]
    everything(run)
    assert sorted(victim.rglob("*")) == before
