"""Do more columns explain an outcome when patients of one cluster are alike? A score test that counts clusters.

A likelihood ratio takes every patient for a new one. Where outcomes of a cluster go together it finds differences that
are only those between a few clusters; this test takes its error from how the clusters' own scores scatter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit
from scipy.stats import f as fisher

__all__ = ["ScoreTest", "clustered_score_test"]

Floats = NDArray[np.float64]

SAID_TWICE = 1e-8  # share of the largest singular value below which a column is said by others


@dataclass(frozen=True)
class ScoreTest:
    """A test of q coefficients of a logistic model.

    Parameters
    ----------
    statistic : float
        F, near 1 when nothing is missing.
    df : int
        q, the coefficients tested.
    df_error : int
        Clusters − q.
    p_value : float
        NaN where there are no more clusters than coefficients.
    """

    statistic: float
    df: int
    df_error: int
    p_value: float


def clustered_score_test(
    y: ArrayLike, eta: ArrayLike, columns: ArrayLike, groups: ArrayLike, *, fitted: ArrayLike | None = None
) -> ScoreTest:
    """Test whether columns are missing from a logistic model that is given, or was fitted to these patients.

    With s_g the sum over cluster g of x·(y − p), and T = s'(Σ s_g s_g')⁻¹s of the total s, F = (G − q)/q · T/(G − T):
    Hotelling's test of whether the G clusters' scores are 0 on average. Columns that were fitted are taken out of x by
    the model's own weights p·(1 − p), so that what they took is not counted.

    Parameters
    ----------
    y : array of shape (n,)
        1 responder, 0 not.
    eta : array of shape (n,)
        Log-odds under the model.
    columns : array of shape (n, m)
        Of the larger model; what the fitted ones say already is no coefficient.
    groups : array of shape (n,)
        Cluster of each patient.
    fitted : array of shape (n, k), optional
        Columns whose coefficients were fitted by maximum likelihood to these patients; the intercept is one. Without
        them the model is given.

    Returns
    -------
    ScoreTest

    References
    ----------
    Boos DD. On generalized score tests. Am Stat 1992;46:327-333. Rotnitzky A, Jewell NP. Hypothesis testing of
    regression parameters in semiparametric generalized linear models for cluster correlated data. Biometrika
    1990;77:485-497.
    """
    mean = expit(np.asarray(eta, dtype=float))
    x = _beyond(np.asarray(columns, dtype=float), mean * (1 - mean), fitted)
    labels, codes = np.unique(np.asarray(groups), return_inverse=True)
    q, clusters = x.shape[1], len(labels)
    if clusters <= q or q == 0:
        return ScoreTest(float("nan"), q, clusters - q, float("nan"))
    own = np.zeros((clusters, q))
    np.add.at(own, codes, x * (np.asarray(y, dtype=float) - mean)[:, np.newaxis])
    total = own.sum(axis=0)
    share = float(total @ np.linalg.pinv(own.T @ own, hermitian=True) @ total) / clusters
    statistic = (clusters - q) / q * share / (1 - share) if share < 1 else float("inf")
    return ScoreTest(statistic, q, clusters - q, float(fisher.sf(statistic, q, clusters - q)))


def _beyond(columns: Floats, weight: Floats, fitted: ArrayLike | None) -> Floats:
    """Orthogonal columns that span what the fitted ones leave of them."""
    root = np.sqrt(weight)[:, np.newaxis]
    scale = np.linalg.norm(root * columns, axis=0)
    left = root * columns[:, scale > 0] / scale[scale > 0]
    if fitted is not None:
        base = np.linalg.qr(root * np.asarray(fitted, dtype=float))[0]
        left = left - base @ (base.T @ left)
    vectors, values, _ = np.linalg.svd(left, full_matrices=False)
    return np.asarray(vectors[:, values > SAID_TWICE] / root)
