"""JSON without what the standard leaves open: doubled keys, NaN, bytes that are no UTF-8, any depth."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

__all__ = ["DEEPEST", "TooDeepError", "read_json"]

DEEPEST = 32  # levels; FHIR's own resources need about 12


class TooDeepError(ValueError):
    """A document that is nested deeper than its reader follows."""


def read_json(body: bytes | str, *, deepest: int = DEEPEST, exact: bool = True) -> Any:
    """Read one document that came from outside.

    Parameters
    ----------
    body : bytes or str
        Of a size that was looked at before.
    deepest : int
        Levels that are allowed.
    exact : bool
        Whether numbers with a point become `decimal.Decimal`, as FHIR keeps their digits, and not float.

    Raises
    ------
    TooDeepError
    ValueError
        Without any part of the text.
    """
    try:
        text = body.decode("utf-8") if isinstance(body, bytes) else body
        found = json.loads(
            text,
            parse_float=Decimal if exact else float,
            parse_constant=_no_constant,
            object_pairs_hook=_without_doubles,
        )
    except (ValueError, RecursionError):
        msg = "no JSON, or JSON with doubled keys or numbers that are none"
        raise ValueError(msg) from None
    if _deeper_than(found, deepest):
        msg = f"nested deeper than {deepest} levels"
        raise TooDeepError(msg)
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        msg = "a key stands twice"
        raise ValueError(msg)
    return found


def _deeper_than(found: Any, most: int) -> bool:
    """Look level by level: what came from outside decides nothing about our own stack."""
    level = [found]
    for _ in range(most + 1):
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return False
    return True
