"""A fitted classifier as plain numbers: small enough for 200 refits beside a model, evaluated by numpy alone."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from scipy.special import expit
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from threadpoolctl import threadpool_limits

from predictor.features.preprocessing import EncodedColumn, encode, encoded_columns
from predictor.models.elastic_net import ElasticNetLogistic
from predictor.models.sigmoid import Scale, Sigmoid, log_odds
from predictor.models.trees import Trees, boosted_trees, forest_trees
from predictor.models.tuning import TunedClassifier, fit_encoder

__all__ = ["CompactModel", "compact", "load_compact", "refit_range", "save_compact"]


@dataclass(frozen=True)
class CompactModel:
    """A fitted `TunedClassifier` without scikit-learn.

    Parameters
    ----------
    columns : tuple of EncodedColumn
        How patients are encoded.
    base : float
        Intercept, or the value before the first tree.
    coef : ndarray of float64 of shape (len(columns),) or (0,)
        Coefficients of a linear model.
    trees : Trees or None
        Trees of the other models.
    scale : {"log_odds", "probability"}
        What base, coefficients and trees add up to.
    sigmoid : tuple of (float, float) or None
        Slope and intercept of the calibration.
    """

    columns: tuple[EncodedColumn, ...]
    base: float
    coef: np.ndarray
    trees: Trees | None
    scale: Scale
    sigmoid: Sigmoid | None

    def log_odds(self, X: pd.DataFrame) -> np.ndarray:
        """Evaluate calibrated log-odds, shape (n,): `TunedClassifier.decision_function` within 1e-9."""
        encoded = encode(self.columns, X)
        scores = np.full(len(X), self.base)
        if len(self.coef):
            scores = scores + encoded @ self.coef
        if self.trees is not None:
            scores = scores + self.trees.total(encoded if self.columns else np.zeros((len(X), 1)))
        return log_odds(scores, self.sigmoid, self.scale)

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        """Evaluate calibrated probabilities of both classes, shape (n, 2)."""
        eta = self.log_odds(X)
        return np.column_stack([expit(-eta), expit(eta)])


def compact(fitted: TunedClassifier) -> CompactModel:
    """Take the plain numbers out of a fitted classifier.

    Raises
    ------
    ValueError
        If it has no preprocessor, or none of the catalog's models.
    """
    if fitted.preprocessor_ is None:
        raise ValueError("A compact model needs a preprocessor. Fit with build_preprocessor(features).")
    columns = encoded_columns(fitted.preprocessor_)
    base, coef, trees = _numbers(fitted.model_, len(columns))
    return CompactModel(columns, base, coef, trees, fitted.family_.score, fitted.calibration_)


def _numbers(model: Any, p: int) -> tuple[float, np.ndarray, Trees | None]:
    nothing = np.zeros(0)
    if isinstance(model, DummyClassifier):
        return float(model.class_prior_[1]), nothing, None
    if isinstance(model, ElasticNetLogistic):
        return float(model.intercept_[0]), model.coef_[0][:p].copy(), None
    if isinstance(model, RandomForestClassifier):
        return 0.0, nothing, forest_trees(model)
    return float(model._baseline_prediction.ravel()[0]), nothing, boosted_trees(model)


def save_compact(models: Sequence[CompactModel], path: Path) -> None:
    """Write models to one compressed npz file, which holds numbers and JSON text and is read without pickle."""
    described = [_described(model) for model in models]
    arrays: dict[str, np.ndarray] = {
        "models": np.frombuffer(json.dumps(described).encode(), dtype=np.uint8),
        "coef": np.concatenate([np.zeros(0), *(model.coef for model in models)]),
    }
    grown = [model.trees for model in models if model.trees is not None]
    if grown:
        for part in fields(Trees):
            arrays[part.name] = np.concatenate([getattr(trees, part.name) for trees in grown])
    with Path(path).open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def load_compact(path: Path) -> list[CompactModel]:
    """Read what `save_compact` wrote."""
    with np.load(path, allow_pickle=False) as file:
        arrays: dict[str, np.ndarray] = {name: file[name] for name in file.files}
    described = json.loads(arrays.pop("models").tobytes().decode())
    return [_rebuilt(entry, arrays) for entry in described]


def _rebuilt(entry: dict[str, Any], arrays: dict[str, np.ndarray]) -> CompactModel:
    """Build one model from its description, taking its share off the front of the arrays."""

    def take(name: str, size: int) -> np.ndarray:
        taken, arrays[name] = arrays[name][:size], arrays[name][size:]
        return taken

    sizes, sigmoid = entry["trees"], entry["sigmoid"]
    return CompactModel(
        columns=tuple(EncodedColumn(**column) for column in entry["columns"]),
        base=entry["base"],
        coef=take("coef", entry["coef"]),
        trees=None if sizes is None else Trees(**{name: take(name, size) for name, size in sizes.items()}),
        scale=entry["scale"],
        sigmoid=None if sigmoid is None else (sigmoid[0], sigmoid[1]),
    )


def _described(model: CompactModel) -> dict[str, Any]:
    """Everything but the arrays, of which the sizes."""
    trees = model.trees
    return {
        "columns": [asdict(column) for column in model.columns],
        "base": model.base,
        "coef": len(model.coef),
        "trees": None
        if trees is None
        else {part.name: len(getattr(trees, part.name)) for part in fields(Trees)},
        "scale": model.scale,
        "sigmoid": model.sigmoid,
    }


def refit_range(
    fitted: TunedClassifier,
    X: pd.DataFrame,
    y: np.ndarray,
    groups: np.ndarray,
    *,
    resamples: int = 200,
    seed: int = 0,
    workers: int = 1,
) -> list[CompactModel]:
    """Refit the chosen pipeline on resampled patients, for the range beside a personal estimate.

    Parameters
    ----------
    fitted : TunedClassifier
        Gives preprocessor, parameters and calibration.
    X, y, groups
        Development patients, as it was fitted on.
    resamples : int
        How many refits.
    seed : int
        Each resample has its own child of it, so the result does not depend on ``workers``.
    workers : int
        Processes.

    Returns
    -------
    list of CompactModel of length ``resamples``

    Notes
    -----
    Whole groups are drawn with replacement; a draw with a single class is drawn again. Preprocessing is
    fitted anew, hyperparameters are held. The calibration is held as well. The level's sampling is in the
    refitted model itself, whose base follows the resample's own rate; a sigmoid from the patients left out of
    each resample would replace that by the noise of a third of the patients, and one from inner folds would
    cost their number of times more and, at fewer than 100 events, estimate nothing but that level. What is
    not in the range is the uncertainty of the sigmoid's slope.
    """
    target = np.asarray(y == fitted.classes_[1], dtype=np.int64)
    labels = np.unique(groups, return_inverse=True)[1]
    seeds = np.random.SeedSequence(seed).spawn(resamples)
    blocks = np.array_split(np.arange(resamples), max(1, min(workers, resamples)))
    jobs = (delayed(_refit_block)(fitted, X, target, labels, [seeds[i] for i in block]) for block in blocks)
    return [model for block in Parallel(n_jobs=workers, backend="loky")(jobs) for model in block]


def _refit_block(
    fitted: TunedClassifier, X: pd.DataFrame, target: np.ndarray, labels: np.ndarray, seeds: Sequence[Any]
) -> list[CompactModel]:
    with threadpool_limits(limits=1):
        return [_refit(fitted, X, target, labels, child) for child in seeds]


def _refit(
    fitted: TunedClassifier, X: pd.DataFrame, target: np.ndarray, labels: np.ndarray, child: Any
) -> CompactModel:
    random = np.random.default_rng(child)
    rows = next(rows for rows in _draws(labels, random) if len(np.unique(target[rows])) == 2)
    preprocessor, encoded = fit_encoder(fitted.preprocessor, X.iloc[rows])
    model = fitted.family_.make(int(random.integers(2**31))).set_params(**fitted.best_params_)
    model.fit(encoded, target[rows])
    columns = encoded_columns(preprocessor)
    base, coef, trees = _numbers(model, len(columns))
    return CompactModel(columns, base, coef, trees, fitted.family_.score, fitted.calibration_)


def _draws(labels: np.ndarray, random: np.random.Generator) -> Iterator[np.ndarray]:
    """Rows of as many groups as there are, drawn with replacement, again and again."""
    order = np.argsort(labels, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(labels))[:-1])
    while True:
        yield np.concatenate([members[group] for group in random.integers(len(members), size=len(members))])
