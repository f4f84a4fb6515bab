"""What would happen to each simulated patient under either treatment, and with what probability.

With L = η + a standard logistic error, improvement % = 50 + 18·L and the true end score is ⌈baseline·(1 −
improvement/100)⌉ in 0–60, so that P(end ≤ t) = logistic(η − (100·(1 − t/baseline) − 50)/18) exactly.
Ratings, their errors and what the patient's dissociation gives away come on top; the probability of the
*rated* label is then a finite sum over end scores.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, logit, ndtr

from predictor.data.simulation.patients import mean_benzodiazepine

__all__ = [
    "HARMS",
    "SPREAD",
    "RatingModel",
    "draw_harms",
    "end_probability",
    "end_score",
    "harm_probabilities",
    "individual_benefit",
    "label_probability",
    "look_up",
    "relapse_days",
]

Array = NDArray[np.float64]

SPREAD = 18.0
AVERAGE_BENEFIT = 18.0
BENEFIT_SD = 6.0
BENEFIT_OF_FAMILY_HISTORY = 4.0
BENEFIT_LOST_PER_10_MG = 1.5
TOP_SCORE = 60

HARMS: Mapping[str, tuple[float, float]] = {
    "dissociation": (0.41, 0.09),
    "dizziness": (0.29, 0.08),
    "nausea": (0.28, 0.09),
    "headache": (0.20, 0.17),
    "anxiety": (0.13, 0.06),
    "blood_pressure_rise": (0.10, 0.03),
    "suicidality_worse": (0.02, 0.02),
}
"""Probability of each harm during the course: under 0.5 mg/kg ketamine, under active placebo."""

HARM_DOSE_EFFECTS: Mapping[float, float] = {0.1: -0.9, 0.2: -0.5, 0.5: 0.0, 1.0: 0.4}
MEAN_YEARS_OVER_50 = 3.1
RELAPSE_SHAPE = 1.2
RELAPSE_MEDIAN_DAYS = {"none": 40.0, "weekly": 95.0}
RELAPSE_HR_LN_FAILED = 1.15
RELAPSE_HR_CBT = 0.8


@dataclass(frozen=True)
class RatingModel:
    """How a rater's score differs from the true one.

    Parameters
    ----------
    error_sd : float
        Test–retest SD of every score, in points; 0 means that ratings are the truth.
    entry_inflation : float
        Points by which ratings before treatment are too high on average.
    unblinding : float
        Points of improvement % added to the rated end score of a ketamine patient who dissociated.
    """

    error_sd: float = 3.0
    entry_inflation: float = 1.5
    unblinding: float = 4.0

    def rate(self, true_score: Array, *, rng: np.random.Generator, entry: bool = False) -> Array:
        """Return rated whole scores in 0–60.

        Parameters
        ----------
        true_score : ndarray
            True scores.
        rng : numpy.random.Generator
            Source of the rating errors.
        entry : bool
            Whether this is a rating before treatment.
        """
        shift = self.entry_inflation if entry else 0.0
        noise = self.error_sd * rng.standard_normal(true_score.shape)
        return np.clip(np.round(true_score + shift + noise), 0, TOP_SCORE)


def end_score(true_baseline: Array, *, improvement: Array) -> Array:
    """Return the true end score ⌈baseline·(1 − improvement/100)⌉ in 0–60.

    Parameters
    ----------
    true_baseline : ndarray
        True MADRS before treatment.
    improvement : ndarray
        Improvement in per cent of the baseline.
    """
    return np.clip(np.ceil(true_baseline * (1 - improvement / 100)), 0, TOP_SCORE)


def end_probability(eta: Array, *, true_baseline: Array, at_most: Array | float) -> Array:
    """Return P(true end score ≤ t) = logistic(η − (100·(1 − t/baseline) − 50)/18).

    Parameters
    ----------
    eta : ndarray of shape (n,)
        Linear predictor with intercept, site and treatment.
    true_baseline : ndarray of shape (n,)
        True MADRS before treatment.
    at_most : ndarray or float
        t, a whole score from 0 to 59: ⌊baseline/2⌋ for response, 10 for remission.
    """
    needed = 100 * (1 - at_most / true_baseline) - 50
    return np.asarray(expit(eta - needed / SPREAD))


def label_probability(eta: Array, *, true_baseline: Array, at_most: Array, ratings: RatingModel) -> Array:
    """Return P(rated end score ≤ t), summed exactly over the 61 true end scores.

    P = Σ_e P(end = e)·Φ((t + ½ − e)/SD), because a rating rounds end + N(0, SD). Without rating error it
    equals `end_probability`.

    Parameters
    ----------
    eta, true_baseline : ndarray of shape (n,)
        As for `end_probability`.
    at_most : ndarray of shape (n,)
        Largest rated score, 0 to 59, that counts.
    ratings : RatingModel
        Only its ``error_sd`` is used.
    """
    if ratings.error_sd == 0:
        return end_probability(eta, true_baseline=true_baseline, at_most=at_most)
    total, below = np.zeros_like(eta), np.zeros_like(eta)
    # The odds of end ≤ e grow by a constant factor with e: one multiplication instead of an exponential each.
    odds, factor = np.exp(eta - 50 / SPREAD), np.exp(100 / (SPREAD * true_baseline))
    error = np.arange(-TOP_SCORE, TOP_SCORE + 1)
    rated_low_enough = ndtr((error + 0.5) / ratings.error_sd)
    room = at_most.astype(int) + TOP_SCORE
    for end in range(TOP_SCORE + 1):
        up_to = odds / (1 + odds) if end < TOP_SCORE else np.ones_like(eta)
        total += (up_to - below) * rated_low_enough[room - end]
        odds, below = odds * factor, up_to
    return total


def individual_benefit(patients: pd.DataFrame, *, rng: np.random.Generator) -> tuple[Array, Array]:
    """Draw each patient's benefit of 0.5 mg/kg over the comparator, in points of improvement %.

    Mean 18, SD 6; larger with a family history of alcohol use disorder, smaller with benzodiazepines; the
    rest of its variation belongs to no recorded column.

    Parameters
    ----------
    patients : pandas.DataFrame
        As `draw_patients` returns.
    rng : numpy.random.Generator
        Source of the unrecorded part.

    Returns
    -------
    expected, benefit : ndarray of shape (n,)
        Its mean given the recorded columns, and the benefit itself.
    """
    history = patients["family_history_aud"].to_numpy(float) - 0.33
    sedative = np.minimum(patients["benzodiazepine_mg"].to_numpy(float), 40) / 10 - mean_benzodiazepine()
    recorded = BENEFIT_OF_FAMILY_HISTORY * history - BENEFIT_LOST_PER_10_MG * sedative
    # Var(recorded) = (4·0.47)² + (1.5·0.74)²: the SD 0.74 of capped doses in 10 mg is that of its margin.
    rest = np.sqrt(
        BENEFIT_SD**2 - (BENEFIT_OF_FAMILY_HISTORY * 0.47) ** 2 - (BENEFIT_LOST_PER_10_MG * 0.74) ** 2
    )
    expected = AVERAGE_BENEFIT + recorded
    return expected, expected + rest * rng.standard_normal(len(patients))


def harm_probabilities(patients: pd.DataFrame, *, dose: Array) -> dict[str, tuple[Array, Array]]:
    """Return the true probability of each harm under ketamine at ``dose`` and under active placebo.

    Parameters
    ----------
    patients : pandas.DataFrame
        Needs ``ptsd`` (anxiety +0.5 in log-odds) and ``age`` (blood pressure +0.4 per 10 years over 50).
    dose : ndarray of shape (n,)
        Ketamine dose in mg/kg, one of 0.1, 0.2, 0.5, 1.0.
    """
    by_dose = look_up(HARM_DOSE_EFFECTS, keys=dose)
    years = np.maximum(patients["age"].to_numpy(float) - 50, 0) - MEAN_YEARS_OVER_50
    modifiers = {
        "anxiety": 0.5 * (patients["ptsd"].to_numpy(float) - 0.14),
        "blood_pressure_rise": 0.04 * years,
    }
    found = {}
    for harm, (ketamine, placebo) in HARMS.items():
        modifier = modifiers.get(harm, np.zeros(len(patients)))
        shift = np.zeros(len(patients)) if harm == "suicidality_worse" else by_dose
        found[harm] = (expit(logit(ketamine) + shift + modifier), expit(logit(placebo) + modifier))
    return found


def draw_harms(
    probabilities: Mapping[str, tuple[Array, Array]], *, treated: NDArray[np.bool_], rng: np.random.Generator
) -> dict[str, NDArray[np.bool_]]:
    """Draw which harms happen under the treatment received.

    Parameters
    ----------
    probabilities : mapping
        As `harm_probabilities` returns.
    treated : ndarray of bool of shape (n,)
        Whether the patient gets ketamine.
    rng : numpy.random.Generator
        Source of chance.
    """
    return {
        harm: rng.random(len(treated)) < np.where(treated, ketamine, placebo)
        for harm, (ketamine, placebo) in probabilities.items()
    }


def relapse_days(
    *, n_failed: Array, weekly: NDArray[np.bool_], cbt: NDArray[np.bool_], rng: np.random.Generator
) -> Array:
    """Draw whole days from response to relapse: Weibull, shape 1.2, proportional hazards.

    Median 40 days without and 95 with weekly maintenance (a hazard ratio of (40/95)^1.2 = 0.35); hazard
    ratio 1.15 per unit of ln(failed trials / 3) and 0.8 with CBT.

    Parameters
    ----------
    n_failed : ndarray of shape (n,)
        Failed antidepressant trials.
    weekly, cbt : ndarray of bool of shape (n,)
        Maintenance infusions; cognitive behavioural therapy after response.
    rng : numpy.random.Generator
        Source of chance.
    """
    median = np.where(weekly, RELAPSE_MEDIAN_DAYS["weekly"], RELAPSE_MEDIAN_DAYS["none"])
    hazard_ratio = RELAPSE_HR_LN_FAILED ** np.log(n_failed / 3) * np.where(cbt, RELAPSE_HR_CBT, 1.0)
    # S(t) = exp(−ln 2 · HR · (t/median)^shape), inverted at a uniform.
    survival = rng.random(len(n_failed))
    return np.asarray(
        np.ceil(median * (-np.log(survival) / (np.log(2) * hazard_ratio)) ** (1 / RELAPSE_SHAPE))
    )


def look_up(table: Mapping[float, float], *, keys: Array) -> Array:
    """Return ``table[key]`` for each key of an array.

    Parameters
    ----------
    table : mapping of float to float
        Values by key.
    keys : ndarray
        Keys, each present in the table.
    """
    known = np.array(sorted(table))
    return np.array([table[key] for key in known])[np.searchsorted(known, keys)]
