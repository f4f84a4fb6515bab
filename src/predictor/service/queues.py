"""The few things that take long: estimates and prints at work, a short queue for each, and no more than that."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from predictor.reports.pdf import print_pdf

__all__ = ["Busy", "Estimating", "Printing"]

WORKERS, QUEUE = 2, 16  # estimates at work, and waiting
PRINT_SECONDS, PRINT_QUEUE = 10.0, 4  # for the browser, and reports that wait for it
IN_MEMORY = Path("/dev/shm")


class Busy(Exception):  # noqa: N818 - not a mistake of anybody
    """More estimates are waiting than will be answered in time."""


class Estimating:
    """Runs estimates beside the event loop, a few at a time, and refuses to pile them up."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="estimate")
        self._waiting = 0

    def submit(self, work: Callable[[], Any]) -> Future[Any]:
        """Begin when there is room.

        Raises
        ------
        Busy
        """
        if self._waiting >= WORKERS + QUEUE:
            raise Busy
        self._waiting += 1
        future = self._pool.submit(work)
        future.add_done_callback(self._done)
        return future

    def _done(self, _: Future[Any]) -> None:
        self._waiting -= 1


class Printing:
    """Prints reports in a process of its own, one after another, and refuses to pile them up.

    Parameters
    ----------
    seconds : float
        After which the browser is ended.
    """

    def __init__(self, seconds: float = PRINT_SECONDS) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="print")
        self._seconds, self._lock, self._there = seconds, threading.Lock(), 0

    def submit(self, html: str) -> Future[bytes]:
        """Print when it is this report's turn.

        Parameters
        ----------
        html : str

        Raises
        ------
        Busy
        """
        with self._lock:
            if self._there > PRINT_QUEUE:
                raise Busy
            self._there += 1
        place = IN_MEMORY if os.access(IN_MEMORY, os.W_OK) else None
        future = self._pool.submit(partial(print_pdf, html, seconds=self._seconds, place=place))
        future.add_done_callback(self._done)
        return future

    def _done(self, _: Future[bytes]) -> None:
        with self._lock:
            self._there -= 1
