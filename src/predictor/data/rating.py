"""From the items of a scale to its scores: total, subscales, criteria, and what was missing.

One row is one assessment. A rating outside an item's range is refused, never clipped. What is prorated is said to be;
the item about suicidal thoughts is given as it was rated and is never filled in.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from predictor.data.scales import SUICIDALITY, TOTAL, Clause, Item, Part, Rating

__all__ = ["attainable_totals", "rate_items", "severity_of"]


def rate_items(rating: Rating, items: pd.DataFrame) -> pd.DataFrame:
    """Score every assessment.

    Parameters
    ----------
    rating : Rating
    items : pandas.DataFrame
        One column per item key, NaN where not answered.

    Returns
    -------
    pandas.DataFrame
        One column per name of `Rating.scores`: ``total``; each subscale; criteria and cut-offs as 1.0, 0.0, or NaN
        where the missing items could turn the answer; ``suicidality``, the safety item as rated; ``missing``, the
        items that were not answered and not skipped; ``prorated``, 1.0 where the total was spread over missing items.

    Raises
    ------
    ValueError
        For a rating that an item cannot have.
    """
    answered = _fill_skipped(rating, items)
    points = _points(rating, answered)
    parts = {name: _value(rating, part, answered, points) for name, part in rating.parts.items()}
    total = _total(rating, answered, points, parts)
    scores = {TOTAL: total, **parts}
    for value, part in [(total, rating.whole), *((parts[name], part) for name, part in rating.parts.items())]:
        scores |= {
            name: np.where(np.isnan(value), np.nan, value >= low)
            for name, low in (part.cutoffs or {}).items()
        }
    for name, clauses in (rating.criteria or {}).items():
        scores[name] = _all_clauses(clauses, answered)
    if rating.safety is not None:
        scores[SUICIDALITY] = answered[rating.safety].to_numpy(float)
    scores["missing"] = answered.isna().sum(axis=1).to_numpy(float)
    scores["prorated"] = np.where(np.isnan(total), np.nan, _gaps(rating, points))
    return pd.DataFrame(scores, index=items.index)[list(rating.scores())]


def attainable_totals(rating: Rating, items: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return the smallest and the largest total that the answered items leave open; equal where none is missing.

    Parameters
    ----------
    rating : Rating
    items : pandas.DataFrame
        As in `rate_items`.

    Returns
    -------
    low, high : ndarray of shape (rows,)
    """
    answered = _fill_skipped(rating, items)
    ends = []
    for end in (0, 1):
        filled = pd.DataFrame(
            {key: answered[key].fillna(_rating_at(rating, item, end)) for key, item in rating.items.items()}
        )
        points = _points(rating, filled)
        parts = {name: _value(rating, part, filled, points) for name, part in rating.parts.items()}
        ends.append(_total(rating, filled, points, parts))
    return ends[0], ends[1]


def severity_of(part: Part, values: np.ndarray) -> np.ndarray:
    """Return the degree of each total or subscale, None where it is missing or no degrees are published.

    Parameters
    ----------
    part : Part
        `Rating.whole` for totals.
    values : ndarray of shape (rows,)
    """
    named = np.full(len(values), None, dtype=object)
    for low, name in part.bands:
        named[values >= low] = name
    return named


def _rating_at(rating: Rating, item: Item, end: int) -> float:
    """Rating with the fewest (0) or the most (1) points, of those that the scale is made for."""
    low = max(item.low, rating.staged_from.get(item.key, item.low))
    return low if bool(end) == item.reverse else item.high


def _fill_skipped(rating: Rating, items: pd.DataFrame) -> pd.DataFrame:
    values = items[list(rating.items)].astype(float)
    for key, item in rating.items.items():
        _check(item, values[key].dropna().to_numpy())
    if rating.skip is not None:
        where, equals, skipped = rating.skip
        leads_past = values[where] == equals
        for key in skipped:
            values[key] = values[key].mask(leads_past & values[key].isna(), 0.0)
    return values


def _check(item: Item, ratings: np.ndarray) -> None:
    possible = (ratings >= item.low) & (ratings <= item.high)
    if item.only:
        possible &= np.isin(ratings, item.only)
    if not possible.all():
        msg = f"a rating that item {item.key} cannot have; it goes from {item.low:g} to {item.high:g}"
        raise ValueError(msg)


def _points(rating: Rating, answered: pd.DataFrame) -> dict[str, np.ndarray]:
    found = {}
    for key, item in rating.items.items():
        values = answered[key].to_numpy(float)
        values = item.low + item.high - values if item.reverse else values
        found[key] = _stepped(values, item.steps)
    return found


def _stepped(values: np.ndarray, steps: tuple[tuple[float, float], ...]) -> np.ndarray:
    if not steps:
        return values
    points = np.full(len(values), np.nan)
    for up_to, worth in reversed(steps):
        points[values <= up_to] = worth
    return points


def _total(
    rating: Rating, answered: pd.DataFrame, points: dict[str, np.ndarray], parts: dict[str, np.ndarray]
) -> np.ndarray:
    if rating.ladder:
        return _stage(rating, answered)
    if rating.total_of:
        return np.asarray(np.sum([parts[name] for name in rating.total_of], axis=0))
    total = _value(rating, rating.whole, answered, points)
    total[_lopsided(rating, answered)] = np.nan
    total[answered[list(rating.required)].isna().any(axis=1).to_numpy(bool)] = np.nan
    for key, least in rating.staged_from.items():
        total[answered[key].to_numpy(float) < least] = np.nan
    return total


def _lopsided(rating: Rating, answered: pd.DataFrame) -> np.ndarray:
    """Whether a subscale is missing altogether or holds all of several missing items: no others speak for it."""
    missing = answered.isna()
    several = missing.sum(axis=1)
    found = np.zeros(len(answered), dtype=bool)
    for name in rating.missing_across:
        own = missing[list(rating.parts[name].items)]
        found |= (own.all(axis=1) | ((several > 1) & (own.sum(axis=1) == several))).to_numpy(bool)
    return found


def _stage(rating: Rating, answered: pd.DataFrame) -> np.ndarray:
    """Rungs climbed without leaving one out; NaN where an item is missing."""
    keys = [key for key, _ in rating.ladder]
    climbed = answered[keys].to_numpy(float) >= np.array([at_least for _, at_least in rating.ladder])
    stage: np.ndarray = np.cumprod(climbed, axis=1).sum(axis=1).astype(float)
    stage[answered[keys].isna().any(axis=1).to_numpy(bool)] = np.nan
    return stage


def _value(rating: Rating, part: Part, answered: pd.DataFrame, points: dict[str, np.ndarray]) -> np.ndarray:
    """Sum of the domains; of the known ones, spread over all, where so many may be missing."""
    domains = _domains(rating, part, answered, points)
    known = ~np.isnan(domains)
    missing, sums = (~known).sum(axis=1), np.nansum(domains, axis=1)
    value = np.where(missing == 0, sums, np.nan)
    spread = (missing > 0) & (missing <= part.most_missing)
    if spread.any():
        value[spread] = np.floor(_spread(rating, part, sums[spread], known[spread]) + 0.5)
    return value


def _spread(rating: Rating, part: Part, sums: np.ndarray, known: np.ndarray) -> np.ndarray:
    # Multiplied before it is divided: halves stay exact, and are rounded up.
    if part.spread == "mean":
        return np.asarray(sums * len(part.domains) / known.sum(axis=1))
    low, high = np.array([rating.ends(part, domain) for domain in part.domains], dtype=float).T
    return np.asarray(low.sum() + (sums - known @ low) * (high - low).sum() / (known @ (high - low)))


def _domains(rating: Rating, part: Part, answered: pd.DataFrame, points: dict[str, np.ndarray]) -> np.ndarray:
    columns = []
    for domain in part.domains:
        own = np.column_stack(
            [
                _stepped(answered[key].to_numpy(float), part.steps) if part.steps else points[key]
                for key in domain
            ]
        )
        columns.append(_highest(rating, own, domain) if len(domain) > 1 else own[:, 0])
    return np.column_stack(columns)


def _highest(rating: Rating, own: np.ndarray, domain: tuple[str, ...]) -> np.ndarray:
    missing = np.isnan(own)
    highest = np.where(missing, -np.inf, own).max(axis=1)
    unknown = missing.all(axis=1)
    if rating.certain:
        possible = np.where(missing, [rating.items[key].points[1] for key in domain], -np.inf).max(axis=1)
        unknown |= possible > highest
    return np.where(unknown, np.nan, highest)


def _gaps(rating: Rating, points: dict[str, np.ndarray]) -> np.ndarray:
    """Whether a domain of the total is missing."""
    summed = [rating.parts[name] for name in rating.total_of] or [rating.whole]
    gaps = [
        np.all([np.isnan(points[key]) for key in domain], axis=0)
        for part in summed
        for domain in part.domains
    ]
    return np.asarray(np.any(gaps, axis=0))


def _all_clauses(clauses: tuple[Clause, ...], answered: pd.DataFrame) -> np.ndarray:
    """1.0 where every clause holds, 0.0 where one cannot hold any more, else NaN."""
    sure = np.ones(len(answered), dtype=bool)
    impossible = ~sure
    for clause in clauses:
        own = answered[list(clause.items)].to_numpy(float)
        limits = [clause.but.get(key, clause.at_least) for key in clause.items]
        met, missing = (own >= limits).sum(axis=1), np.isnan(own).sum(axis=1)
        sure &= met >= clause.count
        impossible |= met + missing < clause.count
    return np.where(sure, 1.0, np.where(impossible, 0.0, np.nan))
