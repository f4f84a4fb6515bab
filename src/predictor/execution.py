"""Where the work runs: independent tasks in this process, in local processes, or on a cluster that exists already.

No result depends on it: a task gets its input, gives its output, and knows of no other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from joblib import Parallel, delayed

__all__ = ["Execution", "run_tasks"]

Task = TypeVar("Task")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Execution:
    """Engine and workers.

    Parameters
    ----------
    engine : {"local", "dask"}
    workers : int
        Processes of the local engine; a cluster has its own.
    address : str or None
        Scheduler of the cluster.
    """

    engine: Literal["local", "dask"] = "local"
    workers: int = 1
    address: str | None = None


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
    """
    if execution.workers == 1:
        yield from ((task, function(task, *shared)) for task in tasks)
        return
    parallel = Parallel(n_jobs=execution.workers, return_as="generator_unordered")
    jobs = (delayed(_with_its_task)(function, task, shared) for task in tasks)
    yield from parallel(jobs)


def _with_its_task(
    function: Callable[..., Result], task: Task, shared: tuple[Any, ...]
) -> tuple[Task, Result]:
    return task, function(task, *shared)
