"""``predictor serve`` as a process of its own on a free port of loopback, and browsers that sign in there."""

from __future__ import annotations

import contextlib
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from running_service import PASSWORD

COMMAND = "from predictor.cli import main; main()"
IMPATIENT = """
from functools import partial
from predictor.service import supervisor
supervisor.keep_serving = partial(supervisor.keep_serving, silence={silence})
"""


@dataclass
class Process:
    """The supervisor's process and what it printed."""

    pid: int
    port: int
    code: str
    state: Path

    @property
    def worker(self) -> int:
        """Process that answers now; 0 between two."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return int(children[0]) if children else 0

    @property
    def memory(self) -> int:
        """Bytes resident now in the process that answers."""
        return resident(self.worker)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=60)

    @contextlib.contextmanager
    def browser(self) -> Iterator[httpx.Client]:
        """A client with a session; the first one makes the account."""
        with self.client() as client:
            page = client.get("/login").text
            token = re.search(r'name="token" value="([^"]+)"', page)
            assert token
            form = {"name": "a-clinician", "password": PASSWORD, "token": token[1]}
            first = 'name="code"' in page
            sent = client.post("/set-up" if first else "/login", data=form | {"code": self.code})
            assert sent.status_code == 303, sent.text
            client.headers["x-csrf-token"] = client.get("/api/v1/session").json()["token"]
            yield client


@contextlib.contextmanager
def served(
    model: Path, state: Path, *, silence: float | None = None
) -> Iterator[tuple[Process, subprocess.Popen[str]]]:
    """Serve a model as a demonstration, and stop it at the end; `silence` is another than the supervisor's own."""
    port = free_port()
    program = COMMAND if silence is None else IMPATIENT.format(silence=silence) + COMMAND
    command = [sys.executable, "-c", program, "serve", str(model)]
    command += ["--demonstration", "--state", str(state), "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            assert child.stderr is not None
            code = next((line for line in child.stdout if "first one: " in line), "").partition(
                "first one: "
            )[2]
            assert code, f"the service did not open: {child.stderr.read()}"
            found = Process(child.pid, port, code.strip(), state)
            wait_until(lambda: reachable(found), 60)
            yield found, child
        finally:
            child.send_signal(signal.SIGINT)
            child.wait(30)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def resident(pid: int) -> int:
    """Bytes of a process that are in memory now."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


def reachable(process: Process) -> bool:
    with contextlib.suppress(httpx.TransportError), process.client() as client:
        return client.get("/healthz").status_code == 200
    return False


def wait_until(true: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"not within {seconds} seconds"
        time.sleep(0.1)
