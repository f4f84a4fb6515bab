"""JSON without what the standard leaves open: doubled keys, NaN, bytes that are no UTF-8, any depth."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

__all__ = ["DEEPEST", "read_json"]

DEEPEST = 32  # levels; FHIR's own resources need about 12


def read_json(body: bytes) -> Any:
    """Read one document.

    Parameters
    ----------
    body : bytes
        Of a size that was looked at before.

    Returns
    -------
    object
        Numbers with a point are `decimal.Decimal`, as FHIR keeps their digits.

    Raises
    ------
    ValueError
        Without any part of the text.
    """
    try:
        text = body.decode("utf-8")
        found = json.loads(
            text, parse_float=Decimal, parse_constant=_no_constant, object_pairs_hook=_without_doubles
        )
    except (ValueError, RecursionError):
        msg = "no JSON, or JSON with doubled keys or numbers that are none"
        raise ValueError(msg) from None
    if _deeper_than(found, DEEPEST):
        msg = f"nested deeper than {DEEPEST} levels"
        raise ValueError(msg)
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
