"""The SIMULATED patients of this study, fixed prediction rules for them, and what these rules are truly worth.

Patients have three standard normal numbers; the log-odds of response are a line in the first two. Clustered patients
share a part of their numbers and an effect of their cluster, sized so that two outcomes of one cluster correlate by
`ICC`. The truth is an integral over one normal score and is computed by quadrature, without a random number.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, root
from scipy.special import expit, logit
from scipy.stats import norm

Floats = NDArray[np.float64]

ICC = 0.10
SHARED = 0.10  # share of each number's variance that lies between clusters
EFFECTS = np.array([0.8, 0.5])  # log-odds per standard deviation
# Log-odds above the true intercept, then per number. One rule knows both numbers and is too extreme in the first.
LARGER, SMALLER = (0.2, np.array([0.9, 0.4])), (-0.1, np.array([0.6, 0.0]))
THRESHOLDS = (0.2, 0.4)
GRID = norm.ppf((np.arange(20_000) + 0.5) / 20_000)
NODES, NODE_WEIGHTS = np.polynomial.hermite_e.hermegauss(40)


@dataclass(frozen=True)
class Cell:
    """One kind of sample: how many clusters of how many patients (1: no clusters), and the rate of response."""

    clusters: int
    size: int
    rate: float

    @property
    def name(self) -> str:
        """What a row is found by."""
        who = f"{self.clusters} patients" if self.size == 1 else f"{self.clusters} clusters of {self.size}"
        return f"{who}, rate {self.rate:.2f}"


@dataclass(frozen=True)
class Sample:
    """Numbers of shape (n, k), outcomes and clusters of SIMULATED patients, and the clusters' own effects."""

    x: Floats
    y: Floats
    groups: NDArray[np.int64]
    own: Floats


def blurred(eta: Floats | float, spread: float) -> Floats:
    """Mean of expit(eta + spread·z) over a standard normal z."""
    shifted = np.asarray(eta)[..., np.newaxis] + spread * NODES
    return np.asarray(expit(shifted) @ NODE_WEIGHTS / NODE_WEIGHTS.sum())


@cache
def intercept(rate: float, spread: float) -> float:
    """Log-odds that give this rate of response when all else varies by `spread`."""
    return float(brentq(lambda a: float(blurred(a, spread)) - rate, -10, 10))


@cache
def cluster_spread(rate: float, variance: float, shared: float) -> float:
    """Deviation of a cluster's own effect that makes two outcomes of a cluster correlate by `ICC`, numbers included.

    Parameters
    ----------
    rate : float
    variance : float
        Of the line in the numbers, on the log-odds scale.
    shared : float
        Share of it that lies between clusters.
    """
    within = (1 - shared) * variance

    def correlation(own: float) -> float:
        between = shared * variance + own**2
        a = intercept(rate, float(np.sqrt(within + between)))
        means = blurred(a + np.sqrt(between) * GRID[::20], float(np.sqrt(within)))
        return float(means.var() / (rate * (1 - rate)))

    return float(brentq(lambda own: correlation(own) - ICC, 0, 3))


def own_spread(cell: Cell) -> float:
    """Deviation of the clusters' own effects; 0 without clusters."""
    return 0.0 if cell.size == 1 else cluster_spread(cell.rate, float(EFFECTS @ EFFECTS), SHARED)


def base(cell: Cell) -> float:
    """Log-odds of a patient whose numbers and cluster are average."""
    return intercept(cell.rate, float(np.sqrt(EFFECTS @ EFFECTS + own_spread(cell) ** 2)))


def draw(cell: Cell, rng: np.random.Generator, *, numbers: int = 3) -> Sample:
    """Draw one sample; clusters have between half and one and a half times their mean size."""
    sizes = np.ones(cell.clusters, dtype=int)
    if cell.size > 1:
        sizes = rng.integers((cell.size + 1) // 2, cell.size + cell.size // 2 + 1, cell.clusters)
    groups = np.repeat(np.arange(cell.clusters), sizes)
    shared = SHARED if cell.size > 1 else 0.0
    x = np.sqrt(1 - shared) * rng.standard_normal((len(groups), numbers))
    x += np.sqrt(shared) * rng.standard_normal((cell.clusters, numbers))[groups]
    own = own_spread(cell) * rng.standard_normal(cell.clusters)[groups]
    y = rng.random(len(groups)) < expit(base(cell) + x[:, :2] @ EFFECTS + own)
    return Sample(x, y.astype(float), groups, own)


def predict(cell: Cell, x: Floats, rule: tuple[float, Floats]) -> Floats:
    """Probabilities that a fixed rule gives."""
    return np.asarray(expit(base(cell) + rule[0] + x[:, :2] @ rule[1]))


def scores(true: tuple[float, Floats], own: float, rule: tuple[float, Floats]) -> tuple[Floats, Floats]:
    """Predictions of equally likely patients, from the lowest up, and the true rate of response at each.

    Parameters
    ----------
    true, rule : tuple of float and ndarray of shape (k,)
        Intercept and log-odds per number, of the patients and of the rule.
    own : float
        Deviation of the clusters' own effects.
    """
    length = float(np.linalg.norm(rule[1]))
    along = float(true[1] @ rule[1]) / length
    rest = float(true[1] @ true[1]) - along**2 + own**2
    rate = blurred(true[0] + along * GRID, float(np.sqrt(max(rest, 0.0))))
    return expit(rule[0] + length * GRID), rate


def performance(p: Floats, rate: Floats) -> dict[str, float]:
    """Return what a rule is worth among equally likely patients, sorted by prediction, of known rates."""
    mean = float(rate.mean())
    below = np.cumsum(1 - rate) - (1 - rate) / 2
    brier = float(np.mean(rate * (1 - p) ** 2 + (1 - rate) * p**2))
    line = root(lambda c: _score(c[0] + c[1] * logit(p), logit(p), rate), [0.0, 1.0], tol=1e-12).x
    found = {
        "auc": float((rate * below).sum() / (rate.sum() * (1 - rate).sum())),
        "brier": brier,
        "scaled_brier": 1 - brier / (mean * (1 - mean)),
        "log_loss": float(-np.mean(rate * np.log(p) + (1 - rate) * np.log1p(-p))),
        "observed_expected": mean / float(p.mean()),
        "calibration_intercept": brentq(lambda a: float(np.mean(rate - expit(a + logit(p)))), -5, 5),
        "calibration_slope": float(line[1]),
        "rate": mean,
    }
    for cut in THRESHOLDS:
        odds = cut / (1 - cut)
        found[f"net_benefit_{cut:g}"] = float(np.mean((p >= cut) * (rate - (1 - rate) * odds)))
    return found


def _score(eta: Floats, x: Floats, rate: Floats) -> list[float]:
    error = rate - expit(eta)
    return [float(error.mean()), float((error * x).mean())]


@cache
def truth(cell: Cell) -> dict[str, float]:
    """Return the true performance of the larger rule, and its gains over the smaller."""
    level, own = base(cell), own_spread(cell)
    larger, smaller = (
        performance(*scores((level, EFFECTS), own, (level + extra, effects)))
        for extra, effects in (LARGER, SMALLER)
    )
    gains = {f"gain_{name}": smaller[name] - larger[name] for name in ("log_loss", "brier")}
    names = ["auc", *(f"net_benefit_{cut:g}" for cut in THRESHOLDS)]
    gains |= {f"gain_{name}": larger[name] - smaller[name] for name in names}
    return {**larger, **gains}
