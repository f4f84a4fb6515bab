"""How one patient's FHIR resources say what a column holds: codes are data of a site, never part of the code."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from predictor.config.declared import Declared

__all__ = ["Coded", "Token"]

Token = Annotated[str, Field(pattern=r"^[^\s|]+\|[^\s|]+$")]
"""A code with its system, as FHIR writes it in a search: ``http://loinc.org|1988-5``."""


class Coded(Declared):
    """Where one patient's FHIR R4 resources hold a value. Somebody who knows the site's records confirms each code."""

    resource: Literal["Observation", "Patient", "Condition", "MedicationRequest", "QuestionnaireResponse"] = (
        "Observation"
    )
    """Kind of resource."""
    element: Literal["birthDate", "gender", "dose", "count"] | None = None
    """Of a Patient: what the age is counted from, or the administrative gender. Of a MedicationRequest: the ordered
    dose, or how many times it is given; without it, which medication is ordered, by ``values``."""
    codes: list[Token] = Field(default_factory=list)
    """``system|code`` of the resources that count. Of a Condition: yes, where one is active."""
    values: dict[str, str] = Field(default_factory=dict)
    """Code of an answer, ``system|code`` or a gender, and the name that it has in this column."""
    questionnaire: str | None = None
    """Canonical address of a questionnaire, without version."""
    items: dict[str, str] = Field(default_factory=dict)
    """Item of the column's instrument, and its linkId in the questionnaire: the score is computed from the items."""
