"""Which unfinished run a training goes on with: the one that was begun with the same config, data and software."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from predictor.errors import ConfigError, Problem, RefusedError
from predictor.locks import LockedError, holder
from predictor.run_store import PARTIAL, UNITS, Run, read_journal, start_run

__all__ = ["Opened", "Unfinished", "find_unfinished", "open_run", "unfinished_runs"]

WORDS = {
    "config": "the config",
    "dictionary": "the dictionary",
    "data": "the data",
    "software": "the software (this package or one that it needs)",
}
SHORT = 12  # characters of a hash that are shown


@dataclass(frozen=True)
class Unfinished:
    """A run that is being written, or was when its process ended.

    Parameters
    ----------
    folder : Path
    name : str
        Of the experiment; empty where the journal is damaged.
    started : datetime or None
    hashes : dict of str to str
        Of all that it depends on.
    units : int
        Finished units of work.
    """

    folder: Path
    name: str
    started: datetime | None
    hashes: Mapping[str, str]
    units: int

    @property
    def id(self) -> str:
        """Name of the folder without its suffix."""
        return self.folder.name.removesuffix(PARTIAL)

    @property
    def holder(self) -> int | None:
        """The process that writes it now, None where nobody does."""
        return holder(self.folder)


@dataclass(frozen=True)
class Opened:
    """A run to be written, new or gone on with.

    Parameters
    ----------
    run : Run
    started : datetime
        When it was begun; what it leaves behind carries this time, however often it was interrupted.
    notices : tuple of str
    """

    run: Run
    started: datetime
    notices: tuple[str, ...] = ()


def unfinished_runs(runs_folder: Path) -> list[Unfinished]:
    """List the unfinished runs of a folder by their names.

    Parameters
    ----------
    runs_folder : Path
    """
    found = sorted(runs_folder.glob(f"*{PARTIAL}"))
    return [_describe(folder) for folder in found if folder.is_dir() and not folder.is_symlink()]


def _describe(folder: Path) -> Unfinished:
    records, _ = read_journal(folder)
    first = records[0] if records and records[0].get("event") == "started" else {}
    started = None
    with suppress(KeyError, ValueError):
        started = datetime.fromisoformat(str(first["at"]))
    hashes = first.get("hashes")
    return Unfinished(
        folder=folder,
        name=str(first.get("name", "")) if started else "",
        started=started,
        hashes=hashes if isinstance(hashes, dict) else {},
        units=len(list((folder / UNITS).glob("*.unit"))),
    )


def find_unfinished(runs_folder: Path, id_prefix: str) -> Unfinished:
    """Find one unfinished run by the beginning of its id, or of the six characters it ends with.

    Parameters
    ----------
    runs_folder : Path
    id_prefix : str

    Raises
    ------
    ConfigError
        RUN-01 when none fits, RUN-02 when several do, RUN-06 when its journal is damaged.
    """
    found = [
        one
        for one in unfinished_runs(runs_folder)
        if one.id.startswith(id_prefix) or one.id.rpartition("-")[2].startswith(id_prefix)
    ]
    if len(found) == 1 and found[0].started is None:
        message, remedy = (
            "the journal of this run is damaged",
            "Start anew; `predictor runs repair` clears up",
        )
        raise ConfigError(Problem("RUN-06", message, remedy, file=str(found[0].folder)))
    if len(found) == 1:
        return found[0]
    message = f"{len(found) or 'no'} unfinished {'runs begin' if found else 'run begins'} with '{id_prefix}'"
    remedy = "Write more of the id" if found else "`predictor runs list` shows those there are"
    raise ConfigError(Problem("RUN-02" if found else "RUN-01", message, remedy, file=str(runs_folder)))


def open_run(
    runs_folder: Path, name: str, *, hashes: Mapping[str, str], now: datetime, resume: str | None = None
) -> Opened:
    """Go on with an unfinished run of equal hashes, or begin a new one.

    Parameters
    ----------
    runs_folder : Path
    name : str
        The experiment's name.
    hashes : mapping of str to str
        Of config, dictionary, data and software.
    now : datetime
        Start of a new run.
    resume : str or None
        Beginning of the id of the run to go on with; without it any of equal hashes, that with most finished units
        first.

    Raises
    ------
    ConfigError
        See `find_unfinished`.
    RefusedError
        TRN-18, with both hashes, where the run to be gone on with was begun with something else.
    ResourceError
        TRN-11 where another process writes it, TRN-04 or TRN-05 where it cannot be written.
    """
    if resume is not None:
        wanted = find_unfinished(runs_folder, resume)
        if wanted.holder is None:
            _require_equal(wanted, hashes)
        return _go_on(wanted, hashes)
    same = [one for one in unfinished_runs(runs_folder) if one.name == name and one.started is not None]
    notices = []
    for one in sorted(same, key=lambda one: (-one.units, one.id)):
        differing = _differing(one, hashes)
        if differing:
            notices.append(
                f"The unfinished run {one.id} was begun with other {' and '.join(differing)}: not used"
            )
            continue
        if one.holder is None:
            with suppress(FileNotFoundError, LockedError):  # it was finished, or another was faster
                return _go_on(one, hashes)
        notices.append(f"The unfinished run {one.id} is being written by another process: a new run begins")
    run = start_run(runs_folder, name, now=now, hashes=hashes)
    return Opened(run, now, tuple(notices))


def _go_on(one: Unfinished, hashes: Mapping[str, str]) -> Opened:
    assert one.started is not None
    run = Run(one.folder)
    run.record("resumed", units=one.units, hashes=dict(hashes))
    notice = f"Run {one.id} goes on: {one.units} finished units of work are there"
    return Opened(run, one.started, (notice,))


def _differing(one: Unfinished, hashes: Mapping[str, str]) -> list[str]:
    return [name for name, value in hashes.items() if one.hashes.get(name) != value]


def _require_equal(one: Unfinished, hashes: Mapping[str, str]) -> None:
    problems = []
    for name in _differing(one, hashes):
        then, now = (str(found.get(name, "none"))[:SHORT] for found in (one.hashes, hashes))
        message = f"{WORDS[name]} changed since the run was begun: its hash was {then} and is {now}"
        remedy = "Restore what it was begun with, or leave --resume out to begin a new run"
        problems.append(Problem("TRN-18", message, remedy, file=str(one.folder)))
    if problems:
        raise RefusedError(problems)
