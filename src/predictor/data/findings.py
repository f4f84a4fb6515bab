"""Collects all that is wrong with one file, and shows a fair part of it."""

from __future__ import annotations

from collections import Counter

from predictor.errors import DataError, Problem

__all__ = ["COUNTED", "SHOWN", "Findings"]

SHOWN = 50
COUNTED = 100_000


class Findings:
    """The problems of one file: up to 100,000 are counted, 50 are shown.

    Every pair of column and code gets its turn among the 50, so that one bad column cannot hide another.

    Parameters
    ----------
    file : str
        File as the user named it.
    """

    def __init__(self, file: str) -> None:
        self.file = file
        self.counts: Counter[str] = Counter()
        self.total = 0
        self._groups: dict[tuple[str, str], list[Problem]] = {}

    def __bool__(self) -> bool:
        return self.total > 0

    @property
    def full(self) -> bool:
        """Whether so much was found that looking further is of no use."""
        return self.total >= COUNTED

    def add(
        self, code: str, message: str, remedy: str = "", *, row: int | None = None, column: str = ""
    ) -> None:
        """Count a problem, and keep it if it may be shown.

        Parameters
        ----------
        code : str
        message : str
            What was expected and what came, never a cell's value.
        remedy : str
            What to write or do instead.
        row : int, optional
            Line in the file; the header is 1.
        column : str
        """
        if self.full:
            return
        self.total += 1
        self.counts[code] += 1
        group = self._groups.setdefault((column, code), [])
        if len(group) < SHOWN:
            group.append(Problem(code, message, remedy, path=column, file=self.file, line=row))

    def concern(self, column: str) -> bool:
        """Say whether anything was found in a column.

        Parameters
        ----------
        column : str
            A header, or a long table's quantity.
        """
        return any(named == column or named.endswith(f"({column})") for named, _ in self._groups)

    def problems(self) -> tuple[Problem, ...]:
        """Return at most 50 problems in the file's order, and a line that says how many were left out."""
        ranked = [(rank, problem) for group in self._groups.values() for rank, problem in enumerate(group)]
        ranked.sort(key=lambda item: (item[0], item[1].line or 0))
        shown = sorted((problem for _, problem in ranked[:SHOWN]), key=lambda p: (p.line or 0, p.path))
        more = self.total - len(shown)
        if not more:
            return tuple(shown)
        code = self.counts.most_common(1)[0][0]
        message = f"{'at least ' if self.full else ''}{more:,} more problems in this file are not shown"
        return (*shown, Problem(code, message, "Mend these first", file=self.file))

    def raise_if_any(self) -> None:
        """Raise everything found as one error.

        Raises
        ------
        DataError
            If anything was added.
        """
        if self:
            raise DataError(self.problems())
