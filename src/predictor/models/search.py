"""From a search space, as the config writes it, to the candidates that are tried.

A space maps parameter names to ``{log_uniform: [a, b]}``, ``{uniform: [a, b]}``, ``{integers: [a, b]}`` (both
ends included), ``{choice: [...]}``, or a plain list, which means ``choice``.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scipy.stats import qmc

__all__ = ["Axis", "candidates", "read_axis"]

MOST_DRAWS = 4096


@dataclass(frozen=True)
class Axis:
    """One parameter: its value at ``u`` in [0, 1), and all its values where they can be listed."""

    at: Callable[[float], Any]
    values: tuple[Any, ...] | None


def candidates(space: Mapping[str, Any], n: int, seed: int) -> list[dict[str, Any]]:
    """Choose the candidates to try: the whole grid where it fits, else points spread evenly over the space.

    Parameters
    ----------
    space : mapping of str to axis
        See the module's docstring. An empty space gives one candidate, ``{}``.
    n : int
        Most candidates.
    seed : int
        The same seed gives the same candidates.

    Returns
    -------
    list of dict
        All different. Points are a scrambled Halton sequence: with few candidates it leaves no
        region empty, as random draws do.

    Raises
    ------
    ValueError
        For an axis that is none of the five forms.
    """
    axes = {name: read_axis(axis) for name, axis in space.items()}
    grid = [axis.values for axis in axes.values() if axis.values is not None]
    if len(grid) == len(axes) and math.prod(map(len, grid)) <= n:
        return [dict(zip(axes, values, strict=True)) for values in itertools.product(*grid)]
    chosen: list[dict[str, Any]] = []
    draws = qmc.Halton(len(axes), seed=seed)
    for _ in range(MOST_DRAWS):
        candidate = {
            name: axis.at(float(u)) for (name, axis), u in zip(axes.items(), draws.random()[0], strict=True)
        }
        if candidate not in chosen:
            chosen.append(candidate)
        if len(chosen) == n:
            break
    return chosen


def read_axis(axis: Any) -> Axis:
    """Read one axis of a space.

    Raises
    ------
    ValueError
        Says what was expected, what came and what to write.
    """
    kind, given = _form(axis)
    if kind == "choice":
        return _choice(_distinct(given))
    low, high = _ends(kind, given)
    if kind == "log_uniform":
        return Axis(lambda u: float(low * (high / low) ** u), None)
    if kind == "uniform":
        return Axis(lambda u: float(low + (high - low) * u), None)
    return _choice(tuple(range(int(low), int(high) + 1)))


def _form(axis: Any) -> tuple[str, Any]:
    if isinstance(axis, list | tuple):
        return "choice", axis
    if isinstance(axis, Mapping) and len(axis) == 1:
        kind, given = next(iter(axis.items()))
        if kind in {"choice", "integers", "log_uniform", "uniform"}:
            return str(kind), given
    msg = (
        "A search axis is one of log_uniform, uniform, integers, choice, or a list. "
        "Write for example {log_uniform: [0.01, 0.3]} or [3, 7, 15]."
    )
    raise ValueError(msg)


def _ends(kind: str, given: Any) -> tuple[float, float]:
    numbers = isinstance(given, list | tuple) and all(
        isinstance(end, int | float) and not isinstance(end, bool) and math.isfinite(end) for end in given
    )
    if not numbers or len(given) != 2 or given[0] >= given[1]:
        raise ValueError(f"{kind} needs two numbers, the lower one first. Write {{{kind}: [lower, upper]}}.")
    if kind == "log_uniform" and given[0] <= 0:
        raise ValueError("log_uniform needs positive ends. Write a lower end above 0, or use uniform.")
    if kind == "integers" and any(end != int(end) for end in given):
        raise ValueError("integers needs whole numbers. Write for example {integers: [3, 15]}.")
    return given[0], given[1]


def _choice(values: tuple[Any, ...]) -> Axis:
    return Axis(lambda u: values[min(int(u * len(values)), len(values) - 1)], values)


def _distinct(given: Any) -> tuple[Any, ...]:
    if not isinstance(given, list | tuple) or not given:
        raise ValueError("choice needs a list of at least one value. Write for example {choice: [3, 7, 15]}.")
    values: Sequence[Any] = given
    return tuple(value for position, value in enumerate(values) if value not in values[:position])
