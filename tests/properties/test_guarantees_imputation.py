"""What multiple imputation promises: no outcome where somebody is predicted, and one answer on every path."""

from __future__ import annotations

import functools
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from predictor.config.loading import load_config
from predictor.errors import ConfigError
from predictor.experiment import Training
from predictor.explanation.attribution import Explainer, MemberExplainer, plan_baselines
from predictor.features.columns import columns_of
from predictor.features.dataset import Dataset, Feature
from predictor.features.encoding import encode_block
from predictor.features.imputation import Draw
from predictor.features.preprocessing import build_preprocessor, fitted_chain
from predictor.models.averaging import AveragedClassifier
from predictor.models.compact import compact, refit_range
from predictor.models.plain import from_plain, to_plain
from predictor.models.tuning import TunedClassifier
from predictor.prediction_model import load_prediction_model, raw_columns, save_prediction_model
from predictor.release import fit_final
from predictor.reports.patient import patient_views
from predictor.reports.render import render_patient_report
from predictor.validation.resampling import Candidate, Protocol, cross_validate, fit_candidates
from predictor.validation.splits import Fold
from trained_clinics import NOW, Clinic, clinic_of, result_hashes, train_quietly, write_clinic

NAMES = ["plain", "skewed", "counted", "level", "arm"]
FEATURES = (
    Feature("plain", "t.plain", "number", "Plain"),
    Feature("skewed", "t.skewed", "number", "Skewed", transform="log1p"),
    Feature("counted", "t.counted", "number", "Counted"),
    Feature("level", "t.level", "category", "Level"),
    Feature("arm", "t.arm", "category", "Arm", known="plan"),
)
FEW = {"random_forest": [{"n_estimators": 8}], "lightgbm": [{"n_estimators": 8, "num_leaves": 4}]}
KNOWN = ["elastic_net", "random_forest", "lightgbm", "hist_gradient_boosting"]


def table(n: int, seed: int, missing: float, levels: int = 4, *, odd: str = "") -> pd.DataFrame:
    """Invented patients; ``odd`` makes one number empty, constant, or known of two patients only."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=n)
    columns: dict[str, np.ndarray] = {
        "plain": 40 + 8 * (shared + rng.normal(size=n)),
        "skewed": np.expm1(np.abs(shared + rng.normal(size=n))),
        "counted": rng.poisson(1.5, n).astype(float),
    }
    if odd:
        columns["counted"][:] = {"empty": np.nan, "constant": 3.0, "two": np.nan}[odd]
        columns["counted"][:2] = [1.0, 2.0] if odd == "two" else columns["counted"][:2]
    for values in columns.values():
        values[rng.random(n) < missing] = np.nan
    level = rng.choice(np.array([f"l{i}" for i in range(levels)], dtype=object), n)
    level[rng.random(n) < missing / 2] = None
    arm = rng.choice(np.array(["a", "b"], dtype=object), n)
    return pd.DataFrame({**columns, "level": level, "arm": arm})[NAMES]


def outcomes(X: pd.DataFrame, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    y = (rng.random(len(X)) < 1 / (1 + np.exp(-(X["plain"].fillna(40.0) - 40) / 8))).to_numpy(dtype=float)
    y[:4] = [0, 1, 0, 1]
    return y


def average(X: pd.DataFrame, y: np.ndarray, families: list[str], *, m: int = 3) -> AveragedClassifier:
    members = [
        TunedClassifier(
            family,
            build_preprocessor(FEATURES, Draw(k, m, 3, 11)),
            candidates=FEW.get(family),
            inner_splits=2,
        )
        for family in families
        for k in range(m)
    ]
    for member in members:
        member.set_params(random_state=0).fit(X, y)
    return AveragedClassifier.of(members, [1.0] * len(members), NAMES)


CASES = {
    "seed": st.integers(0, 10_000),
    "missing": st.sampled_from([0.0, 0.1, 0.6]),
    "family": st.sampled_from(KNOWN),
    "odd": st.sampled_from(["", "empty", "constant", "two"]),
}


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(**CASES)
def test_every_path_gives_the_estimators_probability(
    seed: int, missing: float, family: str, odd: str
) -> None:
    X = table(70, seed, missing, odd=odd)
    model = average(X, outcomes(X, seed), [family])
    new = table(150, seed + 1, 0.3, levels=7)
    new.loc[0, ["plain", "skewed"]] = np.inf
    new.loc[1, NAMES[:3]] = np.nan
    expected = model.predict_proba(new)[:, 1]
    plain = from_plain(json.loads(json.dumps(to_plain(compact(model)))))
    raw = columns_of(new, plain.columns)
    for fused in (True, False):
        assert np.abs(plain.probability(raw, len(new), fused=fused) - expected).max() < 1e-9
    assert np.abs(plain.by_imputation(raw, len(new)).mean(axis=0) - expected).max() < 1e-9
    for i in (0, 1, 40, 90):
        patient = {name: None if pd.isna(value) else value for name, value in new.iloc[i].items()}
        assert abs(plain.one(patient) - expected[i]) < 1e-9


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(**CASES)
def test_explanations_add_up_to_what_is_displayed(seed: int, missing: float, family: str, odd: str) -> None:
    X = table(70, seed, missing, odd=odd)
    scorer = compact(average(X, outcomes(X, seed), [family]))
    arm = X["arm"].to_numpy()
    baselines = [
        plan_baselines(*MemberExplainer(member).attribute(columns_of(X, member.columns), len(X)), arm)
        for member in scorer.members
    ]
    new = table(40, seed + 2, 0.4)
    raw = columns_of(new, scorer.columns)
    found = Explainer(scorer, tuple(NAMES), baselines, ("arm",)).points(raw, 40, new["arm"].to_numpy())
    assert np.abs(found.probability - scorer.probability(raw, 40)).max() < 1e-9
    total = found.start + found.contributions.sum(axis=1) + found.leftover
    assert np.abs(total - found.probability).max() < 1e-6


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), missing=st.sampled_from([0.1, 0.5]), n=st.sampled_from([1, 5, 60]))
def test_a_patient_is_filled_in_alike_alone_in_a_block_and_by_the_encoder(
    seed: int, missing: float, n: int
) -> None:
    X = table(80, seed, 0.2)
    encoder = build_preprocessor(FEATURES, Draw(1, 4, 5, seed)).fit(X)
    chain = fitted_chain(encoder)
    assert chain is not None
    new = table(n, seed + 1, missing)
    rows = [{k: None if pd.isna(v) else v for k, v in row.items()} for row in new.to_dict("records")]
    block = chain.completed(raw_columns(FEATURES, rows), n)
    for i, row in enumerate(rows):
        one = chain.completed_one(row)
        assert [one[name] for name in chain.names] == [block[name][i] for name in chain.names]
    known = new.copy()
    known[list(chain.names)] = np.column_stack([block[name] for name in chain.names])
    assert np.isfinite(known[list(chain.names)]).all(axis=None)
    alone = np.vstack([encoder.transform(new.iloc[[i]]) for i in range(n)])
    np.testing.assert_array_equal(encoder.transform(new), alone)


def test_the_deployed_imputer_does_not_depend_on_any_outcome() -> None:
    X = table(120, 3, 0.3)
    y = outcomes(X, 3)
    one, other = (build_preprocessor(FEATURES, Draw(0, 5, 5, 2)) for _ in range(2))
    trained, reversed_ = one.fit_transform(X, y), other.fit_transform(X, 1 - y)
    assert one.chain_ == other.chain_
    assert one.encoded_ == other.encoded_
    np.testing.assert_array_equal(one.transform(X), other.transform(X))
    # The training part does know its outcomes, or nothing would have been tested.
    assert np.abs(trained - reversed_).max() > 0.01


def protocol(m: int = 3) -> Protocol:
    names = tuple(NAMES)
    grids = {"elastic_net": ({"C": 0.1}, {"C": 1.0}), **{name: tuple(grid) for name, grid in FEW.items()}}
    return Protocol(
        candidates=tuple(Candidate(f"{f} | all", f, "all", f, names, grid) for f, grid in grids.items()),
        judge="average",
        references={"prevalence": (), "severity": ("plain",)},
        inner_splits=2,
        calibration="auto",
        seed=4,
        imputations=m,
        rounds=3,
    )


def dataset(n: int, seed: int) -> tuple[Dataset, np.ndarray]:
    X = table(n, seed, 0.25)
    y = outcomes(X, seed)
    frame = pd.DataFrame({"response": y})
    return Dataset(X, frame, np.arange(n), np.full(n, "all"), FEATURES), y


def test_the_outcomes_of_a_test_part_reach_neither_imputation_nor_prediction() -> None:
    data, y = dataset(90, 8)
    fold = Fold(0, 0, np.arange(60), np.arange(60, 90))
    (before,) = cross_validate(protocol(), data, y, [fold])
    turned = y.copy()
    turned[fold.test] = 1 - turned[fold.test]
    (after,) = cross_validate(protocol(), data, turned, [fold])
    for name, p in before.predictions.items():
        np.testing.assert_array_equal(p, after.predictions[name])
    np.testing.assert_array_equal(before.points, after.points)
    models = [fit_candidates(protocol(), data, one, fold.train, seed=1) for one in (y, turned)]
    for name in models[0]:
        for one, other in zip(models[0][name].models, models[1][name].models, strict=True):
            assert one.preprocessor_.chain_ == other.preprocessor_.chain_


def test_the_predictions_are_those_of_the_deployed_imputer_averaged_over_imputations() -> None:
    data, y = dataset(90, 9)
    fold = Fold(0, 0, np.arange(60), np.arange(60, 90))
    (found,) = cross_validate(protocol(), data, y, [fold])
    tuned = fit_candidates(protocol(), data, y, fold.train, seed=protocol().seed_of(0, 0))
    for name, one in tuned.items():
        assert len(one.models) == 3
        by_hand = []
        for model in one.models:
            chain = fitted_chain(model.preprocessor_)
            raw = chain.completed(columns_of(data.X.iloc[fold.test], compact(model).columns), 30)
            member = compact(model).members[0]
            scores = member.scores(encode_block(member.columns, raw, 30))
            by_hand.append(1 / (1 + np.exp(-member.calibrated(scores))))
        np.testing.assert_allclose(found.predictions[name], np.mean(by_hand, axis=0), atol=1e-9)
        assert np.ptp(by_hand, axis=0).max() > 0.005


def test_a_fold_without_any_known_value_and_a_new_level_are_no_obstacle() -> None:
    data, y = dataset(90, 10)
    X = data.X.copy()
    X.loc[:59, "counted"] = np.nan
    X.loc[70, "level"] = "never seen"
    (found,) = cross_validate(
        protocol(2), replace(data, X=X), y, [Fold(0, 0, np.arange(60), np.arange(60, 90))]
    )
    assert all(np.isfinite(p).all() for p in found.predictions.values())


def test_the_refits_take_the_imputations_in_turn_and_fit_their_own_imputers() -> None:
    X = table(80, 5, 0.3)
    y = outcomes(X, 5)
    model = average(X, y, ["elastic_net", "lightgbm"])
    refits = refit_range(model, X, y, np.arange(80), resamples=4)
    assert [{member.imputation for member in refit.members} for refit in refits] == [{0}, {1}, {2}, {0}]
    assert all(len(refit.members) == 2 and abs(sum(refit.weights) - 1) < 1e-12 for refit in refits)
    assert refits[0].members[0].chain is refits[0].members[1].chain
    assert refits[0].members[0].chain != refits[3].members[0].chain


@functools.cache
def imputed(folder: Path) -> Training:
    return train_quietly(holed(write_clinic(folder / "clinic")), overrides=OVERRIDES)


OVERRIDES = (
    "imputation.method=multiple",
    "imputation.m=3",
    "report.release=research",
    "report.reason=a test",
    "report.withhold_if.missing_features_over=1",
)


def holed(clinic: Clinic) -> Clinic:
    """Take out a third of CRP and a tenth of age."""
    patients = clinic.table("patients")
    rng = np.random.default_rng(2)
    patients.loc[rng.random(len(patients)) < 0.3, "crp"] = "NA"
    patients.loc[rng.random(len(patients)) < 0.1, "age"] = "NA"
    patients.to_csv(clinic.folder / "patients.csv", index=False)
    clinic.change("    - {name: Adult, column: patients.age, min: 18}\n", "")
    clinic.change("  eligibility:\n", "")
    return clinic


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> Training:
    return imputed(tmp_path_factory.mktemp("imputed"))


def test_a_saved_model_predicts_what_the_live_one_did(training: Training, tmp_path: Path) -> None:
    live = fit_final(training.study).model
    loaded = training.model.model
    X = training.study.dataset.X[list(live.feature_names_in_)]
    np.testing.assert_array_equal(loaded.estimator.predict_proba(X), live.predict_proba(X))
    assert len(live.members_) == 3
    save_prediction_model(loaded, tmp_path / "again")
    again = load_prediction_model(tmp_path / "again")
    raw = columns_of(X, again.scorer.columns)
    np.testing.assert_array_equal(
        again.scorer.probability(raw, len(X)), loaded.scorer.probability(raw, len(X))
    )
    for one, other in zip(again.refits, loaded.refits, strict=True):
        np.testing.assert_array_equal(one.probability(raw, len(X)), other.probability(raw, len(X)))
    assert np.abs(loaded.scorer.probability(raw, len(X)) - live.predict_proba(X)[:, 1]).max() < 1e-9


def test_two_workers_give_the_same_files_as_one(training: Training, tmp_path: Path) -> None:
    clinic = Clinic(tmp_path / "again")
    shutil.copytree(clinic_of(training).folder, clinic.folder, ignore=shutil.ignore_patterns("experiments"))
    two = train_quietly(clinic, overrides=OVERRIDES, workers=2)
    assert result_hashes(training.folder) == result_hashes(two.folder)


def test_the_spread_over_imputations_is_reported_for_whoever_lacks_a_number(training: Training) -> None:
    frame = training.study.dataset.X.head(2).astype(object).copy()
    frame.loc[0, "crp"], frame.loc[1, "crp"] = None, 2.0
    frame[["age", "madrs"]] = [[40.0, 30.0], [40.0, 30.0]]
    lacking, complete = training.model.explain(frame)
    assert lacking.imputations == 3
    assert lacking.imputed_low < lacking.probability < lacking.imputed_high
    assert complete.imputations == 0
    assert complete.imputed_low is None
    views = patient_views(training.model.model, frame, now=NOW, user_ref="test")
    effects = [{one.field: one.effect for one in view.inputs if one.effect} for view in views]
    low, high = int(100 * lacking.imputed_low), int(np.ceil(100 * lacking.imputed_high))
    assert effects == [{"crp": f"with values it may have: {low} to {high} of 100"}, {}]
    assert f"with values it may have: {low} to {high} of 100" in render_patient_report(views[0])


def test_the_model_report_says_what_was_done_about_missing_inputs(training: Training) -> None:
    page = training.model_report.read_text(encoding="utf-8")
    assert "imputed 3 times inside every fold" in page
    assert "multiple, m = 3, 5 rounds" in page
    assert "imputed 3 times, without an indicator" in page


def test_coefficients_of_linear_models_are_pooled(training: Training) -> None:
    table = pd.read_csv(training.folder / "coefficients.csv").set_index("column")
    assert set(table["candidate"]) == {"net | all"}
    assert {"age", "crp", "madrs"} <= set(table.index)
    assert not any(name.endswith("missing") for name in table.index)
    assert ((table["low"] < table["estimate"]) & (table["estimate"] < table["high"])).all()
    # CRP drives the outcome with 3 log-odds for one standard deviation, and a third of it is missing.
    assert table.loc["crp", "low"] > 1
    assert 0.2 < table.loc["crp", "missing_information"] < 0.8
    assert "Pooled coefficients" in training.model_report.read_text(encoding="utf-8")


# Outcomes that nobody observed -------------------------------------------------------------------------------


def unassessed(seed: int = 12) -> tuple[Dataset, np.ndarray, Fold]:
    """Sixty patients to learn from, of whom a third have no outcome, and thirty to test."""
    data, y = dataset(90, seed)
    y = y.copy()
    y[4:24] = np.nan
    return data, y, Fold(0, 0, np.arange(60), np.arange(60, 90))


def test_imputed_outcomes_are_learned_from_and_never_tested() -> None:
    data, y, fold = unassessed()
    tuned = fit_candidates(protocol(), data, y, fold.train, seed=1)
    for one in tuned.values():
        assert np.isnan(one.log_odds[4:24]).all()
        # A small forest may have drawn a patient for each of its trees.
        assert np.isfinite(one.log_odds[24:]).mean() > 0.9
        assert np.isfinite(one.inner_log_loss)
    (with_them,) = cross_validate(protocol(), data, y, [fold])
    (without,) = cross_validate(
        protocol(), data, y, [Fold(0, 0, np.r_[np.arange(4), np.arange(24, 60)], fold.test)]
    )
    assert np.isfinite(with_them.predictions["average"]).all()
    assert np.abs(with_them.predictions["average"] - without.predictions["average"]).max() > 1e-3
    np.testing.assert_array_equal(with_them.predictions["prevalence"], without.predictions["prevalence"])


def test_what_the_unassessed_would_have_said_changes_nothing() -> None:
    """Drawing outcomes reads the observed ones of the training part, and none of the test part."""
    data, y, fold = unassessed()
    turned = y.copy()
    turned[fold.test] = 1 - turned[fold.test]
    found = [cross_validate(protocol(2), data, one, [fold])[0].predictions for one in (y, turned)]
    for name, p in found[0].items():
        np.testing.assert_array_equal(p, found[1][name])


def test_without_multiple_imputation_a_missing_outcome_is_refused() -> None:
    data, y, fold = unassessed()
    with pytest.raises(ValueError, match="NaN"):
        fit_candidates(protocol(0), data, y, fold.train, seed=1)


def test_a_training_with_imputed_outcomes_judges_those_observed(tmp_path: Path) -> None:
    clinic = holed(write_clinic(tmp_path / "clinic"))
    scores = clinic.table("scores")
    after = scores.index[np.arange(len(scores)) >= len(scores) // 2]
    scores.drop(index=after[:40]).to_csv(clinic.folder / "scores.csv", index=False)
    overrides = (*OVERRIDES, "outcomes.response.if_missing=impute", "validation.bootstrap.resamples=3")
    found = train_quietly(clinic, overrides=overrides)
    rows, y = found.study.trainable()
    assert (len(rows), int(np.isnan(y).sum())) == (200, 40)
    predictions = pd.read_parquet(found.folder / "predictions.parquet")
    assert set(predictions["row"]) == set(rows[np.isfinite(y)])
    assert found.model.model.card["n"] == 160
    page = found.model_report.read_text(encoding="utf-8")
    assert "Tipping points" in page
    assert "0 is missing at random" in page


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (("outcomes.response.if_missing=impute",), "filled in by their median"),
        (("imputation.method=multiple", "imputation.m=1"), "imputation.m"),
    ],
)
def test_what_cannot_be_imputed_is_refused(tmp_path: Path, overrides: tuple[str, ...], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load_config(write_clinic(tmp_path / "clinic").config, overrides=overrides)
