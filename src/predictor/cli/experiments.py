"""Commands about an experiment: what its data are, what it shows, and where a new one begins."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from predictor.cli.base import (
    ConfigFile,
    DataFolder,
    Json,
    RunsFolder,
    Set,
    app,
    fail_usage,
    show,
)
from predictor.errors import RefusedError

if TYPE_CHECKING:
    from predictor.drafting.drafting import Draft

__all__ = ["check", "describe", "init", "simulate", "train", "ui"]


@app.command()
def check(
    config: ConfigFile, overrides: Set = None, data_folder: DataFolder = None, as_json: Json = False
) -> None:
    """Read config, dictionary and data and print every problem; nothing is fitted."""
    from predictor import terminal
    from predictor.checking import check as run_check
    from predictor.config.loading import load_config

    report = run_check(load_config(config, overrides=overrides or (), data_folder=data_folder))
    show(terminal.check_record(report) if as_json else terminal.check_text(report))
    if report.problems:
        raise typer.Exit(RefusedError.exit_code)


@app.command()
def describe(
    config: ConfigFile,
    overrides: Set = None,
    data_folder: DataFolder = None,
    out: Annotated[Path, typer.Option("--out", help="New or empty folder for tables and page")] = Path(
        "data_quality"
    ),
    as_json: Json = False,
) -> None:
    """Describe the data: columns against what is expected, missingness, duplicates, timeline; nothing is fitted."""
    from predictor import quality_page
    from predictor.api import describe as describe_data
    from predictor.config.loading import load_config

    found = describe_data(load_config(config, overrides=overrides or (), data_folder=data_folder), out)
    if as_json:
        show({"folder": str(out)} | quality_page.quality_record(found))
    else:
        show(f"{quality_page.quality_text(found)}\n\nTables and page  {out}")


@app.command()
def train(
    config: ConfigFile,
    overrides: Set = None,
    data_folder: DataFolder = None,
    runs_folder: RunsFolder = None,
    workers: Annotated[
        int, typer.Option("--workers", min=0, help="Processes; 0: as the config says, else every core")
    ] = 0,
    resume: Annotated[
        str | None,
        typer.Option(
            "--resume",
            metavar="RUN",
            help="Go on with this unfinished run, or say why not (default: with any of equal hashes)",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Run the whole protocol and end with the verdict and the paths of the reports.

    Started again after an interruption it goes on where it was. SIGTERM, or Ctrl-C, stops it after the unit of work
    that is being done; twice, at once.
    """
    from predictor import terminal
    from predictor.config.loading import load_config
    from predictor.experiment import train as run_train
    from predictor.progress import ProgressBars
    from predictor.stopping import stop_on_signals

    loaded = load_config(config, overrides=overrides or (), data_folder=data_folder)
    processes = workers or loaded.config.execution.workers or os.cpu_count() or 1
    with stop_on_signals() as stop, ProgressBars() as bars:
        training = run_train(
            loaded,
            runs_folder=runs_folder,
            workers=processes,
            progress=bars.show,
            resume=resume,
            stop=stop,
        )
    show(terminal.training_record(training) if as_json else terminal.training_text(training))


@app.command()
def init(
    export: Annotated[
        Path, typer.Argument(metavar="EXPORT", help="A file or a folder of files; or REDCap's raw export")
    ],
    redcap_dictionary: Annotated[
        Path | None,
        typer.Option(
            "--redcap-dictionary", help="Of REDCap: the project's data dictionary, beside the export"
        ),
    ] = None,
    redcap_events: Annotated[
        Path | None, typer.Option("--redcap-events", help="Its events, beside the export, if it has any")
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="New file; the config is drafted beside it")] = Path(
        "dictionary.yaml"
    ),
) -> None:
    """Draft a dictionary and a config from an export; every guess is marked CONFIRM, and training waits for you."""
    if redcap_dictionary is None:
        _draft_export(export, out)
    else:
        _draft_redcap(export, redcap_dictionary, redcap_events, out)


def _draft_redcap(export: Path, dictionary: Path, events: Path | None, out: Path) -> None:
    from predictor.answers import WATERMARK
    from predictor.drafting.redcap import draft_redcap, write_draft

    config = _new_config(out)
    draft = draft_redcap(export, dictionary, events, dictionary_name=out.name)
    write_draft(draft.dictionary, out)
    write_draft(draft.config, config)
    lines = [WATERMARK] if draft.simulated else []
    show("\n".join([*lines, *_drafted(out, config, draft)]))


def _new_config(out: Path) -> Path:
    """Return the place of the drafted config beside the dictionary; nothing that somebody confirmed is overwritten."""
    config = out.with_name("config.yaml")
    if config.exists():
        fail_usage(
            "a config lies there already",
            "Name a file in another folder with --out",
            path=str(config),
            code="CFG-10",
        )
    return config


def _drafted(out: Path, config: Path, draft: Draft) -> list[str]:
    return [
        f"{out} and {config}: drafts of {', '.join(draft.tables)}",
        f"{draft.marks} lines are marked CONFIRM and wait for you; `predictor check {config}` lists them",
    ]


def _draft_export(export: Path, out: Path) -> None:
    from predictor.answers import WATERMARK
    from predictor.drafting.drafting import draft_export
    from predictor.drafting.redcap import write_draft

    config = _new_config(out)
    draft = draft_export(export, beside=out.parent)
    write_draft(draft.dictionary, out)
    write_draft(draft.config.replace("dictionary: dictionary.yaml", f"dictionary: {out.name}"), config)
    lines = [WATERMARK] if draft.simulated else []
    again = [
        f"{file} looks like an export of REDCap: drafted again with `--redcap-dictionary {found or 'FILE'}` it has "
        "types, codes and labels"
        for file, found in draft.redcap
    ]
    show("\n".join([*lines, *_drafted(out, config, draft), *again]))


@app.command()
def simulate(
    patients: Annotated[int, typer.Option("--patients", min=1)] = 800,
    seed: Annotated[int, typer.Option("--seed", min=0)] = 0,
    out: Annotated[Path, typer.Option("--out", help="New or empty folder")] = Path("data/simulated"),
    as_json: Json = False,
) -> None:
    """Write the SIMULATED ketamine cohort as a clinic's export, with the true probabilities in a file of their own."""
    from predictor.api import simulate as write_simulation

    folder = write_simulation(out, patients=patients, seed=seed)
    text = f"SIMULATED export of {patients} patients in {folder}; the truth is in {folder / 'truth.csv'}"
    show({"folder": str(folder), "simulated": True, "patients": patients, "seed": seed} if as_json else text)


@app.command()
def ui(
    port: Annotated[int, typer.Option("--port", min=1024, max=65535)] = 5000,
    root: Annotated[Path, typer.Option("--project", help="Project folder")] = Path(),
) -> None:
    """Open MLflow's pages for the project's own store, on this machine only."""
    from predictor.tracking import embedded_uri, ui_command

    argv, environment = ui_command(embedded_uri(root), port)
    show(f"MLflow at http://localhost:{port} (stop with Ctrl-C)")
    os.execve(argv[0], argv, environment)
