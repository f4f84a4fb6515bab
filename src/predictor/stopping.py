"""To stop when asked: after the unit of work that is being done, or at once when asked twice."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["Stop", "Stopped", "ignore_signals", "stop_on_signals"]

SIGNALS = (signal.SIGINT, signal.SIGTERM)
MESSAGE = b"\nStopping after the unit of work that is being done; ask once more to stop at once.\n"


class Stopped(BaseException):
    """The work was stopped from outside, and can be gone on with. Like Python's own interrupt, it is no `Exception`.

    Parameters
    ----------
    number : int
        Of the signal; the exit code is 128 more.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number


class Stop:
    """Whether somebody has asked to stop.

    Attributes
    ----------
    number : int or None
        The signal that asked; None as long as nobody did.
    """

    def __init__(self) -> None:
        self.number: int | None = None

    @property
    def asked(self) -> bool:
        """Whether somebody has."""
        return self.number is not None

    def check(self) -> None:
        """Stop here, if somebody has asked.

        Raises
        ------
        Stopped
        """
        if self.number is not None:
            raise Stopped(self.number)


@contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """Let SIGINT and SIGTERM ask; the second one stops wherever the work is.

    Only the main thread of a process can do this.

    Yields
    ------
    Stop
    """
    stop = Stop()

    def ask(number: int, _: FrameType | None) -> None:
        if stop.asked:
            raise Stopped(number)
        stop.number = number
        os.write(2, MESSAGE)

    before = {number: signal.signal(number, ask) for number in SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def ignore_signals() -> None:
    """Leave the signals, in a worker's process, to the one that gives it work: a terminal sends them to all."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
