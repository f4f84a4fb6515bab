"""One answer from m imputed data sets: Rubin's rules, the pooled test of several terms, and the pooled AUC."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit
from scipy.stats import chi2, f, norm, t

from predictor.validation.uncertainty import Estimate

__all__ = ["JointTest", "Pooled", "pool", "pool_auc", "pool_covariance", "pool_test"]

Floats = NDArray[np.float64]

LEAST_SHARE = 1e-4  # of missing information: without a floor its degrees of freedom would be infinite


@dataclass(frozen=True)
class Pooled:
    """Estimates pooled over m imputations, each array of shape (k,).

    Parameters
    ----------
    estimate : ndarray
        Mean over imputations.
    within, between, total : ndarray
        Variance within, between imputations, and within + (1 + 1/m)·between.
    df : ndarray
        Degrees of freedom of Barnard and Rubin.
    level : float
        Of the interval.
    """

    estimate: Floats
    within: Floats
    between: Floats
    total: Floats
    df: Floats
    level: float

    @property
    def se(self) -> Floats:
        """Standard error."""
        return np.sqrt(self.total)

    @property
    def increase(self) -> Floats:
        """Relative increase in variance due to what is missing: total/within − 1."""
        return np.asarray((self.total - self.within) / self.within)

    @property
    def missing_share(self) -> Floats:
        """Share of the variance due to what is missing, λ."""
        return np.asarray((self.total - self.within) / self.total)

    @property
    def missing_information(self) -> Floats:
        """Fraction of missing information (r + 2/(df + 3))/(r + 1); above 0.5 take more imputations."""
        return np.asarray((self.increase + 2 / (self.df + 3)) / (self.increase + 1))

    @property
    def statistic(self) -> Floats:
        """Estimate / SE."""
        return np.asarray(self.estimate / self.se)

    @property
    def p_value(self) -> Floats:
        """Two-sided p-value of the hypothesis that the true value is 0."""
        return np.asarray(2 * t.sf(np.abs(self.statistic), self.df))

    @property
    def low(self) -> Floats:
        """Lower limit of the t interval."""
        return np.asarray(self.estimate - t.ppf((1 + self.level) / 2, self.df) * self.se)

    @property
    def high(self) -> Floats:
        """Upper limit of the t interval."""
        return np.asarray(self.estimate + t.ppf((1 + self.level) / 2, self.df) * self.se)


@dataclass(frozen=True)
class JointTest:
    """Test of several terms at once over m imputations.

    Parameters
    ----------
    statistic : float
        D₁, distributed as F(`df1`, `df2`) when all terms are 0.
    df1 : int
    df2 : float
    increase : float
        Average relative increase in variance due to what is missing, r₁.
    """

    statistic: float
    df1: int
    df2: float
    increase: float

    @property
    def p_value(self) -> float:
        """Probability of as large a statistic when all terms are 0."""
        if np.isinf(self.df2):  # nothing was missing; scipy's F knows no infinite degrees of freedom
            return float(chi2.sf(self.df1 * self.statistic, self.df1))
        return float(f.sf(self.statistic, self.df1, self.df2))


def pool(
    estimates: ArrayLike, variances: ArrayLike, *, df_complete: float = np.inf, level: float = 0.95
) -> Pooled:
    """Pool estimates by Rubin's rules.

    Parameters
    ----------
    estimates, variances : array of shape (m, k)
        Of each imputed data set; the variances are squared standard errors.
    df_complete : float
        Residual degrees of freedom had nothing been missing, n − parameters; infinite gives Rubin's of 1987.
    level : float

    Returns
    -------
    Pooled

    Raises
    ------
    ValueError
        With fewer than two imputations.

    References
    ----------
    Rubin DB. Multiple Imputation for Nonresponse in Surveys. Wiley 1987. Barnard J, Rubin DB. Small-sample degrees
    of freedom with multiple imputation. Biometrika 1999;86:948-955.
    """
    q, u = (
        np.atleast_2d(np.asarray(estimates, dtype=float)),
        np.atleast_2d(np.asarray(variances, dtype=float)),
    )
    _require_two(q)
    m = len(q)
    within, between = u.mean(axis=0), q.var(axis=0, ddof=1)
    total = within + (1 + 1 / m) * between
    df = _barnard_rubin((total - within) / total, m, df_complete)
    return Pooled(q.mean(axis=0), within, between, total, df, level)


def _require_two(estimates: Floats) -> None:
    if len(estimates) < 2:
        raise ValueError("Pooling needs at least two imputations, as rows.")


def _barnard_rubin(missing_share: Floats, m: int, df_complete: float) -> Floats:
    share = np.maximum(missing_share, LEAST_SHARE)
    large = (m - 1) / share**2
    if np.isinf(df_complete):
        return large
    observed = (df_complete + 1) / (df_complete + 3) * df_complete * (1 - share)
    return np.asarray(large * observed / (large + observed))


def pool_covariance(estimates: ArrayLike, covariances: ArrayLike) -> Floats:
    """Pool covariance matrices: mean within + (1 + 1/m)·between.

    Parameters
    ----------
    estimates : array of shape (m, k)
    covariances : array of shape (m, k, k)

    Returns
    -------
    ndarray of shape (k, k)

    Raises
    ------
    ValueError
        With fewer than two imputations.
    """
    within, between = _covariances(estimates, covariances)
    return within + (1 + 1 / len(np.asarray(estimates))) * between


def _covariances(estimates: ArrayLike, covariances: ArrayLike) -> tuple[Floats, Floats]:
    q, u = np.asarray(estimates, dtype=float), np.asarray(covariances, dtype=float)
    _require_two(q)
    return u.mean(axis=0), np.atleast_2d(np.cov(q, rowvar=False))


def pool_test(estimates: ArrayLike, covariances: ArrayLike) -> JointTest:
    """Test that all k terms are 0 (Wald test D₁).

    r₁ = (1 + 1/m)·tr(B·Ū⁻¹)/k, D₁ = q̄'Ū⁻¹q̄ / [k(1 + r₁)].

    Parameters
    ----------
    estimates : array of shape (m, k)
        Of the terms to be tested.
    covariances : array of shape (m, k, k)

    Returns
    -------
    JointTest

    Raises
    ------
    ValueError
        With fewer than two imputations.

    References
    ----------
    Li KH, Raghunathan T, Rubin DB. Large-sample significance levels from multiply imputed data using moment-based
    statistics and an F reference distribution. JASA 1991;86:1065-1073.
    """
    within, between = _covariances(estimates, covariances)
    q = np.asarray(estimates, dtype=float).mean(axis=0)
    m, k = np.asarray(estimates).shape
    increase = (1 + 1 / m) * float(np.trace(np.linalg.solve(within, between))) / k
    statistic = float(q @ np.linalg.solve(within, q)) / (k * (1 + increase))
    return JointTest(statistic, k, _joint_df(k * (m - 1), k, increase), increase)


def _joint_df(spread: int, k: int, increase: float) -> float:
    """Denominator's degrees of freedom; the second form is Li's for few imputations."""
    if increase <= 0:
        return float("inf")
    if spread > 4:
        return 4 + (spread - 4) * (1 + (1 - 2 / spread) / increase) ** 2
    return spread * (1 + 1 / k) * (1 + 1 / increase) ** 2 / 2


def pool_auc(aucs: ArrayLike, variances: ArrayLike, *, level: float = 0.95, normal: bool = False) -> Estimate:
    """Pool areas under the ROC curve on the logit scale, where they are closer to normal.

    Parameters
    ----------
    aucs : array of shape (m,)
    variances : array of shape (m,)
        DeLong's, on the AUC's own scale.
    level : float
    normal : bool
        Take the normal quantile instead of that of t with Rubin's degrees of freedom.

    Returns
    -------
    Estimate
        The value and its limits back on the AUC's scale, `se` on the logit scale; NaN where an AUC is 0 or 1.

    References
    ----------
    Marshall A et al. Combining estimates of interest in prognostic modelling studies after multiple imputation.
    BMC Med Res Methodol 2009;9:57.
    """
    area, variance = np.asarray(aucs, dtype=float), np.asarray(variances, dtype=float)
    if not np.all((area > 0) & (area < 1)):
        return Estimate(*(float("nan"),) * 4)
    slope = area * (1 - area)
    pooled = pool(np.log(area / (1 - area))[:, np.newaxis], (variance / slope**2)[:, np.newaxis], level=level)
    centre, se = float(pooled.estimate[0]), float(pooled.se[0])
    quantile = norm.ppf((1 + level) / 2) if normal else t.ppf((1 + level) / 2, pooled.df[0])
    value, low, high = (float(expit(centre + side * quantile * se)) for side in (0, -1, 1))
    return Estimate(value, low, high, se)
