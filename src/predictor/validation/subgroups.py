"""Does it do as well for everybody? Out-of-fold predictions of declared subgroups: functions of arrays.

A difference between subgroups is described, not explained, and a small subgroup is not judged: its figures stand
with their limits and raise no flag.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from predictor.validation.calibration import calibration_intercept, calibration_slope
from predictor.validation.discrimination import within_fold_auc
from predictor.validation.procedures import Positions, Procedure, over_repeats, table_row
from predictor.validation.uncertainty import cluster_weights, expanded_level, weighted_mean
from predictor.validation.utility import net_benefit

__all__ = ["COLUMNS", "FEWEST_TO_JUDGE", "SMALLEST_CELL", "subgroup_performance"]

Floats = NDArray[np.float64]

FEWEST_TO_JUDGE = 100  # events and non-events, below which no flag is raised
FEWEST = 20  # events and non-events, below which only observed minus expected is given
SMALLEST_CELL = 10  # patients, events or non-events
AUC_MARGIN, GAP_MARGIN, SLOPE_LIMITS = 0.05, 0.05, (0.8, 1.25)
COLUMNS = ["by", "subgroup", "n", "events", "metric", "threshold", "value", "low", "high", "flag", "note"]
SUPPRESSED = f"< {SMALLEST_CELL}"
WITHHELD = f"{SMALLEST_CELL} or more"


def subgroup_performance(
    judged: Procedure,
    y: Floats,
    groups: NDArray[np.int64],
    labels: Mapping[str, NDArray[np.str_]],
    *,
    thresholds: Sequence[float],
    level: float,
    resamples: int,
    seed: int,
) -> pd.DataFrame:
    """Evaluate the judged procedure in each subgroup of each declared column.

    Parameters
    ----------
    judged : Procedure
    y : ndarray of shape (n,)
    groups : ndarray of int of shape (n,)
        Patient, or cluster; whole ones are resampled, the same for every subgroup.
    labels : mapping of str to ndarray of str of shape (n,)
        By column, the subgroup of each patient; empty where it is not known.
    thresholds : sequence of float
    level : float
    resamples, seed : int

    Returns
    -------
    DataFrame
        `COLUMNS`. One row per metric: ``auc`` (pairs within folds), ``calibration_intercept``, ``calibration_slope``,
        ``observed_minus_expected`` and ``net_benefit`` at each threshold. ``n`` and ``events`` are texts: below 10
        patients, events or non-events they read "< 10" and nothing else is said; where a single cell of a column is
        that small, the next smallest reads "10 or more", so that it cannot be told by subtraction. Flags, from 100
        events and 100 non-events on: AUC at least 0.05 below that of the column's other patients, observed and
        expected at least 5 points apart, slope outside 0.8 to 1.25.
    """
    weights = np.vstack([np.ones((1, len(y))), cluster_weights(groups, resamples=resamples, seed=seed)])
    rows: list[dict[str, object]] = []
    for by, names in labels.items():
        counts = _counts(names, y)
        for name, (n, events) in counts.items():
            here = names == name
            place = {"by": by, "subgroup": name, "n": n, "events": events, "flag": "", "note": ""}
            if n == SUPPRESSED or events == SUPPRESSED:
                note = f"fewer than {SMALLEST_CELL} patients, events or non-events: not shown"
                rows.append({**place, "metric": "", "note": note})
                continue
            read = expanded_level(level, len(np.unique(groups[here])))
            found = _figures(judged, y, weights, here, thresholds=thresholds, level=read)
            others = (names != "") & ~here
            rows += [{**place, **one} for one in _judged(list(found), judged, y, here, others)]
    return pd.DataFrame(rows, columns=COLUMNS)


def _counts(names: NDArray[np.str_], y: Floats) -> dict[str, tuple[str, str]]:
    """Patients and events of each subgroup as texts, small ones suppressed."""
    sizes = {str(name): int((names == name).sum()) for name in np.unique(names[names != ""])}
    small = [name for name, n in sizes.items() if n < SMALLEST_CELL]
    larger = sorted((n, name) for name, n in sizes.items() if n >= SMALLEST_CELL)
    hidden = larger[0][1] if len(small) == 1 and larger else None
    found = {}
    for name, n in sizes.items():
        events = int(y[names == name].sum())
        if n < SMALLEST_CELL:
            found[name] = (SUPPRESSED, SUPPRESSED)
        elif min(events, n - events) < SMALLEST_CELL:
            found[name] = (WITHHELD if name == hidden else str(n), SUPPRESSED)
        else:
            found[name] = (WITHHELD, WITHHELD) if name == hidden else (str(n), str(events))
    return found


def _figures(
    judged: Procedure,
    y: Floats,
    weights: Floats,
    here: NDArray[np.bool_],
    *,
    thresholds: Sequence[float],
    level: float,
) -> Iterator[dict[str, object]]:
    one, outcome, w = _only(judged, here), y[here], weights[:, here]
    gap = over_repeats(one, lambda p, _: weighted_mean(outcome - p, w))
    yield _row(one, gap, level, "observed_minus_expected")
    if min(outcome.sum(), len(outcome) - outcome.sum()) < FEWEST:
        return
    yield _row(one, over_repeats(one, partial(_auc, outcome, w)), level, "auc")
    intercept = over_repeats(one, lambda p, _: calibration_intercept(outcome, p, weights=w))
    yield _row(one, intercept, level, "calibration_intercept")
    slope = over_repeats(one, lambda p, _: calibration_slope(outcome, p, weights=w))
    yield _row(one, slope, level, "calibration_slope")
    benefit = over_repeats(one, lambda p, _: net_benefit(outcome, p, thresholds, weights=w))
    for i, threshold in enumerate(thresholds):
        yield _row(one, benefit[:, i], level, "net_benefit", threshold=float(threshold))


def _only(one: Procedure, here: NDArray[np.bool_]) -> Procedure:
    return Procedure(one.name, one.kind, one.p[:, here], one.fold[:, here])


def _auc(y: Floats, weights: Floats, p: Floats, fold: Positions) -> Floats:
    return np.asarray(within_fold_auc(y, p, fold, weights=weights))


def _row(
    one: Procedure, draws: Floats, level: float, metric: str, *, threshold: float = np.nan
) -> dict[str, object]:
    found = table_row(one, draws, level, metric=metric, threshold=threshold)
    return {name: found[name] for name in ("metric", "threshold", "value", "low", "high")}


def _judged(
    rows: list[dict[str, object]],
    judged: Procedure,
    y: Floats,
    here: NDArray[np.bool_],
    others: NDArray[np.bool_],
) -> list[dict[str, object]]:
    """Raise the flags of a subgroup that is large enough, and say of the others that they are too small."""
    events = float(y[here].sum())
    if min(events, here.sum() - events) < FEWEST_TO_JUDGE:
        note = "too few to judge"  # fewer than 100 events or non-events, as the report says above the table
        return [{**row, "note": note} for row in rows]
    elsewhere = np.nan
    if len(np.unique(y[others])) == 2:
        auc_of_others = partial(_auc, y[others], np.ones((1, int(others.sum()))))
        elsewhere = float(over_repeats(_only(judged, others), auc_of_others)[0])
    return [{**row, "flag": _flag(str(row["metric"]), float(str(row["value"])), elsewhere)} for row in rows]


def _flag(metric: str, value: float, elsewhere: float) -> str:
    if metric == "auc" and elsewhere - value >= AUC_MARGIN:
        return f"AUC {elsewhere - value:.2f} below the others"
    if metric == "observed_minus_expected" and abs(value) >= GAP_MARGIN:
        return f"observed {abs(100 * value):.0f} points {'above' if value > 0 else 'below'} expected"
    low, high = SLOPE_LIMITS
    if metric == "calibration_slope" and not low <= value <= high and np.isfinite(value):
        return f"slope {value:.2f}"
    return ""
