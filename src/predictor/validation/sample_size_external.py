"""How many patients the validation of an existing model needs, for an interval of a wanted width."""

from __future__ import annotations

from math import ceil, log, log1p, sqrt

import numpy as np
from scipy.stats import norm

__all__ = ["auc_standard_error", "patients_for_auc", "patients_for_observed_expected", "patients_for_slope"]

NODES = 200
Z = float(norm.ppf(0.975))


def patients_for_observed_expected(prevalence: float, *, se: float = 0.051) -> int:
    """Patients to know ln(observed/expected) with this standard error: (1 − φ)/(φ·SE²).

    Parameters
    ----------
    prevalence : float
    se : float
        0.051 is an interval of O/E from about 0.9 to 1.1.

    Returns
    -------
    int

    References
    ----------
    Riley RD et al. Minimum sample size for external validation of a clinical prediction model with a binary
    outcome. Stat Med 2021;40:4230-4251.
    """
    return ceil((1 - prevalence) / (prevalence * se**2))


def auc_standard_error(auc: float, *, n: int, prevalence: float) -> float:
    """Newcombe's standard error of an AUC before there are data.

    √{C(1 − C)[1 + (n/2 − 1)(1 − C)/(2 − C) + (n/2 − 1)C/(1 + C)] / (n²φ(1 − φ))}.

    Parameters
    ----------
    auc : float
    n : int
    prevalence : float

    Returns
    -------
    float

    References
    ----------
    Newcombe RG. Confidence intervals for an effect size measure based on the Mann-Whitney statistic, part 2.
    Stat Med 2006;25:559-573.
    """
    half = n / 2 - 1
    spread = 1 + half * (1 - auc) / (2 - auc) + half * auc / (1 + auc)
    return sqrt(auc * (1 - auc) * spread / (n * n * prevalence * (1 - prevalence)))


def patients_for_auc(auc: float, prevalence: float, *, width: float = 0.1) -> int:
    """Patients at which the 95 % interval of the AUC is at most this wide (`auc_standard_error`).

    Parameters
    ----------
    auc, prevalence : float
    width : float

    Returns
    -------
    int
    """
    n = 3
    while 2 * Z * auc_standard_error(auc, n=n, prevalence=prevalence) > width:
        n += 1
    return n


def patients_for_slope(auc: float, prevalence: float, *, width: float = 0.4) -> int:
    """Patients at which the 95 % interval of the calibration slope is at most this wide.

    The slope's variance is I₀/[n(I₀I₂ − I₁²)] with I_k = E[p(1 − p)·L^k], for a calibrated model whose linear
    predictor L is normal with the same variance among responders and non-responders (`information_gain`).

    Parameters
    ----------
    auc : float
        Between 0.5 and 1, both excluded.
    prevalence : float
    width : float

    Returns
    -------
    int

    References
    ----------
    Riley RD et al. Stat Med 2021;40:4230-4251.
    """
    shift = sqrt(2) * float(norm.ppf(auc))
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    density = weights / weights.sum()
    base = log(prevalence) - log1p(-prevalence) - shift**2 / 2
    logit = base + shift * np.concatenate([nodes + shift, nodes])
    density = np.concatenate([prevalence * density, (1 - prevalence) * density])
    p = 1 / (1 + np.exp(-logit))
    zero, one, two = (float(density @ (p * (1 - p) * logit**power)) for power in range(3))
    return ceil(zero / (zero * two - one**2) * (2 * Z / width) ** 2)
