"""One penalised logistic problem, solved by proximal Newton steps: the curvature, the steps, and how far each goes.

A step minimises a quadratic in the coefficients plus the penalty. With few columns the curvature is a matrix; with more
columns than patients it is kept as the root of one, and every system that is solved has the size of the patients.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import numpy as np
from scipy.linalg.lapack import dposv, dpotrf, dpotrs
from scipy.special import expit
from sklearn.linear_model._cd_fast import enet_coordinate_descent, enet_coordinate_descent_gram

__all__ = ["Point", "Problem", "level_of"]

# A solution counts as reached when what the steps to come would still move any patient's log-odds by, judged from how
# much shorter each step is than the one before, is at most this.
SMALLEST_MOVE = 2e-7
GOOD_CONTRACTION = 0.2  # a step longer than this share of the one before asks for a fresh curvature
# The curvature changes at most by the factor exp(drift) when no patient's log-odds move by more than the drift, and a
# full step lowers the objective while that factor is below 2. Only beyond this drift is the step's size searched for.
SAFE_DRIFT = 0.6

SWEEPS = 3  # of coordinate descent in a step
MOST_DROPS = 5  # times that columns are left out whose sign did not hold
# The compiled descent may end sooner, by a duality gap that needs the response of the least-squares problem behind the
# Hessian. There is none; with this one the gap never closes. For the same reason it must not screen.
ENDLESS = np.array([1e8])
GENERATOR = np.random.RandomState(0)  # asked for and, as the order is cyclic, never drawn from


def level_of(target: np.ndarray, offset: np.ndarray) -> float:
    """Intercept that gives everybody the prevalence, but for the spread of the offsets."""
    mean = float(np.mean(target))
    return float(np.log(mean / (1.0 - mean)) - np.mean(offset))


@dataclass(frozen=True)
class Point:
    """Coefficients, intercept, and the log-odds that they give each patient."""

    beta: np.ndarray
    intercept: float
    eta: np.ndarray


class _Curvature(ABC):
    """Second derivative of the loss in the coefficients, the intercept profiled out."""

    def __init__(self, X: np.ndarray, weight: np.ndarray) -> None:
        self.total = float(weight.sum())
        self.means = (weight @ X) / self.total

    @abstractmethod
    def times(self, beta: np.ndarray) -> np.ndarray:
        """Multiply H with coefficients."""

    @abstractmethod
    def solve(self, linear: np.ndarray, inside: np.ndarray | slice, l2: float) -> np.ndarray:
        """Minimise b'Hb/2 + l2 b'b/2 - linear'b over the columns inside."""

    @abstractmethod
    def descend(
        self, linear: np.ndarray, start: np.ndarray, residual: np.ndarray, l1: float, l2: float
    ) -> np.ndarray:
        """Take a few rounds of coordinate descent towards the minimum of b'Hb/2 + penalty - linear'b."""


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
class Problem:
    """Patients, outcomes and offsets; the curvature is kept from one penalty to the next while it serves.

    ``drift`` bounds how far any patient's log-odds have moved since the curvature was taken.
    """

    X: np.ndarray
    target: np.ndarray
    offset: np.ndarray
    curvature: _Curvature | None = field(default=None)
    drift: float = 0.0

    def start(self, beta: np.ndarray, intercept: float | None = None) -> Point:
        """Begin at coefficients and an intercept, or the prevalence's."""
        level = level_of(self.target, self.offset) if intercept is None else intercept
        return Point(beta, level, self.offset + level + self.X @ beta)

    def minimise(self, point: Point, l1: float, l2: float, max_iter: int) -> tuple[Point, int, bool]:
        """Take Newton steps until no patient's log-odds would move any more."""
        before, fresh = np.inf, False
        for step in range(1, max_iter + 1):
            probability = expit(point.eta)
            if self.curvature is None:
                self.curvature, self.drift, fresh = self._curve(probability), 0.0, True
            direction = self._direction(point, probability - self.target, l1, l2)
            length = max(float(direction.eta.max()), -float(direction.eta.min()))
            if length > GOOD_CONTRACTION * before and not fresh:
                self.curvature = None
                continue
            self.drift += length
            size = 1.0 if self.drift < SAFE_DRIFT else self._line_search(point, direction, l1, l2)
            point = Point(
                point.beta + size * direction.beta,
                point.intercept + size * direction.intercept,
                point.eta + size * direction.eta,
            )
            contraction = length / before if before < np.inf else 1.0
            if length <= SMALLEST_MOVE or length * contraction <= SMALLEST_MOVE * (1.0 - contraction):
                return point, step, True
            before, fresh = length, False
        return point, max_iter, False

    def _curve(self, probability: np.ndarray) -> _Curvature:
        # Far from the optimum all probabilities can reach 0 or 1; the floor keeps the step finite. It changes
        # the route, not the destination, which the gradient alone decides.
        weight = np.maximum(probability * (1.0 - probability), 1e-8)
        return (_Wide if self.X.shape[1] > self.X.shape[0] else _Narrow)(self.X, weight)

    def _direction(self, point: Point, residual: np.ndarray, l1: float, l2: float) -> Point:
        """Newton direction in coefficients and intercept, and how it moves each patient's log-odds."""
        curve = self.curvature
        assert curve is not None
        slope, gradient = float(residual.sum()), residual @ self.X
        linear = curve.times(point.beta) - (gradient - curve.means * slope)
        beta = _minimise_quadratic(curve, linear, point.beta, residual, l1, l2) - point.beta
        intercept = -slope / curve.total - float(curve.means @ beta)
        return Point(beta, intercept, self.X @ beta + intercept)

    def _line_search(self, point: Point, direction: Point, l1: float, l2: float) -> float:
        """Halve the step until the objective falls by a share of what its slope and the penalties promise."""
        value, size = self._value(point.eta, point.beta, l1, l2), 1.0
        slope = float((expit(point.eta) - self.target) @ direction.eta)
        promised = slope + _penalty(point.beta + direction.beta, l1, l2) - _penalty(point.beta, l1, l2)
        while size > 1e-10:
            after = self._value(point.eta + size * direction.eta, point.beta + size * direction.beta, l1, l2)
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
