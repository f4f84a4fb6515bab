"""Problems as FHIR says them: an OperationOutcome with one issue each, and no patient's value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from predictor.errors import Problem

__all__ = ["operation_outcome"]

SORT = {
    "FHI-02": "value",
    "FHI-03": "business-rule",
    "FHI-04": "conflict",
    "FHI-05": "security",
    "FHI-06": "too-costly",
    "FHI-07": "structure",
    "FHI-08": "value",
}


def operation_outcome(problems: Sequence[Problem]) -> dict[str, Any]:
    """Write problems as an OperationOutcome.

    Parameters
    ----------
    problems : sequence of Problem
        At least one.
    """
    return {"resourceType": "OperationOutcome", "issue": [_issue(one) for one in problems]}


def _issue(one: Problem) -> dict[str, Any]:
    issue: dict[str, Any] = {
        "severity": "error",
        "code": SORT.get(one.code, "invalid"),
        "details": {
            "coding": [{"system": "urn:response-predictor:code", "code": one.code}],
            "text": one.message,
        },
    }
    if one.remedy:
        issue["diagnostics"] = one.remedy
    # A place inside what was sent is an expression; an input's name alone is none.
    expression = one.path.partition(": ")[0]
    if expression.startswith("Bundle"):
        issue["expression"] = [expression]
    if expression != one.path or not expression.startswith("Bundle"):
        issue["details"]["text"] = (
            f"{one.path.rpartition(': ')[2]}: {one.message}" if one.path else one.message
        )
    return issue
