"""Sixty-three defects of real exports, each with the place where it has to be found.

A defect changes files of a SIMULATED export as an accident would and says what a line about it must hold: the file with
the row, where there is one, and the column. Nothing says how it is found.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pandas as pd
from export import Export

__all__ = ["DEFECTS", "Defect", "Place"]

Rng = np.random.Generator


@dataclass(frozen=True)
class Place:
    """Where a defect was planted.

    Parameters
    ----------
    file : str
        As the line has to begin to name it.
    column : str
        Empty where the defect is of a row or a file.
    rows : tuple of int
        Rows of which the line has to name one; the header is 1. Empty where it is of a column or a file.
    """

    file: str
    column: str = ""
    rows: tuple[int, ...] = ()


Plant = Callable[[Export, Rng], Place]


@dataclass(frozen=True)
class Defect:
    """A defect by its name; ``row`` is the row of the catalogue of faults that names it, or empty."""

    name: str
    kind: str
    fault: str
    plant: Plant


DEFECTS: list[Defect] = []


def defect(name: str, kind: str, fault: str = "") -> Callable[[Plant], Plant]:
    """Put a function into the list."""

    def listed(plant: Plant) -> Plant:
        DEFECTS.append(Defect(name, kind, fault, plant))
        return plant

    return listed


def _lines(export: Export, file: str, change: Callable[[list[str]], list[str]]) -> None:
    """Change a file as lines of text, the header first."""
    path = export.path(file)
    path.write_text("\n".join(change(path.read_text(encoding="utf-8").splitlines())) + "\n", encoding="utf-8")


def _some(export: Export, file: str, rng: Rng) -> int:
    """Position of a row of a table, the first being 0; its line in the file is two more."""
    return int(rng.integers(5, len(export.read(file)) - 5))


def _cell(file: str, column: str, text: str) -> Plant:
    """Replace one cell."""

    def plant(export: Export, rng: Rng) -> Place:
        at = _some(export, file, rng)
        export.change(
            file, lambda table: table.__setitem__(column, table[column].where(table.index != at, text))
        )
        return Place(file, column, (at + 2,))

    return plant


def _convert(file: str, column: str, factor: float, *, only: Mapping[str, list[str]] | None = None) -> Plant:
    """Multiply numbers of a column, of the whole file or of the patients of a list."""

    def plant(export: Export, rng: Rng) -> Place:
        table = export.read(file)
        chosen = np.ones(len(table), dtype=bool)
        if only is not None:
            people = export.read("patients.csv")
            ((own, wanted),) = only.items()
            chosen = table["patient"].isin(people.loc[people[own].isin(wanted), "patient"]).to_numpy(bool)
        values = table[column].astype(float) * np.where(chosen, factor, 1.0)
        export.write(file, table.assign(**{column: [f"{value:.4g}" for value in values]}))
        return Place(file, column)

    return plant


# Files


@defect("a remark with an unquoted comma", "file", "DAT-01")
def _(export: Export, rng: Rng) -> Place:
    at = _some(export, "patients.csv", rng)
    _lines(
        export,
        "patients.csv",
        lambda lines: [line + ",late" if i == at + 1 else line for i, line in enumerate(lines)],
    )
    return Place("patients.csv", rows=(at + 2,))


@defect("the last row is cut off", "file", "DAT-02")
def _(export: Export, rng: Rng) -> Place:
    rows = len(export.read("bloods.csv"))
    _lines(export, "bloods.csv", lambda lines: [*lines[:-1], ",".join(lines[-1].split(",")[:3])])
    return Place("bloods.csv", rows=(rows + 1,))


@defect("two columns have one header", "file", "DAT-03")
def _(export: Export, rng: Rng) -> Place:
    export.change_text("patients.csv", "weight,height", "weight,weight")
    return Place("patients.csv", "weight", (1,))


@defect("semicolons and decimal commas", "file", "DAT-04")
def _(export: Export, rng: Rng) -> Place:
    text = export.path("bloods.csv").read_text(encoding="utf-8")
    export.path("bloods.csv").write_text(text.replace(",", ";").replace(".", ","), encoding="utf-8")
    return Place("bloods.csv", rows=(1, 2))


@defect("a name in Windows-1252", "file", "DAT-08")
def _(export: Export, rng: Rng) -> Place:
    at = _some(export, "patients.csv", rng)
    lines = export.path("patients.csv").read_bytes().splitlines(keepends=True)
    lines[at + 1] = lines[at + 1].replace(b"SIMULATED", "SIMULATED Zürich".encode("cp1252"))
    export.path("patients.csv").write_bytes(b"".join(lines))
    return Place("patients.csv", rows=(at + 2,))


@defect("a quotation mark that is not closed", "file", "DAT-09")
def _(export: Export, rng: Rng) -> Place:
    at = _some(export, "patients.csv", rng)
    _lines(
        export,
        "patients.csv",
        lambda lines: [f'"{line}' if i == at + 1 else line for i, line in enumerate(lines)],
    )
    return Place("patients.csv", rows=(at + 2,))


@defect("a whole report pasted into a cell", "file", "DAT-10")
def _(export: Export, rng: Rng) -> Place:
    place = _cell("courses.csv", "provenance", "SIMULATED " * 4000)(export, rng)
    return Place(place.file, rows=place.rows)


@defect("an export of headers only", "file", "DAT-11")
def _(export: Export, rng: Rng) -> Place:
    _lines(export, "questionnaires.csv", lambda lines: lines[:1])
    return Place("questionnaires.csv")


@defect("a transport file that was not copied to its end", "file", "DAT-12")
def _(export: Export, rng: Rng) -> Place:
    whole = export.path("dm.xpt").read_bytes()
    export.path("dm.xpt").write_bytes(whole[: len(whole) // 2 - 7])
    return Place("dm.xpt")


@defect("a workbook with a formula that failed", "file", "DAT-14")
def _(export: Export, rng: Rng) -> Place:
    return _in_workbook(export, "C", int(rng.integers(5, 150)), "#DIV/0!")


@defect("a table that was forgotten", "file", "DAT-15")
def _(export: Export, rng: Rng) -> Place:
    export.path("trauma.csv").unlink()
    return Place("trauma.csv")


@defect("a header with an invisible mark in it", "file", "DAT-25")
def _(export: Export, rng: Rng) -> Place:
    export.change_text("patients.csv", "weight", "wei\u200bght")
    return Place("patients.csv", "weight", (1,))


def _in_workbook(export: Export, column: str, row: int, value: object) -> Place:
    from openpyxl import load_workbook

    book = load_workbook(export.path("history.xlsx"))
    book.active[f"{column}{row}"] = value
    book.save(export.path("history.xlsx"))
    return Place("history.xlsx", f"{column}{row}", (row,))


# Cells


DEFECTS += [
    Defect("a value below the limit of detection", "cell", "DAT-07", _cell("bloods.csv", "crp", "<0.3")),
    Defect("a thousands separator", "cell", "DAT-07", _cell("bloods.csv", "creatinine", "1,012")),
    Defect("a remark of the laboratory", "cell", "DAT-07", _cell("bloods.csv", "vitamin_d", "haemolysed")),
    Defect("a missing value written as 999", "cell", "DAT-18", _cell("patients.csv", "age", "999")),
    Defect("a missing value written as -9", "cell", "DAT-18", _cell("bloods.csv", "crp", "-9")),
    Defect("two and a half infusions", "cell", "DAT-18", _cell("courses.csv", "infusions", "2.5")),
    Defect("a sex in small letters", "cell", "DAT-20", _cell("patients.csv", "sex", "f")),
    Defect("a site written in another way", "cell", "DAT-20", _cell("patients.csv", "site", "North")),
    Defect("a unit that nobody knows", "cell", "UNI-05", _cell("bloods.csv", "tsh_unit", "units")),
]


@defect("a column that an unsuccessful merge left empty", "cell", "DAT-21")
def _(export: Export, rng: Rng) -> Place:
    export.change("bloods.csv", lambda table: table.assign(vitamin_d=""))
    return Place("bloods.csv", "vitamin_d")


@defect("a column filled down with its first value", "cell", "DAT-21")
def _(export: Export, rng: Rng) -> Place:
    export.change("bloods.csv", lambda table: table.assign(creatinine=table["creatinine"].iloc[0]))
    return Place("bloods.csv", "creatinine")


# Dates


DEFECTS += [
    Defect("a date with slashes", "date", "DAT-16", _cell("bloods.csv", "drawn", "03/04/2024")),
    Defect(
        "a day that the calendar does not have", "date", "DAT-16", _cell("ratings.csv", "rated", "2023-02-29")
    ),
    Defect("a date that Excel made a number", "date", "DAT-16", _cell("ratings.csv", "rated", "45085")),
    Defect("a time with a zone", "date", "DAT-16", _cell("courses.csv", "started", "2024-03-04T10:30Z")),
    Defect("a year typed wrong by a century", "date", "", _cell("bloods.csv", "drawn", "1923-05-04")),
    Defect(
        "a year typed wrong by two decades",
        "date",
        "",
        _cell("questionnaires.csv", "filled_in", "2043-05-04"),
    ),
]


@defect("a course that ends before it starts", "date", "DAT-17")
def _(export: Export, rng: Rng) -> Place:
    at = _some(export, "courses.csv", rng)
    table = export.read("courses.csv")
    started = date.fromisoformat(table["started"][at][:10])
    table.loc[at, "finished"] = str(started - timedelta(days=9))
    export.write("courses.csv", table)
    return Place("courses.csv", "finished", (at + 2,))


@defect("a rating entered before it was made", "date", "DAT-17")
def _(export: Export, rng: Rng) -> Place:
    at = _some(export, "ratings.csv", rng)
    table = export.read("ratings.csv")
    table.loc[at, "entered"] = str(date.fromisoformat(table["rated"][at]) - timedelta(days=30))
    export.write("ratings.csv", table)
    return Place("ratings.csv", "entered", (at + 2,))


# Scores


DEFECTS += [
    Defect("a total beyond the scale", "score", "DAT-18", _cell("ratings.csv", "madrs", "64")),
    Defect("a rating beyond the item", "score", "DAT-18", _cell("ratings.csv", "m4", "7")),
]


@defect("a total that its items do not make", "score", "DAT-19")
def _(export: Export, rng: Rng) -> Place:
    at = _some(export, "ratings.csv", rng)
    table = export.read("ratings.csv")
    table.loc[at, "madrs"] = str(int(table["madrs"][at]) + 3)
    export.write("ratings.csv", table)
    return Place("ratings.csv", "madrs", (at + 2,))


@defect("totals sorted apart from their items", "score", "DAT-19")
def _(export: Export, rng: Rng) -> Place:
    table = export.read("ratings.csv")
    moved = table["madrs"].shift(1, fill_value=table["madrs"].iloc[-1])
    rows = np.flatnonzero((moved != table["madrs"]).to_numpy()) + 2
    export.write("ratings.csv", table.assign(madrs=moved))
    return Place("ratings.csv", "madrs", tuple(int(row) for row in rows))


@defect("reversed items that were not turned round", "score", "DAT-19")
def _(export: Export, rng: Rng) -> Place:
    from export import DENIAL

    table = export.read("trauma.csv")
    summed = [f"q{i}" for i in range(1, 29) if i not in DENIAL]
    plain = table[summed].astype(int).sum(axis=1).astype(str)
    rows = np.flatnonzero((plain != table["ctq"]).to_numpy()) + 2
    export.write("trauma.csv", table.assign(ctq=plain))
    return Place("trauma.csv", "ctq", tuple(int(row) for row in rows))


@defect("items left blank and counted as 0 in the total", "score", "")
def _(export: Export, rng: Rng) -> Place:
    table = export.read("ratings.csv")
    rated = table[[f"m{i}" for i in range(1, 11)]].astype(int)
    rows = rng.choice(np.flatnonzero((rated["m3"] > 0) & (rated["m7"] > 0)), 4, replace=False)
    table.loc[rows, ["m3", "m7"]] = ""
    table.loc[rows, "madrs"] = (rated.loc[rows].drop(columns=["m3", "m7"]).sum(axis=1)).astype(str)
    export.write("ratings.csv", table)
    return Place("ratings.csv", "madrs", tuple(int(row) + 2 for row in rows))


# Units


DEFECTS += [
    Defect("CRP in mg/dL", "unit", "UNI-01", _convert("bloods.csv", "crp", 0.1)),
    Defect("creatinine in mg/dL", "unit", "UNI-02", _convert("bloods.csv", "creatinine", 1 / 88.42)),
    Defect(
        "vitamin D of one site in ng/mL",
        "unit",
        "UNI-03",
        _convert("bloods.csv", "vitamin_d", 1 / 2.496, only={"site": ["south"]}),
    ),
    Defect("weight in pounds", "unit", "UNI-07", _convert("patients.csv", "weight", 2.2046)),
    Defect("height in inches", "unit", "UNI-07", _convert("patients.csv", "height", 1 / 2.54)),
    Defect("the dose in mg", "unit", "UNI-08", _convert("courses.csv", "dose", 80.0)),
]


def _draw_earlier(days: int) -> Plant:
    """Move some blood draws back."""

    def plant(export: Export, rng: Rng) -> Place:
        table = export.read("bloods.csv")
        rows = rng.choice(len(table), 9, replace=False)
        earlier = [str(date.fromisoformat(day) - timedelta(days=days)) for day in table["drawn"][rows]]
        table.loc[rows, "drawn"] = earlier
        export.write("bloods.csv", table)
        return Place("bloods.csv", "crp")

    return plant


DEFECTS += [
    Defect("bloods of six weeks ago", "unit", "UNI-10", _draw_earlier(40)),
    Defect("bloods of last year", "unit", "UNI-10", _draw_earlier(365)),
]


# Patients and merges


@defect("a key whose zeros a spreadsheet took away", "merge", "DAT-05")
def _(export: Export, rng: Rng) -> Place:
    at = _some(export, "bloods.csv", rng)
    export.change(
        "bloods.csv",
        lambda table: table.__setitem__(
            "patient", table["patient"].where(table.index != at, table["patient"].str.lstrip("0"))
        ),
    )
    return Place("bloods.csv", "patient", (at + 2,))


@defect("a key with a space after it", "merge", "DAT-05")
def _(export: Export, rng: Rng) -> Place:
    at = _some(export, "trauma.csv", rng)
    export.change(
        "trauma.csv",
        lambda table: table.__setitem__(
            "patient", table["patient"].where(table.index != at, table["patient"] + " ")
        ),
    )
    return Place("trauma.csv", "patient", (at + 2,))


@defect("rows exported twice", "merge", "DAT-05")
def _(export: Export, rng: Rng) -> Place:
    at = _some(export, "questionnaires.csv", rng)
    export.change("questionnaires.csv", lambda table: pd.concat([table, table.iloc[[at]]]))
    return Place("questionnaires.csv", "patient", (len(export.read("questionnaires.csv")) + 1,))


@defect("a patient with two sexes", "merge", "DAT-05")
def _(export: Export, rng: Rng) -> Place:
    at = _some(export, "patients.csv", rng)
    turned = {"F": "M", "M": "F"}
    export.change(
        "patients.csv",
        lambda table: pd.concat([table, table.iloc[[at]].assign(sex=lambda own: own["sex"].map(turned))]),
    )
    return Place("patients.csv", "patient", (len(export.read("patients.csv")) + 1,))


@defect("two scores of one questionnaire on one day", "merge", "")
def _(export: Export, rng: Rng) -> Place:
    at = _some(export, "questionnaires.csv", rng)
    table = export.read("questionnaires.csv")
    other = table.iloc[[at]].assign(score=lambda own: str((int(own["score"].iloc[0]) + 5) % 20))
    export.write("questionnaires.csv", pd.concat([table, other]))
    return Place("questionnaires.csv", "score", (at + 2, len(table) + 2))


@defect("blood results imported again under new numbers", "merge", "")
def _(export: Export, rng: Rng) -> Place:
    table = export.read("bloods.csv")
    again = table.iloc[np.sort(rng.choice(len(table), 12, replace=False))]
    export.write("bloods.csv", pd.concat([table, again]).assign(number=lambda own: np.arange(len(own))))
    return Place("bloods.csv", rows=tuple(range(len(table) + 2, len(table) + 14)))


@defect("a table of other patients", "merge", "")
def _(export: Export, rng: Rng) -> Place:
    export.change(
        "trauma.csv", lambda table: table.assign(patient=["9" + key[1:] for key in table["patient"]])
    )
    return Place("trauma")


@defect("one patient under two keys", "merge", "LEA-01")
def _(export: Export, rng: Rng) -> Place:
    key = export.read("patients.csv")["patient"][_some(export, "patients.csv", rng)]
    for file in (
        "patients.csv",
        "courses.csv",
        "ratings.csv",
        "questionnaires.csv",
        "trauma.csv",
        "bloods.csv",
    ):
        export.change(
            file, lambda table: pd.concat([table, table.loc[table["patient"] == key].assign(patient="00099")])
        )
    export.change(
        "redcap.csv",
        lambda table: pd.concat([table, table.loc[table["record_id"] == key].assign(record_id="00099")]),
    )
    return Place("patients.csv", rows=(len(export.read("patients.csv")) + 1,))


# Leaks


@defect("a column of the last visit in the place of the first visit's", "leak", "LEA-04")
def _(export: Export, rng: Rng) -> Place:
    """Take the weight of the last visit, which follows the score."""
    ratings = export.read("ratings.csv")
    after = ratings.groupby("patient")["madrs"].last().astype(int)
    noise = pd.Series(rng.normal(0, 1.2, len(after)).round().astype(int), index=after.index)
    late = (60 + (after + noise) / 2).round(1)
    export.change(
        "patients.csv", lambda table: table.assign(weight=[str(late[key]) for key in table["patient"]])
    )
    return Place("patients.csv", "weight")


@defect("ratings entered after the infusion under a date before it", "leak", "LEA-03")
def _(export: Export, rng: Rng) -> Place:
    table = export.read("ratings.csv")
    first = ~table["patient"].duplicated()
    late = [str(date.fromisoformat(day) + timedelta(days=60)) for day in table["rated"]]
    export.write(
        "ratings.csv",
        table.assign(entered=table["entered"].where(~first | (np.arange(len(table)) > 40), late)),
    )
    return Place("ratings", "madrs")


@defect("a site where everybody responds", "leak", "LEA-07")
def _(export: Export, rng: Rng) -> Place:
    ratings = export.read("ratings.csv").astype({"madrs": int})
    scores = ratings.groupby("patient")["madrs"]
    responds = scores.last() <= 0.5 * scores.first()
    export.change(
        "patients.csv",
        lambda table: table.assign(site=np.where(table["patient"].map(responds), "north", "south")),
    )
    return Place("patients", "site")


@defect("patients sorted by what became of them", "leak", "")
def _(export: Export, rng: Rng) -> Place:
    ratings = export.read("ratings.csv").astype({"madrs": int})
    scores = ratings.groupby("patient")["madrs"]
    responds = scores.last() <= 0.5 * scores.first()
    export.change(
        "patients.csv",
        lambda table: table.sort_values("patient", key=lambda keys: keys.map(responds), kind="stable"),
    )
    return Place("patients")


@defect("nobody came back within the window", "leak", "DAT-22")
def _(export: Export, rng: Rng) -> Place:
    table = export.read("ratings.csv")
    again = table["patient"].duplicated()
    for column in ("rated", "entered"):
        moved = [str(date.fromisoformat(day) + timedelta(days=365)) for day in table[column]]
        table[column] = table[column].where(~again, moved)
    export.write("ratings.csv", table)
    return Place("outcomes", "response")


# REDCap


@defect("labels exported and not codes", "REDCap", "")
def _(export: Export, rng: Rng) -> Place:
    labels = {"1": "yes", "2": "no", "": ""}
    export.change("redcap.csv", lambda table: table.assign(employed=table["employed"].map(labels)))
    rows = np.flatnonzero((export.read("redcap.csv")["employed"] != "").to_numpy()) + 2
    return Place("redcap.csv", "employed", tuple(int(row) for row in rows))


@defect("a column that the data dictionary of another day lacks", "REDCap", "")
def _(export: Export, rng: Rng) -> Place:
    _lines(
        export,
        "redcap_dictionary.csv",
        lambda lines: [line for line in lines if not line.startswith("employed,")],
    )
    return Place("redcap.csv", "employed", (1,))


@defect("an event that was renamed", "REDCap", "")
def _(export: Export, rng: Rng) -> Place:
    at = _some(export, "redcap.csv", rng)
    export.change(
        "redcap.csv",
        lambda table: table.__setitem__(
            "redcap_event_name", table["redcap_event_name"].where(table.index != at, "visit_0_arm_1")
        ),
    )
    return Place("redcap.csv", "redcap_event_name", (at + 2,))


@defect("a box that holds its label", "REDCap", "")
def _(export: Export, rng: Rng) -> Place:
    table = export.read("redcap.csv")
    at = int(rng.choice(np.flatnonzero((table["comorbid___ptsd"] != "").to_numpy())))
    table.loc[at, "comorbid___ptsd"] = "Checked"
    export.write("redcap.csv", table)
    return Place("redcap.csv", "comorbid___ptsd", (at + 2,))
