"""The simulated ketamine cohort: patients, courses, ratings, and the truth behind them. Always SIMULATED."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from predictor.data.simulation.design import Settings, draw_sites, open_streams
from predictor.data.simulation.export import SimulatedCohort, export_tables
from predictor.data.simulation.outcomes import (
    SPREAD,
    RatingModel,
    draw_harms,
    end_probability,
    end_score,
    harm_probabilities,
    individual_benefit,
    label_probability,
    look_up,
)
from predictor.data.simulation.patients import DOSE_EFFECTS, DOSE_SHARES, draw_patients, linear_predictor
from predictor.data.simulation.records import Records, record_courses

__all__ = ["simulate_cohort"]

Array = NDArray[np.float64]
Streams = Mapping[str, np.random.Generator]

INTERCEPT = 0.16
SECOND_COURSES = 0.03
REMISSION_AT_MOST = 10.0


def simulate_cohort(patients: int, *, seed: int, **options: Any) -> SimulatedCohort:
    """Simulate a cohort of people with treatment-resistant depression whose true probabilities are known.

    Columns of ``truth``, one row per course. ``X`` stands for ``ketamine`` and for ``comparator``, and
    without a suffix a column is about the treatment received:

    - ``lp_X``: η; improvement % = 50 + 18·(η + standard logistic error), the error shared by both potential
      outcomes.
    - ``benefit``: points of improvement % of the planned dose over the comparator; ``benefit_expected``:
      its mean given the recorded columns.
    - ``end_X``, ``response_X``, ``remission_X``: potential outcomes, free of rating error.
    - ``p_true_end_X``, ``p_true_remission_X``: their probabilities given covariates, site, dose and true
      baseline, by the exact formula; under the comparator also given the patient's own benefit.
    - ``p_response_X``, ``p_remission_X``: probability of the label a clinic would *record*, given besides
      the recorded baseline rating: summed exactly over the true end score, its rating error, and whether
      dissociation flatters it. No model can know more; one that does not know the true baseline, the site
      or a missing value knows less. The same for every visit from day 14 to 30, when the true score stays
      at its end value.
    - ``response_rated``, ``remission_rated``: that label at the week-4 visit, also where the visit was
      missed.
    - ``p_HARM_X``, ``HARM``: true probability of each harm under either treatment, and whether it happened.

    Parameters
    ----------
    patients : int
        Number of patients; 3 % of them have two courses, for which their covariates stay the same.
    seed : int
        Same seed and options: the same cohort.
    **options
        Fields of `Settings`: sites, scale, site_sd, null, missing, dirt, mislabelled_units, comparator,
        rating_error, unblinding, site_seed.

    Raises
    ------
    ValueError
        Where a setting is impossible.
    """
    settings = Settings(patients=patients, seed=seed, **options)
    streams = open_streams(settings)
    sites = draw_sites(settings)
    people = _draw_people(settings, sites=sites, streams=streams)
    courses = _draw_courses(people, settings=settings, rng=streams["courses"])
    ratings = _rating_model(settings)
    entry = ratings.rate(courses["madrs"].to_numpy(float), rng=streams["ratings"], entry=True)
    courses = _assign(courses, entry=entry, settings=settings, rng=streams["courses"])
    truth = _true_outcomes(courses, settings=settings, streams=streams)
    records = record_courses(
        courses, truth=truth, entry=entry, ratings=ratings, settings=settings, streams=streams
    )
    truth = _rated_labels(truth, courses=courses, records=records, ratings=ratings)
    tables = export_tables(
        people, courses=courses, truth=truth, records=records, settings=settings, streams=streams
    )
    return SimulatedCohort(tables=tables, truth=truth, settings=settings)


def _rating_model(settings: Settings) -> RatingModel:
    unblinding = RatingModel.unblinding if settings.unblinding else 0.0
    if settings.null or not settings.rating_error:
        return RatingModel(error_sd=0.0, entry_inflation=0.0, unblinding=unblinding)
    return RatingModel(unblinding=unblinding)


def _draw_people(settings: Settings, *, sites: pd.DataFrame, streams: Streams) -> pd.DataFrame:
    people = draw_patients(settings.patients, rng=streams["patients"])
    of_site = streams["patients"].integers(0, settings.sites, settings.patients)
    people["patient_id"] = np.char.mod("SIM-%06d", np.arange(1, settings.patients + 1))
    people["lp"] = linear_predictor(people, scale=0.0 if settings.null else settings.scale)
    return pd.concat([people, sites.iloc[of_site].reset_index(drop=True)], axis=1)


def _draw_courses(people: pd.DataFrame, *, settings: Settings, rng: np.random.Generator) -> pd.DataFrame:
    """One row per course: its patient's columns, its number, first day, and the dose planned if treated."""
    n = len(people)
    again = np.flatnonzero(rng.random(n) < SECOND_COURSES)
    patient = np.concatenate([np.arange(n), again])
    first_day = rng.integers(0, 6 * 365, n)
    start = np.concatenate([first_day, first_day[again] + rng.integers(200, 400, len(again))])
    courses = people.iloc[patient].reset_index(drop=True)
    courses["number"] = np.concatenate([np.ones(n, int), np.full(len(again), 2)])
    courses["course_id"] = courses["patient_id"] + "-C" + courses["number"].astype(str)
    courses["start"] = start
    doses = rng.choice(list(DOSE_SHARES), size=len(courses), p=list(DOSE_SHARES.values()))
    courses["planned_dose"] = 0.5 if settings.null else doses
    return courses


def _assign(
    courses: pd.DataFrame, *, entry: Array, settings: Settings, rng: np.random.Generator
) -> pd.DataFrame:
    """Randomise 1:1 in a third of the sites; elsewhere treat the more severe and resistant more often."""
    failed = np.log(courses["n_failed"].to_numpy(float) / 3)
    by_indication = expit(1.0 + 0.06 * (entry - 34.5) + 0.5 * failed)
    propensity = np.where(courses["randomised"], 0.5, by_indication)
    chance = rng.random(len(courses))
    if not settings.comparator:
        propensity = np.ones(len(courses))
    return courses.assign(propensity=propensity, treated=chance < propensity)


def _true_outcomes(courses: pd.DataFrame, *, settings: Settings, streams: Streams) -> pd.DataFrame:
    """Both potential outcomes of every course with their exact probabilities, and the harms."""
    baseline = courses["madrs"].to_numpy(float)
    dose = courses["planned_dose"].to_numpy(float)
    at_half_mg = INTERCEPT + courses["lp"].to_numpy(float) + courses["intercept"].to_numpy(float)
    dose_effect = look_up(DOSE_EFFECTS, keys=dose)
    expected, benefit = individual_benefit(courses, rng=streams["outcomes"])
    eta = {"ketamine": at_half_mg + dose_effect, "comparator": at_half_mg - benefit / SPREAD}
    error = streams["outcomes"].logistic(size=len(courses))
    truth = courses[
        ["course_id", "patient_id", "site", "treated", "randomised", "propensity", "planned_dose"]
    ].copy()
    truth["madrs_true"] = baseline
    truth["benefit"] = benefit + SPREAD * dose_effect
    truth["benefit_expected"] = expected + SPREAD * dose_effect
    for arm, value in eta.items():
        improvement = 50 + SPREAD * (value + error)
        end = end_score(baseline, improvement=improvement)
        half = np.floor(baseline / 2)
        truth[f"lp_{arm}"] = value
        truth[f"improvement_{arm}"] = improvement
        truth[f"end_{arm}"] = end
        truth[f"response_{arm}"] = end <= half
        truth[f"remission_{arm}"] = end <= REMISSION_AT_MOST
        truth[f"p_true_end_{arm}"] = end_probability(value, true_baseline=baseline, at_most=half)
        truth[f"p_true_remission_{arm}"] = end_probability(
            value, true_baseline=baseline, at_most=REMISSION_AT_MOST
        )
    treated = courses["treated"].to_numpy(bool)
    probabilities = harm_probabilities(courses, dose=dose)
    for harm, happened in draw_harms(probabilities, treated=treated, rng=streams["harms"]).items():
        truth[f"p_{harm}_ketamine"], truth[f"p_{harm}_comparator"] = probabilities[harm]
        truth[harm] = happened
    received = ["lp", "improvement", "end", "response", "remission", "p_true_end", "p_true_remission"]
    return truth.assign(**{name: _received(truth, name) for name in received})


def _received(truth: pd.DataFrame, name: str) -> NDArray[Any]:
    return np.where(truth["treated"], truth[f"{name}_ketamine"], truth[f"{name}_comparator"])


def _rated_labels(
    truth: pd.DataFrame, *, courses: pd.DataFrame, records: Records, ratings: RatingModel
) -> pd.DataFrame:
    """Add the recorded labels and their probabilities given all that is known before treatment."""
    half = np.floor(records.baseline / 2)
    true_baseline = courses["madrs"].to_numpy(float)
    added: dict[str, Any] = {
        "madrs_rated_baseline": records.baseline,
        "response_rated": records.week4 <= half,
        "remission_rated": records.week4 <= REMISSION_AT_MOST,
    }
    flattered = (
        truth["p_dissociation_ketamine"].to_numpy(float) if ratings.unblinding else np.zeros(len(truth))
    )
    for label, at_most in {"response": half, "remission": np.full(len(truth), REMISSION_AT_MOST)}.items():
        for arm, share in {"ketamine": flattered, "comparator": np.zeros(len(truth))}.items():
            eta = truth[f"lp_{arm}"].to_numpy(float)
            plain = label_probability(eta, true_baseline=true_baseline, at_most=at_most, ratings=ratings)
            added[f"p_{label}_{arm}"] = plain
            if share.any():
                gained = eta + ratings.unblinding / SPREAD
                kinder = label_probability(
                    gained, true_baseline=true_baseline, at_most=at_most, ratings=ratings
                )
                added[f"p_{label}_{arm}"] = (1 - share) * plain + share * kinder
    truth = truth.assign(**added)
    return truth.assign(**{name: _received(truth, name) for name in ("p_response", "p_remission")})
