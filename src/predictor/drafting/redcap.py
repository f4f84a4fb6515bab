"""A REDCap project as a first draft of our dictionary and config.

Types, codes, ranges and labels are taken over. What REDCap does not know is not guessed: when a value is known and
which day an event stands for begin with the word that can do no harm (``after``, ``ignore``) and with a mark.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from predictor.config.marks import CONFIRM
from predictor.config.yaml_text import parse_yaml
from predictor.data.analytes import ANALYTES
from predictor.data.instruments import INSTRUMENTS
from predictor.data.sources.csv import TextRecords, read_records
from predictor.data.sources.redcap import ARM, EVENT, INSTRUMENT
from predictor.data.sources.redcap_dictionary import (
    RedcapField,
    export_headers,
    read_redcap_dictionary,
    read_redcap_events,
)
from predictor.drafting.drafting import WATERMARK, Draft
from predictor.drafting.names import day_of, named_analytes
from predictor.drafting.redcap_config import redcap_config_text, starts_treatment
from predictor.drafting.writing import marked, whole_text
from predictor.errors import Problem, ResourceError

__all__ = ["draft_redcap", "draft_redcap_dictionary", "write_draft"]

NUMBERS = ("number", "integer")
DATED = 0.9  # share of a form's rows that a date has to stand in to place them
OF_ARM = re.compile(r"_arm_(\d+)[a-z]?$")
UNIT = re.compile(r"\s*\(([^()]+)\)\s*$")
LEFT_OUT = ("file", "descriptive", "sql", "signature", "notes")


@dataclass(frozen=True)
class _Project:
    """An export and what its data dictionary says."""

    export: Path
    dictionary: str
    events_file: str | None
    fields: Sequence[RedcapField]
    days: Mapping[str, int | None]
    read: TextRecords

    def column(self, header: str) -> list[str]:
        """Return the cells of a column; empty where the export does not have it."""
        if header not in self.read.header:
            return [""] * len(self.read.records)
        at = self.read.header.index(header)
        return [record[at] for record in self.read.records]


def draft_redcap_dictionary(export: Path, dictionary: Path, events: Path | None = None) -> str:
    """Return a dictionary in YAML with one table for each instrument that has data, to be confirmed line by line.

    Parameters
    ----------
    export : Path
        Raw export with all events.
    dictionary : Path
        The project's data dictionary, in the same folder.
    events : Path, optional
        Its events, in the same folder.

    Raises
    ------
    DataError
        What is wrong with one of the files.
    """
    project = _Project(
        export=export,
        dictionary=dictionary.name,
        events_file=events.name if events else None,
        fields=read_redcap_dictionary(dictionary, str(dictionary)),
        days=read_redcap_events(events, str(events)) if events else {},
        read=read_records(export, delimiter=",", encoding="utf-8", shown_as=str(export)),
    )
    lines = [
        f"# Draft from {dictionary.name}. Every line with {CONFIRM[2:]} waits for you: nothing was guessed in silence.",
        "# known: baseline (measured before day 0) | plan (decided at day 0) | after | {date: COLUMN}",
    ]
    arms = _arms(project)
    for form in dict.fromkeys(asked.form for asked in project.fields):
        drafted = list(_tables(project, form, arms))
        arms = () if any(line.startswith(f"    {ARM}:") for line in drafted) else arms
        lines += drafted
    return whole_text(lines)


def _arms(project: _Project) -> tuple[str, ...]:
    """Return the numbers of the arms; none where there is one, which is no choice."""
    found = {match[1] for event in project.column(EVENT) if (match := OF_ARM.search(event))}
    return tuple(sorted(found, key=int)) if len(found) > 1 else ()


def _tables(project: _Project, form: str, arms: Sequence[str]) -> Iterator[str]:
    """Yield one form's table: its repeats, its several events, or its one event; and the arms if they have a place."""
    fields = [asked for asked in project.fields[1:] if asked.form == form]
    columns = {asked.name: dict(_columns(asked)) for asked in fields}
    if not any(columns.values()):
        return
    where, events = _rows(project, form, fields)
    if not any(any(project.column(header)) for declared in columns.values() for header in declared):
        yield f"# {form}: left out (the export holds no data of it)"
        return
    yield f"{_key(form)}:"
    yield f"  source: {_source(project, where)}"
    yield f"  key: {project.fields[0].name}"
    repeated = where.get(INSTRUMENT) == [form]
    dates = [asked.name for asked in fields if columns[asked.name].get(asked.name, {}).get("type") == "date"]
    several = len({_without_arm(event) for event in events}) > 1
    placed = next((date for date in dates if _dates_all(project, date, where)), None)
    if placed is not None and (several or repeated or starts_treatment(form, placed)):
        started = "; does the treatment start on it?" if starts_treatment(form, placed) else ""
        yield f"  known: {{date: {placed}}}   {CONFIRM}: the date on which these values were known{started}"
    elif several:
        yield from _visits(project, events)
    else:
        yield f"  known: after   {CONFIRM}: {_hint(events)}baseline, plan, after or {{date: COLUMN}}"
    yield "  columns:"
    if arms and placed is None and not several and not repeated:
        names = ", ".join(f'"{arm}": arm {arm}' for arm in arms)
        line = f"    {ARM}: {{type: category, values: {{{names}}}, known: plan}}"
        yield marked(
            line, "are arms treatments? Name each, here and in the config, or delete the line in both"
        )
    for asked in fields:
        yield from _described(asked, columns[asked.name])


def _hint(events: Sequence[str]) -> str:
    """Begin the question with what the event's name suggests."""
    named = {event for event in events if day_of(_without_arm(event)) == 0}
    return (
        "baseline if all this was measured before the treatment, as its event is called? Or " if named else ""
    )


def _dates_all(project: _Project, date: str, where: Mapping[str, list[str]]) -> bool:
    """Whether nearly every row of the form has this date."""
    columns = {header: project.column(header) for header in where}
    own = [all(columns[h][i] in where[h] for h in where) for i in range(len(project.read.records))]
    cells = [cell for cell, mine in zip(project.column(date), own, strict=True) if mine]
    return bool(cells) and sum(cell != "" for cell in cells) >= DATED * len(cells)


def _key(text: str) -> str:
    return text if re.fullmatch(r"[a-z]\w*", text) else json.dumps(text, ensure_ascii=False)


def _without_arm(event: str) -> str:
    return OF_ARM.sub("", event)


def _rows(
    project: _Project, form: str, fields: Sequence[RedcapField]
) -> tuple[dict[str, list[str]], list[str]]:
    """Return what ``where`` has to say for the form, and the events in which it has data."""
    headers = [header for asked in fields for header in export_headers(asked) if asked.kind != "checkbox"]
    filled = [any(cells) for cells in zip(*(project.column(header) for header in headers), strict=True)]
    used = [event for event, full in zip(project.column(EVENT), filled, strict=True) if full and event]
    order = [*project.days, *used]
    events = sorted(set(used), key=order.index)
    instruments = set(project.column(INSTRUMENT))
    where = {EVENT: events} if events else {}
    if form in instruments:
        where[INSTRUMENT] = [form]
    elif instruments != {""}:
        where[INSTRUMENT] = [""]
    return where, events


def _source(project: _Project, where: dict[str, list[str]]) -> str:
    redcap: dict[str, Any] = {"dictionary": project.dictionary}
    if project.events_file:
        redcap["events"] = project.events_file
    source: dict[str, Any] = {"path": project.export.name, "redcap": redcap}
    return json.dumps(source | ({"where": where} if where else {}), ensure_ascii=False)


def _visits(project: _Project, events: Sequence[str]) -> Iterator[str]:
    yield "  visits:"
    yield f"    column: {EVENT}"
    yield f"    days:   {CONFIRM}: the day of each event, counted from day 0; `ignore` leaves it out"
    for event in events:
        day = project.days.get(event)
        said = "" if day is None else f"   {CONFIRM}: REDCap's day offset, which may not count from day 0"
        yield f"      {_key(event)}: {'ignore' if day is None else day}{said}"


def _described(asked: RedcapField, columns: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    if not columns:
        why = f"{asked.validation or asked.kind}: declare it yourself if it is a value"
        why = "marked as identifying" if asked.identifier else why
        yield f"    # {asked.name}: left out ({why})"
    for header, column in columns.items():
        declared, question = _quantity(asked, dict(column))
        guess = f"   {CONFIRM}: {question}" if question else ""
        yield f"    {header}: {json.dumps(declared, ensure_ascii=False)}{guess}"


def _quantity(asked: RedcapField, column: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Declare a number as the scale that its name, or the laboratory value that its label, begins with; and ask."""
    scale, label = _scale(asked), {"label": asked.label} if asked.label else {}
    if scale is not None:
        return {"instrument": scale} | label, f"is this the total of {scale}?"
    unit = UNIT.search(asked.label)
    analytes = named_analytes(UNIT.sub("", asked.label)) if _is_number(asked) else []
    if (
        not analytes
        or unit is None
        or unit[1] not in (ANALYTES[analytes[0]].unit, *ANALYTES[analytes[0]].units)
    ):
        return column, ""
    known = {key: value for key, value in column.items() if key == "range"}
    question = f"{ANALYTES[analytes[0]].full_name} in {unit[1]}?"
    return {"analyte": analytes[0], "unit": unit[1]} | known | label, question


def _scale(asked: RedcapField) -> str | None:
    """Return the rating scale that a number's name begins with, as a question and never as an answer."""
    words = re.split(r"[^a-z0-9]+", asked.name.lower())
    return next((name for name in INSTRUMENTS if name in words), None) if _is_number(asked) else None


def _is_number(asked: RedcapField) -> bool:
    return asked.kind in ("calc", "slider") or (asked.kind == "text" and asked.validation.startswith(NUMBERS))


def _columns(asked: RedcapField) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the declarations of a field's columns: none for what identifies a person or is no value."""
    if asked.identifier or asked.kind in LEFT_OUT:
        return
    label = {"label": asked.label} if asked.label else {}
    if asked.kind == "checkbox":
        for header, code in export_headers(asked).items():
            yield header, {"type": "boolean", "label": f"{asked.label}: {asked.choices[code]}"}
    elif asked.kind in ("radio", "dropdown"):
        yield asked.name, {"type": "category", "values": dict(asked.choices)} | label
    elif asked.kind in ("yesno", "truefalse"):
        yield asked.name, {"type": "boolean"} | label
    elif _is_number(asked):
        yield asked.name, _number(asked) | label
    elif asked.validation.startswith("date"):
        yield asked.name, {"type": "date"} | label


def _number(asked: RedcapField) -> dict[str, Any]:
    limits = [
        float(text) if re.fullmatch(r"-?\d+(\.\d+)?", text) else None for text in (asked.low, asked.high)
    ]
    if asked.kind == "slider" and limits == [None, None]:
        limits = [0.0, 100.0]
    kind = "integer" if asked.validation == "integer" else "number"
    return {"type": kind} | ({"range": limits} if limits != [None, None] else {})


def draft_redcap(
    export: Path, dictionary: Path, events: Path | None = None, *, dictionary_name: str
) -> Draft:
    """Return drafts of a dictionary and of a config for a REDCap project.

    Parameters
    ----------
    export, dictionary, events
        As in `draft_redcap_dictionary`.
    dictionary_name : str
        File that the drafted dictionary will be written to, beside the config.
    """
    text = draft_redcap_dictionary(export, dictionary, events)
    tables = parse_yaml(text, dictionary_name).data
    columns = [column for table in tables.values() for column in table["columns"].values()]
    simulated = any(WATERMARK in column.get("values", {}).values() for column in columns)
    config = redcap_config_text(
        tables, name=_experiment(export), dictionary=dictionary_name, simulated=simulated
    )
    return Draft(dictionary=text, config=config, tables=tuple(tables), simulated=simulated)


def _experiment(export: Path) -> str:
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", export.stem).strip("-_")[:60]
    return f"redcap-{name}" if name else "redcap"


def write_draft(text: str, path: Path) -> None:
    """Write a draft to a new file: what somebody has confirmed is never overwritten.

    Parameters
    ----------
    text : str
    path : Path

    Raises
    ------
    ResourceError
        TRN-05, if the file exists or cannot be written.
    """
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        message = f"the draft cannot be written ({os.strerror(error.errno or 0)})"
        raise ResourceError(Problem("TRN-05", message, "Name a new file", file=str(path))) from error
