"""The run folder: one folder per run, written atomically, hashed when finished, never edited afterwards.

A run is ``<time>-<name>-<6 hex>.partial`` while it is written and loses the suffix in one rename when
everything is on disk and hashed; whoever lists the runs sees a whole run or an unfinished one, never half of
one. The journal numbers its records, because clocks jump and sequence numbers do not.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from predictor.durable import (
    TEMPORARY,
    disk_errors,
    read_json,
    read_plain,
    require_space,
    sync,
    write_atomically,
)
from predictor.errors import ConfigError, Problem
from predictor.locks import LOCK, FolderLock
from predictor.model_folder import SIGN_OFF, SIGNATURE
from predictor.spreadsheet import without_formula

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "JOURNAL",
    "PARTIAL",
    "TRACKING",
    "UNITS",
    "FolderLock",
    "Run",
    "find_run",
    "leftovers",
    "read_journal",
    "remove",
    "require_space",
    "start_run",
    "verify_run",
    "without_formulas",
]

PARTIAL = ".partial"
HASHES = "hashes.json"
JOURNAL = "journal.jsonl"
UNITS = "units"
TRACKING = "tracking.json"
# Of a model: whoever vouches for it comes after the run. They are proven when the model is loaded.
ADDED_LATER = {f"model/{name}" for name in (SIGNATURE, SIGN_OFF)}
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


class Run:
    """A run that is being written.

    As a context manager it gives its lock back at the end; without `finish` the folder stays ``.partial``.

    Parameters
    ----------
    folder : Path
        The existing ``.partial`` folder. Of an earlier start its journal and its finished units stay; whatever else
        it had written is taken away, to be written again.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder
        self.id = folder.name.removesuffix(PARTIAL)
        self._lock = FolderLock(folder)
        try:
            records, sound = read_journal(folder)
            self._sequence = len(records)
            _clear(folder)
            if (folder / JOURNAL).exists() and (folder / JOURNAL).read_bytes() != sound:
                write_atomically(folder / JOURNAL, sound)  # without a last record that was never finished
        except BaseException:
            self._lock.release()
            raise

    @property
    def units(self) -> Path:
        """Folder of the finished units of work; it goes when the run is finished."""
        return self.path / UNITS

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()

    def _path(self, name: str) -> Path:
        path = self.path / name
        if (
            path.name in (HASHES, JOURNAL, LOCK)
            or Path(name).parts[:1] == (UNITS,)
            or ".." in Path(name).parts
            or Path(name).is_absolute()
        ):
            raise ValueError(f"{name!r} is not a file of a run")
        return path

    def write_bytes(self, name: str, data: bytes) -> Path:
        """Write a file whole or not at all.

        Parameters
        ----------
        name : str
            Path relative to the run's folder; folders are made.
        data : bytes

        Raises
        ------
        ResourceError
            TRN-04 (disk full: path and bytes) or TRN-05 (not writable). Nothing partial is left behind.
        """
        path = self._path(name)
        write_atomically(path, data)
        return path

    def write_text(self, name: str, text: str) -> Path:
        """Write text in UTF-8, as `write_bytes` does."""
        return self.write_bytes(name, text.encode())

    def write_json(self, name: str, content: Any) -> Path:
        """Write strict JSON (NaN and infinity are refused), as `write_bytes` does."""
        return self.write_text(
            name, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        )

    def write_frame(self, name: str, frame: pd.DataFrame) -> Path:
        """Write a table as CSV or parquet, by the name's suffix, as `write_bytes` does.

        In CSV a text cell that a spreadsheet would take for a formula gets a leading apostrophe; parquet
        keeps every value as it is. The index is not written.

        Parameters
        ----------
        name : str
            Ends with ``.csv`` or ``.parquet``.
        frame : pandas.DataFrame
        """
        if name.endswith(".parquet"):
            return self.write_bytes(name, frame.to_parquet(None, index=False))
        if not name.endswith(".csv"):
            raise ValueError(f"{name!r} ends neither with .csv nor with .parquet")
        return self.write_text(name, without_formulas(frame).to_csv(index=False, lineterminator="\n"))

    def write_tables(self, **tables: pd.DataFrame) -> None:
        """Write the tables that have a row, each as CSV by its name, as `write_frame` does."""
        for name, table in tables.items():
            if len(table):
                self.write_frame(f"{name}.csv", table)

    def record(self, event: str, **fields: Any) -> None:
        """Append one numbered record to ``journal.jsonl`` and wait until it is on disk.

        Fields are counts and names, never a patient's value.
        """
        line = json.dumps({"sequence": self._sequence, "event": event, **fields}, allow_nan=False) + "\n"
        path = self.path / JOURNAL
        with disk_errors(path, len(line)), path.open("a", encoding="utf-8") as handle:
            handle.write(line)
            handle.flush()
            os.fsync(handle.fileno())
        self._sequence += 1

    def finish(self) -> Path:
        """Hash every file, rename the folder to its final name, which is returned, and clear up."""
        self.record("finished")
        hashes = (json.dumps(_hashes(self.path), indent=2) + "\n").encode()
        write_atomically(self.path / HASHES, hashes)
        final = self.path.with_name(self.id)
        self.path.rename(final)
        sync(final.parent)
        self.path = final
        self._lock.moved(final)
        shutil.rmtree(self.units, ignore_errors=True)
        self._lock.release()
        return final


def _clear(folder: Path) -> None:
    for path in folder.iterdir():
        if path.name in (JOURNAL, LOCK) or (path.name == UNITS and not path.is_symlink()):
            continue
        remove(path)
    for path in folder.glob(f"{UNITS}/.*{TEMPORARY}"):
        path.unlink()


def remove(path: Path) -> None:
    """Take a file or a folder away, of a link the link and not what it leads to.

    Parameters
    ----------
    path : Path
    """
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def read_journal(folder: Path) -> tuple[list[dict[str, Any]], bytes]:
    """Read a run's records up to the first that is not whole.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    records : list of dict
        Numbered from 0 without a gap; their order is that of the numbers, whatever the clock did.
    sound : bytes
        The part of the file that they were read from.
    """
    records: list[dict[str, Any]] = []
    sound = b""
    try:
        lines = read_plain(folder / JOURNAL).splitlines(keepends=True)
    except OSError:
        return records, sound
    for line in lines:
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            break
        if not line.endswith(b"\n") or not isinstance(record, dict) or record.get("sequence") != len(records):
            break
        records.append(record)
        sound += line
    return records, sound


def without_formulas(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table for a CSV file: text that a spreadsheet would run is put behind an apostrophe.

    Parameters
    ----------
    frame : pandas.DataFrame
    """
    text = frame.select_dtypes(exclude=["number", "bool", "datetime"]).columns
    return frame.assign(**{name: frame[name].astype(object).map(without_formula) for name in text})


def _hashes(folder: Path) -> dict[str, str]:
    """Hash every file but the hashes themselves and what is cleared up last, see `leftovers`."""
    found: dict[str, str] = {}
    aside = (folder / HASHES, folder / LOCK)
    for path in sorted(folder.rglob("*")):
        if path in aside or folder / UNITS in (path, *path.parents):
            continue
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            found[path.relative_to(folder).as_posix()] = "no plain file"
        elif path.is_file():
            with path.open("rb") as handle:
                found[path.relative_to(folder).as_posix()] = hashlib.file_digest(handle, "sha256").hexdigest()
    return found


def leftovers(folder: Path) -> list[Path]:
    """List what a finished run should have cleared up: its lock and its units of work.

    Parameters
    ----------
    folder : Path
    """
    return [path for path in (folder / LOCK, folder / UNITS) if os.path.lexists(path)]


def start_run(runs_folder: Path, name: str, *, now: datetime, hashes: Mapping[str, str] | None = None) -> Run:
    """Create a run's folder, readable by its owner only, and lock it.

    Parameters
    ----------
    runs_folder : Path
        Made (0700) when missing.
    name : str
        The experiment's name.
    now : datetime
        Start of the run; the folder's name begins with it.
    hashes : mapping of str to str, optional
        Of all that the run depends on; another start goes on with it only where all are equal.

    Raises
    ------
    ResourceError
        TRN-04 or TRN-05 when the folder cannot be made.
    """
    if not NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not a name for a run")
    identifier = f"{now:%Y%m%dT%H%M%S}-{name}-{secrets.token_hex(3)}"
    folder = runs_folder / f"{identifier}{PARTIAL}"
    with disk_errors(folder, 0):
        runs_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700)
    run = Run(folder)
    run.record(
        "started", id=identifier, name=name, at=now.isoformat(), pid=os.getpid(), hashes=dict(hashes or {})
    )
    return run


def find_run(runs_folder: Path, id_prefix: str) -> Path:
    """Find one finished run by the beginning of its id, or of the six characters it ends with.

    Parameters
    ----------
    runs_folder : Path
    id_prefix : str
        Enough characters to be unique.

    Raises
    ------
    ConfigError
        RUN-01 when no finished run fits, RUN-02 when several do.
    """
    folders = sorted(path for path in runs_folder.glob("*-*") if (path / HASHES).is_file())
    finished = [path for path in folders if not path.name.endswith(PARTIAL)]
    found = [
        path for path in finished if path.name.startswith(id_prefix) or _ending(path).startswith(id_prefix)
    ]
    if len(found) == 1:
        return found[0]
    if not found:
        message, remedy = (
            f"no finished run begins with '{id_prefix}'",
            "List the folder for the runs there are",
        )
        raise ConfigError(Problem("RUN-01", message, remedy, file=str(runs_folder)))
    names = ", ".join(path.name for path in found[:5])
    message = f"{len(found)} runs begin with '{id_prefix}': {names}"
    raise ConfigError(Problem("RUN-02", message, "Write more of the id", file=str(runs_folder)))


def _ending(path: Path) -> str:
    return path.name.rpartition("-")[2]


def verify_run(folder: Path) -> tuple[Problem, ...]:
    """Compare a finished run's files with the hashes written when it finished.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    tuple of Problem
        Empty when every file is there and unchanged, none was added, and the run has cleared up after itself.
    """
    try:
        expected = dict(read_json(folder / HASHES))
    except (OSError, ValueError, TypeError):
        return (Problem("RUN-03", f"{HASHES} is missing or unreadable", "Train again", file=str(folder)),)
    found = _hashes(folder)
    changes = {
        "is missing": expected.keys() - found.keys(),
        "was added after the run": found.keys() - expected.keys() - ADDED_LATER,
        "was changed after the run": {
            name for name in expected.keys() & found.keys() if expected[name] != found[name]
        },
    }
    problems = [
        Problem(
            "RUN-04", f"the file {what}", "Restore it from a copy, or train again", file=str(folder / name)
        )
        for what, names in changes.items()
        for name in sorted(names)
    ]
    remedy = "Run `predictor runs repair`; the results are complete"
    left = [
        Problem("RUN-05", "the run ended before it had cleared up", remedy, file=str(path))
        for path in leftovers(folder)
    ]
    return (*problems, *left)
