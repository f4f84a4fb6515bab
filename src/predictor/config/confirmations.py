"""What a draft left open: lines of the config and the dictionary that wait for somebody's word."""

from __future__ import annotations

from predictor.config.loading import LoadedConfig
from predictor.config.marks import find_marks, first_of
from predictor.errors import ConfigError, Problem

__all__ = ["open_confirmations", "require_confirmed"]


def open_confirmations(loaded: LoadedConfig) -> tuple[Problem, ...]:
    """Return the lines of both files that are marked to be confirmed.

    Parameters
    ----------
    loaded : LoadedConfig

    Returns
    -------
    tuple of Problem
        CFG-56 with file and line.
    """
    dictionary = loaded.config.data.dictionary
    files = {str(loaded.path): loaded.path, dictionary: loaded.path.parent / dictionary}
    return tuple(find_marks(files))


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
        raise ConfigError(first_of(waiting))
