"""A real cluster on loopback: one scheduler and workers, each a process of its own that a test may kill."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from machine import lacking
from predictor.execution import Execution

NO_DISTRIBUTED = "distributed is not installed. Install it: pip install 'response-predictor[scale]'"
QUIET = {
    "OMP_NUM_THREADS": "1",
    "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "3",
    "DASK_DISTRIBUTED__WORKER__DAEMON": "False",
}


@dataclass
class Cluster:
    """Processes of a cluster, and where they write what they say."""

    address: str
    folder: Path
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def execution(self) -> Execution:
        return Execution("dask", address=self.address)

    def add_worker(self) -> None:
        """Start one more worker, with one thread."""
        name = f"worker-{len(self.workers)}"
        options = ["--host", "127.0.0.1", "--nthreads", "1", "--no-nanny", "--no-dashboard", "--name", name]
        place = ["--local-directory", str(self.folder / name)]
        self.workers.append(_start(self.folder, name, "dask_worker", self.address, *options, *place))

    def kill(self, worker: int) -> None:
        """End a worker as a power cut would."""
        self.workers[worker].send_signal(signal.SIGKILL)
        assert self.workers[worker].wait(10) == -signal.SIGKILL

    def said(self) -> str:
        """Everything that scheduler and workers wrote."""
        return "\n".join(path.read_text(errors="replace") for path in self.folder.glob("*.log"))


@contextmanager
def running_cluster(folder: Path, *, workers: int = 3) -> Iterator[Cluster]:
    """Start a cluster of workers with one thread each, and end exactly these processes."""
    if importlib.util.find_spec("distributed") is None:
        lacking(NO_DISTRIBUTED)
    folder.mkdir(parents=True, exist_ok=True)
    about = folder / "scheduler.json"
    options = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(about)]
    scheduler = _start(folder, "scheduler", "dask_scheduler", *options)
    cluster = Cluster(_address(about, scheduler), folder)
    try:
        for _ in range(workers):
            cluster.add_worker()
        _wait_for(cluster.address, workers)
        yield cluster
    finally:
        for process in [*cluster.workers, scheduler]:
            process.kill()
            process.wait(10)


def _start(folder: Path, name: str, module: str, *arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", f"distributed.cli.{module}", *arguments]
    with (folder / f"{name}.log").open("wb") as log:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=os.environ | QUIET, cwd=folder
        )


def _address(about: Path, scheduler: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and scheduler.poll() is None:
        if about.exists() and (text := about.read_text()).endswith("}"):
            return str(json.loads(text)["address"])
        time.sleep(0.1)
    pytest.fail("the scheduler did not start")


def _wait_for(address: str, workers: int) -> None:
    from distributed import Client

    with Client(address, set_as_default=False) as client:
        client.wait_for_workers(workers, timeout=60)
