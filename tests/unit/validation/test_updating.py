from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit, logit
from scipy.stats import chi2, norm

from predictor.validation.updating import closed_test, fit_updates

COEF = np.array([0.8, -0.5, 0.4])


def patients(
    n: int, *, intercept: float = 0.0, slope: float = 1.0, truth: np.ndarray = COEF, seed: int = 1
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Columns, the model's log-odds with `COEF`, and outcomes that follow a line of it, or other coefficients."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    y = (rng.random(n) < expit(intercept + slope * (X @ truth))).astype(float)
    return X, X @ COEF, y


def by_scipy(X: np.ndarray, y: np.ndarray, offset: np.ndarray) -> tuple[np.ndarray, float]:
    """Maximise the same likelihood with a general optimiser."""

    def loss(beta: np.ndarray) -> tuple[float, np.ndarray]:
        eta = X @ beta + offset
        return float(np.sum(np.logaddexp(0, eta) - y * eta)), X.T @ (expit(eta) - y)

    found = minimize(loss, np.zeros(X.shape[1]), jac=True, method="BFGS", options={"gtol": 1e-9})
    return found.x, -float(found.fun)


def test_every_update_has_the_maximum_that_a_general_optimiser_finds() -> None:
    X, score, y = patients(300, intercept=-0.6, slope=0.7)
    none, level, line, refit = fit_updates(score, y, X)
    ones, nothing = np.ones((300, 1)), np.zeros(300)
    assert none.log_likelihood == pytest.approx(
        float(np.sum(np.log(np.where(y == 1, expit(score), expit(-score)))))
    )
    beta, reached = by_scipy(ones, y, score)
    assert (level.intercept, level.slope) == (pytest.approx(beta[0], abs=1e-6), 1.0)
    assert level.log_likelihood == pytest.approx(reached, abs=1e-7)
    beta, reached = by_scipy(np.column_stack([ones, score]), y, nothing)
    assert (line.intercept, line.slope) == (
        pytest.approx(beta[0], abs=1e-6),
        pytest.approx(beta[1], abs=1e-6),
    )
    assert line.log_likelihood == pytest.approx(reached, abs=1e-7)
    _, reached = by_scipy(np.column_stack([ones, X]), y, nothing)
    assert refit.log_likelihood == pytest.approx(reached, abs=1e-7)
    assert refit.parameters == 4  # the model's log-odds are a sum of the columns and add none


def test_log_odds_that_are_no_sum_of_the_columns_are_a_parameter_of_the_refit() -> None:
    X, score, y = patients(300)
    assert fit_updates(np.tanh(score), y, X)[-1].parameters == 5


def test_a_new_intercept_by_hand() -> None:
    """A constant prediction of ½ and 60 responders of 80: the intercept is the log-odds of 0.75."""
    y = np.repeat([1.0, 0.0], [60, 20])
    level = fit_updates(np.zeros(80), y)[1]
    assert level.intercept == pytest.approx(logit(0.75))
    assert level.log_likelihood == pytest.approx(60 * np.log(0.75) + 20 * np.log(0.25))


def test_the_first_step_by_hand() -> None:
    y = np.repeat([1.0, 0.0], [60, 20])
    score = np.tile([-1.0, 1.0], 40)
    found = closed_test(score, y)
    line = found.updates[-1].log_likelihood
    statistic = 2 * (line - float(np.sum(y * score - np.logaddexp(0, score))))
    assert (found.steps[0].smaller, found.steps[0].larger, found.steps[0].df) == ("none", "slope", 2)
    assert found.steps[0].statistic == pytest.approx(statistic)
    assert found.steps[0].p_value == pytest.approx(float(chi2.sf(statistic, 2)))


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({}, "none"),
        ({"intercept": -0.8}, "intercept"),
        ({"intercept": 0.6, "slope": 0.4}, "slope"),
        ({"truth": np.array([-0.5, 0.8, 0.4])}, "refit"),
    ],
)
def test_the_update_that_the_new_patients_need_is_chosen(change: dict[str, object], wanted: str) -> None:
    """In 40 data sets of 1,500 patients: the needed update in most, and never one that leaves the change out."""
    order = ["none", "intercept", "slope", "refit"]
    found = []
    for seed in range(40):
        X, score, y = patients(1500, seed=seed, **change)  # type: ignore[arg-type]
        found.append(closed_test(score, y, X).chosen)
    assert found.count(wanted) >= 33
    assert all(order.index(one) >= order.index(wanted) for one in found)


def test_a_model_that_needs_nothing_is_changed_as_often_as_alpha() -> None:
    """400 data sets: 20 expected, and more than 34 would come by chance once in a thousand times."""
    changed = 0
    for seed in range(400):
        X, score, y = patients(300, seed=1000 + seed)
        changed += closed_test(score, y, X).chosen != "none"
    assert 7 <= changed <= 34


def clusters(
    number: int, size: int, *, intercept: float = 0.0, slope: float = 1.0, alike: float = 0.16, seed: int = 1
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Patients whose outcomes and columns go together in clusters, each still responding with the model's probability.

    Outcomes are ranks of a normal number that a cluster shares in part, cut at the probability.
    """
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(number), size)
    X = np.sqrt(0.8) * rng.normal(size=(len(group), 3)) + np.sqrt(0.2) * rng.normal(size=(number, 3))[group]
    latent = np.sqrt(alike) * rng.normal(size=number)[group]
    latent += np.sqrt(1 - alike) * rng.normal(size=len(group))
    y = norm.cdf(latent) < expit(intercept + slope * (X @ COEF))
    return X, X @ COEF, y.astype(float), group


def test_in_40_clusters_a_model_that_needs_nothing_is_changed_about_as_often_as_alpha() -> None:
    """SIMULATED: 500 data sets, 25 expected and at most 45 allowed; tests that count patients change 50 and more."""
    changed = np.zeros(2)
    for seed in range(500):
        X, score, y, group = clusters(40, 10, seed=seed)
        by_clusters, by_patients = closed_test(score, y, X, groups=group), closed_test(score, y, X)
        assert (by_clusters.clusters, by_patients.clusters) == (40, None)
        changed += [by_clusters.chosen != "none", by_patients.chosen != "none"]
    assert 10 <= changed[0] <= 45
    assert changed[1] >= 50


@pytest.mark.parametrize(
    ("change", "wanted"),
    [({"intercept": -1.0}, "intercept"), ({"intercept": 0.6, "slope": 0.3}, "slope")],
)
def test_in_clusters_too_the_update_that_is_needed_is_chosen(change: dict[str, float], wanted: str) -> None:
    found = []
    for seed in range(40):
        _, score, y, group = clusters(60, 25, seed=seed, alike=0.05, **change)  # type: ignore[arg-type]
        found.append(closed_test(score, y, groups=group).chosen)
    assert found.count(wanted) >= 33
    assert "none" not in found


def test_clusters_of_one_are_patients() -> None:
    X, score, y = patients(300, intercept=-0.6)
    assert closed_test(score, y, X, groups=np.arange(300)) == closed_test(score, y, X)


def test_few_clusters_change_nothing_and_leave_no_refit() -> None:
    X, score, y, group = clusters(9, 60, intercept=-1.0)
    few = closed_test(score, y, X, groups=group)
    assert (few.chosen, few.note) == ("none", "fewer than 10 clusters")
    X, score, y, group = clusters(15, 60, intercept=-1.0)
    some = closed_test(score, y, X, groups=group)
    assert some.note == "a refit has 4 parameters, too many for 15 clusters"
    assert some.steps[0].df_error == 15 - 2


def test_too_few_patients_change_nothing() -> None:
    found = closed_test(np.zeros(60), np.repeat([1.0, 0.0], [41, 19]))
    assert (found.chosen, found.steps) == ("none", ())
    assert "fewer than 20" in found.note


def test_a_refit_needs_ten_events_for_each_parameter() -> None:
    X, score, y = patients(70, intercept=-0.9)
    assert y.sum() < 40
    found = closed_test(score, y, X)
    assert "too many" in found.note
    assert [one.method for one in found.updates] == ["none", "intercept", "slope"]


def test_outcomes_that_the_columns_separate_have_no_refit() -> None:
    X, score, _ = patients(300)
    y = (X[:, 0] > 0).astype(float)
    assert np.isnan(fit_updates(np.zeros(300), y, X)[-1].log_likelihood)
    assert "could not be fitted" in closed_test(score * 0, y, X).note
