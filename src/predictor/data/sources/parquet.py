"""Parquet files: each column as text by its stored type, so that the dictionary's rules hold for it as for a CSV."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from predictor.data.sources.files import check_memory, read_bytes
from predictor.data.sources.text_table import MAX_ROWS, TextTable, check_names, refuse, table_of_records

__all__ = ["arrow_text", "open_parquet", "read_parquet"]

PER_CELL = 60  # bytes of memory for one cell of text, with the value that it is made from
MICROSECONDS = "us"


def read_parquet(path: Path, *, shown_as: str) -> TextTable:
    """Read a Parquet file as text.

    Parameters
    ----------
    path : Path
    shown_as : str

    Raises
    ------
    DataError
        DAT-10 and DAT-11 (limits), DAT-12 (no Parquet file), DAT-03 (header), DAT-07 (a type that is no cell), DAT-15
        (not readable).
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    raw = read_bytes(path, shown_as, needed=lambda _, size: size)
    try:
        file = pq.ParquetFile(pa.BufferReader(raw))
        _check_size(file.metadata, shown_as)
        table = file.read()
    except (pa.ArrowException, OSError):
        message = "no Parquet file, or one that is cut off or damaged"
        raise refuse(shown_as, "DAT-12", message, "Write it again, or write its `format:`") from None
    check_names(table.column_names, shown_as)
    columns = {name: arrow_text(table.column(i), shown_as, name) for i, name in enumerate(table.column_names)}
    return table_of_records(columns, sha256=hashlib.sha256(raw).hexdigest(), shown_as=shown_as)


@contextmanager
def open_parquet(path: Path, shown_as: str) -> Iterator[Any]:
    """Open a Parquet file to be read in pieces.

    Parameters
    ----------
    path : Path
    shown_as : str

    Raises
    ------
    DataError
        DAT-12.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path, pre_buffer=False)
    except pa.ArrowException:
        message = "no Parquet file, or one that is cut off or damaged"
        raise refuse(shown_as, "DAT-12", message, "Write it again, or write its `format:`") from None
    with file:
        yield file


def _check_size(metadata: Any, shown_as: str) -> None:
    if metadata.num_rows > MAX_ROWS:
        remedy = "Split the file; of one with dates, declared on the whole table, any number is read"
        raise refuse(shown_as, "DAT-10", f"more than {MAX_ROWS:,} rows, which is the limit", remedy)
    check_memory(metadata.num_rows * metadata.num_columns * PER_CELL, shown_as)


def arrow_text(column: Any, shown_as: str, name: str) -> Any:
    """Return a column as text; what is null, or not a number (NaN), is empty.

    Parameters
    ----------
    column : pyarrow.ChunkedArray
    shown_as : str
    name : str
        Header, for the message.

    Raises
    ------
    DataError
        DAT-07 for lists, structures, bytes and the like.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if pa.types.is_floating(kind):
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, kind), column)
    elif pa.types.is_timestamp(kind):
        column = column.cast(pa.timestamp(MICROSECONDS, kind.tz), safe=False)
    elif not _plain(kind):
        message = f"a column of type {kind}, which holds no single value in a cell"
        raise refuse(shown_as, "DAT-07", message, "Leave it out when the file is written", column=name)
    text = column.cast(pa.large_string())
    return pc.fill_null(text, "").to_numpy(zero_copy_only=False)


def _plain(kind: Any) -> bool:
    import pyarrow as pa

    tests = (
        "is_string",
        "is_large_string",
        "is_integer",
        "is_boolean",
        "is_date",
        "is_decimal",
        "is_time",
        "is_null",
    )
    return any(getattr(pa.types, test)(kind) for test in tests)
