"""Where a config may point: inside its project, or the data folder that was named on the command line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from predictor.errors import Problem

__all__ = ["Territory", "project_root"]

SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
MARKS = ("pyproject.toml", ".git")


def project_root(config: Path) -> Path:
    """Return the nearest folder above a config with ``pyproject.toml`` or ``.git``, else the config's own.

    Parameters
    ----------
    config : pathlib.Path
        The config's file.
    """
    folder = config.resolve().parent
    for ancestor in (folder, *folder.parents):
        if any((ancestor / mark).exists() for mark in MARKS):
            return ancestor
    return folder


@dataclass(frozen=True)
class Territory:
    """Folders that a path may end in, links resolved.

    Parameters
    ----------
    folders : sequence of pathlib.Path
        Resolved folders.
    """

    folders: Sequence[Path]

    def resolve(self, written: str, base: Path, path: str) -> Path | Problem:
        """Return the file that a path in a config means, or why it is refused.

        Parameters
        ----------
        written : str
            As it stands in the file.
        base : pathlib.Path
            Folder that a relative path starts from.
        path : str
            Key path, for the message.
        """
        if written.startswith(("\\\\", "//")):
            return _refusal(written, "a network share is no path here", path)
        if SCHEME.match(written):
            return _refusal(written, "an address or a drive is no path here", path)
        if written.startswith("~"):
            return _refusal(written, "~ is not expanded", path)
        if not written or any(ord(letter) < 32 for letter in written):
            return _refusal(written, "expected a path", path)
        try:
            resolved = (base / written).resolve()
        except (OSError, RuntimeError):  # RuntimeError: links in a circle, before Python 3.13
            return _refusal(written, "the links in it lead nowhere", path)
        if not any(resolved.is_relative_to(folder) for folder in self.folders):
            return _refusal(written, "it leads outside the project", path)
        return resolved


def _refusal(written: str, reason: str, path: str) -> Problem:
    shown = written if len(written) <= 100 else written[:100] + "…"
    remedy = "Write a path inside the project, or name the data's folder with --data-folder"
    return Problem("CFG-09", f"{shown!r}: {reason}", remedy, path)
