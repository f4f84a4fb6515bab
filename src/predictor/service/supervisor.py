"""Keeping the service open: the sockets are held here, and the process that answers is started anew when it dies.

It shows that it lives by a byte every other second from its event loop; once it is silent it is ended, like a dead one.

This process holds no model and no patient, so there is little in it that could fail. Connections that are made while
nobody answers wait in the sockets. uvicorn's own supervisor starts a dead process again as often as it dies, leaves it
alive when it is killed itself, and imports the application on both sides.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import select
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType

from predictor.errors import Problem, ResourceError
from predictor.service.address import Address, listen, require_protection
from predictor.service.worker import Orders, answer_of

__all__ = ["SILENCE", "keep_serving"]

MOST_DEATHS, WITHIN = 5, 60.0  # seconds
FIRST_WAIT = 0.5  # seconds; twice as long after each further death within a minute
SILENCE = 30.0  # seconds; many times what an event loop is held up on a machine that does ten things at once
TURN = 1.0  # second
STOP_SECONDS = 20  # a little more than the answers that are under way may take


def keep_serving(
    models: Sequence[str],
    state: Path,
    address: Address,
    *,
    demonstration: bool,
    say: Callable[[str], None],
    warn: Callable[[str], None],
    partners: Path | None = None,
    silence: float = SILENCE,
) -> None:
    """Listen, let a process of its own answer, and start another one whenever that dies, until somebody stops it.

    Parameters
    ----------
    models : sequence of str
        Model folders, run folders, or run ids.
    state : Path
        Accounts and audit log.
    address : Address
    demonstration : bool
    say : callable
        Gets the lines for whoever starts it, once.
    warn : callable
        Gets a line for each death.
    partners : Path or None
        File of the other systems that the service works with; none without it.
    silence : float
        Seconds without a sign of life after which a process that has answered before is ended.

    Raises
    ------
    ConfigError, ModelError, RefusedError, ResourceError
        Whatever keeps the service from opening; WEB-15; WEB-16, when it dies again and again; WEB-20.
    """
    require_protection(address, demonstration=demonstration)
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(one) for one in listen(address)]
        orders = Orders(
            tuple(models),
            str(state),
            address,
            tuple(one.fileno() for one in sockets),
            demonstration,
            str(partners or ""),
            secrets.token_urlsafe(12),
        )
        supervisor = _Supervisor(say, warn, silence)
        held.enter_context(_signals_to(supervisor.stop))
        supervisor.run(orders)


class _Supervisor:
    """At most one process that answers at a time, and whether somebody has asked to stop."""

    def __init__(self, say: Callable[[str], None], warn: Callable[[str], None], silence: float) -> None:
        self._say, self._warn, self._silence = say, warn, silence
        self._worker: subprocess.Popen[bytes] | None = None
        self._opened = self._stopping = False
        self._deaths: deque[float] = deque()
        self._tried: tuple[str, ...] = ()

    def stop(self, number: int, _: FrameType | None = None) -> None:
        """End the process: let it answer what is under way, but not take for ever over that."""
        again, self._stopping = self._stopping, True
        if self._worker is None:
            return
        if again:
            self._worker.kill()
        else:
            self._worker.terminate()
            signal.alarm(STOP_SECONDS)

    def run(self, orders: Orders) -> None:
        """Start processes until it is asked to stop, or until they die too often."""
        while not self._stopping:
            ended = self._live(orders)
            if self._stopping:
                return
            wait = self._wait_after(ended)
            self._warn(f"The process that answers ended by {ended}; another one starts in {wait:g} s.")
            self._pause(wait)
            orders = replace(orders, after=ended, tried=self._tried)

    def _live(self, orders: Orders) -> str:
        """Start a process, wait until it has opened and then until it ends, and say how it ended."""
        hearing, speaking = os.pipe()
        with os.fdopen(hearing, "rb") as heard:
            try:
                self._worker = _start(orders, speaking)
            finally:
                os.close(speaking)
            with self._worker as worker:  # leaving it closes its standard input, and waits
                if self._stopping:  # asked while there was nobody to end
                    worker.terminate()
                _give(worker, orders)
                self._hear(heard.readline())
                silent = _falls_silent(hearing, self._silence)
                if silent:
                    worker.kill()
                worker.wait()
        ended = _how_it_ended(worker.returncode)
        return f"{ended}, as it had shown no sign of life for {self._silence:g} s" if silent else ended

    def _hear(self, text: bytes) -> None:
        if not text:
            return
        lines, self._tried = answer_of(text)
        for line in () if self._opened else lines:
            self._say(line)
        self._opened = True

    def _wait_after(self, ended: str) -> float:
        """Count a death, and return how many seconds to wait: it may be the machine that has too little memory."""
        now = time.monotonic()
        self._deaths = deque(one for one in (*self._deaths, now) if one > now - WITHIN)
        if not self._opened or len(self._deaths) >= MOST_DEATHS:
            raise _given_up(ended, len(self._deaths), opened=self._opened)
        return float(FIRST_WAIT * 2 ** (len(self._deaths) - 1))

    def _pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self._stopping and time.monotonic() < end:
            time.sleep(0.05)


def _start(orders: Orders, speaking: int) -> subprocess.Popen[bytes]:
    # A session of its own: a terminal's Ctrl-C is for us, who then end it.
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "predictor.service.worker", str(speaking)],
        stdin=subprocess.PIPE,
        bufsize=0,  # what a dead process did not read is not written once more when the pipe is closed
        pass_fds=(*orders.sockets, speaking),
        start_new_session=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )


def _give(worker: subprocess.Popen[bytes], orders: Orders) -> None:
    assert worker.stdin is not None
    with contextlib.suppress(BrokenPipeError):  # it has ended already, as will be seen
        worker.stdin.write(orders.line())


def _falls_silent(hearing: int, seconds: float) -> bool:
    """Wait until a process ends, or until it has shown no sign of life for so long; say whether it is the latter.

    Silence is counted in turns of our own and not by the clock: where the whole machine stood still, or had no time for
    anybody, the process that answers may speak before it is judged.
    """
    turns = 0
    while turns * TURN < seconds:
        if not select.select([hearing], [], [], TURN)[0]:
            turns += 1
        elif os.read(hearing, select.PIPE_BUF):
            turns = 0
        else:
            return False
    return True


def _how_it_ended(status: int) -> str:
    """Say it without what it worked on."""
    if status >= 0:
        return f"exit status {status}"
    try:
        return f"signal {-status} ({signal.Signals(-status).name})"
    except ValueError:
        return f"signal {-status}"


def _given_up(ended: str, deaths: int, *, opened: bool) -> ResourceError:
    if not opened:
        message = f"the process that answers ended by {ended} before the service was open"
    else:
        message = f"the process that answers ended {deaths} times within a minute, at last by {ended}"
    remedy = "Look for memory that ran out (the system's log), and at what was written above this line"
    return ResourceError(Problem("WEB-16", message, remedy))


@contextlib.contextmanager
def _signals_to(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        signal.alarm(0)
        for number, earlier in before.items():
            signal.signal(number, earlier)
