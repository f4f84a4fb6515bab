"""From a REDCap export to a trained model, as the README says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from predictor.cli import app
from predictor.config.loading import load_config
from predictor.experiment import train
from predictor.study import is_simulated, prepare_study

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "configs" / "redcap_simulated.yaml"
DATA = ROOT / "data" / "redcap_simulated"


def init(out: Path) -> list[str]:
    words = ["init", str(DATA / "export.csv"), "--redcap-dictionary", str(DATA / "data_dictionary.csv")]
    return [*words, "--redcap-events", str(DATA / "events.csv"), "--out", str(out)]


def test_a_draft_and_what_was_made_of_it(tmp_path: Path) -> None:
    out = tmp_path / "dictionary.yaml"
    result = CliRunner().invoke(app, init(out))
    assert result.exit_code == 0, result.output
    text = out.read_text(encoding="utf-8")
    assert "wait for you" in result.output
    assert "full_name: left out (marked as identifying)" in text
    confirmed = load_config(CONFIG).dictionary
    for name in ("enrolment", "treatment", "rating", "laboratory"):
        assert f"\n{name}:\n" in text
        headers = set(confirmed[name].columns) - {"redcap_arm"}
        assert all(f"\n    {header}: " in text for header in headers)
    again = CliRunner().invoke(app, init(out))
    assert again.exit_code != 0
    assert out.read_text(encoding="utf-8") == text


def test_the_baseline_table_is_the_one_of_the_export() -> None:
    study = prepare_study(load_config(CONFIG))
    assert is_simulated(study.loaded.dictionary)
    first = study.dataset.X.iloc[0]
    # Record 0001, by hand from the export: arm 2, screening on 2024-11-06, draws before the infusion of 2024-11-14.
    assert (first["age"], first["sex"], first["failed_trials"], first["anxiety_disorder"]) == (
        72,
        "male",
        7,
        1,
    )
    assert (first["madrs"], first["crp"], first["arm"]) == (25, 7.2, "midazolam")
    assert study.outcomes["response"].follow_up[0] == 25
    assert len(study.dataset.X) == 240


@pytest.mark.slow
def test_it_trains(tmp_path: Path) -> None:
    training = train(load_config(CONFIG), runs_folder=tmp_path)
    assert training.evaluation.verdict.sentence
    report = training.model_report.read_text(encoding="utf-8")
    assert "SIMULATED" in report


@pytest.mark.slow
def test_a_new_patient_is_predicted_from_the_same_export_before_the_infusion(tmp_path: Path) -> None:
    training = train(load_config(CONFIG), runs_folder=tmp_path / "runs")
    folder = tmp_path / "new"
    folder.mkdir()
    for name in ("data_dictionary.csv", "events.csv"):
        (folder / name).write_bytes((DATA / name).read_bytes())
    lines = (DATA / "export.csv").read_text(encoding="utf-8").splitlines()
    screened = [line for line in lines if "infusion_arm" not in line and "week_4" not in line]
    (folder / "export.csv").write_text("\n".join(screened[:4]) + "\n", encoding="utf-8")
    # Record 0001 was screened on 2024-11-06 and has no infusion yet.
    words = ["predict", str(training.folder / "model"), str(folder), "--as-of", "2024-11-14", "--json"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    (answer,) = json.loads(result.output)["predictions"]
    assert (answer["kind"], answer["plan"]) == ("group_rate", "midazolam"), answer["reason"]
