"""Commands about run folders."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from predictor.cli.base import (
    Json,
    RunsFolder,
    app,
    show,
)

__all__ = ["list_all", "repair", "verify"]


runs_app = typer.Typer(
    help="List the runs, compare them with their hashes, or mend what an interruption has left.",
    rich_markup_mode=None,
    no_args_is_help=True,
)
app.add_typer(runs_app, name="runs")


@runs_app.command("list")
def list_all(runs_folder: RunsFolder = None, as_json: Json = False) -> None:
    """Say which runs there are, finished, unfinished or being written, and their verdicts."""
    from predictor.runs import list_runs

    states = list_runs(_runs(runs_folder))
    if as_json:
        show({"runs": [vars(one) for one in states]})
        return
    for one in states:
        more = one.verdict or f"{one.units} finished units of work"
        more += f", written by process {one.pid}" if one.pid else ""
        show(f"{one.id}  {one.name}  {one.state}  {more}")
    if not states:
        show(f"No run in {_runs(runs_folder)}")


@runs_app.command()
def verify(
    run: Annotated[
        str | None,
        typer.Argument(metavar="[RUN]", help="Beginning of a run's id (default: all finished runs)"),
    ] = None,
    runs_folder: RunsFolder = None,
    as_json: Json = False,
) -> None:
    """Compare finished runs with the hashes that were written when they finished."""
    from predictor.errors import ModelError
    from predictor.run_store import find_run
    from predictor.runs import finished_runs, verify_runs

    folder = _runs(runs_folder)
    found = verify_runs([find_run(folder, run)] if run else finished_runs(folder))
    problems = [problem for several in found.values() for problem in several]
    if problems:
        raise ModelError(problems)
    show({"verified": list(found)} if as_json else f"{len(found)} finished runs are as they were written")


@runs_app.command()
def repair(
    runs_folder: RunsFolder = None,
    root: Annotated[Path, typer.Option("--project", help="Project folder")] = Path(),
    allow_host: Annotated[
        list[str] | None, typer.Option("--allow-host", help="Host that records may be sent to by https")
    ] = None,
    remove_unfinished: Annotated[
        bool, typer.Option("--remove-unfinished", help="Also remove unfinished runs that nobody writes")
    ] = False,
    as_json: Json = False,
) -> None:
    """Clear up after interruptions: close MLflow's orphans, send what it lacks, take leftovers away."""
    from predictor.errors import ResourceError
    from predictor.runs import repair_runs

    done = repair_runs(
        _runs(runs_folder, root),
        root=root.resolve(),
        allowed_hosts=allow_host or (),
        remove_unfinished=remove_unfinished,
    )
    record = {key: value for key, value in vars(done).items() if key != "problems"}
    if done.problems and as_json:
        raise ResourceError(done.problems)
    lines = [
        f"{name}: {', '.join(value) if isinstance(value, list) else value}" for name, value in record.items()
    ]
    show(record if as_json else "\n".join(lines))
    if done.problems:
        raise ResourceError(done.problems)


def _runs(runs_folder: Path | None, root: Path = Path()) -> Path:
    return runs_folder or root / "experiments" / "runs"
