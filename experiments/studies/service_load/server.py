"""The service of a clinic for a measurement: the real one, without the limit of thirty estimates a minute and user.

    python server.py MODEL STATE [--limit N]

Prints its port when it is ready, and answers until its standard input ends.
"""

from __future__ import annotations

import os

# Before NumPy: one thread, so that CPU seconds mean something.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import asyncio
import socket
import sys
from pathlib import Path

import uvicorn

from predictor.service.accounts import Accounts, Limiter
from predictor.service.address import BACKLOG
from predictor.service.app import create_app
from predictor.service.audit import AuditLog
from predictor.service.serving import KEEP_ALIVE
from predictor.service.shelf import open_shelf
from predictor.service.state import Service

USER, PASSWORD = "study", "horse battery staple"


def main() -> None:
    """Serve one model, on the first of the machine's cores; who asks takes the second."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    model, state = Path(sys.argv[1]), Path(sys.argv[2])
    shelf = open_shelf([model], demonstration=True)
    accounts = Accounts(state / "accounts.json")
    accounts.add(USER, PASSWORD, "clinician")
    audit = AuditLog(state / "audit")
    service = Service(shelf, accounts, audit, demonstration=True, estimates=Limiter(10**9, 60))
    app = create_app(service, hosts=frozenset({"127.0.0.1"}))
    listening = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
    config = uvicorn.Config(
        app, access_log=False, server_header=False, timeout_keep_alive=KEEP_ALIVE, log_level="warning"
    )
    server = uvicorn.Server(config)
    sys.stdout.write(f"{listening.getsockname()[1]} {shelf[0].id}\n")
    sys.stdout.flush()
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:  # the service's own loop
        runner.run(until_told(server, listening))
    audit.close()
    imported = "yes" if "mlflow" in sys.modules else "no"
    sys.stdout.write(f"mlflow {imported}\n")


async def until_told(server: uvicorn.Server, listening: socket.socket) -> None:
    """Answer until the standard input ends."""

    async def wait() -> None:
        await asyncio.to_thread(sys.stdin.read)
        server.should_exit = True

    waiting = asyncio.create_task(wait())
    await server.serve(sockets=[listening])
    await waiting


if __name__ == "__main__":
    main()
