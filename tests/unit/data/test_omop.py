"""Rows of a small OMOP database on SQLite, each value worked out by hand."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from predictor.config.source import Sql
from predictor.data.sources.omop import read_omop
from predictor.data.sources.text_table import TextTable
from predictor.errors import DataError

MAKE = [
    "CREATE TABLE concept (concept_id INTEGER, vocabulary_id TEXT, concept_code TEXT)",
    "INSERT INTO concept VALUES (8840, 'UCUM', 'mg/dL'), (7, 'SNOMED', 'kg')",
    "CREATE TABLE measurement (measurement_id INTEGER, person_id INTEGER, measurement_concept_id INTEGER, "
    "measurement_date TEXT, measurement_datetime TEXT, operator_concept_id INTEGER, value_as_number REAL, "
    "value_as_concept_id INTEGER, unit_concept_id INTEGER)",
    "INSERT INTO measurement VALUES "
    "(1, 1, 100, '2026-03-04', '2026-03-04 10:30:00', 4172703, 5.5, 0, 8840), "
    "(2, 1, 100, '2026-03-05', NULL, 4171756, 0.4, NULL, 8840), "
    "(3, 2, 100, '2026-03-05', NULL, 4172704, 200, NULL, 7), "
    "(4, 2, 101, '2026-03-05', NULL, 0, NULL, 45884084, 0), "
    "(5, 2, 101, '2026-03-06', NULL, 4171756, NULL, 0, 0), "
    "(6, 3, 102, '2026-03-06', NULL, 0, 1, 0, 0)",
]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "cdm.sqlite"
    with sqlite3.connect(path) as connection:
        for statement in MAKE:
            connection.execute(statement)
    connection.close()
    return path


def read(path: Path, *concepts: str) -> TextTable:
    sql = Sql(url="sqlite:///cdm.sqlite", omop="measurement")
    return read_omop(path, sql, concepts, shown_as="cdm")


def test_value_date_and_unit_of_each_row(database: Path) -> None:
    frame = read(database, "100", "101").frame.sort_values("record_id")
    assert frame["value"].tolist() == ["5.5", "<0.4", ">200", "45884084", ""]
    assert frame["date"].tolist() == [
        "2026-03-04 10:30:00",
        "2026-03-05",
        "2026-03-05",
        "2026-03-05",
        "2026-03-06",
    ]
    assert frame["unit"].tolist() == ["mg/dL", "mg/dL", "", "", ""]  # 7 is no unit
    assert sorted(frame.columns) == ["concept_id", "date", "person_id", "record_id", "unit", "value"]


def test_only_the_concepts_that_are_asked_for(database: Path) -> None:
    assert read(database, "102").frame["person_id"].tolist() == ["3"]
    with pytest.raises(DataError, match="DAT-11"):
        read(database, "103")


def test_a_concept_that_is_no_number_never_reaches_the_database(database: Path) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        read(database, "100) OR (1=1")
