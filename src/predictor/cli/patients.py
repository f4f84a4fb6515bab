"""Commands about a finished model and patients: predict, report, evaluate."""

from __future__ import annotations

import sys
from collections.abc import Collection
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from predictor.cli.base import (
    AsOf,
    ConfigFile,
    DataFolder,
    Json,
    ModelPath,
    Patients,
    Set,
    app,
    day_of,
    fail_usage,
    must_be_new,
    rows_of,
    show,
)
from predictor.errors import ConfigError, Problem

if TYPE_CHECKING:
    from predictor.execution import Execution

__all__ = ["evaluate", "predict", "report"]


MOST_WITH_RANGE = 20_000

# Options by what PATIENTS is; `predict` refuses the others.
OF_A_BUNDLE = {"fhir", "as_of", "out", "as_json"}
OF_A_TABLE = {"as_of", "out", "ranges", "keys", "as_json"}
OF_PARQUET = {"out", "ranges", "contributions", "keys", "workers", "cluster", "as_json"}


@app.command()
def predict(
    context: typer.Context,
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
    keys: Annotated[
        bool,
        typer.Option(
            "--keys/--no-keys",
            help="Begin --out with the column patient of PATIENTS; the screen and --json never hold it",
        ),
    ] = True,
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
    fhir: Annotated[
        bool,
        typer.Option(
            "--fhir",
            help="PATIENTS is a FHIR R4 Bundle of one patient, assessed on --as-of (default: today); "
            "--out gets a RiskAssessment",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Predict new patients: one answer per row, an estimate or the reason why there is none."""
    from predictor.api import model_folder

    if fhir:
        _refuse_others(context, OF_A_BUNDLE, "of a FHIR Bundle of one patient")
    folder = model_folder(model)
    if template is not None:
        _write_template(folder, template, model)
    elif patients is None:
        fail_usage("PATIENTS is missing", "Give a file, or --template FILE to get an empty one")
    elif fhir:
        _predict_bundle(folder, patients, day_of(as_of), out, as_json=as_json)
    elif patients.suffix.lower() == ".parquet":
        _refuse_others(context, OF_PARQUET, "of a Parquet file")
        execution = _where(workers, cluster)
        _score_parquet(
            folder,
            patients,
            out,
            contributions,
            ranges=ranges,
            keys=keys,
            execution=execution,
            as_json=as_json,
        )
    else:
        _refuse_others(context, OF_A_TABLE, "of a table that is not a Parquet file")
        _predict_table(folder, patients, day_of(as_of), out, ranges=ranges, keys=keys, as_json=as_json)


def _refuse_others(context: typer.Context, known: Collection[str], what: str) -> None:
    """Refuse options that would be passed over: who gave one expects that something came of it.

    Raises
    ------
    ConfigError
        CLI-01, for each of them.
    """
    problems: list[Problem] = []
    for one in context.command.params:
        source = context.get_parameter_source(one.name or "")
        given = source is not None and source.name == "COMMANDLINE"
        if one.param_type_name == "option" and given and one.name not in known:
            off = one.secondary_opts and context.params[one.name or ""] is False
            option = (one.secondary_opts if off else one.opts)[0]
            problems.append(
                Problem("CLI-01", f"this is no option {what}", f"Leave {option} out", path=option)
            )
    if problems:
        raise ConfigError(problems)


def _write_template(folder: Path, template: Path, model: str) -> None:
    from predictor.api import write_table
    from predictor.prediction.reading import template as empty_table
    from predictor.prediction_model import load_prediction_model

    loaded = load_prediction_model(folder)
    if template.exists():
        fail_usage("the file exists already", "Name a new one", path=str(template), code="CFG-10")
    write_table(empty_table(loaded), template)
    show(f"Fill in {template}, one row per patient, then: predictor predict {model} {template}")


def _predict_table(
    folder: Path,
    patients: Path,
    as_of: date | None,
    out: Path | None,
    *,
    ranges: bool | None,
    keys: bool,
    as_json: bool,
) -> None:
    from predictor import answers
    from predictor.api import read_new_patients, write_text
    from predictor.prediction import as_records, predict_patients
    from predictor.prediction.predicting import NOTED
    from predictor.prediction.reading import patient_keys
    from predictor.prediction_model import load_prediction_model

    loaded = load_prediction_model(folder)
    if out is not None:
        must_be_new(out, patients)
    rows = read_new_patients(loaded, patients, as_of=as_of)
    wanted = len(rows) <= MOST_WITH_RANGE if ranges is None else ranges
    found = predict_patients(loaded, rows, explain=False, ranges=wanted, day0=as_of)
    records, mark = as_records(found), answers.mark_of(loaded)
    if out is not None:
        names = patient_keys(rows) if keys else None
        write_text(answers.answers_csv(records, NOTED, keys=names, mark=mark), out)
    if as_json:
        show(answers.answers_record(records, loaded.card, mark=mark))
    else:
        show(answers.answers_text(records, out=out, mark=mark))
        if ranges is None and not wanted:
            show(f"More than {MOST_WITH_RANGE:,} patients: without the range over refits; --range gives it")
    if found and not any(one.readable for one in found):
        raise typer.Exit(3)


def _predict_bundle(
    folder: Path, patients: Path, as_of: date | None, out: Path | None, *, as_json: bool
) -> None:
    import json

    from predictor.api import write_text
    from predictor.interoperability.files import report_of_bundle
    from predictor.prediction_model import load_prediction_model

    if out is not None:
        must_be_new(out, patients)
    written, said = report_of_bundle(load_prediction_model(folder), patients, as_of=as_of)
    if out is not None:
        write_text(json.dumps(written, indent=2, ensure_ascii=False) + "\n", out)
    show(written if as_json else said)


def _where(workers: int, cluster: str | None) -> Execution:
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
    keys: bool,
    execution: Execution,
    as_json: bool,
) -> None:
    from predictor import answers
    from predictor.prediction_model import load_prediction_model
    from predictor.progress import ProgressBars
    from predictor.scoring import score_file

    if out is None or out.suffix.lower() != ".parquet":
        fail_usage(
            "the answers to a Parquet file are another one", "Name it: --out FILE.parquet", path="--out"
        )
    for target in (out, contributions):
        if target is not None:
            must_be_new(target, patients)
    mark = answers.mark_of(load_prediction_model(folder))
    with ProgressBars() as bars:
        scored = score_file(
            folder,
            patients,
            out,
            contributions=contributions,
            ranges=ranges,
            keys=keys,
            mark=mark,
            execution=execution,
            progress=bars.show,
        )
    if as_json:
        show(scored.record() | {"mark": mark})
        return
    lines = [mark] if mark else []
    lines += [answers.counts_text(scored.counts), f"All {scored.rows} answers: {out}"]
    if contributions is not None:
        lines.append(f"What moved each estimate: {contributions}")
    if not scored.ranges:
        lines.append("Without the range over refits; --range gives it, at 200 times the cost")
    if scored.resumed:
        lines.append(
            f"{scored.resumed} of {scored.partitions} parts were there already from an earlier start"
        )
    show("\n".join(lines))


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
        as_of=day_of(as_of),
        rows=rows_of(rows),
        paper=paper,
        pdf=pdf,
        notify=lambda line: print(line, file=sys.stderr),
    )
    if as_json:
        show({"reports": [str(path) for path in written]})
    else:
        show(
            f"{_counted(len(written))} in {out}: {written[0].name}"
            + (f" … {written[-1].name}" if len(written) > 1 else "")
            if written
            else "No patient, no report"
        )


def _counted(reports: int) -> str:
    return "1 report" if reports == 1 else f"{reports} reports"


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
        show(evaluation_page.evaluation_record(found) | record)
        return
    lines = [evaluation_page.evaluation_text(found), "", f"Tables and page  {out}"]
    if written is not None:
        lines.append(f"Updated model    {written}")
    elif save_updated is not None:
        lines.append("No updated model was written: no recalibration was chosen")
    show("\n".join(lines))
