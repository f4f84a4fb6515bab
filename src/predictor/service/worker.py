"""The process that answers: it is given its orders and its sockets, and ends when the one that started it does.

Run as ``python -m predictor.service.worker N`` by `predictor.service.supervisor`: the orders are one line of JSON on
its standard input, which then stays open as long as the supervisor lives; what it says goes to the descriptor N: one
line of JSON, and once it answers a byte whenever its event loop comes round to it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import threading
from dataclasses import asdict, dataclass
from pathlib import Path

from predictor.errors import PredictorError, Problem
from predictor.service.address import Address

__all__ = ["Orders", "answer_of"]


@dataclass(frozen=True)
class Orders:
    """What a process that answers is told.

    Parameters
    ----------
    models : tuple of str
        Model folders, run folders, or run ids.
    state : str
    address : Address
    sockets : tuple of int
        Descriptors that listen.
    demonstration : bool
    partners : str
        Path; empty without other systems.
    set_up_code : str
        What makes the first account: the same in every process, as it was printed once.
    after : str
        How the process before ended; empty for the first.
    tried : tuple of str
        Hashes of the models that it has tried.
    """

    models: tuple[str, ...]
    state: str
    address: Address
    sockets: tuple[int, ...]
    demonstration: bool
    partners: str
    set_up_code: str
    after: str = ""
    tried: tuple[str, ...] = ()

    def line(self) -> bytes:
        """Write them as one line of JSON."""
        return json.dumps(asdict(self), default=str).encode() + b"\n"

    @classmethod
    def read(cls, line: bytes) -> Orders:
        """Read what `line` wrote."""
        found = json.loads(line)
        place = found.pop("address")
        files = {name: place[name] and Path(place[name]) for name in ("certificate", "private_key")}
        address = Address(**{**place, **files, "names": tuple(place["names"])})
        lists = {name: tuple(value) for name, value in found.items() if isinstance(value, list)}
        return cls(**{**found, **lists, "address": address})


def answer_of(text: bytes) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Read what the process said: that it has opened, or why it does not.

    Parameters
    ----------
    text : bytes
        One line of JSON.

    Returns
    -------
    lines : tuple of str
        For whoever started it.
    tried : tuple of str
        See `Orders`.

    Raises
    ------
    PredictorError
        Of the kind that ended it, so that the command line ends with its exit code.
    """
    found = json.loads(text)
    if "problems" in found:
        kinds = {one.__name__: one for one in PredictorError.__subclasses__()}
        raise kinds[found["kind"]]([Problem(**one) for one in found["problems"]])
    return tuple(found["lines"]), tuple(found["tried"])


def main() -> None:
    """Answer requests as ordered."""
    speaking = int(sys.argv[1])
    os.set_inheritable(speaking, False)
    orders = Orders.read(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_supervisor, daemon=True).start()
    try:
        _work(orders, speaking)
    except PredictorError as error:
        problems = [asdict(one) for one in error.problems]
        _speak(speaking, {"kind": type(error).__name__, "problems": problems})
        sys.exit(error.exit_code)


def _work(orders: Orders, speaking: int) -> None:
    from predictor.api import model_folder
    from predictor.service.serving import serve_models

    serve_models(
        [model_folder(one) for one in orders.models],
        Path(orders.state),
        orders.address,
        [socket.socket(fileno=one) for one in orders.sockets],
        demonstration=orders.demonstration,
        say=lambda opened: _speak(speaking, asdict(opened)),
        live=lambda: _show_life(speaking),
        partners=Path(orders.partners) if orders.partners else None,
        set_up_code=orders.set_up_code,
        after=orders.after,
        tried=orders.tried,
    )


def _speak(descriptor: int, answer: dict[str, object]) -> None:
    """Say that it has opened, or why it does not."""
    os.write(descriptor, json.dumps(answer).encode() + b"\n")
    os.set_blocking(descriptor, False)


def _show_life(descriptor: int) -> None:
    """Write a byte, unless nobody reads them: a supervisor that stands still must not hold up the answers."""
    with contextlib.suppress(BlockingIOError, BrokenPipeError):
        os.write(descriptor, b".")


def _end_with_supervisor() -> None:
    """Wait for the end of the standard input: nobody holds its other end any more, and nobody would start us anew.

    It is read by the system's call: a thread that waits in Python's own buffer would hold up the end of the process.
    """
    while os.read(sys.stdin.fileno(), 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
