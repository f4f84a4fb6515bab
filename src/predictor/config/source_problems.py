"""What the keys of a source say against its format."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import PurePath

from predictor.config.source import Source
from predictor.errors import Problem

__all__ = ["find_source_problems"]

STATISTICAL = ("spss", "stata", "sas")
KEYS = {
    "delimiter": ("csv",),
    "decimal": ("csv",),
    "encoding": ("csv",),
    "redcap": ("csv",),
    "sheet": ("excel",),
    "value_labels": STATISTICAL,
    "user_missing": STATISTICAL,
}


def find_source_problems(path: str, source: Source) -> Iterator[Problem]:
    """Yield every contradiction inside a source.

    Parameters
    ----------
    path : str
        Key path of the source.
    source : Source
    """
    yield from _text(path, source)
    yield from _redcap(path, source)
    for key, formats in KEYS.items():
        if getattr(source, key) != Source.model_fields[key].default and source.kind not in formats:
            message = f"{key} is for {' and '.join(formats)}, and the source is {source.kind}"
            yield Problem(
                "CFG-50", message, "Delete it, or write `format:` if that is another", f"{path}.{key}"
            )


def _text(path: str, source: Source) -> Iterator[Problem]:
    try:
        codecs.lookup(source.encoding)
    except LookupError:
        message = f'"{source.encoding}" is no encoding'
        yield Problem("CFG-27", message, "Write for example utf-8 or cp1252", f"{path}.encoding")
    delimiter = source.delimiter
    if delimiter is not None and len(delimiter) != 1:
        message = f"a delimiter is one character, came {len(delimiter)}"
        yield Problem("CFG-28", message, 'Write for example ";" or "\\t"', f"{path}.delimiter")


def _redcap(path: str, source: Source) -> Iterator[Problem]:
    if source.redcap is None:
        return
    for key in ("dictionary", "events"):
        name = getattr(source.redcap, key)
        if name is not None and (not name or PurePath(name).name != name or "\\" in name):
            message = "expected the name of a file in the export's folder, without a folder"
            yield Problem("CFG-09", message, "Put the file beside the export", f"{path}.redcap.{key}")
