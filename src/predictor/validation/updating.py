"""How much of a model has to change for new patients? Nothing, its level, its level and spread, or all of it.

L is the model's log-odds of each new patient. The three updates are nested in a full revision, a logistic model of
L and the patients' own columns together; for a logistic model, whose L is a sum of such columns, that is the refit
of all its coefficients. The closed test asks for each update, the smallest first, whether the revision fits better.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit
from scipy.stats import chi2

__all__ = ["ClosedTest", "Method", "Step", "Update", "closed_test", "fit_updates"]

Floats = NDArray[np.float64]
Method = Literal["none", "intercept", "slope", "refit"]

FEWEST = 20  # events and non-events, below which nothing can be judged and the model stays as it is
PER_PARAMETER = 10  # events or non-events for each parameter of a refit; with fewer its test finds too much
STEPS = 50
STILL = 1e-10  # change of the log-likelihood, relative, at which it is maximal
SEPARATED = 30.0  # log-odds that only a fit without a finite maximum reaches


@dataclass(frozen=True)
class Update:
    """One way to bring a model up to date.

    Parameters
    ----------
    method : {"none", "intercept", "slope", "refit"}
        ``slope`` is intercept and slope together.
    intercept, slope : float
        Of the line a + b·L; NaN for a refit, which is no line.
    parameters : int
        Estimated from the new patients.
    log_likelihood : float
        In nats; NaN where it has no finite maximum.
    """

    method: Method
    intercept: float
    slope: float
    parameters: int
    log_likelihood: float


@dataclass(frozen=True)
class Step:
    """One likelihood-ratio test of a smaller update against a larger one.

    Parameters
    ----------
    smaller, larger : {"none", "intercept", "slope", "refit"}
    statistic : float
        Twice the difference of the log-likelihoods.
    df : int
    p_value : float
    """

    smaller: Method
    larger: Method
    statistic: float
    df: int
    p_value: float


@dataclass(frozen=True)
class ClosedTest:
    """Which update the new patients call for.

    Parameters
    ----------
    chosen : {"none", "intercept", "slope", "refit"}
    updates : tuple of Update
        From none to the largest that could be fitted.
    steps : tuple of Step
        Tests in their order; the first that is not significant ends them.
    note : str
        Why a refit, or any update, was not asked for; empty where all were.
    """

    chosen: Method
    updates: tuple[Update, ...]
    steps: tuple[Step, ...]
    note: str

    @property
    def update(self) -> Update:
        """The chosen one."""
        return next(one for one in self.updates if one.method == self.chosen)


def fit_updates(log_odds: ArrayLike, y: ArrayLike, design: ArrayLike | None = None) -> tuple[Update, ...]:
    """Fit every update by maximum likelihood.

    Parameters
    ----------
    log_odds : array of shape (n,)
        L, by the model as it is.
    y : array of shape (n,)
        1 responder, 0 not.
    design : array of shape (n, q), optional
        The patients' encoded columns, without an intercept and complete; without them there is no refit.

    Returns
    -------
    tuple of Update
        None, intercept and slope, and the refit where there is a design.
    """
    outcome, score = np.asarray(y, dtype=float), np.asarray(log_odds, dtype=float)
    ones = np.ones((len(score), 1))
    line = np.column_stack([ones, score])
    level, straight = _maximise(ones, outcome, score), _maximise(line, outcome, np.zeros(len(score)))
    updates = [
        Update("none", 0.0, 1.0, 0, _log_likelihood(outcome, score)),
        Update("intercept", float(level[0][0]), 1.0, 1, level[1]),
        Update("slope", float(straight[0][0]), float(straight[0][1]), 2, straight[1]),
    ]
    if design is not None:
        basis = _basis(np.column_stack([line, np.asarray(design, dtype=float)]))
        found = _maximise(basis, outcome, np.zeros(len(score)))
        updates.append(Update("refit", np.nan, np.nan, basis.shape[1], found[1]))
    return tuple(updates)


def closed_test(
    log_odds: ArrayLike, y: ArrayLike, design: ArrayLike | None = None, *, alpha: float = 0.05
) -> ClosedTest:
    """Choose the smallest update that the largest one does not beat.

    With a largest update of m parameters, the model as it is is compared with it on m degrees of freedom, then a new
    intercept on m − 1, then a line on m − 2. The first that is not significant is chosen, else the largest. All are
    tested at α, and yet a model that needs nothing is changed in a share α of the data sets, because nothing is
    asked after the first test unless that was significant.

    Parameters
    ----------
    log_odds, y, design
        As in `fit_updates`. A refit is asked for only with ten events and ten non-events for each of its parameters.
    alpha : float

    Returns
    -------
    ClosedTest
        ``none`` below 20 events or non-events. Patients are taken as independent.

    References
    ----------
    Vergouwe Y, Nieboer D, Oostenbrink R, et al. A closed testing procedure to select an appropriate method for updating
    prediction models. Stat Med 2017;36:4529-4539.
    """
    outcome = np.asarray(y, dtype=float)
    rarer = int(min(outcome.sum(), len(outcome) - outcome.sum()))
    if rarer < FEWEST:
        score = np.asarray(log_odds, dtype=float)
        as_it_is = Update("none", 0.0, 1.0, 0, _log_likelihood(outcome, score))
        return ClosedTest("none", (as_it_is,), (), f"fewer than {FEWEST} events or non-events")
    updates, note = fit_updates(log_odds, outcome, design), ""
    updates = tuple(one for one in updates if np.isfinite(one.log_likelihood))
    if design is None or updates[-1].method != "refit":
        note = "a refit could not be fitted" if design is not None else "no refit was asked for"
    elif rarer < PER_PARAMETER * updates[-1].parameters:
        note = f"a refit has {updates[-1].parameters} parameters, too many for {rarer} events or non-events"
        updates = updates[:-1]
    steps = []
    for one in updates[:-1]:
        steps.append(_compare(one, updates[-1]))
        if steps[-1].p_value >= alpha:
            return ClosedTest(one.method, updates, tuple(steps), note)
    return ClosedTest(updates[-1].method, updates, tuple(steps), note)


def _compare(smaller: Update, larger: Update) -> Step:
    statistic = max(0.0, 2 * (larger.log_likelihood - smaller.log_likelihood))
    df = larger.parameters - smaller.parameters
    return Step(smaller.method, larger.method, statistic, df, float(chi2.sf(statistic, df)))


def _log_likelihood(y: Floats, eta: Floats) -> float:
    return float(np.sum(y * eta - np.logaddexp(0, eta)))


def _basis(columns: Floats) -> Floats:
    """Orthogonal columns that span the same, so that what is said twice is no parameter."""
    spread = np.linalg.norm(columns, axis=0)
    scaled = columns[:, spread > 0] / spread[spread > 0]
    left, values, _ = np.linalg.svd(scaled, full_matrices=False)
    kept = values > 1e-8 * values[0]
    return np.asarray(left[:, kept] * np.sqrt(len(columns)))


def _maximise(X: Floats, y: Floats, offset: Floats) -> tuple[Floats, float]:
    """Newton steps, halved where they overshoot; NaN where the likelihood has no finite maximum."""
    beta = np.zeros(X.shape[1])
    reached = _log_likelihood(y, offset)
    for _ in range(STEPS):
        mean = expit(X @ beta + offset)
        information = X.T @ (X * (mean * (1 - mean))[:, np.newaxis])
        step = np.linalg.lstsq(information, X.T @ (y - mean), rcond=None)[0]
        found = _log_likelihood(y, X @ (beta + step) + offset)
        while found < reached and np.abs(step).max() > STILL:
            step = step / 2
            found = _log_likelihood(y, X @ (beta + step) + offset)
        beta, gained, reached = beta + step, found - reached, found
        if gained <= STILL * (1 + abs(reached)):
            separated = np.abs(X @ beta + offset).max() > SEPARATED + np.abs(offset).max()
            return (np.full(len(beta), np.nan), np.nan) if separated else (beta, reached)
    return np.full(len(beta), np.nan), np.nan
