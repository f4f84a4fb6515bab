"""The drafts as YAML, each guess with a mark behind it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from predictor.config.marks import CONFIRM
from predictor.drafting.guesses import Guess
from predictor.drafting.tables import TableDraft
from predictor.errors import visible

__all__ = ["dictionary_text", "marked", "whole_text"]


def whole_text(lines: Sequence[str]) -> str:
    """Join lines so that each stays one: what a header or a file's name holds ends no comment and opens no line.

    Inside quotes a code point is the character itself, so that no name is changed.

    Parameters
    ----------
    lines : sequence of str
    """
    return "".join(f"{visible(line)}\n" for line in lines)


def marked(line: str, *questions: str) -> str:
    """Write a line with its questions behind the mark; without questions the line alone."""
    return f"{line}   {CONFIRM}: {'; '.join(questions)}" if questions else line


def plain(value: Any) -> str:
    """Write plain data on one line, as JSON, which every YAML reads alike."""
    return json.dumps(value, ensure_ascii=False)


def _key(text: str) -> str:
    return (
        text
        if re.fullmatch(r"[A-Za-z_]\w*", text) and text.lower() not in ("y", "n", "yes", "no")
        else plain(text)
    )


def dictionary_text(tables: Sequence[TableDraft], *, simulated: bool) -> str:
    """Write the draft of a dictionary.

    Parameters
    ----------
    tables : sequence of TableDraft
    simulated : bool
        Whether the export says that it is simulated.
    """
    lines = ["# SIMULATED data: no patient in these files exists."] if simulated else []
    lines += [
        f"# A draft. Every guess is marked: mend the line if need be and delete its mark ({CONFIRM[2:]}).",
        "# `predictor train` waits until none is left. What is not declared is never read.",
        "# known: baseline (before day 0) | plan (decided at day 0) | after | {date: COLUMN}",
    ]
    for table in tables:
        lines += ["", *(_left_out(table) if table.left_out else _table(table, simulated=simulated))]
    return whole_text(lines)


def _left_out(table: TableDraft) -> Iterator[str]:
    yield marked(f"# {table.name} ({table.path}): left out", table.left_out)


def _table(table: TableDraft, *, simulated: bool) -> Iterator[str]:
    asked: dict[str, list[str]] = {}
    for key, question in table.questions:
        asked.setdefault(key, []).append(question)
    yield f"{_key(table.name)}:"
    if simulated:
        yield f"  title: {plain(f'SIMULATED {table.name}')}"
    yield marked(f"  source: {plain({'path': table.path} | (table.source or {}))}", *asked.get("source", ()))
    yield marked(f"  key: {plain(table.key)}", *asked.get("key", ()))
    if table.copies:
        yield marked("  duplicates: drop_exact", *asked.get("duplicates", ()))
    if table.name_column is not None:
        yield marked("  layout: long", *asked.get("layout", ()))
        yield f"  name_column: {plain(table.name_column)}"
        yield f"  value_column: {plain(table.value_column)}"
    yield from _when(table, asked.get("known", []))
    yield "  columns:"
    for guess in table.columns:
        yield from _column(table, guess)


def _when(table: TableDraft, questions: Sequence[str]) -> Iterator[str]:
    if table.visits is not None:
        yield "  visits:"
        yield f"    column: {plain(table.visit_column)}"
        yield "    missing: ignore"
        yield marked("    days:", "is this the day of each label, counted from day 0? `ignore` leaves it out")
        for label, day in table.visits.items():
            yield f"      {plain(label)}: {day}"
    elif table.date is not None:
        yield marked(f"  known: {{date: {plain(table.date)}}}", *questions)
    else:
        yield marked("  known: baseline", "was all this known before the treatment started?")


def _column(table: TableDraft, guess: Guess) -> Iterator[str]:
    if guess.left_out:
        yield f"    # {plain(guess.header)}: left out ({guess.left_out})"
        return
    known = table.known(guess)
    declared = guess.declared | ({"known": known} if known else {})
    questions = [*guess.questions, *([_about_known(known)] if known else [])]
    yield marked(f"    {_key(guess.header)}: {plain(declared)}", *questions)


def _about_known(known: str) -> str:
    return "known only afterwards?" if known == "after" else "decided by day 0?"
