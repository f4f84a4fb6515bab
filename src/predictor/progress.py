"""How far a long command has got."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any, Self

from tqdm import tqdm

__all__ = ["ProgressBars"]


class ProgressBars:
    """One bar per step, on stderr, only where a person watches."""

    def __init__(self) -> None:
        self._bar: tqdm[Any] | None = None
        self._step = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._close()

    def show(self, step: str, done: int, total: int) -> None:
        """Move the bar of a step, or begin it.

        Parameters
        ----------
        step : str
        done, total : int
        """
        if step != self._step:
            self._close()
            self._step = step
            self._bar = tqdm(total=total, desc=step, leave=False, disable=None, file=sys.stderr)
        if self._bar is not None:
            self._bar.n = done
            self._bar.refresh()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
