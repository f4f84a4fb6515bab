"""Computes the scores that a dictionary asks for from the items of the same assessment, and compares given totals.

An assessment is one row of a wide table, on each of its days; in a long table it is all rows of one patient with the
same visit label and dates.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from predictor.config.dictionary import Column, Known, Table
from predictor.data.columns import structural_headers
from predictor.data.instruments import Instrument, find_instrument
from predictor.data.rating import attainable_totals, rate_items
from predictor.data.reading import Reading
from predictor.data.repeats import rows_in_words
from predictor.data.scales import SUICIDALITY, TOTAL, Rating

__all__ = ["add_scores", "spread_by_assessment"]

ROUNDING = 1e-9


@dataclass(frozen=True)
class Assessment:
    """The columns that belong to one assessment of one scale.

    Parameters
    ----------
    scale : Instrument
    rating : Rating
    items : mapping of str to str
        Item key to its header.
    given : tuple of str
        Headers of totals in the file.
    scores : mapping of str to str
        Header to the score that is asked for.
    """

    scale: Instrument
    rating: Rating
    items: Mapping[str, str]
    given: tuple[str, ...]
    scores: Mapping[str, str]

    def ratings(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return one column per item key; an item without a column is missing throughout."""
        columns = {key: frame[self.items[key]] if key in self.items else np.nan for key in self.rating.items}
        return pd.DataFrame(columns, index=frame.index, dtype=float)


def add_scores(frame: pd.DataFrame, reading: Reading) -> tuple[pd.DataFrame, Reading]:
    """Return the table with its computed scores; in a long table as further rows.

    Parameters
    ----------
    frame : pandas.DataFrame
        Converted columns of the file.
    reading : Reading
        Its findings receive CFG-48 for a score that cannot be computed as declared, DAT-05 for an item that stands
        twice in one assessment, and DAT-19 for a total that its items cannot have.
    """
    assessments = list(_assessments(reading))
    if not assessments or reading.found:
        return frame, reading
    if reading.declared.layout == "long":
        return _add_rows(frame, reading, assessments)
    computed: dict[str, pd.Series] = {}
    for assessment in assessments:
        ratings = assessment.ratings(frame)
        for header in assessment.given:
            _compare(assessment, ratings, frame[header], reading.rows, header, reading)
        computed |= _scores(assessment, ratings, frame, reading)
    return frame.assign(**computed), reading


def _assessments(reading: Reading) -> Iterator[Assessment]:
    """Yield what has items or scores, after the declarations were found to fit."""
    for (name, _, _), columns in _by_scale(reading.declared).items():
        scale = find_instrument(name)
        scores = {header: column.score for header, column in columns.items() if column.score is not None}
        items = [(str(column.item), h) for h, column in columns.items() if column.item is not None]
        if scale is None or not (items or scores):
            continue
        given = tuple(h for h, column in columns.items() if column.item is None and column.score is None)
        if scale.rating is None:
            for header in scores:
                message = f"{scale.name} has no items here, so that nothing can be computed"
                reading.found.add("CFG-48", message, "Declare the file's own total", column=header)
            continue
        assessment = Assessment(scale, scale.rating, dict(items), given, scores)
        _check_declared(assessment, items, reading)
        yield assessment


def _by_scale(declared: Table) -> dict[tuple[str, int | None, Known | None], dict[str, Column]]:
    """Columns of each instrument that belong together: of one day, and known at one time."""
    found: dict[tuple[str, int | None, Known | None], dict[str, Column]] = {}
    for header, column in declared.columns.items():
        if column.instrument is not None:
            key = (column.instrument, column.day, declared.known_of(column))
            found.setdefault(key, {})[header] = column
    return found


def _check_declared(assessment: Assessment, items: list[tuple[str, str]], reading: Reading) -> None:
    scale, possible = assessment.scale, assessment.rating.scores()
    lacking = [key for key in assessment.rating.items if key not in assessment.items]
    for header, score in assessment.scores.items():
        if score not in possible:
            remedy = f"Write one of: {', '.join(possible)}"
            reading.found.add("CFG-48", f"{scale.name} has no score {score!r}", remedy, column=header)
        elif lacking:
            message = f"{scale.name} is to be computed without its items {', '.join(lacking)}"
            remedy = "Declare them for the same day and with the same `known`, or read a total from the file"
            reading.found.add("CFG-48", message, remedy, column=header)
    for key, header in items:
        if assessment.items[key] != header:
            message = f"item {key} of {scale.name} is {assessment.items[key]!r} as well"
            reading.found.add("CFG-48", message, "Keep one, or give each its `day:`", column=header)


def _compare(
    assessment: Assessment,
    ratings: pd.DataFrame,
    given: pd.Series,
    rows: np.ndarray,
    column: str,
    reading: Reading,
) -> None:
    """Report every total that the answered items cannot have, whatever the missing ones are."""
    answered = ratings.notna().any(axis=1).to_numpy(bool) & given.notna().to_numpy(bool)
    low, high = attainable_totals(assessment.rating, ratings.loc[answered])
    total = given.to_numpy(float)[answered]
    wrong = (total < low - ROUNDING) | (total > high + ROUNDING)
    for row in rows[answered][wrong]:
        message = f"the items of this assessment do not make this total of {assessment.scale.name}"
        remedy = "Mend the items or the total; the scoring is on the page of the instruments"
        reading.found.add("DAT-19", message, remedy, row=int(row), column=column)
    _note_counted_as_zero(assessment, rows[answered][(total <= low) & (low < high)], column, reading)


def _note_counted_as_zero(assessment: Assessment, rows: np.ndarray, column: str, reading: Reading) -> None:
    """Say where a total is the least that missing items leave open, as a form makes it that adds blanks as 0."""
    if len(rows):
        reading.note(
            f"totals in {column!r} stand although items of {assessment.scale.name} are missing, and are as small as "
            "can be",
            n=len(rows),
            example=f" ({rows_in_words(rows)}): were blanks counted as 0?",
        )


def _scores(
    assessment: Assessment, ratings: pd.DataFrame, frame: pd.DataFrame, reading: Reading
) -> dict[str, pd.Series]:
    """Scores by header. Where no item is answered, the total is the file's own."""
    if not assessment.scores:
        return {}
    found = rate_items(assessment.rating, ratings)
    unanswered = ratings.isna().all(axis=1)
    for header in assessment.given:
        found[TOTAL] = found[TOTAL].mask(unanswered & found[TOTAL].isna(), frame[header])
    _note(assessment, ratings, found, reading)
    found["prorated"] = found["prorated"].where(~unanswered)
    return {header: found[score].astype(float) for header, score in assessment.scores.items()}


def _note(assessment: Assessment, ratings: pd.DataFrame, found: pd.DataFrame, reading: Reading) -> None:
    name = assessment.scale.name
    answered = ratings.notna().any(axis=1)
    lost, prorated = answered & found[TOTAL].isna(), int((found["prorated"] == 1).sum())
    unstaged = lost & _unstaged(assessment.rating, ratings)
    if prorated:
        reading.note(f"totals of {name} were spread over missing items", n=prorated)
    if unstaged.any():
        made_for = ", ".join(f"{key} {least:g}" for key, least in assessment.rating.staged_from.items())
        reading.note(f"totals of {name} were not computed: it begins at {made_for}", n=int(unstaged.sum()))
    if (lost & ~unstaged).any():
        said = f"totals of {name} were not computed: too many items are missing"
        reading.note(said, n=int((lost & ~unstaged).sum()))
    if SUICIDALITY in found:
        silent = int((answered & found[TOTAL].notna() & found[SUICIDALITY].isna()).sum())
        if silent:
            said = f"totals of {name} lack item {assessment.rating.safety}: suicidality not assessed"
            reading.note(said, n=silent)


def _unstaged(rating: Rating, ratings: pd.DataFrame) -> pd.Series:
    below = [ratings[key] < least for key, least in rating.staged_from.items()]
    return pd.Series(np.any(below, axis=0) if below else False, index=ratings.index)


def _add_rows(
    frame: pd.DataFrame, reading: Reading, assessments: list[Assessment]
) -> tuple[pd.DataFrame, Reading]:
    names, value = str(reading.declared.name_column), str(reading.declared.value_column)
    group, first = _by_assessment(frame, reading)
    pieces, rows = [frame], [reading.rows]
    for assessment in assessments:
        headers = [*assessment.items.values(), *assessment.given]
        wide, at = _spread(frame, group, headers, reading, of=len(first))
        ratings = assessment.ratings(wide)
        for header in assessment.given:
            lines = reading.rows[np.maximum(at[header], 0)]
            _compare(assessment, ratings, wide[header], lines, value, reading)
        for header, score in _scores(assessment, ratings, wide, reading).items():
            known = score.notna().to_numpy(bool)
            own = frame.iloc[first[known]].assign(**{names: header})
            own[value] = score[known].to_numpy(float)
            pieces.append(own)
            rows.append(reading.rows[first[known]])
    whole = pd.concat(pieces, ignore_index=True)
    cells = reading.cells.reindex(range(len(whole)))
    return whole, replace(reading, cells=cells, rows=np.concatenate(rows))


def _by_assessment(frame: pd.DataFrame, reading: Reading) -> tuple[np.ndarray, np.ndarray]:
    """Return the number of each row's assessment, and the position of the first row of each."""
    names, value = str(reading.declared.name_column), str(reading.declared.value_column)
    place = [h for h in structural_headers(reading.declared) if h not in (names, value)]
    group = frame.groupby(place, dropna=False, sort=False).ngroup().to_numpy(int)
    return group, np.unique(group, return_index=True)[1]


def spread_by_assessment(
    frame: pd.DataFrame, headers: list[str], reading: Reading
) -> tuple[pd.DataFrame, np.ndarray]:
    """Return a long table's quantities side by side: one row per patient, visit and dates.

    Parameters
    ----------
    frame : pandas.DataFrame
        Converted rows.
    headers : list of str
        Names of the quantities.
    reading : Reading
        Its findings receive DAT-05 for one that stands twice in an assessment.

    Returns
    -------
    pandas.DataFrame
        One column per name.
    ndarray of int
        Position of the first row of each assessment.
    """
    group, first = _by_assessment(frame, reading)
    return _spread(frame, group, headers, reading, of=len(first))[0], first


def _spread(
    frame: pd.DataFrame, group: np.ndarray, headers: list[str], reading: Reading, *, of: int
) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """One row per assessment and one column per name, and the position of each value in the table, -1 for none."""
    names, value = str(reading.declared.name_column), str(reading.declared.value_column)
    wide, at = {}, {}
    for header in headers:
        own = np.flatnonzero((frame[names] == header).to_numpy(bool))
        again = pd.Series(group[own]).duplicated().to_numpy(bool)
        for row in reading.rows[own[again]]:
            message, remedy = f"{header} stands twice in one assessment", "Delete one, or declare their dates"
            reading.found.add("DAT-05", message, remedy, row=int(row), column=names)
        at[header] = np.full(of, -1)
        at[header][group[own]] = own
        values = np.full(of, np.nan)
        values[group[own]] = frame[value].iloc[own].to_numpy(float)
        wide[header] = values
    return pd.DataFrame(wide), at
