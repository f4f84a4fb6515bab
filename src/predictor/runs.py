"""Every run of a folder: what it is, whether it is whole, and mending what an interruption has left."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from predictor.durable import read_json
from predictor.errors import PredictorError, Problem, ResourceError
from predictor.locks import folder_held, holder
from predictor.log_items import Item, items_from
from predictor.resuming import unfinished_runs
from predictor.run_store import NAME, PARTIAL, TRACKING, leftovers, read_journal, remove, verify_run
from predictor.sign_off import SignOff
from predictor.tracking import EMBEDDED, TrackingRecord, check_uri, reap_orphans, send, tag_version

__all__ = [
    "Repaired",
    "RunState",
    "finished_runs",
    "list_runs",
    "repair_runs",
    "send_run",
    "tell_sign_off",
    "verify_runs",
]


LONGEST_TAG = 4000  # characters that the registry keeps


@dataclass(frozen=True)
class RunState:
    """One run of a folder.

    Parameters
    ----------
    id : str
    name : str
        Of the experiment.
    state : {"finished", "unfinished", "running"}
        *Unfinished*: its process ended; `predictor train` goes on with it.
    verdict : str
        Label of the verdict, empty before there is one.
    units : int
        Finished units of work of a run that is not finished.
    pid : int or None
        The process that writes it.
    """

    id: str
    name: str
    state: str
    verdict: str = ""
    units: int = 0
    pid: int | None = None


@dataclass
class Repaired:
    """What was mended.

    Parameters
    ----------
    sent : list of str
        Runs that MLflow did not have, or not completely.
    closed : int
        MLflow runs of dead processes that stood open.
    cleared : list of str
        Runs whose last clearing up was made.
    removed : list of str
        Unfinished runs that were removed, since this was asked for.
    problems : list of Problem
        What could not be mended.
    """

    sent: list[str] = field(default_factory=list)
    closed: int = 0
    cleared: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def list_runs(runs_folder: Path) -> list[RunState]:
    """List the runs of a folder, the oldest name first.

    Parameters
    ----------
    runs_folder : Path
    """
    found = [_finished(folder) for folder in finished_runs(runs_folder)]
    for one in unfinished_runs(runs_folder):
        pid = one.holder
        state = "unfinished" if pid is None else "running"
        found.append(RunState(one.id, one.name, state, units=one.units, pid=pid or None))
    return sorted(found, key=lambda one: one.id)


def finished_runs(runs_folder: Path) -> list[Path]:
    """List the folders of finished runs by their names.

    Parameters
    ----------
    runs_folder : Path
    """
    folders = sorted(
        path for path in runs_folder.glob("*-*") if not path.is_symlink() and read_journal(path)[0]
    )
    return [path for path in folders if not path.name.endswith(PARTIAL)]


def _finished(folder: Path) -> RunState:
    records, _ = read_journal(folder)
    verdict = ""
    with suppress(OSError, ValueError, KeyError, TypeError):
        verdict = str(read_json(folder / "verdict.json")["label"])
    return RunState(folder.name, str(records[0].get("name", "")), "finished", verdict)


def verify_runs(folders: Sequence[Path]) -> dict[str, tuple[Problem, ...]]:
    """Compare finished runs with their hashes.

    Parameters
    ----------
    folders : sequence of Path

    Returns
    -------
    dict of str to tuple of Problem
        By id; without a problem where a run is as it was when it finished.
    """
    return {folder.name: verify_run(folder) for folder in folders}


def send_run(folder: Path, *, root: Path, allowed_hosts: Sequence[str] = ()) -> TrackingRecord:
    """Tell tracking of a finished run what the run's own folder says; nothing where it is there already.

    Parameters
    ----------
    folder : Path
    root : Path
        The project; the embedded store lies below it.
    allowed_hosts : sequence of str
        Hosts https may go to. What the folder says does not count here.

    Raises
    ------
    ConfigError
        TRK-01.
    ResourceError
        TRK-02, TRN-11 while another process is sending it, or RUN-04 where the folder is not as it was written.
    """
    told = _told(folder)
    with folder_held(folder):
        return send(
            told.items,
            uri=told.uri,
            experiment=told.experiment,
            root=root,
            run_name=folder.name,
            allowed_hosts=allowed_hosts,
            once=True,
        )


def tell_sign_off(
    folder: Path, sign_off: SignOff, *, root: Path, allowed_hosts: Sequence[str] = ()
) -> str | None:
    """Write a clinical sign-off on the run's registered model: who, when, until when, on what, and the record's hash.

    Parameters
    ----------
    folder : Path
        A finished run.
    sign_off : SignOff
    root, allowed_hosts
        See `send_run`.

    Returns
    -------
    str or None
        ``NAME version N``; None where no store knows the run.

    Raises
    ------
    ConfigError, ResourceError
        As `send_run`.
    """
    if not (folder / TRACKING).exists():
        return None
    told = _told(folder)
    evidence = "; ".join(f"{one.reference} (sha256 {one.sha256})" for one in sign_off.evidence)
    tags = {
        "by": f"{sign_off.by}, {sign_off.role}",
        "signed_utc": sign_off.signed.isoformat(),
        "expires": sign_off.expires.isoformat(),
        "scope": sign_off.scope,
        "statement": sign_off.statement,
        "evidence": evidence[:LONGEST_TAG],
        "demonstration": str(sign_off.demonstration).lower(),
        "sha256": sign_off.sha256,
    }
    return tag_version(
        {f"sign_off.{name}": value for name, value in tags.items() if value},
        alias="demonstration" if sign_off.demonstration else "clinical",
        uri=told.uri,
        experiment=told.experiment,
        root=root,
        run_name=folder.name,
        allowed_hosts=allowed_hosts,
    )


@dataclass(frozen=True)
class _Told:
    uri: str
    experiment: str
    items: list[Item]


def _told(folder: Path) -> _Told:
    """Read what tracking is to be told; a folder that somebody else made may say anything here."""
    path = folder / TRACKING
    try:
        told = read_json(path)
        return _Told(str(told["uri"]), _name(told["experiment"]), items_from(told["items"], folder))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        message = "what tracking is to be told is not what a training writes"
        raise ResourceError(
            Problem("RUN-04", message, "Restore it from a copy, or train again", file=str(path))
        ) from error


def _name(text: object) -> str:
    """Return the experiment's name, which becomes part of a path, if it is one."""
    if not NAME.fullmatch(str(text)):
        raise ValueError("no name of an experiment")
    return str(text)


def repair_runs(
    runs_folder: Path, *, root: Path, allowed_hosts: Sequence[str] = (), remove_unfinished: bool = False
) -> Repaired:
    """Mend what interruptions have left: in the folders of finished runs, and in MLflow.

    Parameters
    ----------
    runs_folder, root, allowed_hosts
        See `send_run`.
    remove_unfinished : bool
        Whether unfinished runs that nobody writes are removed; without it they stay, to be gone on with.
    """
    done = Repaired()
    uris: dict[str, None] = {}
    for folder in finished_runs(runs_folder):
        if leftovers(folder) and holder(folder) is None:
            _clear_up(folder)
            done.cleared.append(folder.name)
        problems = verify_run(folder)
        done.problems += problems
        if not problems and (folder / TRACKING).exists():
            with _noting(done):
                uri = _told(folder).uri
                check_uri(uri, allowed_hosts)
                uris[uri] = None
    for uri in uris or {EMBEDDED: None}:
        if uri != EMBEDDED or (root / "experiments" / "runs" / "mlflow.db").exists():
            with _noting(done):
                done.closed += reap_orphans(uri, root, allowed_hosts)
    _send_missing(runs_folder, root, allowed_hosts, done)
    if remove_unfinished:
        _remove_unfinished(runs_folder, done)
    return done


def _send_missing(runs_folder: Path, root: Path, allowed_hosts: Sequence[str], done: Repaired) -> None:
    damaged = {Path(problem.file) for problem in done.problems}
    for folder in finished_runs(runs_folder):
        if (folder / TRACKING).exists() and not any(folder in (p, *p.parents) for p in damaged):
            with _noting(done):
                if not send_run(folder, root=root, allowed_hosts=allowed_hosts).found:
                    done.sent.append(folder.name)


def _clear_up(folder: Path) -> None:
    for path in leftovers(folder):
        remove(path)


def _remove_unfinished(runs_folder: Path, done: Repaired) -> None:
    for one in unfinished_runs(runs_folder):
        if one.holder is None:
            remove(one.folder)
            done.removed.append(one.id)


@contextmanager
def _noting(done: Repaired) -> Iterator[None]:
    """Go on with the rest where one cannot be mended, and say each thing once."""
    try:
        yield
    except PredictorError as error:
        done.problems += [one for one in error.problems if one not in done.problems]
