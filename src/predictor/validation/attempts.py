"""A candidate that cannot be fitted: it is named with its reason, and takes no other with it."""

from __future__ import annotations

import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TypeVar

from predictor.errors import PredictorError

__all__ = ["attempt", "time_limit"]

Found = TypeVar("Found")


class _TimeLimitError(BaseException):
    """The time is over. Not an `Exception`, so that no library on the way takes it for one of its own."""


@contextmanager
def time_limit(seconds: float | None) -> Iterator[None]:
    """End what takes too long, between two steps of Python: a call into compiled code is waited for.

    Parameters
    ----------
    seconds : float or None
        None for any time. Outside the main thread of a process (on a cluster) nothing is limited.
    """
    if seconds is None or threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(_: int, __: FrameType | None) -> None:
        raise _TimeLimitError

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def attempt(
    fit: Callable[[Sequence[str]], Mapping[str, Found]],
    names: Sequence[str],
    *,
    seconds: float | None = None,
) -> tuple[dict[str, Found], dict[str, str]]:
    """Fit candidates together; where that fails, each alone.

    Parameters
    ----------
    fit : callable
        Takes names and gives what it found by name; each the same in any company.
    names : sequence of str
    seconds : float or None
        For each candidate.

    Returns
    -------
    found : dict of str to object
    reasons : dict of str to str
        Of each candidate that failed: the type of the error and where it was raised. Never its text, which may hold a
        patient's value.

    Raises
    ------
    MemoryError, PredictorError
        These are no candidate's fault.
    """
    found, reason = _try(fit, names, seconds)
    if not reason:
        return dict(found), {}
    if len(names) == 1:
        return {}, {names[0]: reason}
    apart = {name: _try(fit, [name], seconds) for name in names}
    whole = {name: alone[name] for name, (alone, failed) in apart.items() if not failed}
    return whole, {name: failed for name, (_, failed) in apart.items() if failed}


def _try(
    fit: Callable[[Sequence[str]], Mapping[str, Found]], names: Sequence[str], seconds: float | None
) -> tuple[Mapping[str, Found], str]:
    limit = None if seconds is None else seconds * len(names)
    try:
        with time_limit(limit):
            return fit(names), ""
    except _TimeLimitError:
        return {}, f"took longer than {limit:g} s"
    except (MemoryError, PredictorError):
        raise
    except (
        Exception
    ) as error:  # whatever a model's code raises, the others go on and the reason is written down
        place = traceback.extract_tb(error.__traceback__)[-1]
        return {}, f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}"
