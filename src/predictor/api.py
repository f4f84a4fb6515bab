"""What a user does with a finished model, or without one: predict, report, evaluate, simulate.

Each function imports what it alone needs: predicting a patient from a small file needs neither pandas nor the reports.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from predictor.data.sources.csv import read_records
from predictor.durable import writing
from predictor.errors import ConfigError, Problem, ResourceError
from predictor.prediction import predict_frame
from predictor.prediction.reading import Rows, check_columns
from predictor.prediction_model import PredictionModel, load_prediction_model

if TYPE_CHECKING:
    import pandas as pd

    from predictor.config.loading import LoadedConfig
    from predictor.external import ExternalEvaluation
    from predictor.quality.describing import DataQuality

__all__ = [
    "describe",
    "evaluate_model",
    "model_folder",
    "predict",
    "read_new_patients",
    "report",
    "simulate",
    "write_table",
    "write_text",
]

RUNS = Path("experiments") / "runs"


def predict(
    model: str | Path | PredictionModel, patients: str | Path | pd.DataFrame, *, as_of: date | None = None
) -> pd.DataFrame:
    """Predict new patients: one output row per patient, an estimate or a reason.

    Parameters
    ----------
    model : path or PredictionModel
        A model folder, a run folder, or the beginning of a run's id.
    patients : path or pandas.DataFrame
        One row per patient with the dictionary's names and units; with ``as_of``, an export in the dictionary's layout.
    as_of : date or None
        Day 0 of every patient of an export.

    Returns
    -------
    pandas.DataFrame
        As `predictor.prediction.predict_frame`.

    Raises
    ------
    ModelError, DataError
    """
    loaded = _loaded(model)
    return predict_frame(loaded, read_new_patients(loaded, patients, as_of=as_of))


def report(
    model: str | Path | PredictionModel,
    patients: str | Path | pd.DataFrame,
    out: str | Path,
    *,
    as_of: date | None = None,
    rows: Sequence[int] | None = None,
    paper: Literal["A4", "letter"] | None = None,
    pdf: bool = False,
    notify: Callable[[str], None] | None = None,
    now: datetime | None = None,
) -> list[Path]:
    """Write one report per patient, as HTML and JSON, and where it is asked for as PDF.

    Parameters
    ----------
    model, patients, as_of
        As in `predict`.
    out : path
        Folder; files are named by row, never by a patient's key.
    rows : sequence of int or None
        Rows to report on, the first patient is 1; default all.
    paper : {"A4", "letter"} or None
        Default: that of the config that the model was trained with.
    pdf : bool
        Whether each page is printed as well.
    notify : callable or None
        Told of each row whose pseudonym looks like a name, a date or a record number, before anything is written.
    now : datetime or None

    Returns
    -------
    list of Path
        The HTML files.

    Raises
    ------
    ResourceError
        ENV-04 where a page cannot be printed; every HTML and JSON is there all the same.
    """
    from predictor.reports.patient import patient_views
    from predictor.reports.pdf import print_pdf
    from predictor.reports.pseudonym import doubt_pseudonym
    from predictor.reports.render import render_patient_report

    loaded = _loaded(model)
    frame = _as_table(read_new_patients(loaded, patients, as_of=as_of))
    chosen = list(rows) if rows is not None else list(range(1, len(frame) + 1))
    beyond = [row for row in chosen if not 1 <= row <= len(frame)]
    if beyond:
        message = f"row {beyond[0]} was asked for, and the table has {len(frame)} patients"
        raise ConfigError(Problem("CLI-02", message, f"Write rows from 1 to {len(frame)}", path="--rows"))
    folder = Path(out)
    for row in chosen if notify and "patient" in frame.columns else ():
        doubt = doubt_pseudonym(str(frame["patient"].iloc[row - 1]))
        if notify and doubt:
            notify(f"row {row}: {doubt}")
    views = patient_views(
        loaded,
        frame.iloc[[row - 1 for row in chosen]],
        now=now or datetime.now(UTC),
        user_ref="command line",
        day0=as_of,
    )
    written = []
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for row, view in zip(chosen, views, strict=True):
            page = folder / f"patient_{row:04d}.html"
            html = render_patient_report(view, paper=paper or loaded.card.get("paper", "A4"))
            page.write_text(html, encoding="utf-8")
            page.with_suffix(".json").write_text(view.to_json(), encoding="utf-8")
            written.append(page)
        for page in written if pdf else ():
            page.with_suffix(".pdf").write_bytes(print_pdf(page.read_text(encoding="utf-8")))
    return written


def evaluate_model(
    model: str | Path | PredictionModel,
    config: LoadedConfig | str | Path,
    out: str | Path | None = None,
    *,
    save_updated: str | Path | None = None,
    developed_on: LoadedConfig | str | Path | None = None,
    now: datetime | None = None,
) -> ExternalEvaluation:
    """Evaluate a finished model on patients that it has not seen.

    Parameters
    ----------
    model : path or PredictionModel
        As in `predict`.
    config : LoadedConfig or path
        Describes the patients, with a dictionary of their own; its features have the names of the model's inputs.
    out : path or None
        New or empty folder for ``evaluation.csv``, ``case_mix.csv``, ``updating.csv`` and ``evaluation.html``.
    save_updated : path or None
        New folder for the recalibrated model. It is written where the closed test chose an intercept, or intercept and
        slope, and not otherwise; never from the patients that the model was developed on.
    developed_on : LoadedConfig, path or None
        Config of the model's training, where its data are at hand: patients who are in both are refused (LEA-08).
    now : datetime or None

    Returns
    -------
    ExternalEvaluation

    Raises
    ------
    ConfigError, DataError, ModelError
    ResourceError
        ART-15, if the folder of the updated model exists.
    """
    from predictor.config.loading import load_config
    from predictor.external import evaluate_external, updated_model
    from predictor.prediction_model import save_prediction_model

    made = now or datetime.now(UTC)
    loaded_model = _loaded(model)
    if out is not None:
        _require_empty(Path(out))
    if save_updated is not None and Path(save_updated).exists():
        problem = Problem(
            "ART-15", "a model's folder is never overwritten", "Name another", file=str(save_updated)
        )
        raise ResourceError(problem)
    loaded = load_config(config) if isinstance(config, str | Path) else config
    own = load_config(developed_on) if isinstance(developed_on, str | Path) else developed_on
    found = evaluate_external(loaded_model, loaded, developed_on=own, today=made.date())
    if out is not None:
        _write_evaluation(found, Path(out), made)
    if save_updated is not None and found.recalibrates:
        parent = str(loaded_model.manifest.get("sha256", ""))
        updated = updated_model(found, parent=parent, created=made.date())
        save_prediction_model(updated, Path(save_updated))
    return found


def _write_evaluation(found: ExternalEvaluation, folder: Path, made: datetime) -> None:
    from predictor.evaluation_page import evaluation_view
    from predictor.reports.render import render_evaluation

    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    tables = {"evaluation": found.performance, "case_mix": found.case_mix, "updating": found.updating}
    for name, table in tables.items():
        write_table(table, folder / f"{name}.csv")
    page = render_evaluation(evaluation_view(found, created=made))
    write_text(page, folder / "evaluation.html")


def describe(
    config: LoadedConfig | str | Path, out: str | Path | None = None, *, now: datetime | None = None
) -> DataQuality:
    """Describe the data behind a config: columns, missingness, duplicates, timeline and attrition; nothing is fitted.

    Parameters
    ----------
    config : LoadedConfig or path
    out : path or None
        New or empty folder for ``data_quality.html`` and a CSV file for each of its tables.
    now : datetime or None

    Returns
    -------
    DataQuality

    Raises
    ------
    ConfigError, DataError
    """
    from predictor.config.loading import load_config
    from predictor.quality.describing import describe_data
    from predictor.quality_page import quality_tables, quality_view
    from predictor.reports.render import render_data_quality

    if out is not None:
        _require_empty(Path(out))
    found = describe_data(load_config(config) if isinstance(config, str | Path) else config)
    if out is not None:
        folder = Path(out)
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        for name, table in quality_tables(found).items():
            write_table(table, folder / f"{name}.csv")
        page = render_data_quality(quality_view(found, created=now or datetime.now(UTC)))
        write_text(page, folder / "data_quality.html")
    return found


def _require_empty(target: Path) -> None:
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        problem = Problem(
            "CFG-10", f"{target} exists and is not an empty folder", "Choose a new folder", path="--out"
        )
        raise ConfigError(problem)


def simulate(folder: str | Path, *, patients: int, seed: int) -> Path:
    """Write the SIMULATED ketamine cohort as a clinic's export, with the true probabilities in a file of their own.

    Parameters
    ----------
    folder : path
        New or empty.
    patients : int
    seed : int

    Raises
    ------
    ConfigError
        If the folder holds files already, or the number is not positive.
    """
    from predictor.data.simulation import simulate_cohort, write_cohort

    target = Path(folder)
    _require_empty(target)
    if patients < 1:
        raise ConfigError(Problem("CLI-03", "the number of patients must be at least 1", path="--patients"))
    write_cohort(simulate_cohort(patients, seed=seed), target)
    return target


def model_folder(model: str | Path, *, runs_folder: Path = RUNS) -> Path:
    """Return the model's folder for a path or the beginning of a run's id.

    Parameters
    ----------
    model : path or str
        A model folder, a run folder, or an id such as ``20261123-1015``.
    runs_folder : Path
        Where ids are looked for.
    """
    from predictor.run_store import find_run

    path = Path(model)
    try:
        if not path.exists():
            path = find_run(runs_folder, str(model))
        return path / "model" if (path / "model").is_dir() else path
    except PermissionError:
        return path  # whoever reads it says so


def read_new_patients(
    model: PredictionModel, patients: str | Path | pd.DataFrame, *, as_of: date | None
) -> pd.DataFrame | Rows:
    """Return one row per patient with the model's input columns.

    Parameters
    ----------
    model : PredictionModel
    patients : path or pandas.DataFrame
    as_of : date or None
        With a path: read it as an export whose day 0 is this date.

    Raises
    ------
    DataError
    """
    if not isinstance(patients, str | Path):
        return patients
    path = Path(patients)
    if as_of is not None:
        from predictor.prediction.export import declared_layout, read_export

        return read_export(model, path, *declared_layout(model), as_of=as_of)
    read = read_records(path, delimiter=None, encoding="utf-8", shown_as=str(path))
    rows = Rows(read.header, read.records)
    check_columns(model, rows)
    return rows


def _as_table(patients: pd.DataFrame | Rows) -> pd.DataFrame:
    if not isinstance(patients, Rows):
        return patients
    import pandas as pd

    return pd.DataFrame(list(patients.itertuples(index=False, name=None)), columns=list(patients.columns))


def write_table(frame: pd.DataFrame, target: Path) -> None:
    """Write a table as CSV.

    Parameters
    ----------
    frame : pandas.DataFrame
    target : Path

    Raises
    ------
    ResourceError
        TRN-04 on a full disk, TRN-05 where it cannot be written.
    """
    from predictor.run_store import without_formulas

    write_text(without_formulas(frame).to_csv(index=False), target)


def write_text(text: str, target: Path) -> None:
    """Write a text file.

    Parameters
    ----------
    text : str
    target : Path

    Raises
    ------
    ResourceError
        TRN-04 on a full disk, TRN-05 where it cannot be written.
    """
    with writing(target):
        target.write_text(text, encoding="utf-8")


def _loaded(model: str | Path | PredictionModel) -> PredictionModel:
    return model if isinstance(model, PredictionModel) else load_prediction_model(model_folder(model))
