"""SIMULATED trials for whole procedures, and the procedure that is run on them: an elastic net of few candidates."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from population import Floats, blurred, cluster_spread, intercept, performance, scores
from scipy.special import expit

from predictor.features.dataset import Dataset, Feature
from predictor.validation.resampling import Candidate, Protocol

RATE = 0.45
SHARED = 0.30  # of each number's variance lies between clusters: the trap for folds that split them
GRID = ({"C": 0.01, "l1_ratio": 0.0}, {"C": 0.1, "l1_ratio": 0.0}, {"C": 0.1, "l1_ratio": 0.5})


@dataclass(frozen=True)
class Law:
    """How a SIMULATED trial comes about.

    Parameters
    ----------
    name : str
    clusters, size : int
        Clusters, and patients in each; a size of 1 means single patients.
    clinical, block : tuple of float
        Log-odds of response per standard deviation of each clinical number, and of each number of the block.
    """

    name: str
    clusters: int
    size: int
    clinical: tuple[float, ...]
    block: tuple[float, ...]

    @property
    def effects(self) -> Floats:
        """All log-odds per standard deviation."""
        return np.array(self.clinical + self.block)

    @property
    def own(self) -> float:
        """Deviation of the clusters' own effects on the log-odds."""
        variance = float(self.effects @ self.effects)
        return 0.0 if self.size == 1 else cluster_spread(RATE, variance, SHARED)

    @property
    def base(self) -> float:
        """Log-odds of an average patient."""
        return intercept(RATE, float(np.sqrt(self.effects @ self.effects + self.own**2)))

    @property
    def names(self) -> tuple[str, ...]:
        """Columns: the clinical numbers, then the block's."""
        return tuple(
            f"{group}_{i}" for group in ("clinical", "block") for i in range(len(getattr(self, group)))
        )


def simulate(law: Law, rng: np.random.Generator) -> Dataset:
    """Draw one SIMULATED trial."""
    groups = np.repeat(np.arange(law.clusters), law.size)
    shared = 0.0 if law.size == 1 else SHARED
    x = np.sqrt(1 - shared) * rng.standard_normal((len(groups), len(law.names)))
    x += np.sqrt(shared) * rng.standard_normal((law.clusters, len(law.names)))[groups]
    own = law.own * rng.standard_normal(law.clusters)[groups]
    y = (rng.random(len(groups)) < expit(law.base + x @ law.effects + own)).astype(float)
    features = tuple(
        Feature(name, f"t.{name}", "number", name, group=name.split("_")[0]) for name in law.names
    )
    plan = np.full(len(groups), "all")
    return Dataset(
        pd.DataFrame(x, columns=list(law.names)), pd.DataFrame({"response": y}), groups, plan, features
    )


def fresh_patients(law: Law, n: int, seed: int) -> tuple[pd.DataFrame, Floats]:
    """Draw new patients of clusters nobody has seen, and their probability given the numbers, clusters averaged out."""
    x = np.random.default_rng(seed).standard_normal((n, len(law.names)))
    return pd.DataFrame(x, columns=list(law.names)), blurred(law.base + x @ law.effects, law.own)


def protocol_of(law: Law, seed: int, *, nested: bool) -> Protocol:
    """Return the procedure: an elastic net of three candidates on all numbers, and also on the clinical ones alone."""
    sets = {"all": law.names}
    if nested:
        sets = {"clinical": law.names[: len(law.clinical)], "clinical_block": law.names}
    candidates = tuple(
        Candidate(
            f"elastic_net | {name}", "elastic_net", name, "elastic_net", columns, tuple(map(dict, GRID))
        )
        for name, columns in sets.items()
    )
    return Protocol(
        candidates=candidates,
        judge=candidates[-1].name,
        references={"prevalence": ()},
        inner_splits=3,
        calibration="auto",
        seed=seed,
    )


def oracle(law: Law) -> dict[str, float]:
    """Return what the true log-odds are worth, without the block's numbers and with them."""
    true = (law.base, law.effects)
    found = {"with": performance(*scores(true, law.own, true))}
    clinical = replace(law, block=(0.0,) * len(law.block)).effects
    found["without"] = performance(*scores(true, law.own, (law.base, clinical)))
    return {f"auc_{name}": one["auc"] for name, one in found.items()}
