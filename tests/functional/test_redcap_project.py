"""From a REDCap export to a trained model, as the README says."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from predictor.cli import app
from predictor.config.loading import load_config
from predictor.errors import ConfigError
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


MARK = re.compile(r" *# CONFIRM.*$", re.MULTILINE)


def newcomer(folder: Path) -> Path:
    """Do what README and drafts say: draft, answer every mark, and delete it."""
    for name in ("export.csv", "data_dictionary.csv", "events.csv"):
        (folder / name).write_bytes((DATA / name).read_bytes())
    (folder / "pyproject.toml").touch()
    words = ["init", str(folder / "export.csv"), "--redcap-dictionary", str(folder / "data_dictionary.csv")]
    words += ["--redcap-events", str(folder / "events.csv"), "--out", str(folder / "dictionary.yaml")]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert result.output.startswith("SIMULATED DATA")
    return folder / "config.yaml"


def answer_marks(config: Path) -> None:
    """Enrolment was measured before the treatment, and arms are treatments; all other guesses are right."""
    dictionary = config.with_name("dictionary.yaml")
    text = dictionary.read_text(encoding="utf-8").replace("known: after", "known: baseline", 1)
    named = text.replace('"1": arm 1, "2": arm 2', '"1": ketamine, "2": midazolam')
    assert named.count("redcap_arm") == 1
    dictionary.write_text(MARK.sub("", named), encoding="utf-8")
    drafted = config.read_text(encoding="utf-8")
    for guess, answer in (('control: "arm 2"', "control: midazolam"), ("observational", "randomised")):
        assert drafted.count(guess) == 1
        drafted = drafted.replace(guess, answer)
    reason = "override: a SIMULATED project, to see every step\n"
    config.write_text(MARK.sub("", drafted) + reason, encoding="utf-8")


def test_a_newcomer_comes_from_the_export_to_the_baseline_table_of_the_confirmed_config(
    tmp_path: Path,
) -> None:
    config = newcomer(tmp_path)
    with pytest.raises(ConfigError) as caught:
        train(load_config(config), runs_folder=tmp_path / "runs")
    # Nothing is trained on guesses: every mark waits, and what is not confirmed as known is no feature.
    assert {problem.code for problem in caught.value.problems} <= {"CFG-56", "LEA-03"}
    answer_marks(config)
    drafted, confirmed = prepare_study(load_config(config)), prepare_study(load_config(CONFIG))
    same = ["age", "sex", "failed_trials", "madrs", "crp"]
    pd.testing.assert_frame_equal(drafted.dataset.X[same], confirmed.dataset.X[same])
    pd.testing.assert_series_equal(
        drafted.dataset.outcomes["response"], confirmed.dataset.outcomes["response"]
    )
    assert drafted.cohort.plan.tolist() == confirmed.cohort.plan.tolist()


@pytest.mark.slow
def test_a_newcomer_comes_to_a_trained_model(tmp_path: Path) -> None:
    config = newcomer(tmp_path)
    answer_marks(config)
    quick = ["models={net: {type: elastic_net, features: [all], candidates: 2}}", "validation.refits=20"]
    quick += ["validation.bootstrap.resamples=0", "validation.interval.resamples=100"]
    training = train(load_config(config, overrides=quick), runs_folder=tmp_path / "runs")
    assert "SIMULATED" in training.model_report.read_text(encoding="utf-8")
