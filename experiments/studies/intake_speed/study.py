"""What it costs to bring SIMULATED assessments from Parquet to the baseline table, as they grow in number."""

from __future__ import annotations

import argparse
import csv
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).parent
SIZES = ((2_000, 100_000), (20_000, 1_000_000), (200_000, 10_000_000))
SCALES = {"MADRS": 60, "GAD7": 21, "PHQ9": 27, "CRP": 0, "IL6": 0}
FIELDS = ("patients", "rows", "step", "cpu_s", "wall_s", "peak_mb")
START = np.datetime64("2022-01-01")

DICTIONARY = """
patients:
  title: SIMULATED patients
  source: {path: patients.parquet}
  key: patient
  known: baseline
  columns:
    age: {type: integer, unit: years, range: [18, 90]}
    sex: {type: category, values: [female, male]}
courses:
  title: SIMULATED courses
  source: {path: courses.parquet}
  key: patient
  known: {date: started}
  columns:
    started: {type: date}
assessments:
  title: SIMULATED assessments
  source: {path: assessments.parquet}
  key: patient
  known: {date: assessed}
  layout: long
  name_column: quantity
  value_column: value
  columns:
    MADRS: {instrument: madrs}
    GAD7: {instrument: gad7}
    PHQ9: {instrument: phq9}
    CRP: {measure: crp, type: number}
    IL6: {measure: il6, type: number}
"""
CONFIG = """
version: 1
experiment: {name: intake-speed, question: SIMULATED - what does reading cost?}
data: {dictionary: dictionary.yaml}
cohort:
  patients: patients
  index: {table: courses, take: first}
outcomes:
  response: {kind: response, measure: madrs, assessed: {first_day: 14, last_day: 42, target_day: 28}}
primary: response
severity: assessments.madrs
features:
  groups:
    clinical:
      - patients.age
      - patients.sex
      - assessments.madrs
      - assessments.gad7
      - assessments.phq9
      - {column: assessments.crp, take: mean}
      - {column: assessments.il6, take: max}
  sets: {all: [clinical]}
"""


def write_clinic(folder: Path, patients: int, rows: int, *, seed: int = 1) -> None:
    """Write a SIMULATED clinic: courses over three years, assessments from a year before to a year after."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dictionary.yaml").write_text(DICTIONARY, encoding="utf-8")
    (folder / "config.yaml").write_text(CONFIG, encoding="utf-8")
    (folder / "pyproject.toml").touch()
    keys = np.array([f"SIM-{i:07d}" for i in range(patients)], dtype=object)
    people = pd.DataFrame(
        {
            "patient": keys,
            "age": rng.integers(18, 90, patients),
            "sex": rng.choice(["female", "male"], patients),
        }
    )
    started = START + rng.integers(0, 1000, patients).astype("timedelta64[D]")
    people.to_parquet(folder / "patients.parquet", index=False)
    pd.DataFrame({"patient": keys, "started": started}).to_parquet(folder / "courses.parquet", index=False)
    owner = np.sort(rng.integers(0, patients, rows))
    quantity = rng.choice(list(SCALES), rows)
    highest = pd.Series(quantity).map(SCALES).to_numpy()
    value = np.where(
        highest > 0, rng.integers(0, np.maximum(highest, 1) + 1), np.round(rng.lognormal(0.7, 0.8, rows), 3)
    )
    minutes = rng.integers(-365 * 1440, 365 * 1440, rows).astype("timedelta64[m]")
    assessed = started[owner].astype("datetime64[m]") + minutes
    table = pd.DataFrame(
        {
            "patient": keys[owner],
            "assessed": assessed.astype("datetime64[us]"),
            "quantity": quantity,
            "value": value,
        }
    )
    # Of ten million rows one or two are an exact copy by chance, which the reader refuses.
    table = table.drop_duplicates(["patient", "assessed", "quantity"])
    table.to_parquet(folder / "assessments.parquet", index=False, row_group_size=250_000)


def baseline(folder: Path) -> list[dict[str, float | str]]:
    """Bring a clinic's files to the baseline table, with the CPU seconds of each step and the peak of memory."""
    from predictor.cohort.outcomes import define_outcomes
    from predictor.cohort.selection import select_cohort
    from predictor.config.loading import load_config
    from predictor.features.extraction import extract_values, feature_sets
    from predictor.study import read_needed

    steps: list[dict[str, float | str]] = []
    cpu, wall = time.process_time(), time.perf_counter()

    def done(step: str) -> None:
        nonlocal cpu, wall
        now = time.process_time(), time.perf_counter()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        steps.append({"step": step, "cpu_s": now[0] - cpu, "wall_s": now[1] - wall, "peak_mb": peak})
        cpu, wall = now

    loaded = load_config(folder / "config.yaml")
    config, dictionary = loaded.config, loaded.dictionary
    done("config")
    tables = read_needed(loaded)
    done("read and conform")
    cohort = select_cohort(tables, dictionary, config.cohort)
    done("cohort and timeline")
    define_outcomes(cohort, config.outcomes, baseline=config.cohort.baseline)
    done("outcomes")
    features, _ = feature_sets(config.features, dictionary)
    X = extract_values(cohort.timeline, dictionary, features, baseline=config.cohort.baseline)
    done("baseline table")
    assert len(X) == len(cohort.timeline.units)
    return steps


def main() -> None:
    """Measure each size in a process of its own, and write results.csv."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--one", type=Path, help="Measure this folder and print the steps")
    arguments.add_argument("--out", type=Path, default=HERE / "results.csv")
    arguments.add_argument(
        "--folder", type=Path, default=Path("intake_speed_data"), help="Where the clinics are made"
    )
    given = arguments.parse_args()
    if given.one is not None:
        print(json.dumps(baseline(given.one)))
        return
    with given.out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
        writer.writeheader()
        for patients, rows in SIZES:
            folder = given.folder / f"{rows}"
            write_clinic(folder, patients, rows)
            command = [sys.executable, __file__, "--one", str(folder)]
            answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            for step in json.loads(answer):
                rounded = {name: round(value, 2) for name, value in step.items() if name != "step"}
                writer.writerow({"patients": patients, "rows": rows, "step": step["step"], **rounded})
            file.flush()


if __name__ == "__main__":
    main()
