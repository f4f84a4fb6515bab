"""The OMOP common data model: events by concept id as a long table, with the unit of each row by its UCUM code.

Every table gives the same columns: ``person_id``, ``concept_id``, ``date``, ``value``, ``unit`` and ``record_id``; a
drug exposure also ``quantity`` and ``days_supply``. The value of a measurement or an observation is its number, else
its text, else the concept it points to; of a diagnosis or a drug it is 1, since the row itself is the news.

Source: OHDSI, OMOP Common Data Model v5.4, which v5.3 agrees with in the columns used here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from predictor.config.source import Sql
from predictor.data.sources.sql import connected, fetch
from predictor.data.sources.text_table import TextTable

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["read_omop"]

# Concepts of the domain Meas Value Operator. "At most" is read like "below": the number is a limit either way.
BELOW, ABOVE = ("4171756", "4171754"), ("4172704", "4171755")


@dataclass(frozen=True)
class _Events:
    """Which columns of a table hold what.

    Parameters
    ----------
    record, concept : str
        Its own key and its concept.
    date : str
        Column of the date; one of that name with ``datetime`` may be filled as well.
    values : tuple of str
        Columns of the value, the first that is filled counts; without any the value is 1.
    more : tuple of str
        Further columns.
    measured : bool
        Whether its rows have a unit.
    """

    record: str
    concept: str
    date: str
    values: tuple[str, ...] = ()
    more: tuple[str, ...] = ()
    measured: bool = False


EVENTS = {
    "measurement": _Events(
        "measurement_id",
        "measurement_concept_id",
        "measurement_date",
        ("value_as_number", "value_as_concept_id"),
        ("operator_concept_id",),
        measured=True,
    ),
    "observation": _Events(
        "observation_id",
        "observation_concept_id",
        "observation_date",
        ("value_as_number", "value_as_string", "value_as_concept_id"),
        measured=True,
    ),
    "condition_occurrence": _Events(
        "condition_occurrence_id", "condition_concept_id", "condition_start_date"
    ),
    "drug_exposure": _Events(
        "drug_exposure_id",
        "drug_concept_id",
        "drug_exposure_start_date",
        more=("quantity", "days_supply"),
    ),
}


def read_omop(path: Path | None, sql: Sql, concepts: Sequence[str], *, shown_as: str) -> TextTable:
    """Read the rows of some concepts, or the persons.

    Parameters
    ----------
    path : Path or None
        File of the database, where it has one.
    sql : Sql
        With ``omop``.
    concepts : sequence of str
        Concept ids, checked to be whole numbers.
    shown_as : str

    Raises
    ------
    DataError
        As reading any database does.
    """
    with connected(path, sql, shown_as) as connection:
        if sql.omop == "person":
            return fetch(connection, f"SELECT * FROM {_table(connection, sql, 'person')}", shown_as)
        events = EVENTS[str(sql.omop)]
        return _shaped(fetch(connection, _statement(connection, sql, events, concepts), shown_as), events)


def _table(connection: Connection, sql: Sql, name: str) -> str:
    quoted = connection.dialect.identifier_preparer.quote_identifier
    return name if sql.schema_ is None else f"{quoted(sql.schema_)}.{name}"


def _statement(connection: Connection, sql: Sql, events: _Events, concepts: Sequence[str]) -> str:
    """Return the SELECT; what a dictionary says enters it as whole numbers and a quoted schema only."""
    wanted = ", ".join(str(int(concept)) for concept in concepts)
    columns = [f"e.person_id, e.{events.record} AS record_id, e.{events.date} AS date"]
    columns += [f"e.{events.date}time AS datetime", *(f"e.{name}" for name in (*events.values, *events.more))]
    tables = f"{_table(connection, sql, str(sql.omop))} e"
    concept = f"e.{events.concept}"
    if sql.descendants:
        tables += (
            f" JOIN {_table(connection, sql, 'concept_ancestor')} a ON a.descendant_concept_id = {concept}"
        )
        concept = "a.ancestor_concept_id"
    if events.measured:
        columns.append("u.concept_code AS unit")
        tables += (
            f" LEFT JOIN {_table(connection, sql, 'concept')} u"
            " ON u.concept_id = e.unit_concept_id AND u.vocabulary_id = 'UCUM'"
        )
    return f"SELECT {concept} AS concept_id, {', '.join(columns)} FROM {tables} WHERE {concept} IN ({wanted})"


def _shaped(text: TextTable, events: _Events) -> TextTable:
    """Put date and value together from the columns that hold them."""
    frame = text.frame.copy()
    frame["date"] = frame["datetime"].where(frame["datetime"] != "", frame["date"])
    value = frame["date"].map(lambda _: "" if events.values else "1").astype("str")
    for name in events.values:
        # Concept 0 is OMOP's word for "no matching concept".
        filled = frame[name].where(~((frame[name] == "0") & name.endswith("_concept_id")), "")
        value = value.where(value != "", filled)
    if "operator_concept_id" in frame:
        sign = (
            frame["operator_concept_id"].map(dict.fromkeys(BELOW, "<") | dict.fromkeys(ABOVE, ">")).fillna("")
        )
        value = sign.where(value != "", "") + value
    frame["value"] = value.astype("str")
    gone = ["datetime", "operator_concept_id", *events.values]
    return replace(text, frame=frame.drop(columns=gone, errors="ignore"))
