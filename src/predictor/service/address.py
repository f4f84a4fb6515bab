"""Where the service may listen: never where others could listen to it."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from predictor.errors import ConfigError, Problem, ResourceError

__all__ = ["BACKLOG", "Address", "listen", "require_protection"]

LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
BACKLOG = 64
ABSENT = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


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


def listen(address: Address) -> list[socket.socket]:
    """Open every socket that the host's name stands for.

    Parameters
    ----------
    address : Address

    Returns
    -------
    list of socket
        At least one. Connections wait in them from now on, whether or not somebody answers yet.

    Raises
    ------
    ResourceError
        WEB-20.
    """
    opened: list[socket.socket] = []
    failed: OSError | None = None
    try:
        flags = socket.AI_PASSIVE
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=flags)
        for family, *_, place in dict.fromkeys(found):
            try:
                opened.append(_open(family, place))
            except OSError as error:
                # localhost is two addresses, also where one protocol is switched off.
                if error.errno not in ABSENT:
                    raise
                failed = error
    except OSError as error:
        for one in opened:
            one.close()
        raise _cannot_listen(address, error) from error
    if not opened:
        raise _cannot_listen(address, failed)
    return opened


def _open(family: int, place: Any) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(place)
        made.listen(BACKLOG)
    except OSError:
        made.close()
        raise
    return made


def _cannot_listen(address: Address, error: OSError | None) -> ResourceError:
    number = error.errno if error else None
    named = isinstance(error, socket.gaierror) or number is None
    reason = "the name has no address" if named else os.strerror(int(number or 0))
    remedy = "Choose another --port or --host, or stop what listens there"
    message = f"the service cannot listen at {address.host}:{address.port} ({reason})"
    return ResourceError(Problem("WEB-20", message, remedy))
