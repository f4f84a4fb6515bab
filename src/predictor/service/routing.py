"""Addresses of the pages, and what answers each: plain routes, without what FastAPI adds for interfaces of programs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

__all__ = ["Pages"]

Answering = TypeVar("Answering", bound=Callable[..., Awaitable[Response]])


class Pages:
    """Routes of some pages, in the order in which they are tried.

    FastAPI reads types of parameters and validates what is sent and what is answered; a page has one parameter, the
    request, and the texts in its address. Without that a request costs a quarter of a millisecond less.

    Attributes
    ----------
    routes : list of Route
    """

    def __init__(self) -> None:
        self.routes: list[Route] = []

    def get(self, path: str) -> Callable[[Answering], Answering]:
        """Let a function answer ``GET path``; it takes the request, and the names in braces."""
        return self._adding(path, "GET")

    def post(self, path: str) -> Callable[[Answering], Answering]:
        """Let a function answer ``POST path``."""
        return self._adding(path, "POST")

    def _adding(self, path: str, method: str) -> Callable[[Answering], Answering]:
        def add(answering: Answering) -> Answering:
            async def answer(request: Request) -> Response:
                return await answering(request, **request.path_params)

            route = Route(path, answer, methods=[method])
            route.methods = {method}  # HEAD would leave a line in the audit log for a page that nobody saw
            self.routes.append(route)
            return answering

        return add
