"""LEA-06: outcomes that depend on nothing. The interval of the AUC holds 0.5, and no personal number is given."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from predictor.experiment import Training
from predictor.reports.render import render_patient_report
from trained_clinics import command_line, new_patients, train_quietly, trained, write_clinic


def judged_auc(training: Training) -> tuple[float, float, float]:
    table = training.evaluation.performance
    row = table[(table["kind"] == "judged") & (table["metric"] == "auc")].iloc[0]
    return float(row["low"]), float(row["value"]), float(row["high"])


def test_lea_06_the_interval_of_the_auc_holds_one_half() -> None:
    low, value, high = judged_auc(trained("group"))
    assert low <= 0.5 <= high
    assert abs(value - 0.5) < 0.15


def test_lea_06_the_reports_give_the_groups_rate_and_say_that_nothing_was_shown(tmp_path: Path) -> None:
    training = trained("group")
    assert training.evaluation.verdict.label != "better"
    page = training.model_report.read_text()
    assert "Too little data to tell" in page or "No better than" in page
    assert "Better than the references" not in page
    for path in training.patient_reports:
        assert "group" in path.read_text()
    new_patients(1).to_csv(tmp_path / "patients.csv", index=False)
    command_line("report", training.folder, tmp_path / "patients.csv", "--out", tmp_path / "out")
    content = json.loads((tmp_path / "out" / "patient_0001.json").read_text())
    assert content["report"]["kind"] == "group_rate"
    assert content["group"]["reason"]
    assert content["group"]["tried"]


@pytest.mark.slow
def test_lea_06_with_enough_patients_the_verdict_is_no_better_than_the_references(tmp_path: Path) -> None:
    training = train_quietly(write_clinic(tmp_path, n=1500, effect=0.0, seed=3))
    # The clinic's arms do differ, so the AUC may leave 0.5; over the arm and severity there is nothing to gain.
    over_plan = next(c for c in training.evaluation.verdict.comparisons if c.reference == "severity + plan")
    assert over_plan.low <= 0
    assert training.evaluation.verdict.label == "no_better"
    assert "No better than the references" in training.model_report.read_text()


def test_lea_06_is_not_a_test_of_the_renderer_alone() -> None:
    """The same page code prints a number where there is one."""
    assert callable(render_patient_report)
    assert trained().evaluation.verdict.label == "better"
    assert judged_auc(trained())[0] > 0.5
