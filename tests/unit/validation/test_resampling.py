"""The judged procedure on outer folds: what it is made of, and that no part of the work changes it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

from patient_examples import made_up_patients
from predictor.execution import Execution
from predictor.features.dataset import Dataset
from predictor.models.averaging import average_weights
from predictor.validation import resampling
from predictor.validation.assembly import candidate_weights
from predictor.validation.resampling import (
    Candidate,
    FoldResult,
    Protocol,
    cross_validate,
    fit_candidates,
    fold_predictions,
)
from predictor.validation.splits import Fold, repeated_folds

ALL = ("madrs", "crp", "sex", "arm", "noise_0")
FEW = ("madrs", "arm")
GRIDS: dict[str, tuple[dict[str, Any], ...]] = {
    "elastic_net": ({"C": 0.01}, {"C": 0.3, "l1_ratio": 0.5}),
    "random_forest": ({"n_estimators": 12, "min_samples_leaf": 5},),
    "lightgbm": ({"n_estimators": 10}, {"n_estimators": 25}),
}


def candidate(family: str, feature_set: str) -> Candidate:
    features = {"all": ALL, "few": FEW}[feature_set]
    return Candidate(f"{family} | {feature_set}", family, feature_set, family, features, GRIDS[family])


def protocol(judge: str = "average") -> Protocol:
    return Protocol(
        candidates=tuple(candidate(family, name) for family in GRIDS for name in ("few", "all")),
        judge=judge,
        references={"prevalence": (), "severity": ("madrs",), "plan": ("arm",)},
        inner_splits=3,
        calibration="auto",
        seed=4,
    )


def example(n: int = 160) -> tuple[Dataset, np.ndarray, list[Fold]]:
    patients = made_up_patients(n)
    dataset = Dataset(
        X=patients.X,
        outcomes=pd.DataFrame({"response": patients.y}),
        groups=patients.groups,
        plan=patients.plan,
        features=patients.features,
    )
    folds = repeated_folds(patients.y, patients.groups, patients.plan, n_splits=3, n_repeats=1, seed=2)
    return dataset, patients.y, folds


@pytest.fixture(scope="module")
def average() -> FoldResult:
    dataset, y, folds = example()
    return cross_validate(protocol(), dataset, y, folds[:1])[0]


def inner_results(y: np.ndarray, train: np.ndarray) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Invented inner losses and log-odds of the candidates."""
    rng = np.random.default_rng(0)
    names = [c.name for c in protocol().candidates]
    return (
        {name: float(loss) for name, loss in zip(names, rng.uniform(0.5, 0.7, len(names)), strict=True)},
        {name: rng.normal(size=len(train)) for name in names},
    )


def test_the_average_weighs_by_what_others_said_and_leaves_the_untested_out() -> None:
    _, y, folds = example()
    losses, by_others = inner_results(y, folds[0].train)
    untested = np.array([0, 7, 11])
    by_others["elastic_net | all"][untested] = np.nan
    by_others["lightgbm | few"][untested[:1]] = np.nan
    weights = candidate_weights(protocol(), losses, by_others, y[folds[0].train])
    kept = np.delete(np.arange(len(folds[0].train)), untested)
    stacked = np.column_stack([by_others[c.name][kept] for c in protocol().candidates])
    assert np.isfinite(stacked).all()
    expected = average_weights(stacked, y[folds[0].train][kept])
    assert list(weights) == [c.name for c in protocol().candidates]
    np.testing.assert_array_equal(list(weights.values()), expected)


def test_where_nobody_was_tested_all_weigh_the_same() -> None:
    _, y, folds = example()
    losses, by_others = inner_results(y, folds[0].train)
    nothing = {name: np.full(len(values), np.nan) for name, values in by_others.items()}
    weights = candidate_weights(protocol(), losses, nothing, y[folds[0].train])
    assert list(weights.values()) == pytest.approx([1 / 6] * 6)


def test_the_selection_takes_the_smallest_inner_log_loss_and_the_first_name_of_equals() -> None:
    _, y, folds = example()
    losses, by_others = inner_results(y, folds[0].train)
    smallest = min(losses, key=lambda name: losses[name])
    weights = candidate_weights(protocol("selection"), losses, by_others, y[folds[0].train])
    assert weights == {name: float(name == smallest) for name in losses}
    equal = dict.fromkeys(losses, 0.6)
    weights = candidate_weights(protocol("selection"), equal, by_others, y[folds[0].train])
    assert [name for name, weight in weights.items() if weight] == ["elastic_net | all"]
    # No inner fold was possible anywhere: infinite losses are equal too.
    none = dict.fromkeys(losses, float("inf"))
    assert candidate_weights(protocol("selection"), none, by_others, y[folds[0].train]) == weights


def test_one_declared_model_has_all_the_weight() -> None:
    _, y, folds = example()
    losses, by_others = inner_results(y, folds[0].train)
    weights = candidate_weights(protocol("lightgbm | few"), losses, by_others, y[folds[0].train])
    assert weights == {name: float(name == "lightgbm | few") for name in losses}


def test_the_average_of_a_fold_is_that_of_its_candidates(average: FoldResult) -> None:
    names = [c.name for c in protocol().candidates]
    assert sum(average.weights.values()) == pytest.approx(1.0)
    assert min(average.weights.values()) > 0
    mean = sum(average.weights[name] * average.predictions[name] for name in names)
    np.testing.assert_allclose(average.predictions["average"], mean, atol=1e-15)
    assert set(average.predictions) == {"average", "prevalence", "severity", "plan", *names}


@pytest.mark.parametrize("judge", ["selection", "random_forest | all"])
def test_another_judge_changes_nothing_of_the_candidates(average: FoldResult, judge: str) -> None:
    dataset, y, folds = example()
    (other,) = cross_validate(protocol(judge), dataset, y, folds[:1])
    for name in (c.name for c in protocol().candidates):
        np.testing.assert_array_equal(other.predictions[name], average.predictions[name])
    assert other.inner_log_loss == average.inner_log_loss
    (alone,) = [name for name, weight in other.weights.items() if weight]
    np.testing.assert_array_equal(other.predictions[judge], other.predictions[alone])
    if judge == "selection":
        assert alone == min(other.inner_log_loss, key=lambda name: (other.inner_log_loss[name], name))


def test_weights_of_a_fold_come_from_its_training_part(average: FoldResult) -> None:
    dataset, y, folds = example()
    train = folds[0].train
    seed = int(np.random.SeedSequence([4, 0, 0]).generate_state(1)[0])
    tuned = fit_candidates(protocol(), dataset, y, train, seed=seed)
    stacked = np.column_stack([one.log_odds for one in tuned.values()])
    np.testing.assert_allclose(list(average.weights.values()), average_weights(stacked, y[train]), atol=1e-12)
    for name, one in tuned.items():
        own = one.model.predict_proba(dataset.X.iloc[folds[0].test][list(one.model.feature_names_in_)])[:, 1]
        np.testing.assert_array_equal(average.predictions[name], own)


@pytest.mark.parametrize("judge", ["average", "selection"])
def test_outcomes_of_the_test_part_change_neither_weights_nor_predictions(judge: str) -> None:
    dataset, y, folds = example()
    flipped = y.copy()
    flipped[folds[0].test] = 1 - y[folds[0].test]
    one, other = (cross_validate(protocol(judge), dataset, target, folds[:1])[0] for target in (y, flipped))
    assert one.weights == other.weights
    assert one.inner_log_loss == other.inner_log_loss
    np.testing.assert_array_equal(one.points, other.points)
    for name, p in one.predictions.items():
        np.testing.assert_array_equal(p, other.predictions[name])


def test_how_the_work_is_cut_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset, y, folds = example()
    together = cross_validate(protocol(), dataset, y, folds)
    seen: list[tuple[str, ...]] = []

    def singly(protocol: Protocol, execution: Execution) -> list[tuple[str, ...]]:
        seen.extend((c.name,) for c in protocol.candidates)
        return [(), *((c.name,) for c in reversed(protocol.candidates))]

    monkeypatch.setattr(resampling, "_cut", singly)
    apart = cross_validate(protocol(), dataset, y, folds)
    assert len(set(seen)) == 6
    assert len(together) == len(apart) == len(folds)
    for one, other in zip(together, apart, strict=True):
        assert one.weights == other.weights
        assert one.inner_log_loss == other.inner_log_loss
        assert list(one.predictions) == list(other.predictions)
        np.testing.assert_array_equal(one.points, other.points)
        for name, p in one.predictions.items():
            np.testing.assert_array_equal(p, other.predictions[name])


def test_a_fold_is_cut_by_feature_set_here_and_by_candidate_on_a_cluster() -> None:
    here = resampling._cut(protocol(), Execution())
    assert [len(names) for names in here] == [3, 3, 0]
    there = resampling._cut(protocol(), Execution(engine="dask", address="tcp://127.0.0.1:1"))
    assert [len(names) for names in there] == [1] * 6 + [0]
    assert {name for names in here for name in names} == {name for names in there for name in names}


def test_points_of_a_member_add_up_to_its_distance_from_the_mean_log_odds_of_the_plan() -> None:
    """By the definition: from p₀, the logistic of the mean log-odds of training patients with the same plan, to p."""
    dataset, y, folds = example()
    train, test = folds[0].train, folds[0].test
    seed = int(np.random.SeedSequence([4, 0, 0]).generate_state(1)[0])
    tuned = fit_candidates(protocol(), dataset, y, train, seed=seed)
    (result,) = cross_validate(protocol(), dataset, y, folds[:1])
    total = np.zeros(len(test))
    for name, one in tuned.items():
        columns = list(one.model.feature_names_in_)
        start = expit(one.model.decision_function(dataset.X.iloc[train][columns]).mean())
        total += result.weights[name] * (result.predictions[name] - start)
    np.testing.assert_allclose(result.points.sum(axis=1), total, atol=1e-6)
    assert result.points.shape == (len(test), len(dataset.X.columns))
    unread = [i for i, name in enumerate(dataset.X.columns) if name not in ALL]
    assert unread
    assert (result.points[:, unread] == 0).all()


def test_without_explanations_there_are_no_points_and_the_rest_is_the_same(average: FoldResult) -> None:
    dataset, y, folds = example()
    (result,) = cross_validate(protocol(), dataset, y, folds[:1], explain=False)
    assert result.points.shape == (0, len(dataset.X.columns))
    np.testing.assert_array_equal(result.predictions["average"], average.predictions["average"])


def test_references_see_the_training_part_alone(average: FoldResult) -> None:
    _, y, folds = example()
    assert set(average.predictions["prevalence"]) == {y[folds[0].train].mean()}


def test_progress_is_told_once_per_fold_and_results_are_in_order() -> None:
    dataset, y, folds = example()
    few = replace(protocol(), candidates=protocol().candidates[:1])
    told: list[str] = []
    results = cross_validate(few, dataset, y, folds[::-1], progress=told.append, explain=False)
    assert sorted(told) == [f"repeat 1, fold {i}" for i in (1, 2, 3)]
    assert [result.fold.fold for result in results] == [0, 1, 2]


def test_the_frame_of_predictions_names_what_is_judged() -> None:
    dataset, y, folds = example()
    for judge in ("average", "elastic_net | few"):
        few = replace(protocol(judge), candidates=protocol().candidates[:2])
        results = cross_validate(few, dataset, y, folds, explain=False)
        frame = fold_predictions(results, few, positions=np.arange(len(y)) + 100)
        kinds = dict(zip(frame["procedure"], frame["kind"], strict=True))
        assert [name for name, kind in kinds.items() if kind == "judged"] == [judge]
        assert {name for name, kind in kinds.items() if kind == "reference"} == set(few.references)
        assert sorted(frame.loc[frame["procedure"] == judge, "row"]) == list(range(100, 100 + len(y)))
        assert logit(frame["p"]).notna().all()
