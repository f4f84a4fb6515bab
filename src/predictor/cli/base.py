"""What all commands share: the application, the arguments that several of them take, and how they speak."""

from __future__ import annotations

import json
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from predictor.errors import ConfigError, Problem, visible

__all__ = [
    "AsOf",
    "ConfigFile",
    "DataFolder",
    "Json",
    "ModelPath",
    "Patients",
    "RunsFolder",
    "Set",
    "app",
    "day_of",
    "fail_usage",
    "must_be_new",
    "rows_of",
    "show",
]

app = typer.Typer(
    name="predictor",
    help="Predict how an individual patient will respond to a treatment, and say when that cannot be told.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
)

LONGEST_ROW_NUMBER = 7  # digits; a data file has at most a million rows

Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="Change one value of the config: --set validation.outer.n_repeats=5"),
]
DataFolder = Annotated[
    Path | None, typer.Option("--data-folder", help="Folder of the data files, also outside the project")
]
RunsFolder = Annotated[
    Path | None, typer.Option("--runs-folder", help="Where runs are kept (default: experiments/runs)")
]
Json = Annotated[bool, typer.Option("--json", help="Answer in JSON, for a machine")]
AsOf = Annotated[
    datetime | None,
    typer.Option(
        "--as-of",
        formats=["%Y-%m-%d"],
        help="PATIENTS is an export, read as of this date (day 0, or the last day on which a decision may have come)",
    ),
]
ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG", help="The experiment's YAML file")]
ModelPath = Annotated[
    str, typer.Argument(metavar="MODEL", help="Model folder, run folder, or the beginning of a run's id")
]
Patients = Annotated[
    Path,
    typer.Argument(
        metavar="PATIENTS", help="One row per patient (see predict --template), or an export with --as-of"
    ),
]


def _tell_version(asked: bool) -> None:
    if asked:
        from predictor.provenance import software_version

        show(f"predictor {software_version()}")
        raise typer.Exit


@app.callback()
def before_any_command(
    _version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and stop", callback=_tell_version, is_eager=True),
    ] = False,
) -> None:
    """Take what stands before a command."""


def show(answer: str | dict[str, Any]) -> None:
    """Print an answer: text as it is, data as JSON, and nothing in it that a terminal would obey."""
    text = answer if isinstance(answer, str) else json.dumps(answer, indent=2, ensure_ascii=False)
    print(visible(text, keep="\n\t"), flush=True)


def fail_usage(message: str, remedy: str, *, path: str = "", code: str = "CLI-01") -> NoReturn:
    """Stop: the command line asks for something impossible.

    Raises
    ------
    ConfigError
        ``code``.
    """
    raise ConfigError(Problem(code, message, remedy, path=path))


def must_be_new(target: Path, source: Path | None) -> None:
    """Refuse to write over what is read.

    Raises
    ------
    ConfigError
        CFG-10.
    """
    if source is not None and target.exists() and source.exists() and target.samefile(source):
        fail_usage("the output is the input file", "Write to another file", path=str(target), code="CFG-10")


def day_of(moment: datetime | None) -> date | None:
    """Return the day of an option that typer reads as a time."""
    return moment.date() if moment else None


def rows_of(text: str | None) -> list[int] | None:
    """Read rows and ranges of rows, ``1-3,7``; None means all.

    Raises
    ------
    ConfigError
        CLI-01.
    """
    if text is None:
        return None
    found: list[int] = []
    for part in text.split(","):
        first, dash, last = (piece.strip() for piece in part.partition("-"))
        ends = (first, last if dash else first)
        if not all(end.isascii() and end.isdigit() and len(end) <= LONGEST_ROW_NUMBER for end in ends):
            fail_usage("rows are numbers and ranges", "Write for example 1-3,7", path="--rows")
        found += range(int(ends[0]), int(ends[1]) + 1)
    return found
