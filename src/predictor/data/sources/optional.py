"""Packages that only some formats need, asked for when such a file is read."""

from __future__ import annotations

import importlib
from typing import Any

from predictor.errors import Problem, ResourceError

__all__ = ["import_optional"]


def import_optional(module: str, *, extra: str, what: str) -> Any:
    """Import a package of an extra.

    Parameters
    ----------
    module : str
    extra : str
        Of this package, that brings it.
    what : str
        What needs it, for the message.

    Raises
    ------
    ResourceError
        ENV-02, if it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        message = f"{what} need the package {module.partition('.')[0]}, which is not installed"
        remedy = f'Install it: pip install "response-predictor[{extra}]"'
        raise ResourceError(Problem("ENV-02", message, remedy)) from error
