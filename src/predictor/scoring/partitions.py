"""Parts of a Parquet file that can be scored anywhere, in any order, each into a file of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from predictor.errors import DataError, Problem
from predictor.model_folder import MANIFEST
from predictor.prediction.reading import DATE, KEY, SOURCE, Rows, check_columns
from predictor.prediction.unit_choice import UNIT
from predictor.prediction_model import InputField, PredictionModel, load_prediction_model
from predictor.scoring.blocks import ANSWERS, Block, contributions_schema, score_block

__all__ = ["Partition", "Targets", "check_source", "list_partitions", "score_partition"]

ROWS_OF_A_BLOCK = 65_536
READ_AT_ONCE = 1 << 18  # bytes of a column; without it whole column chunks are held
ROWS_OF_A_PARTITION = 500_000
# Few distinct values go by dictionary; row numbers by their differences; probabilities do not compress.
OPTIONS: dict[str, Any] = {
    "compression": "none",
    "use_dictionary": ["mark", "kind", "plan", "reason", "group_rate", "group_low", "group_high"],
    "column_encoding": {"row": "DELTA_BINARY_PACKED"},
    "write_statistics": False,
}


@dataclass(frozen=True)
class Partition:
    """Row groups that follow each other.

    Parameters
    ----------
    index : int
        Place among the partitions.
    first_row : int
        Number of its first patient; the first of the file is 1.
    rows : int
    row_groups : tuple of int
    """

    index: int
    first_row: int
    rows: int
    row_groups: tuple[int, ...]


@dataclass(frozen=True)
class Targets:
    """Files that a partition is written to.

    Parameters
    ----------
    answers : Path
    contributions : Path or None
    """

    answers: Path
    contributions: Path | None = None


def list_partitions(source: Path, *, rows: int = ROWS_OF_A_PARTITION) -> tuple[Partition, ...]:
    """Split a Parquet file at its row groups.

    Parameters
    ----------
    source : Path
    rows : int
        A partition ends with the row group that reaches this number.

    Raises
    ------
    DataError
        DAT-15, if the file cannot be read.
    """
    with _opened(source) as file:
        sizes = [file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)]
    found: list[Partition] = []
    groups: list[int] = []
    first = 1
    for group in range(len(sizes)):
        groups.append(group)
        taken = sum(sizes[i] for i in groups)
        if taken >= rows or group == len(sizes) - 1:
            found.append(Partition(len(found), first, taken, tuple(groups)))
            first, groups = first + taken, []
    return tuple(found)


def check_source(model: PredictionModel, source: Path) -> None:
    """Refuse a file that does not have the model's inputs, or has beside them what is not read.

    Other columns that the model does not know are left aside. One of an input's units, days or sources is not:
    blocks of numbers are taken as they are, and passing it over would answer for other values, or for old ones without
    a word.

    Parameters
    ----------
    model : PredictionModel
    source : Path

    Raises
    ------
    DataError
        DAT-15 or PRE-01.
    """
    with _opened(source) as file:
        names = file.schema_arrow.names
    known = {KEY, *(one.name for one in model.inputs)}
    check_columns(model, Rows([name for name in names if name in known], []))
    unknown = set(names) - known
    problems = [
        Problem("PRE-01", message, f"{remedy}, or give the rows as CSV", file=str(source), path=column)
        for one in model.inputs
        for column, message, remedy in _beside(one)
        if column in unknown
    ]
    if problems:
        raise DataError(problems)


def _beside(one: InputField) -> Iterator[tuple[str, str, str]]:
    """Yield the columns that a CSV file may have beside an input, why they are not read here, and what to do."""
    if one.kind == "number":
        remedy = f"Give {one.name} in {one.unit or 'its own unit'} and leave this column out"
        yield f"{one.name}{UNIT}", "units are not converted in a Parquet file", remedy
    remedy = "Leave this column out, and values that are too old empty"
    yield f"{one.name}{DATE}", "the age of values is not judged in a Parquet file", remedy
    remedy = "Leave this column out"
    yield f"{one.name}{SOURCE}", "where a value comes from is not read in a Parquet file", remedy


def score_partition(
    model: PredictionModel | Path,
    source: Path,
    partition: Partition,
    targets: Targets,
    *,
    ranges: bool = False,
    keys: bool = False,
    mark: str = "",
    today: date | None = None,
    progress: Callable[[int], None] | None = None,
) -> dict[str, int]:
    """Score one partition into files of its own, which get their names when they are complete.

    Nothing else is read or written and nothing is remembered, so that any executor may run it anywhere and again.

    Parameters
    ----------
    model : PredictionModel or Path
        A path is loaded through every check; the last one is kept for the next partition.
    source : Path
    partition : Partition
        From `list_partitions` of the same file.
    targets : Targets
    ranges : bool
        Whether the range over refits is wanted, at 200 times the cost.
    keys : bool
        Whether the answers begin with the source's column ``patient``, where it has one, as it stands there.
    mark : str
        What a column ``mark`` says in every row; no such column without it.
    today : date or None
    progress : callable or None
        Called with the number of patients after each block.

    Returns
    -------
    dict of str to int
        How many patients got which kind of answer.

    Raises
    ------
    ModelError, DataError
    """
    loaded = _model(model, _version(model)) if isinstance(model, Path) else model
    counts: dict[str, int] = {}
    key = _key_column(source) if keys else None
    before = [*([key] if key is not None else []), *([pa.field("mark", pa.string())] if mark else [])]
    with _written(loaded, targets, before) as write:
        for first, batch in _blocks(loaded, source, partition, key):
            block = score_block(
                loaded,
                batch,
                first_row=first,
                ranges=ranges,
                contributions=targets.contributions is not None,
                today=today or date.today(),
            )
            write(_with_columns(block, batch, before, mark))
            _count(counts, block.answers)
            if progress is not None:
                progress(batch.num_rows)
    return counts


@lru_cache(maxsize=1)
def _model(folder: Path, version: int) -> PredictionModel:
    return load_prediction_model(folder)


def _version(folder: Path) -> int:
    """Tell a model from another one that came to the same folder while this process lived."""
    manifest = folder / MANIFEST
    return manifest.stat().st_mtime_ns if manifest.exists() else 0


def _key_column(source: Path) -> pa.Field | None:
    with _opened(source) as file:
        found = file.schema_arrow
        return pa.field(KEY, found.field(KEY).type) if KEY in found.names else None


def _with_columns(block: Block, batch: pa.RecordBatch, before: Sequence[pa.Field], mark: str) -> Block:
    """Put whose answer it is, and what it is not for, before the answer."""
    answers = block.answers
    for at, field in enumerate(before):
        values = batch.column(KEY) if field.name == KEY else pa.repeat(mark, batch.num_rows)
        answers = answers.add_column(at, field, values)
    return Block(answers, block.contributions)


def _blocks(
    model: PredictionModel, source: Path, partition: Partition, key: pa.Field | None
) -> Iterator[tuple[int, pa.RecordBatch]]:
    names = [*([KEY] if key is not None else []), *(one.name for one in model.inputs)]
    first = partition.first_row
    with _opened(source, texts=[one.name for one in model.inputs if one.kind == "category"]) as file:
        for batch in file.iter_batches(ROWS_OF_A_BLOCK, row_groups=list(partition.row_groups), columns=names):
            yield first, batch
            first += batch.num_rows


@contextmanager
def _opened(source: Path, *, texts: Sequence[str] = ()) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file to be read in order: reading ahead would hold whole row groups in memory."""
    try:
        with pq.ParquetFile(
            source, pre_buffer=False, buffer_size=READ_AT_ONCE, read_dictionary=list(texts)
        ) as file:
            yield file
    except (pa.ArrowInvalid, OSError) as error:
        message = f"the file cannot be read as Parquet ({type(error).__name__})"
        remedy = "Check the path, or write the file again"
        raise DataError(Problem("DAT-15", message, remedy, file=str(source))) from error


@contextmanager
def _written(
    model: PredictionModel, targets: Targets, before: Sequence[pa.Field]
) -> Iterator[Callable[[Block], None]]:
    """Write under other names, and rename what is complete; the answers come last and speak for both."""
    pairs = [(targets.answers, pa.schema([*before, *ANSWERS]))]
    if targets.contributions is not None:
        pairs.insert(0, (targets.contributions, contributions_schema(model)))
    writers = [pq.ParquetWriter(_unfinished(path), schema, **OPTIONS) for path, schema in pairs]
    try:

        def write(block: Block) -> None:
            batches = [block.answers] if block.contributions is None else [block.contributions, block.answers]
            for writer, batch in zip(writers, batches, strict=True):
                writer.write_batch(batch)

        yield write
    finally:
        for writer in writers:
            writer.close()
    for path, _ in pairs:
        _unfinished(path).rename(path)


def _unfinished(path: Path) -> Path:
    return path.with_name(f"{path.name}.unfinished")


def _count(counts: dict[str, int], answers: pa.RecordBatch) -> None:
    for found in answers.column("kind").value_counts().to_pylist():
        kind = str(found["values"])
        counts[kind] = counts.get(kind, 0) + int(found["counts"])
