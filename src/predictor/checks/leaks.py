"""Features that know too much: each is looked at alone, before anything is fitted."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

import numpy as np
import pandas as pd

from predictor.checks.finding import Finding
from predictor.checks.separation import correlation_limit, others_rate, separation
from predictor.cohort.outcomes import Outcome
from predictor.features.dataset import Feature
from predictor.study import Study

__all__ = ["late_names", "outcome_components", "same_day_values", "single_features", "suggests_later"]

ALONE, ALONE_AT_LEAST = 0.95, 0.80
SAME, SAME_AT_LEAST = 0.95, 0.80

LATER = frozenset(
    {
        *("post", "posttreatment", "posttest", "followup", "fu", "eot", "endpoint", "outcome", "outcomes"),
        *("responder", "nonresponder", "remitter", "improved", "improvement"),
        *("completer", "dropout", "discontinued"),
    }
)
EARLIER = frozenset(
    {"past", "previous", "previously", "prior", "last", "before", "history", "hx", "former", "ever"}
    | {"lifetime", "family"}
)
TIMES = frozenset({"day", "week", "wk", "month", "visit", "session"})
SHORT_TIMES = frozenset({"m", "mo", "w", "wk"})
WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def single_features(study: Study) -> Iterator[Finding]:
    """P001: a feature, or whether it is missing, tells the outcome by itself.

    Parameters
    ----------
    study : Study
    """
    rows, y = study.evaluable(study.loaded.config.primary)
    X, level = study.dataset.X.iloc[rows], 1 - 0.05 / len(study.dataset.features)
    for feature in study.dataset.features:
        for what, told, score, either in _scores(X[feature.name], feature, y):
            value, least = separation(told, score, level=level, either=either)
            if value > ALONE and least > ALONE_AT_LEAST:
                yield Finding(
                    "P001",
                    "error",
                    feature.source,
                    f"{what} {feature.source} alone has an AUC of {value:.3f} (lower limit {least:.3f}) in "
                    f"{len(told)} patients",
                )
                break


def _scores(
    values: pd.Series, feature: Feature, y: np.ndarray
) -> Iterator[tuple[str, np.ndarray, np.ndarray, bool]]:
    """Yield a subject, outcomes, a score and whether its direction is open: of the values, and of being missing."""
    known = values.notna().to_numpy()
    if feature.kind == "number":
        yield "the value of", y[known], values.to_numpy(float)[known], True
    else:
        texts = values.to_numpy(object)[known]
        yield "the value of", y[known], others_rate(texts, y[known]), False
    yield "whether there is a value of", y, known.astype(float), True


def outcome_components(study: Study) -> Iterator[Finding]:
    """P003: a feature is the score after treatment, or the fall, or nearly so.

    Parameters
    ----------
    study : Study
    """
    numbers = [feature for feature in study.dataset.features if feature.kind == "number"]
    level = 1 - 0.05 / max(len(study.dataset.features), 1)
    for feature in numbers:
        values = study.dataset.X[feature.name].to_numpy(float)
        found = next(filter(None, (_component(values, one, level) for one in study.outcomes.values())), None)
        if found is not None:
            yield Finding("P003", "error", feature.source, f"{feature.source} {found}")


def _component(values: np.ndarray, outcome: Outcome, level: float) -> str | None:
    """Say which part of the outcome the values repeat."""
    before, after = outcome.baseline, outcome.follow_up
    known = np.isfinite(values) & np.isfinite(before) & np.isfinite(after)
    x, before, after = values[known], before[known], after[known]
    if len(x) < 10 or np.allclose(x, before):
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        fall = np.where(before > 0, (before - after) / before, np.nan)
    defined = np.isfinite(fall)
    parts = {
        "the score after treatment": _correlation(x, after),
        "the relative fall of the score": _correlation(x[defined], fall[defined]),
        "the score after treatment, given the baseline score,": _correlation(
            _without(x, before), _without(after, before)
        ),
    }
    for part, r in parts.items():
        if abs(r) >= SAME and correlation_limit(r, len(x), level=level) > SAME_AT_LEAST:
            return (
                f"has a correlation of {r:.3f} with {part} of the outcome {outcome.name} in {len(x)} patients"
            )
    return None


def _correlation(x: np.ndarray, z: np.ndarray) -> float:
    """Pearson's correlation; 0 where one of them does not vary."""
    if len(x) < 3 or _flat(x) or _flat(z):
        return 0.0
    return float(np.corrcoef(x, z)[0, 1])


def _flat(x: np.ndarray) -> bool:
    return bool(np.std(x) <= 1e-9 * max(1.0, float(np.abs(x).max())))


def _without(x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Subtract from x its least-squares line on z; all 0 where nothing but rounding is left."""
    line = np.column_stack([np.ones(len(z)), z])
    rest = np.asarray(x - line @ np.linalg.lstsq(line, x, rcond=None)[0])
    return rest if np.std(rest) > 1e-6 * np.std(x) else np.zeros(len(x))


def late_names(study: Study) -> Iterator[Finding]:
    """P002: nothing but a declaration says that a feature is known at the baseline, and its name says otherwise.

    Parameters
    ----------
    study : Study
    """
    for feature in study.dataset.features:
        found = study.loaded.dictionary.find(feature.source)
        if found is None:
            continue
        table, _, column = found
        dated = table.known_of(column) != "baseline" or table.days_of(column) is not None
        headers = table.headers_of(feature.source.partition(".")[2])
        names = dict.fromkeys([*feature.source.split("."), *headers])
        hints = [name for name in names if suggests_later(name)]
        if hints and not dated:
            yield Finding(
                "P002",
                "warning",
                feature.source,
                f"{feature.source} is declared as known at the baseline, and {' and '.join(hints)} sounds later",
            )


def same_day_values(study: Study) -> Iterator[Finding]:
    """P015: values of day 0 count as known, and some come from after its time, or nothing says when they come from.

    Parameters
    ----------
    study : Study
    """
    cohort = study.loaded.config.cohort
    if cohort.index.visits or cohort.baseline.same_day != "include":
        return
    records = study.cohort.timeline.records
    today = records[(records["day"] == 0) | ((records["day"] < 0) & (records["known_day"] == 0))]
    told = today["before_dose"].where(today["known_day"] < 0, today["known_before"])
    for feature in study.dataset.features:
        before = told[today["reference"] == feature.source]
        later, untold = int((before == False).sum()), int(before.isna().sum())  # noqa: E712 - None is neither
        if later:
            finding = f"{later} values of {feature.source} carry a time of day 0 that is not before its own"
            yield Finding("P015", "warning", feature.source, finding)
        elif untold:
            finding = f"{untold} values of {feature.source} are of day 0, and no time says whether they came before it"
            yield Finding("P015", "notice", feature.source, finding)


def suggests_later(name: str) -> bool:
    """Say whether a name speaks of a time after the baseline.

    Parameters
    ----------
    name : str
        Of a column or a table, as ``hamd_week4``, ``crpPost`` or ``madrs_6m``.
    """
    words = [word.lower() for word in WORDS.findall(name)]
    if EARLIER & set(words):
        return False
    pairs = list(itertools.pairwise(words))
    return (
        bool(LATER & set(words))
        or ("follow", "up") in pairs
        or any(one in TIMES and _counts(other) for one, other in pairs)
        or any(_counts(one) and other in SHORT_TIMES for one, other in pairs)
    )


def _counts(word: str) -> bool:
    """Say whether a word is a number above 1; day 1 and visit 1 may well be the baseline."""
    return word.isdigit() and int(word) > 1
