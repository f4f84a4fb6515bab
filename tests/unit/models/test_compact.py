from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

from patient_examples import made_up_patients
from predictor.execution import Execution
from predictor.features.preprocessing import build_preprocessor
from predictor.models.archive import load_compact, save_compact
from predictor.models.averaging import AveragedClassifier
from predictor.models.compact import compact, refit_range
from predictor.models.plain import CompactModel, from_plain, to_plain
from predictor.models.trees import Trees, boosted_trees, forest_trees
from predictor.models.tuning import TunedClassifier

NAMES = ["elastic_net", "random_forest", "hist_gradient_boosting", "logistic", "prevalence"]
FEW: dict[str, list[dict[str, Any]]] = {
    "elastic_net": [{"C": 0.3}],
    "random_forest": [{"n_estimators": 8}],
    "hist_gradient_boosting": [{"max_iter": 8, "max_leaf_nodes": 8, "min_samples_leaf": 5}],
}


def fitted(name: str, n: int = 120, **options: Any) -> tuple[TunedClassifier, Any]:
    patients = made_up_patients(n)
    settings: dict[str, Any] = {"candidates": FEW.get(name), "inner_splits": 2, "random_state": 0} | options
    model = TunedClassifier(name, build_preprocessor(patients.features), **settings)
    return model.fit(patients.X, patients.y, patients.groups), patients


@pytest.mark.parametrize("calibration", ["auto", "none", "sigmoid"])
@pytest.mark.parametrize("name", NAMES)
def test_compact_model_says_what_the_fitted_one_says(name: str, calibration: str, tmp_path: Path) -> None:
    model, _ = fitted(name, calibration=calibration)
    new = made_up_patients(300, seed=9).X
    plain = compact(model)
    assert np.abs(plain.log_odds(new) - model.decision_function(new)).max() < 1e-9
    assert np.abs(plain.predict_proba(new) - model.predict_proba(new)).max() < 1e-9
    save_compact([plain, plain], tmp_path / "models.npz")
    read = from_plain(json.loads(json.dumps(to_plain(plain))))
    for again in [*load_compact(tmp_path / "models.npz"), read]:
        assert (again.log_odds(new) == plain.log_odds(new)).all()
    for i in range(0, 300, 50):
        row = {name: None if pd.isna(value) else value for name, value in new.iloc[i].items()}
        assert plain.one(row) == pytest.approx(float(model.predict_proba(new.iloc[[i]])[0, 1]), abs=1e-9)
    few = new.iloc[:20]  # answered without compiling
    assert np.abs(plain.log_odds(few) - model.decision_function(few)).max() < 1e-9


def test_an_average_says_what_its_models_say_together() -> None:
    models = [fitted(name)[0] for name in ("elastic_net", "hist_gradient_boosting", "random_forest")]
    names = [str(name) for name in models[0].feature_names_in_]
    average = AveragedClassifier.of(models, [0.5, 0.25, 0.25], names)
    new = made_up_patients(200, seed=9).X
    plain = compact(average)
    assert np.abs(plain.predict_proba(new) - average.predict_proba(new)).max() < 1e-9
    assert np.abs(plain.log_odds(new) - average.decision_function(new)).max() < 1e-8
    assert (from_plain(to_plain(plain)).predict_proba(new) == plain.predict_proba(new)).all()


def test_two_leaves_by_hand() -> None:
    trees = Trees(
        roots=np.array([0, 3], dtype=np.int32),
        feature=np.array([1, -1, -1, -1], dtype=np.int16),
        threshold=np.array([0.5, 0, 0, 0], dtype=np.float32),
        right=np.array([2, 0, 0, 0], dtype=np.int32),
        value=np.array([10.0, 20.0, 1.0]),
        cover=np.array([4.0, 3.0, 1.0, 4.0]),
    )
    assert trees.total(np.array([[9.0, 0.5], [9.0, 0.75]])).tolist() == [11.0, 21.0]


@pytest.mark.parametrize("model", [RandomForestClassifier(20), HistGradientBoostingClassifier(max_iter=20)])
def test_thresholds_between_neighbouring_floats_send_patients_the_same_way(model: Any) -> None:
    """Values one float32 apart leave no float32 between them for a threshold."""
    steps = np.arange(400) % 8
    X = np.array([1.0], dtype=np.float32) * np.ones((400, 1), dtype=np.float32)
    for step in range(1, 8):
        X[steps >= step] = np.nextafter(X[steps >= step], np.float32(2))
    X = X.astype(np.float64)
    model.set_params(random_state=0).fit(X, steps % 2)
    if isinstance(model, RandomForestClassifier):
        assert np.allclose(forest_trees(model).total(X), model.predict_proba(X)[:, 1], atol=1e-12)
    else:
        base = model._baseline_prediction.ravel()[0]
        assert np.allclose(base + boosted_trees(model).total(X), model.decision_function(X), atol=1e-12)


def test_covers_count_the_training_patients() -> None:
    X, y = np.random.default_rng(0).normal(size=(200, 3)), np.arange(200) % 2
    forest = RandomForestClassifier(3, max_depth=2, bootstrap=False, random_state=0).fit(X, y)
    boosted = HistGradientBoostingClassifier(max_iter=3, random_state=0).fit(X, y)
    for trees in (forest_trees(forest), boosted_trees(boosted)):
        assert (trees.cover[trees.roots] == 200).all()
        inner = np.flatnonzero(trees.feature >= 0)
        assert (trees.cover[inner] == trees.cover[inner + 1] + trees.cover[trees.right[inner]]).all()


def test_trees_in_another_order_are_refused() -> None:
    """A root whose left child comes after its right one, as another version of scikit-learn might write."""
    model = HistGradientBoostingClassifier(max_iter=1, max_leaf_nodes=2, min_samples_leaf=1, random_state=0)
    model.fit(np.arange(40.0)[:, None], np.repeat([0, 1], 20))
    nodes = model._predictors[0][0].nodes
    nodes["left"][0], nodes["right"][0] = nodes["right"][0], nodes["left"][0]
    with pytest.raises(ValueError, match="depth-first"):
        boosted_trees(model)


def test_files_hold_no_pickle(tmp_path: Path) -> None:
    model, _ = fitted("random_forest")
    save_compact([compact(model)], tmp_path / "m.npz")
    with np.load(tmp_path / "m.npz", allow_pickle=False) as file:
        assert {file[name].dtype.kind for name in file.files} <= set("uif")


def test_no_models_are_a_file_too(tmp_path: Path) -> None:
    save_compact([], tmp_path / "none.npz")
    assert load_compact(tmp_path / "none.npz") == []


def test_without_a_preprocessor_there_is_no_compact_model() -> None:
    patients = made_up_patients(60)
    model = TunedClassifier().fit(patients.X[["noise_0"]], patients.y)
    with pytest.raises(ValueError, match="build_preprocessor"):
        compact(model)


def predictions(models: list[CompactModel], X: Any) -> np.ndarray:
    return np.array([model.log_odds(X) for model in models])


def test_refits_do_not_depend_on_workers() -> None:
    model, patients = fitted("elastic_net")
    arguments = (model, patients.X, patients.y, patients.groups)
    one = refit_range(*arguments, resamples=6, seed=3)
    two = refit_range(*arguments, resamples=6, seed=3, execution=Execution(workers=2))
    assert (predictions(one, patients.X) == predictions(two, patients.X)).all()
    other = refit_range(*arguments, resamples=6, seed=4)
    assert (predictions(one, patients.X) != predictions(other, patients.X)).any()


def test_spread_of_the_refits_is_the_standard_error_of_the_rate() -> None:
    """A model without inputs: its refits are a bootstrap of the rate, whose standard error has a formula."""
    model, patients = fitted("prevalence", n=200)
    rows = np.arange(200)
    refits = refit_range(model, patients.X, patients.y, rows, resamples=400, seed=0)
    rates = np.array([refit.predict_proba(patients.X.iloc[:1])[0, 1] for refit in refits])
    rate = patients.y.mean()
    assert rates.mean() == pytest.approx(rate, abs=0.006)
    assert rates.std() == pytest.approx(np.sqrt(rate * (1 - rate) / 200), rel=0.12)


def test_whole_groups_are_drawn() -> None:
    """Ten clusters, each all events or none: the rates of the refits are tenths when clusters are drawn whole."""
    patients = made_up_patients(50)
    groups = np.arange(50) // 5
    y = (groups % 2).astype(float)
    model = TunedClassifier("prevalence", build_preprocessor(patients.features)).fit(patients.X, y, groups)
    refits = refit_range(model, patients.X, y, groups, resamples=30, seed=1)
    rates = np.array([10 * refit.members[0].base for refit in refits])
    assert np.allclose(rates, np.round(rates))
    assert len(set(np.round(rates))) > 2


def test_resamples_of_one_class_are_drawn_again() -> None:
    patients = made_up_patients(24)
    y = np.zeros(24)
    y[0] = 1
    model = TunedClassifier("elastic_net", build_preprocessor(patients.features), random_state=0).fit(
        patients.X, y
    )
    refits = refit_range(model, patients.X, y, np.arange(24), resamples=20, seed=0)
    assert np.isfinite(predictions(refits, patients.X)).all()


def test_refits_hold_parameters_and_calibration() -> None:
    model, patients = fitted("hist_gradient_boosting")
    refits = refit_range(model, patients.X, patients.y, patients.groups, resamples=3, seed=0)
    assert {refit.members[0].sigmoid for refit in refits} == {model.calibration_}
    # Preprocessing is fitted anew: the means of the resamples differ.
    assert len({refit.columns[0].center for refit in refits}) == 3


def test_two_hundred_forests_of_a_hundred_trees_are_quick_and_small(tmp_path: Path) -> None:
    model, patients = fitted("random_forest", n=600, candidates=[{"min_samples_leaf": 5}])
    four = refit_range(model, patients.X, patients.y, patients.groups, resamples=4, seed=0)
    refits = four * 50
    one = patients.X.iloc[[0]]
    start = time.process_time()
    predictions(refits, one)
    # 0.1 s on an idle core; the limit leaves room for a busy one.
    assert time.process_time() - start < 1.0
    save_compact(four, tmp_path / "four.npz")
    assert os.path.getsize(tmp_path / "four.npz") * 50 < 100e6  # noqa: PTH202
