"""How often the closed test of `predictor evaluate` changes a model that is right, and one whose level is off.

Outcomes of a cluster go together, and yet each SIMULATED patient responds with exactly the model's probability: they
are ranks of a normal number that a cluster shares in part, cut at that probability.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit
from scipy.stats import binomtest, norm

from predictor.validation.updating import closed_test

ENTROPY = 20_261_131
COEF = np.array([0.8, -0.5, 0.4])
SHARED = 0.20  # of each number's variance lies between clusters
BATCH = 100


@dataclass(frozen=True)
class Cell:
    """Clusters of patients, how much of the latent number they share, and how far the level is off."""

    clusters: int
    size: int
    alike: float
    shift: float = 0.0

    @property
    def name(self) -> str:
        """What a row is found by."""
        off = f", level off by {self.shift:g}" if self.shift else ""
        return f"{self.clusters} clusters of {self.size}, {self.alike:g} shared{off}"


CELLS = {
    cell.name: cell
    for cell in (
        Cell(10, 40, 0.16),
        Cell(20, 20, 0.16),
        Cell(40, 10, 0.16),
        Cell(40, 10, 0.0),
        Cell(100, 4, 0.16),
        Cell(40, 10, 0.16, 0.5),
    )
}


def batch(name: str, number: int, *, sets: int = BATCH) -> pd.DataFrame:
    """Count the changes over one batch of data sets, with and without a refit being asked for."""
    cell, place = CELLS[name], list(CELLS).index(name)
    keys = ([ENTROPY, place, number, i] for i in range(sets))
    found = pd.DataFrame([line for key in keys for line in trial(cell, key)])
    return found.groupby("asked", sort=False).sum().assign(sets=sets).reset_index()


def trial(cell: Cell, key: list[int]) -> list[dict[str, object]]:
    """Run the closed test on one data set, counting clusters and counting patients."""
    rng = np.random.default_rng(np.random.SeedSequence(key))
    group = np.repeat(np.arange(cell.clusters), cell.size)
    x = np.sqrt(SHARED) * rng.standard_normal((cell.clusters, 3))[group]
    x += np.sqrt(1 - SHARED) * rng.standard_normal((len(group), 3))
    latent = np.sqrt(cell.alike) * rng.standard_normal(cell.clusters)[group]
    latent += np.sqrt(1 - cell.alike) * rng.standard_normal(len(group))
    score = x @ COEF
    y = (norm.cdf(latent) < expit(score + cell.shift)).astype(float)
    lines = []
    for asked, design in (("line", None), ("line or refit", x)):
        clustered, plain = closed_test(score, y, design, groups=group), closed_test(score, y, design)
        lines.append(
            {"asked": asked}
            | {"by_clusters": int(clustered.chosen != "none"), "by_patients": int(plain.chosen != "none")}
        )
    return lines


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Share of the data sets whose model was changed, with Clopper-Pearson limits."""
    sums = rows.groupby(["cell", "asked"], sort=False)[["sets", "by_clusters", "by_patients"]].sum()
    lines = []
    for (cell, asked), row in sums.iterrows():
        limits = binomtest(int(row["by_clusters"]), int(row["sets"])).proportion_ci()
        share = {name: row[name] / row["sets"] for name in ("by_clusters", "by_patients")}
        lines.append(
            {"cell": cell, "asked": asked, "sets": int(row["sets"]), "by_clusters": share["by_clusters"]}
            | {"low": limits.low, "high": limits.high, "by_patients": share["by_patients"]}
        )
    return pd.DataFrame(lines)
