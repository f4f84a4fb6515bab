"""Writes data/redcap_simulated/, a SIMULATED REDCap project: events, two arms, checkboxes, a repeating instrument.

Run it with a folder; the files in data/ are what it writes. No patient in them exists.
"""

from __future__ import annotations

import csv
import sys
from datetime import date, timedelta
from pathlib import Path

import numpy as np

PATIENTS, SEED = 240, 41
EVENTS = [("Screening", "screening"), ("Infusion", "infusion"), ("Week 4", "week_4")]
HEADER = [
    "Variable / Field Name", "Form Name", "Section Header", "Field Type", "Field Label",
    "Choices, Calculations, OR Slider Labels", "Field Note", "Text Validation Type OR Show Slider Number",
    "Text Validation Min", "Text Validation Max", "Identifier?", "Branching Logic (Show field only if...)",
    "Required Field?", "Custom Alignment", "Question Number (surveys only)", "Matrix Group Name", "Matrix Ranking?",
    "Field Annotation",
]  # fmt: skip
BOXES = "anx, anxiety disorder | ptsd, PTSD | none, none"
FIELDS = [
    # name, form, type, label, choices, validation, least, most, identifier
    ("record_id", "enrolment", "text", "Record ID", "", "", "", "", ""),
    ("full_name", "enrolment", "text", "Name", "", "", "", "", "y"),
    ("provenance", "enrolment", "radio", "Provenance", "1, SIMULATED", "", "", "", ""),
    ("age", "enrolment", "text", "Age at screening (years)", "", "integer", "18", "80", ""),
    ("sex", "enrolment", "radio", "Sex", "1, female | 2, male", "", "", "", ""),
    ("failed_trials", "enrolment", "text", "Failed antidepressants", "", "integer", "0", "15", ""),
    ("comorbid", "enrolment", "checkbox", "Other diagnoses", BOXES, "", "", "", ""),
    ("infusion_date", "treatment", "text", "First infusion", "", "datetime_ymd", "", "", ""),
    ("madrs_date", "rating", "text", "Date of rating", "", "date_ymd", "", "", ""),
    ("madrs_total", "rating", "calc", "MADRS total", "sum([m1],[m2])", "", "", "", ""),
    ("lab_date", "laboratory", "text", "Drawn on", "", "date_ymd", "", "", ""),
    ("lab_crp", "laboratory", "text", "CRP (mg/L)", "", "number", "0", "300", ""),
]  # fmt: skip
COLUMNS = [
    "record_id", "redcap_event_name", "redcap_repeat_instrument", "redcap_repeat_instance", "full_name", "provenance",
    "age", "sex", "failed_trials", "comorbid___anx", "comorbid___ptsd", "comorbid___none", "enrolment_complete",
    "infusion_date", "treatment_complete", "madrs_date", "madrs_total", "rating_complete", "lab_date", "lab_crp",
    "laboratory_complete",
]  # fmt: skip


def patient(number: int, rng: np.random.Generator) -> list[dict[str, object]]:
    """Return one patient's rows: screening, infusion, perhaps week 4, and one or two blood draws before it."""
    arm = int(rng.integers(1, 3))
    age, sex = int(rng.integers(19, 75)), int(rng.integers(1, 3))
    failed, anxious, traumatised = int(rng.integers(2, 9)), int(rng.random() < 0.4), int(rng.random() < 0.2)
    baseline = int(np.clip(rng.normal(32, 5), 20, 52))
    crp = float(np.round(np.exp(rng.normal(0.8, 0.9)), 1))
    start = date(2023, 1, 2) + timedelta(days=int(rng.integers(0, 700)))
    effect = 0.30 + 0.28 * (arm == 1) - 0.035 * (failed - 5) - 0.10 * anxious + 0.06 * np.log(crp + 1)
    change = float(np.clip(effect + rng.normal(0, 0.22), -0.2, 1.0))

    def row(event: str, **cells: object) -> dict[str, object]:
        return {"record_id": f"{number:04}", "redcap_event_name": f"{event}_arm_{arm}"} | cells

    rows = [
        row(
            "screening",
            full_name=f"SIMULATED {number:04}", provenance=1, age=age, sex=sex, failed_trials=failed,
            comorbid___anx=anxious, comorbid___ptsd=traumatised,
            comorbid___none=int(not anxious and not traumatised and rng.random() < 0.9), enrolment_complete=2,
            madrs_date=start - timedelta(days=int(rng.integers(1, 15))), madrs_total=baseline, rating_complete=2,
        ),
        row("infusion", infusion_date=f"{start} 09:30", treatment_complete=2),
    ]  # fmt: skip
    if rng.random() < 0.92:
        on = start + timedelta(days=int(rng.integers(25, 32)))
        rows.append(
            row("week_4", madrs_date=on, madrs_total=round(baseline * (1 - change)), rating_complete=2)
        )
    for instance in range(1, int(rng.integers(2, 4))):
        repeat = {"redcap_repeat_instrument": "laboratory", "redcap_repeat_instance": instance}
        drawn = start - timedelta(days=21 - 7 * instance)
        value = float(np.round(crp * np.exp(rng.normal(0, 0.15)), 1))
        rows.append(row("screening", **repeat, lab_date=drawn, lab_crp=value, laboratory_complete=2))
    return rows


def write(folder: Path) -> None:
    """Write export, data dictionary and events."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(SEED)
    rows = [row for number in range(1, PATIENTS + 1) for row in patient(number, rng)]
    with (folder / "export.csv").open("w", encoding="utf-8", newline="") as file:
        out = csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n")
        out.writeheader()
        out.writerows(rows)
    with (folder / "data_dictionary.csv").open("w", encoding="utf-8", newline="") as file:
        plain = csv.writer(file, lineterminator="\n")
        plain.writerow(HEADER)
        for name, form, kind, label, choices, validation, low, high, identifier in FIELDS:
            plain.writerow(
                [name, form, "", kind, label, choices, "", validation, low, high, identifier, *[""] * 7]
            )
    with (folder / "events.csv").open("w", encoding="utf-8", newline="") as file:
        plain = csv.writer(file, lineterminator="\n")
        plain.writerow(["event_name", "arm_num", "unique_event_name"])
        plain.writerows([label, arm, f"{name}_arm_{arm}"] for arm in (1, 2) for label, name in EVENTS)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
