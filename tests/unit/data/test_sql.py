"""Databases: SQLite, DuckDB and a real PostgreSQL give the same table, are only read, and tell no secret."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from postgres import USER, Server
from predictor.config.dictionary import Dictionary
from predictor.config.source import Sql
from predictor.data.conform import ConformedTable, read_tables
from predictor.data.sources import sql as reader
from predictor.data.sources.sql import read_database
from predictor.errors import DataError, PredictorError, ResourceError

MAKE = [
    "CREATE TABLE visits (id TEXT, seen DATE, madrs INTEGER, crp DOUBLE PRECISION, ok BOOLEAN, note TEXT)",
    "INSERT INTO visits VALUES ('001', '2026-03-04', 30, 0.1, true, NULL), ('002', '2026-03-05', 21, 70.5, false, 'a')",
]
COLUMNS = {
    "seen": {"type": "date"},
    "madrs": {"instrument": "madrs"},
    "crp": {"analyte": "crp", "unit": "mg/L", "range": [0, 300]},
    "ok": {"type": "boolean"},
    "note": {"type": "text", "known": "after"},
}

Database = Callable[..., tuple[Path | None, Sql]]


@pytest.fixture
def sqlite(tmp_path: Path) -> Database:
    path = tmp_path / "clinic.sqlite"
    with sqlite3.connect(path) as connection:
        for statement in MAKE:
            connection.execute(statement)
    connection.close()
    return lambda **asked: (path, Sql(url="sqlite:///clinic.sqlite", **asked))


@pytest.fixture
def duck(tmp_path: Path) -> Database:
    path = tmp_path / "clinic.duckdb"
    with duckdb.connect(str(path)) as connection:
        for statement in MAKE:
            connection.execute(statement)
    return lambda **asked: (path, Sql(url="duckdb:///clinic.duckdb", **asked))


@pytest.fixture
def server(postgres: Server, monkeypatch: pytest.MonkeyPatch) -> Database:
    with postgres.connect() as connection:
        connection.execute("DROP TABLE IF EXISTS visits")
        for statement in MAKE:
            connection.execute(statement)
    monkeypatch.setenv("PREDICTOR_CLINIC", postgres.url)
    return lambda **asked: (None, Sql(url_from="PREDICTOR_CLINIC", **asked))


@pytest.fixture(params=["sqlite", "duck", "server"])
def database(request: pytest.FixtureRequest) -> Database:
    found: Database = request.getfixturevalue(request.param)
    return found


def conformed(database: Database, **asked: Any) -> ConformedTable:
    path, sql = database(**asked)
    source = {"sql": sql.model_dump(by_alias=True)}
    declared = {"source": source, "key": "id", "known": {"date": "seen"}, "columns": COLUMNS}
    dictionary = Dictionary.model_validate({"visits": declared})
    return read_tables(dictionary, {"visits": path} if path else {})["visits"]


def refusal(database: Database, **asked: Any) -> str:
    path, sql = database(**asked)
    with pytest.raises(PredictorError) as error:
        read_database(path, sql, shown_as="clinic")
    # The driver's own error, which may hold a row or a user, is no part of ours.
    assert error.value.__cause__ is None or isinstance(error.value.__cause__, ImportError)
    return str(error.value)


@pytest.mark.parametrize("asked", [{"table": "visits"}, {"query": "SELECT * FROM visits ORDER BY id"}])
def test_every_database_gives_the_same_table(database: Database, asked: dict[str, str]) -> None:
    table = conformed(database, **asked)
    frame = table.frame.sort_values("id")
    assert frame["id"].tolist() == ["001", "002"]
    assert frame["seen"].tolist() == [pd.Timestamp("2026-03-04"), pd.Timestamp("2026-03-05")]
    assert frame["madrs"].tolist() == [30, 21]
    assert frame["crp"].tolist() == [0.1, 70.5]
    assert frame["ok"].tolist() == [1, 0]
    assert frame["note"].tolist() == [None, "a"]


def test_the_order_in_which_rows_come_changes_no_hash(database: Database) -> None:
    up, down = (
        conformed(database, query=f"SELECT * FROM visits ORDER BY id {way}") for way in ("ASC", "DESC")
    )
    assert up.frame["id"].tolist() == down.frame["id"].tolist()[::-1]
    assert up.sha256 == down.sha256
    fewer = read_database(*database(query="SELECT id FROM visits"), shown_as="clinic")
    assert fewer.sha256 != up.sha256


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE visits",
        "DELETE FROM visits",
        "CREATE TABLE other (id TEXT)",
        "INSERT INTO visits (id) VALUES ('x')",
        "UPDATE visits SET madrs = 0",
    ],
)
def test_nothing_can_be_written_even_past_the_check_of_the_query(database: Database, statement: str) -> None:
    # The dictionary refuses such a query (CFG-51); this is what stands behind that check.
    assert "DAT-41" in refusal(database, query=statement)
    assert conformed(database, table="visits").frame["madrs"].sum() == 51


def test_a_writing_select_is_refused_by_postgresql(server: Database, postgres: Server) -> None:
    with postgres.connect() as connection:
        connection.execute("CREATE SEQUENCE IF NOT EXISTS counter")
    message = refusal(server, query="SELECT nextval('counter')")
    assert "SQLSTATE 25006" in message  # read_only_sql_transaction
    deleting = "WITH gone AS (DELETE FROM visits RETURNING id) SELECT * FROM gone"
    assert "DAT-41" in refusal(server, query=deleting)
    assert len(conformed(server, table="visits").frame) == 2


def test_a_duckdb_query_reads_no_other_file(duck: Database, tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("a\n1\n", encoding="utf-8")
    assert "DAT-41" in refusal(duck, query=f"SELECT * FROM read_csv('{tmp_path / 'other.csv'}')")


def test_a_query_makes_no_value_that_fills_the_memory(sqlite: Database) -> None:
    path, asked = sqlite(query="SELECT hex(zeroblob(400000000)) AS id")
    with pytest.raises(DataError, match=r"DAT-41 .* refuses what is asked: DataError"):
        read_database(path, asked, shown_as="clinic")


def test_what_does_not_exist_is_refused_without_the_words_of_the_driver(database: Database) -> None:
    message = refusal(database, query="SELECT secret_column FROM visits WHERE note = 'planted value'")
    assert message.startswith("clinic: DAT-41 the database cannot be reached or refuses what is asked: ")
    assert "secret_column" not in message
    assert "planted value" not in message


def test_a_name_is_quoted_and_not_run(database: Database) -> None:
    assert "DAT-41" in refusal(database, table='visits"; DROP TABLE visits; --')
    assert len(conformed(database, table="visits").frame) == 2


def test_a_table_of_a_schema(server: Database, postgres: Server) -> None:
    with postgres.connect() as connection:
        connection.execute("CREATE SCHEMA IF NOT EXISTS research")
        connection.execute("CREATE OR REPLACE VIEW research.seen AS SELECT id FROM visits")
    path, sql = server(table="seen", schema="research")
    assert sorted(read_database(path, sql, shown_as="clinic").frame["id"]) == ["001", "002"]
    with postgres.connect() as connection:
        connection.execute("DROP SCHEMA research CASCADE")


def test_a_wrong_password_shows_neither_itself_nor_the_user(
    postgres: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = postgres.url.replace(postgres.password, "planted-secret")
    monkeypatch.setenv("PREDICTOR_CLINIC", wrong)
    with caplog.at_level(0), pytest.raises(DataError) as error:
        read_database(None, Sql(url_from="PREDICTOR_CLINIC", table="visits"), shown_as="clinic")
    shown = f"{error.value} {error.value!r} {error.value.__cause__} {caplog.text}"
    assert "DAT-41" in shown
    assert "planted-secret" not in shown
    assert USER not in shown


def test_the_environment_of_the_client_library_serves_as_well(
    postgres: Server, server: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGUSER", USER)
    monkeypatch.setenv("PGPASSWORD", postgres.password)
    table = read_database(None, Sql(url=postgres.bare_url, table="visits"), shown_as="clinic")
    assert len(table.frame) == 2


@pytest.mark.parametrize("content", [None, "no address planted-secret", "mysql://u:planted-secret@h/d"])
def test_env_03_an_environment_variable_without_an_address(
    content: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PREDICTOR_CLINIC", raising=False)
    if content is not None:
        monkeypatch.setenv("PREDICTOR_CLINIC", content)
    with pytest.raises(ResourceError, match="ENV-03 the environment variable PREDICTOR_CLINIC") as error:
        read_database(None, Sql(url_from="PREDICTOR_CLINIC", table="visits"), shown_as="clinic")
    assert "planted-secret" not in str(error.value)
    assert error.value.__context__ is None or "planted-secret" not in repr(error.value.__context__)


def test_a_file_that_is_no_database_or_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "clinic.sqlite"
    sql = Sql(url="sqlite:///clinic.sqlite", table="visits")
    with pytest.raises(DataError, match="DAT-15 the file does not exist"):
        read_database(path, sql, shown_as="clinic")
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(DataError, match="DAT-41"):
        read_database(path, sql, shown_as="clinic")
    assert path.read_bytes() == b"no database at all" * 100


def test_values_of_every_kind_and_what_is_no_cell(duck: Database) -> None:
    path, sql = duck(
        query="SELECT 0.50::DECIMAL(4,2) AS a, TIMESTAMP '2026-03-04 10:30:00' AS b, 'nan'::DOUBLE AS c"
    )
    row = read_database(path, sql, shown_as="clinic").frame.iloc[0]
    assert row.tolist() == ["0.50", "2026-03-04 10:30:00", ""]
    path, sql = duck(query="SELECT [1, 2] AS items FROM visits")
    with pytest.raises(
        DataError, match=r"clinic:1: items: DAT-41 a value of type list, which is no single cell"
    ):
        read_database(path, sql, shown_as="clinic")


def test_more_rows_than_allowed(duck: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MAX_ROWS", 1)
    assert "DAT-10 more than 1 rows" in refusal(duck, table="visits")
    assert "DAT-11" in refusal(duck, query="SELECT * FROM visits WHERE id = 'none'")


@pytest.mark.parametrize("module", ["sqlalchemy", "duckdb_engine"])
def test_without_the_package_it_is_named(
    duck: Database, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    message = refusal(duck, table="visits")
    assert (
        f"ENV-02 {'Databases' if module == 'sqlalchemy' else 'DuckDB databases'} need the package {module}"
        in message
    )
    assert 'pip install "response-predictor[sql]"' in message


def test_a_value_as_text() -> None:
    values = [Decimal("1.50"), datetime(2026, 3, 4), date(2026, 3, 4), None, 3.0, True, b"x"]
    assert [reader._cell(value) for value in values] == [
        "1.50",
        "2026-03-04",
        "2026-03-04",
        "",
        "3",
        "true",
        None,
    ]
