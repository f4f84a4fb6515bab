"""A whole Parquet file: its partitions one after another, kept in a folder until all are there, then one file.

A killed run leaves finished parts and a journal of what they are parts of. The same command goes on after them; another
model, another file or another option starts anew.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from predictor.durable import writing
from predictor.errors import Problem, ResourceError
from predictor.execution import Execution, Progress, run_tasks
from predictor.prediction_model import PredictionModel, load_prediction_model
from predictor.scoring.partitions import (
    OPTIONS,
    Partition,
    Targets,
    check_source,
    list_partitions,
    score_partition,
)

__all__ = ["MOST_WITH_RANGE", "Scored", "score_file"]

MOST_WITH_RANGE = 20_000
JOURNAL, LOCK = "journal.json", "lock"
FOOTER = 65_536


@dataclass(frozen=True)
class Scored:
    """What was answered.

    Parameters
    ----------
    rows : int
    counts : dict of str to int
        Patients by kind of answer.
    ranges : bool
        Whether the range over refits was given.
    partitions, resumed : int
        Parts, and how many of them an earlier start had finished.
    simulated : bool
    """

    rows: int
    counts: dict[str, int]
    ranges: bool
    partitions: int
    resumed: int
    simulated: bool

    def record(self) -> dict[str, Any]:
        """Return the same as plain data."""
        return vars(self).copy()


def score_file(
    model: Path,
    source: Path,
    out: Path,
    *,
    contributions: Path | None = None,
    ranges: bool | None = None,
    keys: bool = False,
    mark: str = "",
    today: date | None = None,
    execution: Execution | None = None,
    progress: Progress | None = None,
) -> Scored:
    """Answer every patient of a Parquet file.

    Parameters
    ----------
    model : Path
        Folder of a prediction model.
    source : Path
        One row per patient with the model's inputs; other columns are left aside.
    out : Path
        Parquet file of one row per patient, in the same order, with the columns of
        `predictor.prediction.predict_frame`. Until it is complete there is ``out.partial``.
    contributions : Path or None
        Parquet file of one row per estimate: where it starts and how each feature moved it, in points of 1.
    ranges : bool or None
        Whether the range over refits is wanted, at 200 times the cost; None for up to 20,000 patients.
    keys : bool
        Whether ``out`` begins with the source's column ``patient``, where it has one.
    mark : str
        What a column ``mark`` says in every row; no such column without it.
    today : date or None
    execution : Execution or None
        Engine and workers, which see the same folders; this process without it.
    progress : callable or None
        Called with a step, patients done and patients in all.

    Raises
    ------
    ModelError, DataError
    ResourceError
        TRN-04 or TRN-05 if it cannot be written, TRN-11 if another process is writing it, TRN-12 or TRN-13 of a
        cluster.
    """
    loaded = load_prediction_model(model)
    check_source(loaded, source)
    parts = list_partitions(source)
    total = sum(part.rows for part in parts)
    wanted = total <= MOST_WITH_RANGE if ranges is None else ranges
    work = _Work(out, contributions)
    identity = {
        "model": loaded.manifest["sha256"],
        "source": _identity(source),
        "options": {"range": wanted, "contributions": contributions is not None, "keys": keys, "mark": mark},
        "partitions": len(parts),
    }
    with writing(out), work.held(identity):
        resumed = [part for part in parts if work.is_done(part)]
        done = sum(part.rows for part in resumed)
        _show(progress, done, total)

        def add(rows: int) -> None:
            nonlocal done
            done += rows
            _show(progress, done, total)

        left = [part for part in parts if not work.is_done(part)]
        job = _Job(model.resolve(), source.resolve(), work, wanted, keys, mark, today or date.today())
        _score_parts(loaded, job, left, execution or Execution(), add)
        counts = work.finish(parts)
    simulated = bool(loaded.card.get("simulated"))
    return Scored(total, counts, wanted, len(parts), len(resumed), simulated)


@dataclass(frozen=True)
class _Job:
    """What every part of one file is scored with; paths are whole, since a worker has a folder of its own."""

    model: Path
    source: Path
    work: _Work
    ranges: bool
    keys: bool
    mark: str
    today: date


def _score_parts(
    loaded: PredictionModel,
    job: _Job,
    parts: Sequence[Partition],
    execution: Execution,
    add: Callable[[int], None],
) -> None:
    """Score parts here, with progress within each, or elsewhere, with progress by whole parts."""
    if execution == Execution():
        for part in parts:
            _score_part(part, job, loaded, add)
        return
    for part, _ in run_tasks(_score_part, parts, shared=(job,), execution=execution):
        add(part.rows)


def _score_part(
    part: Partition,
    job: _Job,
    loaded: PredictionModel | None = None,
    progress: Callable[[int], None] | None = None,
) -> None:
    score_partition(
        loaded or job.model,
        job.source,
        part,
        job.work.targets(part),
        ranges=job.ranges,
        keys=job.keys,
        mark=job.mark,
        today=job.today,
        progress=progress,
    )


def _show(progress: Progress | None, done: int, total: int) -> None:
    if progress is not None:
        progress("patients", done, total)


def _identity(source: Path) -> dict[str, Any]:
    """Recognise a file without reading all of it: size, time of change, and the footer with its statistics."""
    about = source.stat()
    with source.open("rb") as file:
        file.seek(max(0, about.st_size - FOOTER))
        footer = hashlib.sha256(file.read()).hexdigest()
    return {"size": about.st_size, "changed_ns": about.st_mtime_ns, "footer": footer}


@dataclass(frozen=True)
class _Work:
    """The folder of finished parts beside the file that they will become."""

    out: Path
    contributions: Path | None
    folder: Path = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", self.out.resolve().with_name(f"{self.out.name}.partial"))

    @contextmanager
    def held(self, identity: Mapping[str, Any]) -> Iterator[None]:
        """Hold the folder alone, with the parts of this and no other work in it."""
        self.folder.mkdir(exist_ok=True)
        with (self.folder / LOCK).open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                remedy = "Wait for it, or write to another file"
                problem = Problem("TRN-11", "another process is writing this", remedy, file=str(self.out))
                raise ResourceError(problem) from error
            self._keep_or_clear(json.dumps(identity, indent=1, sort_keys=True))
            yield

    def _keep_or_clear(self, identity: str) -> None:
        journal = self.folder / JOURNAL
        if not journal.exists() or journal.read_text(encoding="utf-8") != identity:
            for path in self.folder.iterdir():
                if path.name != LOCK:
                    path.unlink()
            journal.write_text(identity, encoding="utf-8")

    def targets(self, part: Partition) -> Targets:
        """Files of one part."""
        moved = self.folder / f"contributions-{part.index:05d}.parquet" if self.contributions else None
        return Targets(self.folder / f"part-{part.index:05d}.parquet", moved)

    def is_done(self, part: Partition) -> bool:
        """Whether a part is complete: its answers get their name last."""
        return self.targets(part).answers.exists()

    def finish(self, parts: Sequence[Partition]) -> dict[str, int]:
        """Make one file of all parts, give it its name, and clear up."""
        targets = [self.targets(part) for part in parts]
        if self.contributions is not None:
            _join([one.contributions for one in targets if one.contributions], self.contributions)
        _join([one.answers for one in targets], self.out)
        shutil.rmtree(self.folder)
        return _counts(self.out)


def _join(parts: Sequence[Path], target: Path) -> None:
    unfinished = target.with_name(f"{target.name}.unfinished")
    if len(parts) == 1:
        parts[0].rename(target)
        return
    with pq.ParquetWriter(unfinished, pq.read_schema(parts[0]), **OPTIONS) as writer:
        for part in parts:
            with pq.ParquetFile(part, pre_buffer=False) as file:
                for batch in file.iter_batches():
                    writer.write_batch(batch)
    unfinished.replace(target)


def _counts(answers: Path) -> dict[str, int]:
    counts: dict[str, int] = {}
    with pq.ParquetFile(answers, pre_buffer=False) as file:
        for batch in file.iter_batches(columns=["kind"]):
            for found in batch.column("kind").value_counts().to_pylist():
                counts[str(found["values"])] = counts.get(str(found["values"]), 0) + int(found["counts"])
    return counts
