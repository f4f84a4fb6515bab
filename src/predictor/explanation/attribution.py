"""What moved an estimate: SHAP contributions that add up to the number displayed.

Linear models are explained around their stored training means, trees by the path-dependent tree explainer, so
that no patient has to be stored. Everything happens on the scale on which the model is a sum; the calibration
is one straight line on that scale, and its slope scales the contributions exactly.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.special import expit
from sklearn.dummy import DummyClassifier

from predictor.features.preprocessing import encoded_columns
from predictor.models.elastic_net import ElasticNetLogistic
from predictor.models.sigmoid import log_odds, score

if TYPE_CHECKING:
    import pandas as pd

    from predictor.models.tuning import TunedClassifier

__all__ = [
    "PlanBaseline",
    "attribute",
    "base_log_odds",
    "plan_baselines",
    "relative_to_plan",
    "to_probability",
]

TOLERANCE = 1e-6
FEWEST_OF_A_PLAN = 5


class PlanBaseline(NamedTuple):
    """Where the patients of one plan start: mean log-odds, mean contribution of each feature, patients averaged."""

    start_log_odds: float
    contributions: np.ndarray
    n: int


def attribute(fitted: TunedClassifier, X: pd.DataFrame) -> np.ndarray:
    """Attribute the calibrated log-odds of each patient to the features.

    Parameters
    ----------
    fitted : TunedClassifier
        With the preprocessor of `predictor.features.preprocessing.build_preprocessor`.
    X : pandas.DataFrame of shape (n, features)

    Returns
    -------
    ndarray of shape (n, features)
        Contributions in the order of ``feature_names_in_``; indicators of levels and of missing values are
        summed into their feature, and a feature that nothing was encoded of has 0. With `base_log_odds` they
        add up to ``fitted.decision_function(X)``.

    Raises
    ------
    ArithmeticError
        If they do not add up within 1e-6. The explainer's own check misses some wrong answers, so this one is
        always made.

    References
    ----------
    Lundberg et al. (2020), Nat Mach Intell 2:56.
    """
    encoded = fitted.encode(X)
    scale, sigmoid = fitted.family_.score, fitted.calibration_
    columns, base = _explain(fitted.model_, encoded)
    scores = score(fitted.model_, encoded, scale)
    _require_sum(base + columns.sum(axis=1), scores)
    displayed, start = log_odds(scores, sigmoid, scale), _displayed_base(base, fitted)
    summed = columns @ _membership(fitted, encoded.shape[1])
    contributions = np.asarray(summed * _steepness(scores - base, displayed - start, fitted)[:, None])
    _require_sum(start + contributions.sum(axis=1), displayed)
    return contributions


def base_log_odds(fitted: TunedClassifier) -> float:
    """Calibrated log-odds from which the contributions of `attribute` start."""
    width = max(1, len(encoded_columns(fitted.preprocessor_)))
    return _displayed_base(_explain(fitted.model_, np.zeros((1, width)))[1], fitted)


def plan_baselines(phi: np.ndarray, log_odds: np.ndarray, plan: np.ndarray) -> dict[str, PlanBaseline]:
    """Average log-odds and contributions over the development patients of each plan.

    Parameters
    ----------
    phi : ndarray of shape (n, features)
        From `attribute`.
    log_odds : ndarray of shape (n,)
        Calibrated log-odds of the same patients.
    plan : ndarray of str of shape (n,)
        Arm or dose band.

    Returns
    -------
    dict of str to PlanBaseline
        A plan of fewer than five patients gets the averages over everybody, since its own would be near a
        patient's row.
    """
    everybody = PlanBaseline(float(log_odds.mean()), phi.mean(axis=0), len(phi))
    found = {}
    for name in sorted({str(one) for one in plan}):
        same = plan.astype(str) == name
        few = same.sum() < FEWEST_OF_A_PLAN
        mean = PlanBaseline(float(log_odds[same].mean()), phi[same].mean(axis=0), int(same.sum()))
        found[name] = everybody if few else mean
    return found


def relative_to_plan(
    phi: np.ndarray,
    log_odds: np.ndarray,
    plan: np.ndarray,
    baselines: Mapping[str, tuple[float, np.ndarray, int]],
    *,
    plan_features: Sequence[int] = (),
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Take contributions relative to the average patient of the same plan.

    Parameters
    ----------
    phi, log_odds, plan
        As in `plan_baselines`, of the patients to explain.
    baselines : mapping of str to PlanBaseline
    plan_features : sequence of int
        Columns of ``phi`` that are the plan itself. Being planned what one is planned is no reason to be
        above average: what trees leave of them goes to the leftover.

    Returns
    -------
    contributions : ndarray of shape (n, features)
        0 in the columns of the plan.
    leftover : ndarray of shape (n,)
    start : ndarray of shape (n,)
        L0, the mean log-odds of the same plan; start + contributions + leftover = ``log_odds``.

    Raises
    ------
    ValueError
        For a plan without a baseline.
    ArithmeticError
        If they do not add up within 1e-6: phi, log-odds and baselines are then not of one model.
    """
    names = [str(one) for one in plan]
    if unknown := {name for name in names if name not in baselines}:
        msg = f"{len(unknown)} plan(s) have no baseline. Explain only plans that development patients had."
        raise ValueError(msg)
    start = np.array([baselines[name][0] for name in names])
    means = np.array([baselines[name][1] for name in names]).reshape(phi.shape)
    contributions = phi - means
    of_plan = list(plan_features)
    leftover = contributions[:, of_plan].sum(axis=1)
    contributions[:, of_plan] = 0.0
    _require_sum(start + contributions.sum(axis=1) + leftover, log_odds)
    return contributions, leftover, start


def to_probability(contributions: np.ndarray, start: np.ndarray, log_odds: np.ndarray) -> np.ndarray:
    r"""Turn contributions on the log-odds into shares of the difference of two probabilities.

    .. math:: \phi_j \, \frac{p - p_0}{L - L_0}, \qquad \phi_j \, p_0 (1 - p_0) \text{ where } |L - L_0| <
    10^{-6}

    The attribution along the straight line from L0 to L: every contribution is passed at the same pace, so
    that all share one exchange rate and together give exactly p − p0.

    Parameters
    ----------
    contributions : ndarray of shape (n, features) or (n,)
        Relative to the plan.
    start, log_odds : ndarray of shape (n,)
        L0 and L.

    Returns
    -------
    ndarray of the shape of ``contributions``
        In probability; times 100 these are points of 100.
    """
    p0, distance = expit(start), log_odds - start
    near = np.abs(distance) < TOLERANCE
    rate = np.where(near, p0 * (1.0 - p0), (expit(log_odds) - p0) / np.where(near, 1.0, distance))
    return np.asarray(contributions * (rate[:, None] if contributions.ndim == 2 else rate))


def _explain(model: Any, encoded: np.ndarray) -> tuple[np.ndarray, float]:
    """Contributions of the encoded columns on the model's own scale, and their base."""
    if isinstance(model, DummyClassifier):
        return np.zeros(encoded.shape), float(model.class_prior_[1])
    shap = _shap()
    if isinstance(model, ElasticNetLogistic):
        # Encoded columns are centred on the training part: their means are 0, and no background patient is
        # needed.
        width = encoded.shape[1]
        means = (np.zeros(width), np.zeros((width, width)))
        explainer = shap.LinearExplainer((model.coef_[0], float(model.intercept_[0])), means)
        return np.asarray(explainer.shap_values(encoded)), float(explainer.expected_value)
    explainer = shap.TreeExplainer(model, feature_perturbation="tree_path_dependent")
    values = np.asarray(explainer.shap_values(encoded, check_additivity=False))
    base = float(np.ravel(explainer.expected_value)[-1])
    return (values[:, :, 1] if values.ndim == 3 else values), base


def _shap() -> Any:
    """Import shap, which takes seconds, only where something is explained."""
    with warnings.catch_warnings():
        # Its colour maps call a function of matplotlib that is going to be deprecated.
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        import shap
    return shap


def _membership(fitted: TunedClassifier, width: int) -> np.ndarray:
    """0/1 matrix (encoded columns, features) that sums columns into the features they come from."""
    names = [str(name) for name in fitted.feature_names_in_]
    member = np.zeros((width, len(names)))
    for position, column in enumerate(encoded_columns(fitted.preprocessor_)):
        member[position, names.index(column.feature)] = 1.0
    return member


def _displayed_base(base: float, fitted: TunedClassifier) -> float:
    return float(log_odds(np.array([base]), fitted.calibration_, fitted.family_.score)[0])


def _steepness(rise: np.ndarray, run: np.ndarray, fitted: TunedClassifier) -> np.ndarray:
    """Find the displayed log-odds for one unit of the score: the sigmoid's slope, 1 on the log-odds scale.

    A forest that is not calibrated shows the logit of its score. It is then shared along the straight line
    from the base, as in `to_probability`.
    """
    if fitted.calibration_ is not None:
        return np.full(len(rise), fitted.calibration_[0])
    if fitted.family_.score == "log_odds":
        return np.ones(len(rise))
    flat = np.abs(rise) < 1e-12
    return np.where(flat, 0.0, run / np.where(flat, 1.0, rise))


def _require_sum(parts: np.ndarray, whole: np.ndarray) -> None:
    """Refuse contributions that do not add up."""
    gap = float(np.max(np.abs(parts - whole), initial=0.0))
    if not gap <= TOLERANCE:
        msg = f"Contributions miss the displayed log-odds by {gap:.2g}; at most {TOLERANCE:.0e} is rounding."
        raise ArithmeticError(msg)
