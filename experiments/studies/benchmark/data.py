"""The benchmark's patients, all SIMULATED: any replicate of the training sets, one fixed test set of each kind.

A, a trial of 400 patients with 40 mixed columns; B, omics of 300 patients with 2,000 columns; C, a registry of 20,000
patients with 60 columns; D, the trial's columns for millions of rows to be scored. The coefficients never change;
replicates differ in their patients only. `python data.py FOLDER [ABCD]` writes Parquet files.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

TRIAL_SIZE, OMICS_SIZE, REGISTRY_SIZE, TEST_SIZE = 400, 300, 20_000, 20_000
TRAINING_SEED = {"A": 2000, "B": 2100, "C": 2200}  # plus the replicate
TEST_SEED = {"A": 1000, "B": 1100, "C": 1200}
SCORING_SEED, SCORING_BLOCK = 3000, 500_000
CALIBRATION_SEED, CALIBRATION_SIZE, CALIBRATION_BLOCK = 7, 200_000, 20_000

NUMBERS = ["age", "bmi", "crp", "ldh", "alb", "nlr", *(f"bm{i:02d}" for i in range(24))]
LEVELS = {
    "arm": ["A", "B"],
    "sex": ["F", "M"],
    "ecog": ["0", "1", "2", "3"],
    "smoker": ["never", "former", "current"],
    "region": ["EU", "AS", "SA", "AF", "OC"],
    "site": [f"s{i:02d}" for i in range(12)],
    "mut1": ["wt", "mut"],
    "mut2": ["wt", "mut", "amp"],
    "prior_lines": ["0", "1", "2+"],
    "histology": ["adeno", "squam", "large", "other"],
}
ALWAYS_RECORDED = ("arm", "sex")
LABS, GENES, CLINICAL = 20, 1990, 10


@dataclass(frozen=True)
class Sample:
    """Patients, their outcomes 0/1, and the probabilities these were drawn with."""

    X: pd.DataFrame
    y: np.ndarray
    probability: np.ndarray

    def table(self) -> pd.DataFrame:
        """Return patients with their outcomes in column ``y``."""
        return self.X.assign(y=self.y)


@dataclass(frozen=True)
class Scale:
    """The line that takes a linear predictor to the log-odds."""

    intercept: float
    slope: float

    def probability(self, predictor: np.ndarray) -> np.ndarray:
        """Return the probabilities of linear predictors."""
        return 1 / (1 + np.exp(-(self.intercept + self.slope * predictor)))


# What `calibrate` gives, to the last digit: the oracle's AUC is 0.75, 0.80 and 0.80 at a prevalence of 0.40, 0.40
# and 0.25.
SCALES = {
    "A": Scale(-0.5263149907910467, 0.7733544218361659),
    "B": Scale(-0.5552627076371441, 0.5205544273570466),
    "C": Scale(-1.4891440030182408, 0.9090349339003749),
}
TARGETS = {"A": (0.75, 0.40), "B": (0.80, 0.40), "C": (0.80, 0.25)}


@dataclass(frozen=True)
class TrialPatients:
    """Complete values of the trial's columns, before anything is missing."""

    numbers: dict[str, np.ndarray]
    codes: dict[str, np.ndarray]
    predictor: np.ndarray


def trial_patients(n: int, rng: np.random.Generator) -> TrialPatients:
    """Draw patients: five factors behind thirty correlated numbers, and ten independent categories."""
    factors = rng.standard_normal((n, 5))
    loadings = np.random.default_rng(123).normal(0, 0.45, (5, len(NUMBERS)))
    Z = factors @ loadings + rng.standard_normal((n, len(NUMBERS))) * 0.85
    numbers = {name: _on_clinical_scale(name, position, Z) for position, name in enumerate(NUMBERS)}
    codes = {name: _draw_codes(name, len(levels), n, rng) for name, levels in LEVELS.items()}
    return TrialPatients(numbers, codes, _trial_predictor(Z, codes))


def _on_clinical_scale(name: str, position: int, Z: np.ndarray) -> np.ndarray:
    z = Z[:, position]
    if name == "age":
        return 58 + 11 * z
    if name == "bmi":
        return 26 + 4 * z
    if name in ("crp", "ldh", "nlr") or position % 3 == 0:
        return np.exp(0.8 * z)
    return z


def _draw_codes(name: str, n_levels: int, n: int, rng: np.random.Generator) -> np.ndarray:
    shares = np.ones(n_levels) / n_levels if name in ("arm", "site") else np.linspace(2, 1, n_levels)
    shares = shares / shares.sum()
    return np.searchsorted(np.cumsum(shares), rng.random(n)).clip(0, n_levels - 1)


def _trial_predictor(Z: np.ndarray, codes: dict[str, np.ndarray]) -> np.ndarray:
    """Return main effects, two kinks, and two effects that differ between the arms."""
    arm, mutated = codes["arm"], codes["mut1"]
    return (
        0.35 * Z[:, 0] * -1
        + 0.45 * Z[:, 4]
        - 0.40 * Z[:, 3]
        + 0.45 * Z[:, 8]
        + 0.35 * Z[:, 9]
        - 0.30 * np.abs(Z[:, 10]) * 1.2
        + 0.35 * np.maximum(Z[:, 12], 0) * 1.5
        - 0.25 * (codes["ecog"] - 1)
        + 0.45 * (mutated - 0.4)
        + 0.35 * arm
        + 0.55 * arm * (mutated - 0.3)
        + 0.40 * arm * Z[:, 14]
        + 0.25 * (codes["smoker"] == 0)
        - 0.2 * codes["prior_lines"]
    )


def trial_sample(n: int, rng: np.random.Generator, *, missing: float = 0.15) -> Sample:
    """Draw n patients of A; biomarkers are missing more often the older a patient is, all else at random."""
    patients = trial_patients(n, rng)
    y, probability = _outcomes("A", patients.predictor, rng)
    by_age = missing * (1 + 0.5 * np.tanh((patients.numbers["age"] - 58) / 11))
    columns: dict[str, object] = {
        name: _with_gaps(values, by_age if name.startswith("bm") else missing, rng)
        for name, values in patients.numbers.items()
    }
    columns |= _categories(patients.codes, missing, rng)
    return Sample(pd.DataFrame(columns), y, probability)


def _outcomes(name: str, predictor: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    probability = SCALES[name].probability(predictor)
    return (rng.random(len(probability)) < probability).astype(np.int8), probability


def _with_gaps(values: np.ndarray, missing: float | np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.where(rng.random(len(values)) < missing, np.nan, values)


def _categories(
    codes: dict[str, np.ndarray], missing: float, rng: np.random.Generator
) -> dict[str, pd.Categorical]:
    found = {}
    for name, complete in codes.items():
        seen = complete.astype(np.int8)
        if name not in ALWAYS_RECORDED:
            seen[rng.random(len(seen)) < missing] = -1
        found[name] = pd.Categorical.from_codes(seen, LEVELS[name])
    return found


def omics_patients(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw 10 clinical values and 1,990 expressions in twenty sparse modules; return them and the predictor.

    25 genes have an effect.
    """
    fixed, modules = np.random.default_rng(321), 20
    loadings = fixed.normal(0, 1, (modules, GENES)) * (fixed.random((modules, GENES)) < 0.12)
    expression = rng.standard_normal((n, modules)) @ loadings * 0.6 + rng.standard_normal((n, GENES)) * 0.8
    clinical = rng.standard_normal((n, CLINICAL))
    active = fixed.choice(GENES, 25, replace=False)
    effects = fixed.choice([-1, 1], 25) * fixed.uniform(0.2, 0.5, 25)
    predictor = (
        expression[:, active] @ effects + 0.5 * clinical[:, 0] - 0.4 * clinical[:, 1] + 0.3 * clinical[:, 2]
    )
    return np.hstack([clinical, expression]), predictor


def omics_sample(n: int, rng: np.random.Generator) -> Sample:
    """Draw n patients of B, 2 % of whose values are missing."""
    values, predictor = omics_patients(n, rng)
    y, probability = _outcomes("B", predictor, rng)
    values = values.astype(np.float32)
    values[rng.random(values.shape) < 0.02] = np.nan
    names = [*(f"c{i}" for i in range(CLINICAL)), *(f"g{i:04d}" for i in range(GENES))]
    return Sample(pd.DataFrame(values, columns=names), y, probability)


def registry_patients(n: int, rng: np.random.Generator) -> tuple[TrialPatients, np.ndarray]:
    """Draw the trial's columns and twenty laboratory values with bent and joint effects."""
    patients = trial_patients(n, rng)
    labs = rng.standard_normal((n, LABS))
    labs[:, 10:] = np.exp(labs[:, 10:] * 0.7)
    predictor = (
        patients.predictor
        + 0.5 * np.sin(2 * labs[:, 0])
        + 0.4 * (labs[:, 1] > 0.5) * (labs[:, 2] > 0)
        + 0.3 * labs[:, 3] * labs[:, 4]
        + 0.3 * np.log(labs[:, 10])
        - 0.4 * (labs[:, 11] > 2)
    )
    return TrialPatients(patients.numbers, patients.codes, predictor), labs


def registry_sample(n: int, rng: np.random.Generator, *, missing: float = 0.20) -> Sample:
    """Draw n patients of C; everything but arm and sex is missing at random."""
    patients, labs = registry_patients(n, rng)
    y, probability = _outcomes("C", patients.predictor, rng)
    columns: dict[str, object] = {
        name: _with_gaps(values, missing, rng) for name, values in patients.numbers.items()
    }
    columns |= {f"lab{i:02d}": _with_gaps(labs[:, i], missing, rng) for i in range(LABS)}
    columns |= _categories(patients.codes, missing, rng)
    return Sample(pd.DataFrame(columns), y, probability)


def trial_data(replicate: int) -> Sample:
    """Return the 400 training patients of one replicate of A."""
    return trial_sample(TRIAL_SIZE, np.random.default_rng(TRAINING_SEED["A"] + replicate))


def omics_data(replicate: int) -> Sample:
    """Return the 300 training patients of one replicate of B."""
    return omics_sample(OMICS_SIZE, np.random.default_rng(TRAINING_SEED["B"] + replicate))


def registry_data(replicate: int) -> Sample:
    """Return the 20,000 training patients of one replicate of C."""
    return registry_sample(REGISTRY_SIZE, np.random.default_rng(TRAINING_SEED["C"] + replicate))


TRAINING: dict[str, Callable[[int], Sample]] = {"A": trial_data, "B": omics_data, "C": registry_data}
DRAW: dict[str, Callable[[int, np.random.Generator], Sample]] = {
    "A": trial_sample,
    "B": omics_sample,
    "C": registry_sample,
}


def training_data(name: str, replicate: int) -> Sample:
    """Return one replicate of the training patients of A, B or C."""
    if not 0 <= replicate < 100:
        # From 100 on, the seeds of one data set are those of the next.
        raise ValueError(f"Replicates are 0 to 99, not {replicate}.")
    return TRAINING[name](replicate)


def test_data(name: str) -> Sample:
    """Return the 20,000 test patients of A, B or C, the same for every replicate."""
    return DRAW[name](TEST_SIZE, np.random.default_rng(TEST_SEED[name]))


def scoring_blocks(rows: int) -> Iterator[pd.DataFrame]:
    """Yield D in blocks of 500,000 rows."""
    for block in range(-(-rows // SCORING_BLOCK)):
        size = min(SCORING_BLOCK, rows - block * SCORING_BLOCK)
        yield trial_sample(size, np.random.default_rng(SCORING_SEED + block)).X


def write_scoring_table(path: Path, rows: int) -> None:
    """Write D as one Parquet file in row groups of 250,000."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer: pq.ParquetWriter | None = None
    for block in scoring_blocks(rows):
        table = pa.Table.from_pandas(block, preserve_index=False)
        writer = writer or pq.ParquetWriter(path, table.schema, compression="snappy")
        writer.write_table(table, row_group_size=250_000)
    if writer is not None:
        writer.close()


def ranked_auc(y: np.ndarray, score: np.ndarray) -> float:
    """Return the AUC of scores without ties."""
    rank = np.empty(len(score))
    rank[np.argsort(score, kind="stable")] = np.arange(1, len(score) + 1)
    cases = y.sum()
    return float((rank[y == 1].sum() - cases * (cases + 1) / 2) / (cases * (len(y) - cases)))


def calibration_predictor(name: str, rng: np.random.Generator) -> np.ndarray:
    """Draw the 200,000 linear predictors on which a scale is found."""
    if name == "B":  # in blocks: all at once would need gigabytes
        blocks = range(CALIBRATION_SIZE // CALIBRATION_BLOCK)
        return np.concatenate([omics_patients(CALIBRATION_BLOCK, rng)[1] for _ in blocks])
    draw = trial_patients if name == "A" else lambda n, rng: registry_patients(n, rng)[0]
    return draw(CALIBRATION_SIZE, rng).predictor


def calibrate(name: str) -> Scale:
    """Find by bisection the scale that gives the truth its wanted AUC and prevalence (minutes of CPU)."""
    auc, prevalence = TARGETS[name]
    rng = np.random.default_rng(CALIBRATION_SEED)
    predictor = calibration_predictor(name, rng)
    drawn = rng.random(CALIBRATION_SIZE)
    low, high = 0.05, 6.0
    for _ in range(40):
        slope = (low + high) / 2
        scale = Scale(_intercept(predictor, slope, prevalence), slope)
        probability = scale.probability(predictor)
        reached = ranked_auc((drawn < probability).astype(int), probability)
        low, high = (slope, high) if reached < auc else (low, slope)
    return scale


def _intercept(predictor: np.ndarray, slope: float, prevalence: float) -> float:
    low, high = -20.0, 20.0
    for _ in range(60):
        middle = (low + high) / 2
        below = Scale(middle, slope).probability(predictor).mean() < prevalence
        low, high = (middle, high) if below else (low, middle)
    return middle


def write(folder: Path, names: str, replicates: Sequence[int]) -> None:
    """Write training replicates and the test set of each data set, and D with one and ten million rows."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        if name == "D":
            write_scoring_table(folder / "D_1M.parquet", 1_000_000)
            write_scoring_table(folder / "D_10M.parquet", 10_000_000)
            continue
        test = test_data(name)
        test.table().to_parquet(folder / f"{name}_test.parquet")
        np.save(folder / f"{name}_test_p.npy", test.probability)
        for replicate in replicates:
            training_data(name, replicate).table().to_parquet(folder / f"{name}_train{replicate}.parquet")


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="?", default="ABC", help="letters of A, B, C and D")
    parser.add_argument("--replicates", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    arguments = parser.parse_args(argv)
    write(arguments.folder, arguments.names, arguments.replicates)


if __name__ == "__main__":
    main()
