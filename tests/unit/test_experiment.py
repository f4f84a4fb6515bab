from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from predictor.config.loading import load_config
from predictor.errors import ConfigError
from predictor.experiment.judging import weight_table
from predictor.features.columns import columns_of
from predictor.validation.resampling import FoldResult
from trained_clinics import NOW, new_patients, train_quietly, trained, write_clinic


def read(name: str) -> pd.DataFrame:
    return pd.read_csv(trained().folder / name)


def test_every_patient_is_predicted_once_per_repeat_and_procedure() -> None:
    training = trained()
    predictions = pd.read_parquet(training.folder / "predictions.parquet")
    evaluable = int(training.study.primary.evaluable.sum())
    procedures = {"prevalence", "severity", "plan", "severity + plan", "net | all", "average"}
    assert set(predictions["procedure"]) == procedures
    counts = Counter(zip(predictions["procedure"], predictions["repeat"], strict=True))
    assert set(counts.values()) == {evaluable}
    assert len(counts) == len(procedures) * 2
    assert not {"patient", "patient_id", "key"} & set(predictions.columns)


def test_shares_are_summarised_over_the_outer_folds() -> None:
    assert read("weights.csv").to_dict("records") == [
        {"candidate": "net | all", "mean": 1.0, "low": 1.0, "high": 1.0, "folds": 4}
    ]
    made = [object.__new__(FoldResult) for _ in range(4)]
    for result, share in zip(made, (0.5, 0.25, 0.25, 0.0), strict=True):
        object.__setattr__(result, "weights", {"a": share, "b": 1.0 - share})
    # a: (0.5 + 0.25 + 0.25 + 0) / 4; b has the rest, and the larger mean comes first.
    assert weight_table(made).to_dict("records") == [
        {"candidate": "b", "mean": 0.75, "low": 0.5, "high": 1.0, "folds": 4},
        {"candidate": "a", "mean": 0.25, "low": 0.0, "high": 0.5, "folds": 4},
    ]


def test_importance_out_of_fold_puts_the_planted_cause_first() -> None:
    table = read("importance.csv").sort_values("mean", ascending=False)
    assert table["feature"].iloc[0] == "crp"
    assert len(table) == 6


@pytest.mark.parametrize("kind", ["better", "random_forest"])
def test_the_refits_are_compared_with_the_model_that_is_released(kind: str) -> None:
    training = trained(kind)
    table = pd.read_parquet(training.folder / "instability.parquet")
    X = training.study.dataset.X.iloc[table["row"]]
    scorer = training.model.model.scorer
    released = scorer.probability(columns_of(X, scorer.columns), len(X))
    np.testing.assert_allclose(table["p"], released, atol=1e-9)


def test_the_verdict_is_kept_as_plain_data() -> None:
    record = json.loads((trained().folder / "verdict.json").read_text())
    assert record["label"] == trained().evaluation.verdict.label
    assert record["sentence"]


def test_the_run_is_stamped_with_the_time_it_was_given() -> None:
    training = trained()
    assert training.folder.name.startswith(f"{NOW:%Y%m%dT%H%M%S}-clinic-elastic-net-")
    assert training.cpu_seconds > 0
    assert training.notices == ()


def test_transport_leaves_each_site_out_once(tmp_path: Path) -> None:
    clinic = write_clinic(tmp_path, n=160)
    clinic.change(
        "interval: {resamples: 100}", "interval: {resamples: 100}\n  transport: {by: patients.site}"
    )
    training = train_quietly(clinic)
    table = pd.read_csv(training.folder / "transport.csv")
    assert sorted(table["site"]) == ["north", "south"]
    assert table["n"].sum() == int(training.study.primary.evaluable.sum())
    assert table["events"].sum() == int(training.study.primary.label.sum())


def test_the_sites_are_summarised_and_the_summary_is_in_the_report(tmp_path: Path) -> None:
    clinic = write_clinic(tmp_path, n=400)
    table = clinic.table("patients")
    table["site"] = [("north", "south", "west")[i % 3] for i in range(len(table))]
    table.to_csv(clinic.folder / "patients.csv", index=False)
    clinic.change(
        "interval: {resamples: 100}", "interval: {resamples: 100}\n  transport: {by: patients.site}"
    )
    training = train_quietly(clinic)
    sites = pd.read_csv(training.folder / "transport.csv")
    summary = pd.read_csv(training.folder / "transport_summary.csv").set_index("measure")
    assert (summary["sites"] == 3).all()
    assert sites["auc"].min() <= summary.loc["AUC", "value"] <= sites["auc"].max()
    assert (summary["prediction_low"] < summary["value"]).all()
    assert "A further site" in training.model_report.read_text(encoding="utf-8")


def test_a_temporal_split_learns_before_the_cut_and_is_tested_from_it_on(tmp_path: Path) -> None:
    clinic = write_clinic(tmp_path, n=200)
    split = "transport: {type: temporal, by: treatments.started_at, cut: 2025-07-01}"
    clinic.change("interval: {resamples: 100}", f"interval: {{resamples: 100}}\n  {split}")
    training = train_quietly(clinic)
    table = pd.read_csv(training.folder / "transport.csv")
    started = pd.to_datetime(clinic.table("treatments")["started_at"])
    assert table["site"].tolist() == ["from 2025-07-01 on"]
    assert table["n"].tolist() == [int((started >= "2025-07-01").sum())]
    assert not (training.folder / "transport_summary.csv").exists()


def test_a_cut_that_leaves_nobody_to_test_is_refused_before_anything_is_fitted(tmp_path: Path) -> None:
    clinic = write_clinic(tmp_path, n=120)
    split = "transport: {type: temporal, by: treatments.started_at, cut: 2031-01-01}"
    clinic.change("interval: {resamples: 100}", f"interval: {{resamples: 100}}\n  {split}")
    with pytest.raises(ConfigError, match=r"CFG-12.*0 evaluable units"):
        train_quietly(clinic)


@pytest.mark.parametrize(
    ("split", "code"),
    [
        ("{type: temporal, by: treatments.started_at}", "CFG-26"),
        ("{type: temporal, by: patients.age, cut: 2025-07-01}", "CFG-38"),
        ("{type: temporal, by: treatments.started_at, cut: 2025-02-30}", "CFG-28"),
        ("{by: patients.site, cut: 2025-07-01}", "CFG-38"),
    ],
)
def test_a_split_that_does_not_fit_its_column_is_refused(tmp_path: Path, split: str, code: str) -> None:
    clinic = write_clinic(tmp_path, n=40)
    clinic.change("interval: {resamples: 100}", f"interval: {{resamples: 100}}\n  transport: {split}")
    with pytest.raises(ConfigError, match=code):
        load_config(clinic.config)


def test_declared_subgroups_are_a_table_and_a_section_of_the_report(tmp_path: Path) -> None:
    clinic = write_clinic(tmp_path, n=160)
    clinic.change("report: {", "report: {subgroups: [patients.sex, {column: patients.age, cut: 45}], ")
    training = train_quietly(clinic)
    table = pd.read_csv(training.folder / "subgroups.csv", dtype={"n": str})
    assert set(table["subgroup"]) == {"female", "male", "below 45 years", "45 years or more"}
    rows = training.study.primary.evaluable
    sex = training.study.dataset.X["sex"][rows]
    counted = table.drop_duplicates("subgroup").set_index("subgroup")["n"]
    assert counted["female"] == str(int((sex == "female").sum()))
    report = training.model_report.read_text(encoding="utf-8")
    assert "45 years or more" in report
    assert "too few to judge" in report
    assert not (trained().folder / "subgroups.csv").exists()


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        ("patients.age", "CFG-26"),
        ("{column: patients.sex, cut: 1}", "CFG-38"),
        ("treatments.started_at", "CFG-38"),
        ("patients.height", "CFG-20"),
    ],
)
def test_a_column_that_makes_no_subgroups_is_refused(tmp_path: Path, entry: str, code: str) -> None:
    clinic = write_clinic(tmp_path, n=40)
    clinic.change("report: {", f"report: {{subgroups: [{entry}], ")
    with pytest.raises(ConfigError, match=code):
        load_config(clinic.config)


def test_without_transport_there_is_no_such_table() -> None:
    assert not (trained().folder / "transport.csv").exists()


def test_one_declared_model_is_judged_by_itself(tmp_path: Path) -> None:
    clinic = write_clinic(tmp_path, n=120)
    training = train_quietly(clinic, overrides=["validation.judge=net"])
    judged = training.evaluation.performance.query("kind == 'judged'")
    assert set(judged["procedure"]) == {"net | all"}
    assert training.model.predict(new_patients(2))["row"].tolist() == [1, 2]


def test_research_release_shows_numbers_with_their_mark(tmp_path: Path) -> None:
    clinic = write_clinic(tmp_path, effect=0.0)
    overrides = ["report.release=research", "report.reason=to compare methods"]
    training = train_quietly(clinic, overrides=overrides)
    assert training.evaluation.verdict.label != "better"
    for path in training.patient_reports:
        text = path.read_text()
        assert "RESEARCH ONLY" in text
        assert "to compare methods" in text
    answers = training.model.explain(new_patients(3))
    assert all(one.research_only for one in answers if one.kind == "estimate")


@pytest.mark.parametrize("name", ["performance", "comparisons", "counts", "group_rates", "roc"])
def test_every_table_of_the_evaluation_is_in_the_folder(name: str) -> None:
    frame = getattr(trained().evaluation, name)
    written = read(f"{name}.csv")
    assert list(written.columns) == [str(column) for column in frame.columns]
    assert len(written) == len(frame)
