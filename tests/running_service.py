"""The service behind a real server on loopback, and a browser that signs in there."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from predictor.prediction_model import PredictionModel
from predictor.service.accounts import Accounts
from predictor.service.app import create_app
from predictor.service.audit import AuditLog
from predictor.service.audit_verification import verify_audit
from predictor.service.shelf import Offered
from predictor.service.state import Service

PASSWORD = "horse battery staple"


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """Run an ASGI application on a free port of loopback, and give its address."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_level="critical", access_log=False, lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)
        listening.close()


@dataclass
class Running:
    """A service that runs: its address, its parts, and the folder of its log."""

    address: str
    service: Service
    folder: Path

    def audit(self) -> str:
        """All lines of the log, whose chain is whole."""
        _, problems = verify_audit(self.folder / "audit")
        assert not problems
        return "".join(path.read_text() for path in sorted((self.folder / "audit").glob("*.jsonl")))

    @contextmanager
    def browser(self, role: str | None = "clinician") -> Iterator[httpx.Client]:
        """Give a client with the session of an account, and its token in the headers."""
        with httpx.Client(base_url=self.address, timeout=60) as client:
            if role is not None:
                self.sign_in(client, role)
            yield client

    def sign_in(self, client: httpx.Client, role: str) -> None:
        """Sign in, and keep the session's token for what asks for it in a header."""
        token = re.search(r'name="token" value="([^"]+)"', client.get("/login").text)
        assert token
        form = {"name": f"a-{role}", "password": PASSWORD, "token": token[1]}
        assert client.post("/login", data=form).status_code == 303
        client.headers["x-csrf-token"] = client.get("/api/v1/session").json()["token"]


@contextmanager
def running_service(
    models: Mapping[str, PredictionModel], folder: Path, *, clinic: Any = None
) -> Iterator[Running]:
    """Serve models to three accounts."""
    shelf = tuple(Offered(id_, model, signed=False) for id_, model in models.items())
    accounts = Accounts(folder / "accounts.json")
    for role in ("clinician", "reviewer", "admin"):
        accounts.add(f"a-{role}", PASSWORD, role)  # type: ignore[arg-type]
    audit = AuditLog(folder / "audit")
    more = {} if clinic is None else {"others": clinic}
    service = Service(shelf, accounts, audit, demonstration=True, estimate_seconds=60, **more)
    try:
        with serving(create_app(service, hosts=frozenset({"127.0.0.1"}))) as address:
            yield Running(address, service, folder)
    finally:
        audit.close()


def send(browser: httpx.Client, path: str, form: Mapping[str, str] | None = None) -> httpx.Response:
    """Post a form with the session's token."""
    return browser.post(path, data={"token": browser.headers["x-csrf-token"], **(form or {})})
