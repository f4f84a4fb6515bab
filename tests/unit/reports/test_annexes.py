"""What lies beside the model report of a real small training."""

from __future__ import annotations

import json
import re
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from predictor.config.schema import HumanStatements
from predictor.reports.characteristics import HIDDEN, _mean_text, _share_texts
from predictor.reports.wording import forbidden_words
from trained_clinics import train_quietly, trained, write_clinic


def text(name: str) -> str:
    return (trained().folder / name).read_text(encoding="utf-8")


def test_every_annex_is_written_and_linked() -> None:
    links = re.findall(r'href="([^"]*)"', text("model_report.html"))
    assert links == ["tripod_ai.html", "probast_ai.html", "model_card.json", "methods.txt"]
    assert all((trained().folder / name).is_file() for name in links)
    assert (trained().folder / "characteristics.csv").is_file()


@pytest.mark.parametrize("name", ["tripod_ai.html", "probast_ai.html"])
def test_an_annex_page_needs_nothing_else_and_is_a_draft(name: str) -> None:
    page = text(name)
    assert "http" not in page.replace("http-equiv", "")
    assert "<script" not in page
    assert (
        page.count("DRAFT: statements of the responsible people are not provided") == 2
    )  # page, and margins
    assert trained().folder.name in page


@pytest.mark.parametrize(
    "name", ["tripod_ai.html", "probast_ai.html", "model_card.json", "methods.txt", "characteristics.csv"]
)
def test_no_annex_names_a_patient_or_says_what_is_forbidden(name: str) -> None:
    content = text(name)
    assert not any(key in content for key in trained().study.cohort.timeline.units["patient"])
    assert (
        forbidden_words(content.split("<main>")[-1]) == ()
    )  # the head has the content policy 'unsafe-inline'


def test_the_model_card_has_the_fields_of_the_schema() -> None:
    """Names as in version 0.2 of the schema of the Coalition for Health AI."""
    card = json.loads(text("model_card.json"))
    assert list(card["BasicInfo"]) == ["ModelName", "ModelDeveloper", "DeveloperContact"]
    assert {"ReleaseStage", "ReleaseDate", "ReleaseVersion", "GlobalAvailability"} <= set(card["ReleaseInfo"])
    assert list(card["UsesAndDirections"]) == [
        "IntendedUseAndWorkflow",
        "PrimaryIntendedUsers",
        "HowToUse",
        "TargetedPatientPopulation",
        "CautionedOutOfScopeSettings",
    ]
    assert list(card["KeyMetrics"]) == ["UsefulnessUsabilityEfficacy", "FairnessEquity", "SafetyReliability"]
    for metric in card["KeyMetrics"].values():
        assert list(metric) == [
            "MetricGoal",
            "Results",
            "Interpretation",
            "TestType",
            "TestingDataDescription",
            "ValidationProcessAndJustification",
        ]
    assert card["UsesAndDirections"]["IntendedUseAndWorkflow"] == "NOT PROVIDED"
    assert card["BasicInfo"]["ModelDeveloper"] == "Example clinic"


def test_the_figures_of_the_card_are_those_of_the_run() -> None:
    card = json.loads(text("model_card.json"))
    performance = pd.read_csv(trained().folder / "performance.csv").query(
        "kind == 'judged' and metric == 'auc'"
    )
    auc = card["KeyMetrics"]["UsefulnessUsabilityEfficacy"]["Results"][0]
    assert auc["Label"] == "AUC"
    assert [auc["Value"], auc["Low"], auc["High"]] == pytest.approx(
        performance[["value", "low", "high"]].to_numpy()[0], abs=1e-6
    )


def test_the_methods_in_words_are_those_of_this_run() -> None:
    words = text("methods.txt")
    for part in (
        "200 had the primary outcome assessed; 98 of these had it",
        "Eligibility: Adult.",
        "fell by at least 50% of its baseline value, assessed on day 21 to 35",
        "6 inputs known on days -28 to 0",
        "logistic regression with an elastic net penalty",
        "2 outer folds, 2 times",
        "100 bootstrap resamples of whole groups",
        "Classes were neither resampled nor weighted",
        "seed 5",
        f"scikit-learn {version('scikit-learn')}",
    ):
        assert part in words, part
    report = text("model_report.html")
    assert "Eligibility: Adult." in report


def test_statements_close_the_draft(tmp_path: Path) -> None:
    clinic = write_clinic(tmp_path, n=120)
    said = ", ".join(f"{key}: Said by the owner" for key in HumanStatements.model_fields)
    answered = ", ".join(f"{key}: {{answer: yes}}" for key in ("sources", "representative", "outcome_blind"))
    applies = ", ".join(
        f"applicability_{domain}: {{concern: low, because: Ours}}"
        for domain in ("participants", "predictors", "outcome")
    )
    clinic.change(
        "report: {owner",
        f"report: {{title: A model, statements: {{{said}}}, assessment: {{{answered}, {applies}}}, owner",
    )
    folder = train_quietly(clinic).folder
    for name in ("model_report.html", "tripod_ai.html", "probast_ai.html"):
        assert "DRAFT" not in (folder / name).read_text(encoding="utf-8"), name
    tripod = pd.read_csv(folder / "tripod_ai.csv", dtype=str, keep_default_na=False)
    assert not tripod["missing"].any()
    card = (folder / "model_card.json").read_text(encoding="utf-8")
    assert "Said by the owner" in card


def test_simulated_data_are_named_so_on_every_annex(tmp_path: Path) -> None:
    clinic = write_clinic(tmp_path, n=120)
    clinic.change(
        "  source: {path: patients.csv",
        "  title: SIMULATED\n  source: {path: patients.csv",
        file="dictionary.yaml",
    )
    folder = train_quietly(clinic).folder
    for name in ("tripod_ai.html", "probast_ai.html", "methods.txt"):
        assert "SIMULATED" in (folder / name).read_text(encoding="utf-8"), name
    assert json.loads((folder / "model_card.json").read_text(encoding="utf-8"))["Simulated"] is True


def test_small_cells_of_the_characteristics_are_hidden_and_cannot_be_told_from_the_rest() -> None:
    counts = np.array([[60, 40, 5], [30, 25, 2], [30, 15, 3]])
    texts = _share_texts(counts)
    # 5 of 105 is hidden, and so is the next smallest, or 100 minus the others would tell it.
    assert texts[0].tolist() == ["57", HIDDEN, HIDDEN]
    # In the two halves whatever one hides the other hides too.
    assert texts[1].tolist() == ["53", HIDDEN, HIDDEN]
    assert texts[2].tolist() == ["62", HIDDEN, HIDDEN]
    assert _share_texts(np.array([[50, 50], [25, 25], [25, 25]]))[0].tolist() == ["50", "50"]
    assert _mean_text(np.arange(9.0)) == HIDDEN
    assert _mean_text(np.array([1.0, 3.0] * 5)) == "2 (1.1)"


def test_characteristics_are_those_of_the_evaluable_patients() -> None:
    table = pd.read_csv(trained().folder / "characteristics.csv", dtype=str, keep_default_na=False)
    rows, y = trained().study.evaluable("response")
    age = trained().study.dataset.X.iloc[rows]["age"].astype(float)
    line = table[table["input"] == "Age"].iloc[0]
    assert line["all"].startswith(f"{age.mean():.3g} (")
    assert line["with_outcome"].startswith(f"{age[y == 1].mean():.3g} (")


def test_multiple_imputation_is_said_and_counts_for_the_missing_data(tmp_path: Path) -> None:
    clinic = write_clinic(tmp_path, n=120)
    clinic.change("validation:\n", "imputation: {method: multiple, m: 2, rounds: 1}\nvalidation:\n")
    clinic.change("bootstrap: {resamples: 4}", "bootstrap: {resamples: 0}")
    folder = train_quietly(clinic).folder
    words = (folder / "methods.txt").read_text(encoding="utf-8")
    assert "imputed 2 times by chained regressions inside every fold" in words
    assert "Optimism" not in words
    probast = pd.read_csv(folder / "probast_ai.csv", dtype=str, keep_default_na=False).set_index("id")
    assert "imputed 2 times inside each fold" in probast.loc["D4.3", "evidence"]
    assert probast.loc["E4.1", "evidence"] == "Nested cross-validation, 2 outer folds times 2."
    page = (folder / "model_report.html").read_text(encoding="utf-8")
    assert page.count("Not examined: the config asks for no resamples") == 2
