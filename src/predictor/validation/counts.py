"""Plain numbers for people: rates by plan, and what happened to patients given a high or a low number."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from predictor.validation.uncertainty import (
    effective_sample_size,
    intraclass_correlation,
    wilson_interval,
)
from predictor.validation.verdict import plan_residuals

__all__ = ["group_rates", "interval_words", "plain_counts"]


def group_rates(y: ArrayLike, groups: ArrayLike, plan: ArrayLike, *, level: float = 0.95) -> pd.DataFrame:
    """Rate of response among patients with the same plan, the number that needs no model.

    Parameters
    ----------
    y : array of shape (n,)
        1 responder, 0 not, NaN where not evaluable (left out).
    groups, plan : array of shape (n,)
    level : float

    Returns
    -------
    DataFrame
        ``plan``, ``n``, ``events``, ``rate``, ``low``, ``high``, ``effective_n``, ``interval`` (how the
        limits were made: Wilson's, on the effective n where patients of a cluster resemble each other).
    """
    evaluable = np.isfinite(np.asarray(y, dtype=float))
    outcome, labels = np.asarray(y, dtype=float)[evaluable], np.asarray(groups)[evaluable]
    arms = np.asarray(plan)[evaluable].astype(str)
    icc = intraclass_correlation(plan_residuals(outcome, arms), labels)
    lines = []
    for arm in np.unique(arms):
        here = arms == arm
        n, events = int(here.sum()), int(outcome[here].sum())
        limits = _clustered_wilson(events, n, labels[here], icc=icc, level=level)
        lines.append({"plan": str(arm), "n": n, "events": events, "rate": events / n, **limits})
    return pd.DataFrame(lines)


def interval_words(rates: pd.DataFrame) -> str:
    """Say how the limits of `group_rates` were made: of several plans the most that was done; empty without any."""
    return max(map(str, rates["interval"]), key=len) if len(rates) else ""


def _clustered_wilson(
    events: float, n: float, groups: ArrayLike, *, icc: float, level: float
) -> dict[str, float | str]:
    if n == 0:
        return {"low": np.nan, "high": np.nan, "effective_n": 0.0, "interval": ""}
    effective = n * effective_sample_size(groups, icc) / len(np.asarray(groups))
    df = max(len(np.unique(np.asarray(groups))) - 1, 1) if effective < n else np.inf
    low, high = wilson_interval(events / n * effective, effective, level=level, df=df)
    how = f"Wilson, {100 * level:g} %"
    if effective < n:
        how += f", widened because patients of one cluster resemble each other (intraclass correlation {icc:.2f})"
    return {"low": low, "high": high, "effective_n": effective, "interval": how}


def plain_counts(
    predictions: pd.DataFrame,
    y: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    cuts: Sequence[float] = (0.5,),
    level: float = 0.95,
) -> pd.DataFrame:
    """Count what happened to test patients who were given a high or a low number, per 100.

    Parameters
    ----------
    predictions : DataFrame
        ``repeat``, ``row``, ``p`` of one procedure.
    y : array of shape (n,)
    groups : array of shape (n,), optional
        Clusters; widens the interval where patients of a cluster resemble each other beyond what was
        predicted.
    cuts : sequence of float
    level : float

    Returns
    -------
    DataFrame
        ``side`` (``at least`` or ``below``), ``cut``, ``n`` (test patients, mean over repeats), ``per_100``
        (responders among 100 of them), ``low``, ``high``, ``effective_n``, ``interval``, ``sentence``.
    """
    rows, p = predictions["row"].to_numpy(), predictions["p"].to_numpy(dtype=float)
    outcome = np.asarray(y, dtype=float)[rows]
    labels = rows if groups is None else np.asarray(groups)[rows]
    repeats = predictions["repeat"].nunique()
    first = (predictions["repeat"] == predictions["repeat"].min()).to_numpy()
    icc = intraclass_correlation((outcome - p)[first], labels[first])
    lines = []
    for cut in cuts:
        for side, here in (("at least", p >= cut), ("below", p < cut)):
            n, events = here.sum() / repeats, outcome[here].sum() / repeats
            patients = np.unique(rows[here], return_index=True)[1]
            limits = _clustered_wilson(events, n, labels[here][patients], icc=icc, level=level)
            lines.append(
                _in_counts_of_100(f"{side} {100 * cut:g} in 100", events / n if n else np.nan, limits)
            )
            lines[-1] |= {"side": side, "cut": float(cut), "n": n}
    first_columns = ["side", "cut", "n", "per_100", "low", "high"]
    return pd.DataFrame(lines, columns=[*first_columns, "effective_n", "interval", "sentence"])


def _in_counts_of_100(given: str, rate: float, limits: dict[str, float | str]) -> dict[str, object]:
    per_100, low, high = (100 * float(share) for share in (rate, limits["low"], limits["high"]))
    if np.isnan(per_100):
        sentence = f"No test patient was given {given}."
    else:
        sentence = (
            f"Of 100 test patients given {given}, about {per_100:.0f} responded ({low:.0f} to {high:.0f})."
        )
    return {**limits, "per_100": per_100, "low": low, "high": high, "sentence": sentence}
