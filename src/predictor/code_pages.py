"""An example of every error line, and what to do about it: the sections of docs/reference/errors.md.

They stand in ``code_pages.toml``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import NamedTuple

__all__ = ["CODE_PAGES", "CodePage"]


class CodePage(NamedTuple):
    """What the section of a code shows besides its meaning.

    Parameters
    ----------
    example : str
        A line as it is printed, without the word of a patient.
    advice : str
        What to look at and what to do, in one or two sentences; the line itself names the place.
    """

    example: str
    advice: str


@cache
def _all() -> Mapping[str, CodePage]:
    text = files("predictor").joinpath("code_pages.toml").read_text(encoding="utf-8")
    return {code: CodePage(**page) for code, page in tomllib.loads(text).items()}


class _CodePages(Mapping[str, CodePage]):
    """Every page by its code; the file is read when the first one is asked for, not when this is imported."""

    def __getitem__(self, code: str) -> CodePage:
        return _all()[code]

    def __iter__(self) -> Iterator[str]:
        return iter(_all())

    def __len__(self) -> int:
        return len(_all())


CODE_PAGES: Mapping[str, CodePage] = _CodePages()
