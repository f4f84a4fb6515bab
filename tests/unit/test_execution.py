"""Where the work may run, and what is said where it may not."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from predictor.errors import ConfigError, DataError, Problem, ResourceError
from predictor.execution import Execution, address_problem, run_tasks


def add(task: int, other: int) -> int:
    if other < 0:
        raise DataError(Problem("DAT-22", "there are too few events", row_of_problem()))
    return task + other


def row_of_problem() -> str:
    return "Collect more"


@pytest.mark.parametrize("workers", [1, 2])
def test_every_task_comes_back_with_its_result(workers: int) -> None:
    found = run_tasks(add, [1, 2, 3], shared=(10,), execution=Execution(workers=workers))
    assert sorted(found) == [(1, 11), (2, 12), (3, 13)]


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_of_a_task_is_raised_whole(workers: int) -> None:
    with pytest.raises(DataError) as raised:
        list(run_tasks(add, [1], shared=(-1,), execution=Execution(workers=workers)))
    assert raised.value.problems == (Problem("DAT-22", "there are too few events", "Collect more"),)


def test_an_error_survives_the_way_between_processes() -> None:
    error = ResourceError([Problem("TRN-04", "full"), Problem("TRN-05", "closed")])
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.problems, str(again)) == (ResourceError, error.problems, str(error))


LONG_TASKS = """
import os, sys, time
from pathlib import Path
from predictor.execution import Execution, run_tasks

def long(task, folder):
    Path(folder, str(os.getpid())).touch()
    time.sleep(600)

list(run_tasks(long, [1, 2], shared=(sys.argv[1],), execution=Execution(workers=2)))
"""


def is_running(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="asks the kernel of Linux which processes there are")
def test_workers_end_with_the_process_that_began_them(tmp_path: Path) -> None:
    """Killed, it cannot tell them to, and they hold patients in their memory."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, "-c", LONG_TASKS, str(tmp_path)], env=environment)
    deadline = time.monotonic() + 120
    while len(workers := [int(path.name) for path in tmp_path.iterdir()]) < 2:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert all(map(is_running, workers))
    deadline = time.monotonic() + 30
    while any(map(is_running, workers)):
        assert time.monotonic() < deadline, "a worker outlives its training"
        time.sleep(0.1)


@pytest.mark.parametrize(
    "address",
    ["tcp://127.0.0.1:8786", "tcp://[::1]:8786", "tcp://localhost:1", "tls://node7:8786", "tcp://node7:8786"],
)
def test_allowed_addresses(address: str) -> None:
    assert address_problem(address, ["node7"], path="execution.address") is None


@pytest.mark.parametrize(
    "address",
    [
        "tcp://node8:8786",
        "tcp://127.0.0.1",
        "tcp://127.0.0.1:port",
        "tls://user:word@node7:8786",
        "tls://node7:8786/path",
        "http://127.0.0.1:8786",
        "inproc://1",
        "127.0.0.1:8786",
        "tls://:8786",
        "",
    ],
)
def test_refused_addresses(address: str) -> None:
    problem = address_problem(address, ["node7"], path="execution.address")
    assert problem is not None
    assert (problem.code, problem.path) == ("CFG-46", "execution.address")
    assert "word" not in str(problem)


def test_no_connection_is_made_to_a_refused_address() -> None:
    with pytest.raises(ConfigError, match="CFG-46"):
        list(run_tasks(add, [1], shared=(1,), execution=Execution("dask", address="tcp://node8:8786")))


def test_without_the_package_the_remedy_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(
        ResourceError, match=r"TRN-12 .* Install it: pip install 'response-predictor\[scale\]'"
    ):
        list(run_tasks(add, [1], execution=Execution("dask", address="tcp://127.0.0.1:8786")))
