from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from predictor.config.loading import load_config
from predictor.input_fields import _learned, _rounded
from predictor.release import fit_final
from predictor.study import prepare_study, site_labels
from trained_clinics import NOW, clinic_of, trained, write_clinic


def test_the_final_fit_is_on_every_evaluable_patient_and_chooses_by_inner_log_loss() -> None:
    training = trained()
    final = fit_final(training.study)
    assert final.chosen == "net | all"
    np.testing.assert_array_equal(final.rows, np.flatnonzero(training.study.primary.evaluable))
    assert final.model.members_ == [final.fitted[final.chosen]]


def test_the_plans_baseline_is_the_mean_log_odds_of_its_patients() -> None:
    training = trained()
    model, study = training.model.model, training.study
    X = study.dataset.X[[feature.name for feature in model.features]]
    log_odds = model.estimator.decision_function(X)
    for plan in ("ketamine", "midazolam"):
        own = study.cohort.plan == plan
        (baseline,) = model.baselines[plan]
        assert baseline.n == own.sum()
        assert baseline.start_log_odds == pytest.approx(log_odds[own].mean())


def test_group_rates_are_the_observed_ones() -> None:
    training = trained()
    y, plan = training.study.primary.label, training.study.cohort.plan
    for rate in training.model.model.group_rates:
        own = y[plan == rate.plan]
        assert (rate.n, rate.events) == (len(own), int(own.sum()))
        assert rate.rate == pytest.approx(own.mean())
        assert rate.low < rate.rate < rate.high


def test_importance_is_shared_out_and_the_plan_is_required() -> None:
    fields = {one.name: one for one in trained().model.model.inputs}
    assert sum(one.importance for one in fields.values()) == pytest.approx(1.0)
    assert max(fields.values(), key=lambda one: one.importance).name == "crp"
    assert [one.name for one in fields.values() if one.required] == ["arm"]
    assert fields["arm"].role == "plan"
    assert fields["crp"].missing_share == pytest.approx(10 / 200)


def test_refits_are_kept_only_where_numbers_are_released() -> None:
    assert len(trained("better").model.model.refits) == 20
    assert trained("group").model.model.refits == ()


def test_the_card_says_where_the_model_comes_from() -> None:
    training = trained()
    card, loaded = training.model.model.card, training.study.loaded
    assert (card["config_sha256"], card["dictionary_sha256"]) == (loaded.config_hash, loaded.dictionary_hash)
    assert card["data_sha256"] == training.study.data_hash
    assert card["created"] == NOW.date().isoformat()
    assert card["valid_until"] == (NOW.date() + timedelta(days=36500)).isoformat()
    assert (card["owner"], card["contact"]) == ("Example clinic", "ward 3")
    assert card["simulated"] is False
    assert card["limits"]
    assert card["verdict"]["label"] == "better"
    assert 0.5 < card["metrics"]["auc"]["low"] < card["metrics"]["auc"]["value"] < 1
    assert card["developed_on"].startswith(f"200 patients, {int(training.study.primary.label.sum())} with")
    assert set(card["versions"]) >= {"python", "scikit-learn", "numpy"}


@pytest.mark.parametrize(
    ("value", "down", "up"),
    [
        (0.0, 0.0, 0.0),
        (0.29, 0.29, 0.29),
        (31.0, 31.0, 31.0),
        (41.728, 41.7, 41.8),
        (-41.728, -41.8, -41.7),
        (0.0123456, 0.0123, 0.0124),
        (1234.5, 1230.0, 1240.0),
        (99.96, 99.9, 100.0),
    ],
)
def test_an_extreme_is_rounded_outward_to_three_digits(value: float, down: float, up: float) -> None:
    import math

    assert _rounded(value, math.floor) == pytest.approx(down, rel=1e-12)
    assert _rounded(value, math.ceil) == pytest.approx(up, rel=1e-12)
    low, high = _learned(pd.Series([value, value]), (None, None))
    assert low <= value <= high


def test_a_learned_range_stays_inside_the_declared_limits() -> None:
    assert _learned(pd.Series([18.04, 79.96]), (18.0, 80.0)) == (18.0, 80.0)
    assert _learned(pd.Series([18.04, 79.96]), (18.02, 79.98)) == (18.02, 79.98)


def test_no_learned_range_and_no_typical_value_is_a_patients_unrounded_one(tmp_path: Path) -> None:
    clinic = write_clinic(tmp_path, n=80)
    table = clinic.table("patients")
    table["age"] = [f"{30 + i / 7:.6f}" for i in range(80)]
    table.to_csv(clinic.folder / "patients.csv", index=False)
    from trained_clinics import train_quietly

    (age,) = [one for one in train_quietly(clinic).model.model.inputs if one.name == "age"]
    assert age.learned == (30.0, 41.3)  # 30 + 79/7 = 41.2857…
    assert all(len(f"{value:.10g}") <= 4 for value in age.typical.values())


def test_a_site_of_fewer_than_five_patients_is_not_left_out_by_itself(tmp_path: Path) -> None:
    clinic = write_clinic(tmp_path, n=80)
    clinic.change(
        "interval: {resamples: 100}", "interval: {resamples: 100}\n  transport: {by: patients.site}"
    )
    table = clinic.table("patients")
    table.loc[:3, "site"] = "small"
    table.loc[4:8, "site"] = "five"
    table.to_csv(clinic.folder / "patients.csv", index=False)
    labels = site_labels(prepare_study(load_config(clinic.config)))
    assert set(labels) == {"", "five", "north", "south"}
    assert (labels == "").sum() == 4


def test_without_transport_no_site_is_left_out() -> None:
    study = prepare_study(load_config(clinic_of(trained()).config))
    assert set(site_labels(study)) == {""}
