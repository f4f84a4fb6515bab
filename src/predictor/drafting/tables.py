"""One file as a table: its key, its layout, when its rows are known, and its columns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from predictor.data.cells import RefusedCellError, date_of
from predictor.drafting.guesses import MISSING, Guess, guess_column
from predictor.drafting.names import day_of, named_analytes, named_instrument, plain_name, words_of

__all__ = ["TableDraft", "draft_table", "find_key"]

KEYS = ("patient", "subject", "participant", "person", "pid", "usubjid", "subjid", "record", "id")
VISITS = {"visit", "session", "timepoint", "event", "wave", "avisit", "occasion"}
VALUES = {"value", "score", "result", "aval", "val"}
PLANNED = {
    "arm",
    "group",
    "treat",
    "treatment",
    "allocation",
    "drug",
    "dose",
    "planned",
    "randomised",
    "randomized",
}
TREATMENT = {"treatment", "treatments", "infusion", "infusions", "course", "courses", "exposure", "therapy"}
MOST_LABELS = 40


@dataclass(frozen=True)
class TableDraft:
    """What a file seems to be.

    Parameters
    ----------
    name, path : str
    key : str
    columns : tuple of Guess
        The declared ones and those left out, in the file's order; of a long table, its quantities.
    questions : tuple of (str, str)
        Key of the table and what has to be confirmed about it.
    source : dict
        Further keys of the source.
    date : str or None
        Column with the date of each row.
    visits : dict of str to (int or "ignore"), or None
        Days of the labels in ``visit_column``.
    visit_column, name_column, value_column : str or None
    copies : bool
        Whether rows are exact copies of others.
    left_out : str
        Why the table is not declared.
    """

    name: str
    path: str
    key: str
    columns: tuple[Guess, ...] = ()
    questions: tuple[tuple[str, str], ...] = ()
    source: dict[str, Any] | None = None
    date: str | None = None
    visits: dict[str, Any] | None = None
    visit_column: str | None = None
    name_column: str | None = None
    value_column: str | None = None
    copies: bool = False
    left_out: str = ""

    @property
    def one_row(self) -> bool:
        """Whether each patient has one row."""
        return self.date is None and self.visits is None

    @property
    def is_treatment(self) -> bool:
        """Whether its dates look like those of a treatment's start."""
        return self.date is not None and bool(TREATMENT & set(words_of(self.name)))

    def known(self, guess: Guess) -> str | None:
        """When a column seems to be known, where that is not what the table or the column's day says."""
        if guess.declared.get("day") is not None or guess.declared.get("type") == "date":
            return None
        if guess.later:
            return "after"
        planned = bool(PLANNED & set(words_of(guess.header))) and (self.one_row or self.is_treatment)
        return "plan" if planned else None


def find_key(frames: Sequence[pd.DataFrame]) -> str | None:
    """Return the header that most likely is the patient's key, the same in as many files as possible.

    Parameters
    ----------
    frames : sequence of pandas.DataFrame
        Cells as text.
    """
    full = [
        header
        for frame in frames
        for header in frame.columns
        if not (frame[header].str.strip() == "").any() and frame[header].nunique() > 1
    ]
    named = [header for header in dict.fromkeys(full) if _key_rank(header) < len(KEYS)]
    if named:
        return max(named, key=lambda header: (full.count(header), -_key_rank(header)))
    distinct = [h for frame in frames for h in frame.columns if h in full and frame[h].is_unique]
    return distinct[0] if distinct else None


def _key_rank(header: str) -> int:
    words = set(words_of(header)) | {re.sub(r"[^a-z]", "", header.lower())}
    return next((i for i, word in enumerate(KEYS) if word in words), len(KEYS))


def draft_table(name: str, path: str, frame: pd.DataFrame, key: str, source: dict[str, Any]) -> TableDraft:
    """Guess what a file is.

    Parameters
    ----------
    name, path : str
    frame : pandas.DataFrame
        Cells as text.
    key : str
    source : dict
        Keys of the source that were needed to read it.
    """
    questions = [("key", "does each value stand for one patient?")]
    codes = sorted(
        {code for header in frame for code in MISSING if (frame[header].str.strip() == code).any()}
    )
    if codes:
        source = source | {"missing": codes}
        questions.append(("source", f"do {', '.join(codes)} mean missing?"))
    bare = TableDraft(name, path, key, source=source, copies=bool(frame.duplicated().any()))
    if bare.copies:
        questions.append(("duplicates", "rows are exact copies of others: mistakes?"))
        frame = frame.drop_duplicates()
    guesses = [guess_column(h, list(frame[h]), table=name) for h in frame.columns if h != key]
    draft = replace(bare, columns=_distinct(guesses), questions=tuple(questions))
    return _with_layout(draft, frame) if frame[key].duplicated().any() else draft


def _with_layout(draft: TableDraft, frame: pd.DataFrame) -> TableDraft:
    """Find out how several rows of a patient are told apart: by visits, or by dates, perhaps one score a row."""
    long = _long(draft, frame)
    labels = next((h for h in frame.columns if VISITS & set(words_of(h)) and _few(frame[h])), None)
    dates = [guess.header for guess in draft.columns if guess.declared.get("type") == "date"]
    draft = replace(draft, columns=tuple(_without_day(guess) for guess in draft.columns))
    if long is not None:
        draft = _as_long(draft, frame, *long)
    if labels is not None and labels not in (draft.name_column, draft.key):
        return _by_visits(draft, frame[labels])
    if dates:
        return replace(
            draft,
            date=dates[0],
            questions=(*draft.questions, ("known", "are its values known on this date?")),
        )
    return replace(
        draft, left_out="a patient has several rows, and neither a date nor a visit tells them apart"
    )


def _few(cells: pd.Series) -> bool:
    if cells.str.strip().isin(["", *MISSING]).all():
        return False
    return cells.nunique() <= MOST_LABELS and not all(
        _is_date(cell) for cell in cells.unique() if cell.strip()
    )


def _is_date(cell: str) -> bool:
    try:
        date_of(cell.strip())
    except RefusedCellError:
        return False
    return True


def _without_day(guess: Guess) -> Guess:
    """Leave out a column's own day: a table with visits or dates says when."""
    return replace(guess, declared={k: v for k, v in guess.declared.items() if k != "day"})


def _long(draft: TableDraft, frame: pd.DataFrame) -> tuple[str, str] | None:
    """Headers of the quantities' names and of their values, where a table has one score a row."""
    values = [h for h in frame.columns if VALUES & set(words_of(h))]
    for header in frame.columns:
        names = [name for name in frame[header].str.strip().unique() if name]
        known = [name for name in names if named_instrument(name) or named_analytes(name)]
        apart = bool(values) and header not in (draft.key, values[0]) and 0 < len(names) <= MOST_LABELS
        if apart and len(known) >= max(1, len(names) / 2):
            return header, values[0]
    return None


def _as_long(draft: TableDraft, frame: pd.DataFrame, names: str, values: str) -> TableDraft:
    own = frame[names].str.strip()
    quantities = [name for name in own.unique() if name]
    guesses = [guess_column(one, list(frame.loc[own == one, values]), table=draft.name) for one in quantities]
    question = ("layout", f"does {names} name what {values} holds?")
    dates = [guess for guess in draft.columns if guess.declared.get("type") == "date"]
    kept = [g for g in guesses if g.left_out or g.declared.get("type") != "date"]
    draft = replace(draft, name_column=names, value_column=values, questions=(*draft.questions, question))
    return replace(
        draft, columns=_distinct([_without_day(g) for g in kept]), date=dates[0].header if dates else None
    )


def _by_visits(draft: TableDraft, cells: pd.Series) -> TableDraft:
    labels = [label for label in cells.str.strip().unique() if label and label not in MISSING]
    days = {label: day_of(label) for label in labels}
    return replace(
        draft,
        date=None,
        visits={label: "ignore" if day is None else day for label, day in days.items()},
        visit_column=str(cells.name),
        columns=tuple(guess for guess in draft.columns if guess.header != cells.name),
    )


def _distinct(guesses: Sequence[Guess]) -> tuple[Guess, ...]:
    """Give every column a name that a config can use and that no other column has."""
    taken: set[tuple[str, Any]] = set()
    found = []
    for guess in guesses:
        declared = dict(guess.declared)
        quantity = declared.get("instrument") or declared.get("analyte") or declared.get("measure")
        item = declared.get("item")
        reference = guess.header if quantity is None else quantity if item is None else f"{quantity}_{item}"
        name = (
            plain_name(guess.header)
            if quantity is None or (reference, declared.get("day")) in taken
            else reference
        )
        while (name, declared.get("day")) in taken or (
            quantity is None and any(name == one for one, _ in taken)
        ):
            name += "_2"
        if declared and name != reference:
            declared["name"] = name
            declared.pop("day", None)
        if declared:
            taken.add((name, declared.get("day")))
        found.append(replace(guess, declared=declared))
    return tuple(found)
