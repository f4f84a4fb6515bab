"""Repeated nested cross-validation: everything is chosen inside the outer fold, the same folds for every procedure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

from predictor.explanation.attribution import attribute, plan_baselines, relative_to_plan, to_probability
from predictor.features.dataset import Dataset, Feature
from predictor.features.preprocessing import build_preprocessor
from predictor.models.catalog import FAMILIES
from predictor.models.tuning import TunedClassifier, fit_shared
from predictor.validation.splits import Fold

__all__ = [
    "Candidate",
    "FoldResult",
    "Protocol",
    "cross_validate",
    "fit_candidates",
    "fold_predictions",
    "predict_fold",
]

SELECTION = "selection"


@dataclass(frozen=True)
class Candidate:
    """One model on one feature set: what the inner folds choose between.

    Parameters
    ----------
    name : str
        ``model | set``.
    family : str
        Name in the catalog.
    features : tuple of str
        Columns of X.
    grid : tuple of dict
        Parameter candidates.
    """

    name: str
    model: str
    feature_set: str
    family: str
    features: tuple[str, ...]
    grid: tuple[dict[str, object], ...]


@dataclass(frozen=True)
class Protocol:
    """The whole declared procedure, ready to be repeated on any part of the data.

    Parameters
    ----------
    candidates : tuple of Candidate
    judge : str
        ``selection``, or the name of one candidate.
    references : dict of str to tuple of str
        Name of each reference and its columns; no column means the prevalence.
    inner_splits : int
    calibration : {"auto", "none", "sigmoid"}
    seed : int
    """

    candidates: tuple[Candidate, ...]
    judge: str
    references: Mapping[str, tuple[str, ...]]
    inner_splits: int
    calibration: str
    seed: int


@dataclass(frozen=True)
class FoldResult:
    """What one outer fold gives.

    Parameters
    ----------
    fold : Fold
    predictions : dict of str to ndarray
        Probability of each test unit by procedure; the judged procedure is called ``selection`` or by its name.
    chosen : str
        Candidate that the judged procedure used here.
    inner_log_loss : dict of str to float
    points : ndarray of shape (test units, features)
        Contributions of the judged procedure on the probability scale, in points of 1.
    """

    fold: Fold
    predictions: Mapping[str, np.ndarray]
    chosen: str
    inner_log_loss: Mapping[str, float]
    points: np.ndarray


def fit_candidates(
    protocol: Protocol, dataset: Dataset, y: np.ndarray, rows: np.ndarray, *, seed: int
) -> dict[str, TunedClassifier]:
    """Tune, calibrate and refit every candidate on the given rows.

    Parameters
    ----------
    protocol : Protocol
    dataset : Dataset
    y : ndarray of shape (n,)
    rows : ndarray of int
        Training positions; nothing else of the dataset is looked at.
    seed : int
    """
    fitted: dict[str, TunedClassifier] = {}
    by_features: dict[tuple[str, ...], list[Candidate]] = {}
    for candidate in protocol.candidates:
        by_features.setdefault(candidate.features, []).append(candidate)
    for names, members in by_features.items():
        fitted |= fit_shared(
            {c.name: c.family for c in members},
            build_preprocessor([f for f in dataset.features if f.name in names]),
            dataset.X.iloc[rows][list(names)],
            y[rows],
            dataset.groups[rows],
            candidates={c.name: list(c.grid) for c in members},
            inner_splits=protocol.inner_splits,
            calibration=protocol.calibration,
            random_state=seed,
        )
    return {c.name: fitted[c.name] for c in protocol.candidates}


def choose(protocol: Protocol, fitted: Mapping[str, TunedClassifier]) -> str:
    """Return the candidate with the smallest inner log loss, or the one that was declared.

    Parameters
    ----------
    protocol : Protocol
    fitted : mapping of str to TunedClassifier
    """
    if protocol.judge != SELECTION:
        return protocol.judge
    return min(fitted, key=lambda name: (fitted[name].inner_log_loss_, name))


def predict_references(
    protocol: Protocol, dataset: Dataset, y: np.ndarray, fold: Fold
) -> dict[str, np.ndarray]:
    """Fit the references on the training part and predict the test part.

    Parameters
    ----------
    protocol : Protocol
    dataset : Dataset
    y : ndarray of shape (n,)
    fold : Fold
    """
    predictions: dict[str, np.ndarray] = {}
    for name, columns in protocol.references.items():
        train, test = dataset.X.iloc[fold.train], dataset.X.iloc[fold.test]
        if not columns:
            predictions[name] = np.full(len(fold.test), float(y[fold.train].mean()))
            continue
        features = [f for f in dataset.features if f.name in columns]
        pipeline = make_pipeline(build_preprocessor(features), FAMILIES["logistic"].make(protocol.seed))
        pipeline.fit(train[list(columns)], y[fold.train])
        predictions[name] = pipeline.predict_proba(test[list(columns)])[:, 1]
    return predictions


def predict_fold(protocol: Protocol, dataset: Dataset, y: np.ndarray, fold: Fold) -> FoldResult:
    """Run the whole procedure on one outer fold.

    Parameters
    ----------
    protocol : Protocol
    dataset : Dataset
    y : ndarray of shape (n,)
    fold : Fold
    """
    seed = int(np.random.SeedSequence([protocol.seed, fold.repeat, fold.fold]).generate_state(1)[0])
    with threadpool_limits(1):
        fitted = fit_candidates(protocol, dataset, y, fold.train, seed=seed)
        test = dataset.X.iloc[fold.test]
        predictions = predict_references(protocol, dataset, y, fold)
        for candidate in protocol.candidates:
            model = fitted[candidate.name]
            predictions[candidate.name] = model.predict_proba(test[list(candidate.features)])[:, 1]
        chosen = choose(protocol, fitted)
        if protocol.judge == SELECTION:
            predictions[SELECTION] = predictions[chosen]
        points = explain_fold(fitted[chosen], dataset, fold)
    return FoldResult(
        fold=fold,
        predictions=predictions,
        chosen=chosen,
        inner_log_loss={name: float(model.inner_log_loss_) for name, model in fitted.items()},
        points=points,
    )


def explain_fold(model: TunedClassifier, dataset: Dataset, fold: Fold) -> np.ndarray:
    """Return the contributions of each test unit, relative to the average training unit.

    Relative to everybody and not to the same plan, as a patient's report has it: a summary of the model has to
    show what the plan does.

    Parameters
    ----------
    model : TunedClassifier
    dataset : Dataset
    fold : Fold

    Returns
    -------
    ndarray of shape (test units, features of the dataset)
        In probability; 0 for a feature that the model does not use.
    """
    names = list(model.feature_names_in_)
    train, test = dataset.X.iloc[fold.train][names], dataset.X.iloc[fold.test][names]
    everybody = plan_baselines(
        attribute(model, train), model.decision_function(train), np.full(len(train), "all")
    )
    log_odds = model.decision_function(test)
    phi, _, start = relative_to_plan(attribute(model, test), log_odds, np.full(len(test), "all"), everybody)
    points = np.zeros((len(fold.test), len(dataset.features)))
    columns = list(dataset.X.columns)
    points[:, [columns.index(name) for name in names]] = to_probability(phi, start, log_odds)
    return points


def cross_validate(
    protocol: Protocol,
    dataset: Dataset,
    y: np.ndarray,
    folds: Sequence[Fold],
    *,
    workers: int = 1,
    progress: Callable[[str], None] | None = None,
) -> list[FoldResult]:
    """Run the procedure on every outer fold; the result does not depend on the number of workers.

    Parameters
    ----------
    protocol : Protocol
    dataset : Dataset
    y : ndarray of shape (n,)
    folds : sequence of Fold
    workers : int
    progress : callable or None
        Called once per finished fold.
    """
    if workers == 1:
        results: Iterable[FoldResult] = (predict_fold(protocol, dataset, y, fold) for fold in folds)
    else:
        parallel = Parallel(n_jobs=workers, return_as="generator_unordered")
        results = parallel(delayed(predict_fold)(protocol, dataset, y, fold) for fold in folds)
    return sorted(_watched(results, progress), key=lambda r: (r.fold.repeat, r.fold.fold))


def fold_predictions(
    results: Sequence[FoldResult], protocol: Protocol, *, positions: np.ndarray
) -> pd.DataFrame:
    """Return the out-of-fold predictions as one tidy frame.

    Parameters
    ----------
    results : sequence of FoldResult
    protocol : Protocol
    positions : ndarray of int
        Position in the cohort of each evaluable unit.

    Returns
    -------
    pandas.DataFrame
        ``procedure``, ``kind`` (reference, candidate, judged), ``repeat``, ``fold``, ``row``, ``p``.
    """
    pieces = []
    for result in results:
        for name, p in result.predictions.items():
            kind = (
                "reference"
                if name in protocol.references
                else "judged"
                if name == protocol.judge
                else "candidate"
            )
            pieces.append(
                pd.DataFrame(
                    {
                        "procedure": name,
                        "kind": kind,
                        "repeat": result.fold.repeat,
                        "fold": result.fold.fold,
                        "row": positions[result.fold.test],
                        "p": p,
                    }
                )
            )
    return pd.concat(pieces, ignore_index=True)


def reference_columns(severity: str | None, plan: Sequence[Feature]) -> dict[str, tuple[str, ...]]:
    """Return the references that are always fitted and never written down.

    Parameters
    ----------
    severity : str or None
        Name of the severity feature.
    plan : sequence of Feature
        Features decided at day 0.
    """
    names = tuple(feature.name for feature in plan)
    references: dict[str, tuple[str, ...]] = {"prevalence": ()}
    if severity:
        references["severity"] = (severity,)
    if names:
        references["plan"] = names
    if severity and names:
        references["severity + plan"] = (severity, *names)
    return references


def _watched(results: Iterable[FoldResult], progress: Callable[[str], None] | None) -> Iterator[FoldResult]:
    for result in results:
        if progress is not None:
            progress(f"repeat {result.fold.repeat + 1}, fold {result.fold.fold + 1}")
        yield result
