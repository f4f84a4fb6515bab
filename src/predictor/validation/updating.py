"""How much of a model has to change for new patients? Nothing, its level, its level and spread, or all of it.

L is the model's log-odds of each new patient. The three updates are nested in a full revision, a logistic model of
L and the patients' own columns together; for a logistic model, whose L is a sum of such columns, that is the refit
of all its coefficients. The closed test asks for each update, the smallest first, whether the revision fits better:
by likelihood ratios where every patient is a new one, by scores of whole clusters where they are not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit
from scipy.stats import chi2

from predictor.validation.clustered_score import clustered_score_test

__all__ = ["ClosedTest", "Method", "Step", "Update", "closed_test", "fit_updates"]

Floats = NDArray[np.float64]
Method = Literal["none", "intercept", "slope", "refit"]

FEWEST = 20  # events and non-events, below which nothing can be judged and the model stays as it is
FEWEST_CLUSTERS = 10  # below which their scatter says too little about itself
CLUSTERS_PER_PARAMETER = 4  # of a refit; with fewer its test finds hardly anything
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
    """One test of a smaller update against a larger one.

    Parameters
    ----------
    smaller, larger : {"none", "intercept", "slope", "refit"}
    statistic : float
        Twice the difference of the log-likelihoods, or F of the clusters' scores.
    df : int
    p_value : float
    df_error : int or None
        Of F: clusters less the coefficients tested; None for a likelihood ratio, which is compared with χ².
    """

    smaller: Method
    larger: Method
    statistic: float
    df: int
    p_value: float
    df_error: int | None = None


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
    clusters : int or None
        How many the tests counted; None where every patient is one.
    """

    chosen: Method
    updates: tuple[Update, ...]
    steps: tuple[Step, ...]
    note: str
    clusters: int | None = None

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
    log_odds: ArrayLike,
    y: ArrayLike,
    design: ArrayLike | None = None,
    *,
    groups: ArrayLike | None = None,
    alpha: float = 0.05,
) -> ClosedTest:
    """Choose the smallest update that the largest one does not beat.

    With a largest update of m parameters, the model as it is is compared with it on m degrees of freedom, then a new
    intercept on m − 1, then a line on m − 2. The first that is not significant is chosen, else the largest. All are
    tested at α, and yet a model that needs nothing is changed in a share α of the data sets, because nothing is
    asked after the first test unless that was significant.

    Parameters
    ----------
    log_odds, y, design
        As in `fit_updates`. A refit is asked for only with ten events and ten non-events for each of its parameters,
        and four clusters where there are any.
    groups : array of shape (n,), optional
        Cluster of each patient. Where a cluster has several, the tests are those of `clustered_score_test`; without
        them, or with one patient in each, likelihood ratios.
    alpha : float

    Returns
    -------
    ClosedTest
        ``none`` below 20 events or non-events, or 10 clusters.

    References
    ----------
    Vergouwe Y, Nieboer D, Oostenbrink R, et al. A closed testing procedure to select an appropriate method for updating
    prediction models. Stat Med 2017;36:4529-4539.
    """
    outcome, score = np.asarray(y, dtype=float), np.asarray(log_odds, dtype=float)
    labels = _clusters(groups)
    clusters = None if labels is None else int(labels.max()) + 1
    rarer = int(min(outcome.sum(), len(outcome) - outcome.sum()))
    few = _too_few(rarer, clusters)
    if few:
        as_it_is = Update("none", 0.0, 1.0, 0, _log_likelihood(outcome, score))
        return ClosedTest("none", (as_it_is,), (), few, clusters)
    updates, note = _asked(fit_updates(score, outcome, design), design is not None, rarer, clusters)
    steps: list[Step] = []
    for one in updates[:-1]:
        pair = (one, updates[-1])
        steps.append(
            _compare(*pair) if labels is None else _score_step(*pair, score, outcome, design, labels)
        )
        if not steps[-1].p_value < alpha:
            return ClosedTest(one.method, updates, tuple(steps), note, clusters)
    return ClosedTest(updates[-1].method, updates, tuple(steps), note, clusters)


def _clusters(groups: ArrayLike | None) -> NDArray[np.intp] | None:
    """Give each patient the number of his cluster; None where no cluster has two patients."""
    if groups is None:
        return None
    labels, codes = np.unique(np.asarray(groups), return_inverse=True)
    return None if len(labels) == len(codes) else codes


def _too_few(rarer: int, clusters: int | None) -> str:
    if rarer < FEWEST:
        return f"fewer than {FEWEST} events or non-events"
    if clusters is not None and clusters < FEWEST_CLUSTERS:
        return f"fewer than {FEWEST_CLUSTERS} clusters"
    return ""


def _asked(
    updates: tuple[Update, ...], wanted: bool, rarer: int, clusters: int | None
) -> tuple[tuple[Update, ...], str]:
    """Leave out what cannot be fitted or is too large for these patients, and say so."""
    found = tuple(one for one in updates if np.isfinite(one.log_likelihood))
    if found[-1].method != "refit":
        return found, "a refit could not be fitted" if wanted else "no refit was asked for"
    parameters = found[-1].parameters
    if rarer < PER_PARAMETER * parameters:
        return found[:-1], f"a refit has {parameters} parameters, too many for {rarer} events or non-events"
    if clusters is not None and clusters < CLUSTERS_PER_PARAMETER * parameters:
        return found[:-1], f"a refit has {parameters} parameters, too many for {clusters} clusters"
    return found, ""


def _compare(smaller: Update, larger: Update) -> Step:
    statistic = max(0.0, 2 * (larger.log_likelihood - smaller.log_likelihood))
    df = larger.parameters - smaller.parameters
    return Step(smaller.method, larger.method, statistic, df, float(chi2.sf(statistic, df)))


def _score_step(
    smaller: Update,
    larger: Update,
    score: Floats,
    y: Floats,
    design: ArrayLike | None,
    groups: NDArray[np.intp],
) -> Step:
    """Test the smaller update by what the larger one's columns still explain of its residuals, cluster by cluster."""
    line = np.column_stack([np.ones(len(score)), score])
    refit = larger.method == "refit" and design is not None
    columns = np.column_stack([line, np.asarray(design, dtype=float)]) if refit else line
    fitted = line[:, : smaller.parameters] if smaller.parameters else None
    eta = smaller.intercept + smaller.slope * score
    found = clustered_score_test(y, eta, columns, groups, fitted=fitted)
    return Step(smaller.method, larger.method, found.statistic, found.df, found.p_value, found.df_error)


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
