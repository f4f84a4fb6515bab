"""One candidate on several imputations of a training part: one answer, and what weighing it needs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from predictor.models.sigmoid import log_loss
from predictor.models.tuning import Tuned, TunedClassifier

__all__ = ["Imputed", "together_log_odds"]


@dataclass(frozen=True)
class Imputed:
    """One candidate, tuned on every imputation of the training part; on one part where there is but one.

    Parameters
    ----------
    tuned : tuple of Tuned
    target : ndarray of shape (n,)
        Of the training units.
    """

    tuned: tuple[Tuned, ...]
    target: np.ndarray

    @property
    def models(self) -> tuple[TunedClassifier, ...]:
        """The fitted models, whose probabilities are averaged."""
        return tuple(one.model for one in self.tuned)

    @property
    def model(self) -> TunedClassifier:
        """The model of the first imputation: the only one where there is but one."""
        return self.tuned[0].model

    @property
    def log_odds(self) -> np.ndarray:
        """Log-odds of training units by models that have not seen them, shape (n, imputations); see `Tuned`."""
        return np.column_stack([one.log_odds for one in self.tuned])

    @property
    def inner_log_loss(self) -> float:
        """Of the averaged probability on patients that the models have not seen."""
        if len(self.tuned) == 1:
            return float(self.model.inner_log_loss_)
        together = together_log_odds(self.log_odds)
        tested = np.isfinite(together)
        return float(log_loss(self.target[tested], together[tested]).mean()) if tested.any() else np.inf


def together_log_odds(log_odds: np.ndarray) -> np.ndarray:
    """Log-odds of the mean probability over imputations, shape (n, imputations) or (n,) to (n,)."""
    if log_odds.ndim == 1 or log_odds.shape[1] == 1:
        return np.asarray(log_odds.reshape(len(log_odds)))
    return np.asarray(logit(expit(log_odds).mean(axis=1)))
