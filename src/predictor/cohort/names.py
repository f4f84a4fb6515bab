"""How a config writes a value."""

from __future__ import annotations

import math

__all__ = ["names_of"]


def names_of(value: object) -> set[str]:
    """Return the ways in which a config may write a value: 1.0 is ``1``, ``true`` and ``yes``.

    Parameters
    ----------
    value : str, float or None
    """
    if isinstance(value, float):
        truth = {1.0: {"true", "yes"}, 0.0: {"false", "no"}}
        return set() if math.isnan(value) else {str(value), f"{value:g}"} | truth.get(value, set())
    return set() if value is None else {str(value)}
