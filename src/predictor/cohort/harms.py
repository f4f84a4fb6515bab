"""Adverse events: any of several recorded signs, limits reached, or rises above baseline."""

from __future__ import annotations

import numpy as np
import pandas as pd

from predictor.cohort.conditions import is_one_of
from predictor.cohort.timeline import Timeline
from predictor.cohort.windows import baseline_rows, rows_in_window
from predictor.config.outcome_sections import Harm
from predictor.config.schema import AdverseEventOutcome, Baseline, Window

__all__ = ["find_harm"]


def find_harm(timeline: Timeline, outcome: AdverseEventOutcome, *, baseline: Baseline) -> np.ndarray:
    """Return 1 for each unit with any sign, 0 where every sign was recorded and none was met, else NaN.

    Parameters
    ----------
    timeline : Timeline
    outcome : AdverseEventOutcome
    baseline : Baseline
    """
    signs = np.column_stack([_sign(timeline, harm, outcome.assessed, baseline) for harm in outcome.any])
    present = (signs == 1).any(axis=1)
    return np.where(present, 1.0, np.where(np.isnan(signs).any(axis=1), np.nan, 0.0))


def _sign(timeline: Timeline, harm: Harm, window: Window, baseline: Baseline) -> np.ndarray:
    values = timeline.attributes.get(harm.column)
    if values is not None:
        rows = pd.DataFrame({"unit": np.arange(len(values)), "value": values}).loc[values.notna()]
    else:
        rows = rows_in_window(timeline, harm.column, window)
    units = rows["unit"].to_numpy(int)
    met = np.zeros(len(rows), dtype=bool)
    unknown = np.zeros(len(rows), dtype=bool)
    if harm.in_ is not None:
        met |= is_one_of(rows["value"], harm.in_)
    if harm.at_least is not None:
        met |= rows["value"].to_numpy(float) >= harm.at_least
    if harm.rise_by is not None:
        rise = rows["value"].to_numpy(float) - _before(timeline, harm.column, baseline)[units]
        met |= rise >= harm.rise_by - 1e-9
        unknown |= np.isnan(rise) & ~met
    sign = np.full(len(timeline.units), np.nan)
    sign[units[~unknown]] = 0.0
    sign[units[unknown]] = np.nan
    sign[units[met]] = 1.0
    return sign


def _before(timeline: Timeline, reference: str, baseline: Baseline) -> np.ndarray:
    rows = baseline_rows(timeline, baseline)
    last = rows.loc[rows["reference"] == reference].groupby("unit")["value"].last()
    return np.asarray(last.reindex(range(len(timeline.units))), dtype=float)
