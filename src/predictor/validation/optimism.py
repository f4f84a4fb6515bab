"""What a model's own patients flatter it by: the optimism bootstrap, Harrell's, .632 and .632+.

Fitting and judging are apart: `correct_optimism` takes the predictions that refits on resamples gave to all
patients, wherever they were computed. A refit has to repeat every step (imputation, selection, tuning,
calibration), or the optimism of the step that was left out stays in the number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from predictor.validation.calibration import calibration_intercept, calibration_slope
from predictor.validation.discrimination import within_fold_auc
from predictor.validation.overall import brier, log_loss, scaled_brier
from predictor.validation.resamples import membership_counts
from predictor.validation.uncertainty import UNDEFINED_ALLOWED

__all__ = [
    "METRICS",
    "Metric",
    "Optimism",
    "correct_optimism",
    "no_information_value",
    "optimism_bootstrap",
    "optimism_table",
]

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]
Metric = Callable[[Floats, Floats, Floats], float]

LEFT_OUT = 0.632  # share of the patients in a resample, 1 − 1/e


def _auc(y: Floats, p: Floats, weights: Floats) -> float:
    return float(within_fold_auc(y, p, np.zeros(len(y)), weights=weights))


METRICS: Mapping[str, Metric] = {
    "auc": _auc,
    "brier": lambda y, p, weights: float(brier(y, p, weights=weights)),
    "scaled_brier": lambda y, p, weights: float(scaled_brier(y, p, weights=weights)),
    "log_loss": lambda y, p, weights: float(log_loss(y, p, weights=weights)),
    "calibration_intercept": lambda y, p, weights: float(calibration_intercept(y, p, weights=weights)),
    "calibration_slope": lambda y, p, weights: float(calibration_slope(y, p, weights=weights)),
}


@dataclass(frozen=True)
class Optimism:
    """One metric, corrected for the optimism of being judged on the patients it was fitted to.

    Parameters
    ----------
    metric : str
    apparent : float
        Of the original model on its own patients.
    training, test, left_out : ndarray of shape (B,)
        Of each refit: on its own resample, on all original patients, and on those that its resample left out;
        NaN where a set of patients does not define the metric.
    no_information : float
        What the original predictions would give if they had nothing to do with the outcomes.
    """

    metric: str
    apparent: float
    training: Floats
    test: Floats
    left_out: Floats
    no_information: float

    @property
    def optimism(self) -> float:
        """Mean of training − test."""
        return _mean(self.training - self.test)

    @property
    def refitting(self) -> float:
        """SD of test: how much it matters to which patients the procedure was fitted."""
        defined = self.test[np.isfinite(self.test)]
        return (
            float(defined.std(ddof=1)) if np.isfinite(_mean(self.test)) and len(defined) > 1 else float("nan")
        )

    @property
    def harrell(self) -> float:
        """Apparent − optimism: expected of the whole procedure in new patients."""
        return self.apparent - self.optimism

    @property
    def harrell_se(self) -> float:
        """Monte-Carlo standard error: what more resamples would still change."""
        return _monte_carlo_error(self.training - self.test)

    @property
    def point_632(self) -> float:
        """0.368·apparent + 0.632·left out."""
        return (1 - LEFT_OUT) * self.apparent + LEFT_OUT * _mean(self.left_out)

    @property
    def point_632_se(self) -> float:
        """Monte-Carlo standard error of `point_632`."""
        return LEFT_OUT * _monte_carlo_error(self.left_out)

    @property
    def relative_overfitting(self) -> float:
        """R = (left out − apparent) / (no information − apparent), between 0 and 1; 1 is all lost."""
        room = self.no_information - self.apparent
        lost = _mean(self.left_out) - self.apparent
        if np.isnan(room) or np.isnan(lost):
            return float("nan")
        return float(np.clip(lost / room, 0, 1)) if room != 0 else 0.0

    @property
    def point_632_plus(self) -> float:
        """(1 − w)·apparent + w·left out, w = 0.632/(1 − 0.368·R); left out no worse than no information."""
        weight = LEFT_OUT / (1 - (1 - LEFT_OUT) * self.relative_overfitting)
        kept = self.no_information if self.relative_overfitting == 1 else _mean(self.left_out)
        return (1 - weight) * self.apparent + weight * kept

    @property
    def point_632_plus_se(self) -> float:
        """Monte-Carlo standard error of `point_632_plus` by the delta method, w's own dependence included."""
        share = self.relative_overfitting
        if share == 1:
            return 0.0
        left = 1 - (1 - LEFT_OUT) * share
        slope = LEFT_OUT / left + LEFT_OUT * (1 - LEFT_OUT) * share / left**2
        return slope * _monte_carlo_error(self.left_out)


def _mean(draws: Floats) -> float:
    """Mean of the defined draws; NaN where so many are undefined that leaving them out would mislead."""
    defined = draws[np.isfinite(draws)]
    if len(defined) == 0 or len(defined) < (1 - UNDEFINED_ALLOWED) * len(draws):
        return float("nan")
    return float(defined.mean())


def _monte_carlo_error(draws: Floats) -> float:
    defined = draws[np.isfinite(draws)]
    return float(defined.std(ddof=1) / np.sqrt(len(defined))) if len(defined) > 1 else float("nan")


def optimism_bootstrap(
    fit: Callable[[Rows], ArrayLike],
    y: ArrayLike,
    resamples: Iterable[ArrayLike],
    metrics: Mapping[str, Metric] = METRICS,
) -> list[Optimism]:
    """Refit on every resample and correct each metric for optimism.

    Parameters
    ----------
    fit : callable
        Given row numbers, repeats the whole procedure on those rows and returns the probabilities it gives to
        all n patients.
    y : array of shape (n,)
        1 responder, 0 not.
    resamples : iterable of row numbers
        From `resamples.draw_patients`.
    metrics : mapping of name to metric

    Returns
    -------
    list of Optimism
        In the order of ``metrics``.
    """
    outcome = np.asarray(y, dtype=float)
    drawn = [np.asarray(rows, dtype=np.intp) for rows in resamples]
    apparent = np.asarray(fit(np.arange(len(outcome))), dtype=float)
    refits = np.stack([np.asarray(fit(rows), dtype=float) for rows in drawn])
    return correct_optimism(outcome, apparent, refits, membership_counts(drawn, len(outcome)), metrics)


def correct_optimism(
    y: ArrayLike,
    apparent_p: ArrayLike,
    resampled_p: ArrayLike,
    counts: ArrayLike,
    metrics: Mapping[str, Metric] = METRICS,
) -> list[Optimism]:
    """Correct each metric for optimism, given the predictions of the original model and of its refits.

    Parameters
    ----------
    y : array of shape (n,)
    apparent_p : array of shape (n,)
        The original model's probabilities for its own patients.
    resampled_p : array of shape (B, n)
        Each refit's probabilities for all patients.
    counts : array of shape (B, n)
        How often each patient was in the resample (`resamples.membership_counts`).
    metrics : mapping of name to metric
        A metric takes outcomes, probabilities and frequency weights, all of shape (n,).

    Returns
    -------
    list of Optimism
        In the order of ``metrics``.

    Raises
    ------
    ValueError
        For shapes that do not belong together.

    References
    ----------
    Harrell FE, Lee KL, Mark DB. Multivariable prognostic models. Stat Med 1996;15:361-387. Efron B. Estimating
    the error rate of a prediction rule. JASA 1983;78:316-331. Efron B, Tibshirani R. Improvements on
    cross-validation: the .632+ bootstrap method. JASA 1997;92:548-560.
    """
    outcome, original = np.asarray(y, dtype=float), np.asarray(apparent_p, dtype=float)
    refits, members = np.asarray(resampled_p, dtype=float), np.asarray(counts, dtype=float)
    if outcome.shape != original.shape or refits.shape != members.shape or refits.shape[1:] != outcome.shape:
        raise ValueError(
            f"Expected (n,), (n,), (B, n) and (B, n); came {outcome.shape}, {original.shape}, "
            f"{refits.shape} and {members.shape}."
        )
    everyone = np.ones(len(outcome))
    return [
        Optimism(
            name,
            apparent=metric(outcome, original, everyone),
            training=_per_refit(metric, outcome, refits, members),
            test=_per_refit(metric, outcome, refits, np.ones_like(members)),
            left_out=_per_refit(metric, outcome, refits, (members == 0).astype(float)),
            no_information=no_information_value(metric, outcome, original),
        )
        for name, metric in metrics.items()
    ]


def _per_refit(metric: Metric, y: Floats, refits: Floats, weights: Floats) -> Floats:
    return np.array([metric(y, p, w) for p, w in zip(refits, weights, strict=True)])


def no_information_value(metric: Metric, y: ArrayLike, p: ArrayLike) -> float:
    """Value of a metric when outcomes and predictions are independent: over all n² pairs of the two.

    Parameters
    ----------
    metric : callable
    y, p : array of shape (n,)

    Returns
    -------
    float
        0.5 for an AUC, 0 for a calibration slope, φ·mean(1 − p)² + (1 − φ)·mean p² for the Brier score.
    """
    outcome, score = np.asarray(y, dtype=float), np.asarray(p, dtype=float)
    n, rate = len(outcome), float(outcome.mean())
    both = np.concatenate([np.ones(n), np.zeros(n)])
    # Each prediction meets every outcome, so it stands once with y = 1 and once with y = 0, weighed by rate.
    return metric(both, np.tile(score, 2), np.concatenate([np.full(n, rate), np.full(n, 1 - rate)]))


def optimism_table(corrected: Iterable[Optimism]) -> pd.DataFrame:
    """Put the corrections side by side.

    Parameters
    ----------
    corrected : iterable of Optimism

    Returns
    -------
    DataFrame
        ``metric``, ``apparent``, ``training``, ``test``, ``refitting``, ``optimism``, ``harrell``, ``harrell_se``,
        ``left_out``, ``no_information``, ``point_632``, ``point_632_se``, ``point_632_plus``,
        ``point_632_plus_se``, ``resamples``, ``undefined`` (resamples without a value on one of the sides).
    """
    return pd.DataFrame([_line(one) for one in corrected])


def _line(one: Optimism) -> dict[str, object]:
    sides = (one.training, one.test, one.left_out)
    defined = np.all([np.isfinite(draws) for draws in sides], axis=0)
    return {
        "metric": one.metric,
        "apparent": one.apparent,
        "training": _mean(one.training),
        "test": _mean(one.test),
        "refitting": one.refitting,
        "optimism": one.optimism,
        "harrell": one.harrell,
        "harrell_se": one.harrell_se,
        "left_out": _mean(one.left_out),
        "no_information": one.no_information,
        "point_632": one.point_632,
        "point_632_se": one.point_632_se,
        "point_632_plus": one.point_632_plus,
        "point_632_plus_se": one.point_632_plus_se,
        "resamples": len(defined),
        "undefined": int(np.sum(~defined)),
    }
