"""How far from "missing at random" missing outcomes would have to be before the response rate says something else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import expit, logit

from predictor.validation.uncertainty import wilson_interval

__all__ = ["DELTAS", "Tipping", "tipping_points"]

DELTAS = (-3.0, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 3.0)
FARTHEST = 20.0  # log-odds beyond which every missing outcome is the same


@dataclass(frozen=True)
class Tipping:
    """The response rate under shifts of the missing outcomes' log-odds.

    Parameters
    ----------
    table : pandas.DataFrame
        ``delta``; ``missing_rate``, expected among those without an outcome; ``rate``, of all; ``inside``, whether it
        lies in the declared interval.
    low, high : float
        Interval of the declared strategy's rate.
    below, above : float or None
        Largest negative and smallest positive shift at which the rate leaves that interval; 0 where it is outside with
        none, None where no shift is enough.
    missing : int
        Units without an outcome.
    """

    table: pd.DataFrame
    low: float
    high: float
    below: float | None
    above: float | None
    missing: int


def tipping_points(
    events: int,
    n: int,
    p_missing: np.ndarray,
    *,
    declared: tuple[int, int],
    level: float = 0.95,
    deltas: tuple[float, ...] = DELTAS,
) -> Tipping:
    r"""Shift the log-odds of every missing outcome and see when the rate leaves the declared strategy's interval.

    .. math:: \pi(\delta) = \frac{e + \sum_i \operatorname{expit}(\operatorname{logit} p_i + \delta)}{n + m}

    Parameters
    ----------
    events, n : int
        Among units with an observed outcome.
    p_missing : ndarray of shape (m,)
        Probability of the event, given what was known at baseline, of each unit without an outcome.
    declared : tuple of (int, int)
        Events and units by the declared strategy.
    level : float
        Of the declared rate's interval.
    deltas : tuple of float
        Shifts that are tabulated; 0 is "missing at random".

    References
    ----------
    Carpenter et al. (2013), J Biopharm Stat 23:1352, on delta adjustment; Yan et al. (2009), J Biopharm Stat 19:1085,
    on tipping points.
    """
    low, high = wilson_interval(*declared, level=level)
    eta = logit(np.clip(p_missing, 1e-6, 1 - 1e-6))

    def among_missing(delta: float) -> float:
        return float(expit(eta + delta).mean()) if len(eta) else np.nan

    def rate(delta: float) -> float:
        return float((events + expit(eta + delta).sum()) / (n + len(eta)))

    rows = [(delta, among_missing(delta), rate(delta), low <= rate(delta) <= high) for delta in deltas]
    ends = [
        _crossing(lambda d: rate(d) - low, -FARTHEST),
        _crossing(lambda d: high - rate(d), FARTHEST),
    ]
    outside = not low <= rate(0.0) <= high
    below, above = (0.0, 0.0) if outside else ends
    table = pd.DataFrame(rows, columns=["delta", "missing_rate", "rate", "inside"])
    return Tipping(table, low, high, below, above, len(eta))


def _crossing(margin: Callable[[float], float], farthest: float) -> float | None:
    """Shift at which a margin that is positive at 0 is used up; None where it never is."""
    if margin(farthest) > 0.0 or margin(0.0) <= 0.0:
        return None
    return float(brentq(margin, *sorted((0.0, farthest))))
