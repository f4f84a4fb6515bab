"""What a column's ``fhir`` says against itself, and against the column."""

from __future__ import annotations

from collections.abc import Iterator

from predictor.config.coded import Coded
from predictor.config.dictionary import Column
from predictor.errors import Problem

__all__ = ["find_coding_problems"]

ELEMENTS = {"Patient": ("birthDate", "gender"), "MedicationRequest": ("dose", "count")}


def find_coding_problems(path: str, column: Column) -> Iterator[Problem]:
    """Yield every contradiction (CFG-38).

    Parameters
    ----------
    path : str
        Key path of ``fhir``.
    column : Column
    """
    coded = column.fhir
    if coded is None:
        return
    possible = ELEMENTS.get(coded.resource, ())
    if coded.element is not None and coded.element not in possible:
        remedy = f"Write one of {', '.join(possible)}" if possible else "Delete the key"
        yield Problem("CFG-38", f"a {coded.resource} has no such element", remedy, f"{path}.element")
    for key in _lacking(coded):
        yield Problem("CFG-38", f"a {coded.resource} is not found without {key}", f"Write `{key}:`", path)
    if coded.items and column.instrument is None:
        message, remedy = "items belong to an instrument", "Write `instrument:`, or take the items out"
        yield Problem("CFG-38", message, remedy, f"{path}.items")
    unknown = sorted(set(coded.values.values()) - set((column.values or {}).values()))
    if unknown and column.values is not None:
        message = f"{', '.join(unknown)} is not among the values of the column"
        yield Problem("CFG-38", message, "Write names that `values` gives", f"{path}.values")


def _lacking(coded: Coded) -> Iterator[str]:
    """Name the keys without which no resource is found."""
    if coded.resource == "Patient":
        if coded.element is None:
            yield "element"
    elif coded.resource == "QuestionnaireResponse":
        if coded.questionnaire is None:
            yield "questionnaire"
        if not coded.items:
            yield "items"
    elif coded.resource == "MedicationRequest" and coded.element is None:
        if not coded.values:
            yield "values"
    elif not coded.codes:
        yield "codes"
