"""Reads one SPSS, Stata, SAS or XPT file in a process of its own and writes its cells, as text, to an Arrow file.

The parser is written in C and reads files that others made: what crashes it or takes all memory ends this process and
not the one that asked. Run by `predictor.data.sources.statistical` as a script; its arguments are a format, the file,
the result's file, the two words of the dictionary about labels and missing codes, and the bytes that it may take.
"""

from __future__ import annotations

import json
import math
import resource
import sys
from collections.abc import Iterable
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from predictor.data.sources.excel import text_of

__all__ = ["NOT_VALID", "NO_MEMORY", "cells_of", "parse", "write"]

NOT_VALID, NO_MEMORY = 65, 71  # EX_DATAERR, EX_OSERR of sysexits.h
READERS = {"spss": "read_sav", "stata": "read_dta", "sas": "read_sas7bdat", "xpt": "read_xport"}
# Formats of SAS that show a whole day and that pyreadstat leaves as numbers. Those of a month (MONYY) stay numbers:
# the day that is stored under them was never shown to anybody who could have checked it.
DATES_OF_SAS = ["WORDDATE", "WORDDATX", "JULIAN", "NLDATE", "EURDFDD", "EURDFDE", "EURDFDN"]


def parse(kind: str, path: Path) -> tuple[pd.DataFrame, Any]:
    """Return a file's values and what it says about them.

    Parameters
    ----------
    kind : {"spss", "stata", "sas", "xpt"}
    path : Path
    """
    import pyreadstat

    options: dict[str, Any] = {} if kind == "xpt" else {"user_missing": True}
    if kind in ("sas", "xpt"):
        options["extra_date_formats"] = DATES_OF_SAS
    frame, metadata = getattr(pyreadstat, READERS[kind])(str(path), **options)
    return frame, metadata


def cells_of(
    frame: pd.DataFrame, metadata: Any, *, value_labels: str, user_missing: str
) -> tuple[dict[str, list[str]], dict[str, int]]:
    """Return every column's cells as text, and by column how many the file calls missing.

    Parameters
    ----------
    frame : pandas.DataFrame
    metadata : pyreadstat.metadata_container
    value_labels : {"codes", "labels"}
    user_missing : {"missing", "codes"}
    """
    columns: dict[str, list[str]] = {}
    missing: dict[str, int] = {}
    for name in frame.columns:
        lost = _called_missing(frame[name], name, metadata)
        labels = metadata.variable_value_labels.get(name, {}) if value_labels == "labels" else {}
        single = metadata.readstat_variable_types.get(name) == "float"
        cells = _texts(frame[name], labels, single)
        if lost.any() and user_missing == "missing":
            missing[str(name)] = int(lost.sum())
            cells = ["" if gone else cell for cell, gone in zip(cells, lost, strict=True)]
        columns[str(name)] = cells
    return columns, missing


def _texts(values: pd.Series, labels: dict[Any, str], single: bool) -> list[str]:
    """Return every cell as text, each distinct number converted once."""
    if values.dtype == float:
        distinct, places = np.unique(values.to_numpy(), return_inverse=True)
        texts = np.array(
            ["" if _empty(value) else _text(value, labels, single) for value in distinct.tolist()]
        )
        return [str(text) for text in texts[places]]
    return ["" if _empty(value) else _text(value, labels, single) for value in values]


def _empty(value: object) -> bool:
    return value is None or value is pd.NaT or (isinstance(value, float) and math.isnan(value))


def _called_missing(values: pd.Series, name: str, metadata: Any) -> np.ndarray:
    """SPSS declares codes and ranges as missing; in Stata and SAS a letter stands in a column of numbers."""
    lost = np.zeros(len(values), dtype=bool)
    for limits in metadata.missing_ranges.get(name, ()):
        lost |= [_within(value, limits["lo"], limits["hi"]) for value in values]
    letters = set(metadata.missing_user_values.get(name, ()))
    if letters:
        lost |= [isinstance(value, str) and value in letters for value in values]
    return lost


def _within(value: Any, low: Any, high: Any) -> bool:
    if isinstance(value, str) != isinstance(low, str) or _empty(value):
        return False
    return bool(low <= value <= high)


def _text(value: Any, labels: dict[Any, str], single: bool) -> str:
    """One value; a number that was stored in single precision is written as short as it was entered."""
    if value in labels:
        return labels[value]
    if isinstance(value, str):
        return value
    if isinstance(value, pd.Timestamp | datetime | date | time | bool):
        return text_of(value)
    number = float(value)
    if single and not number.is_integer():
        return str(np.float32(number))
    return text_of(number)


def write(columns: dict[str, list[str]], missing: dict[str, int], result: Path) -> None:
    """Write the cells as an Arrow file, with what was found missing in its metadata.

    Parameters
    ----------
    columns : dict of str to list of str
    missing : dict of str to int
    result : Path
    """
    import pyarrow as pa

    table = pa.table({name: pa.array(cells, pa.large_string()) for name, cells in columns.items()})
    table = table.replace_schema_metadata({"missing": json.dumps(missing)})
    with pa.OSFile(str(result), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def _limit_memory(free: int) -> None:
    """Let this process take ``free`` bytes more than it has by now; 0 where the system does not say."""
    statm = Path("/proc/self/statm")
    if free and statm.exists():
        limit = int(statm.read_text(encoding="ascii").split()[0]) * resource.getpagesize() + free
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def main(arguments: Iterable[str]) -> int:
    """Read one file as the arguments say, and return the exit code.

    Parameters
    ----------
    arguments : iterable of str
    """
    kind, path, result, value_labels, user_missing, memory = arguments
    import pyreadstat

    _limit_memory(int(memory))
    try:
        frame, metadata = parse(kind, Path(path))
        write(*cells_of(frame, metadata, value_labels=value_labels, user_missing=user_missing), Path(result))
    except MemoryError:
        return NO_MEMORY
    except pyreadstat.ReadstatError as error:
        # The library's own words of libreadstat; they are compared and never shown.
        return NO_MEMORY if "allocate memory" in str(error) else NOT_VALID
    except (pyreadstat.PyreadstatError, ValueError, OverflowError, UnicodeError):
        return NOT_VALID
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
