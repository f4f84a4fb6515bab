"""A real PostgreSQL for the tests: made, started on loopback, and gone afterwards."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

USER = "clinic_owner"
PATIENCE = 60  # seconds


@dataclass(frozen=True)
class Server:
    """A running server.

    Parameters
    ----------
    port : int
    password : str
        Of ``USER``; new for every server, so that finding it anywhere means that it leaked.
    """

    port: int
    password: str

    @property
    def url(self) -> str:
        """Address with credentials, as it may stand in the environment only."""
        return f"postgresql://{USER}:{self.password}@127.0.0.1:{self.port}/postgres"

    @property
    def bare_url(self) -> str:
        """Address as it may stand in a dictionary."""
        return f"postgresql://127.0.0.1:{self.port}/postgres"

    def connect(self) -> psycopg.Connection[Any]:
        """Open a connection that may write."""
        return psycopg.connect(self.url, connect_timeout=5)


def binaries() -> Path | None:
    """Return the folder of the server's programs; None where there is no PostgreSQL."""
    postgres = shutil.which("postgres")
    folder = Path(postgres).resolve().parent if postgres else None
    return folder if folder is not None and (folder / "initdb").exists() else None


@contextmanager
def running_server() -> Iterator[Server]:
    """Make a server with its own files and end it.

    PostgreSQL refuses to run as root, so root hands it to ``nobody``.
    """
    programs = binaries()
    assert programs is not None
    # Not a folder of pytest, which only its owner may enter.
    folder = Path(tempfile.mkdtemp(prefix="predictor-postgres-"))
    other: dict[str, Any] = {}
    if os.geteuid() == 0:
        other = {"user": "nobody", "group": "nogroup", "extra_groups": []}
        shutil.chown(folder, "nobody", "nogroup")
    server = Server(_free_port(), secrets.token_hex(12))
    secret = folder / "password"
    secret.write_text(server.password, encoding="ascii")
    if other:
        shutil.chown(secret, "nobody", "nogroup")
    data = folder / "data"
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C", "HOME": str(folder)}
    options: dict[str, Any] = {"env": environment, "cwd": folder, "stdout": subprocess.DEVNULL, **other}
    made = [programs / "initdb", "-D", data, "-U", USER, "-E", "UTF8", "--auth=scram-sha-256", "--no-sync"]
    subprocess.run([*made, f"--pwfile={secret}"], check=True, stderr=subprocess.PIPE, **options)
    settings = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off", f"port={server.port}"]
    command = [programs / "postgres", "-D", data, *(word for one in settings for word in ("-c", one))]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, **options)
    try:
        _wait(server, process)
        yield server
    finally:
        process.terminate()
        process.wait(PATIENCE)
        shutil.rmtree(folder)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        assert isinstance(port, int)
        return port


def _wait(server: Server, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + PATIENCE
    while True:
        assert process.poll() is None, "PostgreSQL ended while it was started"
        try:
            server.connect().close()
        except psycopg.OperationalError:
            assert time.monotonic() < until, "PostgreSQL does not answer"
            time.sleep(0.1)
        else:
            return
