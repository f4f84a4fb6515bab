"""Databases by SQLAlchemy: one table, view or SELECT as a table of text, without a way to write.

SQLite and DuckDB files are opened read-only; a PostgreSQL session is read-only in every transaction. What a driver says
is never passed on: it may hold rows, a user or a password. A message gives the database's own code (SQLSTATE).
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from uuid import UUID

from predictor.config.source import DATABASES, Sql
from predictor.data.findings import Findings
from predictor.data.sources.excel import text_of
from predictor.data.sources.optional import import_optional
from predictor.data.sources.text_table import (
    MAX_COLUMNS,
    MAX_ROWS,
    TextTable,
    check_names,
    refuse,
    table_of_records,
)
from predictor.errors import DataError, Problem, ResourceError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

__all__ = ["connected", "fetch", "read_database"]

BATCH = 10_000
LONGEST_VALUE = 10_000_000
DUCKDB = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}
POSTGRESQL = {"options": "-c default_transaction_read_only=on", "connect_timeout": 10}


def read_database(path: Path | None, sql: Sql, *, shown_as: str) -> TextTable:
    """Read what a dictionary asks of a database.

    Parameters
    ----------
    path : Path or None
        File of a SQLite or DuckDB database that the dictionary's address names.
    sql : Sql
    shown_as : str

    Raises
    ------
    DataError
        DAT-41 (not reached, refused, no cells), DAT-03 (names), DAT-10 and DAT-11 (limits), DAT-15 (no such file).
    ResourceError
        ENV-02 without the packages of the extra ``sql``; ENV-03 without the environment variable.
    """
    with connected(path, sql, shown_as) as connection:
        return fetch(connection, _statement(connection, sql), shown_as)


def _statement(connection: Connection, sql: Sql) -> str:
    if sql.query is not None:
        return sql.query
    quoted = connection.dialect.identifier_preparer.quote_identifier
    names = [name for name in (sql.schema_, sql.table) if name is not None]
    return f"SELECT * FROM {'.'.join(map(quoted, names))}"


@contextmanager
def connected(path: Path | None, sql: Sql, shown_as: str) -> Iterator[Connection]:
    """Open a read-only connection and close it again.

    Parameters
    ----------
    path : Path or None
        File of the database, where it has one.
    sql : Sql
    shown_as : str
    """
    alchemy = import_optional("sqlalchemy", extra="sql", what="Databases")
    engine = _engine(alchemy, path, sql, shown_as)
    try:
        with engine.connect() as connection:
            yield connection
    except (alchemy.exc.SQLAlchemyError, OSError, sqlite3.Error) as error:
        raise _refused(error, shown_as) from None
    except MemoryError:
        raise refuse(shown_as, "DAT-13", "too large for the free memory", "Ask for less in a query") from None
    finally:
        engine.dispose()


def _engine(alchemy: Any, path: Path | None, sql: Sql, shown_as: str) -> Engine:
    url = alchemy.make_url(sql.url) if sql.url is not None else _from_environment(alchemy, sql)
    database = DATABASES[url.drivername]
    if database == "postgresql":
        import_optional("psycopg", extra="sql", what="PostgreSQL databases")
        engine = alchemy.create_engine(
            url.set(drivername="postgresql+psycopg"),
            connect_args=POSTGRESQL,
            isolation_level="REPEATABLE READ",
        )
        return engine.execution_options(postgresql_readonly=True)  # type: ignore[no-any-return]
    file = path or Path(url.database or "")
    if not file.is_file():
        raise refuse(shown_as, "DAT-15", "the file does not exist", "Check the path; nothing was read")
    if database == "sqlite":
        return alchemy.create_engine("sqlite://", creator=lambda: _sqlite(file))  # type: ignore[no-any-return]
    import_optional("duckdb_engine", extra="sql", what="DuckDB databases")
    return alchemy.create_engine(  # type: ignore[no-any-return]
        alchemy.URL.create("duckdb", database=str(file)), connect_args={"read_only": True, "config": DUCKDB}
    )


def _from_environment(alchemy: Any, sql: Sql) -> Any:
    name = str(sql.url_from)
    remedy = f"Set {name}, for example to postgresql://USER:PASSWORD@HOST/DATABASE"
    if name not in os.environ:
        raise ResourceError(Problem("ENV-03", f"the environment variable {name} is not set", remedy))
    try:
        url = alchemy.make_url(os.environ[name])
    except alchemy.exc.ArgumentError:
        url = None
    if url is None or url.drivername not in DATABASES:
        message = f"the environment variable {name} holds no address of {', '.join(sorted(set(DATABASES.values())))}"
        raise ResourceError(Problem("ENV-03", message, remedy))
    return url


def _sqlite(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"file:{quote(str(file.absolute()))}?mode=ro", uri=True)
    connection.execute("PRAGMA query_only = ON")
    # Bytes of one value, also of one that a query makes and nobody reads.
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_VALUE)
    return connection


def _refused(error: BaseException, shown_as: str) -> DataError:
    """Say what kind of refusal it was, by the database's code and never by its words."""
    original = getattr(error, "orig", error)
    state = getattr(original, "sqlstate", None)
    code = f" (SQLSTATE {state})" if state else ""
    message = f"the database cannot be reached or refuses what is asked: {type(original).__name__}{code}"
    remedy = (
        "Check address, credentials in the environment, and names of tables and columns; nothing was read"
    )
    return refuse(shown_as, "DAT-41", message, remedy)


def fetch(connection: Connection, statement: str, shown_as: str) -> TextTable:
    """Run one SELECT and return its rows as text, numbered from 1 as they come.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    statement : str
    shown_as : str
    """
    result = connection.execution_options(stream_results=True).exec_driver_sql(statement)
    names = list(result.keys())
    if len(names) > MAX_COLUMNS:
        message = f"{len(names):,} columns, the limit is {MAX_COLUMNS:,}"
        raise refuse(shown_as, "DAT-10", message, "Name the columns in a query")
    check_names(names, shown_as)
    columns: list[list[str]] = [[] for _ in names]
    for rows in iter(lambda: result.fetchmany(BATCH), []):
        _add_rows(columns, names, rows, shown_as)
        if len(columns[0]) > MAX_ROWS:
            message = f"more than {MAX_ROWS:,} rows, which is the limit"
            raise refuse(shown_as, "DAT-10", message, "Ask for fewer in a query")
    digest = _digest(names, columns)
    return table_of_records(dict(zip(names, columns, strict=True)), sha256=digest, shown_as=shown_as)


def _add_rows(columns: list[list[str]], names: Sequence[str], rows: Sequence[Any], shown_as: str) -> None:
    found = Findings(shown_as)
    for name, cells, values in zip(names, columns, zip(*rows, strict=True), strict=True):
        for value in values:
            text = _cell(value)
            if text is None:
                message = f"a value of type {type(value).__name__}, which is no single cell"
                remedy = "Turn it into text or a number in a query, or leave it out"
                found.add("DAT-41", message, remedy, row=len(cells) + 1, column=name)
            cells.append(text or "")
    found.raise_if_any()


def _cell(value: object) -> str | None:
    """Return a value as text; None where it is none."""
    if value is None or value != value:  # NaN is the value that is not itself
        return ""
    if isinstance(value, str | bool | int | float | date | datetime | time):
        return text_of(value)
    return str(value) if isinstance(value, Decimal | UUID) else None


def _digest(names: Sequence[str], columns: Sequence[Sequence[str]]) -> str:
    """Hash the rows in an order of their own: a database gives them in any."""
    rows = sorted("\x1f".join(row) for row in zip(*columns, strict=True))
    return hashlib.sha256("\x1e".join(["\x1f".join(names), *rows]).encode()).hexdigest()
