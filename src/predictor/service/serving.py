"""Opening the service: where it may listen, what it needs there, and what it says when it is open."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from predictor.errors import ConfigError, Problem, ResourceError
from predictor.service.shelf import open_shelf

__all__ = ["Address", "serve_models"]

LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
KEEP_ALIVE, BACKLOG, HEAD_SECONDS = 5, 64, 5.0


@dataclass(frozen=True)
class Address:
    """Where the service listens, and who stands in between.

    Parameters
    ----------
    host : str
    port : int
    certificate, private_key : Path or None
        Both or none.
    proxy : str
        Address of the proxy that ends TLS; empty without one.
    names : tuple of str
        Under which browsers call the service, besides those of this machine.
    """

    host: str
    port: int
    certificate: Path | None = None
    private_key: Path | None = None
    proxy: str = ""
    names: tuple[str, ...] = ()

    @property
    def local(self) -> bool:
        """Whether only this machine reaches it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def secure(self) -> bool:
        """Whether browsers reach it by TLS."""
        return self.certificate is not None or bool(self.proxy)

    @property
    def hosts(self) -> frozenset[str]:
        """All names under which it answers."""
        return LOCAL | {self.host} | {name.lower() for name in self.names}


def require_protection(address: Address, *, demonstration: bool) -> None:
    """Refuse to open what others could listen to.

    Parameters
    ----------
    address : Address
    demonstration : bool

    Raises
    ------
    ConfigError
        WEB-15.
    """
    problems = []
    if (address.certificate is None) != (address.private_key is None):
        problems.append(
            Problem("WEB-15", "a certificate needs its key", "Give --certificate and --private-key")
        )
    if not address.local and not address.secure:
        remedy = "Give --certificate and --private-key, or --behind-proxy ADDRESS, or listen at 127.0.0.1"
        problems.append(
            Problem("WEB-15", "other machines would reach the service without TLS", remedy, path="--host")
        )
    if demonstration and not address.local:
        remedy = "Listen at 127.0.0.1, or sign the models"
        problems.append(Problem("WEB-15", "a demonstration is for this machine only", remedy, path="--host"))
    if problems:
        raise ConfigError(problems)


def serve_models(
    folders: Sequence[Path],
    state: Path,
    address: Address,
    *,
    demonstration: bool,
    say: Callable[[str], None],
    partners: Path | None = None,
) -> None:
    """Load the models, open the log, and answer until somebody stops it.

    Parameters
    ----------
    folders : sequence of Path
    state : Path
        Accounts and audit log.
    address : Address
    demonstration : bool
    say : callable
        Gets the lines for whoever starts it.
    partners : Path or None
        File of the other systems that the service works with; none without it.

    Raises
    ------
    ConfigError, ModelError, RefusedError, ResourceError
    """
    require_protection(address, demonstration=demonstration)
    uvicorn = _import_server()
    from predictor.service.accounts import Accounts
    from predictor.service.app import create_app
    from predictor.service.audit import AuditLog
    from predictor.service.others import open_others
    from predictor.service.state import Service

    shelf = open_shelf(folders, demonstration=demonstration)
    others = None if partners is None else open_others(partners, shelf)
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    audit = AuditLog(state / "audit")
    accounts = Accounts(state / "accounts.json")
    service = Service(
        shelf, accounts, audit, secure=address.secure, demonstration=demonstration, others=others
    )
    audit.record("start", outcome=f"{len(shelf)} models")
    scheme = "https" if address.certificate else "http"
    say(f"{len(shelf)} models at {scheme}://{address.host}:{address.port} (stop with Ctrl-C)")
    if accounts.set_up_code:
        say(f"No account yet. Code for the first one: {accounts.set_up_code}")
    try:
        uvicorn.run(
            create_app(service, hosts=address.hosts),
            host=address.host,
            port=address.port,
            ssl_certfile=address.certificate,
            ssl_keyfile=address.private_key,
            proxy_headers=bool(address.proxy),
            forwarded_allow_ips=address.proxy or None,
            access_log=False,  # the audit log is the record; addresses of pages belong in no other
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE,
            backlog=BACKLOG,
            log_level="warning",
            http=_impatient(),
        )
    finally:
        audit.close()


def _impatient() -> type[Any]:
    """Give the server's protocol a limit for the head of a request: it has one for what comes after, and none for that.

    A connection on which a head has begun, or on which nothing ever came, is closed after five seconds.
    """
    from uvicorn.protocols.http.auto import AutoHTTPProtocol

    class Impatient(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
        _limit: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._start()

        def data_received(self, data: bytes) -> None:
            self._start()
            super().data_received(data)
            if self.cycle is not None and not self.cycle.response_complete:
                self._stop()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop()
            super().connection_lost(exc)

        def _start(self) -> None:
            if self._limit is None:
                self._limit = self.loop.call_later(HEAD_SECONDS, self.transport.close)

        def _stop(self) -> None:
            if self._limit is not None:
                self._limit.cancel()
                self._limit = None

    return Impatient


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
