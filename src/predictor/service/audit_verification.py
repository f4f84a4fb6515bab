"""Reading an audit log from its first line to its last, also while a service goes on writing it.

A service writes a line and then the head. Whoever reads in between sees a line that the head does not know, or half of
one, as after a kill; only that the head follows within a moment tells the one from the other. The log's lock would tell
too, but a reader that holds it, for however short, can keep a service from starting.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from predictor.errors import Problem
from predictor.service.audit_chain import (
    FIRST,
    HEAD,
    End,
    Rest,
    entry_of,
    hash_of,
    lines_of,
    read_head,
    rest_of_a_kill,
)

__all__ = ["verify_audit"]

PATIENCE = 5.0  # seconds; what a disk that is busy takes to write a small file
LOOK_AGAIN = 0.02


@dataclass(frozen=True)
class _Chain:
    """What was read: the end of the whole lines, and whether another one had begun behind them."""

    end: End
    begun: bool
    problems: tuple[Problem, ...]


def verify_audit(folder: Path, *, patience: float = PATIENCE) -> tuple[int, list[Problem]]:
    """Read the chain from its first line to its last.

    Parameters
    ----------
    folder : Path
    patience : float
        Seconds that the head may take to follow the last line, before it counts as the rest of a kill.

    Returns
    -------
    lines : int
        Those that were there when it was read.
    problems : list of Problem
        AUD-03, each with file and line: what was changed, taken out or added by another hand.
    """
    chain = _read_chain(folder, read_head(folder))  # in this order: what the head knows of is there by then
    lines = chain.end.lines
    if chain.problems:
        return lines, list(chain.problems)
    now = _head_behind(folder, chain, patience)
    if now.lines > lines or (now == chain.end and not chain.begun):
        return lines, []  # it has gone on, or ends here
    rest = rest_of_a_kill(folder, now)
    if rest is not None:
        return lines, [_unfinished(rest)]
    if patience:
        return verify_audit(folder, patience=0.0)  # the line may have been taken back: the disk was full
    return lines, [_mismatch(folder, chain.end, now)]


def _read_chain(folder: Path, known: End) -> _Chain:
    """Read every line; where the head knows of no more, a last one may have only begun."""
    count, previous, at_known = 0, FIRST, FIRST
    torn: tuple[Path, int] | None = None
    problems: list[Problem] = []
    for path, number, line in lines_of(folder):
        if torn is not None:  # not the last one after all
            problems.append(_broken("the line is not as it was written", *torn))
        torn = (path, number) if count >= known.lines and not line.endswith("\n") else None
        if torn is not None:
            continue
        count += 1
        entry = entry_of(line)
        if entry is None or entry.get("hash") != hash_of(entry):
            problems.append(_broken("the line is not as it was written", path, number))
        elif entry["previous"] != previous:
            problems.append(_broken("a line before this one is missing or was changed", path, number))
        previous = entry.get("hash", previous) if entry else previous
        if count == known.lines:
            at_known = previous
    end = End(count, previous)
    if not problems and (count < known.lines or at_known != known.hash):
        problems.append(_mismatch(folder, end, known))
    return _Chain(end, torn is not None, tuple(problems))


def _head_behind(folder: Path, chain: _Chain, patience: float) -> End:
    """Return the head, once it knows of the last line if it is the next one that it will know of."""
    missing = chain.end.lines if chain.begun else chain.end.lines - 1
    until = time.monotonic() + patience
    while (now := read_head(folder)).lines == missing and time.monotonic() < until:
        time.sleep(LOOK_AGAIN)
    return now


def _unfinished(rest: Rest) -> Problem:
    message = f"{rest.told}: the service was killed while it wrote, or another hand did"
    remedy = "Start the service, which goes on there and says so in its log; where it had not died, keep this folder"
    return Problem("AUD-03", message, remedy, file=str(rest.path))


def _mismatch(folder: Path, end: End, known: End) -> Problem:
    return _broken(f"the log has {end.lines} lines and {HEAD} remembers {known.lines}", folder / HEAD, None)


def _broken(message: str, path: Path, line: int | None) -> Problem:
    remedy = "Compare with a copy of the log; say who could write here, and keep this folder as it is"
    return Problem("AUD-03", message, remedy, file=str(path), line=line)
