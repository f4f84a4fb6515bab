"""A REDCap project's data dictionary: what was asked, and what its columns are called in an export."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from predictor.data.sources.csv import TextRecords, read_records
from predictor.data.sources.text_table import refuse

__all__ = ["RedcapField", "export_headers", "read_redcap_dictionary", "read_redcap_events"]

# The file that a user downloads and the one that the API gives have other headers and the same columns.
HEADERS = {
    "name": ("Variable / Field Name", "field_name"),
    "form": ("Form Name", "form_name"),
    "kind": ("Field Type", "field_type"),
    "label": ("Field Label", "field_label"),
    "choices": ("Choices, Calculations, OR Slider Labels", "select_choices_or_calculations"),
    "validation": (
        "Text Validation Type OR Show Slider Number",
        "text_validation_type_or_show_slider_number",
    ),
    "low": ("Text Validation Min", "text_validation_min"),
    "high": ("Text Validation Max", "text_validation_max"),
    "identifier": ("Identifier?", "identifier"),
}
CHOSEN = ("radio", "dropdown", "checkbox")
NAME = re.compile(r"[a-z][a-z0-9_]*")
EMPTY = ("", "NA")  # R writes a missing cell as NA


@dataclass(frozen=True)
class RedcapField:
    """One question of a project.

    Parameters
    ----------
    name : str
        Variable; its column's name in a raw export, but for checkboxes.
    form : str
        Instrument that it belongs to.
    kind : str
        text, notes, radio, dropdown, checkbox, yesno, truefalse, calc, slider, file, descriptive, sql, …
    label : str
    choices : dict of str to str
        Code → label of radio buttons, drop-down lists and checkboxes.
    validation : str
        Of a text: number, integer, date_ymd, …
    low, high : str
        Smallest and largest value that REDCap took without a warning.
    identifier : bool
        Whether the project marks it as identifying a person.
    """

    name: str
    form: str
    kind: str
    label: str = ""
    choices: Mapping[str, str] = field(default_factory=dict)
    validation: str = ""
    low: str = ""
    high: str = ""
    identifier: bool = False


def read_redcap_dictionary(path: Path, shown_as: str) -> list[RedcapField]:
    """Read a data dictionary; its first field is the record's id.

    Parameters
    ----------
    path : Path
    shown_as : str

    Raises
    ------
    DataError
        DAT-40 where a column or every field is missing, else what reading a CSV raises.
    """
    read = read_records(path, delimiter=",", encoding="utf-8", shown_as=shown_as)
    cells = _columns(read, shown_as)
    for key in ("name", "form"):
        for row, name in zip(read.rows, cells[key], strict=True):
            if not NAME.fullmatch(name):
                message = "a name in REDCap has only small letters, digits and underscores"
                raise refuse(
                    shown_as, "DAT-40", message, "Download it again", row=row, column=HEADERS[key][0]
                )
    return [_field(dict(zip(cells, row, strict=True))) for row in zip(*cells.values(), strict=True)]


def _columns(read: TextRecords, shown_as: str) -> dict[str, list[str]]:
    found = {}
    for key, names in HEADERS.items():
        header = next((name for name in names if name in read.header), None)
        if header is None:
            message = f'no REDCap data dictionary: it has no column "{names[0]}"'
            remedy = "Download it under Project Setup, Data Dictionary"
            raise refuse(shown_as, "DAT-40", message, remedy, row=1)
        at = read.header.index(header)
        lines = key == "choices"  # R's exports keep a choice on a line
        found[key] = [
            "" if record[at] in EMPTY else _text(record[at], lines=lines) for record in read.records
        ]
    return found


def _text(cell: str, *, lines: bool) -> str:
    return cell.strip() if lines else re.sub(r"\s+", " ", cell).strip()


def _field(row: dict[str, str]) -> RedcapField:
    return RedcapField(
        name=row["name"],
        form=row["form"],
        kind=row["kind"],
        label=re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", row["label"])).strip(),
        choices=_choices(row["choices"]) if row["kind"] in CHOSEN else {},
        validation=row["validation"],
        low=row["low"],
        high=row["high"],
        identifier=row["identifier"].lower() in ("y", "1", "true"),
    )


def _choices(text: str) -> dict[str, str]:
    pairs = (choice.partition(",") for choice in re.split(r"[|\n]", text) if choice.strip())
    return {code.strip(): label.strip() for code, _, label in pairs}


def export_headers(asked: RedcapField) -> dict[str, str]:
    """Return the columns of a field in a raw export: itself, or a box's column for each choice, with its code.

    Parameters
    ----------
    asked : RedcapField
    """
    if asked.kind != "checkbox":
        return {asked.name: ""}
    return {f"{asked.name}___{re.sub(r'[^a-z0-9_]', '_', code.lower())}": code for code in asked.choices}


def read_redcap_events(path: Path, shown_as: str) -> dict[str, int | None]:
    """Return the project's events by their unique names, with the day that older versions of REDCap give each.

    Parameters
    ----------
    path : Path
        File of the events, from Define My Events or the API.
    shown_as : str

    Raises
    ------
    DataError
        DAT-40 without the column ``unique_event_name``.
    """
    read = read_records(path, delimiter=",", encoding="utf-8", shown_as=shown_as)
    if "unique_event_name" not in read.header:
        message = 'no REDCap events: the file has no column "unique_event_name"'
        remedy = "Download it under Project Setup, Define My Events"
        raise refuse(shown_as, "DAT-40", message, remedy, row=1)
    name = read.header.index("unique_event_name")
    offset = read.header.index("day_offset") if "day_offset" in read.header else None
    days = [record[offset] if offset is not None else "" for record in read.records]
    return {
        record[name]: int(day) if re.fullmatch(r"-?\d{1,6}", day) else None
        for record, day in zip(read.records, days, strict=True)
    }
