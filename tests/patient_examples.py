"""Made-up patients with everything that makes encoding hard: missing values, skewed assays, rare levels, clusters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from predictor.features.dataset import Feature

__all__ = ["Patients", "made_up_patients"]


@dataclass(frozen=True)
class Patients:
    """Inputs, outcome, cluster and plan of made-up patients, and what their columns are."""

    X: pd.DataFrame
    y: np.ndarray
    groups: np.ndarray
    plan: np.ndarray
    features: tuple[Feature, ...]


def made_up_patients(n: int = 200, *, seed: int = 0, noise_columns: int = 3) -> Patients:
    """Draw patients in clusters of two whose response depends on severity, CRP and the arm."""
    rng = np.random.default_rng(seed)
    severity = rng.normal(28, 5, n)
    crp = np.exp(rng.normal(0.5, 1, n))
    arm = rng.choice(["ketamine", "midazolam"], n)
    log_odds = (
        -0.12 * (severity - 28) + 0.7 * np.log(crp) * (arm == "ketamine") + 0.8 * (arm == "ketamine") - 0.6
    )
    y = (rng.random(n) < 1 / (1 + np.exp(-log_odds))).astype(float)
    crp[:2] = 0.0
    columns: dict[str, object] = {
        "madrs": np.where(rng.random(n) < 0.15, np.nan, severity),
        "crp": crp,
        "sex": _texts(rng.choice(["female", "male"], n), missing=rng.random(n) < 0.05),
        "site": _texts(
            rng.choice(["a", "b", "c", "d"], n, p=[0.5, 0.3, 0.19, 0.01]), missing=np.zeros(n, dtype=bool)
        ),
        "arm": _texts(arm, missing=np.zeros(n, dtype=bool)),
    }
    columns |= {f"noise_{i}": rng.normal(size=n) for i in range(noise_columns)}
    X = pd.DataFrame(
        {name: pd.Series(v, dtype=object if name in TEXTS else float) for name, v in columns.items()}
    )
    features = tuple(
        Feature(
            name,
            f"patients.{name}",
            "category" if name in TEXTS else "number",
            name,
            known="plan" if name == "arm" else "baseline",
            transform="log" if name == "crp" else "none",
        )
        for name in X
    )
    return Patients(X, y, np.arange(n) // 2, arm.astype(object), features)


TEXTS = {"sex", "site", "arm"}


def _texts(values: np.ndarray, *, missing: np.ndarray) -> np.ndarray:
    return np.array([None if gone else str(v) for v, gone in zip(values, missing, strict=True)], dtype=object)
