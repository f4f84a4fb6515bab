"""Elastic-net logistic regression by proximal Newton steps: the exact optimum, and whole paths of it in milliseconds.

scikit-learn's saga needs thousands of passes and, with a strong L1 penalty, stops at a wrong answer even with
a small tolerance; liblinear penalises the intercept; lbfgs and Newton know no L1. Here every Newton step is a
small problem in the coefficients alone (the intercept is profiled out), solved in closed form for ridge and
by scikit-learn's compiled coordinate descent otherwise. A path starts each penalty from the solution of the stronger
one before it and keeps the curvature while it still serves.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from scipy.linalg import eigh
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from predictor.models.proximal_newton import Problem, level_of

__all__ = [
    "ElasticNetLogistic",
    "Solution",
    "elastic_net_path",
    "elastic_net_scores",
    "minimise_elastic_net",
]

MOST_STEPS = 100


@dataclass(frozen=True)
class Solution:
    """Coefficients of shape (p,), intercept, Newton steps taken, and whether they reached the optimum."""

    coef: np.ndarray
    intercept: float
    steps: int
    converged: bool


def minimise_elastic_net(
    X: np.ndarray,
    target: np.ndarray,
    *,
    C: float,
    l1_ratio: float,
    offset: float | np.ndarray = 0.0,
    max_iter: int = MOST_STEPS,
) -> Solution:
    r"""Minimise the penalised logistic loss; the intercept is not penalised.

    .. math:: \sum_i \log(1 + e^{\eta_i}) - t_i\eta_i + \frac{1}{C}\left(\rho\|\beta\|_1 +
    \frac{1-\rho}{2}\|\beta\|_2^2\right),
              \qquad \eta = o + b + X\beta

    Parameters
    ----------
    X : ndarray of shape (n, p)
        Encoded patients; ``p`` may be 0.
    target : ndarray of shape (n,)
        Outcomes in [0, 1]; fractions are allowed, not all 0 nor all 1.
    C : float
        Inverse strength of the penalty, as in scikit-learn.
    l1_ratio : float
        Share of the L1 penalty: 0 is ridge, 1 the lasso.
    offset : float or ndarray of shape (n,)
        Known part of the log-odds.
    max_iter : int
        Most Newton steps.

    References
    ----------
    Lee, Sun and Saunders (2014), SIAM J Optim 24:1420. Friedman, Hastie and Tibshirani (2010), J Stat Softw
    33(1).
    """
    return elastic_net_path(X, target, [(C, l1_ratio)], offset=offset, max_iter=max_iter)[0]


def elastic_net_path(
    X: np.ndarray,
    target: np.ndarray,
    penalties: Sequence[tuple[float, float]],
    *,
    offset: float | np.ndarray = 0.0,
    max_iter: int = MOST_STEPS,
) -> list[Solution]:
    """Minimise the penalised logistic loss for many penalties, each started from a stronger one.

    Parameters
    ----------
    X, target, offset, max_iter
        As in `minimise_elastic_net`.
    penalties : sequence of (C, l1_ratio)
        In any order.

    Returns
    -------
    list of Solution
        In the order of ``penalties``; each within 1e-6 in every patient's log-odds of what `minimise_elastic_net`
        gives alone.

    References
    ----------
    Tibshirani et al. (2012), J R Stat Soc B 74:245, for the columns that a stronger penalty lets aside.
    """
    X = np.asfortranarray(X, dtype=np.float64)
    target = np.asarray(target, dtype=np.float64)
    shift = np.broadcast_to(np.asarray(offset, dtype=np.float64), target.shape)
    found: dict[int, Solution] = {}
    with warnings.catch_warnings():
        # The compiled descent says that it was not let run to its end; the test of every step decides.
        warnings.simplefilter("ignore", ConvergenceWarning)
        for ratio in sorted({ratio for _, ratio in penalties}):
            order = sorted((C, i) for i, (C, own) in enumerate(penalties) if own == ratio)
            solved = _ratio_path(X, target, shift, [C for C, _ in order], ratio, max_iter)
            found |= {i: solution for (_, i), solution in zip(order, solved, strict=True)}
    return [found[i] for i in range(len(penalties))]


def elastic_net_scores(
    candidates: Sequence[Mapping[str, Any]], X: np.ndarray, target: np.ndarray, X_new: np.ndarray, seed: int
) -> np.ndarray:
    """Score new patients by every candidate, all of them solved as one path.

    Parameters
    ----------
    candidates : sequence of mapping
        Parameters of `ElasticNetLogistic`.
    X, X_new : ndarray of shape (n, p), (m, p)
        Encoded patients.
    target : ndarray of shape (n,)
        0 or 1, both present.
    seed : int
        Not used: nothing is drawn.

    Returns
    -------
    ndarray of shape (m, candidates)
        Log-odds.
    """
    models = [ElasticNetLogistic(**params) for params in candidates]
    longest = max(model.max_iter for model in models)
    path = elastic_net_path(X, target, [(model.C, model.l1_ratio) for model in models], max_iter=longest)
    coef, intercept = np.array([one.coef for one in path]), np.array([one.intercept for one in path])
    return np.asarray(X_new @ coef.T + intercept)


def _ratio_path(
    X: np.ndarray,
    target: np.ndarray,
    offset: np.ndarray,
    strengths: Sequence[float],
    ratio: float,
    max_iter: int,
) -> list[Solution]:
    n, p = X.shape
    if ratio == 0.0 and p > n:
        return _wide_ridge_path(X, target, offset, strengths, max_iter)
    if ratio > 0.0:
        return _screened_path(X, target, offset, strengths, ratio, max_iter)
    problem = Problem(X, target, offset)
    point = problem.start(np.zeros(p))
    solutions = []
    for C in strengths:
        point, steps, converged = problem.minimise(point, ratio / C, (1.0 - ratio) / C, max_iter)
        solutions.append(Solution(point.beta.copy(), point.intercept, steps, converged))
    return solutions


def _wide_ridge_path(
    X: np.ndarray, target: np.ndarray, offset: np.ndarray, strengths: Sequence[float], max_iter: int
) -> list[Solution]:
    """Solve ridge with more columns than patients in the space that the patients span, which loses nothing."""
    values, vectors = eigh(X @ X.T)
    kept = values > values[-1] * 1e-12
    scales = np.sqrt(values[kept])
    rotated = vectors[:, kept] * scales
    solved = _ratio_path(np.asfortranarray(rotated), target, offset, strengths, 0.0, max_iter)
    back = vectors[:, kept] / scales
    return [Solution(X.T @ (back @ one.coef), one.intercept, one.steps, one.converged) for one in solved]


def _screened_path(
    X: np.ndarray,
    target: np.ndarray,
    offset: np.ndarray,
    strengths: Sequence[float],
    ratio: float,
    max_iter: int,
) -> list[Solution]:
    """Look only at columns whose gradient can reach the penalty, and at the others once it is solved."""
    beta, intercept = np.zeros(X.shape[1]), level_of(target, offset)
    gradient = _gradient(X, target, offset + intercept)
    before = float(np.abs(gradient).max(initial=0.0))
    solutions = []
    for C in strengths:
        l1, l2 = ratio / C, (1.0 - ratio) / C
        columns = (beta != 0.0) | (np.abs(gradient) >= 2.0 * l1 - before)
        steps, converged, missed = 0, True, columns
        while missed.any():
            chosen = np.flatnonzero(columns)
            problem = Problem(np.asfortranarray(X[:, chosen]), target, offset)
            point, more, converged = problem.minimise(
                problem.start(beta[chosen], intercept), l1, l2, max_iter
            )
            beta, intercept = np.zeros(len(beta)), point.intercept
            beta[chosen] = point.beta
            gradient = _gradient(X, target, point.eta)
            missed = ~columns & (np.abs(gradient) > l1 * (1.0 + 1e-9))
            columns, steps = columns | missed, steps + more
        before = l1
        solutions.append(Solution(beta.copy(), intercept, steps, converged))
    return solutions


def _gradient(X: np.ndarray, target: np.ndarray, eta: np.ndarray) -> np.ndarray:
    return np.asarray((expit(eta) - target) @ X)


class ElasticNetLogistic(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Logistic regression with an elastic-net penalty, in scikit-learn's parametrisation.

    Columns are expected on a common scale: the penalty treats them alike.

    Parameters
    ----------
    C : float
        Inverse strength of the penalty.
    l1_ratio : float
        0 is ridge, 1 the lasso.
    max_iter : int
        Most Newton steps; about ten are used.

    Attributes
    ----------
    coef_ : ndarray of shape (1, p)
    intercept_ : ndarray of shape (1,)
    n_iter_ : int
    converged_ : bool
    """

    # Beyond these ends of C nothing changes any more but the rounding.
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "C": [Interval(Real, 1e-6, 1e6, closed="both")],
        "l1_ratio": [Interval(Real, 0, 1, closed="both")],
        "max_iter": [Interval(Integral, 1, 10_000, closed="both")],
    }

    def __init__(self, C: float = 1.0, l1_ratio: float = 0.0, max_iter: int = 100) -> None:
        self.C = C
        self.l1_ratio = l1_ratio
        self.max_iter = max_iter

    def fit(self, X: np.ndarray, y: np.ndarray) -> ElasticNetLogistic:
        """Fit to encoded patients of shape (n, p) and outcomes of two classes."""
        X, y = validate_data(self, X, y, dtype=np.float64, ensure_min_features=0)
        check_classification_targets(y)
        self.classes_ = np.unique(y)
        if len(self.classes_) != 2:
            msg = f"Two classes are needed, and y has {len(self.classes_)} class(es)."
            raise ValueError(msg)
        target = (y == self.classes_[1]).astype(np.float64)
        return self._keep(
            minimise_elastic_net(X, target, C=self.C, l1_ratio=self.l1_ratio, max_iter=self.max_iter)
        )

    def _keep(self, solution: Solution) -> ElasticNetLogistic:
        self.coef_, self.intercept_ = solution.coef[None, :], np.array([solution.intercept])
        self.n_iter_, self.converged_ = solution.steps, solution.converged
        return self

    def decision_function(self, X: np.ndarray) -> np.ndarray:
        """Log-odds of the second class, shape (n,)."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False, ensure_min_features=0)
        return np.asarray(X @ self.coef_[0] + self.intercept_[0])

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Probabilities of both classes, shape (n, 2)."""
        log_odds = self.decision_function(X)
        return np.column_stack([expit(-log_odds), expit(log_odds)])

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Predict the more probable class, shape (n,)."""
        return np.asarray(self.classes_[(self.decision_function(X) > 0).astype(int)])
