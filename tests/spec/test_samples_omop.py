"""The OMOP sample (28 synthetic persons) on DuckDB and PostgreSQL becomes a baseline table, checked from its CSV."""

from __future__ import annotations

import csv
import io
import zipfile
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from postgres import Server
from predictor.cohort.selection import baseline_values, select_cohort
from predictor.config.dictionary import Dictionary
from predictor.config.schema import CohortSection
from predictor.data.conform import ConformedTable, read_tables

TABLES = (
    "PERSON",
    "MEASUREMENT",
    "OBSERVATION",
    "CONDITION_OCCURRENCE",
    "DRUG_EXPOSURE",
    "CONCEPT",
    "CONCEPT_ANCESTOR",
)
WEIGHT, SYSTOLIC = "3025315", "3004249"
DRUG = "1127433"  # acetaminophen 325 MG, of which 15 persons have an exposure
SINUSITIS = "4112343"
PHQ2 = "40758879"


def rows(folder: Path, table: str) -> list[dict[str, str]]:
    with (
        zipfile.ZipFile(folder / "omop" / "Synthea27Nj_5.4.zip") as package,
        package.open(f"{table}.csv") as file,
    ):
        return list(csv.DictReader(io.TextIOWrapper(file, encoding="utf-8")))


def kind(column: str) -> str:
    if column in {"domain_id", "vocabulary_id", "concept_class_id"}:
        return "text"
    if column.endswith("datetime"):
        return "timestamp"
    if column.endswith("date"):
        return "date"
    if column in {"value_as_number", "quantity"}:
        return "double precision"
    whole = column.endswith("_id") or column in {"days_supply", "year_of_birth", "min_levels_of_separation"}
    return "bigint" if whole else "text"


def create(table: str, header: list[str]) -> str:
    return f"CREATE TABLE cdm.{table} ({', '.join(f'{name} {kind(name)}' for name in header)})"


@pytest.fixture(scope="module")
def contents(format_samples: Path) -> dict[str, pd.DataFrame]:
    found = {}
    for table in TABLES:
        data = rows(format_samples, table)
        frame = pd.DataFrame(data)
        if table == "CONCEPT_ANCESTOR":  # empty in the sample: a made-up parent of one drug
            frame = pd.DataFrame([{"ancestor_concept_id": "999", "descendant_concept_id": DRUG}])
        found[table.lower()] = frame.astype(object).where(frame != "", None)
    return found


@pytest.fixture(scope="module")
def duck(contents: dict[str, pd.DataFrame], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("omop") / "synthea.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE SCHEMA cdm")
        for table, frame in contents.items():
            connection.execute(create(table, list(frame.columns)))
            connection.register("filled", frame.astype("str").where(frame.notna(), None))
            connection.execute(f"INSERT INTO cdm.{table} SELECT * FROM filled")
            connection.unregister("filled")
    return path


@pytest.fixture(scope="module")
def server(contents: dict[str, pd.DataFrame], postgres: Server) -> Server:
    with postgres.connect() as connection:
        connection.execute("DROP SCHEMA IF EXISTS cdm CASCADE")
        connection.execute("CREATE SCHEMA cdm")
        for table, frame in contents.items():
            connection.execute(create(table, list(frame.columns)))
            with connection.cursor().copy(f"COPY cdm.{table} FROM STDIN") as copy:
                for row in frame.itertuples(index=False):
                    copy.write_row(row)
    return postgres


@pytest.fixture(params=["duckdb", "postgresql"])
def database(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> tuple[dict[str, str], Path | None]:
    if request.param == "duckdb":
        return {"url": "duckdb:///synthea.duckdb"}, request.getfixturevalue("duck")
    monkeypatch.setenv("PREDICTOR_OMOP", request.getfixturevalue("server").url)
    return {"url_from": "PREDICTOR_OMOP"}, None


LONG = {"layout": "long", "name_column": "concept_id", "value_column": "value", "known": {"date": "date"}}


def declared(address: dict[str, str], omop: str, **more: Any) -> dict[str, Any]:
    sql = address | {"schema": "cdm", "omop": omop} | more.pop("sql", {})
    where = {"where": more.pop("where")} if "where" in more else {}
    return {"source": {"sql": sql} | where, "key": "person_id"} | more


def read(tables: dict[str, Any], path: Path | None) -> dict[str, ConformedTable]:
    dictionary = Dictionary.model_validate(tables)
    return read_tables(dictionary, dict.fromkeys(tables, path) if path else {})


def in_pounds(column: dict[str, Any]) -> dict[str, Any]:
    return column | {"unit": "[lb_av]", "range": [2, 700]}


def test_the_baseline_table_is_the_one_of_the_sample(
    database: tuple[dict[str, str], Path | None], format_samples: Path
) -> None:
    address, path = database
    tables = {
        "persons": declared(
            address,
            "person",
            known="baseline",
            columns={
                "gender_concept_id": {
                    "type": "category",
                    "values": {"8507": "male", "8532": "female"},
                    "name": "sex",
                },
                "year_of_birth": {"type": "integer", "range": [1900, 2022]},
            },
        ),
        "drugs": declared(
            address,
            "drug_exposure",
            where={"concept_id": DRUG},
            known={"date": "date"},
            columns={"date": {"type": "date"}, "days_supply": {"type": "integer", "known": "plan"}},
        ),
        "measurements": declared(
            address,
            "measurement",
            **LONG,
            columns={
                WEIGHT: {"measure": "weight", "unit": "kg", "unit_column": "unit", "range": [1, 300]},
                SYSTOLIC: {
                    "measure": "systolic",
                    "unit": "mm[Hg]",
                    "unit_column": "unit",
                    "range": [60, 260],
                },
            },
        ),
        "diagnoses": declared(
            address, "condition_occurrence", **LONG, columns={SINUSITIS: {"type": "boolean"}}
        ),
    }
    conformed = read(tables, path)
    cohort = CohortSection.model_validate(
        {"index": {"table": "drugs", "take": "first"}, "baseline": {"first_day": -3650, "last_day": 0}}
    )
    dictionary = Dictionary.model_validate(tables)
    found = select_cohort(conformed, dictionary, cohort)
    patients = list(found.timeline.units["patient"])
    first = by_hand_first_day(format_samples)
    assert sorted(patients) == sorted(first)
    for name, concept in (("weight", WEIGHT), ("systolic", SYSTOLIC)):
        values = baseline_values(
            found.timeline, dictionary, f"measurements.{name}", baseline=cohort.baseline, take="last"
        )
        expected = by_hand_last_value(format_samples, concept, first)
        assert {p: v for p, v in zip(patients, values, strict=True) if pd.notna(v)} == expected
        assert len(expected) >= 10
    sinusitis = baseline_values(
        found.timeline, dictionary, f"diagnoses.{SINUSITIS}", baseline=cohort.baseline, take="last"
    )
    had = {
        row["person_id"]
        for row in rows(format_samples, "CONDITION_OCCURRENCE")
        if row["condition_concept_id"] == SINUSITIS
        and row["person_id"] in first
        and 0 <= (first[row["person_id"]] - date.fromisoformat(row["condition_start_date"])).days <= 3650
    }
    assert {p for p, v in zip(patients, sinusitis, strict=True) if v == 1} == had


def by_hand_first_day(folder: Path) -> dict[str, date]:
    first: dict[str, date] = {}
    for row in rows(folder, "DRUG_EXPOSURE"):
        if row["drug_concept_id"] == DRUG:
            day = date.fromisoformat(row["drug_exposure_start_date"])
            first[row["person_id"]] = min(day, first.get(row["person_id"], day))
    return first


def by_hand_last_value(folder: Path, concept: str, first: dict[str, date]) -> dict[str, float]:
    last: dict[str, tuple[date, float]] = {}
    for row in rows(folder, "MEASUREMENT"):
        person, day = row["person_id"], date.fromisoformat(row["measurement_date"])
        if row["measurement_concept_id"] != concept or person not in first:
            continue
        if first[person] - timedelta(3650) <= day <= first[person]:
            last[person] = max(
                last.get(person, (day, float(row["value_as_number"]))), (day, float(row["value_as_number"]))
            )
    return {person: value for person, (_, value) in last.items()}


def test_a_unit_is_converted_row_by_row_from_its_ucum_code(
    database: tuple[dict[str, str], Path | None],
) -> None:
    address, path = database
    kilograms = {WEIGHT: {"measure": "weight", "unit": "kg", "unit_column": "unit", "range": [1, 300]}}
    pounds = {WEIGHT: in_pounds(kilograms[WEIGHT])}
    one, two = (
        read({"m": declared(address, "measurement", **LONG, columns=columns)}, path)["m"].frame.sort_values(
            ["person_id", "date", "value"]
        )
        for columns in (kilograms, pounds)
    )
    assert len(one) == 511
    assert (two["value"].to_numpy() / one["value"].to_numpy()).round(6).tolist() == [
        round(1 / 0.45359237, 6)
    ] * 511


def test_descendants_of_a_concept(database: tuple[dict[str, str], Path | None], format_samples: Path) -> None:
    address, path = database
    columns = {"999": {"type": "boolean", "name": "any_of_them"}}
    table = declared(address, "drug_exposure", sql={"descendants": True}, **LONG, columns=columns)
    found = read({"d": table}, path)["d"].frame
    expected = sum(row["drug_concept_id"] == DRUG for row in rows(format_samples, "DRUG_EXPOSURE"))
    assert len(found) == expected == 27
    assert set(found["concept_id"]) == {"999"}


def test_an_observation_without_a_value_is_missing_and_not_zero(
    database: tuple[dict[str, str], Path | None], format_samples: Path
) -> None:
    # All 235 PHQ-2 rows of the sample point to concept 0, which means "no matching concept".
    address, path = database
    table = declared(address, "observation", **LONG, columns={PHQ2: {"measure": "phq2", "known": "after"}})
    found = read({"o": table}, path)["o"].frame
    assert (
        len(found)
        == sum(r["observation_concept_id"] == PHQ2 for r in rows(format_samples, "OBSERVATION"))
        == 235
    )
    assert found["value"].isna().all()
