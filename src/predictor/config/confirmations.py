"""What a draft left open: lines of the config and the dictionary that wait for somebody's word."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from predictor.errors import ConfigError, Problem

if TYPE_CHECKING:
    from predictor.config.loading import LoadedConfig

__all__ = ["CONFIRM", "first_marks", "open_confirmations", "require_confirmed"]

CONFIRM = "# CONFIRM"
MARK = re.compile(r"#\s*CONFIRM\b:?\s*(.*)$")
SHOWN = 20


def open_confirmations(loaded: LoadedConfig) -> tuple[Problem, ...]:
    """Return the lines of both files that are marked to be confirmed.

    Parameters
    ----------
    loaded : LoadedConfig

    Returns
    -------
    tuple of Problem
        CFG-56 with file and line; a line that declares nothing is no guess and waits for nobody.
    """
    dictionary = loaded.config.data.dictionary
    files = {loaded.path: str(loaded.path), loaded.path.parent / dictionary: dictionary}
    return tuple(problem for path, shown in files.items() for problem in _marks(path, shown))


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


def require_confirmed(loaded: LoadedConfig) -> None:
    """Refuse to learn from what was only guessed.

    Parameters
    ----------
    loaded : LoadedConfig

    Raises
    ------
    ConfigError
        CFG-56 with the first twenty open lines.
    """
    waiting = open_confirmations(loaded)
    if waiting:
        raise ConfigError(_shortened(waiting))


def first_marks(files: Mapping[str, Path]) -> list[Problem]:
    """Return what is to be confirmed in files that are not right yet, so that a draft is mended in one go.

    Parameters
    ----------
    files : mapping of str to pathlib.Path
        As a message shows them; files that YAML was read from.

    Returns
    -------
    list of Problem
        CFG-56 with the first twenty open lines.
    """
    return _shortened([problem for shown, path in files.items() for problem in _marks(path, shown)])


def _shortened(waiting: Sequence[Problem]) -> list[Problem]:
    left = len(waiting) - SHOWN
    if left <= 0:
        return list(waiting)
    message = f"{left} further lines wait to be confirmed"
    return [*waiting[:SHOWN], Problem("CFG-56", message, "`predictor check` counts them")]
