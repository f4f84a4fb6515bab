"""The few things that take long: estimates and prints at work, a short queue for each, and no more than that."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from predictor.reports.pdf import print_pdf

__all__ = ["PRINT_QUEUE", "Busy", "Queue", "estimating", "print_report", "printing"]

T = TypeVar("T")

WORKERS, QUEUE = 2, 16  # estimates at work, and waiting
PRINT_SECONDS, PRINT_QUEUE = 10.0, 4  # for the browser, and reports that wait for it
IN_MEMORY = Path("/dev/shm")


class Busy(Exception):  # noqa: N818 - not a mistake of anybody
    """More is waiting than will be answered in time."""


class Queue:
    """Runs work beside the event loop, a few at a time, and refuses to pile it up.

    Parameters
    ----------
    name : str
        Of its threads.
    workers, waiting : int
        How much may be at work, and how much may wait besides.
    """

    def __init__(self, name: str, workers: int, waiting: int) -> None:
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix=name)
        self._most = workers + waiting
        self._lock, self._there = threading.Lock(), 0

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Begin when it is this work's turn.

        Raises
        ------
        Busy
        """
        with self._lock:
            if self._there >= self._most:
                raise Busy
            self._there += 1
        future = self._pool.submit(work)
        future.add_done_callback(self._done)
        return future

    def _done(self, _: Future[T]) -> None:
        with self._lock:
            self._there -= 1


def estimating() -> Queue:
    """Make the queue of estimates."""
    return Queue("estimate", WORKERS, QUEUE)


def printing() -> Queue:
    """Make the queue of prints: one browser at a time."""
    return Queue("print", 1, PRINT_QUEUE)


def print_report(html: str, *, seconds: float = PRINT_SECONDS) -> bytes:
    """Print a report in a process of its own, whose files are kept in memory where there is a place for them.

    Parameters
    ----------
    html : str
    seconds : float
        After which the browser is ended.
    """
    return print_pdf(html, seconds=seconds, place=IN_MEMORY if os.access(IN_MEMORY, os.W_OK) else None)
