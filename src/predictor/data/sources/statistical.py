"""SPSS, Stata, SAS and XPT files, read by pyreadstat in a process of its own.

Whether labels or codes stand in the cells, and what becomes of codes that the file itself calls missing, is declared in
the dictionary. Dates become ISO 8601 by the format that the file gives them. A number keeps its shortest decimal form.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from predictor.config.source import Source
from predictor.data.sources import statistical_child as child
from predictor.data.sources.files import read_bytes
from predictor.data.sources.memory import memory_free
from predictor.data.sources.optional import import_optional
from predictor.data.sources.text_table import TextTable, check_names, refuse, table_of_records
from predictor.data.sources.transport import check_transport

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["read_statistical"]

TIME_LIMIT = 900  # seconds
MAGIC: dict[str, tuple[bytes, ...]] = {
    "spss": (b"$FL2", b"$FL3"),
    "stata": (b"<stata_dta>", *(bytes([release]) for release in (104, 105, 108, 110, 111, 113, 114, 115))),
    "sas": (bytes.fromhex("000000000000000000000000c2ea8160b31411cfbd92080009c7318c181f1011"),),
}
NAMES = {"spss": "SPSS (.sav)", "stata": "Stata (.dta)", "sas": "SAS (.sas7bdat)", "xpt": "XPT"}


def read_statistical(path: Path, source: Source, *, shown_as: str) -> TextTable:
    """Read a file of a statistics package as text.

    Parameters
    ----------
    path : Path
    source : Source
        Its format, and the words about labels and missing codes.
    shown_as : str

    Raises
    ------
    DataError
        DAT-12 (not whole or not of its format), DAT-13 (too large), DAT-03 (names), DAT-10 and DAT-11 (limits),
        DAT-15 (not readable).
    ResourceError
        ENV-02 without the package ``pyreadstat``.
    """
    import_optional("pyreadstat", extra="formats", what="SPSS, Stata, SAS and XPT files")
    raw = read_bytes(path, shown_as, needed=lambda _, size: size)
    digest = hashlib.sha256(raw).hexdigest()
    _check_magic(raw, source.kind, shown_as)
    del raw
    with tempfile.TemporaryDirectory(prefix="predictor-") as folder:
        table, missing = _in_child(path, source, Path(folder) / "cells.arrow", shown_as)
    if hashlib.sha256(read_bytes(path, shown_as, needed=lambda _, size: size)).hexdigest() != digest:
        remedy = "Wait until it is complete and start again; nothing was kept"
        raise refuse(shown_as, "DAT-15", "the file changed while it was read", remedy)
    check_names(table.column_names, shown_as)
    columns = {name: table.column(name).to_numpy(zero_copy_only=False) for name in table.column_names}
    return table_of_records(columns, sha256=digest, shown_as=shown_as, notices=_notices(missing, shown_as))


def _check_magic(raw: bytes, kind: str, shown_as: str) -> None:
    """Refuse, before any parser sees it, what does not even begin as its format does."""
    if kind == "xpt":
        check_transport(raw, shown_as)
    elif not raw.startswith(MAGIC[kind]):
        message = f"no {NAMES[kind]} file: its first bytes, at byte 0, are those of another format"
        raise refuse(shown_as, "DAT-12", message, "Export it again, or write its `format:`")


def _in_child(path: Path, source: Source, result: Path, shown_as: str) -> tuple[pa.Table, dict[str, int]]:
    import pyarrow as pa

    words = (source.kind, path, result, source.value_labels, source.user_missing, memory_free() or 0)
    command = [sys.executable, "-m", child.__name__, *map(str, words)]
    try:
        status = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIME_LIMIT,
            check=False,
            env=_environment(),
        ).returncode
    except subprocess.TimeoutExpired:
        message = f"reading it took more than {TIME_LIMIT // 60} minutes"
        raise refuse(shown_as, "DAT-13", message, "Leave out columns, or split the file") from None
    if status in (child.NO_MEMORY, -signal.SIGKILL):
        message = "too large for the memory that its reader may use; nothing was read"
        raise refuse(
            shown_as, "DAT-13", message, "Leave out columns that are not declared, or split the file"
        )
    if status:
        how = "its reader was ended by it" if status < 0 else "its reader refuses it"
        message = f"no valid {NAMES[source.kind]} file, or one that is cut off: {how}"
        raise refuse(shown_as, "DAT-12", message, "Export the file again")
    table = pa.ipc.open_file(pa.BufferReader(result.read_bytes())).read_all()
    return table, json.loads(table.schema.metadata[b"missing"])


def _environment() -> dict[str, str]:
    """Return the environment without addresses of databases, which the reader of a foreign file need not know."""
    return {name: text for name, text in os.environ.items() if not name.startswith(("PREDICTOR_", "PG"))}


def _notices(missing: dict[str, int], shown_as: str) -> list[str]:
    if not missing:
        return []
    counts = ", ".join(f"{name} {count}" for name, count in list(missing.items())[:10])
    more = f" and {len(missing) - 10} more columns" if len(missing) > 10 else ""
    return [f"{shown_as}: cells with a code that the file calls missing: {counts}{more}"]
