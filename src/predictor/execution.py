"""Where the work runs: independent tasks in this process, in local processes, or on a cluster that exists already.

No result depends on it: a task gets its input, gives its output, and knows of no other. What goes to a cluster is
sealed: its workers write what they are given into their logs when something fails, and a log holds no patient's value.
"""

from __future__ import annotations

import os
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypeVar
from urllib.parse import urlsplit

from predictor.errors import ConfigError, PredictorError, Problem, ResourceError
from predictor.stopping import Stop, ignore_signals

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["Execution", "Keeping", "Progress", "address_problem", "run_tasks"]

# Called with a step's name, how much of it is done, and of how much.
Progress = Callable[[str, int, int], None]

Task = TypeVar("Task")
Result = TypeVar("Result")
Value = TypeVar("Value")

RETRIES = 3
TIMEOUT = "20s"
SECONDS_BETWEEN_LOOKS = 1.0


class Keeping(Protocol):
    """Where finished work is kept, see `predictor.units.UnitStore`."""

    @property
    def context(self) -> str:
        """What every result depends on besides its inputs."""

    def read(self, key: str) -> Any | None:
        """Return a finished result, or None."""

    def write(self, key: str, value: Any) -> None:
        """Keep a result."""

    def note(self, what: str, reason: str) -> None:
        """Count what did not go as it should."""


@dataclass(frozen=True)
class Execution:
    """Engine and workers, and what becomes of the work when it is interrupted.

    Parameters
    ----------
    engine : {"local", "dask"}
    workers : int
        Processes of the local engine; a cluster has its own.
    address : str or None
        Scheduler of the cluster, see `address_problem`.
    allowed_hosts : tuple of str
        Hosts that may be reached without encryption besides this machine.
    unit_seconds : float or None
        Longest time for fitting one candidate on one fold; None for any time.
    units : Keeping or None
        Where `predictor.units.run_units` keeps finished tasks; None for nowhere.
    stop : Stop
        Asked before each task.
    """

    engine: Literal["local", "dask"] = "local"
    workers: int = 1
    address: str | None = None
    allowed_hosts: tuple[str, ...] = ()
    unit_seconds: float | None = None
    units: Keeping | None = field(default=None, compare=False)
    stop: Stop = field(default_factory=Stop, compare=False)


def address_problem(address: str, allowed_hosts: Sequence[str] = (), *, path: str) -> Problem | None:
    """Say what is wrong with a scheduler's address; patients' data are sent there.

    Parameters
    ----------
    address : str
        ``tcp://127.0.0.1:PORT``, ``tls://HOST:PORT`` with the site's own certificates in dask's configuration, or
        ``tcp://HOST:PORT`` with the host in ``allowed_hosts``.
    allowed_hosts : sequence of str
    path : str
        Key or option that it was given by.

    Returns
    -------
    Problem or None
        CFG-46. The address itself is not repeated, it might hold a password.
    """
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        parts, host, port = urlsplit(""), "", None
    plain = not (parts.username or parts.password or parts.path or parts.query or parts.fragment)
    open_line = parts.scheme == "tcp" and (_is_loopback(host) or host in allowed_hosts)
    if plain and host and port is not None and (open_line or parts.scheme == "tls"):
        return None
    remedy = "Write tcp://127.0.0.1:PORT, tls://HOST:PORT, or tcp with a host in execution.allowed_hosts"
    return Problem("CFG-46", "this address of a cluster is not allowed", remedy, path)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def run_tasks(
    function: Callable[..., Result],
    tasks: Sequence[Task],
    *,
    shared: tuple[Any, ...] = (),
    execution: Execution,
) -> Iterator[tuple[Task, Result]]:
    """Run ``function(task, *shared)`` for every task and give each result with its task, in the order they finish.

    Parameters
    ----------
    function : callable
        Importable by name.
    tasks : sequence
    shared : tuple
        The same for every task; sent to each worker once.
    execution : Execution

    Raises
    ------
    ConfigError
        CFG-46, see `address_problem`.
    ResourceError
        TRN-12 if there is no dask or no scheduler or worker answers, TRN-13 if workers are lost again and again.
        TRN-06 if a worker of this machine was ended from outside, or memory ran out.
    PredictorError
        What a task raised. It is not tried again.
    Stopped
        When ``execution.stop`` was asked; tasks that had begun are finished and given before.
    """
    try:
        if execution.engine == "dask":
            yield from _run_on_cluster(function, tasks, shared, execution)
        elif execution.workers == 1:
            yield from ((task, function(task, *shared)) for task in _until(execution.stop, tasks))
        else:
            yield from _run_in_processes(function, tasks, shared, execution)
    except MemoryError as error:
        raise _no_memory("memory ran out") from error
    execution.stop.check()


def _until(stop: Stop, tasks: Iterable[Task]) -> Iterator[Task]:
    """Begin no further task once somebody has asked to stop."""
    for task in tasks:
        if stop.asked:
            return
        yield task


def _run_in_processes(
    function: Callable[..., Result], tasks: Sequence[Task], shared: tuple[Any, ...], execution: Execution
) -> Iterator[tuple[Task, Result]]:
    from joblib import Parallel, delayed
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    parallel = Parallel(n_jobs=execution.workers, return_as="generator_unordered")
    here = os.getpid()
    begun = (delayed(_with_its_task)(function, task, shared, here) for task in _until(execution.stop, tasks))
    try:
        yield from parallel(begun)
    except TerminatedWorkerError as error:
        message = "a worker's process was ended from outside, which is what a lack of memory does"
        raise _no_memory(message) from error


def _with_its_task(
    function: Callable[..., Result], task: Task, shared: tuple[Any, ...], parent: int
) -> tuple[Task, Result]:
    if os.getpid() != parent:
        ignore_signals()
        _end_with(parent)
    return task, function(task, *shared)


@cache
def _end_with(parent: int) -> None:
    """End this worker soon after the process that began it; one that is killed cannot tell its workers to.

    Without it they would wait for ever, with the patients in their memory, to hand over what nobody asks for.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(SECONDS_BETWEEN_LOOKS)
        os._exit(1)

    threading.Thread(target=watch, name="end-with-parent", daemon=True).start()


def _no_memory(message: str) -> PredictorError:
    remedy = "Use fewer workers (--workers 1) or end other programs, and start again: finished work is kept"
    return ResourceError(Problem("TRN-06", message, remedy))


@dataclass(frozen=True, repr=False)
class _Sealed(Generic[Value]):
    """A value that shows nothing of itself."""

    value: Value


@dataclass(frozen=True, repr=False)
class _Failed:
    """An error of the task itself: the same anywhere, so that it is not worth another try."""

    error: Exception


class _OnceMoreError(Exception):
    """What another try or another worker may not meet, by its type alone."""


def _run_sealed(
    function: Callable[..., Result], task: _Sealed[Task], shared: _Sealed[tuple[Any, ...]]
) -> _Sealed[Result] | _Failed:
    """Run a task on a worker, whose own log is not ours: it learns the type of an error at most."""
    try:
        return _Sealed(function(task.value, *shared.value))
    except OSError as error:
        raise _OnceMoreError(type(error).__name__) from None
    except Exception as error:  # raised again where the tasks come from
        error.add_note("On a worker:\n" + "".join(traceback.format_tb(error.__traceback__)))
        return _Failed(error)


def _run_on_cluster(
    function: Callable[..., Result], tasks: Sequence[Task], shared: tuple[Any, ...], execution: Execution
) -> Iterator[tuple[Task, Result]]:
    """Give out all tasks; those lost together with the last copy of the shared data are given out once more."""
    left = list(range(len(tasks)))
    with _connected(execution) as client:
        for _ in range(1 + RETRIES):
            for position, result in _round(client, function, {i: tasks[i] for i in left}, shared):
                left.remove(position)
                yield tasks[position], result
                execution.stop.check()
            if not left:
                return
            _wait_for_a_worker(client)
    raise _lost_too_often()


def _round(
    client: Client, function: Callable[..., Result], tasks: dict[int, Task], shared: tuple[Any, ...]
) -> Iterator[tuple[int, Result]]:
    from distributed import KilledWorker, as_completed

    data = client.scatter(_Sealed(shared), broadcast=True)
    waiting = {
        client.submit(_run_sealed, function, _Sealed(task), data, pure=False, retries=RETRIES): position
        for position, task in tasks.items()
    }
    try:
        for future in as_completed(list(waiting), loop=client.loop):
            position = waiting.pop(future)
            try:
                found = future.result()
            except CancelledError:  # the data it needs are gone, and with them the task
                continue
            except (KilledWorker, _OnceMoreError) as error:
                raise _lost_too_often() from error
            future.release()
            if isinstance(found, _Failed):
                raise found.error
            yield position, found.value
    finally:
        client.cancel(list(waiting))


@contextmanager
def _connected(execution: Execution) -> Iterator[Client]:
    address = execution.address or ""
    problem = address_problem(address, execution.allowed_hosts, path="execution.address")
    if problem is not None:
        raise ConfigError(problem)
    try:
        from distributed import Client
    except ImportError as error:
        remedy = "Install it: pip install 'response-predictor[scale]'"
        raise ResourceError(Problem("TRN-12", "a cluster needs the package distributed", remedy)) from error
    try:
        client = Client(address, timeout=TIMEOUT, set_as_default=False)
    except (OSError, TimeoutError) as error:
        raise _no_answer("scheduler") from error
    with client:
        _wait_for_a_worker(client)
        yield client


def _wait_for_a_worker(client: Client) -> None:
    try:
        client.wait_for_workers(1, timeout=TIMEOUT)
    except TimeoutError as error:
        raise _no_answer("worker") from error


def _no_answer(who: str) -> PredictorError:
    remedy = "Start the cluster, or write execution.engine: local"
    return ResourceError(
        Problem("TRN-12", f"no {who} of the cluster answers", remedy, path="execution.address")
    )


def _lost_too_often() -> PredictorError:
    message = "workers of the cluster were lost, or could not read or write, again and again"
    remedy = "Give them more memory, and the same folders as this machine; their logs say more"
    return ResourceError(Problem("TRN-13", message, remedy, path="execution.address"))
