"""What holds over sites: the random-effects mean, and where the next site's true value is expected.

Every site has a value of its own with a standard error; the true values differ between sites with variance τ².
The mean says how the sites do on average, the prediction interval what a further site has to reckon with.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.stats import chi2, norm, t

from predictor.validation.uncertainty import Estimate

__all__ = ["Method", "RandomEffects", "logit_estimate", "random_effects"]

Floats = NDArray[np.float64]
Method = Literal["REML", "DL", "FE"]


@dataclass(frozen=True)
class RandomEffects:
    """A random-effects summary over sites.

    Parameters
    ----------
    k : int
        Sites.
    mean, se : float
        Weighted by 1 / (v + τ²), and its standard error by those weights.
    knapp_se : float
        Standard error after Hartung and Knapp: √[Σ w (y − mean)² / ((k − 1) Σ w)], not truncated.
    tau2 : float
        Variance of the true values between sites, at least 0.
    tau2_se : float
        Its standard error; NaN where τ² is held at 0. With few sites the estimate is far from normal.
    i2, h2 : float
        I² = 100·τ² / (τ² + s²) in per cent and H² = τ² / s² + 1, with s² the typical variance within a site.
    q, q_p : float
        Cochran's Q and its χ² p-value on k − 1 degrees of freedom.
    """

    k: int
    mean: float
    se: float
    knapp_se: float
    tau2: float
    tau2_se: float
    i2: float
    h2: float
    q: float
    q_p: float

    def interval(self, *, level: float = 0.95, knapp: bool = True) -> tuple[float, float]:
        """Limits of the mean: Hartung and Knapp's on t(k − 1), or the normal ones.

        Parameters
        ----------
        level : float
        knapp : bool
        """
        se = self.knapp_se if knapp else self.se
        return self._around(se, _quantile(level, self.k - 1 if knapp else None))

    def prediction(
        self, *, level: float = 0.95, knapp: bool = True, lost: int | None = 2
    ) -> tuple[float, float]:
        """Limits for the true value of a further site: mean ± t(k − lost)·√(τ² + SE²).

        Parameters
        ----------
        level : float
        knapp : bool
            Whether SE is Hartung and Knapp's.
        lost : int or None
            Degrees of freedom given up; None for the normal quantile, which is too narrow with few sites.

        Returns
        -------
        tuple of float
            NaN twice where no degree of freedom is left.

        References
        ----------
        Higgins JPT, Thompson SG, Spiegelhalter DJ. A re-evaluation of random-effects meta-analysis. J R Stat Soc A
        2009;172:137-159.
        """
        se = self.knapp_se if knapp else self.se
        spread = float(np.sqrt(self.tau2 + se * se))
        return self._around(spread, _quantile(level, None if lost is None else self.k - lost))

    def _around(self, spread: float, quantile: float) -> tuple[float, float]:
        return self.mean - quantile * spread, self.mean + quantile * spread


def _quantile(level: float, df: int | None) -> float:
    if df is None:
        return float(norm.ppf((1 + level) / 2))
    return float(t.ppf((1 + level) / 2, df)) if df > 0 else float("nan")


def random_effects(values: ArrayLike, errors: ArrayLike, *, method: Method = "REML") -> RandomEffects:
    """Summarise the sites' values.

    Parameters
    ----------
    values, errors : array of shape (k,)
        Of each site, on a scale on which they are about normal (log-odds of an AUC, logarithm of a ratio), and
        their standard errors above 0.
    method : {"REML", "DL", "FE"}
        How τ² is estimated: restricted maximum likelihood, DerSimonian and Laird's moments, or held at 0.

    Returns
    -------
    RandomEffects

    Raises
    ------
    ValueError
        With fewer than two sites, or a value or error that is no number.

    References
    ----------
    Viechtbauer W. Bias and efficiency of meta-analytic variance estimators. J Educ Behav Stat 2005;30:261-293.
    Hartung J, Knapp G. A refined method for the meta-analysis of controlled trials. Stat Med 2001;20:3875-3889.
    Debray TPA et al. A guide to systematic review and meta-analysis of prediction models. BMJ 2017;356:i6460.
    """
    y, variance = np.asarray(values, dtype=float), np.asarray(errors, dtype=float) ** 2
    if len(y) < 2 or not (np.isfinite(y) & np.isfinite(variance) & (variance > 0)).all():
        raise ValueError("Two or more sites were expected, each with a value and a standard error above 0.")
    k, fixed = len(y), 1 / variance
    q = float(np.sum(fixed * (y - _mean(y, fixed)) ** 2))
    typical = (k - 1) * fixed.sum() / (fixed.sum() ** 2 - np.sum(fixed**2))
    estimators = {"REML": _reml, "DL": _moments, "FE": lambda *_: 0.0}
    tau2 = estimators[method](y, variance)
    w = 1 / (variance + tau2)
    mean = _mean(y, w)
    return RandomEffects(
        k=k,
        mean=mean,
        se=float(1 / np.sqrt(w.sum())),
        knapp_se=float(np.sqrt(np.sum(w * (y - mean) ** 2) / ((k - 1) * w.sum()))),
        tau2=tau2,
        tau2_se=_tau2_error(variance, tau2, method),
        i2=float(100 * tau2 / (tau2 + typical)),
        h2=float(tau2 / typical + 1),
        q=q,
        q_p=float(chi2.sf(q, k - 1)),
    )


def _tau2_error(variance: Floats, tau2: float, method: Method) -> float:
    """√(2 / tr PP) by the information of REML; for the moments the spread of Q about its expectation, √Var(Q) / tr P.

    P = W − W1(1'W1)⁻¹1'W, W the weights that the estimate itself takes.
    """
    if method == "FE":
        return float("nan")
    w = 1 / (variance + (tau2 if method == "REML" else 0.0))
    trace = w.sum() - np.sum(w**2) / w.sum()
    square = np.sum(w**2) - 2 * np.sum(w**3) / w.sum() + np.sum(w**2) ** 2 / w.sum() ** 2
    if method == "REML":
        return float(np.sqrt(2 / square))
    return float(np.sqrt(2 * (len(w) - 1) + 4 * tau2 * trace + 2 * tau2**2 * square) / trace)


def _mean(y: Floats, w: Floats) -> float:
    return float(np.sum(w * y) / w.sum())


def _moments(y: Floats, variance: Floats) -> float:
    w = 1 / variance
    q = float(np.sum(w * (y - _mean(y, w)) ** 2))
    return max(0.0, float((q - (len(y) - 1)) / (w.sum() - np.sum(w**2) / w.sum())))


def _reml(y: Floats, variance: Floats) -> float:
    """Solve the score equation Σ w²(y − mean)² = Σ w − Σ w² / Σ w; 0 where the likelihood falls from there."""

    def score(tau2: float) -> float:
        w = 1 / (variance + tau2)
        return float(np.sum(w**2 * (y - _mean(y, w)) ** 2) - w.sum() + np.sum(w**2) / w.sum())

    if score(0.0) <= 0:
        return 0.0
    above = float(np.var(y)) + float(variance.max())
    while score(above) > 0:
        above *= 2
    return float(brentq(score, 0.0, above, xtol=1e-15, rtol=1e-14))


def logit_estimate(auc: Estimate) -> Estimate:
    """Put an AUC on the log-odds scale, where values of sites can be averaged.

    Parameters
    ----------
    auc : Estimate

    Returns
    -------
    Estimate
        Logit of the AUC with SE / (AUC·(1 − AUC)) and its normal limits; NaN for an AUC of 0 or 1, or without SE.
    """
    if not (0 < auc.value < 1 and auc.se > 0):
        return Estimate(float("nan"), float("nan"), float("nan"), float("nan"))
    odds = auc.value / (1 - auc.value)
    return Estimate.wald(float(np.log(odds)), auc.se / (auc.value * (1 - auc.value)))
