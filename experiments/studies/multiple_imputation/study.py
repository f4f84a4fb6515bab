"""Do pooled intervals of a logistic model's coefficients hold the truth when inputs are missing? SIMULATED.

Each data set is imputed as a training part is, and pooled by `pool_logistic`. Rows of finished data sets
are in results.csv; the script goes on where it stopped.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit
from threadpoolctl import threadpool_limits

from predictor.features.imputation import Draw, Standardised, impute_training
from predictor.models.catalog import FAMILIES
from predictor.validation.coefficients import pool_logistic
from predictor.validation.uncertainty import wilson_interval

HERE = Path(__file__).parent
SEED, N, CORRELATION = 20261127, 400, 0.4
TERMS = ("intercept", "x1", "x2", "x3")
TRUE = np.array([-0.4, 0.7, -0.5, 0.4])
NAMES = ["x1", "x2", "x3"]
MECHANISMS = ("mcar", "mar")
HEADER = ["data", "mechanism", "set", "method", "term", "true", "estimate", "low", "high"]


def main(arguments: list[str] | None = None) -> None:
    """Simulate, impute, pool; then print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", type=int, default=1000, help="data sets of each mechanism")
    parser.add_argument("--imputations", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=HERE)
    given = parser.parse_args(arguments)
    path = given.out / "results.csv"
    done = finished(path)
    with path.open("a", newline="", encoding="utf-8") as file, threadpool_limits(1):
        writer = csv.writer(file)
        if not done and path.stat().st_size == 0:
            writer.writerow(HEADER)
        for number in range(given.sets):
            for mechanism in MECHANISMS:
                if (mechanism, number) not in done:
                    writer.writerows(one_set(mechanism, number, given.imputations, given.rounds))
                    file.flush()
    print(summary(pd.read_csv(path)).to_string(index=False))


def finished(path: Path) -> set[tuple[str, int]]:
    """List the data sets of which every row was written."""
    if not path.exists() or path.stat().st_size == 0:
        return set()
    rows = pd.read_csv(path).groupby(["mechanism", "set"]).size()
    return {(str(mechanism), int(number)) for mechanism, number in rows[rows == 3 * len(TERMS)].index}


def one_set(mechanism: str, number: int, m: int, rounds: int) -> Iterator[list[object]]:
    """Rows of one data set: three ways to deal with what is missing, and every coefficient."""
    seed = np.random.SeedSequence([SEED, MECHANISMS.index(mechanism), number])
    X, y = draw(np.random.default_rng(seed), mechanism)
    found = {
        "multiple": multiple(X, y, m, rounds, int(seed.generate_state(1)[0])),
        "complete": wald(X.dropna().to_numpy(), y[X.notna().all(axis=1)]),
        "median": wald(X.fillna(X.median()).to_numpy(), y),
    }
    for method, (estimate, low, high) in found.items():
        for i, term in enumerate(TERMS):
            figures = [f"{value:.5f}" for value in (estimate[i], low[i], high[i])]
            yield ["SIMULATED", mechanism, number, method, term, TRUE[i], *figures]


def draw(random: np.random.Generator, mechanism: str) -> tuple[pd.DataFrame, np.ndarray]:
    """Three correlated normal inputs, a logistic outcome, and gaps in the first two."""
    covariance = CORRELATION + (1 - CORRELATION) * np.eye(3)
    X = random.multivariate_normal(np.zeros(3), covariance, N)
    y = (random.random(N) < expit(TRUE[0] + X @ TRUE[1:])).astype(int)
    gaps = {
        "mcar": (np.full(N, 0.3), np.full(N, 0.2)),
        "mar": (expit(-1.2 + X[:, 2] + 0.8 * y), expit(-1.8 + 0.8 * X[:, 2] - 0.5 * y)),
    }[mechanism]
    for column, p in enumerate(gaps):
        X[random.random(N) < p, column] = np.nan
    return pd.DataFrame(X, columns=NAMES), y


def multiple(X: pd.DataFrame, y: np.ndarray, m: int, rounds: int, seed: int) -> tuple[np.ndarray, ...]:
    """Impute as a training part is imputed, and pool."""
    values = X.to_numpy()
    centers, scales = np.nanmean(values, axis=0), np.nanstd(values, axis=0)
    numbers = Standardised(
        names=tuple(NAMES),
        transforms=("none",) * len(NAMES),
        values=(values - centers) / scales,
        centers=centers,
        scales=scales,
        context=(),
        indicators=np.zeros((len(X), 0)),
    )
    filled = [impute_training(numbers, y, Draw(number, m, rounds, seed)) for number in range(m)]
    parts = [(centers + scales * one, y) for one in filled]
    pooled = pool_logistic(parts)
    return pooled.estimate, pooled.low, pooled.high


def wald(X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, ...]:
    """Estimates and limits of the same model on numbers without a gap."""
    model = FAMILIES["logistic"].make(0).fit(X, y)
    beta = np.r_[model.intercept_, model.coef_[0]]
    design = np.column_stack([np.ones(len(X)), X])
    p = expit(design @ beta)
    se = np.sqrt(np.diag(np.linalg.inv(design.T @ (design * (p * (1 - p))[:, None]))))
    return beta, beta - 1.959964 * se, beta + 1.959964 * se


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Bias, coverage with its Monte Carlo error and limits, and mean width, of each way and coefficient."""
    rows = rows.assign(
        covered=(rows["low"] <= rows["true"]) & (rows["true"] <= rows["high"]),
        bias=rows["estimate"] - rows["true"],
        width=rows["high"] - rows["low"],
    )
    found = []
    for (mechanism, method, term), part in rows.groupby(["mechanism", "method", "term"], sort=False):
        sets, share = len(part), float(part["covered"].mean())
        low, high = wilson_interval(int(part["covered"].sum()), sets)
        found.append(
            {
                "mechanism": mechanism,
                "method": method,
                "term": term,
                "sets": sets,
                "bias": round(float(part["bias"].mean()), 3),
                "bias_error": round(float(part["bias"].std() / np.sqrt(sets)), 3),
                "coverage": round(share, 3),
                "error": round(float(np.sqrt(share * (1 - share) / sets)), 3),
                "low": round(low, 3),
                "high": round(high, 3),
                "width": round(float(part["width"].mean()), 3),
            }
        )
    return pd.DataFrame(found)


if __name__ == "__main__":
    main()
