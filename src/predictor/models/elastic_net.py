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
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from scipy.linalg import eigh
from scipy.linalg.lapack import dposv, dpotrf, dpotrs
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model._cd_fast import enet_coordinate_descent, enet_coordinate_descent_gram
from sklearn.utils._param_validation import Interval
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

__all__ = [
    "ElasticNetLogistic",
    "Solution",
    "elastic_net_path",
    "elastic_net_scores",
    "minimise_elastic_net",
]

MOST_STEPS = 100
SMALLEST_MOVE = 1e-7  # largest change of a patient's log-odds at which a solution counts as reached
GOOD_CONTRACTION = 0.3  # a step longer than this share of the one before asks for a fresh curvature

SWEEPS = 3  # of coordinate descent in a step
MOST_DROPS = 5  # times that columns are left out whose sign did not hold
# The compiled descent may end sooner, by a duality gap that needs the response of the least-squares problem behind the
# Hessian. There is none; with this one the gap never closes. For the same reason it must not screen.
ENDLESS = np.array([1e8])
GENERATOR = np.random.RandomState(0)  # asked for and, as the order is cyclic, never drawn from


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
    models = [ElasticNetLogistic().set_params(**params) for params in candidates]
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
    problem = _Problem(X, target, offset)
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
    beta, intercept = np.zeros(X.shape[1]), _level(target, offset)
    gradient = _gradient(X, target, offset + intercept)
    before = float(np.abs(gradient).max(initial=0.0))
    solutions = []
    for C in strengths:
        l1, l2 = ratio / C, (1.0 - ratio) / C
        columns = (beta != 0.0) | (np.abs(gradient) >= 2.0 * l1 - before)
        steps, converged, missed = 0, True, columns
        while missed.any():
            chosen = np.flatnonzero(columns)
            problem = _Problem(np.asfortranarray(X[:, chosen]), target, offset)
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


def _level(target: np.ndarray, offset: np.ndarray) -> float:
    mean = float(np.mean(target))
    return float(np.log(mean / (1.0 - mean)) - np.mean(offset))


def _gradient(X: np.ndarray, target: np.ndarray, eta: np.ndarray) -> np.ndarray:
    return np.asarray((expit(eta) - target) @ X)


@dataclass(frozen=True)
class _Point:
    beta: np.ndarray
    intercept: float
    eta: np.ndarray


class _Curvature:
    """Second derivative of the loss in the coefficients, the intercept profiled out."""

    def __init__(self, X: np.ndarray, weight: np.ndarray) -> None:
        self.total = float(weight.sum())
        self.means = (weight @ X) / self.total

    def times(self, beta: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def solve(self, linear: np.ndarray, inside: np.ndarray | slice, l2: float) -> np.ndarray:
        """Minimise b'Hb/2 + l2 b'b/2 - linear'b over the columns inside."""
        raise NotImplementedError

    def descend(
        self, linear: np.ndarray, start: np.ndarray, residual: np.ndarray, l1: float, l2: float
    ) -> np.ndarray:
        """Take a few rounds of coordinate descent towards the minimum of b'Hb/2 + penalty - linear'b."""
        raise NotImplementedError


class _Narrow(_Curvature):
    """As a matrix of columns by columns."""

    def __init__(self, X: np.ndarray, weight: np.ndarray) -> None:
        super().__init__(X, weight)
        rooted = np.sqrt(weight)[:, None] * (X - self.means)
        self.hessian = rooted.T @ rooted
        p = len(self.means)
        self.hessian.flat[:: p + 1] += 1e-10 * (1.0 + float(np.trace(self.hessian)) / max(p, 1))
        self.factors: dict[float, tuple[np.ndarray, int]] = {}

    def times(self, beta: np.ndarray) -> np.ndarray:
        return np.asarray(self.hessian @ beta)

    def solve(self, linear: np.ndarray, inside: np.ndarray | slice, l2: float) -> np.ndarray:
        if not isinstance(inside, slice):
            return _solve(self.hessian[inside][:, inside], linear[inside], l2)
        # Ridge solves for all columns with the same curvature in every step: one factorisation serves them.
        if l2 not in self.factors:
            ridged = self.hessian.copy(order="F")
            ridged.flat[:: len(linear) + 1] += l2
            self.factors[l2] = dpotrf(ridged, lower=0, overwrite_a=1)
        factor, failed = self.factors[l2]
        return _solve(self.hessian, linear, l2) if failed else np.asarray(dpotrs(factor, linear, lower=0)[0])

    def descend(
        self, linear: np.ndarray, start: np.ndarray, residual: np.ndarray, l1: float, l2: float
    ) -> np.ndarray:
        return np.asarray(
            enet_coordinate_descent_gram(
                start.copy(),
                l1,
                l2,
                self.hessian,
                linear,
                ENDLESS,
                SWEEPS,
                0.0,
                GENERATOR,
                False,
                False,
                False,
            )[0]
        )


class _Wide(_Curvature):
    """As the root of it, of patients by columns: for more columns than patients."""

    def __init__(self, X: np.ndarray, weight: np.ndarray) -> None:
        super().__init__(X, weight)
        self.rooted_weight = np.sqrt(weight)
        self.root = np.asfortranarray(self.rooted_weight[:, None] * (X - self.means))

    def times(self, beta: np.ndarray) -> np.ndarray:
        return np.asarray((self.root @ beta) @ self.root)

    def solve(self, linear: np.ndarray, inside: np.ndarray | slice, l2: float) -> np.ndarray:
        root, right = self.root[:, inside], linear[inside]
        if root.shape[1] <= root.shape[0] or l2 == 0.0:
            return _solve(root.T @ root, right, l2)
        # Woodbury: a system of patients instead of columns.
        return np.asarray((right - _solve(root @ root.T, root @ right, l2) @ root) / l2)

    def descend(
        self, linear: np.ndarray, start: np.ndarray, residual: np.ndarray, l1: float, l2: float
    ) -> np.ndarray:
        # Up to a constant b'Hb/2 - linear'b is half the squared distance of root b from this response.
        response = self.root @ start - residual / self.rooted_weight
        return np.asarray(
            enet_coordinate_descent(
                start.copy(), l1, l2, self.root, response, SWEEPS, 1e-12, GENERATOR, False, False, False
            )[0]
        )


@dataclass
class _Problem:
    X: np.ndarray
    target: np.ndarray
    offset: np.ndarray
    curvature: _Curvature | None = field(default=None)

    def start(self, beta: np.ndarray, intercept: float | None = None) -> _Point:
        level = _level(self.target, self.offset) if intercept is None else intercept
        return _Point(beta, level, self.offset + level + self.X @ beta)

    def minimise(self, point: _Point, l1: float, l2: float, max_iter: int) -> tuple[_Point, int, bool]:
        """Take Newton steps until no patient's log-odds move any more."""
        before, fresh = np.inf, False
        for step in range(1, max_iter + 1):
            probability = expit(point.eta)
            if self.curvature is None:
                self.curvature, fresh = self._curve(probability), True
            d_beta, d_intercept, promised = self._direction(point, probability - self.target, l1, l2)
            move = self.X @ d_beta + d_intercept
            length = float(np.abs(move).max(initial=0.0))
            if length > GOOD_CONTRACTION * before and not fresh:
                self.curvature = None
                continue
            size = (
                1.0
                if length < 1e-4
                else self._line_search(point, d_beta, d_intercept, move, promised, l1, l2)
            )
            point = _Point(
                point.beta + size * d_beta, point.intercept + size * d_intercept, point.eta + size * move
            )
            if length <= SMALLEST_MOVE:
                return point, step, True
            before, fresh = length, False
        return point, max_iter, False

    def _curve(self, probability: np.ndarray) -> _Curvature:
        # Far from the optimum all probabilities can reach 0 or 1; the floor keeps the step finite. It changes
        # the route, not the destination, which the gradient alone decides.
        weight = np.maximum(probability * (1.0 - probability), 1e-8)
        return (_Wide if self.X.shape[1] > self.X.shape[0] else _Narrow)(self.X, weight)

    def _direction(
        self, point: _Point, residual: np.ndarray, l1: float, l2: float
    ) -> tuple[np.ndarray, float, float]:
        """Newton direction in (beta, intercept), and the change of the objective it promises."""
        curve = self.curvature
        assert curve is not None
        slope, gradient = float(residual.sum()), residual @ self.X
        linear = curve.times(point.beta) - (gradient - curve.means * slope)
        new = _minimise_quadratic(curve, linear, point.beta, residual, l1, l2)
        d_beta = new - point.beta
        d_intercept = -slope / curve.total - float(curve.means @ d_beta)
        penalties = _penalty(new, l1, l2) - _penalty(point.beta, l1, l2)
        return d_beta, d_intercept, float(gradient @ d_beta + slope * d_intercept) + penalties

    def _line_search(
        self,
        point: _Point,
        d_beta: np.ndarray,
        d_intercept: float,
        move: np.ndarray,
        promised: float,
        l1: float,
        l2: float,
    ) -> float:
        value, size = self._value(point.eta, point.beta, l1, l2), 1.0
        while size > 1e-10:
            after = self._value(point.eta + size * move, point.beta + size * d_beta, l1, l2)
            if after <= value + 1e-4 * size * promised:
                break
            size /= 2.0
        return size

    def _value(self, eta: np.ndarray, beta: np.ndarray, l1: float, l2: float) -> float:
        return float(np.logaddexp(0.0, eta).sum() - self.target @ eta) + _penalty(beta, l1, l2)


def _penalty(beta: np.ndarray, l1: float, l2: float) -> float:
    return float(l1 * np.abs(beta).sum() + 0.5 * l2 * (beta @ beta))


def _minimise_quadratic(
    curve: _Curvature, linear: np.ndarray, start: np.ndarray, residual: np.ndarray, l1: float, l2: float
) -> np.ndarray:
    """Minimise b'Hb/2 - linear'b + l1 |b| + l2 b'b/2, or go most of the way."""
    if not len(linear):
        return np.zeros(0)
    if l1 == 0.0:
        return curve.solve(linear, slice(None), l2)
    near = curve.descend(linear, start, residual, l1, l2)
    signs = np.sign(near)
    inside = np.flatnonzero(near)
    # Where the signs hold, the problem is smooth and its exact solution one linear system. A column whose sign does
    # not hold is left at zero; the next step's descent takes it up again where that was wrong.
    for _ in range(MOST_DROPS):
        if not len(inside):
            return near
        exact = np.zeros(len(near))
        exact[inside] = curve.solve(linear - l1 * signs, inside, l2)
        held = exact[inside] * signs[inside] > 0.0
        if held.all():
            break
        inside = inside[held]
    else:
        return near
    # Leaving columns out can give away more than the exact solution of the others gains; a step that gains nothing
    # would pass for the end.
    dropped = len(inside) < np.count_nonzero(near)
    if dropped and _quadratic(curve, linear, exact, l1, l2) > _quadratic(curve, linear, near, l1, l2):
        return near
    return exact


def _quadratic(curve: _Curvature, linear: np.ndarray, beta: np.ndarray, l1: float, l2: float) -> float:
    return float((0.5 * curve.times(beta) - linear) @ beta) + _penalty(beta, l1, l2)


def _solve(hessian: np.ndarray, linear: np.ndarray, l2: float) -> np.ndarray:
    ridged = hessian.copy(order="F")
    ridged.flat[:: len(linear) + 1] += l2
    _, solution, failed = dposv(ridged, linear, lower=0, overwrite_a=1)
    if failed:
        return np.asarray(np.linalg.lstsq(hessian + l2 * np.eye(len(linear)), linear, rcond=None)[0])
    return np.asarray(solution)


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
