"""Repeated nested cross-validation: everything is chosen inside the outer fold, the same folds for every procedure.

The work is cut into parts: the candidates of one feature set, or the references, on one outer fold. A part reads the
data and nothing of another part, so parts can run anywhere and in any order; what is judged is put together from them
by arithmetic alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pandas as pd
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

from predictor.execution import Execution
from predictor.explanation.attribution import explain_points
from predictor.features.dataset import Dataset, Feature
from predictor.features.imputation import Draw
from predictor.features.preprocessing import build_preprocessor, encoded_columns
from predictor.models.catalog import FAMILIES
from predictor.models.tuning import Tuned, TunedClassifier, fit_shared
from predictor.units import run_units
from predictor.validation.assembly import Candidate, Fitted, FoldResult, Protocol, assemble
from predictor.validation.attempts import attempt
from predictor.validation.imputed import Imputed
from predictor.validation.splits import Fold

__all__ = [
    "Candidate",
    "FoldResult",
    "Protocol",
    "cross_validate",
    "fit_candidates",
    "fold_predictions",
]


@dataclass(frozen=True)
class _Part:
    """Some candidates, or with none the references, on one outer fold."""

    fold: Fold
    names: tuple[str, ...]
    explain: bool


def fit_candidates(
    protocol: Protocol,
    dataset: Dataset,
    y: np.ndarray,
    rows: np.ndarray,
    *,
    seed: int,
    names: Sequence[str] | None = None,
) -> dict[str, Imputed]:
    """Tune, calibrate and refit candidates on the given rows, once for every imputation.

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
    fitted: dict[str, Imputed] = {}
    for members in _by_features(wanted):
        found = [
            _fit_members(protocol, dataset, y, rows, seed, members, draw) for draw in _draws(protocol, seed)
        ]
        fitted |= {c.name: Imputed(tuple(one[c.name] for one in found), y[rows]) for c in members}
    return {c.name: fitted[c.name] for c in wanted}


def _draws(protocol: Protocol, seed: int) -> list[Draw | None]:
    """Imputations of a training part; one without any chain where numbers get their median."""
    m = protocol.imputations
    return [Draw(number, m, protocol.rounds, seed) for number in range(m)] or [None]


def _fit_members(
    protocol: Protocol,
    dataset: Dataset,
    y: np.ndarray,
    rows: np.ndarray,
    seed: int,
    members: Sequence[Candidate],
    draw: Draw | None,
) -> dict[str, Tuned]:
    """Fit the candidates of one feature set on one imputation."""
    columns = members[0].features
    return fit_shared(
        {c.name: c.family for c in members},
        build_preprocessor([f for f in dataset.features if f.name in columns], draw),
        dataset.X.iloc[rows][list(columns)],
        y[rows],
        dataset.groups[rows],
        candidates={c.name: list(c.grid) for c in members},
        inner_splits=protocol.inner_splits,
        calibration=protocol.calibration,
        random_state=seed,
    )


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
        observed = fold.train[np.isfinite(y[fold.train])]
        train, test = dataset.X.iloc[observed], dataset.X.iloc[fold.test]
        if not columns:
            predictions[name] = np.full(len(fold.test), float(y[observed].mean()))
            continue
        features = [f for f in dataset.features if f.name in columns]
        pipeline = make_pipeline(build_preprocessor(features), FAMILIES["logistic"].make(protocol.seed))
        pipeline.fit(train[list(columns)], y[observed])
        predictions[name] = pipeline.predict_proba(test[list(columns)])[:, 1]
    return predictions


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
    waiting: dict[tuple[int, int], dict[tuple[str, ...], list[Fitted]]] = {}
    finished = []
    work = run_units(
        _fit_part,
        parts,
        shared=(protocol, dataset, y),
        beside=(execution.unit_seconds,),
        execution=execution,
        pack=_pack,
        unpack=_unpack,
    )
    for part, fitted in work:
        _note_failures(fitted, execution)
        key = (part.fold.repeat, part.fold.fold)
        arrived = waiting.setdefault(key, {})
        arrived[part.names] = fitted
        if len(arrived) == len(parts) // len(folds):
            finished.append(assemble(protocol, y, part.fold, waiting.pop(key)))
            if progress is not None:
                progress(f"repeat {part.fold.repeat + 1}, fold {part.fold.fold + 1}")
    return sorted(finished, key=lambda r: (r.fold.repeat, r.fold.fold))


def _pack(found: list[Fitted]) -> list[dict[str, object]] | None:
    """Give what is kept of a part; nothing where time was too short, since there may be more of it next time."""
    if any(one.failure.startswith("took longer") for one in found):
        return None
    return [{part.name: getattr(one, part.name) for part in fields(one)} for one in found]


def _unpack(kept: list[dict[str, Any]]) -> list[Fitted]:
    return [Fitted(**record) for record in kept]


def _note_failures(found: Iterable[Fitted], execution: Execution) -> None:
    for one in found:
        if one.failure and execution.units is not None:
            execution.units.note(one.name, one.failure)
        elif not one.converged and execution.units is not None:
            execution.units.note(one.name, "did not converge")


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


def _fit_part(
    part: _Part, protocol: Protocol, dataset: Dataset, y: np.ndarray, seconds: float | None = None
) -> list[Fitted]:
    """Do one part of the work."""
    fold = part.fold
    seed = protocol.seed_of(fold.repeat, fold.fold)
    with threadpool_limits(1):
        if not part.names:
            references = predict_references(protocol, dataset, y, fold)
            nothing = np.zeros(0)
            shape = np.zeros((1, 0, 0))
            return [Fitted(name, p[None], np.nan, nothing, shape) for name, p in references.items()]

        def fit(names: Sequence[str]) -> dict[str, Fitted]:
            fitted = fit_candidates(protocol, dataset, y, fold.train, seed=seed, names=names)
            return {name: _tested(name, one, dataset, part, protocol.arms) for name, one in fitted.items()}

        found, reasons = attempt(fit, part.names, seconds=seconds)
        prevalence = float(np.nanmean(y[fold.train]))
        width, arms = dataset.X.shape[1], protocol.arms
        failed = {name: _failed(name, why, part, prevalence, width, arms) for name, why in reasons.items()}
        return [(found | failed)[name] for name in part.names]


def _tested(
    name: str, one: Imputed, dataset: Dataset, part: _Part, arms: Mapping[str, tuple[str, str]]
) -> Fitted:
    """Predict and explain the test part by one candidate."""
    columns, names = list(dataset.X.columns), [str(name) for name in one.model.feature_names_in_]
    train, test = dataset.X.iloc[part.fold.train][names], dataset.X.iloc[part.fold.test][names]
    points = np.zeros((len(one.models), len(test) if part.explain else 0, len(columns)))
    if part.explain:
        at = [columns.index(feature) for feature in names]
        for found, model in zip(points, one.models, strict=True):
            found[:, at] = explain_points(model, train, test)
    p = _predicted(one, test)
    if not np.isfinite(p).all():
        raise FloatingPointError
    # A model without the plan says the same under every arm.
    by_arm = {
        arm: _predicted(one, _under(test, column, value)) if column in test else p
        for arm, (column, value) in arms.items()
    }
    return Fitted(
        name=name,
        p=p,
        inner_log_loss=one.inner_log_loss,
        by_others=one.log_odds,
        points=points,
        kept=_kept_by_most(one, columns),
        by_arm=by_arm,
        converged=all(getattr(model.model_, "converged_", True) for model in one.models),
    )


def _predicted(one: Imputed, test: pd.DataFrame) -> np.ndarray:
    """Probability of each test unit by every imputation's model, shape (imputations, test units)."""
    return np.array([model.predict_proba(test)[:, 1] for model in one.models])


def _failed(
    name: str, reason: str, part: _Part, prevalence: float, width: int, arms: Iterable[str]
) -> Fitted:
    """Let a candidate that could not be fitted predict the prevalence: it has no weight, and its figures show it."""
    n = len(part.fold.test)
    p = np.full((1, n), prevalence)
    return Fitted(
        name=name,
        p=p,
        inner_log_loss=np.inf,
        by_others=np.full(len(part.fold.train), np.nan),
        points=np.zeros((1, n if part.explain else 0, width)),
        by_arm=dict.fromkeys(arms, p),
        failure=reason,
    )


def _under(X: pd.DataFrame, column: str, value: str) -> pd.DataFrame:
    changed = X.copy()
    changed[column] = value
    return changed


def _kept_by_most(one: Imputed, columns: Sequence[str]) -> np.ndarray | None:
    """Which features were not dropped on at least half of the imputations."""
    kept = [each for model in one.models if (each := kept_features(model, columns)) is not None]
    return np.mean(kept, axis=0) >= 0.5 if kept else None


def kept_features(model: TunedClassifier, columns: Sequence[str]) -> np.ndarray | None:
    """Which features a penalised linear model gives a coefficient that is not 0; None for other families."""
    if not hasattr(model.model_, "coef_") or model.preprocessor_ is None:
        return None
    used = {
        column.feature
        for column, coef in zip(encoded_columns(model.preprocessor_), model.model_.coef_[0], strict=True)
        if coef != 0.0
    }
    return np.array([name in used for name in columns])


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
