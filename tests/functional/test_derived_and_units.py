"""A SIMULATED clinic whose laboratories report in different units and whose features are derived, from files on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from predictor.config.loading import load_config
from predictor.errors import ConfigError, DataError
from predictor.experiment import Training
from predictor.study import prepare_study
from trained_clinics import Clinic, command_line, train_quietly

DICTIONARY = """\
patients:
  title: SIMULATED patients
  source: {path: patients.csv}
  key: id
  known: baseline
  columns:
    provenance: {type: category, values: [SIMULATED]}
    site: {type: category, values: [A, B]}
    weight: {measure: weight, unit: kg, file_unit: "[lb_av]"}
    height: {measure: height, unit: cm}
    bmi: {measure: bmi, unit: kg/m2, derive: {rule: bmi, weight: weight, height: height}}
    cortisol: {analyte: cortisol_serum, unit: nmol/L, unit_column: cortisol_unit}
    dose: {measure: dose_per_weight, unit: mg/kg, known: plan}
    dose_mg: {type: number, unit: mg, known: plan, derive: {rule: dose, dose: dose, weight: weight}}
    failed:
      type: integer
      derive: {rule: count, table: trials, where: [{column: adequacy, min: 3}, {column: result, in: [failed]}]}
trials:
  title: SIMULATED antidepressant trials
  source: {path: trials.csv}
  key: id
  known: baseline
  rows: several
  columns:
    drug: {type: text}
    adequacy: {type: integer, range: [0, 5]}
    result: {type: category, values: [failed, helped]}
scores:
  title: SIMULATED scores
  source: {path: scores.csv}
  key: id
  visits: {column: visit, days: {before: -14, day0: 0, week4: 28}}
  columns:
    madrs: {instrument: madrs}
"""
CONFIG = """\
version: 1
override: SIMULATED
experiment: {name: derived, question: "SIMULATED: does MADRS fall by half in four weeks?", seed: 3}
data: {dictionary: dictionary.yaml}
cohort: {index: visits, baseline: {first_day: -28, last_day: 0}}
outcomes:
  response: {kind: response, measure: madrs, assessed: {first_day: 21, last_day: 35, target_day: 28}}
primary: response
severity: scores.madrs
features:
  groups:
    all: [patients.bmi, patients.cortisol_serum, patients.failed, scores.madrs, {column: scores.madrs, take: slope}]
    plan: [patients.dose_mg]
  sets: {all: [all, plan]}
models:
  net: {type: elastic_net, features: [all], candidates: 2}
validation:
  outer: {n_splits: 2, n_repeats: 2}
  inner: {n_splits: 2}
  transport: {by: patients.site}
  interval: {resamples: 100}
  refits: 20
  bootstrap: {resamples: 4}
report: {owner: SIMULATED clinic, contact: ward 3, valid_days: 36500}
"""
N = 160


def write_clinic(folder: Path) -> Clinic:
    rng = np.random.default_rng(4)
    keys = [f"S{i:03d}" for i in range(N)]
    weight, height = rng.normal(80, 10, N), rng.normal(172, 8, N)
    cortisol = 400 * np.exp(rng.normal(0, 0.3, N))
    old = rng.random(N) < 0.5
    failed = rng.integers(0, 6, N)
    before, day0 = rng.integers(30, 45, N), rng.integers(25, 45, N)
    responds = rng.random(N) < 1 / (1 + np.exp(2 * (failed - 2.5)))
    after = np.where(responds, np.floor(day0 * 0.4), np.ceil(day0 * 0.8)).astype(int)
    patients = pd.DataFrame(
        {
            "id": keys,
            "provenance": "SIMULATED",
            "site": rng.choice(["A", "B"], N),
            "weight": [f"{kg / 0.45359237:.2f}" for kg in weight],
            "height": [f"{cm:.1f}" for cm in height],
            "cortisol": [
                f"{v / 27.589:.3f}" if u else f"{v:.1f}" for v, u in zip(cortisol, old, strict=True)
            ],
            "cortisol_unit": np.where(old, "ug/dL", "nmol/L"),
            "dose": rng.choice(["0.5", "0.75", "1"], N),
        }
    )
    trials = pd.DataFrame(
        [(key, f"drug{j}", 4, "failed") for key, n in zip(keys, failed, strict=True) for j in range(n)]
        + [(key, "other", 2, "failed") for key in keys],  # not adequate: never counted
        columns=["id", "drug", "adequacy", "result"],
    )
    visits = ((before, "before"), (day0, "day0"), (after, "week4"))
    scores = pd.concat(pd.DataFrame({"id": keys, "visit": visit, "madrs": score}) for score, visit in visits)
    folder.mkdir(parents=True)
    (folder / "pyproject.toml").touch()
    (folder / "dictionary.yaml").write_text(DICTIONARY, encoding="utf-8")
    (folder / "config.yaml").write_text(CONFIG, encoding="utf-8")
    for name, frame in (("patients", patients), ("trials", trials), ("scores", scores)):
        frame.to_csv(folder / f"{name}.csv", index=False)
    patients.assign(kg=weight, cm=height, nmol=cortisol, n=failed, slope=(day0 - before) / 2).to_csv(
        folder / "truth.csv", index=False
    )
    return Clinic(folder)


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> Training:
    return train_quietly(write_clinic(tmp_path_factory.mktemp("derived") / "clinic"))


def test_features_are_what_was_drawn_before_it_was_written_in_other_units(training: Training) -> None:
    truth = pd.read_csv(training.study.loaded.path.parent / "truth.csv")
    X = training.study.dataset.X
    np.testing.assert_allclose(X["bmi"], truth["kg"] / (truth["cm"] / 100) ** 2, rtol=2e-3)
    np.testing.assert_allclose(X["cortisol_serum"], truth["nmol"], rtol=2e-3)
    np.testing.assert_allclose(X["dose_mg"], truth["dose"] * truth["kg"], rtol=1e-3)
    np.testing.assert_array_equal(X["failed"], truth["n"])
    np.testing.assert_allclose(X["madrs_slope"], truth["slope"])  # 14 days are two weeks


def test_counted_failures_predict_and_a_new_patient_is_given_them_by_name(
    training: Training, tmp_path: Path
) -> None:
    assert training.evaluation.verdict.label == "better"
    model = training.folder / "model"
    path = tmp_path / "new.csv"
    path.write_text(
        "patient,bmi,cortisol_serum,failed,madrs,madrs_slope,dose_mg\nN1,27,400,1,34,-1,40\nN2,27,400,5,34,-1,40\n",
        encoding="utf-8",
    )
    record = command_line("predict", model, path, "--json").record
    assert record["simulated"] is True
    one, five = (row["probability"] for row in record["predictions"])
    assert one > 0.5 > five


def test_a_site_in_another_unit_stops_the_training_and_says_which_unit(tmp_path: Path) -> None:
    clinic = write_clinic(tmp_path / "clinic")
    patients = clinic.table("patients")
    truth = pd.read_csv(clinic.folder / "truth.csv")["nmol"]
    patients["cortisol"] = [
        f"{v / 27.589 if s == 'B' else v:.1f}" for v, s in zip(truth, patients["site"], strict=True)
    ]
    patients.to_csv(clinic.folder / "patients.csv", index=False)
    clinic.change("unit_column: cortisol_unit", "range: [0, 2000]", file="dictionary.yaml")
    with pytest.raises(DataError) as caught:
        prepare_study(load_config(clinic.config))
    (problem,) = caught.value.problems
    assert problem.code == "UNI-03"
    assert "the median of cortisol_serum at 1 of 2 sites" in problem.message
    assert "which is what ug/dL would do" in problem.message


def test_mistakes_in_a_rule_are_named_by_line(tmp_path: Path) -> None:
    clinic = write_clinic(tmp_path / "clinic")
    clinic.change(
        "derive: {rule: bmi, weight: weight,", "derive: {rule: bmi, wieght: weight,", file="dictionary.yaml"
    )
    clinic.change("rule: count, table: trials", "rule: count, table: trails", file="dictionary.yaml")
    with pytest.raises(ConfigError) as caught:
        load_config(clinic.config)
    found = [
        (problem.code, problem.line, problem.path.partition(".columns.")[2])
        for problem in caught.value.problems
    ]
    assert ("CFG-49", 17, "failed.derive.table") in found
    assert ("CFG-01", 11, "bmi.derive.wieght") in found
