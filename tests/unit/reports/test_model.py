from __future__ import annotations

from pathlib import Path

import pytest

from predictor.experiment import Training
from trained_clinics import train_quietly, trained, write_clinic


def page(training: Training) -> str:
    return training.model_report.read_text(encoding="utf-8")


def test_the_report_shows_attrition_models_and_verdict_of_its_own_run() -> None:
    training = trained()
    text = page(training)
    assert training.folder.name in text
    for step in training.study.cohort.attrition["step"]:
        assert step in text
    auc = training.evaluation.performance.query("kind == 'judged' and metric == 'auc'")["value"].iloc[0]
    assert f"{auc:.2f}" in text
    assert training.study.loaded.config_hash[:8] in text
    assert "MADRS score fell by at least 50" in text


def test_it_is_one_file_that_needs_no_network() -> None:
    text = page(trained())
    assert "<script" not in text
    assert 'src="http' not in text
    assert text.count("<svg") >= 3
    assert "<title>" in text


def test_small_groups_are_never_shown_as_counts(tmp_path: Path) -> None:
    """Four patients of a site of their own: neither the site nor how many of them responded is in the page."""
    clinic = write_clinic(tmp_path, n=120)
    clinic.change(
        "interval: {resamples: 100}", "interval: {resamples: 100}\n  transport: {by: patients.site}"
    )
    table = clinic.table("patients")
    table.loc[:3, "site"] = "LittleWard"
    table.to_csv(clinic.folder / "patients.csv", index=False)
    text = page(train_quietly(clinic))
    assert "LittleWard" not in text
    assert "north" in text
    assert "south" in text


def test_no_patient_key_is_in_the_report() -> None:
    text = page(trained())
    assert not any(key in text for key in trained().study.cohort.timeline.units["patient"])


@pytest.mark.parametrize("family", ["random_forest", "hist_gradient_boosting"])
def test_trees_are_reported_too_and_marked_as_research(family: str) -> None:
    text = page(trained(family))
    assert "C-reactive protein" in text
    assert trained(family).folder.name in text
