from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from predictor.models.elastic_net import ElasticNetLogistic, elastic_net_path, minimise_elastic_net


def problem(n: int = 150, p: int = 12, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p))
    X[:, 1] = X[:, 0] + 0.1 * X[:, 1]
    return X, (rng.random(n) < expit(X[:, 0] - 0.5 * X[:, 2])).astype(int)


def objective(X: np.ndarray, y: np.ndarray, beta: np.ndarray, b: float, C: float, l1_ratio: float) -> float:
    eta = b + X @ beta
    penalty = l1_ratio * np.abs(beta).sum() + (1 - l1_ratio) / 2 * beta @ beta
    return float((np.log1p(np.exp(eta)) - y * eta).sum() + penalty / C)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("C", [0.01, 0.1, 1.0])
@pytest.mark.parametrize("l1_ratio", [0.0, 0.5, 1.0])
def test_objective_is_never_above_a_tight_saga(C: float, l1_ratio: float) -> None:
    X, y = problem()
    ours = ElasticNetLogistic(C=C, l1_ratio=l1_ratio).fit(X, y)
    saga = LogisticRegression(C=C, l1_ratio=l1_ratio, solver="saga", tol=1e-10, max_iter=20_000).fit(X, y)
    at_ours = objective(X, y, ours.coef_[0], ours.intercept_[0], C, l1_ratio)
    assert at_ours <= objective(X, y, saga.coef_[0], saga.intercept_[0], C, l1_ratio) + 1e-7
    assert ours.converged_


@pytest.mark.parametrize(("C", "l1_ratio"), [(0.02, 1.0), (0.05, 0.5), (0.3, 0.9), (1.0, 0.0), (1e-3, 0.5)])
@pytest.mark.parametrize("shape", [(150, 12), (40, 90)])
def test_optimality_conditions(C: float, l1_ratio: float, shape: tuple[int, int]) -> None:
    """The gradient balances the penalty at non-zero coefficients and stays below it at the others."""
    X, y = problem(*shape)
    fitted = ElasticNetLogistic(C=C, l1_ratio=l1_ratio).fit(X, y)
    beta = fitted.coef_[0]
    residual = expit(fitted.decision_function(X)) - y
    gradient = X.T @ residual + (1 - l1_ratio) / C * beta
    active = beta != 0
    assert abs(residual.sum()) < 1e-4
    assert np.abs(gradient[active] + l1_ratio / C * np.sign(beta[active])).max(initial=0) < 1e-3
    assert np.abs(gradient[~active]).max(initial=0) <= l1_ratio / C + 1e-3


def test_ridge_agrees_with_lbfgs() -> None:
    X, y = problem()
    ours = ElasticNetLogistic(C=0.3).fit(X, y)
    theirs = LogisticRegression(C=0.3, tol=1e-12, max_iter=10_000).fit(X, y)
    assert np.allclose(ours.coef_, theirs.coef_, atol=1e-6)
    assert np.allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-7)


def test_without_a_penalty_it_is_maximum_likelihood() -> None:
    X, y = problem(p=3)
    offset = np.linspace(-1, 1, len(y))
    ours = minimise_elastic_net(X, y, C=1e12, l1_ratio=0.0, offset=offset)
    theirs = sm.GLM(y, sm.add_constant(X), family=sm.families.Binomial(), offset=offset).fit(tol=1e-12)
    assert np.allclose([ours.intercept, *ours.coef], theirs.params, atol=1e-6)


def test_separated_outcomes_converge() -> None:
    X = np.linspace(-1, 1, 30)[:, None]
    fitted = ElasticNetLogistic(C=100.0).fit(X, (X[:, 0] > 0).astype(int))
    assert fitted.converged_
    assert np.isfinite(fitted.coef_).all()
    assert (fitted.predict(X) == (X[:, 0] > 0)).all()


def test_strong_penalty_leaves_the_prevalence() -> None:
    X, y = problem()
    fitted = ElasticNetLogistic(C=1e-4, l1_ratio=1.0).fit(X, y)
    assert (fitted.coef_ == 0).all()
    assert fitted.predict_proba(X)[0, 1] == pytest.approx(y.mean())


def test_no_column_leaves_the_prevalence() -> None:
    y = np.array([0, 0, 0, 1])
    assert ElasticNetLogistic().fit(np.zeros((4, 0)), y).predict_proba(np.zeros((1, 0)))[
        0, 1
    ] == pytest.approx(0.25)


def test_one_class_is_refused() -> None:
    with pytest.raises(ValueError, match="1 class"):
        ElasticNetLogistic().fit(np.zeros((4, 1)), np.ones(4))


def test_fitting_leaves_its_inputs_alone() -> None:
    X, y = problem()
    before = X.copy()
    ElasticNetLogistic(C=0.1, l1_ratio=0.5).fit(X, y)
    assert (before == X).all()


PENALTIES = [(float(C), ratio) for ratio in (0.0, 0.1, 0.5, 1.0) for C in (10.0, 0.003, 0.1, 1.0)]


def violation(X: np.ndarray, y: np.ndarray, beta: np.ndarray, b: float, C: float, l1_ratio: float) -> float:
    """Largest breach of the conditions of optimality."""
    gradient = X.T @ (expit(b + X @ beta) - y) + (1 - l1_ratio) / C * beta
    active = beta != 0
    of_active = np.abs(gradient[active] + l1_ratio / C * np.sign(beta[active])).max(initial=0)
    return float(max(of_active, (np.abs(gradient[~active]) - l1_ratio / C).max(initial=0)))


@pytest.mark.parametrize(("n", "p"), [(40, 3), (60, 6), (150, 20), (30, 80), (40, 500)])
def test_every_point_of_a_path_is_optimal(n: int, p: int) -> None:
    """Few correlated columns with a weak penalty once stopped at points that were not, and said converged."""
    for seed in range(20):
        rng = np.random.default_rng([n, p, seed])
        X = rng.normal(size=(n, p)) @ (np.eye(p) + rng.normal(size=(p, p)) * rng.choice([0, 0.3, 2]))
        X = (X - X.mean(axis=0)) / X.std(axis=0)
        y = (rng.random(n) < expit(X[:, 0] - X[:, -1])).astype(float)
        for one, (C, ratio) in zip(elastic_net_path(X, y, PENALTIES), PENALTIES, strict=True):
            assert one.converged
            assert violation(X, y, one.coef, one.intercept, C, ratio) < 1e-4


@pytest.mark.parametrize(("n", "p"), [(150, 20), (40, 120)])
def test_a_path_gives_what_each_penalty_gives_alone(n: int, p: int) -> None:
    X, y = problem(n, p)
    for one, (C, ratio) in zip(elastic_net_path(X, y, PENALTIES), PENALTIES, strict=True):
        alone = minimise_elastic_net(X, y, C=C, l1_ratio=ratio)
        assert np.abs(X @ (one.coef - alone.coef) + one.intercept - alone.intercept).max() < 1e-6
