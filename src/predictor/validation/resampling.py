"""Repeated nested cross-validation: everything is chosen inside the outer fold, the same folds for every procedure.

The work is cut into parts: the candidates of one feature set, or the references, on one outer fold. A part reads the
data and nothing of another part, so parts can run anywhere and in any order; what is judged is put together from them
by arithmetic alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

from predictor.execution import Execution, run_tasks
from predictor.explanation.attribution import explain_points
from predictor.features.dataset import Dataset, Feature
from predictor.features.preprocessing import build_preprocessor
from predictor.models.averaging import UNCHANGED, average_line, average_weights, straighten
from predictor.models.catalog import FAMILIES
from predictor.models.sigmoid import Sigmoid
from predictor.models.tuning import Tuned, fit_shared
from predictor.validation.splits import Fold

__all__ = [
    "Candidate",
    "FoldResult",
    "Protocol",
    "candidate_line",
    "candidate_weights",
    "cross_validate",
    "fit_candidates",
    "fold_predictions",
    "predict_fold",
]

AVERAGE, SELECTION = "average", "selection"


@dataclass(frozen=True)
class Candidate:
    """One model on one feature set: what the inner folds choose between, or weigh.

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
        ``average``, ``selection``, or the name of one candidate.
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
        Probability of each test unit by procedure; the judged procedure is called ``average``, ``selection`` or by its
        name.
    weights : dict of str to float
        Share of each candidate in the judged procedure; they add up to 1, and a selection gives all of it to one.
    inner_log_loss : dict of str to float
    points : ndarray of shape (test units, features) or (0, features)
        Contributions of the judged procedure on the probability scale, in points of 1.
    """

    fold: Fold
    predictions: Mapping[str, np.ndarray]
    weights: Mapping[str, float]
    inner_log_loss: Mapping[str, float]
    points: np.ndarray


@dataclass(frozen=True)
class _Part:
    """Some candidates, or with none the references, on one outer fold."""

    fold: Fold
    names: tuple[str, ...]
    explain: bool


@dataclass(frozen=True)
class _Fitted:
    """What a part finds out about one procedure.

    Parameters
    ----------
    name : str
    p : ndarray of shape (test units,)
    inner_log_loss : float
        NaN for a reference.
    by_others : ndarray of shape (training units,) or (0,)
        Log-odds of training units by models that have not seen them, see `predictor.models.tuning.Tuned`.
    points : ndarray of shape (test units, features) or (0, 0)
    """

    name: str
    p: np.ndarray
    inner_log_loss: float
    by_others: np.ndarray
    points: np.ndarray


def fit_candidates(
    protocol: Protocol,
    dataset: Dataset,
    y: np.ndarray,
    rows: np.ndarray,
    *,
    seed: int,
    names: Sequence[str] | None = None,
) -> dict[str, Tuned]:
    """Tune, calibrate and refit candidates on the given rows.

    Parameters
    ----------
    protocol : Protocol
    dataset : Dataset
    y : ndarray of shape (n,)
    rows : ndarray of int
        Training positions; nothing else of the dataset is looked at.
    seed : int
    names : sequence of str, optional
        Which candidates; all without it. Each is the same in any company.
    """
    wanted = [c for c in protocol.candidates if names is None or c.name in names]
    fitted: dict[str, Tuned] = {}
    for members in _by_features(wanted):
        columns = members[0].features
        fitted |= fit_shared(
            {c.name: c.family for c in members},
            build_preprocessor([f for f in dataset.features if f.name in columns]),
            dataset.X.iloc[rows][list(columns)],
            y[rows],
            dataset.groups[rows],
            candidates={c.name: list(c.grid) for c in members},
            inner_splits=protocol.inner_splits,
            calibration=protocol.calibration,
            random_state=seed,
        )
    return {c.name: fitted[c.name] for c in wanted}


def candidate_weights(
    protocol: Protocol,
    inner_log_loss: Mapping[str, float],
    by_others: Mapping[str, np.ndarray],
    target: np.ndarray,
) -> dict[str, float]:
    """Weigh the candidates as the judged procedure does, from training units alone.

    Parameters
    ----------
    protocol : Protocol
    inner_log_loss : mapping of str to float
    by_others : mapping of str to ndarray of shape (training units,)
        See `predictor.models.tuning.Tuned`.
    target : ndarray of shape (training units,)

    Returns
    -------
    dict of str to float
        In the order of the candidates: all of it to the one declared, or with the smallest inner log loss; or by the
        log loss of the average, see `predictor.models.averaging.average_weights`.
    """
    names = [c.name for c in protocol.candidates]
    if protocol.judge == AVERAGE:
        log_odds = np.column_stack([by_others[name] for name in names])
        tested = np.isfinite(log_odds).all(axis=1)
        weights = average_weights(log_odds[tested], target[tested])
        return dict(zip(names, map(float, weights), strict=True))
    chosen = protocol.judge
    if protocol.judge == SELECTION:
        chosen = min(names, key=lambda name: (inner_log_loss[name], name))
    return {name: float(name == chosen) for name in names}


def candidate_line(
    protocol: Protocol,
    weights: Mapping[str, float],
    by_others: Mapping[str, np.ndarray],
    target: np.ndarray,
) -> Sigmoid:
    """Find the line that straightens the judged average, from training units alone.

    Parameters
    ----------
    protocol : Protocol
    weights : mapping of str to float
        From `candidate_weights`.
    by_others, target
        As there.

    Returns
    -------
    tuple of (float, float)
        See `predictor.models.averaging.average_line`; (1, 0) where nothing is averaged or nothing shall be calibrated.
    """
    if protocol.judge != AVERAGE or protocol.calibration == "none":
        return UNCHANGED
    log_odds = np.column_stack([by_others[name] for name in weights])
    tested = np.isfinite(log_odds).all(axis=1)
    return average_line(log_odds[tested], np.array(list(weights.values())), target[tested])


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
    (result,) = cross_validate(protocol, dataset, y, [fold])
    return result


def cross_validate(
    protocol: Protocol,
    dataset: Dataset,
    y: np.ndarray,
    folds: Sequence[Fold],
    *,
    execution: Execution | None = None,
    explain: bool = True,
    progress: Callable[[str], None] | None = None,
) -> list[FoldResult]:
    """Run the procedure on every outer fold; the result does not depend on where, or by how many workers.

    Parameters
    ----------
    protocol : Protocol
    dataset : Dataset
    y : ndarray of shape (n,)
    folds : sequence of Fold
    execution : Execution, optional
        Engine and workers; one local process without it.
    explain : bool
        Whether the test units' contributions are wanted; without them ``points`` has no row.
    progress : callable or None
        Called once per finished fold.
    """
    execution = execution or Execution()
    parts = [_Part(fold, names, explain) for fold in folds for names in _cut(protocol, execution)]
    waiting: dict[tuple[int, int], dict[tuple[str, ...], list[_Fitted]]] = {}
    finished = []
    for part, fitted in run_tasks(_fit_part, parts, shared=(protocol, dataset, y), execution=execution):
        key = (part.fold.repeat, part.fold.fold)
        arrived = waiting.setdefault(key, {})
        arrived[part.names] = fitted
        if len(arrived) == len(parts) // len(folds):
            finished.append(_assemble(protocol, y, part.fold, waiting.pop(key)))
            if progress is not None:
                progress(f"repeat {part.fold.repeat + 1}, fold {part.fold.fold + 1}")
    return sorted(finished, key=lambda r: (r.fold.repeat, r.fold.fold))


def _cut(protocol: Protocol, execution: Execution) -> list[tuple[str, ...]]:
    """Cut a fold into parts: as fine as can be for a cluster, and so that encoding is shared on one machine."""
    if execution.engine == "local":
        parts = [tuple(c.name for c in members) for members in _by_features(protocol.candidates)]
    else:
        parts = [(c.name,) for c in protocol.candidates]
    return [*parts, ()]


def _by_features(candidates: Iterable[Candidate]) -> list[list[Candidate]]:
    found: dict[tuple[str, ...], list[Candidate]] = {}
    for candidate in candidates:
        found.setdefault(candidate.features, []).append(candidate)
    return list(found.values())


def _fit_part(part: _Part, protocol: Protocol, dataset: Dataset, y: np.ndarray) -> list[_Fitted]:
    """Do one part of the work."""
    fold = part.fold
    seed = int(np.random.SeedSequence([protocol.seed, fold.repeat, fold.fold]).generate_state(1)[0])
    with threadpool_limits(1):
        if not part.names:
            found = predict_references(protocol, dataset, y, fold)
            nothing = np.zeros(0)
            return [_Fitted(name, p, np.nan, nothing, np.zeros((0, 0))) for name, p in found.items()]
        fitted = fit_candidates(protocol, dataset, y, fold.train, seed=seed, names=part.names)
        return [_tested(name, one, dataset, part) for name, one in fitted.items()]


def _tested(name: str, one: Tuned, dataset: Dataset, part: _Part) -> _Fitted:
    """Predict and explain the test part by one candidate."""
    columns, names = list(dataset.X.columns), [str(name) for name in one.model.feature_names_in_]
    train, test = dataset.X.iloc[part.fold.train][names], dataset.X.iloc[part.fold.test][names]
    points = np.zeros((len(test) if part.explain else 0, len(columns)))
    if part.explain:
        points[:, [columns.index(feature) for feature in names]] = explain_points(one.model, train, test)
    p = one.model.predict_proba(test)[:, 1]
    return _Fitted(name, p, float(one.model.inner_log_loss_), one.log_odds, points)


def _assemble(
    protocol: Protocol, y: np.ndarray, fold: Fold, parts: Mapping[tuple[str, ...], list[_Fitted]]
) -> FoldResult:
    """Put what the parts found together to the judged procedure."""
    found = {one.name: one for fitted in parts.values() for one in fitted}
    members = [found[c.name] for c in protocol.candidates]
    losses = {one.name: one.inner_log_loss for one in members}
    by_others = {one.name: one.by_others for one in members}
    weights = candidate_weights(protocol, losses, by_others, y[fold.train])
    line = candidate_line(protocol, weights, by_others, y[fold.train])
    predictions = {name: found[name].p for name in [*protocol.references, *weights]}
    straight = {one.name: straighten(one.p, one.points, line) for one in members}
    if protocol.judge not in predictions:
        predictions[protocol.judge] = np.sum([weights[name] * p for name, (p, _) in straight.items()], axis=0)
    return FoldResult(
        fold=fold,
        predictions=predictions,
        weights=weights,
        inner_log_loss=losses,
        points=np.sum([weights[name] * points for name, (_, points) in straight.items()], axis=0),
    )


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
