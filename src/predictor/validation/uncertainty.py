"""How sure a number is: intervals and standard errors that respect patients and clusters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm
from scipy.stats import t as student

__all__ = [
    "Estimate",
    "cluster_standard_error",
    "cluster_weights",
    "distance_interval",
    "effective_sample_size",
    "expanded_level",
    "intraclass_correlation",
    "percentile_interval",
    "standard_error_interval",
    "weighted_mean",
    "wilson_interval",
]

UNDEFINED_ALLOWED = 0.05  # above this share of undefined resamples no percentile is honest


@dataclass(frozen=True)
class Estimate:
    """A number with its interval.

    Parameters
    ----------
    value : float
    low, high : float
        Limits of the interval; NaN where it is not defined.
    se : float
        Standard error; NaN where it is not defined.
    """

    value: float
    low: float
    high: float
    se: float

    @classmethod
    def wald(cls, value: float, se: float, *, level: float = 0.95) -> Estimate:
        """Value ± z·SE, the normal interval.

        Returns
        -------
        Estimate
        """
        half = float(norm.ppf((1 + level) / 2)) * se
        return cls(value=float(value), low=float(value - half), high=float(value + half), se=float(se))

    @property
    def p_value(self) -> float:
        """Two-sided normal p-value of the hypothesis that the true value is 0."""
        return float(2 * norm.sf(abs(self.value) / self.se)) if self.se > 0 else float("nan")


def weighted_mean(values: ArrayLike, weights: ArrayLike | None = None) -> NDArray[np.float64]:
    """Mean of each patient's value, once per row of weights.

    Parameters
    ----------
    values : array of shape (n,)
    weights : array of shape (n,) or (B, n), optional
        Frequency weights, one row per resample.

    Returns
    -------
    ndarray of shape () or (B,)
        NaN where the weights sum to 0.
    """
    x = np.asarray(values, dtype=float)
    if weights is None:
        return np.asarray(x.mean() if x.size else np.nan)
    w = np.asarray(weights, dtype=float)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((w @ x) / w.sum(axis=-1))


def cluster_weights(groups: ArrayLike, *, resamples: int, seed: int) -> NDArray[np.float64]:
    """How often each patient occurs in each bootstrap resample of whole clusters.

    Clusters are drawn with replacement, as many as there are; all patients of a drawn cluster come along. A
    cluster's counts depend on its label and not on where its rows stand.

    Parameters
    ----------
    groups : array of shape (n,)
        Cluster of each patient; the patient's own key where there are no clusters.
    resamples : int
    seed : int

    Returns
    -------
    ndarray of shape (resamples, n)
        Counts, as floats so that they can be used as weights.
    """
    labels, codes = np.unique(np.asarray(groups), return_inverse=True)
    share = np.full(len(labels), 1 / len(labels))
    counts = np.random.default_rng(seed).multinomial(len(labels), share, size=resamples)
    return counts.astype(float)[:, codes]


def percentile_interval(draws: ArrayLike, *, level: float = 0.95) -> tuple[float, float]:
    """Percentile limits of bootstrap draws.

    A resample can have one outcome class only, or separate it perfectly: its value is then undefined. Where
    more than one in twenty are undefined, so are the limits, because leaving those out would make them too
    narrow.

    Parameters
    ----------
    draws : array of shape (B,)
        NaN or infinite where a resample gives no value.
    level : float
        From `expanded_level` where few clusters were resampled; NaN gives no limits.

    Returns
    -------
    tuple of float
        Lower and upper limit, or NaN twice.
    """
    x = np.asarray(draws, dtype=float)
    defined = x[np.isfinite(x)]
    if np.isnan(level) or len(defined) == 0 or len(defined) < (1 - UNDEFINED_ALLOWED) * len(x):
        return float("nan"), float("nan")
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def standard_error_interval(value: float, draws: ArrayLike, *, level: float = 0.95) -> tuple[float, float]:
    """Limits at value ± z·SD of bootstrap draws, for differences: few patients decide them, and percentiles then err.

    Parameters
    ----------
    value : float
        Of the sample itself.
    draws : array of shape (B,)
    level : float
        From `expanded_level`, whose normal quantile is the t quantile of the clusters.

    Returns
    -------
    tuple of float
        Lower and upper limit; NaN twice where `percentile_interval` gives none.
    """
    x = np.asarray(draws, dtype=float)
    defined = x[np.isfinite(x)]
    if np.isnan(level) or len(defined) < 2 or len(defined) < (1 - UNDEFINED_ALLOWED) * len(x):
        return float("nan"), float("nan")
    half = float(norm.ppf((1 + level) / 2)) * float(defined.std(ddof=1))
    return value - half, value + half


def distance_interval(value: float, draws: ArrayLike, *, level: float = 0.95) -> tuple[float, float]:
    """Limits of a mean distance, such as the ICI, that chance alone lifts above 0.

    A curve smoothed from few patients wiggles, and a resample's wiggles more: the value lies above the truth, and its
    bootstrap draws above the value. The upper limit is their percentile. The lower one lies as far below the value as
    the upper one above it, and once more by what resampling added on average:

        max(0, min(q_low, value − (q_high − value) − (mean of draws − value)))

    Parameters
    ----------
    value : float
        Of the sample itself, at least 0.
    draws : array of shape (B,)
    level : float
        From `expanded_level`.

    Returns
    -------
    tuple of float
        Lower and upper limit; NaN twice where `percentile_interval` gives none.

    Notes
    -----
    Found by simulation and not by theory: percentiles alone held the true E90 of 200 patients in 24 of 100 samples,
    these limits hold 93 or more in every cell of ``experiments/studies/intervals``.
    """
    x = np.asarray(draws, dtype=float)
    low, high = percentile_interval(x, level=level)
    if np.isnan(high):
        return low, high
    lifted = float(x[np.isfinite(x)].mean()) - value
    return max(0.0, min(low, value - (high - value) - lifted)), high


def expanded_level(level: float, clusters: int) -> float:
    """Level at which bootstrap percentiles have to be read so that they cover `level` with few clusters.

    A resample of G clusters varies by (G − 1)/G too little, and percentiles know no t distribution. Both are made good
    by reading further out, at 2·Φ(√(G/(G − 1))·t_{G−1}) − 1: 0.968 for 20 clusters, 0.951 for 500.

    Parameters
    ----------
    level : float
    clusters : int
        Clusters that were resampled, patients where there are none.

    Returns
    -------
    float
        NaN with fewer than two clusters, which give no limits.

    References
    ----------
    Hesterberg TC. What teachers should know about the bootstrap: resampling in the undergraduate statistics
    curriculum. Am Stat 2015;69:371-386 (expanded percentile interval).
    """
    if clusters < 2:
        return float("nan")
    quantile = np.sqrt(clusters / (clusters - 1)) * student.ppf((1 + level) / 2, clusters - 1)
    return float(2 * norm.cdf(quantile) - 1)


def wilson_interval(
    events: float, n: float, *, level: float = 0.95, df: float = np.inf
) -> tuple[float, float]:
    """Wilson score interval of a proportion.

    Parameters
    ----------
    events, n : float
        Need not be whole numbers, so that an effective sample size can be used.
    level : float
    df : float
        Of the t quantile where the effective sample size was estimated from clusters: clusters − 1. Normal without it.

    Returns
    -------
    tuple of float
        Limits within [0, 1]; NaN twice when n is 0.

    References
    ----------
    Wilson EB. Probable inference, the law of succession, and statistical inference. JASA 1927;22:209-212.
    """
    if n <= 0:
        return float("nan"), float("nan")
    z = float(student.ppf((1 + level) / 2, df))
    rate = events / n
    centre = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def cluster_standard_error(d: ArrayLike, groups: ArrayLike) -> float:
    """Cluster-robust standard error of a mean.

    √[G/(G−1) · Σ_g (Σ_{i∈g}(d_i − d̄))²] / n over G clusters; with one patient per cluster it is the ordinary
    standard error of a mean.

    Parameters
    ----------
    d : array of shape (n,)
    groups : array of shape (n,)

    Returns
    -------
    float
        NaN with fewer than two clusters.
    """
    x = np.asarray(d, dtype=float)
    labels, codes = np.unique(np.asarray(groups), return_inverse=True)
    count = len(labels)
    if count < 2:
        return float("nan")
    totals = np.bincount(codes, weights=x - x.mean())
    return float(np.sqrt(count / (count - 1) * np.sum(totals**2)) / len(x))


def intraclass_correlation(values: ArrayLike, groups: ArrayLike) -> float:
    """Share of the variance that lies between clusters: one-way analysis-of-variance estimator, at least 0.

    (MSB − MSW) / (MSB + (m₀ − 1)·MSW) with m₀ = (n − Σm_g²/n)/(G − 1).

    Parameters
    ----------
    values : array of shape (n,)
    groups : array of shape (n,)

    Returns
    -------
    float
        Between 0 and 1; 0 where it cannot be estimated (no cluster of two, or a single cluster).

    References
    ----------
    Donner A, Koval JJ. The estimation of intraclass correlation in the analysis of family data. Biometrics
    1980;36:19-25.
    """
    x = np.asarray(values, dtype=float)
    _, codes, sizes = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    n, count = len(x), len(sizes)
    if count < 2 or count == n:
        return 0.0
    means = np.bincount(codes, weights=x) / sizes
    between = float(np.sum(sizes * (means - x.mean()) ** 2)) / (count - 1)
    within = float(np.sum((x - means[codes]) ** 2)) / (n - count)
    typical = (n - float(np.sum(sizes**2)) / n) / (count - 1)
    spread = between + (typical - 1) * within
    return max(0.0, (between - within) / spread) if spread > 0 else 0.0


def effective_sample_size(groups: ArrayLike, icc: float) -> float:
    """How many independent patients the clustered ones are worth: n / (1 + (m̄ − 1)·ICC).

    Parameters
    ----------
    groups : array of shape (n,)
    icc : float

    Returns
    -------
    float
    """
    labels = np.asarray(groups)
    if len(labels) == 0:
        return 0.0
    mean_size = len(labels) / len(np.unique(labels))
    return float(len(labels) / (1 + (mean_size - 1) * icc))
