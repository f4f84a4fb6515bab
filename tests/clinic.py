"""Clinics to test on: tables of a few rows written out in a test, and invented ones large enough to train on.

Both are folders with ``config.yaml``, ``dictionary.yaml`` and CSV files, read by the same code as a user's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from predictor.cohort.outcomes import Outcome, define_outcomes
from predictor.cohort.selection import Cohort, select_cohort
from predictor.config.loading import LoadedConfig, load_config
from predictor.config.yaml_writer import write_yaml
from predictor.data.conform import read_tables
from predictor.features.extraction import Extraction, extract_dataset
from predictor.study import Study, prepare_study

Layout = Literal["wide", "visits", "dated"]

COLUMNS: dict[str, dict[str, Any]] = {
    "age": {"type": "number", "unit": "years", "range": [18, 80]},
    "sex": {"type": "category", "values": {"F": "female", "M": "male"}},
    "site": {"type": "category"},
    "consent": {"type": "category", "values": ["yes", "no"]},
    "smoker": {"type": "boolean"},
    "arm": {"type": "category", "values": ["ketamine", "placebo"], "known": "plan"},
    "dose": {"type": "number", "unit": "mg/kg", "range": [0, 2], "known": "plan"},
    "relapsed": {"type": "boolean", "known": "after"},
    "relapsed_on": {"type": "date", "known": "after"},
    "madrs_0": {"instrument": "madrs", "day": 0},
    "madrs_28": {"instrument": "madrs", "day": 28},
    "started": {"type": "date"},
    "course": {"type": "text"},
    "drug": {"type": "category", "values": ["ketamine", "saline"], "known": "plan"},
    "infusions": {"type": "integer", "known": "after"},
    "crp": {"analyte": "crp", "unit": "mg/L", "range": [0, None]},
    "drawn": {"type": "date"},
    "happened": {"type": "date"},
    "event": {"type": "category", "values": ["relapse", "admission", "none"]},
    "madrs": {"instrument": "madrs"},
}
TABLES: dict[str, dict[str, Any]] = {
    "patients": {"known": "baseline"},
    "courses": {"known": {"date": "started"}},
    "scores": {
        "known": {"date": "on"},
        "layout": "long",
        "name_column": "scale",
        "value_column": "score",
        "columns": {"MADRS": {"instrument": "madrs"}, "GAD7": {"instrument": "gad7"}},
    },
    "visits": {"visits": {"column": "visit", "days": {"baseline": 0, "week4": 28}}},
    "labs": {"known": {"date": "drawn"}},
    "events": {"known": {"date": "happened"}},
}
RESPONSE: dict[str, Any] = {
    "kind": "response",
    "measure": "madrs",
    "reduction": 0.5,
    "assessed": {"first_day": 21, "last_day": 35, "target_day": 28},
}


@dataclass(frozen=True)
class Clinic:
    """The folder of a clinic's project."""

    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / "config.yaml"

    def load(self, *overrides: str) -> LoadedConfig:
        """Load both YAML files, with ``a.b=c`` changes."""
        return load_config(self.config, overrides=overrides)

    def cohort(self, *overrides: str) -> Cohort:
        """Read the files and select the patients."""
        loaded = self.load(*overrides)
        tables = read_tables(loaded.dictionary, loaded.sources)
        return select_cohort(tables, loaded.dictionary, loaded.config.cohort)

    def outcomes(self, *overrides: str) -> dict[str, Outcome]:
        """Define all outcomes of the selected patients."""
        config = self.load(*overrides).config
        return define_outcomes(self.cohort(*overrides), config.outcomes, baseline=config.cohort.baseline)

    def extraction(self, *overrides: str) -> Extraction:
        """Take the features of the selected patients."""
        loaded = self.load(*overrides)
        config, cohort = loaded.config, self.cohort(*overrides)
        return extract_dataset(
            cohort,
            self.outcomes(*overrides),
            loaded.dictionary,
            config.features,
            baseline=config.cohort.baseline,
            severity=config.severity,
        )

    def study(self, *overrides: str) -> Study:
        """Prepare everything that comes before the first fit."""
        return prepare_study(self.load(*overrides))

    def table(self, name: str) -> pd.DataFrame:
        """Read one of the files as text."""
        return pd.read_csv(self.folder / f"{name}.csv", dtype=str, keep_default_na=False)

    def write_table(self, name: str, frame: pd.DataFrame) -> None:
        """Replace one of the files."""
        frame.to_csv(self.folder / f"{name}.csv", index=False)


def csv_of(text: str) -> pd.DataFrame:
    """Read a table drawn in a test: columns apart by spaces, ``-`` for a blank cell, ``_`` for a space in a cell."""
    lines = [line.split() for line in text.splitlines() if line.strip()]
    rows = [["" if cell == "-" else cell.replace("_", " ") for cell in line] for line in lines[1:]]
    return pd.DataFrame(rows, columns=lines[0])


def small_clinic(
    folder: Path,
    *,
    cohort: Mapping[str, Any] | None = None,
    outcomes: Mapping[str, Any] | None = None,
    features: Mapping[str, Any] | list[Any] | None = None,
    columns: Mapping[str, Any] | None = None,
    declare: Mapping[str, Any] | None = None,
    severity: str | None = None,
    **tables: str,
) -> Clinic:
    """Write a project of tables drawn as text (see `csv_of`) and declared as in ``TABLES`` and ``COLUMNS``.

    Parameters
    ----------
    cohort, outcomes : mapping
        Sections of the config; by default day 0 is the first row of ``courses`` where there is one, else
        ``visits``, and the outcome is a response on days 21 to 35.
    features : list, or mapping of group to list
        By default age.
    columns : mapping of column name to declaration
        Instead of, or beside, ``COLUMNS``.
    declare : mapping of table name to declaration
        Changes of ``TABLES``.
    """
    known = {**COLUMNS, **(columns or {})}
    dictionary: dict[str, Any] = {}
    for name, text in tables.items():
        frame = csv_of(text)
        declared = {
            "source": {"path": f"{name}.csv"},
            "key": "patient",
            "columns": {header: known[header] for header in frame.columns if header in known},
            **TABLES[name],
            **(declare or {}).get(name, {}),
        }
        if declared.get("layout") == "long":
            present = set(frame[declared["name_column"]])
            declared["columns"] = {k: v for k, v in declared["columns"].items() if k in present}
        dictionary[name] = declared
    groups = features if isinstance(features, Mapping) else {"clinical": features or ["patients.age"]}
    dated = {"index": {"table": "courses", "take": "first"}}
    scored = next((t for t in ("scores", "visits", "patients") if t in tables), "patients")
    config = {
        "version": 1,
        "override": "invented",
        "experiment": {"name": "small", "question": "Who responds?", "seed": 3},
        "data": {"dictionary": "dictionary.yaml"},
        "cohort": {**(dated if "courses" in tables else {"index": "visits"}), **(cohort or {})},
        "outcomes": dict(outcomes or {"response": RESPONSE}),
        "primary": next(iter(outcomes or {"response": None})),
        "severity": severity or f"{scored}.madrs",
        "features": {"groups": dict(groups), "sets": {"all": list(groups)}},
        "models": {"net": {"type": "elastic_net", "features": ["all"], "candidates": 2}},
    }
    clinic = _write(folder, config, dictionary)
    for name, text in tables.items():
        clinic.write_table(name, csv_of(text))
    return clinic


def build_clinic(
    folder: Path,
    *,
    layout: Layout = "dated",
    n: int = 150,
    seed: int = 1,
    effect: float = 2.0,
    courses: int = 1,
    sites: int = 0,
    cluster: bool = False,
    consent: bool = False,
    treatment: Literal["none", "arms", "doses"] = "none",
    lost: float = 0.1,
    missing: float = 0.1,
    changes: Mapping[str, Any] | None = None,
) -> Clinic:
    """Write an invented clinic that trains in seconds: one elastic net, two candidates, folds 2 × 3.

    Parameters
    ----------
    layout : {"dated", "wide", "visits"}
        Dated long scores and courses; one row per patient; or one row per labelled visit.
    n : int
        Patients.
    effect : float
        Log-odds of response per standard deviation of log CRP.
    courses : int
        Most courses of one patient, half a year apart (``dated`` only); every one is a unit.
    sites : int
        Number of sites, 0 for no such column; ``cluster`` keeps each of them on one side of every split.
    consent : bool
        Add a column in which every tenth patient says no.
    treatment : {"none", "arms", "doses"}
    lost, missing : float
        Shares of outcomes and of CRP values that are not recorded.
    changes : mapping of dotted config path to value
    """
    rng = np.random.default_rng(seed)
    people = _people(rng, n=n, sites=sites, consent=consent, missing=missing)
    units = _units(rng, people, courses=courses if layout == "dated" else 1, effect=effect, lost=lost)
    tables = {"patients": people.drop(columns="log_crp")}
    if treatment == "arms":
        units["arm"] = rng.choice(["ketamine", "placebo"], len(units))
    elif treatment == "doses":
        units["dose"] = rng.choice([0.2, 0.5, 1.0], len(units))
    plan = [name for name in ("arm", "dose") if name in units]
    if layout == "dated":
        tables |= _dated(units, plan)
    else:
        tables["patients"] = people.drop(columns="log_crp").join(units[plan])
        tables |= _undated(tables, units, layout)
    clinic = _write(
        folder, _config(tables, layout, plan, sites, cluster, consent, changes), _dictionary(tables)
    )
    for name, frame in tables.items():
        clinic.write_table(name, frame)
    return clinic


def _people(rng: np.random.Generator, *, n: int, sites: int, consent: bool, missing: float) -> pd.DataFrame:
    log_crp = rng.normal(0.8, 0.8, n)
    people = pd.DataFrame(
        {
            "patient": [f"K{i:04d}" for i in range(n)],
            "age": rng.integers(20, 70, n),
            "sex": rng.choice(["F", "M"], n),
            "smoker": rng.choice(["0", "1"], n),
            "crp": [f"{value:.2f}" for value in np.exp(log_crp)],
            "log_crp": log_crp,
        }
    )
    people.loc[rng.random(n) < missing, "crp"] = ""
    people["relapsed"] = rng.choice(["0", "1"], n)
    if sites:
        people["site"] = [f"S{i % sites}" for i in range(n)]
    if consent:
        people["consent"] = np.where(np.arange(n) % 10 == 0, "no", "yes")
    return people


def _units(
    rng: np.random.Generator, people: pd.DataFrame, *, courses: int, effect: float, lost: float
) -> pd.DataFrame:
    owner = np.repeat(np.arange(len(people)), [1 + i % courses for i in range(len(people))])
    number = np.concatenate([np.arange(1 + i % courses) for i in range(len(people))])
    standard = (people["log_crp"].to_numpy()[owner] - 0.8) / 0.8
    responds = rng.random(len(owner)) < 1 / (1 + np.exp(-effect * standard))
    before = rng.integers(22, 45, len(owner))
    first = rng.integers(0, 300, len(people))[owner]
    return pd.DataFrame(
        {
            "patient": people["patient"].to_numpy()[owner],
            "course": [f"C{i:04d}" for i in range(len(owner))],
            "started": [date(2024, 1, 1) + timedelta(days=int(d)) for d in first + 182 * number],
            "before": before,
            "after": np.where(responds, np.floor(before * 0.4), np.ceil(before * 0.8)).astype(int),
            "lost": rng.random(len(owner)) < lost,
        }
    )


def _dated(units: pd.DataFrame, plan: list[str]) -> dict[str, pd.DataFrame]:
    def scores(scale: str, score: pd.Series, shift: int, keep: pd.Series) -> pd.DataFrame:
        on = [day + timedelta(days=shift) for day in units["started"]]
        frame = pd.DataFrame({"patient": units["patient"], "on": on, "scale": scale, "score": score})
        return frame.loc[keep]

    everyone = pd.Series(True, index=units.index)
    assessed = [
        scores("MADRS", units["before"] + 3, -20, everyone),
        scores("MADRS", units["before"], -3, everyone),
        scores("GAD7", units["before"] // 3, -3, everyone),
        scores("MADRS", units["after"], 28, ~units["lost"]),
        scores("GAD7", units["after"] // 3, 28, ~units["lost"]),
    ]
    courses = units[["patient", "course", "started", *plan]].assign(infusions=units["after"] % 6 + 1)
    return {"courses": courses, "scores": pd.concat(assessed, ignore_index=True)}


def _undated(
    tables: Mapping[str, pd.DataFrame], units: pd.DataFrame, layout: Layout
) -> dict[str, pd.DataFrame]:
    after = units["after"].astype(str).where(~units["lost"], "")
    if layout == "wide":
        return {"patients": tables["patients"].assign(madrs_0=units["before"], madrs_28=after)}
    visits = [
        pd.DataFrame({"patient": units["patient"], "visit": visit, "madrs": madrs})
        for visit, madrs in (("baseline", units["before"].astype(str)), ("week4", after))
    ]
    return {"visits": pd.concat(visits, ignore_index=True)}


def _dictionary(tables: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    return {
        name: {
            "source": {"path": f"{name}.csv"},
            "key": "patient",
            "columns": {header: COLUMNS[header] for header in frame.columns if header in COLUMNS},
            **TABLES[name],
        }
        for name, frame in tables.items()
    }


def _config(
    tables: Mapping[str, pd.DataFrame],
    layout: Layout,
    plan: list[str],
    sites: int,
    cluster: bool,
    consent: bool,
    changes: Mapping[str, Any] | None,
) -> dict[str, Any]:
    scored = {"dated": "scores", "wide": "patients", "visits": "visits"}[layout]
    home = "courses" if layout == "dated" else "patients"
    groups = {
        "clinical": ["patients.age", "patients.sex", "patients.smoker", f"{scored}.madrs"],
        "blood": [{"column": "patients.crp", "transform": "log1p"}],
    }
    cohort: dict[str, Any] = {
        "index": {"table": "courses", "take": "all"} if layout == "dated" else "visits",
        "eligibility": [{"name": "Adult", "column": "patients.age", "min": 18}],
    }
    if layout == "dated":
        cohort["course"] = "courses.course"
        groups["clinical"].append("scores.gad7")
    if consent:
        cohort["consent"] = "patients.consent"
    if cluster:
        cohort["group"] = "patients.site"
    if plan:
        groups["plan"] = [f"{home}.{plan[0]}"]
        arms = (
            {"control": "placebo", "assignment": "randomised"} if plan == ["arm"] else {"bands": [0.4, 0.8]}
        )
        cohort["treatment"] = {"column": f"{home}.{plan[0]}", **arms}
    config = {
        "version": 1,
        "override": "invented",
        "experiment": {"name": f"clinic-{layout}", "question": "Who responds after four weeks?", "seed": 5},
        "data": {"dictionary": "dictionary.yaml"},
        "cohort": cohort,
        "outcomes": {"response": RESPONSE},
        "primary": "response",
        "severity": f"{scored}.madrs",
        "features": {"groups": groups, "sets": {"all": list(groups)}},
        "models": {"net": {"type": "elastic_net", "features": ["all"], "candidates": 2}},
        "validation": {
            "outer": {"n_splits": 3, "n_repeats": 2},
            "inner": {"n_splits": 3},
            "interval": {"resamples": 100},
            "refits": 20,
            "bootstrap": {"resamples": 4},
        },
    }
    if sites and not cluster:
        config["validation"]["transport"] = {"by": "patients.site"}
    for path, value in (changes or {}).items():
        section = config
        *parents, last = path.split(".")
        for parent in parents:
            section = section.setdefault(parent, {})
        section[last] = value
    return config


def _write(folder: Path, config: dict[str, Any], dictionary: dict[str, Any]) -> Clinic:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pyproject.toml").touch()
    (folder / "config.yaml").write_text(write_yaml(config), encoding="utf-8")
    (folder / "dictionary.yaml").write_text(write_yaml(dictionary), encoding="utf-8")
    return Clinic(folder)
