"""What `predict` prints and writes: the same answers as text for a person, as CSV, and as a record for a machine.

Standard library alone: a single patient is answered before a table library would have been imported.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from predictor.reports.wording import say
from predictor.spreadsheet import without_formula

if TYPE_CHECKING:
    from predictor.prediction_model import PredictionModel

__all__ = [
    "MARK",
    "WATERMARK",
    "answers_csv",
    "answers_record",
    "answers_text",
    "counts_text",
    "mark_of",
    "marked_name",
]

WATERMARK = "SIMULATED DATA: no real patient, no clinical meaning"
MARK = "mark"  # column of the answers that are for no patient
SHOWN, ROWS_NAMED = 5, 5
WORDS = {
    "group_rate": "with the group's rate only",
    "estimate": "with a personal estimate",
    "refusal": "refused",
}

Record = Mapping[str, Any]


def mark_of(model: PredictionModel, *, signed: bool = True) -> str:
    """Return what every row of a model's answers has to say, since a table is read without its page.

    Parameters
    ----------
    model : PredictionModel
    signed : bool
        What a service found that offers it; a sign-off that calls itself a demonstration counts for none in any case.

    Returns
    -------
    str
        Empty for a model that may be used for patients as far as its folder tells.
    """
    unsigned = not signed or (model.sign_off is not None and model.sign_off.demonstration)
    marks = [WATERMARK] if model.card.get("simulated") else []
    marks += [say("research_only")] if model.research_only else []
    marks += [say("demonstration")] if unsigned else []
    return "; ".join(marks)


def marked_name(name: str, mark: str) -> str:
    """Put the first words of a mark, those in capitals, into a file's name.

    Parameters
    ----------
    name : str
        ``answers.csv`` becomes ``answers_DEMONSTRATION.csv``.
    mark : str
        From `mark_of`; an empty one changes nothing.
    """
    path = Path(name)
    words = [one.partition(":")[0].replace(" ", "_") for one in mark.split("; ") if one]
    return "_".join([path.stem, *words]) + path.suffix


def answers_text(records: Sequence[Record], *, out: Path | None, mark: str = "") -> str:
    """Say how many got an estimate, the group's rate or a refusal, and show the first answers.

    Parameters
    ----------
    records : sequence of mapping
        As `predictor.prediction.as_records`.
    out : Path or None
        Where the answers were written.
    mark : str
        From `mark_of`; it comes first.
    """
    counts: dict[str, int] = {}
    for record in records:
        counts[record["kind"]] = counts.get(record["kind"], 0) + 1
    parts = [mark] if mark else []
    parts.append(counts_text(counts))
    parts.append(_table(records if out is None else records[:SHOWN]))
    parts += [*_rows_of(records, "reason"), *_rows_of(records, "notes")]
    if out is not None:
        parts.append(f"All {len(records)} answers: {out}")
    return "\n".join(parts)


def answers_record(records: Sequence[Record], card: Mapping[str, Any], *, mark: str = "") -> dict[str, Any]:
    """Return the same as plain data.

    Parameters
    ----------
    records : sequence of mapping
    card : mapping
        The model's.
    mark : str
        From `mark_of`.
    """
    return {
        "simulated": bool(card.get("simulated")),
        "mark": mark,
        "verdict": card["verdict"],
        "predictions": [dict(record) for record in records],
    }


def answers_csv(
    records: Sequence[Record], columns: Sequence[str], *, keys: Sequence[str] | None = None, mark: str = ""
) -> str:
    """Return answers as CSV text.

    Parameters
    ----------
    records : sequence of mapping
    columns : sequence of str
    keys : sequence of str or None
        Pseudonyms, for a first column ``patient``.
    mark : str
        From `mark_of`: where there is one, a column ``mark`` before the answer says it in every row.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    if mark:
        columns = [MARK, *columns]
        records = [{MARK: mark, **record} for record in records]
    if keys is not None:
        columns = ["patient", *columns]
        records = [{"patient": key, **record} for key, record in zip(keys, records, strict=True)]
    writer.writerow(columns)
    writer.writerows([without_formula(record[name]) for name in columns] for record in records)
    return text.getvalue()


def counts_text(counts: Mapping[str, int]) -> str:
    """Say how many got which kind of answer, the most frequent first.

    Parameters
    ----------
    counts : mapping of str to int
    """
    ordered = sorted(counts.items(), key=lambda pair: -pair[1])
    return ", ".join(f"{n} {WORDS.get(kind, kind)}" for kind, n in ordered) or "No patient, no answer"


def _table(records: Sequence[Record]) -> str:
    if not records:
        return "(none)"
    names = [name for name in records[0] if name not in ("reason", "notes")]
    lines = [names, *([_cell(record[name]) for name in names] for record in records)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        " ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in lines
    )


def _cell(value: object) -> str:
    if value is None:
        return ""
    return str(round(value, 3)) if isinstance(value, float) else str(value)


def _rows_of(records: Sequence[Record], column: str) -> list[str]:
    """Say of each text of a column in how many rows it stands, and in which."""
    rows: dict[str, list[int]] = {}
    for record in records:
        if record.get(column):
            rows.setdefault(record[column], []).append(record["row"])
    return [
        f"{len(found)} row{'s' if len(found) > 1 else ''} ({_named(found)}): {text}"
        for text, found in rows.items()
    ]


def _named(rows: Sequence[int]) -> str:
    return ", ".join(map(str, rows[:ROWS_NAMED])) + (" …" if len(rows) > ROWS_NAMED else "")
