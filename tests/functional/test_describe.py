"""`predictor describe`: a page and tables about the data in which nobody can be found."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from trained_clinics import Clinic, command_line, write_clinic

FILES = {
    "attrition.csv",
    "columns.csv",
    "coverage.csv",
    "data_quality.html",
    "duplicates.csv",
    "missingness.csv",
    "outcomes.csv",
    "tables.csv",
    "timeline.csv",
}


@pytest.fixture
def clinic(tmp_path: Path) -> Clinic:
    """A clinic in which one patient has values and a key that nobody else has."""
    made = write_clinic(tmp_path)
    patients = made.table("patients")
    patients.loc[7, "crp"] = "73.519"
    patients.to_csv(made.folder / "patients.csv", index=False)
    return made


def test_writes_a_page_and_its_tables_and_no_patient(clinic: Clinic) -> None:
    answer = command_line("describe", "config.yaml", "--out", "quality", cwd=clinic.folder)
    assert (answer.code, answer.err) == (0, "")
    folder = clinic.folder / "quality"
    assert {path.name for path in folder.iterdir()} == FILES
    keys = set(clinic.table("patients")["patient_id"])
    for text in [answer.out, *(path.read_text(encoding="utf-8") for path in folder.iterdir())]:
        assert "73.519" not in text
        assert not keys & set(re.findall(r"K\d+", text))
    page = (folder / "data_quality.html").read_text(encoding="utf-8")
    for words in (
        "1. Files",
        "2. Who is left",
        "3. Columns",
        "4. What is missing",
        "5. When it was",
        "6. Duplicates",
    ):
        assert words in page
    columns = pd.read_csv(folder / "columns.csv")
    assert {"patients", "scores"} <= set(columns["table"])


def test_refuses_a_folder_that_holds_something(clinic: Clinic) -> None:
    answer = command_line("describe", "config.yaml", "--out", ".", cwd=clinic.folder)
    assert answer.code == 2
    assert "CFG-10" in answer.err


def test_too_few_events_are_described_all_the_same(clinic: Clinic) -> None:
    patients = clinic.table("patients").iloc[:12]
    patients.to_csv(clinic.folder / "patients.csv", index=False)
    assert command_line("check", "config.yaml", cwd=clinic.folder).code != 0
    answer = command_line("describe", "config.yaml", "--out", "few", "--json", cwd=clinic.folder)
    assert answer.code == 0
    assert answer.record["attrition"][0]["units"] == 12


def test_the_watermark_is_on_the_page_and_in_the_terminal(tmp_path: Path) -> None:
    project = Path(__file__).resolve().parents[2]
    made = tmp_path / "made"
    assert (
        command_line("simulate", "--patients", "60", "--seed", "3", "--out", str(made), cwd=tmp_path).code
        == 0
    )
    config = project / "configs" / "ketamine_simulated.yaml"
    answer = command_line(
        "describe", str(config), "--data-folder", str(made), "--out", "quality", cwd=tmp_path
    )
    assert answer.code == 0
    assert answer.out.startswith("SIMULATED DATA")
    page = (tmp_path / "quality" / "data_quality.html").read_text(encoding="utf-8")
    assert "SIMULATED DATA: not real patients" in page
    assert str(tmp_path) not in page
