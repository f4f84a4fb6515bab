"""Which reader a source needs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from predictor.config.source import Source
from predictor.data.sources.csv import read_text_table
from predictor.data.sources.excel import read_excel
from predictor.data.sources.fhir import read_fhir
from predictor.data.sources.omop import read_omop
from predictor.data.sources.parquet import read_parquet
from predictor.data.sources.redcap import read_redcap
from predictor.data.sources.sql import read_database
from predictor.data.sources.statistical import read_statistical
from predictor.data.sources.text_table import TextTable, refuse

__all__ = ["read_source"]


def read_source(
    path: Path | None, source: Source, *, shown_as: str, concepts: Sequence[str] = ()
) -> TextTable:
    """Read a source as text, each format through the library that its field uses.

    Parameters
    ----------
    path : Path or None
        None for a database on a server.
    source : Source
    shown_as : str
        How messages name it.
    concepts : sequence of str
        OMOP concepts that are asked for.

    Raises
    ------
    DataError
        What is wrong with it.
    ResourceError
        ENV-02, if the format needs a package that is not installed.
    """
    if source.sql is not None and source.sql.omop is not None:
        return read_omop(path, source.sql, concepts, shown_as=shown_as)
    if source.sql is not None:
        return read_database(path, source.sql, shown_as=shown_as)
    if path is None:
        raise refuse(shown_as, "DAT-15", "the file does not exist", "Write its path; nothing was read")
    if source.fhir is not None:
        return read_fhir(path, source.fhir, shown_as=shown_as)
    if source.kind == "excel":
        return read_excel(path, sheet=source.sheet, shown_as=shown_as)
    if source.kind == "parquet":
        return read_parquet(path, shown_as=shown_as)
    if source.redcap is not None:
        return read_redcap(path, source, shown_as=shown_as)
    if source.kind != "csv":
        return read_statistical(path, source, shown_as=shown_as)
    return read_text_table(path, delimiter=source.delimiter, encoding=source.encoding, shown_as=shown_as)
