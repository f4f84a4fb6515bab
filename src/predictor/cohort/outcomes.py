"""What happened to them: response, remission, change and events, and why an outcome is missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from predictor.cohort.conditions import is_one_of
from predictor.cohort.harms import find_harm
from predictor.cohort.intercurrent import FirstEvents, find_first_events, last_scores_before
from predictor.cohort.relapse import find_relapses
from predictor.cohort.selection import Cohort
from predictor.cohort.timeline import Timeline, measure_of
from predictor.cohort.windows import assessed_rows, baseline_rows, rows_in_window
from predictor.config.schema import (
    AdverseEventOutcome,
    AnyOutcome,
    Baseline,
    ChangeOutcome,
    DropoutOutcome,
    EventOutcome,
    RelapseOutcome,
    RemissionOutcome,
    ResponseOutcome,
    Window,
)

__all__ = ["Outcome", "define_outcome", "define_outcomes", "is_response", "sensitivity"]

OBSERVED = "observed"
NO_SCORE, NOT_RECORDED = "no score in the assessment window", "not recorded"
NOT_CONFIRMED = "no second score to confirm the first"
HYPOTHETICAL = "an event before the assessment made its score unknowable"
NOT_ASSESSED = (NO_SCORE, NOT_RECORDED, NOT_CONFIRMED, HYPOTHETICAL)
NO_RESPONSE, TOO_SHORT = "no response, so no relapse", "followed for too short a time"
LAST_DAY = 100 * 366  # no end: a dated event without a window counts whenever it comes after day 0


@dataclass(frozen=True)
class Outcome:
    """One outcome of every unit.

    Parameters
    ----------
    name : str
    kind : {"response", "remission", "change", "event", "adverse_event", "dropout", "relapse"}
    label : ndarray of float of shape (units,)
        1 or 0 after the declared strategy for missing outcomes, NaN where not evaluable; the change itself for
        ``change``.
    why : ndarray of str of shape (units,)
        ``observed``, or why the outcome is missing.
    baseline, follow_up : ndarray of float of shape (units,)
        The two scores behind the label; NaN for events.
    time, event : ndarray of float of shape (units,) or None
        For a relapse: days from the response to the relapse or the end of follow-up, and which of the two it was.
    """

    name: str
    kind: str
    label: np.ndarray
    why: np.ndarray
    baseline: np.ndarray
    follow_up: np.ndarray
    time: np.ndarray | None = None
    event: np.ndarray | None = None

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
    if isinstance(outcome, AdverseEventOutcome):
        return _recorded(name, outcome, find_harm(timeline, outcome, baseline=baseline))
    if isinstance(outcome, DropoutOutcome):
        return _recorded(
            name, outcome, np.isnan(_scores(timeline, outcome.measure, outcome.assessed)[0]).astype(float)
        )
    before = _baseline_score(timeline, outcome.measure, baseline, take)
    if isinstance(outcome, RelapseOutcome):
        return _relapse(timeline, name, outcome, before)
    after, day = _scores(timeline, outcome.measure, outcome.assessed)
    until = np.where(np.isnan(day), outcome.assessed.last_day, day)
    second, confirmed_on = _second(timeline, outcome)
    until = until if second is None else np.where(np.isnan(confirmed_on), _last_day(outcome), confirmed_on)
    events = find_first_events(timeline, outcome.intercurrent, until)
    stopped = events.with_strategy("while_on_treatment")
    after = np.where(stopped, last_scores_before(timeline, outcome.measure, events.day)[0], after)
    label = _label(outcome, before, after)
    why = np.full(len(after), OBSERVED, dtype=object)
    why[np.isnan(after)] = NO_SCORE
    if second is not None:
        label, why = _both(label, _label(outcome, before, second), why)
    if isinstance(outcome, ResponseOutcome):
        why[before <= 0] = "baseline score is 0"
    if not isinstance(outcome, RemissionOutcome):
        why[np.isnan(before)] = "no baseline score"
    label, why = _with_events(label, why, events, possible=_possible(outcome, before))
    if outcome.if_missing == "non_responder":
        # Without a baseline above 0 there is no response to miss.
        label[np.isin(why.astype(str), NOT_ASSESSED) & _possible(outcome, before)] = 0.0
    return Outcome(name=name, kind=outcome.kind, label=label, why=why, baseline=before, follow_up=after)


def _scores(timeline: Timeline, measure: str, window: Window) -> tuple[np.ndarray, np.ndarray]:
    """Score and day of the assessment that a window asks for, NaN where there is none."""
    found = assessed_rows(timeline, measure, window).reindex(range(len(timeline.units)))
    return found["value"].to_numpy(float), found["day"].to_numpy(float)


def _second(
    timeline: Timeline, outcome: ResponseOutcome | RemissionOutcome | ChangeOutcome
) -> tuple[np.ndarray | None, np.ndarray]:
    if isinstance(outcome, ChangeOutcome) or outcome.confirmed is None:
        return None, np.empty(0)
    return _scores(timeline, outcome.measure, outcome.confirmed)


def _last_day(outcome: ResponseOutcome | RemissionOutcome | ChangeOutcome) -> int:
    confirmed = None if isinstance(outcome, ChangeOutcome) else outcome.confirmed
    return (confirmed or outcome.assessed).last_day


def _both(one: np.ndarray, two: np.ndarray, why: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whether both assessments show it; one that does not is enough for no, and one that is missing leaves it open."""
    label = np.where((one == 0) | (two == 0), 0.0, np.where((one == 1) & (two == 1), 1.0, np.nan))
    why = np.where(np.isfinite(label), OBSERVED, np.where(np.isfinite(one), NOT_CONFIRMED, why)).astype(
        object
    )
    return label, why


def _possible(outcome: ResponseOutcome | RemissionOutcome | ChangeOutcome, before: np.ndarray) -> np.ndarray:
    """Whether the baseline allows the outcome at all."""
    return np.asarray((before > 0) | isinstance(outcome, RemissionOutcome))


def _with_events(
    label: np.ndarray, why: np.ndarray, events: FirstEvents, *, possible: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Count events by their strategies: the event is no response, or what would have been is not known."""
    composite, hypothetical = events.with_strategy("composite"), events.with_strategy("hypothetical")
    label = np.where(composite & possible, 0.0, np.where(hypothetical, np.nan, label))
    why = np.where(composite & possible, OBSERVED, np.where(hypothetical & possible, HYPOTHETICAL, why))
    return label, why.astype(object)


def _recorded(name: str, outcome: AdverseEventOutcome | DropoutOutcome, label: np.ndarray) -> Outcome:
    nothing = np.full(len(label), np.nan)
    why = np.where(np.isnan(label), NOT_RECORDED, OBSERVED).astype(object)
    if outcome.if_missing == "non_event":
        label = np.where(np.isnan(label), 0.0, label)
    return Outcome(name=name, kind=outcome.kind, label=label, why=why, baseline=nothing, follow_up=nothing)


def _relapse(timeline: Timeline, name: str, outcome: RelapseOutcome, before: np.ndarray) -> Outcome:
    after, day = _scores(timeline, outcome.measure, outcome.assessed)
    response = is_response(before, after, reduction=outcome.reduction)
    followed = find_relapses(
        timeline, outcome, baseline=before, responded_on=np.where(response == 1, day, np.nan)
    )
    within = followed.time <= outcome.within
    relapsed = (followed.relapsed == 1) & within
    stayed = (followed.relapsed == 1) & ~within | (followed.relapsed == 0) & (followed.time >= outcome.within)
    label = np.where(relapsed, 1.0, np.where(stayed, 0.0, np.nan))
    why = np.where(np.isfinite(label), OBSERVED, np.where(response == 1, TOO_SHORT, NO_RESPONSE)).astype(
        object
    )
    why[np.isnan(after)] = NO_SCORE
    why[np.isnan(before)] = "no baseline score"
    return Outcome(
        name=name,
        kind=outcome.kind,
        label=label,
        why=why,
        baseline=before,
        follow_up=after,
        time=followed.time,
        event=followed.relapsed,
    )


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
    if isinstance(outcome, ChangeOutcome | DropoutOutcome | RelapseOutcome):
        return pd.DataFrame(columns=["strategy", "n", "events", "declared"])
    rows = []
    for words, other, take, declared in _alternatives(outcome):
        label = define_outcome(timeline, name, other, baseline=baseline, take=take).label
        row = {"strategy": words, "n": int(np.isfinite(label).sum()), "events": int(np.nansum(label))}
        rows.append({**row, "declared": declared})
    return pd.DataFrame(rows)


def _alternatives(outcome: AnyOutcome) -> Iterator[tuple[str, AnyOutcome, str, bool]]:
    """Yield each strategy in words, the outcome with it, which baseline score it takes, and whether it was declared."""
    recorded = isinstance(outcome, EventOutcome | AdverseEventOutcome)
    missing = "non_event" if recorded else "non_responder"
    # Imputed outcomes are counted as left out: what they were drawn as is no observation.
    chosen = "exclude" if outcome.if_missing == "impute" else outcome.if_missing
    for strategy, words in (("exclude", "left out"), (missing, "count as no event")):
        other = outcome.model_copy(update={"if_missing": strategy})
        yield f"missing outcomes {words}", other, "last", strategy == chosen
    excluded = outcome.model_copy(update={"if_missing": "exclude"})
    if isinstance(outcome, ResponseOutcome):
        yield "missing left out; first instead of last baseline score", excluded, "first", False
    if isinstance(outcome, ResponseOutcome | RemissionOutcome) and outcome.intercurrent:
        policy = excluded.model_copy(update={"intercurrent": {}})
        yield "missing left out; scores as they are in spite of intercurrent events", policy, "last", False


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
    values = timeline.attributes.get(outcome.column)
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
