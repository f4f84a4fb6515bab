"""The command line: arguments to one function call each, errors as lines, and the exit code."""

from __future__ import annotations

import json
import os
import sys
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

import typer

from predictor.errors import PredictorError, Problem, RefusedError, visible
from predictor.stopping import Stopped

if TYPE_CHECKING:
    from predictor.execution import Execution

__all__ = ["app", "main"]

app = typer.Typer(
    name="predictor",
    help="Predict how an individual patient will respond to a treatment, and say when that cannot be told.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
)

runs_app = typer.Typer(
    help="List the runs, compare them with their hashes, or mend what an interruption has left.",
    rich_markup_mode=None,
    no_args_is_help=True,
)
app.add_typer(runs_app, name="runs")
audit_app = typer.Typer(help="The audit log of a service.", rich_markup_mode=None, no_args_is_help=True)
app.add_typer(audit_app, name="audit")

MOST_WITH_RANGE = 20_000
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
        "--as-of", formats=["%Y-%m-%d"], help="PATIENTS is an export; this date is everybody's day 0"
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


@app.command()
def check(
    config: ConfigFile, overrides: Set = None, data_folder: DataFolder = None, as_json: Json = False
) -> None:
    """Read config, dictionary and data and print every problem; nothing is fitted."""
    from predictor import terminal
    from predictor.checking import check as run_check
    from predictor.config.loading import load_config

    report = run_check(load_config(config, overrides=overrides or (), data_folder=data_folder))
    _print(terminal.check_record(report) if as_json else terminal.check_text(report))
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
        _print({"folder": str(out)} | quality_page.quality_record(found))
    else:
        _print(f"{quality_page.quality_text(found)}\n\nTables and page  {out}")


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
    _print(terminal.training_record(training) if as_json else terminal.training_text(training))


@app.command()
def predict(
    model: ModelPath,
    patients: Annotated[
        Path | None,
        typer.Argument(
            metavar="[PATIENTS]", help="CSV or Parquet, one row per patient; or, with --as-of, an export"
        ),
    ] = None,
    as_of: AsOf = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write the answers to this file; Parquet for Parquet")
    ] = None,
    template: Annotated[
        Path | None, typer.Option("--template", help="Write an empty table for PATIENTS and stop")
    ] = None,
    ranges: Annotated[
        bool | None,
        typer.Option(
            "--range/--no-range",
            help="Give the range over refits, at 200 times the cost (default: for up to 20,000 patients)",
        ),
    ] = None,
    contributions: Annotated[
        Path | None,
        typer.Option(
            "--contributions", help="Of a Parquet file: also write what moved each estimate to this one"
        ),
    ] = None,
    workers: Annotated[
        int, typer.Option("--workers", min=1, help="Of a Parquet file: processes of this machine")
    ] = 1,
    cluster: Annotated[
        str | None,
        typer.Option(
            "--cluster",
            metavar="ADDRESS",
            help="Of a Parquet file: scheduler of a dask cluster that sees the same folders, tcp://127.0.0.1:8786",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Predict new patients: one answer per row, an estimate or the reason why there is none."""
    from predictor.api import model_folder

    folder = model_folder(model)
    if template is not None:
        _write_template(folder, template, model)
    elif patients is None:
        _fail_usage("PATIENTS is missing", "Give a file, or --template FILE to get an empty one")
    elif patients.suffix.lower() == ".parquet" and as_of is not None:
        _fail_usage(
            "an export is not a Parquet file", "Leave --as-of out, or give the export", path="--as-of"
        )
    elif patients.suffix.lower() == ".parquet":
        execution = _where(workers, cluster)
        _score_parquet(
            folder, patients, out, contributions, ranges=ranges, execution=execution, as_json=as_json
        )
    elif cluster is not None:
        _fail_usage("a cluster is for a Parquet file", "Leave --cluster out", path="--cluster")
    elif contributions is not None:
        _fail_usage(
            "contributions are written of a Parquet file",
            "Use report for single patients",
            path="--contributions",
        )
    else:
        _predict_table(folder, patients, _day(as_of), out, ranges=ranges, as_json=as_json)


def _write_template(folder: Path, template: Path, model: str) -> None:
    from predictor.api import write_table
    from predictor.prediction.reading import template as empty_table
    from predictor.prediction_model import load_prediction_model

    loaded = load_prediction_model(folder)
    if template.exists():
        _fail_usage("the file exists already", "Name a new one", path=str(template), code="CFG-10")
    write_table(empty_table(loaded), template)
    _print(f"Fill in {template}, one row per patient, then: predictor predict {model} {template}")


def _predict_table(
    folder: Path, patients: Path, as_of: date | None, out: Path | None, *, ranges: bool | None, as_json: bool
) -> None:
    from predictor import answers
    from predictor.api import read_new_patients, write_text
    from predictor.prediction import as_records, predict_patients
    from predictor.prediction.predicting import COLUMNS
    from predictor.prediction_model import load_prediction_model

    loaded = load_prediction_model(folder)
    if out is not None:
        _must_be_new(out, patients)
    rows = read_new_patients(loaded, patients, as_of=as_of)
    wanted = len(rows) <= MOST_WITH_RANGE if ranges is None else ranges
    found = predict_patients(loaded, rows, explain=False, ranges=wanted)
    records = as_records(found)
    if out is not None:
        write_text(answers.answers_csv(records, COLUMNS), out)
    if as_json:
        _print(answers.answers_record(records, loaded.card))
    else:
        _print(answers.answers_text(records, loaded.card, out=out))
        if ranges is None and not wanted:
            _print(f"More than {MOST_WITH_RANGE:,} patients: without the range over refits; --range gives it")
    if found and not any(one.readable for one in found):
        raise typer.Exit(3)


def _where(workers: int, cluster: str | None) -> Execution:
    from predictor.errors import ConfigError
    from predictor.execution import Execution, address_problem

    problem = address_problem(cluster, path="--cluster") if cluster is not None else None
    if problem is not None:
        raise ConfigError(problem)
    return Execution("local" if cluster is None else "dask", workers=workers, address=cluster)


def _score_parquet(
    folder: Path,
    patients: Path,
    out: Path | None,
    contributions: Path | None,
    *,
    ranges: bool | None,
    execution: Execution,
    as_json: bool,
) -> None:
    from predictor import answers
    from predictor.progress import ProgressBars
    from predictor.scoring import score_file

    if out is None or out.suffix.lower() != ".parquet":
        _fail_usage(
            "the answers to a Parquet file are another one", "Name it: --out FILE.parquet", path="--out"
        )
    for target in (out, contributions):
        if target is not None:
            _must_be_new(target, patients)
    with ProgressBars() as bars:
        scored = score_file(
            folder,
            patients,
            out,
            contributions=contributions,
            ranges=ranges,
            execution=execution,
            progress=bars.show,
        )
    if as_json:
        _print(scored.record())
        return
    lines = [answers.WATERMARK] if scored.simulated else []
    lines += [answers.counts_text(scored.counts), f"All {scored.rows} answers: {out}"]
    if contributions is not None:
        lines.append(f"What moved each estimate: {contributions}")
    if not scored.ranges:
        lines.append("Without the range over refits; --range gives it, at 200 times the cost")
    if scored.resumed:
        lines.append(
            f"{scored.resumed} of {scored.partitions} parts were there already from an earlier start"
        )
    _print("\n".join(lines))


@app.command()
def report(
    model: ModelPath,
    patients: Patients,
    out: Annotated[Path, typer.Option("--out", help="Folder for the reports")] = Path("patient_reports"),
    rows: Annotated[
        str | None, typer.Option("--rows", help="Which patients, e.g. 1-3,7 (default: all)")
    ] = None,
    as_of: AsOf = None,
    pdf: Annotated[bool, typer.Option("--pdf", help="Print each page as PDF as well")] = False,
    paper: Annotated[
        Literal["A4", "letter"] | None, typer.Option("--paper", help="Default: that of the model's config")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write one report per patient: a page to read beside the patient, and the same as JSON."""
    from predictor.api import model_folder
    from predictor.api import report as write_reports

    written = write_reports(
        model_folder(model),
        patients,
        out,
        as_of=_day(as_of),
        rows=_rows(rows),
        paper=paper,
        pdf=pdf,
        notify=lambda line: print(line, file=sys.stderr),
    )
    if as_json:
        _print({"reports": [str(path) for path in written]})
    else:
        _print(
            f"{len(written)} reports in {out}: {written[0].name} … {written[-1].name}"
            if written
            else "No patient, no report"
        )


@app.command()
def evaluate(
    model: ModelPath,
    config: ConfigFile,
    overrides: Set = None,
    data_folder: DataFolder = None,
    out: Annotated[Path, typer.Option("--out", help="New or empty folder for tables and page")] = Path(
        "evaluation"
    ),
    save_updated: Annotated[
        Path | None,
        typer.Option(
            "--save-updated",
            metavar="NEWFOLDER",
            help="Write the recalibrated model, if the closed test asks for a new intercept or slope",
        ),
    ] = None,
    developed_on: Annotated[
        Path | None,
        typer.Option(
            "--developed-on",
            metavar="CONFIG",
            help="Config of the model's training, where its data are at hand: patients who are in both are refused",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Evaluate a finished model on other patients: performance, case mix, and whether it has to change."""
    from predictor import evaluation_page
    from predictor.api import evaluate_model, model_folder
    from predictor.config.loading import load_config

    loaded = load_config(config, overrides=overrides or (), data_folder=data_folder)
    own = load_config(developed_on, data_folder=data_folder) if developed_on else None
    found = evaluate_model(model_folder(model), loaded, out, save_updated=save_updated, developed_on=own)
    written = save_updated if save_updated is not None and save_updated.exists() else None
    if as_json:
        record = {"folder": str(out), "updated_model": str(written) if written else None}
        _print(evaluation_page.evaluation_record(found) | record)
        return
    lines = [evaluation_page.evaluation_text(found), "", f"Tables and page  {out}"]
    if written is not None:
        lines.append(f"Updated model    {written}")
    elif save_updated is not None:
        lines.append("No updated model was written: no recalibration was chosen")
    _print("\n".join(lines))


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
    out: Annotated[
        Path, typer.Option("--out", help="New file; the config is drafted beside it, but not of REDCap's")
    ] = Path("dictionary.yaml"),
) -> None:
    """Draft a dictionary and a config from an export; every guess is marked CONFIRM, and training waits for you."""
    from predictor.data.redcap_draft import CONFIRM, draft_redcap_dictionary, write_draft

    if redcap_dictionary is None:
        _draft_export(export, out)
        return
    text = draft_redcap_dictionary(export, redcap_dictionary, redcap_events)
    write_draft(text, out)
    _print(f"{out}: a draft; {text.count(CONFIRM)} lines are marked {CONFIRM[2:]} and wait for you")


def _draft_export(export: Path, out: Path) -> None:
    from predictor.answers import WATERMARK
    from predictor.data.redcap_draft import write_draft
    from predictor.drafting.drafting import draft_export

    config = out.with_name("config.yaml")
    if config.exists():
        _fail_usage(
            "a config lies there already", "Name a new folder with --out", path=str(config), code="CFG-10"
        )
    draft = draft_export(export, beside=out.parent)
    write_draft(draft.dictionary, out)
    write_draft(draft.config.replace("dictionary: dictionary.yaml", f"dictionary: {out.name}"), config)
    lines = [WATERMARK] if draft.simulated else []
    lines += [
        f"{out} and {config}: drafts of {', '.join(draft.tables)}",
        f"{draft.marks} lines are marked CONFIRM and wait for you; `predictor check {config}` lists them",
    ]
    _print("\n".join(lines))


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
    _print(
        {"folder": str(folder), "simulated": True, "patients": patients, "seed": seed} if as_json else text
    )


@runs_app.command("list")
def list_all(runs_folder: RunsFolder = None, as_json: Json = False) -> None:
    """Say which runs there are, finished, unfinished or being written, and their verdicts."""
    from predictor.runs import list_runs

    states = list_runs(_runs(runs_folder))
    if as_json:
        _print({"runs": [vars(one) for one in states]})
        return
    for one in states:
        more = one.verdict or f"{one.units} finished units of work"
        more += f", written by process {one.pid}" if one.pid else ""
        _print(f"{one.id}  {one.name}  {one.state}  {more}")
    if not states:
        _print(f"No run in {_runs(runs_folder)}")


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
    _print({"verified": list(found)} if as_json else f"{len(found)} finished runs are as they were written")


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
    _print(record if as_json else "\n".join(lines))
    if done.problems:
        raise ResourceError(done.problems)


def _runs(runs_folder: Path | None, root: Path = Path()) -> Path:
    return runs_folder or root / "experiments" / "runs"


@app.command()
def sign(
    model: ModelPath,
    key: Annotated[Path, typer.Option("--key", help="Private key, a PEM file that stays with you")],
    new_key: Annotated[bool, typer.Option("--new-key", help="Make the key first, in a new file")] = False,
) -> None:
    """Sign a model's folder, after it has passed every check, for clinics whose policy names the key."""
    from predictor.api import model_folder
    from predictor.prediction_model import sign_prediction_model
    from predictor.signature import create_key

    folder = model_folder(model)
    if new_key:
        _print(f"Public key for the policy file: {create_key(key)}")
    sign_prediction_model(folder, key)
    _print(f"Signed: {folder}")


@app.command()
def serve(
    models: Annotated[
        list[str], typer.Argument(metavar="MODEL...", help="Model folders, run folders, or run ids")
    ],
    state: Annotated[
        Path, typer.Option("--state", help="Folder of accounts and audit log, for the owner alone")
    ] = Path("service_state"),
    host: Annotated[str, typer.Option("--host", help="Address to listen at")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65535)] = 8000,
    certificate: Annotated[
        Path | None, typer.Option("--certificate", help="PEM file of the TLS certificate")
    ] = None,
    private_key: Annotated[Path | None, typer.Option("--private-key", help="PEM file of its key")] = None,
    behind_proxy: Annotated[
        str | None,
        typer.Option("--behind-proxy", metavar="ADDRESS", help="Of the proxy that ends TLS before us"),
    ] = None,
    allow_host: Annotated[
        list[str] | None, typer.Option("--allow-host", help="A name under which browsers call the service")
    ] = None,
    demonstration: Annotated[
        bool,
        typer.Option("--demonstration", help="Offer unsigned models, marked as such, to this machine only"),
    ] = False,
) -> None:
    """Open the service for clinicians: sign in, fill in a form, read a report."""
    from predictor.api import model_folder
    from predictor.service.serving import Address, serve_models

    address = Address(host, port, certificate, private_key, behind_proxy or "", tuple(allow_host or ()))
    serve_models(
        [model_folder(one) for one in models], state, address, demonstration=demonstration, say=_print
    )


@audit_app.command("verify")
def verify_log(
    state: Annotated[Path, typer.Argument(metavar="STATE", help="The service's folder (its --state)")],
    as_json: Json = False,
) -> None:
    """Read the audit log from its first line to its last, and name what was changed."""
    from predictor.errors import ModelError
    from predictor.service.audit import verify_audit

    lines, problems = verify_audit(state / "audit")
    if problems:
        raise ModelError(problems)
    _print({"lines": lines} if as_json else f"{lines} lines, as they were written")


@app.command()
def ui(
    port: Annotated[int, typer.Option("--port", min=1024, max=65535)] = 5000,
    root: Annotated[Path, typer.Option("--project", help="Project folder")] = Path(),
) -> None:
    """Open MLflow's pages for the project's own store, on this machine only."""
    from predictor.tracking import embedded_uri, ui_command

    argv, environment = ui_command(embedded_uri(root), port)
    _print(f"MLflow at http://localhost:{port} (stop with Ctrl-C)")
    os.execve(argv[0], argv, environment)


def main() -> NoReturn:
    """Run the command line; a user's error ends in lines on stderr and its exit code."""
    as_json = "--json" in sys.argv
    try:
        app(prog_name="predictor", standalone_mode=True)
    except PredictorError as error:
        _report_problems(error, as_json=as_json)
        sys.exit(error.exit_code)
    except Stopped as stopped:
        print("Stopped. The same command goes on where it was.", file=sys.stderr)
        sys.exit(stopped.exit_code)
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        sys.exit(130)
    sys.exit(0)


def _report_problems(error: PredictorError, *, as_json: bool) -> None:
    if as_json:
        keys = ("code", "file", "line", "path", "message", "remedy", "page")
        lines = [{key: getattr(problem, key) for key in keys} for problem in error.problems]
        _print({"exit_code": error.exit_code, "problems": lines})
        return
    for problem in error.problems:
        print(problem, file=sys.stderr)
    pages = sorted({one.page for one in error.problems if one.page not in one.remedy})
    if pages:
        print(f"Explained in {', '.join(pages)}", file=sys.stderr)


def _print(answer: str | dict[str, Any]) -> None:
    text = answer if isinstance(answer, str) else json.dumps(answer, indent=2, ensure_ascii=False)
    print(visible(text, keep="\n\t"), flush=True)


def _fail_usage(message: str, remedy: str, *, path: str = "", code: str = "CLI-01") -> NoReturn:
    from predictor.errors import ConfigError

    raise ConfigError(Problem(code, message, remedy, path=path))


def _must_be_new(target: Path, source: Path | None) -> None:
    if source is not None and target.exists() and source.exists() and target.samefile(source):
        _fail_usage("the output is the input file", "Write to another file", path=str(target), code="CFG-10")


def _day(moment: datetime | None) -> date | None:
    return moment.date() if moment else None


def _rows(text: str | None) -> list[int] | None:
    if text is None:
        return None
    found: list[int] = []
    for part in text.split(","):
        first, dash, last = (piece.strip() for piece in part.partition("-"))
        ends = (first, last if dash else first)
        if not all(end.isascii() and end.isdigit() and len(end) <= LONGEST_ROW_NUMBER for end in ends):
            _fail_usage("rows are numbers and ranges", "Write for example 1-3,7", path="--rows")
        found += range(int(ends[0]), int(ends[1]) + 1)
    return found
