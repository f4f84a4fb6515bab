"""The dictionary: what a site's columns mean, and when each one is known.

One declaration serves to read and check the files, to document them, to build the clinician's form, and to
simulate. A column that is not declared cannot be used; a column known after day 0 cannot be a feature.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Discriminator, Field, RootModel, Tag

from predictor.config.coded import Coded
from predictor.config.declared import Declared
from predictor.config.derivations import AnyDerivation
from predictor.config.source import Source

__all__ = [
    "Column",
    "DateKnown",
    "Declared",
    "Dictionary",
    "Known",
    "Source",
    "Table",
    "Visits",
]


class DateKnown(Declared):
    """Known on the date that another column of the same row holds."""

    date: str


def _known_form(value: Any) -> str:
    return "date" if isinstance(value, (dict, DateKnown)) else "word"


# Tagged, because a plain union gives one message per branch for one mistake.
Known = Annotated[
    Annotated[Literal["baseline", "plan", "after"], Tag("word")] | Annotated[DateKnown, Tag("date")],
    Discriminator(_known_form),
]


def _values_as_mapping(value: Any) -> Any:
    names = isinstance(value, list) and all(isinstance(item, str) for item in value)
    return {item: item for item in value} if names else value


class Column(Declared):
    """One column of a source file."""

    type: Literal["number", "integer", "category", "boolean", "date", "text"] | None = None
    """May be left out where ``instrument``, ``analyte`` or ``measure`` says it is a number."""
    unit: str = ""
    """Unit of the values, and of the file where nothing else is said; a UCUM code for what is converted."""
    file_unit: str | None = None
    """UCUM code of the unit in the file, where it is another: values are converted to ``unit`` when they are read."""
    unit_column: str | None = None
    """Column of the file that holds the UCUM code of each row; every row is converted to ``unit``."""
    unit_confirmed: bool = False
    """Somebody has made sure that the unit is right although the values look like another one."""
    range: Annotated[list[float | None], Field(min_length=2, max_length=2)] | None = None
    """Hard limits, both ends included; a value outside is an error, never clipped."""
    values: Annotated[dict[str, str], BeforeValidator(_values_as_mapping)] | None = None
    """Codes as they stand in the file and the names they get; any other code is an error."""
    name: str | None = None
    """Name used in configs and reports instead of the file's column name."""
    label: str | None = None
    """Name on the reports."""
    known: Known | None = None
    """When the value is known; the table's ``known`` is the default."""
    recorded: str | None = None
    """When this value became known, where that is not what the table's ``recorded`` says: for example the column with
    the date of the laboratory's report."""
    missing: list[str] = Field(default_factory=list)
    """Further codes of this column that mean missing."""
    instrument: str | None = None
    """Rating scale whose total this is, or with ``item`` or ``score`` another part of it. Columns of one instrument
    are one measure."""
    item: int | str | None = None
    """Item of the instrument that this column holds: its number, or its name where items are not numbered."""
    score: str | None = None
    """The column is not in the file but computed from the items of this table: ``total``, a subscale, or another score
    of the instrument. Needs every item on the same day and with the same ``known``."""
    analyte: str | None = None
    """Laboratory analyte that this is; needs a unit. See the list of analytes."""
    assay: str | None = None
    """Platform that an analyte was measured with. Assays are never pooled: each is a measure of its own,
    ``ANALYTE_ASSAY``."""
    assay_column: str | None = None
    """Column of the file that names each row's assay; rows of another one than ``assay`` are not read."""
    measure: str | None = None
    """Any other quantity. Columns of one quantity are one measure."""
    day: int | None = None
    """For wide files: the day relative to day 0 on which this column was measured."""
    max_age_days: Annotated[int, Field(ge=0)] | None = None
    """Age in days, on day 0, up to which a value counts as current: `check` counts older ones, and a patient's page
    warns. They are used all the same; the baseline window says what is not. Needs a date or a day."""
    below_limit: Literal["half", "sqrt2", "limit"] | None = None
    """How a cell such as ``<0.4`` is read: 0.2, 0.4/√2 or 0.4. Without it such a cell is an error."""
    above_limit: Literal["limit"] | None = None
    """How a cell such as ``>1500`` is read: as 1500. Without it such a cell is an error."""
    derive: AnyDerivation | None = None
    """The column is not in the file but computed from others of it, or from another table, by this rule. In a long
    table from the quantities of one visit and date, by ``bmi``, ``dose``, ``difference`` or ``awakening_response``."""
    fhir: Coded | None = None
    """Where one patient's FHIR resources hold the value, for the service and ``predict --fhir``."""
    sensitive: bool = False
    """Ethnicity, genotype and the like: never listed among the reasons on a patient's page, only summed with the
    other inputs, because a reader could take an association for an explanation."""

    @property
    def quantity(self) -> str | None:
        """Name of the instrument, analyte or measure, and of the part of an instrument; None for an attribute."""
        whole = self.instrument or self.analyte or self.measure
        part = next((one for one in (self.item, self.score, self.assay) if one is not None), None)
        return whole if whole is None or part in (None, "total") else f"{whole}_{part}"

    @property
    def computed(self) -> bool:
        """Whether the file does not hold it."""
        return self.score is not None or self.derive is not None

    @property
    def kind(self) -> str:
        """Type of the values after reading."""
        whole = "integer" if self.item is not None else "number"
        return self.type or (whole if self.quantity or self.derive else "text")

    def reference(self, header: str) -> str:
        """Name under which configs know this column.

        Parameters
        ----------
        header : str
            The column's name in the file.
        """
        return self.name or self.quantity or header


class Visits(Declared):
    """Visit labels and the day, relative to day 0, that each one stands for."""

    column: str
    """Header of the labels."""
    days: dict[str, Any]
    """Every label with its day or ``ignore``; with ``by`` one such mapping for each level."""
    by: str | None = None
    """Column on whose level the days depend: in a crossover the same label is another day."""
    missing: Literal["ignore", "error"] = "error"


class Table(Declared):
    """One table: a source, its patient key, and its declared columns."""

    source: Source
    key: str
    """Header of the patient's key."""
    title: str = ""
    known: Known | None = None
    """When its columns are known, where a column does not say otherwise."""
    recorded: str | None = None
    """Column with the date at which a row was entered, corrected or reported. What was recorded after day 0 is no
    feature, whatever date it speaks of; of several rows of a patient about one date, the one recorded last corrects
    the others. Outcomes are taken as they were recorded last."""
    layout: Literal["wide", "long"] = "wide"
    """``long`` means one row per score."""
    name_column: str | None = None
    """In a long table, the header of the quantities' names; ``columns`` is keyed by them."""
    value_column: str | None = None
    """In a long table, the header of the scores."""
    rows: Literal["one", "several"] = "one"
    """``several``: rows of one patient that nothing puts in order, such as past treatments. They can only be counted,
    by a ``derive`` with the rule ``count``."""
    duplicates: Literal["error", "drop_exact"] = "error"
    """What becomes of rows that are exact copies of an earlier one."""
    visits: Visits | None = None
    columns: dict[str, Column]

    def known_of(self, column: Column) -> Known | None:
        """When a column of this table is known: its own word, else the table's."""
        return column.known if column.known is not None else self.known

    @property
    def concepts(self) -> tuple[str, ...]:
        """OMOP concept ids of its rows: those of ``where``, else the names of a long table."""
        if self.source.sql is None or self.source.sql.omop in (None, "person"):
            return ()
        named = self.source.where.get("concept_id")
        return tuple(named or (self.columns if self.layout == "long" else ()))

    def recorded_of(self, column: Column) -> str | None:
        """Header of the date at which a column's values became known: its own, else the table's."""
        return column.recorded if column.recorded is not None else self.recorded

    def header_of(self, reference: str) -> str | None:
        """First header whose reference name is ``reference``."""
        return next((h for h, c in self.columns.items() if c.reference(h) == reference), None)

    def headers_of(self, reference: str) -> list[str]:
        """Headers of every column with this reference name: one, or one quantity on several days.

        Parameters
        ----------
        reference : str
            The name that configs use.
        """
        return [header for header, column in self.columns.items() if column.reference(header) == reference]

    def days_of(self, column: Column) -> frozenset[int] | None:
        """Days, relative to day 0, on which this column has values; None where the dictionary does not tell.

        Parameters
        ----------
        column : Column
            A column of this table.
        """
        if self.visits is None:
            return None if column.day is None else frozenset({column.day})
        if column.day is not None:
            return None
        maps = self.visits.days.values() if self.visits.by else [self.visits.days]
        found = [day for days in maps if isinstance(days, dict) for day in days.values()]
        if any(day != "ignore" and type(day) is not int for day in found):
            return None
        return frozenset(day for day in found if day != "ignore")

    @property
    def has_days(self) -> bool:
        """Whether its rows or columns carry days relative to day 0 rather than dates."""
        return self.visits is not None or any(c.day is not None for c in self.columns.values())


class Dictionary(RootModel[dict[str, Table]]):
    """All tables of a site's export, by name."""

    model_config = ConfigDict(frozen=True, strict=True)

    def __getitem__(self, table: str) -> Table:
        return self.root[table]

    def __contains__(self, table: str) -> bool:
        return table in self.root

    def tables(self) -> Iterator[tuple[str, Table]]:
        """Tables in the file's order."""
        yield from self.root.items()

    def references(self) -> list[str]:
        """Every ``table.column`` a config may name."""
        found: dict[str, None] = {}
        for name, table in self.root.items():
            for header, column in table.columns.items() if table.rows == "one" else ():
                found[f"{name}.{column.reference(header)}"] = None
        return list(found)

    def find(self, reference: str) -> tuple[Table, str, Column] | None:
        """Table, file header and declaration behind ``table.column``; None where nothing is declared.

        Parameters
        ----------
        reference : str
            ``table.column`` as written in a config.
        """
        table_name, _, column_name = reference.partition(".")
        table = self.root.get(table_name)
        header = table.header_of(column_name) if table else None
        if table is None or header is None or table.rows == "several":
            return None
        return table, header, table.columns[header]
