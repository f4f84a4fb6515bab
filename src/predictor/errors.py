"""Every error a user can cause, and the exit code each one gives.

PredictorError                 never raised itself; no traceback on the command line
├── ConfigError          2     the config, the dictionary or the command line asks for something impossible
├── DataError            3     a data file or a patient row breaks what the dictionary declares
├── ModelError           4     a prediction model's folder is damaged, foreign or of another version
├── ResourceError        5     disk, lock, memory, a missing optional component
└── RefusedError         6     possible, but against a declared policy

Exit code 1 is a defect of this package, the only one that shows a traceback.

An error carries one or more `Problem` lines. A line never contains a patient's value or key: it names the file, the
row, the column or the config path, what was expected, and what to write instead.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = [
    "ConfigError",
    "DataError",
    "ModelError",
    "PredictorError",
    "Problem",
    "RefusedError",
    "ResourceError",
    "visible",
]

# Controls (a terminal obeys them), direction marks (they show a text in another order), halves of a character.
UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def visible(text: str, *, keep: str = "") -> str:
    """Write characters that a terminal obeys, or does not show, as their code points.

    Parameters
    ----------
    text : str
        Perhaps with a name from a file that somebody else wrote.
    keep : str
        Characters to leave as they are.
    """
    if text.isprintable():  # none of them is; a page asks this of a thousand texts
        return text
    return UNSEEN.sub(lambda found: found[0] if found[0] in keep else f"\\u{ord(found[0]):04x}", text)


ERRORS, CHECKS = "docs/reference/errors.md", "docs/reference/checks.md"


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, and what to do about it.

    Parameters
    ----------
    code : str
        Stable code, e.g. ``CFG-01``; the documentation has one section for each.
    message : str
        What was expected and what came. Never a patient's value.
    remedy : str
        What to write or do instead, as a sentence.
    path : str
        Key path in the config (``models.elastic_net.type``) or the column's name.
    file : str
        File as the user named it.
    line : int or None
        Line in a config, or row in a data file (the header is row 1).
    """

    code: str
    message: str
    remedy: str = ""
    path: str = ""
    file: str = ""
    line: int | None = None

    @property
    def page(self) -> str:
        """Where the documentation explains the code."""
        page = CHECKS if re.fullmatch(r"P\d{3}", self.code) else ERRORS
        return f"{page}#{self.code.lower()}"

    @property
    def explained(self) -> str:
        """Command that prints that section: who installed the wheel has no documentation."""
        return f"predictor explain {self.code}"

    def __str__(self) -> str:
        place = self.file
        if self.line is not None:
            place = f"{place}:{self.line}" if place else str(self.line)
        parts = [part for part in (place, self.path) if part]
        text = f"{self.code} {self.message.rstrip('.')}."
        if self.remedy:
            text += f" {self.remedy.rstrip('.')}."
        return visible(": ".join([*parts, text]))


class PredictorError(Exception):
    """Base of every error that a user can cause and mend.

    Parameters
    ----------
    problems : Problem or sequence of Problem
        All that was found, not only the first.
    """

    exit_code = 1

    def __init__(self, problems: Problem | Sequence[Problem]) -> None:
        self.problems: tuple[Problem, ...] = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    def __reduce__(self) -> tuple[type[PredictorError], tuple[tuple[Problem, ...]]]:
        return type(self), (self.problems,)  # from a worker's process it comes back whole


class ConfigError(PredictorError):
    """The config, the dictionary or the command line asks for something impossible (exit 2)."""

    exit_code = 2


class DataError(PredictorError):
    """A data file or a patient row breaks what the dictionary declares (exit 3)."""

    exit_code = 3


class ModelError(PredictorError):
    """A prediction model's folder is damaged, foreign or of another version (exit 4)."""

    exit_code = 4


class ResourceError(PredictorError):
    """Disk, lock, memory or a missing optional component (exit 5)."""

    exit_code = 5


class RefusedError(PredictorError):
    """Possible, but against a declared policy (exit 6)."""

    exit_code = 6
