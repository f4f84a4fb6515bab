"""From a SIMULATED trial that holds only items, through training and prediction, to a patient's report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from predictor.config.yaml_writer import write_yaml
from predictor.data.conform import read_tables
from predictor.experiment import Training
from trained_clinics import Clinic, command_line, train_quietly

MADRS = [f"madrs_{i}" for i in range(1, 11)]
MSM = ["duration", "severity", "failures", "augmentation", "ect"]


def dictionary() -> dict[str, Any]:
    items = {name: {"instrument": "madrs", "item": i} for i, name in enumerate(MADRS, start=1)}
    scores = {
        score: {"instrument": "madrs", "score": score} for score in ("total", "suicidality", "prorated")
    }
    staging: dict[str, Any] = {f"msm_{key}": {"instrument": "msm", "item": key} for key in MSM}
    simulated = {"type": "category", "values": ["SIMULATED"]}
    patients = {
        "title": "SIMULATED patients",
        "source": {"path": "patients.csv"},
        "key": "id",
        "known": "baseline",
        "columns": {"provenance": simulated, **staging, "stage": {"instrument": "msm", "score": "total"}},
    }
    visits = {
        "title": "SIMULATED ratings, item by item",
        "source": {"path": "visits.csv"},
        "key": "id",
        "visits": {"column": "visit", "days": {"day0": 0, "week4": 28}},
        "columns": items | scores,
    }
    return {"patients": patients, "visits": visits}


CONFIG: dict[str, Any] = {
    "version": 1,
    "override": "SIMULATED",
    "experiment": {
        "name": "items",
        "question": "SIMULATED: does MADRS fall by half in four weeks?",
        "seed": 3,
    },
    "data": {"dictionary": "dictionary.yaml"},
    "cohort": {"index": "visits"},
    "outcomes": {
        "response": {
            "kind": "response",
            "measure": "madrs",
            "assessed": {"first_day": 21, "last_day": 35, "target_day": 28},
        }
    },
    "primary": "response",
    "severity": "visits.madrs",
    "features": {
        "groups": {"scores": ["visits.madrs", "visits.madrs_suicidality", "patients.msm"]},
        "sets": {"all": ["scores"]},
    },
    "models": {"net": {"type": "elastic_net", "features": ["all"], "candidates": 2}},
    "validation": {
        "outer": {"n_splits": 2, "n_repeats": 2},
        "inner": {"n_splits": 2},
        "interval": {"resamples": 100},
        "refits": 20,
        "bootstrap": {"resamples": 4},
    },
    "report": {"owner": "SIMULATED clinic", "contact": "ward 3", "valid_days": 36500},
}


def write_trial(folder: Path, *, n: int = 160) -> Clinic:
    """Write a trial whose response depends on the stage of resistance, itself known from five answers only."""
    rng = np.random.default_rng(11)
    keys = [f"S{i:03d}" for i in range(n)]
    staging = np.column_stack(
        [rng.integers(2, 60, n), rng.integers(3, 6, n), rng.integers(1, 12, n), *rng.integers(0, 2, (2, n))]
    )
    before = rng.integers(2, 6, (n, 10))
    burden = staging[:, 2] / 3 + staging[:, 1] + 2 * staging[:, 4]
    responds = rng.random(n) < 1 / (1 + np.exp(2.5 * (burden - np.median(burden))))
    after = np.where(responds[:, None], np.floor(before * 0.4), np.ceil(before * 0.8)).astype(int)
    patients = pd.DataFrame(staging, columns=[f"msm_{key}" for key in MSM]).assign(
        id=keys, provenance="SIMULATED"
    )
    ratings = pd.DataFrame(np.vstack([before, after]), columns=MADRS).astype(str)
    ratings.loc[:4, "madrs_10"] = ""  # five patients were not asked about suicidal thoughts
    visits = ratings.assign(id=keys * 2, visit=["day0"] * n + ["week4"] * n)
    folder.mkdir(parents=True)
    (folder / "pyproject.toml").touch()
    for name, frame in (("patients", patients), ("visits", visits)):
        frame.to_csv(folder / f"{name}.csv", index=False)
    (folder / "dictionary.yaml").write_text(write_yaml(dictionary()), encoding="utf-8")
    (folder / "config.yaml").write_text(write_yaml(CONFIG), encoding="utf-8")
    return Clinic(folder)


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> Training:
    return train_quietly(write_trial(tmp_path_factory.mktemp("items") / "trial"))


def test_scores_are_the_items_sums(training: Training) -> None:
    loaded = training.study.loaded
    read = read_tables(loaded.dictionary, loaded.sources)["visits"].frame
    text = pd.read_csv(Path(loaded.path).parent / "visits.csv")
    whole = text[MADRS].notna().all(axis=1)
    assert read["total"][whole].tolist() == text.loc[whole, MADRS].sum(axis=1).tolist()
    assert (~whole).sum() == 5 == (read["prorated"] == 1).sum() == read["suicidality"].isna().sum()
    # The mean of nine items times ten, halves up
    means = text.loc[~whole, MADRS].mean(axis=1) * 10
    assert read["total"][~whole].tolist() == np.floor(means + 0.5).tolist()


def test_the_stage_made_of_items_predicts(training: Training) -> None:
    assert training.study.simulated
    assert training.evaluation.verdict.label == "better"


def test_new_patients_get_an_estimate_and_a_page_with_their_safety_item(
    training: Training, tmp_path: Path
) -> None:
    model = training.folder / "model"
    patients = tmp_path / "new.csv"
    lines = ["patient,madrs,madrs_suicidality,msm", "N1,34,4,9", "N2,34,,9"]
    patients.write_text("\n".join(lines) + "\n", encoding="utf-8")
    record = command_line("predict", model, patients, "--json").record
    assert record["simulated"] is True
    assert [row["kind"] for row in record["predictions"]] == ["estimate", "estimate"]
    out = tmp_path / "reports"
    assert command_line("report", model, patients, "--out", out).code == 0
    pages = [path.read_text(encoding="utf-8") for path in sorted(out.rglob("*.html"))]
    item = "Montgomery-Åsberg Depression Rating Scale, item 10: "
    assert len(pages) == 2
    assert all("SIMULATED" in page for page in pages)
    assert sum(f"{item}rated 4 before day 0" in page for page in pages) == 1
    assert sum(f"{item}<b>Suicidality not assessed</b>" in page for page in pages) == 1
