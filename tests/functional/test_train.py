"""`predictor train` end to end on a small clinic: what stays behind, and what a kill leaves."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from predictor.config.loading import load_config
from predictor.errors import ConfigError
from predictor.prediction_model import load_prediction_model
from predictor.run_store import find_run, verify_run
from trained_clinics import Answer, Clinic, clinic_of, command_line, trained, write_clinic

PROJECT = Path(__file__).resolve().parents[2]
PROGRAM = [sys.executable, "-c", "from predictor.cli import main; main()"]
FILES = {
    "attrition.csv",
    "calibration.csv",
    "calibration_bins.csv",
    "checks.csv",
    "comparisons.csv",
    "config.yaml",
    "counts.csv",
    "decision_curve.csv",
    "group_rates.csv",
    "hashes.json",
    "histogram.csv",
    "importance.csv",
    "journal.jsonl",
    "model_report.html",
    "net_benefit.csv",
    "operating.csv",
    "performance.csv",
    "predictions.parquet",
    "roc.csv",
    "verdict.json",
    "weights.csv",
}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Clinic, Answer]:
    """One training by the command itself, in a process of its own, with its records in the embedded store."""
    clinic = write_clinic(tmp_path_factory.mktemp("clinic"))
    command = ["train", "config.yaml", "--workers", "1", "--json"]
    command += ["--set", "validation.outer.n_repeats=1", "--set", "experiment.seed=11"]
    done = subprocess.run(
        [*PROGRAM, *command], cwd=clinic.folder, capture_output=True, text=True, check=False
    )
    return clinic, Answer(done.returncode, done.stdout, done.stderr)


def test_ends_with_the_verdict_and_paths_that_exist(ran: tuple[Clinic, Answer]) -> None:
    clinic, answer = ran
    assert (answer.code, answer.err) == (0, "")
    record = answer.record
    assert record["verdict"]["label"] == "better"
    runs = clinic.folder / "experiments" / "runs"
    (folder,) = [path for path in runs.iterdir() if path.name.startswith("20")]
    text = json.dumps(record)
    assert folder.name in text
    paths = [value for value in _texts(record) if value.endswith((".html", "model")) and "/" in value]
    assert paths
    for path in paths:
        assert (clinic.folder / path).exists(), path


def _texts(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for one in value.values() for text in _texts(one)]
    if isinstance(value, list):
        return [text for one in value for text in _texts(one)]
    return [value] if isinstance(value, str) else []


def run_folder(clinic: Clinic) -> Path:
    return find_run(clinic.folder / "experiments" / "runs", "20")


def test_the_run_folder_is_complete_and_its_hashes_verify(ran: tuple[Clinic, Answer]) -> None:
    folder = run_folder(ran[0])
    assert {path.name for path in folder.iterdir() if path.is_file()} >= FILES
    assert {path.name for path in folder.iterdir() if path.is_dir()} == {"model", "patient_reports"}
    assert verify_run(folder) == ()
    assert len(list((folder / "patient_reports").glob("example_*.html"))) == 2
    load_prediction_model(folder / "model")
    events = [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]
    assert events[0]["event"] == "started"
    assert events[-1]["event"] == "finished"
    assert folder.stat().st_mode & 0o077 == 0


def test_overrides_are_recorded_and_the_saved_config_is_the_one_that_ran(ran: tuple[Clinic, Answer]) -> None:
    clinic, _ = ran
    saved = run_folder(clinic) / "config.yaml"
    text = saved.read_text()
    assert '# --set "validation.outer.n_repeats=1"' in text
    assert '# --set "experiment.seed=11"' in text
    again = clinic.folder / "again.yaml"
    shutil.copy(saved, again)
    loaded = load_config(again)
    assert loaded.config.experiment.seed == 11
    assert loaded.config.validation.outer.n_repeats == 1
    assert loaded.config.calibration == "auto"  # a default, filled in
    original = load_config(clinic.config, overrides=["validation.outer.n_repeats=1", "experiment.seed=11"])
    assert loaded.config_hash == original.config_hash
    assert loaded.config_hash in text


def test_mlflow_has_the_run_its_child_and_the_model(ran: tuple[Clinic, Answer]) -> None:
    clinic, _ = ran
    with closing(sqlite3.connect(clinic.folder / "experiments" / "runs" / "mlflow.db")) as database:
        runs = database.execute("select name, status from runs order by name").fetchall()
        tags = dict(database.execute("select key, value from tags where key not like 'mlflow.%'").fetchall())
        params = dict(database.execute("select key, value from params").fetchall())
        models = database.execute("select name from registered_models").fetchall()
    assert sorted(status for _, status in runs) == ["FINISHED", "FINISHED"]
    assert any("net" in name for name, _ in runs)
    assert tags["verdict"] == "better"
    assert tags["simulated"] == "false"
    assert params["seed"] == "11"
    assert models == [("clinic-elastic-net",)]


def test_a_killed_training_leaves_a_partial_folder_that_nothing_takes_for_a_run(tmp_path: Path) -> None:
    clinic = write_clinic(tmp_path / "clinic")
    runs = tmp_path / "runs"
    command = ["train", "config.yaml", "--workers", "1", "--runs-folder", str(runs)]
    command += ["--set", "validation.outer.n_repeats=50"]
    process = subprocess.Popen(
        [*PROGRAM, *command],
        cwd=clinic.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    try:
        deadline = time.monotonic() + 120
        while not list(runs.glob("*.partial/attrition.csv")):
            assert process.poll() is None, "the training ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(30)
    (partial,) = runs.iterdir()
    assert partial.name.endswith(".partial")
    assert not (partial / "hashes.json").exists()
    assert not (partial / "model").exists()
    with pytest.raises(ConfigError, match="RUN-01"):
        find_run(runs, partial.name[:15])
    assert verify_run(partial)[0].code == "RUN-03"
    refused = command_line("predict", partial, "--template", tmp_path / "template.csv")
    assert refused.code == 4
    assert not (tmp_path / "template.csv").exists()


def test_nothing_is_left_behind_when_the_data_are_wrong(tmp_path: Path) -> None:
    clinic = write_clinic(tmp_path)
    table = clinic.table("scores")
    table.loc[7, "score"] = "61"
    table.to_csv(clinic.folder / "scores.csv", index=False)
    answer = command_line("train", "config.yaml", cwd=clinic.folder)
    assert answer.code == 3
    assert len(answer.errors) == 1
    assert answer.errors[0].startswith("scores.csv:9: ")
    assert not (clinic.folder / "experiments").exists()


def test_a_parameter_that_the_family_does_not_have_is_named(tmp_path: Path) -> None:
    clinic = write_clinic(tmp_path)
    clinic.change("features: [all], candidates: 2", "features: [all], params: {max_dept: 3}")
    clinic.change("type: elastic_net", "type: hist_gradient_boosting")
    answer = command_line("train", "config.yaml", cwd=clinic.folder)
    assert answer.code == 2
    assert answer.errors[0].startswith("config.yaml:")
    assert "models.net.params.max_dept: CFG-01 hist_gradient_boosting has no parameter max_dept" in answer.err
    assert "max_depth" in answer.err


def test_without_a_tracking_server_the_run_is_complete_and_says_so(tmp_path: Path) -> None:
    """Port 9 of this machine: nobody answers there."""
    clinic = write_clinic(tmp_path)
    answer = command_line(
        "train",
        "config.yaml",
        "--workers",
        "1",
        "--json",
        "--set",
        "tracking.uri=http://127.0.0.1:9",
        "--set",
        "validation.outer.n_repeats=1",
        cwd=clinic.folder,
    )
    assert answer.code == 0, answer.err
    assert any("TRK-02" in notice for notice in answer.record["notices"])
    assert verify_run(run_folder(clinic)) == ()


def test_progress_names_every_step_in_order(tmp_path: Path) -> None:
    from predictor.experiment import train
    from trained_clinics import _send_nothing

    clinic = write_clinic(tmp_path, n=120)
    steps: list[tuple[str, int, int]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("predictor.runs.send", _send_nothing)
        train(
            load_config(clinic.config), progress=lambda *step: steps.append(step), runs_folder=tmp_path / "r"
        )
    names = list(dict.fromkeys(name for name, _, _ in steps))
    assert names[0] == "reading"
    assert names.index("nested cross-validation") < names.index("final fit") < names.index("model folder")
    assert [done for name, done, _ in steps if name == "nested cross-validation"] == [0, 1, 2, 3, 4]


def test_the_model_report_says_what_the_verdict_says() -> None:
    training = trained()
    page = training.model_report.read_text()
    assert "etter than the references" in page
    assert str(training.folder.name) in page
    assert clinic_of(training).config.exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "evaluable", "events", "verdicts"),
    [
        ("ketamine_nimh", 29, 6, {"too_little"}),
        ("thinking_healthy", 818, 505, {"no_better", "too_little"}),
        ("opt_periodontal", 659, 221, {"better"}),
    ],
)
def test_the_three_open_trials_end_as_their_cards_say(
    name: str, evaluable: int, events: int, verdicts: set[str], tmp_path: Path
) -> None:
    answer = command_line(
        "train",
        PROJECT / "configs" / f"{name}.yaml",
        "--runs-folder",
        tmp_path,
        "--workers",
        "2",
        "--json",
        "--set",
        "validation.bootstrap.resamples=10",
    )
    assert answer.code == 0, answer.err
    assert answer.record["verdict"]["label"] in verdicts
    folder = find_run(tmp_path, "20")
    assert verify_run(folder) == ()
    model = load_prediction_model(folder / "model")
    assert (model.card["n"], model.card["events"]) == (evaluable, events)
