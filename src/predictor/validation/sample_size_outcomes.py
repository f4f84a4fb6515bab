"""How many patients a model of a time to an event or of a measured value needs (Riley's criteria)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, exp, log, sqrt

from scipy.stats import chi2, t

from predictor.validation.sample_size import patients_for_shrinkage, shrinkage_for_optimism

__all__ = [
    "ContinuousSampleSize",
    "SurvivalSampleSize",
    "max_r_squared_survival",
    "sample_size_continuous",
    "sample_size_survival",
]

Z = 1.96  # the published criteria are defined with the rounded quantile
MOST = 10**9


@dataclass(frozen=True)
class SurvivalSampleSize:
    """Riley's criteria for a time to an event.

    Parameters
    ----------
    shrinkage, optimism : int
        Patients needed for criteria 1 and 2, as for a binary outcome.
    n : int
        The larger of the two.
    person_time, events, events_per_parameter : float
        Expected among `n`.
    risk, low, high : float
        Criterion 3 is a check and not a number of patients: risk at the time point when everybody has the
        same rate, and the limits within which `n` patients would place it.
    """

    shrinkage: int
    optimism: int
    n: int
    person_time: float
    events: float
    events_per_parameter: float
    risk: float
    low: float
    high: float

    @property
    def margin(self) -> float:
        """Largest distance of a limit from the risk; above 0.05 the overall risk is not known well enough."""
        return max(self.high - self.risk, self.risk - self.low)


@dataclass(frozen=True)
class ContinuousSampleSize:
    """Riley's criteria for a measured outcome.

    Parameters
    ----------
    shrinkage : int
        Patients needed for an expected shrinkage of at least `S` (criterion 1).
    optimism : int
        For a difference of at most 0.05 between apparent and adjusted R² (criterion 2).
    residual : int
        To know the residual standard deviation within 10 % (criterion 3).
    mean : int
        To know the mean outcome within 10 % (criterion 4).
    n : int
        The largest.
    """

    shrinkage: int
    optimism: int
    residual: int
    mean: int
    n: int


def max_r_squared_survival(events_per_person: float) -> float:
    """Largest Cox-Snell R² of a survival model: 1 − exp[2(e·ln e − e)].

    Parameters
    ----------
    events_per_person : float
        e = rate × mean follow-up.

    Returns
    -------
    float

    References
    ----------
    Riley RD et al. Stat Med 2019;38:1276-1296.
    """
    return 1 - exp(2 * (events_per_person * log(events_per_person) - events_per_person))


def sample_size_survival(
    parameters: int,
    *,
    r_squared: float,
    rate: float,
    mean_follow_up: float,
    time: float,
    shrinkage: float = 0.9,
) -> SurvivalSampleSize:
    """Patients needed to develop a model of a time to an event.

    Criteria 1 and 2 as in `sample_size_binary`, with `max_r_squared_survival`; criterion 3 is the risk
    1 − exp(−rate·t) and its limits at rate ± 1.96·√(rate / person-time).

    Parameters
    ----------
    parameters : int
    r_squared : float
        Cox-Snell R² expected of the model.
    rate : float
        Events per unit of time at risk.
    mean_follow_up, time : float
        In the same unit: expected of a patient, and for which predictions are made.
    shrinkage : float

    Returns
    -------
    SurvivalSampleSize

    Raises
    ------
    ValueError
        For an R² that is not below both the shrinkage and its maximum.

    References
    ----------
    Riley RD et al. Minimum sample size for developing a multivariable prediction model: part II. Stat Med
    2019;38:1276-1296.
    """
    per_person = rate * mean_follow_up
    largest = max_r_squared_survival(per_person)
    if not 0 < r_squared < min(shrinkage, largest):
        raise ValueError(f"R² has to lie between 0 and {min(shrinkage, largest):.3f} here.")
    second_shrinkage = shrinkage_for_optimism(r_squared, largest)
    first, second = (
        ceil(patients_for_shrinkage(parameters, r_squared=r_squared, shrinkage=value))
        for value in (shrinkage, second_shrinkage)
    )
    n = max(first, second)
    person_time, events = n * mean_follow_up, n * per_person
    error = Z * sqrt(rate / person_time)
    risk, low, high = (1 - exp(-value * time) for value in (rate, rate - error, rate + error))
    return SurvivalSampleSize(first, second, n, person_time, events, events / parameters, risk, low, high)


def sample_size_continuous(
    parameters: int, *, r_squared: float, mean: float, sd: float, shrinkage: float = 0.9
) -> ContinuousSampleSize:
    """Patients needed to develop a linear model of a measured outcome.

    1: smallest n with 1 + (P − 2)/(n·ln(1 − R²app)) ≥ S, where R²app = 1 − (1 − R²)(n − P − 1)/(n − 1);
    2: 1 + P(1 − R²)/0.05; 3: smallest n whose 95 % limits of the residual standard deviation are within a
    factor of 1.1; 4: smallest n with t₀.₉₇₅·√(σ²(1 − R²)/n) at most a tenth of the mean.

    Parameters
    ----------
    parameters : int
        At least 3, below which criterion 1 asks for nothing.
    r_squared : float
        Adjusted R² expected of the model, between 0 and 1, both excluded.
    mean, sd : float
        Of the outcome; the mean is not 0.
    shrinkage : float

    Returns
    -------
    ContinuousSampleSize

    Raises
    ------
    ValueError
        For an R² outside (0, 1) or a mean of 0.

    References
    ----------
    Riley RD et al. Minimum sample size for developing a multivariable prediction model: part I. Stat Med
    2019;38:1262-1275.
    """
    if not 0 < r_squared < 1 or mean == 0:
        raise ValueError("R² has to lie between 0 and 1, both excluded, and the mean is not 0.")
    residual_sd = sd * sqrt(1 - r_squared)
    least = parameters + 2
    first = _smallest(lambda n: _linear_shrinkage(parameters, n, r_squared) >= shrinkage, least)
    second = ceil(1 + parameters * (1 - r_squared) / 0.05)
    third = _smallest(lambda n: _sd_factor(n - parameters - 1) <= 1.1, least)
    fourth = _smallest(
        lambda n: t.ppf(0.975, n - parameters - 1) * residual_sd / sqrt(n) <= 0.1 * abs(mean), least
    )
    return ContinuousSampleSize(first, second, third, fourth, max(first, second, third, fourth))


def _linear_shrinkage(parameters: int, n: int, adjusted: float) -> float:
    kept = (1 - adjusted) * (n - parameters - 1) / (n - 1)
    return 1 + (parameters - 2) / (n * log(kept))


def _sd_factor(df: int) -> float:
    """Factor by which the 95 % limits of a standard deviation lie from it."""
    low, high = chi2.ppf([0.025, 0.975], df)
    return sqrt(max(high / df, df / low))


def _smallest(enough: Callable[[int], bool], least: int) -> int:
    """Smallest whole number from `least` on that is enough, found by halving."""
    high = least
    while not enough(high) and high < MOST:
        high *= 2
    low = least
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return low
