"""Who the patients were: each input on average, overall and with and without the outcome; never a count below 10."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from predictor.study import Study

__all__ = ["characteristics_frame"]

SMALLEST_COUNT = 10
HIDDEN = "not shown"
RARE = "levels of fewer than 10 patients"
COLUMNS = ("all", "with_outcome", "without_outcome")


def characteristics_frame(study: Study) -> pd.DataFrame:
    """Describe the evaluable units: mean (SD) of numbers, share of each level of categories.

    Parameters
    ----------
    study : Study

    Returns
    -------
    DataFrame
        ``input``, ``level``, ``statistic``, and a text for ``all``, ``with_outcome`` and ``without_outcome``. A cell
        from which fewer than 10 patients could be told is not shown.
    """
    rows, y = study.evaluable(study.loaded.config.primary)
    X = study.dataset.X.iloc[rows]
    parts = [np.ones(len(y), dtype=bool), y == 1, y == 0]
    lines = []
    for feature in study.dataset.features:
        columns = [X[feature.name][part] for part in parts]
        if pd.api.types.is_numeric_dtype(X[feature.name]):
            texts = [_mean_text(column.to_numpy(dtype=float)) for column in columns]
            lines.append({"input": feature.label, "level": "", "statistic": "mean (SD)", **_named(texts)})
            continue
        levels, of_row = _common_levels(X[feature.name])
        counts = np.array([[int((of_row[part] == level).sum()) for level in levels] for part in parts])
        lines += [
            {"input": feature.label, "level": level, "statistic": "of 100", **_named(list(texts))}
            for level, texts in zip(levels, _share_texts(counts).T, strict=True)
        ]
    return pd.DataFrame(lines, columns=["input", "level", "statistic", *COLUMNS])


def _common_levels(values: pd.Series) -> tuple[list[str], np.ndarray]:
    """Levels by name that many patients have, and the rest as one: the name of a rare level can be a person's."""
    texts = values.astype(object).where(values.notna(), "").astype(str).to_numpy(dtype=object)
    names, counts = np.unique(texts[texts != ""].astype(str), return_counts=True)
    rare = set(names[counts < SMALLEST_COUNT])
    merged = np.array([RARE if text in rare else text for text in texts], dtype=object)
    return [*names[counts >= SMALLEST_COUNT], *([RARE] if rare else [])], merged


def _named(texts: Sequence[str]) -> dict[str, str]:
    return dict(zip(COLUMNS, texts, strict=True))


def _mean_text(values: np.ndarray) -> str:
    known = values[np.isfinite(values)]
    return f"{known.mean():.3g} ({known.std(ddof=1):.2g})" if len(known) >= SMALLEST_COUNT else HIDDEN


def _share_texts(counts: np.ndarray) -> np.ndarray:
    """Hide small cells, and one more where a single hidden one could be told from the rest of its column or row.

    Parameters
    ----------
    counts : ndarray of int of shape (3, levels)
        All, with and without the outcome.
    """
    hidden = counts < SMALLEST_COUNT
    for column, own in zip(counts, hidden, strict=True):
        if own.sum() == 1 and len(column) > 1:
            own[np.argmin(np.where(own, np.iinfo(column.dtype).max, column))] = True
    hidden[1:] |= hidden[1:].any(axis=0)
    shares = np.round(100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)).astype(int)
    return np.where(hidden, HIDDEN, shares.astype(str))
