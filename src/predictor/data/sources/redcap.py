"""REDCap exports, checked against the project's data dictionary.

One file holds every event and every repeat of every instrument; `where` under source picks the rows of a table. What an
export says only to those who know REDCap is said here: a question of which no box is checked is exported like one that
was never seen, and the arm of an event stands in its name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from predictor.config.source import Redcap, Source
from predictor.data.findings import Findings
from predictor.data.sources.csv import read_text_table
from predictor.data.sources.redcap_dictionary import (
    RedcapField,
    export_headers,
    read_redcap_dictionary,
    read_redcap_events,
)
from predictor.data.sources.text_table import TextTable

__all__ = ["ARM", "EVENT", "INSTRUMENT", "read_redcap"]

EVENT, INSTRUMENT, INSTANCE = "redcap_event_name", "redcap_repeat_instrument", "redcap_repeat_instance"
ARM = "redcap_arm"
"""Column that is added: the number of the arm in the event's name."""
OWN = (EVENT, INSTRUMENT, INSTANCE, "redcap_data_access_group", "redcap_survey_identifier")
ADDED = ("_complete", "_timestamp")
MOST_SHOWN = 5


def read_redcap(path: Path, source: Source, *, shown_as: str) -> TextTable:
    """Read a raw export.

    Parameters
    ----------
    path : Path
    source : Source
        With its section ``redcap``.
    shown_as : str

    Raises
    ------
    DataError
        DAT-40 where export, data dictionary and events do not fit; else what reading a CSV raises.
    """
    section = source.redcap or Redcap(dictionary="")
    text = read_text_table(path, delimiter=source.delimiter, encoding=source.encoding, shown_as=shown_as)
    beside = path.parent / section.dictionary
    fields = read_redcap_dictionary(beside, str(Path(shown_as).with_name(section.dictionary)))
    found = Findings(shown_as)
    _check_headers(list(text.frame.columns), fields, found)
    if section.events is not None:
        events = read_redcap_events(
            path.parent / section.events, str(Path(shown_as).with_name(section.events))
        )
        _check_events(text, events, found)
    found.raise_if_any()
    text = _with_arm(text)
    return _with_unanswered(text, fields) if section.none_checked == "missing" else text


def _check_headers(headers: Sequence[str], fields: Sequence[RedcapField], found: Findings) -> None:
    """Report an export of labels, columns of another project, and boxes that the project does not know."""
    key = fields[0].name
    if key not in headers:
        message = f'the export has no column "{key}", the record id of its data dictionary'
        remedy = "Export raw data with variable names, not labels; or name the dictionary of this project"
        found.add("DAT-40", message, remedy, row=1)
        found.raise_if_any()
    known = {header for asked in fields for header in export_headers(asked)}
    known |= {form + ending for form in {asked.form for asked in fields} for ending in ADDED}
    for header in headers:
        if header not in known and header not in OWN:
            message = "a column that the project's data dictionary does not have"
            found.add("DAT-40", message, "Export the data dictionary of the same day", row=1, column=header)


def _check_events(text: TextTable, events: Iterable[str], found: Findings) -> None:
    if EVENT not in text.frame:
        message = "events are declared, and the export has no column of them"
        found.add(
            "DAT-40", message, "Delete `events:`, or export a longitudinal project", row=1, column=EVENT
        )
        return
    strange = ~text.frame[EVENT].isin(list(events)).to_numpy(bool)
    for row in text.rows[strange]:
        message = "an event that the file of events does not name"
        found.add("DAT-40", message, "Export the events of the same day", row=int(row), column=EVENT)


def _with_arm(text: TextTable) -> TextTable:
    if EVENT not in text.frame:
        return text
    arm = text.frame[EVENT].str.extract(r"_arm_(\d+)[a-z]?$", expand=False).fillna("")
    return replace(text, frame=text.frame.assign(**{ARM: arm.astype("str")}))


def _with_unanswered(text: TextTable, fields: Sequence[RedcapField]) -> TextTable:
    """Empty the boxes of questions of which none is checked, and count them."""
    frame, counts = text.frame.copy(), dict[str, int]()
    for asked in fields:
        boxes = [header for header in export_headers(asked) if header in frame]
        if asked.kind != "checkbox" or not boxes:
            continue
        none = (frame[boxes] == "0").all(axis=1)
        frame.loc[none, boxes] = ""
        if none.any():
            counts[asked.name] = int(none.sum())
    return replace(text, frame=frame, notices=(*text.notices, *_counted(counts, text.shown_as)))


def _counted(counts: dict[str, int], shown_as: str) -> list[str]:
    if not counts:
        return []
    shown = ", ".join(f"{name} {count}" for name, count in list(counts.items())[:MOST_SHOWN])
    more = f" and {len(counts) - MOST_SHOWN} more" if len(counts) > MOST_SHOWN else ""
    return [
        f"{shown_as}: questions without any checked box, read as missing (`none_checked: unchecked` reads them as "
        f"no): {shown}{more}"
    ]
