"""What the documentation says about a code of an error or a check, from the installed package."""

from __future__ import annotations

from dataclasses import dataclass

from predictor.checks.finding import CHECKS
from predictor.code_pages import CODE_PAGES
from predictor.codes import CODES

__all__ = ["CodeSection", "code_section", "known_codes"]


@dataclass(frozen=True)
class CodeSection:
    """One section of ``docs/reference/errors.md`` or ``checks.md``.

    Parameters
    ----------
    code, meaning : str
    example : str
        A line as it is printed; empty for a check.
    advice : str
        What to do.
    """

    code: str
    meaning: str
    example: str
    advice: str

    def __str__(self) -> str:
        example = f"Example: {self.example}" if self.example else ""
        return "\n".join(filter(None, [f"{self.code} {self.meaning}", example, f"What to do: {self.advice}"]))


def known_codes() -> tuple[str, ...]:
    """Return every code that a line can begin with."""
    return (*CODES, *CHECKS)


def code_section(code: str) -> CodeSection:
    """Explain a code.

    Parameters
    ----------
    code : str
        One of `known_codes`.
    """
    if code in CHECKS:
        check = CHECKS[code]
        return CodeSection(code, f"{check.title}. {check.meaning}", "", f"{check.remedy}.")
    return CodeSection(code, CODES[code], *CODE_PAGES[code])
