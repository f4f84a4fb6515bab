"""A small fitted prediction model on invented patients, shared by the tests of the model's folder and of MLflow."""

from __future__ import annotations

import functools
import hashlib
import json
import struct
from pathlib import Path
from typing import Any
from zipfile import ZipFile, is_zipfile

import numpy as np
import pandas as pd
import pytest

from predictor.errors import ModelError
from predictor.features.dataset import Feature
from predictor.features.preprocessing import build_preprocessor
from predictor.models.averaging import AveragedClassifier
from predictor.models.compact import compact, refit_range
from predictor.models.tuning import TunedClassifier
from predictor.other_outcomes import GroupRate
from predictor.prediction_model import InputField, PlanBaseline, PredictionModel, load_prediction_model

FEATURES = (
    Feature("age", "patients.age", "number", "Age", unit="years", limits=(18.0, 80.0)),
    Feature("crp", "blood.crp", "number", "CRP", unit="mg/L", transform="log1p", limits=(0.0, None)),
    Feature("sex", "patients.sex", "category", "Sex", levels=("female", "male")),
    Feature("site", "patients.site", "category", "Site"),
)
# One patient's own: an age inside the range, and a site that nobody else comes from.
CANARY_AGE = 41.72836415
CANARY_SITE = "CanarySiteQ7"


@functools.cache
def patients() -> tuple[pd.DataFrame, np.ndarray]:
    """160 invented patients."""
    rng = np.random.default_rng(4)
    n = 160
    X = pd.DataFrame(
        {
            "age": rng.uniform(20, 70, n),
            "crp": np.where(rng.random(n) < 0.2, np.nan, rng.lognormal(size=n)),
            "sex": rng.choice(np.array(["female", "male"], dtype=object), n),
            "site": rng.choice(np.array(["north", "south"], dtype=object), n),
        }
    )
    X.loc[7, "age"] = CANARY_AGE
    X.loc[7, "site"] = CANARY_SITE
    y = (rng.random(n) < 1 / (1 + np.exp(-(X["age"] - 45) / 10))).to_numpy(dtype=float)
    return X, y


@functools.cache
def example_model(family: str = "elastic_net") -> PredictionModel:
    """Fit one family, and describe it as a training would."""
    X, y = patients()
    fitted = TunedClassifier(
        family, preprocessor=build_preprocessor(FEATURES), inner_splits=3, random_state=1
    )
    fitted.fit(X, y)
    average = AveragedClassifier.of([fitted], [1.0], [feature.name for feature in FEATURES])
    inputs = tuple(_field(feature, X[feature.name]) for feature in FEATURES)
    return PredictionModel(
        build=lambda: average,
        scorer=compact(fitted),
        refits=tuple(refit_range(fitted, X, y, np.arange(len(y)), resamples=3)),
        features=FEATURES,
        inputs=inputs,
        entry_rules=(
            {"name": "Adult", "conditions": [{"input": "age", "min": 18.0, "max": None, "in": None}]},
        ),
        plan={},
        baselines={"": (PlanBaseline(0.1, {feature.name: 0.0 for feature in FEATURES}, len(y)),)},
        group_rates=(GroupRate("", len(y), int(y.sum()), float(y.mean()), 0.4, 0.6),),
        policy={"withhold_if": {"missing_features_over": 0.3}, "release": "by_verdict", "reason": ""},
        dictionary={"tables": {"patients": {"key": "patient"}}},
        cohort={"eligibility": []},
        card={
            "name": "invented",
            "created": "2026-03-01",
            "valid_until": "2027-03-01",
            "verdict": {"label": "better", "sentence": "Better than the references."},
        },
        manifest={},
    )


def _field(feature: Feature, values: pd.Series) -> InputField:
    number = feature.kind == "number"
    counts = values.value_counts()
    return InputField(
        name=feature.name,
        label=feature.label,
        kind=feature.kind,
        unit=feature.unit,
        levels=() if number else tuple(sorted(level for level, n in counts.items() if n >= 5)),
        limits=feature.limits,
        learned=(float(values.min()), float(values.max())) if number else None,
        role="baseline",
        required=False,
        missing_share=float(values.isna().mean()),
        importance=0.25,
        typical={"": float(values.median()) if number else str(counts.index[0])},
    )


def refusal(folder: Path, **options: Any) -> str:
    """Say why a model's folder is refused, which has to end a command with 4."""
    with pytest.raises(ModelError) as caught:
        load_prediction_model(folder, **options)
    assert caught.value.exit_code == 4
    return str(caught.value)


def rehash(folder: Path, **changes: Any) -> None:
    """Write a manifest that fits the files, as somebody who forges a folder would."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_bytes()) | changes
    manifest.pop("sha256")
    for name in manifest["files"]:
        data = (folder / name).read_bytes()
        manifest["files"][name] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}

    def text(content: Any) -> bytes:
        return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()

    path.write_bytes(text({**manifest, "sha256": hashlib.sha256(text(manifest)).hexdigest()}))


def holders_of_canaries(folder: Path) -> list[str]:
    """List the files below a folder, archives unpacked, that hold the one patient's age or site."""
    needles = [CANARY_SITE.encode(), str(CANARY_AGE).encode(), struct.pack("<d", CANARY_AGE)]
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            parts = [path.read_bytes()]
            if is_zipfile(path):
                with ZipFile(path) as archive:
                    parts += [archive.read(name) for name in archive.namelist()]
            if any(needle in part for needle in needles for part in parts):
                found.append(path.relative_to(folder).as_posix())
    return found
