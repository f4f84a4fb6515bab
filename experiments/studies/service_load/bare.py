"""A yardstick: one page of text from the same server in Python alone (asyncio, h11), which costs what Python costs now.

The service itself answers by httptools and uvloop, whose own share is too small to be measured against.

Prints its port, and answers until its standard input ends.
"""

from __future__ import annotations

import asyncio
import socket
import sys

import uvicorn
from server import until_told
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route


async def text(_: Request) -> PlainTextResponse:
    """Answer with three thousand characters."""
    return PlainTextResponse("x" * 3000)


def main() -> None:
    """Serve."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        Starlette(routes=[Route("/", text)]),
        access_log=False,
        server_header=False,
        log_level="warning",
        http="h11",
    )
    sys.stdout.write(f"{listening.getsockname()[1]}\n")
    sys.stdout.flush()
    asyncio.run(until_told(uvicorn.Server(config), listening))


if __name__ == "__main__":
    main()
