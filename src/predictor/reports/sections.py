"""The sections of the model report in order: one list for headings, contents and what points to them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["SECTIONS", "contents", "heading", "reference"]

SECTIONS: Mapping[str, str] = MappingProxyType(
    {
        "verdict": "Verdict",
        "attrition": "Attrition",
        "data": "Data and outcome",
        "design": "Validation design",
        "models": "Models side by side",
        "calibration": "Calibration",
        "discrimination": "Discrimination",
        "net_benefit": "Net benefit",
        "explanation": "Explanation",
        "transport": "Transport",
        "subgroups": "Subgroups",
        "missing_outcomes": "Missing outcomes",
        "missing_inputs": "Missing inputs",
        "optimism": "Optimism",
        "stability": "Stability",
        "increment": "What each block adds",
        "markers": "Single markers",
        "settings": "Settings and search",
        "limits": "Limits",
        "statements": "Statements of people",
        "methods": "Methods in words",
        "reproduction": "Reproduction",
        "checks": "Checks",
        "annexes": "Annexes",
    }
)


def _number(key: str) -> int:
    return list(SECTIONS).index(key) + 1


def heading(key: str) -> str:
    """Write a section's heading with its number.

    Parameters
    ----------
    key : str
        One of `SECTIONS`.
    """
    return f"{_number(key)}. {SECTIONS[key]}"


def reference(key: str) -> str:
    """Point to a section from elsewhere.

    Parameters
    ----------
    key : str
    """
    return f"section {_number(key)} ({SECTIONS[key].lower()})"


def contents() -> str:
    """List all sections on one line."""
    return " · ".join(f"{_number(key)} {title.lower()}" for key, title in SECTIONS.items())
