"""Marks of a draft in the lines of a YAML file: what waits for somebody's word."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from predictor.errors import Problem

__all__ = ["CONFIRM", "find_marks", "first_of"]

CONFIRM = "# CONFIRM"
MARK = re.compile(r"#\s*CONFIRM\b:?\s*(.*)$")
SHOWN = 20


def find_marks(files: Mapping[str, Path]) -> list[Problem]:
    """Return the marked lines of files.

    Parameters
    ----------
    files : mapping of str to pathlib.Path
        As a message shows them; files that YAML was read from.

    Returns
    -------
    list of Problem
        CFG-56 with file and line; a line that declares nothing is no guess and waits for nobody.
    """
    return [problem for shown, path in files.items() for problem in _marks(path, shown)]


def _marks(path: Path, shown: str) -> list[Problem]:
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        mark = MARK.search(line)
        if mark is not None and not line.lstrip().startswith("#"):
            key = line.split(":", 1)[0].strip().strip('"')
            message = f"a guess that nobody has confirmed ({mark[1] or 'is this right?'})"
            remedy = "Mend the line if need be, then delete its mark"
            found.append(Problem("CFG-56", message, remedy, path=key, file=shown, line=number))
    return found


def first_of(waiting: Sequence[Problem]) -> list[Problem]:
    """Return the first twenty, and a line that counts the others."""
    left = len(waiting) - SHOWN
    if left <= 0:
        return list(waiting)
    message = f"{left} further lines wait to be confirmed"
    return [*waiting[:SHOWN], Problem("CFG-56", message, "`predictor check` counts them")]
