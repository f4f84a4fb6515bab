"""Plain data as YAML that every version of YAML reads alike."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

__all__ = ["write_yaml"]

PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")


def _quoted(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return UNPRINTABLE.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def write_yaml(data: dict[str, Any]) -> str:
    """Plain data as YAML in which all text is quoted, so that every YAML version reads it alike.

    Parameters
    ----------
    data : dict
        Nested dicts, lists, text, numbers, booleans and None.
    """
    return "\n".join(_lines(data, "")) + "\n"


def _lines(data: dict[str, Any], indent: str) -> Iterator[str]:
    for key, value in data.items():
        name = key if PLAIN_KEY.fullmatch(key) else _quoted(key)
        if isinstance(value, dict) and value:
            yield f"{indent}{name}:"
            yield from _lines(value, indent + "  ")
        elif isinstance(value, list) and any(isinstance(item, (dict, list)) for item in value):
            yield f"{indent}{name}:"
            yield from (f"{indent}  - {_quoted(item)}" for item in value)
        else:
            yield f"{indent}{name}: {_quoted(value)}"
