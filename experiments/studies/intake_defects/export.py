"""A SIMULATED export as a clinic has it: CSV, Excel, SAS transport and REDCap files of one cohort, without a defect."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

PATIENTS = 160
SITES = ("north", "south")
REVERSED = (2, 5, 7, 13, 19, 26, 28)
DENIAL = (10, 16, 22)

DICTIONARY = """\
patients:
  title: SIMULATED patients
  source: {path: patients.csv}
  key: patient
  known: baseline
  columns:
    provenance: {type: category, values: [SIMULATED]}
    site: {type: category}
    sex: {type: category, values: {F: female, M: male}}
    age: {type: integer, unit: years, range: [18, 80]}
    weight: {measure: weight, unit: kg}
    height: {measure: height, unit: cm}
courses:
  title: SIMULATED courses of treatment
  source: {path: courses.csv}
  key: patient
  known: {date: started}
  columns:
    started: {type: date}
    arm: {type: category, values: [ketamine, midazolam], known: plan}
    dose: {measure: dose_per_weight, unit: mg/kg, known: plan}
    infusions: {type: integer, range: [1, 12], known: after}
    finished: {type: date, known: after}
ratings:
  title: SIMULATED ratings
  source: {path: ratings.csv}
  key: patient
  known: {date: rated}
  recorded: entered
  columns:
    rated: {type: date}
    entered: {type: date}
    MADRS_ITEMS
    madrs: {instrument: madrs}
questionnaires:
  title: SIMULATED questionnaires
  source: {path: questionnaires.csv}
  key: patient
  known: {date: filled_in}
  layout: long
  name_column: scale
  value_column: score
  columns:
    GAD7: {instrument: gad7}
    PHQ9: {instrument: phq9}
trauma:
  title: SIMULATED trauma questionnaire
  source: {path: trauma.csv}
  key: patient
  known: baseline
  columns:
    CTQ_ITEMS
    ctq: {instrument: ctq28, name: ctq}
bloods:
  title: SIMULATED blood draws
  source: {path: bloods.csv}
  key: patient
  known: {date: drawn}
  columns:
    drawn: {type: date}
    crp: {analyte: crp, unit: mg/L, max_age_days: 30}
    creatinine: {analyte: creatinine, unit: umol/L}
    vitamin_d: {analyte: vitamin_d, unit: nmol/L}
    tsh: {analyte: tsh, unit: "m[IU]/L", unit_column: tsh_unit}
history:
  title: SIMULATED history
  source: {path: history.xlsx}
  key: patient
  known: baseline
  columns:
    episode_months: {type: number, unit: months, range: [1, 400]}
    failed_trials: {type: integer, range: [2, 15]}
    first_episode: {type: date}
demographics:
  title: SIMULATED demographics of the trial
  source: {path: dm.xpt}
  key: USUBJID
  known: baseline
  columns:
    EDUYRS: {type: number, unit: years, range: [5, 25]}
enrolment:
  title: SIMULATED REDCap form
  source:
    path: redcap.csv
    redcap: {dictionary: redcap_dictionary.csv, events: redcap_events.csv}
    where: {redcap_event_name: screening_arm_1, redcap_repeat_instrument: ""}
  key: record_id
  known: baseline
  columns:
    employed: {type: category, values: {"1": "yes", "2": "no"}}
    comorbid___ptsd: {type: boolean}
pressure:
  title: SIMULATED REDCap form that repeats
  source:
    path: redcap.csv
    redcap: {dictionary: redcap_dictionary.csv, events: redcap_events.csv}
    where: {redcap_repeat_instrument: pressure}
  key: record_id
  known: {date: measured}
  columns:
    measured: {type: date}
    systolic: {measure: systolic_pressure, unit: "mm[Hg]"}
"""
CONFIG = """\
version: 1
experiment: {name: intake-defects, question: SIMULATED - does a defect of the export pass?, seed: 3}
data: {dictionary: dictionary.yaml}
cohort:
  patients: patients
  index: {table: courses, take: first}
  baseline: {first_day: -60, last_day: 0, same_day: pre_dose_only}
  treatment: {column: courses.arm, control: midazolam, assignment: randomised}
outcomes:
  response: {kind: response, measure: madrs, assessed: {first_day: 21, last_day: 35, target_day: 28}}
primary: response
severity: ratings.madrs
features:
  groups:
    person: [patients.age, patients.sex, patients.weight, patients.height, demographics.EDUYRS]
    illness: [ratings.madrs, questionnaires.gad7, questionnaires.phq9, trauma.ctq, history.episode_months,
      history.failed_trials, enrolment.employed, enrolment.comorbid___ptsd]
    blood: [bloods.crp, bloods.creatinine, bloods.vitamin_d, bloods.tsh, pressure.systolic_pressure]
    plan: [courses.arm, courses.dose_per_weight]
  max_missing: 0.5
  sets: {all: [person, illness, blood, plan]}
models:
  net: {type: elastic_net, features: [all], candidates: 2}
validation:
  transport: {by: patients.site}
override: SIMULATED; only what is found in the export counts
"""
REDCAP_FIELDS = (
    ("record_id", "enrolment", "text", "Record ID", "", ""),
    ("provenance", "enrolment", "radio", "Provenance", "1, SIMULATED", ""),
    ("employed", "enrolment", "radio", "In work", "1, yes | 2, no", ""),
    ("comorbid", "enrolment", "checkbox", "Other diagnoses", "ptsd, PTSD | none, none", ""),
    ("measured", "pressure", "text", "Measured on", "", "date_ymd"),
    ("systolic", "pressure", "text", "Systolic pressure (mmHg)", "", "number"),
)
REDCAP_HEADER = (
    "Variable / Field Name",
    "Form Name",
    "Field Type",
    "Field Label",
    "Choices, Calculations, OR Slider Labels",
    "Text Validation Type OR Show Slider Number",
    "Text Validation Min",
    "Text Validation Max",
    "Identifier?",
)


@dataclass(frozen=True)
class Export:
    """A folder with config, dictionary and the files of the clinic."""

    folder: Path

    @property
    def config(self) -> Path:
        """Return the path of the config."""
        return self.folder / "config.yaml"

    def path(self, file: str) -> Path:
        """Return the path of a file."""
        return self.folder / file

    def read(self, file: str) -> pd.DataFrame:
        """Read a CSV file as text."""
        return pd.read_csv(self.path(file), dtype=str, keep_default_na=False)

    def write(self, file: str, table: pd.DataFrame) -> None:
        """Replace a CSV file."""
        table.to_csv(self.path(file), index=False)

    def change(self, file: str, change: Callable[[pd.DataFrame], object]) -> None:
        """Change a CSV file as a table; ``change`` works on it, or returns another one."""
        table = self.read(file)
        changed = change(table)
        self.write(file, changed if isinstance(changed, pd.DataFrame) else table)

    def change_text(self, file: str, old: str, new: str) -> None:
        """Replace a text that must be there, once."""
        text = self.path(file).read_text(encoding="utf-8")
        if old not in text:
            msg = f"{file} does not hold the text that is to be replaced"
            raise ValueError(msg)
        self.path(file).write_text(text.replace(old, new, 1), encoding="utf-8")


def write_export(folder: Path, *, seed: int) -> Export:
    """Write the clean SIMULATED export."""
    folder.mkdir(parents=True, exist_ok=True)
    export, rng = Export(folder), np.random.default_rng(seed)
    (folder / "pyproject.toml").touch()
    export.config.write_text(CONFIG, encoding="utf-8")
    export.path("dictionary.yaml").write_text(_dictionary(), encoding="utf-8")
    people = _people(rng)
    for name, table in _plain_tables(people, rng).items():
        export.write(name, table.assign(provenance="SIMULATED"))
    _write_workbook(export.path("history.xlsx"), people, rng)
    _write_transport(export.path("dm.xpt"), people, rng)
    _write_redcap(export, people, rng)
    return export


def _dictionary() -> str:
    madrs = [f"m{i}: {{instrument: madrs, item: {i}}}" for i in range(1, 11)]
    ctq = [f"q{i}: {{instrument: ctq28, item: {i}}}" for i in range(1, 29)]
    return DICTIONARY.replace("MADRS_ITEMS", "\n    ".join(madrs)).replace("CTQ_ITEMS", "\n    ".join(ctq))


def _people(rng: np.random.Generator) -> pd.DataFrame:
    """Draw who they are, when they start, and how they do; no two are alike, and keys and rows are in no order."""
    n = PATIENTS
    male = rng.random(n) < 0.4
    height = np.round(rng.normal(np.where(male, 178, 165), 6))
    chance = rng.random(n) < 0.45
    before = rng.integers(24, 42, n)
    return pd.DataFrame(
        {
            "patient": [f"{number:05d}" for number in rng.permutation(np.arange(101, 101 + n))],
            "site": rng.permutation(np.resize(np.array(SITES, dtype=object), n)),
            "sex": np.where(male, "M", "F"),
            "age": rng.integers(20, 76, n),
            "height": height.astype(int),
            "weight": np.round(rng.normal(26, 3, n).clip(19, 38) * (height / 100) ** 2, 1),
            "start": [date(2023, 1, 2) + timedelta(days=int(day)) for day in rng.integers(0, 600, n)],
            "before": before,
            "after": np.where(chance, np.floor(before * 0.38), np.ceil(before * 0.75)).astype(int),
        }
    )


def _plain_tables(people: pd.DataFrame, rng: np.random.Generator) -> Mapping[str, pd.DataFrame]:
    return {
        "patients.csv": people[["patient", "site", "sex", "age", "weight", "height"]],
        "courses.csv": _courses(people, rng),
        "ratings.csv": _ratings(people, rng),
        "questionnaires.csv": _questionnaires(people, rng),
        "trauma.csv": _trauma(people, rng),
        "bloods.csv": _bloods(people, rng),
    }


def _shifted(days: pd.Series, by: np.ndarray) -> list[date]:
    return [day + timedelta(days=int(shift)) for day, shift in zip(days, by, strict=True)]


def _courses(people: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    n = len(people)
    return pd.DataFrame(
        {
            "patient": people["patient"],
            "started": [
                datetime.combine(day, time(10, 30)).isoformat(" ", "minutes") for day in people["start"]
            ],
            "arm": rng.choice(["ketamine", "midazolam"], n),
            "dose": rng.choice([0.4, 0.5, 0.6], n),
            "infusions": rng.integers(4, 7, n),
            "finished": _shifted(people["start"], rng.integers(14, 22, n)),
        }
    )


def _items(total: int, low: np.ndarray, high: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Ratings between low and high that add up to a total."""
    ratings = low.copy()
    while ratings.sum() < total:
        ratings[rng.choice(np.flatnonzero(ratings < high))] += 1
    return ratings


def _ratings(people: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Two ratings of everybody: up to two weeks before day 0, and four weeks after it; entered a day later."""
    rows = []
    for one in people.itertuples(index=False):
        early = one.start - timedelta(days=int(rng.integers(3, 15)))
        later = one.start + timedelta(days=int(rng.integers(26, 31)))
        for day, total in ((early, one.before), (later, one.after)):
            items = _items(int(total), np.zeros(10, int), np.full(10, 6), rng)
            rows.append([one.patient, day, day + timedelta(days=1), *items, total])
    return pd.DataFrame(
        rows, columns=["patient", "rated", "entered", *(f"m{i}" for i in range(1, 11)), "madrs"]
    )


def _questionnaires(people: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    rows = []
    for one in people.itertuples(index=False):
        day = one.start - timedelta(days=int(rng.integers(1, 10)))
        rows += [
            [one.patient, day, "GAD7", rng.integers(3, 21)],
            [one.patient, day, "PHQ9", rng.integers(9, 27)],
        ]
    return pd.DataFrame(rows, columns=["patient", "filled_in", "scale", "score"])


def _trauma(people: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """CTQ as answered; in the total reversed items count from the other end and those of denial do not."""
    rows = []
    for patient in people["patient"]:
        answers = rng.integers(1, 6, 28)
        points = [6 - a if i in REVERSED else a for i, a in enumerate(answers, start=1) if i not in DENIAL]
        rows.append([patient, *answers, sum(points)])
    return pd.DataFrame(rows, columns=["patient", *(f"q{i}" for i in range(1, 29)), "ctq"])


def _bloods(people: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    n = len(people)
    return pd.DataFrame(
        {
            "patient": people["patient"],
            "drawn": _shifted(people["start"], -rng.integers(1, 20, n)),
            "crp": np.round(np.exp(rng.normal(0.9, 0.8, n)), 2).clip(0.2),
            "creatinine": np.round(rng.normal(75, 12, n).clip(45, 120)).astype(int),
            "vitamin_d": np.round(rng.normal(58, 15, n).clip(20, 120)).astype(int),
            "tsh": np.round(np.exp(rng.normal(0.6, 0.4, n)), 2),
            "tsh_unit": "m[IU]/L",
        }
    )


def _write_workbook(path: Path, people: pd.DataFrame, rng: np.random.Generator) -> None:
    from openpyxl import Workbook

    book = Workbook()
    sheet = book.active
    sheet.title = "SIMULATED history"
    sheet.append(["patient", "episode_months", "failed_trials", "first_episode", "provenance"])
    for one in people.itertuples(index=False):
        first = one.start - timedelta(days=int(rng.integers(400, 6000)))
        sheet.append([one.patient, int(rng.integers(3, 120)), int(rng.integers(2, 9)), first, "SIMULATED"])
    book.save(path)


def _write_transport(path: Path, people: pd.DataFrame, rng: np.random.Generator) -> None:
    import pyreadstat

    table = pd.DataFrame(
        {"USUBJID": people["patient"], "EDUYRS": rng.integers(8, 22, len(people)).astype(float)}
    )
    pyreadstat.write_xport(table.assign(PROV="SIMULATED"), str(path), table_name="DM", file_format_version=5)


def _write_redcap(export: Export, people: pd.DataFrame, rng: np.random.Generator) -> None:
    rows: list[dict[str, object]] = []
    for one in people.itertuples(index=False):
        own = {
            "record_id": one.patient,
            "redcap_event_name": "screening_arm_1",
            "provenance": "",
            "employed": "",
        }
        ptsd = int(rng.random() < 0.3)
        boxes = {"comorbid___ptsd": ptsd, "comorbid___none": 1 - ptsd}
        rows.append(own | boxes | {"provenance": 1, "employed": rng.integers(1, 3), "enrolment_complete": 2})
        for instance in (1, 2):
            day = one.start - timedelta(days=int(rng.integers(1, 4)) + 5 * instance)
            repeat = {"redcap_repeat_instrument": "pressure", "redcap_repeat_instance": instance}
            rows.append(
                own | repeat | {"measured": day, "systolic": rng.integers(105, 150), "pressure_complete": 2}
            )
    headers = [
        *(
            "record_id",
            "redcap_event_name",
            "redcap_repeat_instrument",
            "redcap_repeat_instance",
            "provenance",
        ),
        *("employed", "comorbid___ptsd", "comorbid___none", "enrolment_complete"),
        *("measured", "systolic", "pressure_complete"),
    ]
    export.write("redcap.csv", pd.DataFrame(rows, columns=headers).astype(object).fillna(""))
    with export.path("redcap_dictionary.csv").open("w", encoding="utf-8", newline="") as file:
        plain = csv.writer(file, lineterminator="\n")
        plain.writerow(REDCAP_HEADER)
        plain.writerows([*field, "", "", ""] for field in REDCAP_FIELDS)
    events = "event_name,arm_num,unique_event_name\nScreening,1,screening_arm_1\n"
    export.path("redcap_events.csv").write_text(events, encoding="utf-8")
