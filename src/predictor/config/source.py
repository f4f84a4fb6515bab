"""Where a table's rows come from: the part of the dictionary that knows formats."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from predictor.config.declared import Declared

__all__ = ["DATABASES", "Fhir", "Format", "Redcap", "Source", "Sql", "database_file"]

Format = Literal["csv", "excel", "parquet", "spss", "stata", "sas", "xpt", "sql", "fhir"]
DATABASES = {
    "sqlite": "sqlite",
    "sqlite+pysqlite": "sqlite",
    "duckdb": "duckdb",
    "postgresql": "postgresql",
    "postgresql+psycopg": "postgresql",
}
"""Beginnings of a database's address, and which database each means."""

BY_SUFFIX: dict[str, Format] = {
    ".xlsx": "excel",
    ".xlsm": "excel",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".sav": "spss",
    ".zsav": "spss",
    ".dta": "stata",
    ".sas7bdat": "sas",
    ".xpt": "xpt",
    ".xport": "xpt",
}


def _texts_as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class Redcap(Declared):
    """What makes a CSV a REDCap export: raw data, not labels, with the project's data dictionary beside it."""

    dictionary: str
    """File of the project's data dictionary, in the folder of the export."""
    events: str | None = None
    """File of its events, in the same folder: an event that it does not name is then an error."""
    none_checked: Literal["missing", "unchecked"] = "missing"
    """What a checkbox question says of which no box is checked: REDCap exports 0 for every box, whether the question
    was answered with none or never seen."""


class Sql(Declared):
    """A database by its SQLAlchemy address. It is only read, and credentials never stand in a file."""

    url: str | None = None
    """``sqlite:///FILE``, ``duckdb:///FILE`` or ``postgresql://HOST/DATABASE``, without user and password."""
    url_from: str | None = None
    """Environment variable, ``PREDICTOR_`` and more capitals, that holds the address with its credentials, in place of
    ``url``."""
    schema_: Annotated[str | None, Field(alias="schema")] = None
    """Of the table."""
    table: str | None = None
    """Table or view that is read."""
    query: str | None = None
    """One SELECT, in place of a table."""
    omop: Literal["measurement", "observation", "condition_occurrence", "drug_exposure", "person"] | None = (
        None
    )
    """Table of the OMOP common data model, in place of a table: the rows of the declared concepts."""
    descendants: bool = False
    """For omop: whether a concept stands for what CONCEPT_ANCESTOR puts under it, such as a drug's ingredient."""

    @property
    def database(self) -> str | None:
        """Return which database it is; None where only the environment knows."""
        return DATABASES.get((self.url or "").partition(":")[0])

    @property
    def place(self) -> str:
        """Return how messages name what is read, without credentials."""
        address = self.url_from or re.sub(r"//[^/@]*@", "//", (self.url or "").partition("?")[0])
        return f"{address} ({self.asked})"

    @property
    def asked(self) -> str:
        """Return the name of the table, or that it is a query."""
        return self.table or self.omop or "query"


class Fhir(Declared):
    """A FHIR bundle, or NDJSON with one resource on a line."""

    resource: Literal[
        "Patient", "Observation", "QuestionnaireResponse", "Condition", "MedicationAdministration"
    ]
    """Which resources are this table's rows; the others are counted."""
    version: Literal["R4", "STU3"] = "R4"
    """Of the standard, by whose models every resource is checked."""
    time_zone: str = "as_written"
    """What becomes of a time with an offset: ``as_written`` drops the offset and keeps the clock's time; a name such as
    ``Europe/Berlin`` converts to the clinic's time."""


def database_file(url: str) -> str | None:
    """Return the file behind the address of a SQLite or DuckDB database; None for any other.

    Parameters
    ----------
    url : str
    """
    scheme, _, rest = url.partition("://")
    if DATABASES.get(scheme) not in ("sqlite", "duckdb") or not rest.startswith("/"):
        return None
    return rest[1:].partition("?")[0]


class Source(Declared):
    """Where a table's rows come from."""

    path: str = ""
    """Relative to the config's ``data.folder`` where given, else to the dictionary's file. Not with ``sql``."""
    format: Format | None = None
    """Default: by the file's name, csv where that tells nothing."""
    missing: list[str] = Field(default_factory=list)
    """Codes that mean missing in every column; an empty cell always does."""
    where: dict[str, Annotated[list[str], BeforeValidator(_texts_as_list), Field(min_length=1)]] = Field(
        default_factory=dict
    )
    """Rows that belong to the table: those with one of these texts in each column, ``""`` being an empty cell. The
    others are counted and not read."""
    derived: Literal["exclude", "keep"] = "exclude"
    """Rows of a CDISC ADaM table (one with PARAMCD) that its DTYPE calls derived, such as carried forward (LOCF)."""
    delimiter: str | None = None
    """For csv. Default: by the file's name, a comma for csv and a tab for tsv."""
    decimal: Literal[".", ","] = "."
    """For csv."""
    encoding: str = "utf-8"
    """For csv."""
    sheet: str | None = None
    """For excel; default: the only visible sheet."""
    value_labels: Literal["codes", "labels"] = "codes"
    """For spss, stata and sas: whether cells hold the stored codes or the labels that the file gives them."""
    user_missing: Literal["missing", "codes"] = "missing"
    """For spss, stata and sas: codes that the file itself calls missing (999; ``.a`` to ``.z``) are missing, or stand
    as written, to be declared under ``missing`` or ``values``."""

    redcap: Redcap | None = None
    """For csv: the export is REDCap's."""
    fhir: Fhir | None = None
    """The file is FHIR's."""
    sql: Sql | None = None
    """In place of a file."""

    @property
    def kind(self) -> Format:
        """Return the format as declared, else by the file's name."""
        if self.sql is not None:
            return "sql"
        if self.fhir is not None:
            return "fhir"
        return self.format or BY_SUFFIX.get(PurePath(self.path).suffix.lower(), "csv")

    @property
    def file(self) -> str | None:
        """Return the path that the source is read from; None for a database that is no file."""
        if self.sql is None:
            return self.path
        return database_file(self.sql.url) if self.sql.url is not None else None

    @property
    def place(self) -> str:
        """Return how messages name the source."""
        return self.path if self.sql is None else self.sql.place

    @property
    def cells(self) -> str:
        """Return what two tables have to share for equal headers to mean the same cells."""
        return self.path if self.sql is None else self.sql.model_dump_json()

    @property
    def reading(self) -> str:
        """What two tables have to share for their file to be read once."""
        return self.model_dump_json(exclude={"missing", "where", "derived", "decimal"})
