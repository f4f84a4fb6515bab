"""Clients on loopback, bounded in number and time: HTTP/1.1 written by hand, so that they cost the server little."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlencode

__all__ = ["Answers", "Client", "Lost", "run_clients"]

SECONDS = 30.0  # for one answer
Answer = tuple[int, dict[str, str], bytes]


class Lost(Exception):  # noqa: N818 - not a mistake of anybody
    """The server gave no answer."""


@dataclass
class Client:
    """One browser: a connection that is kept, a cookie, and the token of the last form.

    Parameters
    ----------
    port : int
    """

    port: int
    cookies: dict[str, str] = field(default_factory=dict)
    token: str = ""
    _streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, method: str, path: str, form: Mapping[str, str] | None = None) -> Answer:
        """Send one request and read its answer: status, headers, body.

        Raises
        ------
        Lost
        """
        body = urlencode({"token": self.token} | dict(form)).encode() if form is not None else b""
        lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{self.port}"]
        lines += [f"Cookie: {'; '.join(f'{k}={v}' for k, v in self.cookies.items())}"] if self.cookies else []
        if form is not None:
            lines += ["Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(body)}"]
        sent = ("\r\n".join(lines) + "\r\n\r\n").encode() + body
        try:
            return await asyncio.wait_for(self._exchange(sent), SECONDS)
        except (OSError, EOFError, ValueError, TimeoutError) as error:
            await self.close()
            raise Lost from error

    async def close(self) -> None:
        """Give the connection up."""
        if self._streams is not None:
            self._streams[1].close()
            with suppress(OSError):
                await self._streams[1].wait_closed()
            self._streams = None

    async def _exchange(self, sent: bytes) -> Answer:
        if self._streams is None or self._streams[0].at_eof():
            self._streams = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 20)
        reader, writer = self._streams
        writer.write(sent)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        pairs = [line.split(": ", 1) for line in head[1:] if line]
        headers = {name.lower(): value for name, value in pairs}
        for name, value in pairs:
            if name.lower() == "set-cookie":
                key, _, rest = value.partition("=")
                self.cookies[key] = rest.partition(";")[0]
        body = await self._body(reader, headers)
        if headers.get("connection") == "close":
            await self.close()
        found = re.search(rb'name="token" value="([^"]+)"', body)
        if found:
            self.token = found[1].decode()
        return int(head[0].split(" ")[1]), headers, body

    async def _body(self, reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
        if headers.get("transfer-encoding") != "chunked":
            return await reader.readexactly(int(headers.get("content-length", "0")))
        parts = []
        while size := int(await reader.readline(), 16):
            parts.append((await reader.readexactly(size + 2))[:-2])
        await reader.readline()
        return b"".join(parts)

    async def sign_in(self, name: str, password: str) -> None:
        """Open a session and fetch a token of its forms."""
        await self.ask("GET", "/login")
        status, _, _ = await self.ask("POST", "/login", {"name": name, "password": password})
        assert status == 303, status
        await self.ask("GET", "/")


@dataclass
class Answers:
    """What came back.

    Parameters
    ----------
    seconds : list of float
        Of answers with success.
    statuses : dict of int to int
        How often each status came; 0 where none did.
    wall : float
        From the first request to the last answer.
    """

    seconds: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)
    wall: float = 0.0

    def quantile(self, share: float) -> float:
        """Return a quantile of the seconds."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


async def run_clients(
    work: Callable[[int], Awaitable[int]], clients: int, *, requests: int | None = None, seconds: float = 60.0
) -> Answers:
    """Let several clients work side by side.

    Parameters
    ----------
    work : callable of int
        One piece of work of a client, which returns the status.
    clients : int
    requests : int, optional
        Pieces of work in all.
    seconds : float
        After which none is begun.
    """
    answers, begun = Answers(), 0
    start = time.perf_counter()

    async def client(number: int) -> None:
        nonlocal begun
        while time.perf_counter() - start < seconds and (requests is None or begun < requests):
            begun += 1
            before = time.perf_counter()
            try:
                status = await work(number)
            except Lost:
                status = 0
            answers.statuses[status] = answers.statuses.get(status, 0) + 1
            if 200 <= status < 400:
                answers.seconds.append(time.perf_counter() - before)

    await asyncio.gather(*(client(i) for i in range(clients)))
    answers.wall = time.perf_counter() - start
    return answers
