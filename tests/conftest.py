"""What holds for every test: no network, no telemetry, no screen, one thread, the same examples each time."""

from __future__ import annotations

import os

# Before anything imports NumPy, Matplotlib or MLflow: each reads its variable only once.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["MPLBACKEND"] = "Agg"
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

import ipaddress
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from machine import lacking
from postgres import Server, running_server
from postgres import binaries as postgres_programs

# No deadline: the machine is shared. Derandomised: one commit, one answer.
settings.register_profile("project", deadline=None, derandomize=True)
settings.load_profile("project")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
NO_CHROMIUM = "Chromium is not installed. Install it, e.g. with `apt-get install chromium`."


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a browser test where there is no browser; on CI, fail it."""
    if item.get_closest_marker("browser") and CHROMIUM is None:
        lacking(NO_CHROMIUM)


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of the browser; the test that asks for it is marked `browser`."""
    if CHROMIUM is None:
        lacking(NO_CHROMIUM)
    return CHROMIUM


class NetworkAttempt(BaseException):
    """A test reached for another machine. Not an `Exception`, so that no `except Exception` hides it."""


def is_local(host: object) -> bool:
    """Say whether a host is this machine: loopback, unspecified, or one of its own names."""
    if host is None or host in {"", "localhost", b"localhost", socket.gethostname()}:
        return True
    text = host.decode() if isinstance(host, bytes) else str(host)
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


@pytest.fixture(scope="session", autouse=True)
def network_attempts() -> Iterator[list[str]]:
    """Let sockets reach loopback only, and write down every other host that was tried."""
    attempts: list[str] = []

    def refuse(host: object) -> None:
        attempts.append(str(host))
        msg = f"a test tried to reach {host}; only loopback is allowed"
        raise NetworkAttempt(msg)

    def guard_socket(original: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(self: socket.socket, *args: Any) -> Any:
            # connect(address), connect_ex(address), sendto(data, [flags,] address)
            if self.family in {socket.AF_INET, socket.AF_INET6} and not is_local(args[-1][0]):
                refuse(args[-1][0])
            return original(self, *args)

        return guarded

    def guard_lookup(host: Any, *args: Any, **kwargs: Any) -> Any:
        if not is_local(host):
            refuse(host)
        return lookup(host, *args, **kwargs)

    lookup = socket.getaddrinfo
    with pytest.MonkeyPatch.context() as patch:
        for method in ("connect", "connect_ex", "sendto"):
            patch.setattr(socket.socket, method, guard_socket(getattr(socket.socket, method)))
        patch.setattr(socket, "getaddrinfo", guard_lookup)
        yield attempts


@pytest.fixture(autouse=True)
def no_network(network_attempts: list[str]) -> Iterator[None]:
    """Fail the test that tried, even where a thread or a library swallowed the refusal."""
    yield
    tried = sorted(set(network_attempts))
    network_attempts.clear()
    assert not tried, f"the test tried to reach {tried}"


@pytest.fixture(scope="session")
def format_samples() -> Path:
    """Folder of sample files that are not ours to copy, as named by PREDICTOR_FORMAT_SAMPLES."""
    folder = os.environ.get("PREDICTOR_FORMAT_SAMPLES")
    if not folder or not Path(folder).is_dir():
        pytest.skip("PREDICTOR_FORMAT_SAMPLES names no folder with the samples of the formats")
    return Path(folder)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A running PostgreSQL; on CI its absence is a failure."""
    if postgres_programs() is None:
        reason = "`postgres` is not in PATH. Install PostgreSQL, e.g. with `apt-get install postgresql`."
        lacking(reason)
    with running_server() as server:
        yield server


@pytest.fixture(scope="session")
def fhir_tools() -> Path:
    """Folder with the other implementations of FHIR (tests/interoperability/package.json), named by FHIR_TOOLS."""
    folder = Path(os.environ.get("FHIR_TOOLS", "/nowhere"))
    if shutil.which("node") is None or not (folder / "node_modules" / "fhir").is_dir():
        reason = (
            "FHIR_TOOLS names no folder with node_modules. Copy tests/interoperability/package*.json into a folder, "
            "run `npm ci --ignore-scripts` there, and set FHIR_TOOLS to it."
        )
        lacking(reason)
    return folder
