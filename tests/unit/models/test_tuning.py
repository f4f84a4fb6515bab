from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from patient_examples import made_up_patients
from predictor.features.preprocessing import Encoder, build_preprocessor
from predictor.models.inner_folds import inner_splits
from predictor.models.tuning import TunedClassifier, fit_shared

SMALL: dict[str, list[dict[str, Any]]] = {
    "elastic_net": [{"C": 0.01}, {"C": 0.3, "l1_ratio": 0.5}],
    "random_forest": [{"n_estimators": 8}, {"n_estimators": 8, "min_samples_leaf": 25}],
    "extra_trees": [{"n_estimators": 8}, {"n_estimators": 8, "min_samples_leaf": 25}],
    "hist_gradient_boosting": [{"max_iter": 8}, {"max_iter": 8, "max_leaf_nodes": 3}],
    "lightgbm": [{"n_estimators": 8}, {"n_estimators": 5}, {"n_estimators": 8, "num_leaves": 3}],
}


def fitted(name: str, n: int = 160, **options: Any) -> tuple[TunedClassifier, Any]:
    patients = made_up_patients(n)
    model = TunedClassifier(
        name,
        build_preprocessor(patients.features),
        **{"candidates": SMALL.get(name), "random_state": 0} | options,
    )
    return model.fit(patients.X, patients.y, patients.groups), patients


@given(
    st.lists(st.tuples(st.integers(0, 8), st.integers(0, 1)), min_size=4, max_size=60),
    st.integers(2, 6),
    st.integers(0, 99),
)
@pytest.mark.filterwarnings("ignore:The least populated class")
def test_no_group_is_on_both_sides(rows: list[tuple[int, int]], n_splits: int, seed: int) -> None:
    groups, y = (np.array(column) for column in zip(*rows, strict=True))
    splits = inner_splits(y, groups, n_splits=n_splits, seed=seed) if len(set(y)) == 2 else []
    tested = np.concatenate([test for _, test in splits]) if splits else np.zeros(0)
    assert len(tested) == len(set(tested))
    for train, test in splits:
        assert not set(groups[train]) & set(groups[test])
        assert set(y[train]) == {0, 1}
        assert sorted([*train, *test]) == list(range(len(y)))


def test_folds_are_as_many_as_the_rarer_class_allows() -> None:
    y = np.array([1] * 3 + [0] * 20)
    assert len(inner_splits(y, n_splits=5)) == 3
    assert len(inner_splits(np.array([1] * 9 + [0] * 20), n_splits=5)) == 5
    # Four events, but of two patients: two folds.
    assert len(inner_splits(np.array([1] * 4 + [0] * 6), np.array([0, 0, 1, 1, 2, 3, 4, 5, 6, 7]))) == 2
    assert inner_splits(np.array([1, 0, 0, 0])) == []


def test_fold_outcomes_are_balanced() -> None:
    y = np.repeat([1, 0], [20, 80])
    assert [int(y[test].sum()) for _, test in inner_splits(y, n_splits=5)] == [4] * 5


def test_tuning_is_the_plain_cross_validation_written_out() -> None:
    """The chosen candidate and its loss, computed again with scikit-learn's own logistic regression."""
    patients = made_up_patients(120)
    grid = [{"C": 0.01}, {"C": 1.0}]
    encoder = build_preprocessor(patients.features)
    model = TunedClassifier(preprocessor=encoder, candidates=grid, inner_splits=3, random_state=4)
    model.fit(patients.X, patients.y, patients.groups)
    folds = inner_splits(patients.y, patients.groups, n_splits=3, seed=model.seed_)
    losses = []
    for params in grid:
        out_of_fold = np.empty(120)
        for train, test in folds:
            train_X = encoder.fit_transform(patients.X.iloc[train])
            plain = LogisticRegression(**params, tol=1e-10, max_iter=5000).fit(train_X, patients.y[train])
            out_of_fold[test] = plain.predict_proba(encoder.transform(patients.X.iloc[test]))[:, 1]
        losses.append(log_loss(patients.y, out_of_fold))
    assert model.best_params_ == grid[int(np.argmin(losses))]
    assert model.inner_log_loss_ == pytest.approx(min(losses), abs=1e-6)
    assert len(model.inner_results_) == 6
    assert sum(row["n"] for row in model.inner_results_) == 240


@pytest.mark.parametrize("name", list(SMALL))
def test_fitting_together_is_fitting_alone(name: str) -> None:
    patients = made_up_patients(160)
    together = fit_shared(
        list(SMALL),
        build_preprocessor(patients.features),
        patients.X,
        patients.y,
        patients.groups,
        candidates=SMALL,
        inner_splits=3,
        random_state=11,
    )[name].model
    alone, _ = fitted(name, inner_splits=3, random_state=11)
    assert (alone.decision_function(patients.X) == together.decision_function(patients.X)).all()
    assert alone.inner_results_ == together.inner_results_
    assert (alone.best_params_, alone.calibration_, alone.inner_log_loss_) == (
        together.best_params_,
        together.calibration_,
        together.inner_log_loss_,
    )


def test_models_of_one_family_can_be_shared_under_two_names() -> None:
    patients = made_up_patients(80)
    models = fit_shared(
        {"weak": "elastic_net", "strong": "elastic_net"},
        build_preprocessor(patients.features),
        patients.X,
        patients.y,
        candidates={"weak": [{"C": 10.0}], "strong": [{"C": 1e-4}]},
    )
    assert np.ptp(models["strong"].model.decision_function(patients.X)) < 0.1
    assert np.ptp(models["weak"].model.decision_function(patients.X)) > 1


def test_probabilities_are_the_logistic_of_the_decision_function() -> None:
    model, patients = fitted("random_forest")
    p = model.predict_proba(patients.X)
    assert np.allclose(p[:, 1], expit(model.decision_function(patients.X)))
    assert np.allclose(p.sum(axis=1), 1)
    assert (model.predict(patients.X) == (p[:, 1] > 0.5)).all()


@pytest.mark.parametrize(
    ("name", "n", "calibration", "expected"),
    [
        ("elastic_net", 160, "auto", "none"),
        ("elastic_net", 160, "sigmoid", "intercept"),
        ("hist_gradient_boosting", 160, "auto", "intercept"),
        ("hist_gradient_boosting", 500, "auto", "slope"),
        ("hist_gradient_boosting", 160, "none", "none"),
        ("random_forest", 500, "auto", "slope"),
        ("random_forest", 160, "none", "none"),
    ],
)
def test_calibration_rule(name: str, n: int, calibration: str, expected: str) -> None:
    model, _ = fitted(name, n, calibration=calibration)
    if expected == "none":
        assert model.calibration_ is None
    elif expected == "intercept":
        assert model.calibration_[0] == 1.0
    else:
        assert model.calibration_[0] not in (0.0, 1.0)


@pytest.mark.parametrize("name", list(SMALL))
def test_mean_risk_is_the_rate(name: str) -> None:
    model, patients = fitted(name, 500)
    assert model.predict_proba(patients.X)[:, 1].mean() == pytest.approx(patients.y.mean(), abs=0.03)


def test_preprocessing_is_fitted_inside_each_inner_fold() -> None:
    """Corrupting the test part of a fold changes nothing of what that fold's training part learns."""
    patients = made_up_patients(60)
    seen: list[int] = []

    class Spy(Encoder):
        def fit(self, X: Any, y: object = None) -> Encoder:
            seen.append(len(X))
            return super().fit(X, y)

    plain = build_preprocessor(patients.features)
    spy = Spy(plain.numbers, plain.categories)
    TunedClassifier(preprocessor=spy, inner_splits=3, candidates=[{}, {"C": 0.1}]).fit(patients.X, patients.y)
    assert len(seen) == 4
    assert all(size < 60 for size in seen[:3])
    assert seen[3] == 60


@pytest.mark.parametrize(
    "name",
    [
        "elastic_net",
        "random_forest",
        "extra_trees",
        "hist_gradient_boosting",
        "lightgbm",
        "logistic",
        "prevalence",
    ],
)
def test_a_single_event_is_fitted_without_inner_folds(name: str) -> None:
    patients = made_up_patients(20)
    y = np.zeros(20)
    y[3] = 1
    model = TunedClassifier(name, build_preprocessor(patients.features), random_state=0).fit(patients.X, y)
    assert np.isinf(model.inner_log_loss_)
    assert model.inner_results_ == []
    assert np.isfinite(model.decision_function(patients.X)).all()


@pytest.mark.parametrize("name", [*SMALL, "prevalence"])
def test_nothing_to_encode_gives_the_prevalence(name: str) -> None:
    patients = made_up_patients(40)
    X = patients.X.assign(madrs=np.nan)[["madrs"]]
    features = [f for f in patients.features if f.name == "madrs"]
    encoder = build_preprocessor(features)
    model = TunedClassifier(name, encoder, candidates=SMALL.get(name), random_state=0).fit(X, patients.y)
    p = model.predict_proba(X)[:, 1]
    assert p == pytest.approx(np.full(40, patients.y.mean()), abs=0.05)


@pytest.mark.parametrize("name", list(SMALL))
def test_the_seed_decides(name: str) -> None:
    first, patients = fitted(name)
    second, _ = fitted(name)
    assert (first.decision_function(patients.X) == second.decision_function(patients.X)).all()


def test_what_cannot_be_fitted_is_said() -> None:
    patients = made_up_patients(20)
    with pytest.raises(ValueError, match="calibration must be"):
        TunedClassifier(calibration="isotonic").fit(patients.X[["noise_0"]], patients.y)
    with pytest.raises(ValueError, match="no model type"):
        TunedClassifier("svm").fit(patients.X[["noise_0"]], patients.y)
    with pytest.raises(ValueError, match="1 class"):
        TunedClassifier().fit(patients.X[["noise_0"]], np.ones(20))


def test_groups_are_an_argument_of_fit() -> None:
    assert list(inspect.signature(TunedClassifier.fit).parameters) == ["self", "X", "y", "groups"]
