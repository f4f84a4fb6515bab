"""What happened to them: response, remission, change and events, and why an outcome is missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from predictor.cohort.conditions import is_one_of
from predictor.cohort.selection import Cohort
from predictor.cohort.windows import (
    Timeline,
    assessed_rows,
    attribute,
    baseline_rows,
    measure_of,
    rows_in_window,
)
from predictor.config.schema import (
    AnyOutcome,
    Baseline,
    ChangeOutcome,
    EventOutcome,
    RemissionOutcome,
    ResponseOutcome,
    Window,
)

__all__ = ["Outcome", "define_outcome", "define_outcomes", "is_response", "sensitivity"]

OBSERVED = "observed"
NO_SCORE, NOT_RECORDED = "no score in the assessment window", "not recorded"
NOT_ASSESSED = (NO_SCORE, NOT_RECORDED)
LAST_DAY = 100 * 366  # no end: a dated event without a window counts whenever it comes after day 0


@dataclass(frozen=True)
class Outcome:
    """One outcome of every unit.

    Parameters
    ----------
    name : str
    kind : {"response", "remission", "change", "event"}
    label : ndarray of float of shape (units,)
        1 or 0 after the declared strategy for missing outcomes, NaN where not evaluable; the change itself for
        ``change``.
    why : ndarray of str of shape (units,)
        ``observed``, or why the outcome is missing.
    baseline, follow_up : ndarray of float of shape (units,)
        The two scores behind the label; NaN for events.
    """

    name: str
    kind: str
    label: np.ndarray
    why: np.ndarray
    baseline: np.ndarray
    follow_up: np.ndarray

    @property
    def unassessed(self) -> np.ndarray:
        """Units that could have had the outcome and were not assessed, whatever label the strategy gave them."""
        return np.isin(self.why.astype(str), NOT_ASSESSED)

    @property
    def evaluable(self) -> np.ndarray:
        """Units with a label."""
        return np.asarray(np.isfinite(self.label))

    def missing_reasons(self) -> pd.DataFrame:
        """Count of units per reason, the observed ones first."""
        counts = pd.Series(self.why).value_counts()
        order = [OBSERVED, *sorted(set(counts.index) - {OBSERVED})]
        return pd.DataFrame({"reason": order, "n": [int(counts.get(reason, 0)) for reason in order]})


def is_response(baseline: np.ndarray, follow_up: np.ndarray, *, reduction: float) -> np.ndarray:
    """Return 1 where the score fell by at least ``reduction`` of its baseline value, NaN where that is undefined.

    Parameters
    ----------
    baseline, follow_up : ndarray of float
        Scores for which lower is better. A baseline that is not above 0 leaves the response undefined.
    reduction : float
        Inclusive: a fall of exactly half is a response at 0.5.

    Notes
    -----
    ``(baseline − follow_up) / baseline ≥ reduction``, compared as ``baseline − follow_up ≥ reduction · baseline`` with
    a tolerance of 1e-9, so that decimal scores such as 28.571 do not lose an exact third to rounding.
    """
    defined = np.isfinite(baseline) & np.isfinite(follow_up) & (baseline > 0)
    fell = np.asarray(baseline - follow_up >= reduction * baseline - 1e-9, dtype=float)
    return np.asarray(np.where(defined, fell, np.nan))


def define_outcomes(
    cohort: Cohort, outcomes: Mapping[str, AnyOutcome], *, baseline: Baseline
) -> dict[str, Outcome]:
    """Define every declared outcome on the same units.

    Parameters
    ----------
    cohort : Cohort
    outcomes : mapping of str to outcome section
    baseline : Baseline
    """
    return {
        name: define_outcome(cohort.timeline, name, outcome, baseline=baseline)
        for name, outcome in outcomes.items()
    }


def define_outcome(
    timeline: Timeline, name: str, outcome: AnyOutcome, *, baseline: Baseline, take: str = "last"
) -> Outcome:
    """Define one outcome.

    Parameters
    ----------
    timeline : Timeline
    name : str
    outcome : outcome section of the config
    baseline : Baseline
        Window of the score that the follow-up is compared with.
    take : {"last", "first"}
        Which baseline score; ``first`` serves the sensitivity table only.
    """
    if isinstance(outcome, EventOutcome):
        return _event(timeline, name, outcome)
    n = len(timeline.units)
    before = _baseline_score(timeline, outcome.measure, baseline, take)
    after = np.full(n, np.nan)
    found = assessed_rows(timeline, outcome.measure, outcome.assessed)
    after[found.index.to_numpy(int)] = found["value"].to_numpy(float)
    label = _label(outcome, before, after)
    why = np.full(n, OBSERVED, dtype=object)
    why[np.isnan(after)] = NO_SCORE
    if isinstance(outcome, ResponseOutcome):
        why[before <= 0] = "baseline score is 0"
    if not isinstance(outcome, RemissionOutcome):
        why[np.isnan(before)] = "no baseline score"
    if outcome.if_missing == "non_responder":
        # Without a baseline above 0 there is no response to miss.
        label[np.isnan(after) & ((before > 0) | isinstance(outcome, RemissionOutcome))] = 0.0
    return Outcome(name=name, kind=outcome.kind, label=label, why=why, baseline=before, follow_up=after)


def sensitivity(timeline: Timeline, name: str, outcome: AnyOutcome, *, baseline: Baseline) -> pd.DataFrame:
    """Count evaluable units and responders under each strategy that was not chosen as well.

    Parameters
    ----------
    timeline : Timeline
    name : str
    outcome : outcome section
    baseline : Baseline

    Returns
    -------
    pandas.DataFrame
        ``strategy``, ``n``, ``events``, ``declared`` (whether it is the config's own choice).
    """
    if isinstance(outcome, ChangeOutcome):
        return pd.DataFrame(columns=["strategy", "n", "events", "declared"])
    missing = "non_event" if isinstance(outcome, EventOutcome) else "non_responder"
    cases = [
        ("exclude", "last", "missing outcomes left out"),
        (missing, "last", "missing outcomes count as no event"),
    ]
    if isinstance(outcome, ResponseOutcome):
        cases.append(("exclude", "first", "missing left out; first instead of last baseline score"))
    rows = []
    for strategy, take, words in cases:
        label = define_outcome(
            timeline, name, outcome.model_copy(update={"if_missing": strategy}), baseline=baseline, take=take
        ).label
        # Imputed outcomes are counted as left out: what they were drawn as is no observation.
        chosen = "exclude" if outcome.if_missing == "impute" else outcome.if_missing
        declared = strategy == chosen and take == "last"
        rows.append(
            {
                "strategy": words,
                "n": int(np.isfinite(label).sum()),
                "events": int(np.nansum(label)),
                "declared": declared,
            }
        )
    return pd.DataFrame(rows)


def _baseline_score(timeline: Timeline, measure: str, baseline: Baseline, take: str) -> np.ndarray:
    rows = baseline_rows(timeline, baseline)
    scores = rows.loc[measure_of(rows["reference"]) == measure].groupby("unit")["value"]
    taken = scores.last() if take == "last" else scores.first()
    return np.asarray(taken.reindex(range(len(timeline.units))), dtype=float)


def _label(
    outcome: ResponseOutcome | RemissionOutcome | ChangeOutcome, before: np.ndarray, after: np.ndarray
) -> np.ndarray:
    if isinstance(outcome, ResponseOutcome):
        return is_response(before, after, reduction=outcome.reduction)
    if isinstance(outcome, RemissionOutcome):
        return np.where(np.isnan(after), np.nan, np.asarray(after <= outcome.at_most, dtype=float))
    return np.asarray(before - after, dtype=float)


def _event(timeline: Timeline, name: str, outcome: EventOutcome) -> Outcome:
    nothing = np.full(len(timeline.units), np.nan)
    values = attribute(timeline, outcome.column)
    label = nothing.copy()
    if outcome.assessed is not None or values is None:
        window = outcome.assessed or Window(first_day=1, last_day=LAST_DAY)
        rows = rows_in_window(timeline, outcome.column, window)
        label[rows["unit"].to_numpy(int)] = 0.0
        label[rows.loc[is_one_of(rows["value"], outcome.in_), "unit"].to_numpy(int)] = 1.0
    else:
        label = np.where(values.notna().to_numpy(bool), is_one_of(values, outcome.in_).astype(float), np.nan)
    why = np.where(np.isnan(label), NOT_RECORDED, OBSERVED).astype(object)
    if outcome.if_missing == "non_event":
        label = np.where(np.isnan(label), 0.0, label)
    return Outcome(name=name, kind="event", label=label, why=why, baseline=nothing, follow_up=nothing)
