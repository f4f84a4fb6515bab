"""The standard's own models of resources: what in a resource does not fit its version."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from predictor.data.sources.optional import import_optional

__all__ = ["find_faults"]

PACKAGES = {"R4": "R4B", "STU3": "STU3"}


def find_faults(
    resource: Mapping[str, Any], kind: str, version: Literal["R4", "STU3"] = "R4"
) -> Iterator[tuple[str, str]]:
    """Yield the place and the sort of everything that does not fit.

    Parameters
    ----------
    resource : mapping
    kind : str
        Which resource it has to be.
    version : {"R4", "STU3"}

    Yields
    ------
    tuple of str
        Names of the standard and positions only: an unknown key could be a patient's word.

    Raises
    ------
    ResourceError
        ENV-02 without the package ``fhir.resources``.
    """
    module = import_optional(
        f"fhir.resources.{PACKAGES[version]}.{kind.lower()}", extra="fhir", what="FHIR files"
    )
    model = getattr(module, kind)
    try:
        model.model_validate(resource)
    except ValueError as error:
        errors = getattr(error, "errors", None)
        for one in errors() if callable(errors) else [{"loc": (), "type": "not valid"}]:
            known = [
                str(part) for part in one["loc"] if isinstance(part, int) or str(part) in model.model_fields
            ]
            yield "".join(f".{part}" for part in known), str(one["type"])
