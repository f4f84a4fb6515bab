"""What every request has to pass before any page sees it: host, size, number at once; and what every answer carries."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

__all__ = ["Guard", "TooLargeError", "TooSlowError"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

MOST_AT_ONCE = 32
MOST_BYTES, BATCH_BYTES = 64 * 1024, 5 * 1024 * 1024
FHIR_BYTES = 1024 * 1024
LIMITS = {"/batch": BATCH_BYTES, "/api/v1/estimate/fhir": FHIR_BYTES}
LIMITS |= {f"/cds-services/ketamine-response-{hook}": FHIR_BYTES for hook in ("view", "order")}
BODY_SECONDS, REQUEST_SECONDS, BATCH_SECONDS, PRINT_SECONDS = 10.0, 15.0, 120.0, 60.0
POLICY = (
    "default-src 'none'; style-src 'self'{inline}; script-src 'self'; img-src 'self' data:; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; connect-src 'self'"
)
HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}


class TooLargeError(Exception):
    """The body has more bytes than its page takes."""


class TooSlowError(Exception):
    """The rest of the body did not come in time."""


class Guard:
    """ASGI middleware around the whole service.

    Parameters
    ----------
    app : ASGI application
    hosts : frozenset of str
        Names under which the service may be called; another one is an attack on the browser's own idea of hosts.
    secure : bool
        Reached by TLS, so that browsers may be told to stay with it.
    """

    def __init__(self, app: App, *, hosts: frozenset[str], secure: bool) -> None:
        self._app, self._hosts = app, hosts
        added = HEADERS | {"content-security-policy": POLICY.format(inline="")}
        if secure:
            added["strict-transport-security"] = "max-age=31536000"
        self._added = [(key.encode(), value.encode()) for key, value in added.items()]
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {key.lower(): value for key, value in scope["headers"]}
        host = headers.get(b"host", b"").decode("latin-1").lower()
        limit = LIMITS.get(scope["path"], MOST_BYTES)
        if _name_of(host) not in self._hosts:
            await _plain(send, 400, "This service does not answer to that name.")
        elif not (announced := headers.get(b"content-length", b"0")).isdigit():
            await _plain(send, 400, "The request was not understood.")
        elif int(announced) > limit:
            await _plain(send, 413, "The request is too large.")
        elif self._running >= MOST_AT_ONCE:
            await _plain(send, 503, "The service is busy. Try again in a moment.", (b"retry-after", b"2"))
        else:
            self._running += 1
            try:
                await self._answer(scope, receive, send, limit)
            finally:
                self._running -= 1

    async def _answer(self, scope: Scope, receive: Receive, send: Send, limit: int) -> None:
        begun, counted = False, 0

        async def counting() -> Message:
            nonlocal counted
            try:
                async with asyncio.timeout(BODY_SECONDS):
                    message = await receive()
            except TimeoutError as error:
                raise TooSlowError from error
            counted += len(message.get("body", b""))
            if counted > limit:
                raise TooLargeError
            return message

        async def adding(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                own = message.get("headers", [])
                there = {bytes(key).lower() for key, _ in own}
                message["headers"] = [*own, *(one for one in self._added if one[0] not in there)]
            await send(message)

        try:
            async with asyncio.timeout(_seconds(scope["path"])):
                await self._app(scope, counting, adding)
        except TooLargeError:
            if not begun:
                await _plain(send, 413, "The request is too large.")
        except (TimeoutError, TooSlowError):
            if not begun:
                await _plain(send, 408, "The request took too long.")


def _seconds(path: str) -> float:
    if path == "/batch":
        return BATCH_SECONDS
    return PRINT_SECONDS if path.endswith(".pdf") else REQUEST_SECONDS


def _name_of(host: str) -> str:
    """Take the port off, also of ``[::1]:8000``."""
    if host.startswith("["):
        return host.partition("]")[0].lstrip("[")
    return host.partition(":")[0]


async def _plain(send: Send, status: int, text: str, *more: tuple[bytes, bytes]) -> None:
    added = [(key.encode(), value.encode()) for key, value in HEADERS.items()]
    headers = [(b"content-type", b"text/plain; charset=utf-8"), *added, *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": f"{text}\n".encode()})
