"""Giving a model its clinical sign-off: what is checked before, what is written, and that nothing is overwritten.

A model's folder is never changed in place: its manifest and every file that the manifest lists stay as they were. The
record lies beside them under its own seal, a new one replaces an old one only when that is asked for, and names it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from predictor.durable import write_atomically
from predictor.errors import ConfigError, Problem, ResourceError
from predictor.model_folder import SIGN_OFF, SIGNATURE
from predictor.prediction_model import PredictionModel, load_prediction_model, sign_prediction_model
from predictor.sign_off import DEMONSTRATION, STATEMENT, Evidence, SignOff, sign_off_bytes
from predictor.signature import ModelPolicy, read_key

__all__ = ["Approval", "approval_of", "give_sign_off"]

DAYS = 365  # that a sign-off holds when nothing else is said: somebody has to look at the model again


@dataclass(frozen=True)
class Approval:
    """What somebody says who signs a model off.

    Parameters
    ----------
    by, role : str
    evidence : tuple of Evidence
    statement : str
    scope : str
        Empty: the model's title.
    expires : date or None
        Last day; by default a year from now, and never after the model's own time.
    demonstration : bool
    """

    by: str
    role: str
    evidence: tuple[Evidence, ...] = ()
    statement: str = STATEMENT
    scope: str = ""
    expires: date | None = None
    demonstration: bool = False


def approval_of(
    by: str,
    evidence: Sequence[str],
    *,
    statement: str = "",
    scope: str = "",
    expires: date | None = None,
    demonstration: bool = False,
) -> Approval:
    """Read what was written on the command line.

    Parameters
    ----------
    by : str
        "NAME, ROLE".
    evidence : sequence of str
        Each the path of a file, or a text of several words.
    statement, scope : str
    expires : date or None
    demonstration : bool

    Raises
    ------
    ConfigError
        CLI-01.
    """
    name, _, role = (part.strip() for part in by.partition(","))
    problems = []
    if not name or not role:
        remedy = 'Write for example --by "Dr A. Example, consultant psychiatrist"'
        problems.append(Problem("CLI-01", "a name and a role were expected", remedy, path="--by"))
    if not evidence and not demonstration:
        remedy = "Name the evaluation, protocol or minutes that were looked at: --evidence FILE_OR_TEXT"
        problems.append(Problem("CLI-01", "a sign-off rests on evidence", remedy, path="--evidence"))
    found = [_evidence(one) for one in evidence]
    problems += [one for one in found if isinstance(one, Problem)]
    if problems:
        raise ConfigError(problems)
    said = statement or (DEMONSTRATION if demonstration else STATEMENT)
    known = tuple(one for one in found if isinstance(one, Evidence))
    return Approval(name, role, known, said, scope, expires, demonstration)


def _evidence(given: str) -> Evidence | Problem:
    """Describe a file by its name and hash; a text is one of several words, so that a misspelt file is noticed."""
    path = Path(given)
    try:
        if path.is_file():
            return Evidence.of("file", path.name, path.read_bytes())
    except OSError:
        pass
    if len(given.split()) > 1:
        return Evidence.of("text", given.strip(), given.strip().encode())
    message = "there is no file of this name, and a text has several words"
    return Problem("CLI-01", message, "Name a file, or write a sentence", path="--evidence")


def give_sign_off(
    folder: Path, approval: Approval, *, key: Path | None, replace: bool = False, now: datetime
) -> SignOff:
    """Write a clinical sign-off beside the manifest of a model that passes every gate.

    Parameters
    ----------
    folder : Path
        Gets ``sign_off.json``, and with a key ``manifest.sig`` where it has none.
    approval : Approval
    key : Path or None
        Private key of whoever signs off. Without one, the record says who but proves it to nobody.
    replace : bool
        Put it in the place of an earlier one.
    now : datetime

    Returns
    -------
    SignOff
        As the folder now says, under no policy.

    Raises
    ------
    ConfigError
        CLI-01, for what no record can hold or a day after the model's own time.
    ModelError
        A gate that the folder does not pass, or ART-08 when the key cannot be read.
    ResourceError
        ART-23 where there is one already; TRN-04 or TRN-05 when it cannot be written; ENV-02 without the package
        ``cryptography``.
    """
    private = None if key is None else read_key(key)
    model = load_prediction_model(folder, policy=ModelPolicy())
    _ = model.estimator  # what cannot be built must not be answered for
    path = folder / SIGN_OFF
    if model.sign_off is not None and not replace:
        remedy = "Give --replace to put a new one in its place; the new one names the old"
        raise ResourceError(
            Problem("ART-23", "the model has a clinical sign-off already", remedy, file=str(path))
        )
    try:
        data = sign_off_bytes(_record(model, approval, now), private)
    except ValueError as error:
        raise ConfigError(
            Problem("CLI-01", f"this cannot be recorded: {error}", "Write it shorter")
        ) from error
    if key is not None and not (folder / SIGNATURE).exists():
        sign_prediction_model(folder, key)
    write_atomically(path, data)
    found = load_prediction_model(folder, policy=ModelPolicy()).sign_off
    assert found is not None
    return found


def _record(model: PredictionModel, approval: Approval, now: datetime) -> SignOff:
    own = date.fromisoformat(str(model.card["valid_until"]))
    today = now.astimezone(UTC).date()
    expires = approval.expires or min(own, today + timedelta(days=DAYS))
    if not today <= expires <= own:
        message = f"a sign-off holds from today to {own.isoformat()} at most, when the model's time is over"
        raise ConfigError(Problem("CLI-01", message, "Write an earlier day", path="--until"))
    return SignOff(
        by=approval.by,
        role=approval.role,
        signed=now,
        expires=expires,
        statement=approval.statement,
        scope=approval.scope or str(model.card.get("title") or model.card["name"])[:300],
        evidence=approval.evidence,
        demonstration=approval.demonstration,
        manifest_sha256=str(model.manifest["sha256"]),
        replaces="" if model.sign_off is None else model.sign_off.sha256,
    )
