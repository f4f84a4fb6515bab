"""A leak that is planted in a clinic's file stops `check` and `train`; a reason in the config lets them go on."""

from __future__ import annotations

import html
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from predictor import terminal
from trained_clinics import Clinic, command_line, train_quietly, trained, write_clinic


@pytest.fixture
def leaking(tmp_path: Path) -> Clinic:
    """A clinic whose CRP is the outcome, with a little noise."""
    clinic = write_clinic(tmp_path)
    patients, responds = clinic.table("patients"), responders(clinic)
    noise = np.random.default_rng(1).uniform(0, 3, len(patients))
    patients["crp"] = [f"{2 + 2.8 * r + e:.3f}" for r, e in zip(responds, noise, strict=True)]
    patients.to_csv(clinic.folder / "patients.csv", index=False)
    return clinic


def responders(clinic: Clinic) -> np.ndarray:
    """Say of each row of patients.csv whether MADRS fell by half, from the two rows in scores.csv."""
    scores = {key: one["score"].astype(float) for key, one in clinic.table("scores").groupby("patient_id")}
    patients = clinic.table("patients")["patient_id"]
    return np.array([scores[key].iloc[1] <= scores[key].iloc[0] / 2 for key in patients])


def test_lea_04_check_lists_the_leak_and_ends_with_six(leaking: Clinic) -> None:
    answer = command_line("check", "config.yaml", cwd=leaking.folder)
    assert answer.code == 6
    (line,) = answer.out.rstrip().split("What stops `predictor train`")[1].splitlines()[2:]
    assert line.startswith("patients.csv: patients.crp: P001 the value of patients.crp alone has an AUC of")
    assert "`predictor explain P001`" in line
    assert "can start" not in answer.out


def test_lea_04_train_stops_before_the_first_fit_and_leaves_nothing(leaking: Clinic) -> None:
    before = sorted(leaking.folder.rglob("*"))
    answer = command_line("train", "config.yaml", "--workers", "1", cwd=leaking.folder)
    assert answer.code == 6
    assert answer.errors[-1].startswith("patients.csv: patients.crp: P001 ")
    assert sorted(leaking.folder.rglob("*")) == before


def test_too_few_patients_and_a_leak_are_told_together_by_check_and_by_train(leaking: Clinic) -> None:
    leaking.change("override: invented\n", "")
    leaking.change("  refits: 20\n", "  refits: 20\n  expected_auc: 0.55\n")
    looked = command_line("check", "config.yaml", cwd=leaking.folder)
    stops = looked.out.rstrip().split("What stops `predictor train`")[1].splitlines()[2:]
    codes = [next(word for word in line.split() if word[:3] in ("SIZ", "P00")) for line in stops]
    assert len(codes) >= 2
    assert codes[-1] == "P001"
    assert all(code.startswith("SIZ") for code in codes[:-1])
    refused = command_line("train", "config.yaml", "--workers", "1", cwd=leaking.folder)
    assert (looked.code, refused.code) == (6, 6)
    assert refused.errors[-len(stops) :] == stops
    assert not (leaking.folder / "experiments").exists()


def test_lea_01_a_patient_under_two_keys_stops_the_training_with_the_rows(tmp_path: Path) -> None:
    clinic = write_clinic(tmp_path)
    for name in ("patients", "treatments", "scores"):
        table = clinic.table(name)
        again = table[table["patient_id"] == "K0003"].assign(patient_id="K9999")
        pd.concat([table, again]).to_csv(clinic.folder / f"{name}.csv", index=False)
    answer = command_line("train", "config.yaml", "--workers", "1", cwd=clinic.folder)
    assert answer.code == 6
    assert "P006 1 pair of patients with different keys agree in every feature" in answer.errors[-1]
    assert "K9999" not in answer.err
    assert not (clinic.folder / "experiments").exists()


def test_lea_04_an_acknowledged_leak_is_on_the_first_page_of_the_report(leaking: Clinic) -> None:
    reason = "measured the day before the infusion, see the laboratory's log"
    leaking.change("  refits: 20\n", f'  refits: 20\n  acknowledged: {{"P001 patients.crp": "{reason}"}}\n')
    answer = command_line("check", "config.yaml", "--json", cwd=leaking.folder)
    assert answer.code == 0
    (finding,) = answer.record["findings"]
    assert (finding["code"], finding["acknowledged"]) == ("P001", reason)

    training = train_quietly(leaking)
    codes = [one.code for one in training.findings]
    assert codes[0] == "P001"
    assert "P014" in codes  # and the figures are implausible indeed
    page = html.unescape(training.model_report.read_text(encoding="utf-8"))
    first, last = page.split("2. Attrition")[0], page.split("23. Checks")[-1]
    assert "P001: the value of patients.crp alone" in first
    assert reason in first
    assert "P014" not in first  # a notice stands in the table only
    assert all(part in last for part in ("P001", "P014", reason, "predictor explain P014"))
    table = pd.read_csv(training.folder / "checks.csv", keep_default_na=False)
    assert table["code"].tolist() == codes
    assert table["acknowledged"].iloc[0] == reason
    assert "P001 error" in terminal.training_text(training)
    assert [one["code"] for one in terminal.training_record(training)["findings"]] == codes


def test_lea_07_a_site_that_predicts_the_outcome_is_on_the_first_page(tmp_path: Path) -> None:
    clinic = write_clinic(tmp_path, effect=1.0)
    patients = clinic.table("patients").assign(site=np.where(responders(clinic), "north", "south"))
    patients.loc[::20, "site"] = "south"  # nearly
    patients.to_csv(clinic.folder / "patients.csv", index=False)
    clinic.change("patients.site, ", "")
    clinic.change("  refits: 20\n", "  refits: 20\n  transport: {by: patients.site}\n")
    training = train_quietly(clinic)
    (finding,) = [one for one in training.findings if one.code == "P004"]
    assert (finding.severity, finding.subject) == ("warning", "patients.site")
    page = training.model_report.read_text(encoding="utf-8")
    assert "P004: patients.site tells the outcome with an AUC of 0.9" in page.split("2. Attrition")[0]


def test_a_clean_clinic_starts_and_its_report_says_what_was_found_afterwards() -> None:
    training = trained()
    assert {one.code for one in training.findings} >= {"P014"}  # a strong effect was planted
    assert all(one.severity != "error" for one in training.findings)
    patients = set(training.study.cohort.timeline.units["patient"])
    assert not any(key in str(one) for key in patients for one in training.findings)
