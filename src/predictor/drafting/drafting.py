"""From an export, a file or a folder of files, to a draft of a dictionary and a config."""

from __future__ import annotations

import os.path
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from predictor.config.marks import CONFIRM
from predictor.config.source import Source
from predictor.data.sources.csv import read_text_table
from predictor.data.sources.reading import read_source
from predictor.drafting.names import plain_name
from predictor.drafting.questions import config_text
from predictor.drafting.redcap_export import (
    ASKED,
    find_dictionary,
    is_redcap,
    is_redcap_dictionary,
    redcap_tables,
)
from predictor.drafting.tables import TableDraft, draft_table, find_key
from predictor.drafting.writing import dictionary_text
from predictor.errors import DataError, Problem

__all__ = ["Draft", "draft_export"]

SUFFIXES = (".csv", ".tsv", ".xlsx", ".parquet", ".sav", ".dta", ".sas7bdat", ".xpt")
WATERMARK = "SIMULATED"


@dataclass(frozen=True)
class Draft:
    """Two files to be confirmed.

    Parameters
    ----------
    dictionary, config : str
        YAML with every guess marked.
    tables : tuple of str
    simulated : bool
    redcap : tuple of (str, str or None)
        Files that were drafted as exports of REDCap without their data dictionary, and one that lies beside.
    """

    dictionary: str
    config: str
    tables: tuple[str, ...]
    simulated: bool
    redcap: tuple[tuple[str, str | None], ...] = ()

    @property
    def marks(self) -> int:
        """How many guesses wait to be confirmed."""
        lines = [*self.dictionary.splitlines(), *self.config.splitlines()]
        return sum(CONFIRM in line and not line.lstrip().startswith("#") for line in lines)


def draft_export(export: Path, *, beside: Path) -> Draft:
    """Read an export and draft what it seems to be; nothing but names, codes and levels goes into the draft.

    Parameters
    ----------
    export : Path
        A file, or a folder whose files are tables.
    beside : Path
        Folder that the drafts will lie in; paths of the sources are relative to it.

    Raises
    ------
    DataError
        DAT-15 where there is no file of a known format, what is wrong with one of them, or DAT-05 where nothing looks
        like a patient's key.
    """
    frames: dict[str, pd.DataFrame] = {}
    sources: dict[str, tuple[str, dict[str, Any]]] = {}
    redcap: dict[str, Path] = {}
    for path in _files(export):
        source, whole = _read(path)
        for wanted, own, frame in _tables(path, whole):
            name = f"{wanted}_2" if wanted in frames else wanted
            frames[name] = frame
            sources[name] = (_relative(path, beside), source | own)
            redcap |= {name: path} if "redcap" in own else {}
    key = next((frames[name].columns[0] for name in redcap), None) or find_key(list(frames.values()))
    if key is None:
        message = "nothing looks like a patient's key: a column without gaps, called for example patient_id"
        raise DataError(Problem("DAT-05", message, "Add one, the same in all files", file=str(export)))
    keys = {
        name: key if key in frame else find_key([frame]) or frame.columns[0] for name, frame in frames.items()
    }
    tables = [
        draft_table(name, sources[name][0], frame, keys[name], sources[name][1])
        for name, frame in frames.items()
    ]
    first = {file: name for name, file in reversed(redcap.items())}.values()
    tables = [_asking(table) if table.name in first else table for table in tables]
    simulated = any(_says_simulated(frame) for frame in frames.values())
    return Draft(
        dictionary=dictionary_text(tables, simulated=simulated),
        config=config_text(export.stem, tables, frames, simulated=simulated),
        tables=tuple(table.name for table in tables if not table.left_out),
        simulated=simulated,
        redcap=tuple((str(path), find_dictionary(path)) for path in dict.fromkeys(redcap.values())),
    )


def _tables(path: Path, frame: pd.DataFrame) -> Iterator[tuple[str, dict[str, Any], pd.DataFrame]]:
    """Yield the tables of a file: itself, or what an export of REDCap holds."""
    name = plain_name(path.stem).lower()
    if path.suffix.lower() == ".csv" and is_redcap(list(frame.columns)):
        yield from redcap_tables(name, frame, find_dictionary(path))
    else:
        yield name, {}, frame


def _asking(table: TableDraft) -> TableDraft:
    return replace(table, questions=(("source", ASKED), *table.questions))


def _files(export: Path) -> Sequence[Path]:
    found = (
        sorted(
            path
            for path in export.iterdir()
            if path.suffix.lower() in SUFFIXES and not is_redcap_dictionary(path)
        )
        if export.is_dir()
        else [export]
    )
    if not found or not export.exists():
        message = f"here is no export: a file or a folder of files that end in {', '.join(SUFFIXES)}"
        raise DataError(Problem("DAT-15", message, "Name one", file=str(export)))
    return found


def _read(path: Path) -> tuple[dict[str, Any], pd.DataFrame]:
    """Cells as text, and what the source has to say so that they can be read again."""
    if path.suffix.lower() != ".csv":
        return {}, read_source(path, Source(path=path.name), shown_as=str(path)).frame
    problems: list[DataError] = []
    for settings in _settings():
        try:
            frame = read_text_table(
                path,
                delimiter=settings.get("delimiter"),
                encoding=settings.get("encoding", "utf-8"),
                shown_as=str(path),
            ).frame
        except DataError as error:
            problems.append(error)
        else:
            return settings, frame
    raise problems[0]


def _settings() -> Iterator[dict[str, Any]]:
    for encoding in ("utf-8", "cp1252"):
        for delimiter in (None, ";", "\t"):
            given = {"delimiter": delimiter, "encoding": encoding if encoding != "utf-8" else None}
            yield {name: value for name, value in given.items() if value is not None}


def _relative(path: Path, beside: Path) -> str:
    """Path from the drafts to a file, with as many steps up as it takes."""
    return Path(os.path.relpath(path.resolve(), beside.resolve())).as_posix()


def _says_simulated(frame: pd.DataFrame) -> bool:
    return any((frame[header] == WATERMARK).all() for header in frame.columns)
