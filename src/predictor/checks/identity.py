"""Who the patients are must not tell what became of them: groups, keys, the order of rows, patients entered twice."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

import numpy as np
import pandas as pd

from predictor.checks.finding import Finding
from predictor.checks.separation import others_rate, separation
from predictor.cohort.selection import patient_table
from predictor.study import Study, site_labels

__all__ = ["duplicate_pairs", "duplicates", "groups", "order"]

GROUP, GROUP_AT_LEAST = 0.90, 0.80
ORDER, ORDER_AT_LEAST = 0.80, 0.70
NEARLY = 0.10
MOST_COMPARED = 5e8  # values, about a second: 3,000 patients with a hundred features
EXPECTED = 0.05
ROWS_SHOWN = 3


def groups(study: Study) -> Iterator[Finding]:
    """P004: the outcomes of the same site or cluster tell a patient's outcome.

    Parameters
    ----------
    study : Study
    """
    rows, y = study.evaluable(study.loaded.config.primary)
    for subject, labels in _groupings(study).items():
        mine = labels[rows]
        named = mine != ""
        if len(np.unique(mine[named])) < 2:
            continue
        score = others_rate(mine[named], y[named])
        value, least = separation(y[named], score, level=0.95, either=False)
        if value > GROUP and least > GROUP_AT_LEAST:
            yield Finding(
                "P004",
                "warning",
                subject,
                f"{subject} tells the outcome with an AUC of {value:.3f} (lower limit {least:.3f}) in "
                f"{int(named.sum())} patients",
            )


def _groupings(study: Study) -> dict[str, np.ndarray]:
    """Labels of every declared way to put patients into groups, empty where unknown."""
    config = study.loaded.config
    found = {}
    if config.cohort.group is not None:
        found[config.cohort.group] = study.cohort.groups.astype(str).astype(object)
    if config.validation.transport is not None:
        found.setdefault(config.validation.transport.by, site_labels(study))
    return found


def order(study: Study) -> Iterator[Finding]:
    """P005: patients sorted by key, or as they stand in the file, are sorted by outcome.

    Parameters
    ----------
    study : Study
    """
    rows, y = study.evaluable(study.loaded.config.primary)
    listing = patient_table(study.loaded.config.cohort, study.loaded.dictionary)
    patients = study.cohort.timeline.units["patient"].to_numpy(object)[rows]
    ranks = {
        f"the order of the keys in {listing}": _natural_ranks(patients),
        f"the order of the rows in {listing}": _lines(study)[rows].astype(float),
    }
    for subject, rank in ranks.items():
        value, least = separation(y, rank, level=0.95)
        if value > ORDER and least > ORDER_AT_LEAST:
            finding = f"{subject} ranks the outcome with an AUC of {value:.3f} (lower limit {least:.3f})"
            yield Finding("P005", "warning", subject, finding)


def _natural_ranks(keys: np.ndarray) -> np.ndarray:
    """Rank of each key, with numbers inside it compared as numbers."""
    parts = {
        key: [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in re.split(r"(\d+)", key)]
        for key in set(keys)
    }
    position = {key: i for i, key in enumerate(sorted(parts, key=parts.__getitem__))}
    return np.array([position[key] for key in keys], dtype=float)


def _lines(study: Study) -> np.ndarray:
    """Row in the file of patients of each unit; the header is row 1."""
    dictionary = study.loaded.dictionary
    listing = patient_table(study.loaded.config.cohort, dictionary)
    keys = study.tables[listing].frame[dictionary[listing].key]
    first = {key: row for row, key in reversed(list(enumerate(keys, start=2)))}
    return np.array([first.get(key, 0) for key in study.cohort.timeline.units["patient"]])


def duplicates(study: Study) -> Iterator[Finding]:
    """P006: two patients with different keys have the same values.

    Parameters
    ----------
    study : Study
    """
    rows, _ = study.evaluable(study.loaded.config.primary)
    pairs = duplicate_pairs(study.dataset.X.iloc[rows], study.cohort.groups[rows])
    listing = patient_table(study.loaded.config.cohort, study.loaded.dictionary)
    lines = _lines(study)[rows]
    for exact, severity in ((True, "error"), (False, "warning")):
        chosen = pairs[pairs["exact"] == exact]
        if chosen.empty:
            continue
        shown = [f"{lines[i]} and {lines[j]}" for i, j in zip(chosen["one"], chosen["other"], strict=True)]
        more = ", …" if len(shown) > ROWS_SHOWN else ""
        yield Finding(
            "P006",
            severity,  # type: ignore[arg-type]
            listing,
            f"{len(chosen)} {'pair' if len(chosen) == 1 else 'pairs'} of patients with different keys agree in "
            f"{'every feature' if exact else 'at least nine of ten features'} (rows "
            f"{', '.join(shown[:ROWS_SHOWN])}{more})",
        )


def duplicate_pairs(X: pd.DataFrame, own: np.ndarray) -> pd.DataFrame:
    """Find pairs of units of different groups that agree in more than chance explains.

    Parameters
    ----------
    X : DataFrame of shape (n, p)
        Features; what is missing in either unit is not compared.
    own : ndarray of shape (n,)
        Group that is never split.

    Returns
    -------
    DataFrame
        ``one``, ``other`` (positions, the first the smaller) and ``exact`` (no value differs).

    Notes
    -----
    A pair counts where at most a tenth of the compared values differ, and where chance explains it badly: with f the
    shares of the values in which the two agree, n(n - 1)/2 · Π f, the number of such pairs that independent features
    would give if every patient looked for a partner with these values, is at most 0.05. Common values make no pair.
    """
    codes = np.column_stack([pd.factorize(X[name])[0] for name in X]).astype(np.int32)
    if len(codes) * codes.size / 2 > MOST_COMPARED:
        candidates, most = _equal_rows(codes), 0.0
    else:
        candidates, most = _close_rows(codes), NEARLY
    surprise = np.column_stack([_surprise(codes[:, j]) for j in range(codes.shape[1])])
    threshold = np.log(len(codes) * (len(codes) - 1) / 2 / EXPECTED) if len(codes) > 1 else np.inf
    found = []
    for i, j in candidates:
        both = (codes[i] >= 0) & (codes[j] >= 0)
        agree = both & (codes[i] == codes[j])
        differ = int(both.sum() - agree.sum())
        rare = float(surprise[i][agree].sum()) >= threshold
        if own[i] != own[j] and differ <= most * both.sum() and rare:
            found.append((i, j, differ == 0))
    return pd.DataFrame(found, columns=["one", "other", "exact"])


def _surprise(codes: np.ndarray) -> np.ndarray:
    """-log of the share of patients with the same value; 0 where it is missing."""
    known = codes >= 0
    counts = np.bincount(codes[known], minlength=1)
    return np.where(known, -np.log(counts[np.maximum(codes, 0)] / max(known.sum(), 1)), 0.0)


def _close_rows(codes: np.ndarray) -> list[tuple[int, int]]:
    """Pairs that differ in at most a tenth of the values that both have."""
    known = codes >= 0
    found = []
    for i in range(len(codes) - 1):
        both = known[i] & known[i + 1 :]
        differ = (both & (codes[i] != codes[i + 1 :])).sum(axis=1)
        close = np.flatnonzero((differ <= NEARLY * both.sum(axis=1)) & both.any(axis=1))
        found += [(i, i + 1 + int(k)) for k in close]
    return found


def _equal_rows(codes: np.ndarray) -> list[tuple[int, int]]:
    """Neighbouring pairs of each set of equal rows: n - 1 for n of them, so that many copies stay few pairs."""
    same = np.unique(codes, axis=0, return_inverse=True)[1].reshape(-1)
    members = np.argsort(same, kind="stable")
    pairs = itertools.pairwise(members)
    return [(int(i), int(j)) for i, j in pairs if same[i] == same[j]]
