"""Limits of the head of a request: uvicorn limits what comes after it, and neither its length nor its time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

__all__ = ["impatient"]

HEAD_SECONDS, MOST_HEAD = 5.0, 64 * 1024

if TYPE_CHECKING:
    from typing import Any as _Protocol
else:
    _Protocol = object


class _Impatient(_Protocol):  # type: ignore[misc]
    """What is added to a protocol of uvicorn.

    A connection on which a head has begun, or on which nothing ever came, is closed after five seconds, and one whose
    head goes on beyond 64 KiB at once.
    """

    _limit: asyncio.TimerHandle | None = None
    _head: int | None = None  # bytes of a head that has begun; h11 has a limit of its own for them

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._start()

    def data_received(self, data: bytes) -> None:
        self._start()
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop()
        if self._head is not None:
            self._head += len(data)
            if self._head > MOST_HEAD:
                self.transport.close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head = 0

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._head = None

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


def impatient() -> type[Any]:
    """Give the server's protocol, whichever is installed, its limits for the head of a request."""
    from uvicorn.protocols.http.auto import AutoHTTPProtocol

    return type("Impatient", (_Impatient, AutoHTTPProtocol), {})
