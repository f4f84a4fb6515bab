"""Base of the view models: what makes a report's content checkable data."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Count", "Interval", "Proportion", "View"]

Count = Annotated[int, Field(ge=0, le=100)]
Proportion = Annotated[float, Field(ge=0, le=1)]


class View(BaseModel):
    """Base of every view model: frozen, no unknown field, no NaN or infinity."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    def to_json(self) -> str:
        """Write the content as JSON, the same bytes for the same content; what is missing is null."""
        return self.model_dump_json(indent=2) + "\n"


class Interval(View):
    """A number with its limits; without limits, a number alone."""

    value: float
    lo: float | None = None
    hi: float | None = None
