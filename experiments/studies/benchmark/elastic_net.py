"""The elastic-net path against GridSearchCV over saga: the same grid and folds, CPU, log loss and objective."""

from __future__ import annotations

import itertools
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from data import trial_data
from encoding import encoder_for
from measuring import append_row, finished
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_validate

from predictor.models.elastic_net import elastic_net_path
from reference import linear_pipeline

__all__ = ["nested_path", "objective", "run", "scikit_learn_nested"]

STRENGTHS, RATIOS = np.logspace(-2.5, 0.5, 5), (0.1, 0.5, 0.9)
PENALTIES = [(float(C), ratio) for C, ratio in itertools.product(STRENGTHS, RATIOS)]
KEYS = ("dataset", "run")
DATASETS = ("A", "breast_cancer", "diabetes")

# Of the rows of a training and of a test part: both encoded by what the training part taught.
Encode = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def load(dataset: str, number: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Return one replicate of A, or one of scikit-learn's two clinical tables."""
    if dataset == "A":
        sample = trial_data(number)
        return sample.X, sample.y.astype(int)
    table = (load_breast_cancer if dataset == "breast_cancer" else load_diabetes)(as_frame=True)
    y = table.target.to_numpy()
    return table.data, (y if dataset == "breast_cancer" else y > np.median(y)).astype(int)


def folds(seed: int) -> tuple[StratifiedKFold, StratifiedKFold]:
    """Return outer and inner splitter."""
    outer = StratifiedKFold(5, shuffle=True, random_state=seed)
    return outer, StratifiedKFold(5, shuffle=True, random_state=seed + 1)


def our_encoding(X: pd.DataFrame) -> Encode:
    """Read the table once, learn the encoding from every training part."""
    encoder = encoder_for(X)
    table = encoder.read(X)

    def encode(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        fitted = clone(encoder)
        return fitted.fit_transform(table.take(train)), fitted.transform(table.take(test))

    return encode


def their_encoding(X: pd.DataFrame) -> Encode:
    """Encode as the reference does, so that only the solver differs."""
    encoder = linear_pipeline(X).named_steps["encode"]

    def encode(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        fitted = clone(encoder)
        return fitted.fit_transform(X.iloc[train]), fitted.transform(X.iloc[test])

    return encode


def nested_path(encode: Encode, y: np.ndarray, seed: int) -> float:
    """Return the mean outer log loss of the path, tuned by inner folds."""
    outer, inner = folds(seed)
    losses = []
    for train, test in outer.split(np.zeros(len(y)), y):
        inner_losses = np.zeros(len(PENALTIES))
        for fitted_on, tried_on in inner.split(np.zeros(len(train)), y[train]):
            inner_losses += _path_losses(encode, y, train[fitted_on], train[tried_on], PENALTIES)
        best = PENALTIES[int(np.argmin(inner_losses))]
        losses.append(_path_losses(encode, y, train, test, [best])[0])
    return float(np.mean(losses))


def _path_losses(
    encode: Encode, y: np.ndarray, train: np.ndarray, test: np.ndarray, penalties: list[tuple[float, float]]
) -> np.ndarray:
    X_train, X_test = encode(train, test)
    solutions = elastic_net_path(X_train, y[train], penalties)
    coefficients = np.array([solution.coef for solution in solutions])
    log_odds = X_test @ coefficients.T + np.array([solution.intercept for solution in solutions])
    return np.asarray((np.logaddexp(0, log_odds) - y[test][:, None] * log_odds).mean(axis=0))


def scikit_learn_nested(X: pd.DataFrame, y: np.ndarray, seed: int) -> float:
    """Return the mean outer log loss of cross_validate(GridSearchCV(Pipeline))."""
    outer, inner = folds(seed)
    grid = {"model__C": STRENGTHS, "model__l1_ratio": list(RATIOS)}
    search = GridSearchCV(linear_pipeline(X), grid, cv=inner, scoring="neg_log_loss")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = cross_validate(search, X, y, cv=outer, scoring="neg_log_loss")
    return -float(found["test_score"].mean())


def objective(
    X: np.ndarray, y: np.ndarray, coef: np.ndarray, intercept: float, penalty: tuple[float, float]
) -> float:
    """Return the summed log loss plus the penalty, in scikit-learn's parametrisation divided by C."""
    C, ratio = penalty
    log_odds = X @ coef + intercept
    loss = float((np.logaddexp(0, log_odds) - y * log_odds).sum())
    return loss + (ratio * np.abs(coef).sum() + (1 - ratio) / 2 * coef @ coef) / C


def objective_excess(X: np.ndarray, y: np.ndarray, *, tol: float, max_iter: int) -> Iterator[float]:
    """Yield, for every penalty, our objective minus saga's on the same matrix: above 0 saga is better."""
    for penalty, ours in zip(PENALTIES, elastic_net_path(X, y, PENALTIES), strict=True):
        saga = LogisticRegression(
            solver="saga", C=penalty[0], l1_ratio=penalty[1], tol=tol, max_iter=max_iter, random_state=0
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            saga.fit(X, y)
        theirs = objective(X, y, saga.coef_[0], float(saga.intercept_[0]), penalty)
        yield objective(X, y, ours.coef, ours.intercept, penalty) - theirs


def _compare(dataset: str, number: int) -> dict[str, object]:
    X, y = load(dataset, number)
    seconds, losses = {}, {}
    sides = {
        "saga": lambda: scikit_learn_nested(X, y, number),
        "path": lambda: nested_path(our_encoding(X), y, number),
    }
    for side, work in sides.items() if number % 2 else reversed(sides.items()):
        started = time.process_time()
        losses[side] = work()
        seconds[side] = time.process_time() - started
    train, test = next(folds(number)[0].split(X, y))
    matrix = their_encoding(X)(train, test)[0]
    return {
        "saga_cpu_seconds": seconds["saga"],
        "path_cpu_seconds": seconds["path"],
        "ratio": seconds["path"] / seconds["saga"],
        "saga_log_loss": losses["saga"],
        "path_log_loss": losses["path"],
        "path_log_loss_their_encoding": nested_path(their_encoding(X), y, number),
        "worst_excess_over_reference_saga": max(objective_excess(matrix, y[train], tol=1e-3, max_iter=1000)),
        "worst_excess_over_tight_saga": max(objective_excess(matrix, y[train], tol=1e-7, max_iter=20_000)),
    }


def run(path: Path, runs: int = 5) -> pd.DataFrame:
    """Fill the table: replicates of A, and other folds of the two public data sets."""
    for dataset, number in itertools.product(DATASETS, range(runs)):
        if (dataset, str(number)) not in finished(path, KEYS):
            append_row(path, {"dataset": dataset, "run": number} | _compare(dataset, number))
    return pd.read_csv(path)
