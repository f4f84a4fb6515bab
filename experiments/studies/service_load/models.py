"""The four models that are served, all SIMULATED: linear, boosting, a forest, and the default average.

The forest has 100 trees, the most that a config may ask for. Numbers are released for research, so that every model
gives personal estimates with ranges over 200 refits, whatever its verdict. Validation is cut short: it costs training
time and nothing of an answer.
"""

from __future__ import annotations

import copy
import csv
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

__all__ = ["KINDS", "model_folder", "patients"]

ROOT = Path(__file__).resolve().parents[3]
COMMAND = (sys.executable, "-c", "from predictor.cli import main; main()")
BOTH = ("without_blood", "with_blood")
PATIENTS, SEED = 800, 7

KINDS: Mapping[str, Mapping[str, Any]] = {
    "linear": {"elastic_net": {"type": "elastic_net"}},
    "boosting": {"boosted_trees": {"type": "lightgbm"}},
    "forest": {"random_forest": {"type": "random_forest"}},
    "average": {
        "elastic_net": {"type": "elastic_net"},
        "random_forest": {"type": "random_forest"},
        "boosted_trees": {"type": "lightgbm"},
    },
}
"""By kind, what ``models`` of its config holds; the average is that of ``configs/ketamine_simulated.yaml``."""

SHORT: Mapping[str, Any] = {
    "judge": "average",
    "outer": {"type": "repeated_k_fold", "n_splits": 3, "n_repeats": 1},
    "inner": {"type": "k_fold", "n_splits": 2},
    "interval": {"resamples": 100},
    "bootstrap": {"resamples": 2},
}


def model_folder(kind: str, place: Path) -> Path:
    """Return the folder of a trained model, training it where it is not there yet.

    Parameters
    ----------
    kind : {"linear", "boosting", "forest", "average"}
    place : Path
        Where the SIMULATED export and the runs are kept.
    """
    runs = place / "runs" / kind
    found = sorted(path / "model" for path in runs.glob("20*") if (path / "model" / "manifest.json").exists())
    if found:
        return found[-1]
    config = _write_config(kind, place)
    _run("train", str(config), "--runs-folder", str(runs), "--workers", "1", cwd=place)
    return model_folder(kind, place)


def patients(place: Path) -> Path:
    """Return the folder of the SIMULATED export, written where it is not there yet."""
    folder = place / "data" / "simulated"
    if not folder.exists():
        place.mkdir(parents=True, exist_ok=True)
        (place / "pyproject.toml").touch()
        _run("simulate", "--patients", str(PATIENTS), "--seed", str(SEED), "--out", str(folder), cwd=place)
    with (folder / "patients.csv").open(encoding="utf-8") as file:
        assert sum(1 for _ in csv.reader(file)) > 1
    return folder


def _write_config(kind: str, place: Path) -> Path:
    patients(place)
    shipped = yaml.safe_load((ROOT / "configs" / "ketamine_simulated.yaml").read_text(encoding="utf-8"))
    config: dict[str, Any] = copy.deepcopy(shipped)
    config["experiment"]["name"] = f"service-{kind}"
    sets = BOTH if kind == "average" else BOTH[1:]
    config["models"] = {
        name: {**model, "features": list(sets), "candidates": 1 if kind == "forest" else 2}
        for name, model in KINDS[kind].items()
    }
    config["validation"] = dict(SHORT)
    reason = config["override"] = "SIMULATED: it measures the service"
    config["report"] |= {"release": "research", "reason": reason, "owner": "Study", "contact": "nobody"}
    folder = place / "configs"
    shutil.copytree(ROOT / "configs" / "dictionaries", folder / "dictionaries", dirs_exist_ok=True)
    path = folder / f"{kind}.yaml"
    path.write_text(json.dumps(config, indent=1), encoding="utf-8")  # JSON is YAML
    return path


def _run(*arguments: str, cwd: Path) -> None:
    subprocess.run([*COMMAND, *arguments], cwd=cwd, check=True, stdout=subprocess.DEVNULL)
