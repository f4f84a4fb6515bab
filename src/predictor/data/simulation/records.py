"""What a clinic records of each simulated course: ratings over time, drop-out, follow-up, and gaps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, logit

from predictor.data.simulation.design import Settings
from predictor.data.simulation.outcomes import RatingModel, end_score, relapse_days

__all__ = ["VISIT_DAYS", "Records", "record_courses"]

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
Streams = Mapping[str, np.random.Generator]

VISIT_DAYS = (7, 14, 21, 28, 56, 84, 119, 147, 182)
LAST_DAY = 182
SHARE_OF_EFFECT = {7: 0.6}
INFUSION_DAYS = (0, 3, 7, 10, 14, 17)
RESPONDERS, UNEMPLOYED = 0.52, 0.55
SCALE_GAP = 0.03
COLUMN_GAPS = {
    "crp": 0.25,
    "cortisol": 0.40,
    "b12": 0.40,
    "bdnf": 0.60,
    "adiponectin": 0.60,
    "met_carrier": 0.55,
    "processing_speed": 0.45,
}


@dataclass(frozen=True)
class Records:
    """Ratings and events of every course; NaN in a rating means that it was never made.

    Parameters
    ----------
    entry, screening, acute : ndarray of shape (n,)
        MADRS in the week before the first infusion, two to four weeks before it, and four hours after it.
    visits : ndarray of shape (n, len(VISIT_DAYS))
        MADRS at each visit after day 0.
    baseline, week4 : ndarray of shape (n,)
        The last rating on record before treatment (``entry`` where neither is on record), and the week-4
        rating including those that were never made: what the rated label is computed from.
    gad7_entry, gad7_week4, ctq : ndarray of shape (n,)
        Questionnaires.
    infusions, weekly, cbt, relapse_day, last_day : ndarray of shape (n,)
        Infusions received of six; maintenance and CBT after response; day of relapse (inf: none before loss
        or day 182; NaN: no responder); last day under observation.
    missing : mapping of str to ndarray of bool
        Gaps in the columns of the patients' and the biomarkers' table, one per course.
    """

    entry: Array
    screening: Array
    acute: Array
    visits: Array
    baseline: Array
    week4: Array
    gad7_entry: Array
    gad7_week4: Array
    ctq: Array
    infusions: Array
    weekly: Flags
    cbt: Flags
    relapse_day: Array
    last_day: Array
    missing: Mapping[str, Flags]


def record_courses(
    courses: pd.DataFrame,
    *,
    truth: pd.DataFrame,
    entry: Array,
    ratings: RatingModel,
    settings: Settings,
    streams: Streams,
) -> Records:
    """Rate, follow and lose the patients of every course.

    The full effect is reached on day 14 and stays until relapse; on day 7 there is 60 % of it, four hours
    after the first infusion half of it. The true score of a responder who relapses returns to 80 % of the
    way back.

    Parameters
    ----------
    courses, truth : pandas.DataFrame
        One row per course.
    entry : ndarray of shape (n,)
        Rating before the first infusion.
    ratings : RatingModel
        How ratings differ from true scores.
    settings : Settings
        Which gaps there are.
    streams : mapping of str to numpy.random.Generator
        One per kind of randomness.
    """
    n = len(courses)
    true_baseline = courses["madrs"].to_numpy(float)
    flattered = truth["treated"].to_numpy(bool) & truth["dissociation"].to_numpy(bool)
    improvement = truth["improvement"].to_numpy(float) + ratings.unblinding * flattered
    weekly, cbt = streams["follow_up"].random(n) < 0.4, streams["follow_up"].random(n) < 0.25
    rng = streams["ratings"]
    screening = np.where(rng.random(n) < 0.6, ratings.rate(true_baseline, rng=rng, entry=True), np.nan)
    acute = end_score(true_baseline, improvement=0.5 * improvement)
    acute = np.where(rng.random(n) < 0.25, ratings.rate(acute, rng=rng), np.nan)
    relapse = 28 + relapse_days(
        n_failed=courses["n_failed"].to_numpy(float), weekly=weekly, cbt=cbt, rng=streams["follow_up"]
    )
    scores = _true_scores(
        true_baseline, improvement=improvement, relapse=np.where(truth["response"], relapse, np.inf)
    )
    visits = ratings.rate(scores, rng=rng)
    last_day = _last_days(courses, truth=truth, settings=settings, streams=streams)
    week4 = visits[:, VISIT_DAYS.index(28)].copy()
    gad7 = courses["gad7"].to_numpy(float)
    gad7_week4 = np.round(gad7 * (1 - 0.6 * improvement / 100) + 2 * rng.standard_normal(n)).clip(0, 21)
    ended = np.where(relapse <= np.minimum(last_day, LAST_DAY), relapse, np.inf)
    gaps = _Gaps(settings=settings, rng=streams["gaps"])
    attended = np.where(last_day[:, None] >= np.array(VISIT_DAYS), visits, np.nan)
    recorded_entry, recorded_screening = gaps.score(entry), gaps.score(screening)
    baseline = np.where(np.isnan(recorded_entry), recorded_screening, recorded_entry)
    baseline = np.where(np.isnan(baseline), entry, baseline)
    responded = (week4 <= np.floor(baseline / 2)) & (last_day >= 28)
    return Records(
        entry=recorded_entry,
        screening=recorded_screening,
        acute=gaps.score(acute),
        visits=gaps.score(attended),
        baseline=baseline,
        week4=week4,
        gad7_entry=gaps.score(gad7),
        gad7_week4=gaps.score(np.where(last_day >= 28, gad7_week4, np.nan)),
        ctq=gaps.trauma_score(courses, entry=entry),
        infusions=_infusions(courses, truth=truth, last_day=last_day, rng=streams["attendance"]),
        weekly=weekly,
        cbt=cbt,
        relapse_day=np.where(responded, ended, np.nan),
        last_day=last_day,
        missing=gaps.columns(courses),
    )


def _true_scores(true_baseline: Array, *, improvement: Array, relapse: Array) -> Array:
    """Return true scores at each visit; responders go 80 % of the way back from their day of relapse on."""
    columns = []
    for day in VISIT_DAYS:
        score = end_score(true_baseline, improvement=SHARE_OF_EFFECT.get(day, 1.0) * improvement)
        back = np.round(score + 0.8 * np.maximum(true_baseline - score, 0))
        columns.append(np.where(relapse <= day, back, score))
    return np.stack(columns, axis=1)


def _tendency(courses: pd.DataFrame, *, truth: pd.DataFrame, settings: Settings) -> Array:
    """Return log-odds of leaving: −0.6 for responders (where MNAR), +0.4 without employment."""
    responder = (
        truth["response"].to_numpy(float)
        if settings.missing == "realistic"
        else np.full(len(truth), RESPONDERS)
    )
    return -0.6 * responder + 0.4 * (1 - courses["employed"].to_numpy(float))


def _last_days(courses: pd.DataFrame, *, truth: pd.DataFrame, settings: Settings, streams: Streams) -> Array:
    """Return the last day observed: before day 14 (about 10 %), after week 4 (6 % a month), or 182."""
    n = len(courses)
    rng = streams["attendance"]
    lost = rng.random(n) < expit(-2.2 + _tendency(courses, truth=truth, settings=settings))
    early = np.where(rng.random(n) < 0.5, 0, 7 + 1)
    later = 28 + np.floor(streams["follow_up"].exponential(-30.44 / np.log(0.94), n))
    if settings.missing == "none":
        return np.full(n, float(LAST_DAY))
    return np.minimum(np.where(lost, early, later), LAST_DAY).astype(float)


def _infusions(
    courses: pd.DataFrame, *, truth: pd.DataFrame, last_day: Array, rng: np.random.Generator
) -> Array:
    """Return infusions received: after each about 4 % stop, and nobody comes after being lost."""
    average = -0.6 * RESPONDERS + 0.4 * UNEMPLOYED
    leaning = (
        -0.6 * truth["response"].to_numpy(float) + 0.4 * (1 - courses["employed"].to_numpy(float)) - average
    )
    stays = rng.random((len(courses), len(INFUSION_DAYS) - 1)) >= expit(logit(0.04) + leaning)[:, None]
    attends = last_day[:, None] >= np.array(INFUSION_DAYS[1:])
    return np.asarray(1.0 + np.cumprod(stays & attends, axis=1).sum(axis=1))


@dataclass(frozen=True)
class _Gaps:
    """Single values that were not recorded."""

    settings: Settings
    rng: np.random.Generator

    def _drawn(self, shape: tuple[int, ...], share: Array | float) -> Flags:
        drawn = self.rng.random(shape) < share
        return np.zeros(shape, bool) if self.settings.missing == "none" else drawn

    def score(self, values: Array) -> Array:
        """Blank 3 % of the scores completely at random."""
        return np.where(self._drawn(values.shape, SCALE_GAP), np.nan, values)

    def trauma_score(self, courses: pd.DataFrame, *, entry: Array) -> Array:
        """Blank 20 % of the CTQ at random given sex and severity: more in men and in the severely ill."""
        share = expit(-1.6 + 0.6 * (1 - courses["female"].to_numpy(float)) + 0.4 * (entry - 34.5) / 5.5)
        return np.where(self._drawn((len(courses),), share), np.nan, courses["ctq"].to_numpy(float))

    def columns(self, courses: pd.DataFrame) -> dict[str, Flags]:
        """Gaps of laboratory values, genotype and processing speed; IL-6 is measured in half of the sites."""
        found = {name: self._drawn((len(courses),), share) for name, share in COLUMN_GAPS.items()}
        without = ~courses["measures_cytokines"].to_numpy(bool)
        return {**found, "il6": without & (self.settings.missing != "none")}
