"""Answering requests: what the one process that holds the models does, from its first line in the log to its last."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from predictor.errors import Problem, ResourceError
from predictor.service.address import BACKLOG, Address
from predictor.service.impatience import impatient
from predictor.service.shelf import open_shelf

__all__ = ["Opened", "serve_models"]

KEEP_ALIVE = 5
LIFE_SECONDS = 2.0  # from one sign of life to the next
LAST_SECONDS = 10  # for what is being answered when the service is asked to stop


@dataclass(frozen=True)
class Opened:
    """What a service says when it answers.

    Parameters
    ----------
    lines : tuple of str
        For whoever started it.
    tried : tuple of str
        Hashes of its models, all of which have passed every check.
    """

    lines: tuple[str, ...]
    tried: tuple[str, ...]


def serve_models(
    folders: Sequence[Path],
    state: Path,
    address: Address,
    sockets: Sequence[socket.socket],
    *,
    demonstration: bool,
    say: Callable[[Opened], None],
    live: Callable[[], None] = lambda: None,
    partners: Path | None = None,
    set_up_code: str | None = None,
    after: str = "",
    tried: Collection[str] = (),
) -> None:
    """Load the models, open the log, and answer until somebody stops it.

    Parameters
    ----------
    folders : sequence of Path
    state : Path
        Accounts and audit log.
    address : Address
    sockets : sequence of socket
        Listening already; see `predictor.service.address.listen`.
    demonstration : bool
    say : callable
        Gets what there is to say, once it answers.
    live : callable
        Called every other second from then on, as long as the event loop turns.
    partners : Path or None
        File of the other systems that the service works with; none without it.
    set_up_code : str or None
        What makes the first account where there is none; drawn anew without it.
    after : str
        How the process before this one ended, for the log; empty for the first.
    tried : collection of str
        See `predictor.service.shelf.open_shelf`.

    Raises
    ------
    ConfigError, ModelError, RefusedError, ResourceError
    """
    uvicorn = _import_server()
    from predictor.service.accounts import Accounts
    from predictor.service.app import create_app
    from predictor.service.audit import AuditLog
    from predictor.service.others import open_others
    from predictor.service.state import Service

    shelf = open_shelf(folders, demonstration=demonstration, tried=tried)
    others = None if partners is None else open_others(partners, shelf)
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    audit = AuditLog(state / "audit")
    accounts = Accounts(state / "accounts.json", set_up_code=set_up_code)
    service = Service(
        shelf, accounts, audit, secure=address.secure, demonstration=demonstration, others=others
    )
    told = [f"{len(shelf)} models", after and f"the process before ended by {after}", audit.mended]
    audit.record("start", outcome="; ".join(filter(None, told)))
    config = uvicorn.Config(
        create_app(service, hosts=address.hosts),
        ssl_certfile=address.certificate,
        ssl_keyfile=address.private_key,
        proxy_headers=bool(address.proxy),
        forwarded_allow_ips=address.proxy or None,
        access_log=False,  # the audit log is the record; addresses of pages belong in no other
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=LAST_SECONDS,
        backlog=BACKLOG,
        log_level="warning",
        http=impatient(),
    )
    scheme = "https" if address.certificate else "http"
    lines = [f"{len(shelf)} models at {scheme}://{address.host}:{address.port} (stop with Ctrl-C)"]
    if accounts.set_up_code:
        lines.append(f"No account yet. Code for the first one: {accounts.set_up_code}")
    try:
        opened = Opened(tuple(lines), tuple(str(one.model.manifest["sha256"]) for one in shelf))
        _telling(config, lambda: say(opened), live).run(sockets=list(sockets))
    finally:
        audit.close()


def _telling(config: Any, opened: Callable[[], None], live: Callable[[], None]) -> Any:
    """Give the server that says when it answers; what fails before, such as a certificate, fails at the start."""
    from uvicorn import Server

    class Telling(Server):  # type: ignore[misc, unused-ignore]
        _living: asyncio.Task[None] | None = None

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets=sockets)
            if self.started:
                opened()
                self._living = asyncio.create_task(_live(live))

    return Telling(config)


async def _live(live: Callable[[], None]) -> None:
    """Show life as long as the event loop turns.

    uvicorn's own notices end before its last answers, and follow a clock that can be put back.
    """
    while True:
        live()
        await asyncio.sleep(LIFE_SECONDS)


def _import_server() -> Any:
    try:
        import argon2  # noqa: F401 - asked for before the models are loaded
        import fastapi  # noqa: F401
        import python_multipart  # noqa: F401
        import uvicorn
    except ImportError as error:
        message = (
            f"the service needs the package {(error.name or '').partition('.')[0]}, which is not installed"
        )
        raise ResourceError(
            Problem("ENV-02", message, 'Install it: pip install "response-predictor[serve]"')
        ) from error
    return uvicorn
