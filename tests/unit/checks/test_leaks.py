"""A planted leak of each kind is found, and the clinic without it raises nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from clinic import COLUMNS, Clinic, build_clinic, small_clinic
from predictor.api import simulate
from predictor.checks.collecting import check_study
from predictor.checks.finding import Finding
from predictor.checks.identity import duplicate_pairs
from predictor.checks.leaks import suggests_later
from predictor.config.loading import load_config
from predictor.config.yaml_writer import write_yaml
from predictor.study import prepare_study
from trained_clinics import write_clinic

PROJECT = Path(__file__).resolve().parents[3]
CONFIGS = ("thinking_healthy", "opt_periodontal", "ketamine_nimh", "ketamine_simulated")


def grave(findings: tuple[Finding, ...]) -> list[str]:
    return [one.key for one in findings if one.severity != "notice"]


@pytest.mark.parametrize("name", CONFIGS)
def test_the_shipped_configs_raise_nothing(name: str, tmp_path: Path) -> None:
    folder = simulate(tmp_path / "made", patients=400, seed=7) if name == "ketamine_simulated" else None
    loaded = load_config(PROJECT / "configs" / f"{name}.yaml", data_folder=folder)
    assert grave(check_study(prepare_study(loaded))) == []


@pytest.mark.parametrize("layout", ["dated", "wide", "visits"])
def test_the_invented_clinics_raise_nothing(tmp_path: Path, layout: Any) -> None:
    assert grave(check_study(build_clinic(tmp_path, layout=layout, sites=4, treatment="arms").study())) == []


def test_a_strong_true_predictor_is_no_leak(tmp_path: Path) -> None:
    clinic = write_clinic(tmp_path, effect=3.0)
    assert grave(check_study(prepare_study(load_config(clinic.config)))) == []


def wide_clinic(
    folder: Path,
    plant: Callable[[pd.DataFrame], dict[str, Any]],
    *,
    n: int = 120,
    seed: int = 2,
    **cohort: Any,
) -> Clinic:
    """Write one wide file of patients, of whom a third respond whatever their age, and plant further columns.

    ``plant`` gets the table with ``responds`` and gives the columns; each becomes a feature known at the baseline.
    """
    rng = np.random.default_rng(seed)
    responds = rng.random(n) < 1 / 3
    before = rng.integers(22, 45, n)
    after = np.where(responds, before * rng.uniform(0.1, 0.5, n), before * rng.uniform(0.55, 1.1, n))
    people = pd.DataFrame(
        {
            "patient": [f"K{i:04d}" for i in rng.permutation(n)],
            "age": np.round(rng.uniform(20, 70, n), 1),
            "madrs_0": before,
            "madrs_28": np.floor(after),
            "responds": responds,
        }
    )
    planted = plant(people)
    people = people.assign(**planted).drop(columns="responds")
    known = {name: {"type": "category"} if isinstance(people[name].iloc[0], str) else {"type": "number"}
             for name in planted}  # fmt: skip
    clinic = small_clinic(
        folder,
        cohort=cohort,
        columns={**known, "patient": COLUMNS["age"]},
        features=["patients.age", *(f"patients.{name}" for name in planted if name in known)],
        patients="patient age madrs_0 madrs_28 "
        + " ".join(planted)
        + "\na 30 30 10 "
        + " ".join("1" for _ in planted),
    )
    clinic.write_table("patients", people)
    return clinic


def found(clinic: Clinic, *overrides: str) -> list[str]:
    return grave(check_study(clinic.study(*overrides)))


def noise(people: pd.DataFrame) -> np.ndarray:
    return np.random.default_rng(5).normal(size=len(people))


def test_the_wide_clinic_itself_raises_nothing(tmp_path: Path) -> None:
    assert found(wide_clinic(tmp_path, lambda people: {"crp": noise(people)})) == []


def test_p001_a_copy_of_the_outcome_with_noise(tmp_path: Path) -> None:
    clinic = wide_clinic(tmp_path, lambda people: {"crp": -people["responds"] + noise(people) / 3})
    (finding,) = check_study(clinic.study())
    assert (finding.code, finding.severity, finding.subject) == ("P001", "error", "patients.crp")
    table = clinic.table("patients").astype({"crp": float, "madrs_0": float, "madrs_28": float})
    by_sklearn = roc_auc_score(table["madrs_28"] <= table["madrs_0"] / 2, -table["crp"])
    assert f"AUC of {by_sklearn:.3f} " in finding.finding


def test_p001_a_category_that_is_the_outcome(tmp_path: Path) -> None:
    def plant(people: pd.DataFrame) -> dict[str, Any]:
        letters = np.random.default_rng(6).choice(list("abc"), len(people))
        return {"ward": [one if r else 2 * one for one, r in zip(letters, people["responds"], strict=True)]}

    assert found(wide_clinic(tmp_path, plant)) == ["P001 patients.ward"]


def test_p001_a_value_that_only_responders_lack(tmp_path: Path) -> None:
    def plant(people: pd.DataFrame) -> dict[str, Any]:
        return {"crp": pd.Series(noise(people)).mask(people["responds"])}

    assert found(wide_clinic(tmp_path, plant)) == ["P001 patients.crp"]


def test_p001_six_responders_raise_nothing_by_luck(tmp_path: Path) -> None:
    header = "patient age madrs_0 madrs_28 crp"
    rows = [
        f"k{i} {30 + i} 30 {8 + i % 7 if i % 5 == 0 else 16 + i % 15} {9 + i / 10 if i % 5 == 0 else 1 + i / 100}"
        for i in range(29)
    ]
    clinic = small_clinic(
        tmp_path,
        columns={"crp": {"type": "number"}},
        features=["patients.age", "patients.crp"],
        patients="\n".join([header, *rows]),
    )
    study = clinic.study("validation.outer.n_splits=3")
    assert study.evaluable("response")[1].sum() == 6
    assert grave(check_study(study)) == []


def test_p002_a_name_that_speaks_of_later(tmp_path: Path) -> None:
    clinic = wide_clinic(
        tmp_path, lambda people: {"crp_week4": noise(people), "previous_responder": noise(people)}
    )
    (finding,) = check_study(clinic.study())
    assert (finding.code, finding.severity, finding.subject) == ("P002", "warning", "patients.crp_week4")


def test_p002_a_header_behind_a_harmless_name(tmp_path: Path) -> None:
    clinic = wide_clinic(tmp_path, lambda people: {"crp_followup": noise(people)})
    dictionary = clinic.load().dictionary.model_dump(mode="json", by_alias=True, exclude_unset=True)
    dictionary["patients"]["columns"]["crp_followup"]["name"] = "inflammation"
    (clinic.folder / "dictionary.yaml").write_text(write_yaml(dictionary), encoding="utf-8")
    text = clinic.config.read_text().replace("patients.crp_followup", "patients.inflammation")
    clinic.config.write_text(text)
    assert found(clinic) == ["P002 patients.inflammation"]


@pytest.mark.parametrize(
    ("name", "later"),
    [
        ("crp_post", True), ("crpPost", True), ("hamd_6m", True), ("madrs_week_4", True), ("visit5_bmi", True),
        ("follow_up_weight", True), ("bdi_fu", True), ("week1", False), ("ptsd", False), ("posterior_volume", False),
        ("prior_responder", False), ("pockets_4mm", False), ("gad7", False), ("hamd17", False), ("MIL", False),
        ("response_time", False), ("episode_months", False), ("last_6m_weight", False),
    ],
)  # fmt: skip
def test_p002_names(name: str, later: bool) -> None:
    assert suggests_later(name) is later


@pytest.mark.parametrize(
    "part",
    [
        lambda people: people["madrs_28"],
        lambda people: people["madrs_0"] - people["madrs_28"],
        lambda people: 100 * (1 - people["madrs_28"] / people["madrs_0"]) + noise(people),
    ],
    ids=["the score after treatment", "the change", "the percentage, rounded"],
)
def test_p003_a_component_of_the_outcome(tmp_path: Path, part: Callable[[pd.DataFrame], Any]) -> None:
    assert "P003 patients.gad" in found(wide_clinic(tmp_path, lambda people: {"gad": part(people)}))


def test_p003_is_found_with_six_responders_too(tmp_path: Path) -> None:
    rows = [f"k{i} {30 + i} 30 {10 + i % 3 if i % 5 == 0 else 20 + i % 7}" for i in range(29)]
    rows = [f"{row} {2 * float(row.split()[3]) + 1}" for row in rows]
    clinic = small_clinic(
        tmp_path,
        columns={"late": {"type": "number"}},
        features=["patients.age", "patients.late"],
        patients="\n".join(["patient age madrs_0 madrs_28 late", *rows]),
    )
    assert found(clinic, "validation.outer.n_splits=3") == ["P003 patients.late"]


def test_p004_a_site_that_carries_the_outcome(tmp_path: Path) -> None:
    def plant(people: pd.DataFrame) -> dict[str, Any]:
        number = np.random.default_rng(8).integers(0, 4, len(people))
        return {"ward": [f"w{k + 4 * r}" for k, r in zip(number, people["responds"], strict=True)]}

    clinic = wide_clinic(tmp_path, plant, group="patients.ward")
    text = clinic.config.read_text()
    assert ', "patients.ward"' in text
    clinic.config.write_text(text.replace(', "patients.ward"', ""))
    (finding,) = check_study(clinic.study("validation.outer.n_splits=2"))
    assert (finding.key, finding.severity) == ("P004 patients.ward", "warning")


@pytest.mark.parametrize(("keys", "subject"), [(True, "keys"), (False, "rows")])
def test_p005_a_file_sorted_by_outcome(tmp_path: Path, keys: bool, subject: str) -> None:
    clinic = wide_clinic(tmp_path, lambda people: {"crp": noise(people)})
    table = clinic.table("patients")
    falls = table["madrs_28"].astype(float) / table["madrs_0"].astype(float) > 0.5
    if keys:  # numbers as numbers: R2 comes before R10
        order = np.argsort(np.argsort(falls, kind="stable"))
        table["patient"] = [f"R{k}" for k in order]
    else:
        table = table.loc[np.argsort(falls, kind="stable")]
    clinic.write_table("patients", table)
    assert found(clinic) == [f"P005 the order of the {subject} in patients"]


@pytest.mark.parametrize(
    ("taken", "severity"),
    [("T08:00", None), ("T11:00", "warning"), ("", "notice")],
    ids=["before the infusion", "after it", "that day"],
)
def test_p015_scores_of_the_day_itself(tmp_path: Path, taken: str, severity: str | None) -> None:
    clinic = build_clinic(tmp_path)
    courses, scores = clinic.table("courses"), clinic.table("scores")
    started = dict(zip(courses["patient"], courses["started"], strict=True))
    clinic.write_table("courses", courses.assign(started=courses["started"] + "T09:30"))
    days = pd.to_datetime(scores["on"]) - pd.to_datetime(scores["patient"].map(started))
    last = (days.dt.days == -3) & (scores["scale"] == "MADRS")
    scores.loc[last, "on"] = scores.loc[last, "patient"].map(started) + taken
    clinic.write_table("scores", scores)
    findings = check_study(clinic.study())
    assert [(one.key, one.severity) for one in findings] == (
        [("P015 scores.madrs", severity)] if severity else []
    )
    if severity:
        assert findings[0].finding.startswith(f"{last.sum()} values of scores.madrs ")
    assert check_study(clinic.study("cohort.baseline.same_day=pre_dose_only")) == ()


def twice(folder: Path, *, age: str | None = None) -> tuple[Clinic, int]:
    """Enter the fourth patient again under another key; return the number of the new row in the file."""
    clinic = wide_clinic(folder, lambda people: {f"marker{i}": np.roll(noise(people), i) for i in range(12)})
    table = clinic.table("patients")
    copy = table.iloc[[3]].assign(patient="K9999", **({"age": age} if age else {}))
    clinic.write_table("patients", pd.concat([table, copy]))
    return clinic, len(table) + 2


def test_p006_a_patient_under_two_keys_is_an_error(tmp_path: Path) -> None:
    clinic, row = twice(tmp_path)
    (finding,) = check_study(clinic.study())
    assert (finding.code, finding.severity) == ("P006", "error")
    assert (
        f"1 pair of patients with different keys agree in every feature (rows 5 and {row})" in finding.finding
    )
    assert "K9999" not in str(finding)


def test_p006_nearly_the_same_is_a_warning(tmp_path: Path) -> None:
    clinic, _ = twice(tmp_path, age="33.3")
    (finding,) = check_study(clinic.study())
    assert (finding.code, finding.severity) == ("P006", "warning")


def test_p006_courses_of_one_patient_and_common_values_are_no_pair() -> None:
    rng = np.random.default_rng(4)
    common = pd.DataFrame({f"yes{i}": rng.integers(0, 2, 300).astype(float) for i in range(8)})
    assert common.duplicated().any()
    assert duplicate_pairs(common, np.arange(300)).empty
    rare = pd.DataFrame({f"x{i}": rng.normal(size=50) for i in range(4)})
    courses = pd.concat([rare, rare.iloc[:5]], ignore_index=True)
    own = np.concatenate([np.arange(50), np.arange(5)])
    assert duplicate_pairs(courses, own).empty
    assert len(duplicate_pairs(courses, np.arange(55))) == 5


def test_p006_large_cohorts_are_searched_for_exact_copies() -> None:
    rng = np.random.default_rng(4)
    X = pd.DataFrame({f"x{i}": rng.normal(size=12_000) for i in range(11)})
    X.iloc[11_990] = X.iloc[7]
    X.iloc[11_991] = X.iloc[8]
    X.loc[11_991, "x0"] = 0.0
    assert duplicate_pairs(X, np.arange(12_000)).to_numpy().tolist() == [[7, 11_990, True]]
