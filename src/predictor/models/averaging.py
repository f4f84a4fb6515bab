"""The average of calibrated models: one number, and still explained exactly.

At a few hundred patients, picking one family is close to a coin toss; averaging calibrated ones is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import logit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from predictor.models.tuning import TunedClassifier

__all__ = ["AveragedClassifier"]


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
    """

    @classmethod
    def of(
        cls, members: Sequence[TunedClassifier], weights: Sequence[float], features: Sequence[str]
    ) -> AveragedClassifier:
        """Put fitted models together.

        Parameters
        ----------
        members : sequence of TunedClassifier
        weights : sequence of float
            At least 0, not all 0; members of weight 0 are left out.
        features : sequence of str
            Order in which the columns are listed.
        """
        kept = [(member, weight) for member, weight in zip(members, weights, strict=True) if weight > 0]
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
        return np.asarray(np.sum(parts, axis=0))

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
