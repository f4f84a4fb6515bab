"""Multiple imputation by chained equations: training patients with their outcome, everybody else without it.

The chains are scikit-learn's. Two of them are fitted on a training part: one that knows the outcome and fills in the
training part itself, without which associations with the outcome would be watered down; and one that does not,
which fills in whoever is predicted, since a new patient has no outcome yet (Sisk et al. 2023). Numbers are imputed; a
category that is missing is a level of its own, "not recorded", in the imputation as in the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtri
from sklearn import config_context
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer
from sklearn.linear_model import BayesianRidge

from predictor.features.chain import Chain
from predictor.features.columns import EncodedColumn

__all__ = ["Draw", "PosteriorRidge", "Standardised", "fit_chain", "impute_training", "normal_draws"]

# How far beyond the known range a number may be filled in, in ranges: a guard against a chain that runs away, which
# leaves the draws as they are (von Hippel 2013, Sociol Methods Res 42:105, on what truncating them does).
BEYOND = 0.5


@dataclass(frozen=True)
class Draw:
    """One of m imputations.

    Parameters
    ----------
    number, of : int
        Which, from 0, and of how many.
    rounds : int
        Visits of every number.
    seed : int
        The same for all m.
    """

    number: int
    of: int
    rounds: int
    seed: int

    def generator(self, purpose: int) -> np.random.Generator:
        """Give the random numbers of one purpose; the same on every machine and in every order."""
        return np.random.default_rng([self.seed, self.number, purpose])


TRAINING, DEPLOYED = 0, 1


@dataclass(frozen=True)
class Standardised:
    """Numbers of a training part on their way into a chain.

    Parameters
    ----------
    names, transforms : tuple of str of length p
        Those that vary.
    values : ndarray of float64 of shape (n, p)
        Standardised by what is known; NaN where missing.
    centers, scales : ndarray of shape (p,)
    context : tuple of EncodedColumn of length q
    indicators : ndarray of float64 of shape (n, q)
        Encoded categories.
    """

    names: tuple[str, ...]
    transforms: tuple[str, ...]
    values: np.ndarray
    centers: np.ndarray
    scales: np.ndarray
    context: tuple[EncodedColumn, ...]
    indicators: np.ndarray

    @property
    def limits(self) -> tuple[np.ndarray, np.ndarray]:
        """Between which each number is filled in."""
        if not len(self.names):
            return np.zeros(0), np.zeros(0)
        low, high = np.nanmin(self.values, axis=0), np.nanmax(self.values, axis=0)
        return low - BEYOND * (high - low), high + BEYOND * (high - low)


class PosteriorRidge(BayesianRidge):  # type: ignore[misc]
    r"""Bayesian ridge regression of which one draw from the posterior is used, for all patients the same.

    .. math:: \sigma^{*2} = \hat\sigma^2 \nu / \chi^2_\nu, \qquad
       \beta^* \sim N(\hat\beta, \Sigma\,\sigma^{*2} / \hat\sigma^2)

    Draws of the residual alone, or of new coefficients for every patient, are improper: intervals from Rubin's rules
    become too narrow.

    Parameters
    ----------
    generator : numpy.random.Generator
        Shared by all copies, so that each of them draws anew.

    References
    ----------
    Rubin (1987), Multiple Imputation for Nonresponse in Surveys, chapter 5; van Buuren (2018), section 3.2.
    """

    coef_: np.ndarray
    intercept_: float

    def __init__(self, generator: np.random.Generator | None = None) -> None:
        super().__init__()
        self.generator = generator

    def __sklearn_clone__(self) -> PosteriorRidge:
        return PosteriorRidge(self.generator)

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> PosteriorRidge:
        """Fit, then draw.

        Parameters
        ----------
        X : array of shape (n, p)
        y : array of shape (n,)
        sample_weight : None
        """
        super().fit(X, y, sample_weight)
        n = len(y)
        used = self.coef_.size - self.lambda_ * float(np.trace(self.sigma_))
        freedom = max(n - 1.0 - used, 1.0)
        random = self.generator or np.random.default_rng(0)
        wider = float(np.sqrt(freedom / random.chisquare(freedom)))
        self.residual_ = wider / float(np.sqrt(self.alpha_))
        roots, axes = np.linalg.eigh(self.sigma_)
        spread = axes * np.sqrt(np.maximum(roots, 0.0))
        moved = wider * (spread @ random.standard_normal(len(roots)))
        mean = np.asarray(X).mean(axis=0)
        level = self.residual_ / float(np.sqrt(n)) * float(random.standard_normal())
        self.coef_ = self.coef_ + moved
        self.intercept_ = float(self.intercept_) - float(mean @ moved) + level
        return self

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """Predict by the drawn coefficients, with the drawn residual deviation where asked for.

        Parameters
        ----------
        X : array of shape (n, p)
        return_std : bool
        """
        mean = np.asarray(X) @ self.coef_ + self.intercept_
        return (mean, np.full(len(mean), self.residual_)) if return_std else mean


def impute_training(numbers: Standardised, target: np.ndarray, draw: Draw) -> np.ndarray:
    """Fill in a training part once, its outcome among the predictors.

    Parameters
    ----------
    numbers : Standardised
    target : ndarray of shape (n,)
        Outcomes as 0 and 1.
    draw : Draw

    Returns
    -------
    ndarray of float64 of shape (n, p)
        Standardised numbers without NaN.
    """
    outcome = np.asarray(target, dtype=np.float64)
    _, filled = _run_chain(numbers, outcome - outcome.mean(), draw, TRAINING)
    return filled


def fit_chain(numbers: Standardised, draw: Draw) -> Chain:
    """Fit the imputer of new patients, which never sees an outcome.

    Parameters
    ----------
    numbers : Standardised
    draw : Draw

    Returns
    -------
    Chain
        The regressions of the last round. Numbers that nobody lacked in training have one as well: a new patient may.
    """
    p, q = numbers.values.shape[1], numbers.indicators.shape[1]
    # In the outcome's place stands a column of zeros, which tells nothing.
    fitted, filled = _run_chain(numbers, np.zeros(len(numbers.values)), draw, DEPLOYED)
    order, intercept = [], np.zeros(p)
    coef, residual = np.zeros((p, p + q)), np.zeros(p)
    for j, others, model in [*fitted, *_of_complete(numbers, filled, fitted, draw)]:
        known = np.asarray(others) < p + q  # all but the outcome's place, which is the last
        coef[j, np.asarray(others)[known]] = model.coef_[known]
        intercept[j], residual[j] = model.intercept_, model.residual_
        order.append(int(j))
    low, high = numbers.limits
    noise = residual * normal_draws(draw, p)
    return Chain(
        names=numbers.names,
        transforms=numbers.transforms,
        centers=tuple(numbers.centers.tolist()),
        scales=tuple(numbers.scales.tolist()),
        lows=tuple(low.tolist()),
        highs=tuple(high.tolist()),
        context=numbers.context,
        order=tuple(order),
        intercept=tuple(intercept.tolist()),
        coef=tuple(map(tuple, coef.tolist())),
        noise=tuple(map(tuple, noise.tolist())),
    )


def normal_draws(draw: Draw, p: int) -> np.ndarray:
    """Standard-normal draws of one imputation, spread evenly over the m: shape (rounds, p).

    In every round and for every number the m imputations get the m middle quantiles, in a random order and scaled to
    a variance of 1. Independent draws would not average out: all patients share them, and the mean of ten has a
    standard deviation of 0.3.

    Parameters
    ----------
    draw : Draw
    p : int
        Numbers.

    References
    ----------
    McKay, Beckman and Conover (1979), Technometrics 21:239, on Latin hypercubes.
    """
    levels = ndtri((np.arange(draw.of) + 0.5) / draw.of)
    spread = float(np.sqrt(np.mean(levels**2))) or 1.0
    shared = np.random.default_rng([draw.seed, draw.of])
    orders = shared.permuted(np.tile(np.arange(draw.of), (draw.rounds * p, 1)), axis=1)
    return np.asarray(levels[orders[:, draw.number]] / spread).reshape(draw.rounds, p)


Step = tuple[int, Any, PosteriorRidge]


def _run_chain(
    numbers: Standardised, outcome: np.ndarray, draw: Draw, purpose: int
) -> tuple[list[Step], np.ndarray]:
    """Run scikit-learn's chain; return the regressions of its last round and the numbers filled in."""
    p = len(numbers.names)
    if p == 0:
        return [], numbers.values
    matrix = np.column_stack([numbers.values, numbers.indicators, outcome])
    beyond = np.full(matrix.shape[1] - p, np.inf)
    low, high = numbers.limits
    random = draw.generator(purpose)
    imputer = IterativeImputer(
        PosteriorRidge(random),
        sample_posterior=True,
        max_iter=draw.rounds,
        skip_complete=True,
        min_value=np.concatenate([low, -beyond]),
        max_value=np.concatenate([high, beyond]),
        random_state=int(random.integers(2**31)),
    )
    with config_context(assume_finite=True, skip_parameter_validation=True):
        filled = imputer.fit_transform(matrix)
    sequence = imputer.imputation_sequence_
    last = sequence[len(sequence) - len(sequence) // max(imputer.n_iter_, 1) :] if sequence else []
    return [(int(j), others, model) for j, others, model in last], filled[:, :p]


def _of_complete(numbers: Standardised, filled: np.ndarray, fitted: Sequence[Step], draw: Draw) -> list[Step]:
    """Regressions of the numbers that nobody lacked."""
    n, p = filled.shape
    known = {j for j, _, _ in fitted}
    random = draw.generator(DEPLOYED + 1)
    matrix = np.column_stack([filled, numbers.indicators, np.zeros(n)])
    found = []
    for j in sorted(set(range(p)) - known):
        others = np.array([i for i in range(matrix.shape[1]) if i != j])
        found.append((j, others, PosteriorRidge(random).fit(matrix[:, others], matrix[:, j])))
    return found
