"""Our elastic net against glmnet (case 6), by translating its parametrisation into ours."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from r_numbers import agree, agree_all, expected, table
from scipy.optimize import brentq
from scipy.special import expit

from predictor.models.elastic_net import Solution, elastic_net_path, minimise_elastic_net
from predictor.validation.sample_size import expected_shrinkage

Floats = NDArray[np.float64]
CASE = expected("case06_elastic_net")
DATA = table("enet")
Y = DATA["y"].to_numpy(dtype=float)
TERMS = [f"x{j}" for j in range(1, 13)]
X = DATA[TERMS].to_numpy(dtype=float)
MODELS = ["ridge", "enet", "lasso", "enet_unpenalised_x1"]


def standardised(columns: Floats) -> tuple[Floats, Floats, Floats]:
    centre, spread = columns.mean(axis=0), columns.std(axis=0)
    return (columns - centre) / spread, centre, spread


def fit(columns: Floats, y: Floats, strengths: list[float], alpha: float) -> list[Solution]:
    """Fit glmnet's path, on the original scale: its loss is a mean and ours a sum, so that C = 1/(n·λ)."""
    z, centre, spread = standardised(columns)
    path = elastic_net_path(z, y, [(1 / (len(y) * one), alpha) for one in strengths])
    assert all(one.converged for one in path)
    return [original_scale(one.coef, one.intercept, centre, spread) for one in path]


def original_scale(coef: Floats, intercept: float, centre: Floats, spread: Floats) -> Solution:
    return Solution(coef / spread, intercept - float(centre @ (coef / spread)), 0, True)


def fit_with_the_first_unpenalised(strength: float, alpha: float) -> Solution:
    """Fit with a penalty factor of 0 for the first column, which our solver can take as an offset only.

    Its coefficient is where the likelihood's slope along it is 0. glmnet makes the factors of the others sum
    to the number of all columns.
    """
    z, centre, spread = standardised(X)
    C = 1 / (len(Y) * strength * len(TERMS) / (len(TERMS) - 1))

    def rest(first: float) -> Solution:
        return minimise_elastic_net(z[:, 1:], Y, C=C, l1_ratio=alpha, offset=first * z[:, 0])

    def slope(first: float) -> float:
        one = rest(first)
        return float(z[:, 0] @ (expit(first * z[:, 0] + one.intercept + z[:, 1:] @ one.coef) - Y))

    first = float(brentq(slope, -5, 5, xtol=1e-13, rtol=1e-14))
    one = rest(first)
    return original_scale(np.append(first, one.coef), one.intercept, centre, spread)


def fitted(name: str) -> tuple[dict[str, Any], list[Solution]]:
    want = CASE[name]
    if name == "enet_unpenalised_x1":
        return want, [fit_with_the_first_unpenalised(one, want["alpha"]) for one in want["lambda"]]
    return want, fit(X, Y, want["lambda"], want["alpha"])


def agree_with(path: list[Solution], want: dict[str, Any], tolerance: float) -> None:
    agree_all([each.intercept for each in path], want["intercept"], tolerance)
    for j, term in enumerate(TERMS):
        agree_all([each.coef[j] for each in path], want["coef"][term], tolerance)


@pytest.mark.parametrize("name", MODELS)
def test_the_coefficients_are_glmnets(name: str) -> None:
    want, path = fitted(name)
    agree_with(path, want, 2e-5)
    # Our usual solution ends 2e-7 from the optimum in every patient's log-odds, nearer than glmnet's usual one.
    agree_with(path, want["tight_thresh_1e22"], 1e-6)
    assert [int(np.count_nonzero(each.coef)) for each in path] == want["n_nonzero"]


@pytest.mark.parametrize("name", MODELS)
def test_run_as_tightly_as_glmnet_the_optimum_is_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("predictor.models.proximal_newton.SMALLEST_MOVE", 1e-11)
    want, path = fitted(name)
    agree_with(path, want["tight_thresh_1e22"], 1e-8)


@pytest.mark.parametrize("name", MODELS)
def test_the_objective_and_the_explained_deviance_are_glmnets(name: str) -> None:
    want, path = fitted(name)
    factors = np.array(want["penalty_factor"]) * 12 / np.sum(want["penalty_factor"])
    rate = Y.mean()
    null = -(rate * np.log(rate) + (1 - rate) * np.log(1 - rate))
    for i, (strength, one) in enumerate(zip(want["lambda"], path, strict=True)):
        eta, b = one.intercept + X @ one.coef, one.coef * X.std(axis=0)
        loss = np.mean(np.logaddexp(0, eta) - Y * eta)
        penalty = factors @ ((1 - want["alpha"]) / 2 * b**2 + want["alpha"] * np.abs(b))
        agree(loss + strength * penalty, want["objective"][i], 1e-9)
        agree(1 - loss / null, want["dev_ratio"][i], 1e-7)


@pytest.mark.parametrize(
    ("name", "alpha"), [("alpha1", 1.0), ("alpha0.5", 0.5), ("alpha0_glmnet_uses_alpha_0.001", 0.001)]
)
def test_at_the_largest_penalty_everything_is_zero_and_just_below_it_is_not(name: str, alpha: float) -> None:
    z = standardised(X)[0]
    largest = float(np.abs(z.T @ (Y - Y.mean())).max() / (len(Y) * alpha))
    agree(largest, CASE["lambda_max"][name], 1e-9)
    above, below = (
        minimise_elastic_net(z, Y, C=1 / (len(Y) * largest * factor), l1_ratio=alpha)
        for factor in (1.0001, 0.9999)
    )
    assert np.count_nonzero(above.coef) == 0
    assert np.count_nonzero(below.coef) == 1


def test_the_cross_validated_lasso_is_glmnets() -> None:
    want, folds = CASE["cv_lasso_foldid"], DATA["foldid"].to_numpy()
    strengths, losses, sizes = want["lambda"], [], []
    for fold in np.unique(folds):
        inside, tested = folds != fold, folds == fold
        path = fit(X[inside], Y[inside], strengths, 1.0)
        p = np.clip([1 / (1 + np.exp(-one.intercept - X[tested] @ one.coef)) for one in path], 1e-5, 1 - 1e-5)
        losses.append(-2 * np.mean(Y[tested] * np.log(p) + (1 - Y[tested]) * np.log(1 - p), axis=1))
        sizes.append(tested.sum())
    weight = np.array(sizes) / np.sum(sizes)
    mean = weight @ np.array(losses)
    spread = np.sqrt(weight @ (np.array(losses) - mean) ** 2 / (len(sizes) - 1))
    agree_all(mean, want["cvm_deviance"], 1e-6)
    agree_all(spread, want["cvsd"], 1e-6)
    best = int(np.argmin(mean))
    agree(strengths[best], want["lambda_min"], 1e-12)
    within = [one for one, loss in zip(strengths, mean, strict=True) if loss <= mean[best] + spread[best]]
    agree(max(within), want["lambda_1se"], 1e-12)


@pytest.mark.parametrize("name", ["dev_small", "dev_large"])
def test_without_a_penalty_it_is_glm(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("predictor.models.proximal_newton.SMALLEST_MOVE", 1e-11)
    frame, want = table(name), expected("case03_overall")["development"][name]
    terms = [column for column in frame.columns if column != "y"]
    columns, y = frame[terms].to_numpy(dtype=float), frame["y"].to_numpy(dtype=float)
    got = fit(columns, y, [1e-13], 0.0)[0]
    agree_all([got.intercept, *got.coef], list(want["coef"].values()), 1e-7)
    eta = got.intercept + columns @ got.coef
    loglik = float(y @ eta - np.logaddexp(0, eta).sum())
    agree(loglik, want["logLik"], 1e-7)
    null = len(y) * (y.mean() * np.log(y.mean()) + (1 - y.mean()) * np.log(1 - y.mean()))
    agree(null, want["logLik_null"], 1e-7)
    agree(2 * (loglik - null), want["model_lr_chisq"], 1e-7)
    agree(1 - 8 / (2 * (loglik - null)), want["heuristic_shrinkage_van_houwelingen"], 1e-7)
    # Van Houwelingen's shrinkage is the expected one at the model's own Cox-Snell R².
    agree(
        expected_shrinkage(8, len(y), want["cox_snell_r2"]), want["heuristic_shrinkage_van_houwelingen"], 1e-7
    )
