"""The average of calibrated models and its weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit

from patient_examples import made_up_patients
from predictor.features.preprocessing import build_preprocessor
from predictor.models.averaging import PRIOR, AveragedClassifier, average_weights
from predictor.models.tuning import TunedClassifier


def penalised(weight: np.ndarray, likelihood: np.ndarray, prior: float) -> np.ndarray:
    """Log-likelihood of the average of two models plus the prior, for many weights of the first."""
    w = weight[:, None]
    fit = np.log(w * likelihood[:, 0] + (1 - w) * likelihood[:, 1]).sum(axis=1)
    return np.asarray(fit + prior * (np.log(weight) + np.log(1 - weight)))


@pytest.mark.parametrize(("n", "prior"), [(20, 5.0), (300, 5.0), (300, 0.5), (60, 40.0)])
def test_two_weights_are_those_of_a_search_over_all_weights(n: int, prior: float) -> None:
    rng = np.random.default_rng(n)
    truth = rng.normal(size=n)
    target = (rng.random(n) < expit(truth)).astype(int)
    log_odds = np.column_stack([truth + rng.normal(0, 0.5, n), rng.normal(0, 1, n)])
    likelihood = np.where(target[:, None] == 1, expit(log_odds), 1 - expit(log_odds))

    grid = np.linspace(0.0005, 0.9995, 1999)
    best = grid[np.argmax(penalised(grid, likelihood, prior))]

    found = average_weights(log_odds, target, prior=prior)
    assert found == pytest.approx([best, 1 - best], abs=1e-3)


def test_one_patient_by_hand() -> None:
    # One event, given 0.8 by the first model and 0.2 by the second; prior 1. With w the first weight the slope
    # 0.6 / (0.2 + 0.6 w) + 1 / w - 1 / (1 - w) is 0 where 3 (w - w²) + (1 + 3 w)(1 - 2 w) = 0, i.e. 9 w² - 4 w - 1 = 0.
    w = (4 + np.sqrt(16 + 36)) / 18
    found = average_weights(np.array([[logit(0.8), logit(0.2)]]), np.array([1]), prior=1.0)
    assert found == pytest.approx([w, 1 - w], abs=1e-5)


def test_nobody_leaves_equal_weights() -> None:
    assert average_weights(np.zeros((0, 4)), np.zeros(0)) == pytest.approx(np.full(4, 0.25))


def test_a_strong_prior_pulls_to_equal_weights_and_many_patients_overrule_it() -> None:
    rng = np.random.default_rng(1)
    truth = rng.normal(0, 1.5, 20_000)
    target = (rng.random(20_000) < expit(truth)).astype(int)
    log_odds = np.column_stack([truth, np.zeros(20_000)])
    few = average_weights(log_odds[:30], target[:30], prior=1e6)
    assert few == pytest.approx([0.5, 0.5], abs=1e-3)
    apart = [abs(average_weights(log_odds[:30], target[:30], prior=a)[0] - 0.5) for a in (1.0, 10.0, 100.0)]
    assert apart == sorted(apart, reverse=True)
    assert average_weights(log_odds, target)[0] > 0.95


@given(st.integers(0, 40), st.integers(1, 5), st.integers(0, 10_000), st.floats(0.1, 100))
def test_weights_are_shares_and_follow_their_models(n: int, models: int, seed: int, prior: float) -> None:
    rng = np.random.default_rng(seed)
    log_odds, target = rng.normal(0, 3, (n, models)), rng.integers(0, 2, n)
    weights = average_weights(log_odds, target, prior=prior)
    assert weights.sum() == pytest.approx(1.0)
    # The prior counts as that many patients of every model.
    assert (weights >= prior / (n + models * prior) - 1e-9).all()
    order = rng.permutation(models)
    np.testing.assert_allclose(
        average_weights(log_odds[:, order], target, prior=prior), weights[order], atol=1e-9
    )
    rows = rng.permutation(n)
    np.testing.assert_allclose(average_weights(log_odds[rows], target[rows], prior=prior), weights, atol=1e-9)


def test_certain_and_wrong_models_break_nothing() -> None:
    log_odds = np.array([[800.0, 0.0], [-800.0, 0.0]] * 10)
    weights = average_weights(log_odds, np.array([0, 1] * 10))
    assert np.isfinite(weights).all()
    assert weights[0] == pytest.approx(PRIOR / (20 + 2 * PRIOR), abs=1e-4)


def members() -> tuple[list[TunedClassifier], Any]:
    patients = made_up_patients(160)
    made = []
    for name, columns, grid in (
        ("elastic_net", ["crp", "madrs", "arm"], [{"C": 0.1}]),
        ("random_forest", ["noise_0", "madrs"], [{"n_estimators": 10}]),
        ("lightgbm", ["sex", "crp"], [{"n_estimators": 10}]),
    ):
        encoder = build_preprocessor([f for f in patients.features if f.name in columns])
        model = TunedClassifier(name, encoder, candidates=grid, random_state=0)
        made.append(model.fit(patients.X[columns], patients.y, patients.groups))
    return made, patients


def alone(model: TunedClassifier, X: pd.DataFrame) -> np.ndarray:
    return model.predict_proba(X[list(model.feature_names_in_)])


def test_the_average_is_the_weighted_mean_of_its_members_probabilities() -> None:
    made, patients = members()
    X, features = patients.X, list(patients.X.columns)
    average = AveragedClassifier.of(made, [2.0, 1.0, 1.0], features)
    expected = 0.5 * alone(made[0], X) + 0.25 * alone(made[1], X) + 0.25 * alone(made[2], X)
    p = average.predict_proba(X)
    np.testing.assert_allclose(p, expected, atol=1e-15)
    np.testing.assert_allclose(p.sum(axis=1), 1.0)
    np.testing.assert_allclose(average.decision_function(X), logit(expected[:, 1]), atol=1e-12)
    assert (average.predict(X) == (expected[:, 1] > 0.5)).all()


def test_one_member_is_itself() -> None:
    made, patients = members()
    average = AveragedClassifier.of(made[:1], [0.3], list(patients.X.columns))
    np.testing.assert_array_equal(average.predict_proba(patients.X), alone(made[0], patients.X))
    assert average.weights_.tolist() == [1.0]


def test_members_of_no_weight_are_left_out_with_their_columns() -> None:
    made, patients = members()
    average = AveragedClassifier.of(made, [0.5, 0.0, 0.5], list(patients.X.columns))
    assert average.members_ == [made[0], made[2]]
    assert average.weights_.tolist() == [0.5, 0.5]
    assert "noise_0" not in average.feature_names_in_


def test_columns_are_listed_once_in_the_order_that_was_asked_for() -> None:
    made, patients = members()
    features = list(patients.X.columns)
    assert features.index("madrs") < features.index("crp") < features.index("sex") < features.index("arm")
    average = AveragedClassifier.of(made, [1, 1, 1], features)
    assert average.feature_names_in_.tolist() == ["madrs", "crp", "sex", "arm", "noise_0"]
    assert average.n_features_in_ == 5
    turned = patients.X[features[::-1]]
    np.testing.assert_array_equal(average.predict_proba(turned), average.predict_proba(patients.X))


def test_an_average_is_not_fitted() -> None:
    with pytest.raises(TypeError, match=r"AveragedClassifier\.of"):
        AveragedClassifier().fit(np.zeros((2, 1)), [0, 1])
