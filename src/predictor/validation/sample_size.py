"""How many patients a model of a yes-or-no outcome needs, and what an AUC is worth in information.

`sample_size_outcomes` has the other outcomes, `sample_size_external` the patients of a validation.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, exp, floor, log, log1p, sqrt

import numpy as np
from scipy.stats import norm

__all__ = [
    "SampleSize",
    "affordable_parameters",
    "expected_shrinkage",
    "information_gain",
    "max_r_squared",
    "patients_for_shrinkage",
    "r_squared_from_auc",
    "sample_size_binary",
    "shrinkage_for_optimism",
]

NODES = 200  # Gauss-Hermite; the integrand is smooth, 60 already agree to 1e-12


@dataclass(frozen=True)
class SampleSize:
    """Riley's three criteria for a binary outcome.

    Parameters
    ----------
    shrinkage : int
        Patients needed for an expected shrinkage of at least `S` (criterion 1).
    optimism : int
        Patients needed for an optimism of at most 0.05 in Nagelkerke's R² (criterion 2).
    rate : int
        Patients needed to estimate the overall rate within ± 0.05 (criterion 3).
    n : int
        The largest of the three.
    events : float
        Events expected among `n`.
    events_per_parameter : float
    """

    shrinkage: int
    optimism: int
    rate: int
    n: int
    events: float
    events_per_parameter: float


def max_r_squared(prevalence: float) -> float:
    """Largest Cox-Snell R² possible at a prevalence: 1 − exp(2·[φ ln φ + (1 − φ) ln(1 − φ)]).

    Parameters
    ----------
    prevalence : float
        Between 0 and 1, both excluded.

    Returns
    -------
    float
        0.75 at φ = 0.5.

    Raises
    ------
    ValueError
        For a prevalence outside (0, 1).
    """
    return 1 - exp(-2 * _entropy(prevalence))


def sample_size_binary(
    parameters: int, *, r_squared: float, prevalence: float, shrinkage: float = 0.9
) -> SampleSize:
    """Patients needed to develop a model, by Riley's criteria for a binary outcome.

    n₁ = P / [(S − 1)·ln(1 − R²/S)]; n₂ the same with S = R² / (R² + 0.05·max R²); n₃ = (1.96/0.05)²·φ(1 − φ).

    Parameters
    ----------
    parameters : int
        Candidate parameters, not variables: a category of four levels has three.
    r_squared : float
        Cox-Snell R² expected of the model (`r_squared_from_auc`).
    prevalence : float
    shrinkage : float

    Returns
    -------
    SampleSize

    Raises
    ------
    ValueError
        For an R² that is not below both the shrinkage and its maximum.

    References
    ----------
    Riley RD et al. Minimum sample size for developing a multivariable prediction model: part II. Stat Med
    2019;38:1276-1296.
    """
    largest = max_r_squared(prevalence)
    if not 0 < r_squared < min(shrinkage, largest):
        raise ValueError(f"R² has to lie between 0 and {min(shrinkage, largest):.3f} here.")
    optimism_shrinkage = shrinkage_for_optimism(r_squared, largest)
    first = ceil(patients_for_shrinkage(parameters, r_squared=r_squared, shrinkage=shrinkage))
    second = ceil(patients_for_shrinkage(parameters, r_squared=r_squared, shrinkage=optimism_shrinkage))
    third = ceil((1.96 / 0.05) ** 2 * prevalence * (1 - prevalence))
    n = max(first, second, third)
    return SampleSize(first, second, third, n, n * prevalence, n * prevalence / parameters)


def patients_for_shrinkage(parameters: int, *, r_squared: float, shrinkage: float = 0.9) -> float:
    """Patients at which the expected shrinkage is `shrinkage`: P / [(S − 1)·ln(1 − R²/S)], Riley's criterion 1.

    Parameters
    ----------
    parameters : int
    r_squared : float
        Cox-Snell R² expected of the model in new patients, below the shrinkage.
    shrinkage : float

    Returns
    -------
    float
        Before rounding up.
    """
    return parameters / ((shrinkage - 1) * log1p(-r_squared / shrinkage))


def shrinkage_for_optimism(r_squared: float, largest: float, *, margin: float = 0.05) -> float:
    """Shrinkage at which Nagelkerke's R² is optimistic by `margin`: R² / (R² + margin·max R²).

    Parameters
    ----------
    r_squared, largest : float
        Cox-Snell R² expected of the model, and the largest possible.
    margin : float

    Returns
    -------
    float
    """
    return r_squared / (r_squared + margin * largest)


def expected_shrinkage(parameters: int, n: int, r_squared: float) -> float:
    """Slope that predictions of new patients are expected to have: S = 1 + P / (n·ln(1 − R²)).

    0.9 and above is a model that hardly overfits; below 0.5 more than half of the spread of its predictions
    is noise; below 0 there is nothing to be shrunk to.

    Parameters
    ----------
    parameters : int
        Columns before any selection, without the intercept: dummies, indicators, splines, interactions, the
        treatment. A penalty does not make them fewer.
    n : int
        Patients.
    r_squared : float
        Cox-Snell R², between 0 and 1, both excluded.

    Returns
    -------
    float
        At most 1. A little lower than what criterion 1 allows for, which puts R²/S in the place of R².

    References
    ----------
    Van Houwelingen JC, Le Cessie S. Predictive value of statistical models. Stat Med 1990;9:1303-1325.
    """
    return 1 + parameters / (n * log1p(-r_squared))


def affordable_parameters(n: int, r_squared: float, *, shrinkage: float = 0.9) -> int:
    """Most parameters at which the `expected_shrinkage` is still at least `shrinkage`: n·(S − 1)·ln(1 − R²).

    Parameters
    ----------
    n : int
    r_squared : float
    shrinkage : float

    Returns
    -------
    int
        So many pass criterion 1 too.
    """
    # A product that is whole but for rounding, as 0.1 · 100 may be, is that whole number.
    return floor(n * (shrinkage - 1) * log1p(-r_squared) + 1e-9)


def information_gain(auc: float, prevalence: float) -> float:
    """Measure by how many nats a predictor of this AUC lowers the log loss: −½·ln(1 − R²).

    The linear predictor is N(0, 1) among non-responders and N(μ, 1) among responders, μ = √2·Φ⁻¹(AUC); the
    gain is the mean of ln P(y | predictor) − ln P(y) when P is the true one.

    Parameters
    ----------
    auc : float
        Between 0.5 and 1, the latter excluded.
    prevalence : float
        Between 0 and 1, both excluded.

    Returns
    -------
    float
        0 at an AUC of 0.5; 0.0158 at 0.60 and 0.064 at 0.70 when half respond.

    Raises
    ------
    ValueError
        For an AUC or a prevalence out of its range.
    """
    if not 0.5 <= auc < 1:
        raise ValueError("The AUC has to lie in [0.5, 1).")
    null = _entropy(prevalence)
    shift = sqrt(2) * float(norm.ppf(auc))
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    base = log(prevalence) - log1p(-prevalence) - shift**2 / 2
    # ln(1 + e^∓logit), averaged over responders (z + μ) and over non-responders (z)
    responders = weights @ np.logaddexp(0, -(base + shift * (nodes + shift))) / weights.sum()
    others = weights @ np.logaddexp(0, base + shift * nodes) / weights.sum()
    return float(null - prevalence * responders - (1 - prevalence) * others)


def r_squared_from_auc(auc: float, prevalence: float) -> float:
    """Cox-Snell R² of a model with this AUC: 1 − exp(−2·`information_gain`).

    Parameters
    ----------
    auc : float
    prevalence : float

    Returns
    -------
    float
        0.121 at an AUC of 0.70 when half respond.

    References
    ----------
    Riley RD, Van Calster B, Collins GS. A note on estimating the Cox-Snell R² from a reported C statistic.
    Stat Med 2021;40:859-864.
    """
    return 1 - exp(-2 * information_gain(auc, prevalence))


def _entropy(prevalence: float) -> float:
    if not 0 < prevalence < 1:
        raise ValueError("The prevalence has to lie between 0 and 1, both excluded.")
    return -(prevalence * log(prevalence) + (1 - prevalence) * log1p(-prevalence))
