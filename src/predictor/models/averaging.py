"""The average of calibrated models: one number, and still explained exactly.

At a few hundred patients, picking one family is close to a coin toss; averaging calibrated ones is not.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import expit, logit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from predictor.models.plain import through_line
from predictor.models.sigmoid import FEWEST_FOR_A_SLOPE, Sigmoid
from predictor.models.tuning import TunedClassifier

__all__ = ["UNCHANGED", "AveragedClassifier", "average_line", "average_weights", "straighten"]

UNCHANGED: Sigmoid = (1.0, 0.0)

PRIOR = 5.0
MOST_ROUNDS = 500
STILL = 1e-6  # change of every weight at which they are found


class AveragedClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Weighted mean of the calibrated probabilities of fitted models; a single model is the case of weight 1.

    It is put together, not fitted: `of` takes models that were fitted on the same patients.

    Attributes
    ----------
    members_ : list of TunedClassifier
    weights_ : ndarray of shape (members,)
        Above 0; they add up to 1.
    classes_ : ndarray of shape (2,)
    feature_names_in_ : ndarray of str
        Every column that a member reads, each once.
    line_ : tuple of (float, float)
        Slope and intercept that the log-odds of the average go through, see `recalibrated`.
    """

    line_: Sigmoid = UNCHANGED  # of the class, for models that were saved before there was one

    @classmethod
    def of(
        cls,
        members: Sequence[TunedClassifier],
        weights: Sequence[float],
        features: Sequence[str],
        line: Sigmoid = UNCHANGED,
    ) -> AveragedClassifier:
        """Put fitted models together.

        Parameters
        ----------
        members : sequence of TunedClassifier
        weights : sequence of float
            At least 0, not all 0; members of weight 0 are left out.
        features : sequence of str
            Order in which the columns are listed.
        line : tuple of (float, float)
            Slope and intercept that every member's log-odds go through, see `average_line`. Members are copied, not
            changed.
        """
        kept = [
            (_straightened(member, line), weight)
            for member, weight in zip(members, weights, strict=True)
            if weight > 0
        ]
        made = cls()
        made.members_ = [member for member, _ in kept]
        made.weights_ = np.array([weight for _, weight in kept]) / sum(weight for _, weight in kept)
        made.classes_ = made.members_[0].classes_
        read = {str(name) for member in made.members_ for name in member.feature_names_in_}
        made.feature_names_in_ = np.array([name for name in features if name in read], dtype=object)
        made.n_features_in_ = len(made.feature_names_in_)
        return made

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        """Average the calibrated probabilities of both classes, shape (n, 2)."""
        check_is_fitted(self, "members_")
        parts = [
            weight * member.predict_proba(X[list(member.feature_names_in_)])
            for member, weight in zip(self.members_, self.weights_, strict=True)
        ]
        averaged = np.asarray(np.sum(parts, axis=0))
        if self.line_ == UNCHANGED:
            return averaged
        moved = through_line(averaged[:, 1], self.line_)
        return np.column_stack([1.0 - moved, moved])

    def recalibrated(self, line: Sigmoid) -> AveragedClassifier:
        """Copy the average with a line that its log-odds go through after all it did before.

        Parameters
        ----------
        line : tuple of (float, float)
            Slope and intercept, from patients whom the model has not seen.
        """
        changed = copy.copy(self)
        changed.line_ = (line[0] * self.line_[0], line[1] + line[0] * self.line_[1])
        return changed

    def decision_function(self, X: pd.DataFrame) -> np.ndarray:
        """Log-odds of the averaged probability, shape (n,)."""
        return np.asarray(logit(self.predict_proba(X)[:, 1]))

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        """Predict the more probable class, shape (n,)."""
        likely = self.predict_proba(X)[:, 1] > 0.5
        return np.asarray(self.classes_[likely.astype(int)])

    def fit(self, X: Any, y: Any) -> AveragedClassifier:
        """Refuse: the members are tuned and weighted by `predictor.validation`."""
        msg = "An average is put together from fitted models by AveragedClassifier.of."
        raise TypeError(msg)


def average_weights(log_odds: np.ndarray, target: np.ndarray, *, prior: float = PRIOR) -> np.ndarray:
    r"""Weigh calibrated models by the log loss of their average on patients that they have not seen.

    .. math:: \max_w \sum_i \log \sum_k w_k L_{ik} + \alpha \sum_k \log w_k, \qquad \sum_k w_k = 1

    with L the probability that model k gave to what happened to patient i. The prior stands for equal weights: few
    patients cannot tell the models apart and leave it at that, thousands overrule it.

    Parameters
    ----------
    log_odds : ndarray of shape (n, K)
        Of each patient by each model fitted on others.
    target : ndarray of shape (n,)
        0 or 1.
    prior : float
        α, in patients for each model.

    Returns
    -------
    ndarray of shape (K,)
        Above 0; they add up to 1. Equal weights where there is no patient.

    References
    ----------
    Yao et al. (2018), Bayesian Analysis 13:917, on stacking. The maximum is found by expectation and maximisation.
    """
    n, models = log_odds.shape
    weights = np.full(models, 1.0 / models)
    likelihood = expit(np.where(target[:, None] == 1, log_odds, -log_odds))
    for _ in range(MOST_ROUNDS):
        share = likelihood * weights
        share /= np.maximum(share.sum(axis=1, keepdims=True), 1e-300)
        before, weights = weights, (share.sum(axis=0) + prior) / (n + models * prior)
        if np.abs(weights - before).max() < STILL:
            break
    return weights


def average_line(log_odds: np.ndarray, weights: np.ndarray, target: np.ndarray) -> Sigmoid:
    r"""Straighten an average: one slope and intercept for the log-odds of all its members.

    .. math:: \min_{a,b \ge 0} -\sum_i \log \sum_k w_k L_{ik}(a + b\eta_{ik})

    A mean of probabilities is milder than its members, the more the less they agree, and members are tuned on fewer
    patients than they are fitted on. Both make an average too cautious.

    Parameters
    ----------
    log_odds : ndarray of shape (n, K)
        Of each patient by each model fitted on others.
    weights : ndarray of shape (K,)
    target : ndarray of shape (n,)
        0 or 1.

    Returns
    -------
    tuple of (float, float)
        Slope and intercept; (1, 0) below 100 events or non-events, which is too few for a slope.

    References
    ----------
    Ranjan and Gneiting (2010), J R Stat Soc B 72:71: averages of calibrated forecasts lack confidence.
    """
    events = float(target.sum())
    if min(events, len(target) - events) < FEWEST_FOR_A_SLOPE:
        return UNCHANGED
    signs = np.where(target == 1, 1.0, -1.0)[:, None]

    def loss(line: np.ndarray) -> tuple[float, np.ndarray]:
        likelihood = expit(signs * (line[1] + line[0] * log_odds))
        mean = np.maximum(likelihood @ weights, 1e-300)
        steep = (likelihood * (1.0 - likelihood) * signs * weights) / mean[:, None]
        return -float(np.log(mean).sum()), -np.array([(steep * log_odds).sum(), steep.sum()])

    found = minimize(
        loss, np.array(UNCHANGED), jac=True, method="L-BFGS-B", bounds=[(0.0, None), (None, None)]
    )
    return float(found.x[0]), float(found.x[1])


def straighten(p: np.ndarray, points: np.ndarray, line: Sigmoid) -> tuple[np.ndarray, np.ndarray]:
    """Put a model's probabilities, and the contributions that lead to them, through a line on the log-odds.

    Parameters
    ----------
    p : ndarray of shape (n,)
    points : ndarray of shape (n, features) or (0, features)
        Contributions that add up from one starting probability to ``p``, along the straight line of
        `predictor.explanation.attribution.to_probability`.
    line : tuple of (float, float)

    Returns
    -------
    p, points : ndarray
        Of the same shapes; the contributions keep their proportions and lead from the start to ``p`` anew.
    """
    if line == UNCHANGED:
        return p, points
    moved = through_line(p, line)
    if not len(points):
        return moved, points
    distance = points.sum(axis=1)
    start = p - distance
    near = np.abs(distance) < 1e-9
    anew = through_line(start, line)
    steepness = line[0] * anew * (1.0 - anew) / np.maximum(start * (1.0 - start), 1e-300)
    rate = np.where(near, steepness, (moved - anew) / np.where(near, 1.0, distance))
    return moved, points * rate[:, None]


def _straightened(member: TunedClassifier, line: Sigmoid) -> TunedClassifier:
    """Copy a model whose calibration goes through a line; a line of a line is a line."""
    if line == UNCHANGED:
        return member
    if member.calibration_ is None and member.family_.score == "probability":
        raise ValueError(
            "A score that is a probability has to be calibrated before it can go through a line."
        )
    changed = copy.copy(member)
    slope, intercept = member.calibration_ or UNCHANGED
    changed.calibration_ = (line[0] * slope, line[1] + line[0] * intercept)
    return changed
