"""Which other systems a service works with: a YAML file of the hospital, in which nothing is allowed by default."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from predictor.config.coded import Token
from predictor.config.declared import Declared
from predictor.config.messages import mistakes_of
from predictor.config.yaml_text import read_yaml
from predictor.errors import ConfigError

__all__ = ["Cds", "CdsClient", "Partners", "Smart", "SmartServer", "read_partners"]

LOOPBACK = r"http://(?:127\.0\.0\.1|localhost)(?::\d+)?"
Address = Annotated[str, Field(pattern=rf"^(?:https://[^\s/@?#]+|{LOOPBACK})(?:/[^\s?#]*)?$")]
"""https, or this machine; without a user, a query or a fragment."""
Origin = Annotated[str, Field(pattern=rf"^(?:https://[^\s/@?#]+|{LOOPBACK})$")]
Name = Annotated[str, Field(min_length=1, max_length=200)]


class CdsClient(Declared):
    """A system that may call the CDS services."""

    issuer: Address
    """``iss`` of its tokens."""
    jku: Address
    """The one address that its keys are fetched from, whatever a token says."""


class Cds(Declared):
    """CDS Hooks 2.0."""

    model: Name
    """Model that answers, by the name in its address."""
    clients: Annotated[list[CdsClient], Field(min_length=1)]
    origins: list[Origin] = Field(default_factory=list)
    """Pages that may call the services from a browser (CORS)."""
    medications: list[Token] = Field(default_factory=list)
    """``system|code`` of the orders that the service ``ketamine-response-order`` answers."""


class SmartServer(Declared):
    """An EHR from which this service may be launched."""

    issuer: Address
    """Its FHIR address, the ``iss`` of a launch."""
    client_id: Name
    """Under which this service is registered there, as a public client."""
    origins: list[Origin] = Field(default_factory=list)
    """Further origins of its authorization, where that is another one than the FHIR address's."""
    sign_in: bool = False
    """Whoever is signed in there is a clinician here, without an account; else a launch needs a session."""


class Smart(Declared):
    """SMART App Launch."""

    model: Name
    """Model whose form is opened."""
    servers: Annotated[list[SmartServer], Field(min_length=1)]


class Partners(Declared):
    """All of the file."""

    base_url: Address
    """Address of this service as other systems call it."""
    cds: Cds | None = None
    smart: Smart | None = None

    @property
    def base(self) -> str:
        """The address without a slash at its end."""
        return self.base_url.rstrip("/")


def read_partners(path: Path) -> Partners:
    """Read the file.

    Parameters
    ----------
    path : Path

    Raises
    ------
    ConfigError
        The codes of any YAML file, with file and line.
    """
    text = read_yaml(path, str(path))
    if text.problems:
        raise ConfigError(text.problems)
    try:
        return Partners.model_validate(text.data)
    except ValidationError as error:
        found = mistakes_of(error, model=Partners, data=text.data, places=text.places)
        problems = [one.problem for one in found]
        lines = [text.places[one.path].line if one.path in text.places else None for one in problems]
        raise ConfigError(
            [replace(one, file=str(path), line=line) for one, line in zip(problems, lines, strict=True)]
        ) from None
