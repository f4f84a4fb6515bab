"""Small clinics in dated files, and models trained on them once per process for all tests that only read.

The clinic is invented: three files with dates, a strong or no effect of CRP on the fall of MADRS, two arms.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from predictor.cli import main
from predictor.config.loading import load_config
from predictor.execution import Execution
from predictor.experiment import Training, train
from predictor.tracking import TrackingRecord

FAMILIES = ("elastic_net", "random_forest", "hist_gradient_boosting")
NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
AS_OF = date(2025, 12, 31)

DICTIONARY = """\
patients:
  source: {path: patients.csv, missing: ["NA"]}
  key: patient_id
  known: baseline
  columns:
    age: {type: number, unit: years, range: [18, 80], label: Age}
    sex: {type: category, values: {F: female, M: male}, label: Sex}
    site: {type: category, label: Site}
    crp: {analyte: crp, unit: mg/L, range: [0, 300], label: C-reactive protein}
treatments:
  source: {path: treatments.csv}
  key: patient_id
  known: {date: started_at}
  columns:
    started_at: {type: date}
    arm: {type: category, values: [ketamine, midazolam], known: plan, label: Treatment}
scores:
  source: {path: scores.csv}
  key: patient_id
  known: {date: assessed_at}
  layout: long
  name_column: scale
  value_column: score
  columns:
    MADRS: {instrument: madrs}
"""

CONFIG = """\
version: 1
override: invented
experiment: {name: NAME, question: How likely is a fall in MADRS of at least half after four weeks?, seed: 5}
data: {dictionary: dictionary.yaml}
cohort:
  index: {table: treatments, take: first}
  baseline: {first_day: -28, last_day: 0}
  treatment: {column: treatments.arm, control: midazolam, assignment: randomised}
  eligibility:
    - {name: Adult, column: patients.age, min: 18}
outcomes:
  response:
    kind: response
    measure: madrs
    reduction: 0.5
    assessed: {first_day: 21, last_day: 35, target_day: 28}
primary: response
severity: scores.madrs
features:
  groups:
    clinical: [patients.age, patients.sex, patients.site, scores.madrs]
    blood: [{column: patients.crp, transform: log1p}]
    plan: [treatments.arm]
  sets: {all: [clinical, blood, plan]}
models:
  net: {type: FAMILY, features: [all], candidates: 2}
validation:
  outer: {n_splits: 2, n_repeats: 2}
  inner: {n_splits: 2}
  interval: {resamples: 100}
  refits: 20
  bootstrap: {resamples: 4}
report: {owner: Example clinic, contact: ward 3, valid_days: 36500}
"""


@dataclass(frozen=True)
class Clinic:
    """The folder of a clinic's project: two YAML files and three files of data."""

    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / "config.yaml"

    def table(self, name: str) -> pd.DataFrame:
        """Read one of the files as text."""
        return pd.read_csv(self.folder / f"{name}.csv", dtype=str, keep_default_na=False)

    def change(self, old: str, new: str, *, file: str = "config.yaml") -> None:
        """Replace a piece of text that must be there."""
        path = self.folder / file
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{old!r} is not in {file}"
        path.write_text(text.replace(old, new), encoding="utf-8")


def write_clinic(
    folder: Path, *, n: int = 200, effect: float = 3.0, seed: int = 1, family: str = "elastic_net"
) -> Clinic:
    """Write a clinic of invented patients; ``effect`` is the log-odds of response per standard deviation of log CRP."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pyproject.toml").touch()
    (folder / "dictionary.yaml").write_text(DICTIONARY, encoding="utf-8")
    name = f"clinic-{family.replace('_', '-')}"
    few = "candidates: 2"
    if family == "random_forest":
        few = "candidates: 1, params: {n_estimators: 20, min_samples_leaf: 10}"
    config = CONFIG.replace("candidates: 2", few).replace("FAMILY", family).replace("NAME", name)
    (folder / "config.yaml").write_text(config, encoding="utf-8")
    for table, frame in clinic_tables(n=n, effect=effect, seed=seed).items():
        frame.to_csv(folder / f"{table}.csv", index=False)
    return Clinic(folder)


def clinic_tables(*, n: int, effect: float, seed: int) -> dict[str, pd.DataFrame]:
    """Draw the three files: who, when treated, and MADRS before and four weeks after."""
    rng = np.random.default_rng(seed)
    keys = [f"K{i:04d}" for i in range(n)]
    log_crp = rng.normal(0.8, 0.8, n)
    arm = rng.choice(["ketamine", "midazolam"], n)
    before = rng.integers(22, 45, n)
    log_odds = effect * (log_crp - 0.8) / 0.8 + 0.5 * (arm == "ketamine") - 0.25
    responds = rng.random(n) < 1 / (1 + np.exp(-log_odds))
    after = np.where(responds, np.floor(before * 0.4), np.ceil(before * 0.8)).astype(int)
    started = [date(2025, 1, 1) + timedelta(days=int(day)) for day in rng.integers(0, 300, n)]
    crp = [f"{value:.2f}" for value in np.exp(log_crp)]
    for i in rng.choice(n, n // 20, replace=False):
        crp[i] = "NA"
    patients = pd.DataFrame(
        {
            "patient_id": keys,
            "age": rng.integers(20, 70, n),
            "sex": rng.choice(["F", "M"], n),
            "site": rng.choice(["north", "south"], n),
            "crp": crp,
        }
    )
    treatments = pd.DataFrame({"patient_id": keys, "started_at": started, "arm": arm})
    scores = pd.concat(
        pd.DataFrame(
            {
                "patient_id": keys,
                "assessed_at": [day + timedelta(days=shift) for day in started],
                "scale": "MADRS",
                "score": score,
            }
        )
        for shift, score in ((-3, before), (28, after))
    )
    return {"patients": patients, "treatments": treatments, "scores": scores}


@functools.cache
def _shelf() -> tempfile.TemporaryDirectory[str]:
    """A folder that goes when the process does."""
    return tempfile.TemporaryDirectory(prefix="trained-clinics-")


def _send_nothing(items: object, **_: object) -> TrackingRecord:
    return TrackingRecord("none", "none", None, "none")


def train_quietly(
    clinic: Clinic, *, overrides: Sequence[str] = (), workers: int = 1, execution: Execution | None = None
) -> Training:
    """Train without sending anything to MLflow, whose import and store cost more than the whole training."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("predictor.runs.send", _send_nothing)
        return train(
            load_config(clinic.config, overrides=overrides), workers=workers, execution=execution, now=NOW
        )


def trained(kind: str = "better") -> Training:
    """Train once: ``better`` on a strong effect, ``group`` on none, or a family's name, with its numbers released."""
    return _trained(kind)


@functools.cache  # of a function without a default: ``trained()`` and ``trained("better")`` are one training
def _trained(kind: str) -> Training:
    family = kind if kind in FAMILIES else "elastic_net"
    clinic = write_clinic(Path(_shelf().name, kind), family=family, effect=0.0 if kind == "group" else 3.0)
    overrides = ["report.release=research", "report.reason=a test"] if kind in FAMILIES else []
    training = train_quietly(clinic, overrides=overrides)
    if kind not in FAMILIES:
        label = training.evaluation.verdict.label
        assert (label == "better") == (kind == "better"), f"the verdict is {label}"
    return training


def result_hashes(folder: Path) -> dict[str, str]:
    """Hash all that a run leaves behind, its own id blanked; the journal tells its story, and is no result.

    Parameters
    ----------
    folder : Path
        A finished run.
    """
    # In a style sheet the id stands with its hyphens escaped.
    own = [one.encode() for one in (folder.name, folder.name.replace("-", "\\00002d"))]
    found = {}
    for name in json.loads((folder / "hashes.json").read_text()):
        data = (folder / name).read_bytes()
        for one in own:
            data = data.replace(one, b"RUN")
        found[name] = hashlib.sha256(data).hexdigest()
    del found["journal.jsonl"]
    assert {"predictions.parquet", "verdict.json", "model/manifest.json", "model_report.html"} <= set(found)
    return found


def clinic_of(training: Training) -> Clinic:
    """Return the clinic that a training was made on."""
    return Clinic(training.study.loaded.path.parent)


@dataclass(frozen=True)
class Answer:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def record(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.out)

    @property
    def errors(self) -> list[str]:
        """Lines of standard error, without the last where it says how they are explained."""
        lines = self.err.splitlines()
        return lines[:-1] if lines and lines[-1].startswith("More: predictor explain ") else lines


def command_line(*arguments: object, cwd: Path | None = None) -> Answer:
    """Run the command line's own entry point in this process."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["predictor", *map(str, arguments)])
        if cwd is not None:
            patch.chdir(cwd)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                main()
            except SystemExit as end:
                return Answer(int(end.code or 0), out.getvalue(), err.getvalue())


def new_patients(n: int = 12, *, seed: int = 9) -> pd.DataFrame:
    """Return patients that no model has seen, one row each, inside the ranges of the training."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "patient": [f"NEW-{i}" for i in range(n)],
            "age": rng.integers(25, 65, n).astype(float),
            "sex": rng.choice(np.array(["female", "male"], dtype=object), n),
            "site": rng.choice(np.array(["north", "south"], dtype=object), n),
            "madrs": rng.integers(24, 42, n).astype(float),
            "crp": np.round(rng.uniform(0.8, 6, n), 2),
            "arm": rng.choice(np.array(["ketamine", "midazolam"], dtype=object), n),
        }
    )


def typed(number: int = 0, **changes: str) -> dict[str, str]:
    """What a clinician types into a form of a patient whom the models know."""
    row = new_patients().iloc[number].to_dict()
    values = {name: f"{value:g}" if isinstance(value, float) else str(value) for name, value in row.items()}
    values["pseudonym"] = values.pop("patient")
    return values | {"crp__unit": "mg/L"} | changes
