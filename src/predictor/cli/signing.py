"""The command about who answers for a model: its signature and its clinical sign-off."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from predictor.cli.base import ModelPath, app, day_of, fail_usage, show

if TYPE_CHECKING:
    from predictor.sign_off import SignOff

__all__ = ["sign"]


@app.command()
def sign(
    model: ModelPath,
    key: Annotated[
        Path | None, typer.Option("--key", help="Private key, a PEM file that stays with you")
    ] = None,
    new_key: Annotated[bool, typer.Option("--new-key", help="Make the key first, in a new file")] = False,
    by: Annotated[
        str | None,
        typer.Option("--by", metavar="NAME, ROLE", help="Record the clinical sign-off of this person"),
    ] = None,
    evidence: Annotated[
        list[str] | None,
        typer.Option(
            "--evidence", metavar="FILE_OR_TEXT", help="What the sign-off rests on; give it once for each"
        ),
    ] = None,
    scope: Annotated[
        str | None, typer.Option("--scope", help="For which use (default: the model's title)")
    ] = None,
    statement: Annotated[
        str | None, typer.Option("--statement", help="What the person answers for, in their own words")
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option(
            "--until", formats=["%Y-%m-%d"], help="Last day of the sign-off (default: a year from now)"
        ),
    ] = None,
    demonstration: Annotated[
        bool,
        typer.Option("--demonstration", help="Nobody has approved it: every page and report will say so"),
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Put the sign-off in the place of an earlier one")
    ] = False,
    allow_host: Annotated[
        list[str] | None,
        typer.Option("--allow-host", help="Host that MLflow's records may be sent to by https"),
    ] = None,
) -> None:
    """Sign a model's folder for clinics whose policy names the key; with --by, record who answers for its use.

    The record says who, when, on what evidence, for what and until when; it is kept beside the model's manifest and,
    where MLflow knows the run, on the registered model. The service offers clinicians no model without one.
    """
    from predictor.api import model_folder
    from predictor.prediction_model import sign_prediction_model
    from predictor.signature import create_key
    from predictor.signing import approval_of, give_sign_off

    if key is None and by is None:
        fail_usage(
            "nothing says who signs", 'Give --key FILE for the folder, or --by "NAME, ROLE"', path="sign"
        )
    if by is None and (evidence or scope or statement or until or demonstration or replace):
        fail_usage("a sign-off is somebody's", 'Give --by "NAME, ROLE"', path="--by")
    folder = model_folder(model)
    approval = (
        None
        if by is None
        else approval_of(
            by,
            evidence or (),
            statement=statement or "",
            scope=scope or "",
            expires=day_of(until),
            demonstration=demonstration,
        )
    )
    if new_key and key is not None:
        show(f"Public key for the policy file: {create_key(key)}")
    if approval is None:
        assert key is not None
        sign_prediction_model(folder, key)
        show(f"Signed: {folder}")
        return
    given = give_sign_off(folder, approval, key=key, replace=replace, now=datetime.now(UTC))
    _show_sign_off(folder, given, signed=key is not None)
    _tell_registry(folder, given, allow_host or ())


def _show_sign_off(folder: Path, given: SignOff, *, signed: bool) -> None:
    kind = "Demonstration" if given.demonstration else "Clinical sign-off"
    show(f"{kind} by {given.by}, {given.role}, until {given.expires.isoformat()}: {folder}")
    if given.demonstration:
        show("Every page and report of it says DEMONSTRATION")
    elif not signed:
        show("Without --key it is a note that anybody could have written: the service asks for a signed one")


def _tell_registry(folder: Path, given: SignOff, allowed_hosts: list[str] | tuple[str, ...]) -> None:
    """Write it on the registered model too; the folder is what counts, so that a failure there is a notice."""
    from predictor.config.paths import project_root
    from predictor.errors import PredictorError
    from predictor.runs import tell_sign_off

    try:
        found = tell_sign_off(
            folder.parent, given, root=project_root(folder.resolve()), allowed_hosts=allowed_hosts
        )
    except PredictorError as error:
        show(f"MLflow was not told: {error}")
        return
    show(f"MLflow: {found}" if found else "MLflow was not told: no store knows this model's run")
