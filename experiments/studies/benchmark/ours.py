"""Our procedure on a benchmark table: the default models, nested cross-validation, and their final average."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from metrics import auc, log_loss

from predictor.config.schema import DEFAULT_MODELS
from predictor.features.dataset import Dataset, Feature
from predictor.models.averaging import AveragedClassifier
from predictor.models.catalog import family_candidates
from predictor.validation.assembly import Candidate, Protocol, candidate_line, candidate_weights
from predictor.validation.resampling import cross_validate, fit_candidates
from predictor.validation.splits import repeated_folds

__all__ = ["fit"]

OUTER = 5
INNER = {"A": 5, "B": 3, "C": 3}


def fit(
    X: pd.DataFrame, y: np.ndarray, *, dataset: str, seed: int, outer: int = OUTER, inner: int | None = None
) -> dict[str, Any]:
    """Validate by nested cross-validation, then tune, calibrate, weigh and fit on everybody."""
    patients = as_dataset(X, y)
    protocol = Protocol(
        candidates=tuple(
            Candidate(
                f"{name} | all",
                name,
                "all",
                name,
                tuple(X.columns),
                tuple(family_candidates(name, seed=seed)),
            )
            for name in DEFAULT_MODELS
        ),
        judge="average",
        references={"prevalence": ()},
        inner_splits=inner or INNER[dataset],
        calibration="auto",
        seed=seed,
    )
    everybody = np.arange(len(y))
    folds = repeated_folds(y, everybody, patients.plan, n_splits=outer, n_repeats=1, seed=seed)
    results = cross_validate(protocol, patients, y, folds, explain=False)
    tuned = fit_candidates(protocol, patients, y, everybody, seed=seed)
    models = {name: one.model for name, one in tuned.items()}
    by_others = {name: one.log_odds for name, one in tuned.items()}
    losses = {name: model.inner_log_loss_ for name, model in models.items()}
    weights = candidate_weights(protocol, losses, by_others, y)
    line = candidate_line(protocol, weights, by_others, y)
    model = AveragedClassifier.of(list(models.values()), list(weights.values()), list(X.columns), line)
    tested = [(y[one.fold.test], one.predictions["average"]) for one in results]
    return {
        "predict": lambda new: model.predict_proba(as_columns(new))[:, 1],
        "internal_auc": float(np.mean([auc(truth, p) for truth, p in tested])),
        "internal_log_loss": float(np.mean([log_loss(truth, p) for truth, p in tested])),
        "selected": ", ".join(
            f"{name.removesuffix(' | all')} {weight:.2f}" for name, weight in weights.items()
        ),
    }


def as_dataset(X: pd.DataFrame, y: np.ndarray) -> Dataset:
    """Dress a table as a dataset of single patients without a plan."""
    features = tuple(
        Feature(name, f"patients.{name}", "number" if _is_number(X[name]) else "category", name) for name in X
    )
    return Dataset(
        X=as_columns(X),
        outcomes=pd.DataFrame({"response": y.astype(float)}),
        groups=np.arange(len(y)),
        plan=np.full(len(y), "all"),
        features=features,
    )


def as_columns(X: pd.DataFrame) -> pd.DataFrame:
    """Numbers as float with NaN, everything else as objects with None."""
    columns = {
        name: X[name].astype(float)
        if _is_number(X[name])
        else X[name].astype(object).where(X[name].notna(), None)
        for name in X
    }
    return pd.DataFrame(columns, index=X.index)


def _is_number(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column)
