"""Parquet files of more rows than are read at once: whole patients at a time, and only the columns that are declared.

The file's columns stay as Arrow holds them, keys and names as codes, which takes a tenth of the memory of text. What is
read as text at one time is a part: all rows of some patients, so that what is said of a patient's rows holds.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from predictor.data.sources import text_table
from predictor.data.sources.files import check_memory, read_stable
from predictor.data.sources.parquet import arrow_text, open_parquet
from predictor.data.sources.text_table import TextTable, check_names, refuse, table_of_records

__all__ = ["UNDECLARED", "PatientParts", "open_parts"]

PER_CELL = 16  # bytes of a declared cell as Arrow holds it
UNDECLARED = "\0undeclared"
"""Column that stands for all that are not declared: equal where their cells are, so that copies are recognised."""


@dataclass(frozen=True)
class PatientParts:
    """A file, in parts of whole patients.

    Parameters
    ----------
    table : pyarrow.Table
        The declared columns, and `UNDECLARED` where the file has others.
    owner : ndarray of int of shape (rows,)
        Number of each row's patient.
    headers : tuple of str
        All columns of the file.
    sha256, shown_as : str
    """

    table: Any
    owner: np.ndarray
    headers: tuple[str, ...]
    sha256: str
    shown_as: str

    def texts(self) -> Iterator[TextTable]:
        """Yield the parts as text; rows are counted as in the file."""
        # Patients one after another, the rows of each as in the file; a part ends where a patient does.
        order = np.argsort(self.owner, kind="stable")
        ends = np.cumsum(np.bincount(self.owner))
        wanted = np.arange(1, len(order) // (text_table.MAX_ROWS // 2) + 2) * (text_table.MAX_ROWS // 2)
        cuts = np.unique([0, *ends[np.minimum(np.searchsorted(ends, wanted), len(ends) - 1)]])
        for first, end in itertools.pairwise(cuts):
            yield self._text(np.sort(order[first:end]))

    def _text(self, rows: np.ndarray) -> TextTable:
        import pyarrow as pa

        own = self.table.take(pa.array(rows))
        columns = {name: arrow_text(own.column(name), self.shown_as, name) for name in own.column_names}
        text = table_of_records(columns, sha256=self.sha256, shown_as=self.shown_as, rows=rows + 1)
        return replace(text, unread=tuple(h for h in self.headers if h not in columns))


def open_parts(path: Path, wanted: Sequence[str], key: str, *, shown_as: str) -> PatientParts | None:
    """Open a file that is larger than what is read at once; None where it is not.

    Parameters
    ----------
    path : Path
    wanted : sequence of str
        Declared headers; one that the file lacks is said by whoever reads the parts.
    key : str
        Header of the patients' keys.
    shown_as : str

    Raises
    ------
    DataError
        DAT-10 (memory), DAT-12 (no Parquet file), DAT-03 (header), DAT-15 (not readable, or changed while it was read).
    """
    with read_stable(path, shown_as), open_parquet(path, shown_as) as file:
        rows, headers = file.metadata.num_rows, tuple(file.schema_arrow.names)
        if rows <= text_table.MAX_ROWS or key not in headers:
            return None
        check_names(headers, shown_as)
        own = [name for name in headers if name in wanted]
        check_memory(rows * (len(own) + 1) * PER_CELL + text_table.MAX_ROWS * len(own) * 60, shown_as)
        try:
            table = _read(file, own, [name for name in headers if name not in own], key)
        except (ValueError, OSError):  # of which Arrow's errors are
            message = "no Parquet file, or one that is cut off or damaged"
            raise refuse(shown_as, "DAT-12", message, "Write it again") from None
        with path.open("rb") as raw:
            sha256 = hashlib.file_digest(raw, "sha256").hexdigest()
    owner = table.column(key).combine_chunks().indices.fill_null(-1).to_numpy().astype(np.int32)
    return PatientParts(table, owner - min(int(owner.min()), 0), headers, sha256, shown_as)


def _read(file: Any, own: list[str], others: list[str], key: str) -> Any:
    """Read row group by row group, texts as codes; what is not declared becomes one number per row."""
    import pyarrow as pa
    import pyarrow.types as kinds

    groups = []
    for number in range(file.num_row_groups):
        group = file.read_row_group(number, columns=own)
        for position, name in enumerate(own):
            column = group.column(name)
            if name == key or kinds.is_string(column.type) or kinds.is_large_string(column.type):
                group = group.set_column(position, name, column.dictionary_encode())
        if others:
            group = group.append_column(
                UNDECLARED, pa.array(_digest(file.read_row_group(number, columns=others)))
            )
        groups.append(group)
    return pa.concat_tables(groups).unify_dictionaries().combine_chunks()


def _digest(group: Any) -> np.ndarray:
    import pandas as pd

    numbers = pd.util.hash_pandas_object(group.to_pandas().astype(str), index=False, categorize=True)
    return numbers.to_numpy(dtype=np.uint64)
