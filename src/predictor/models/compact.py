"""From fitted classifiers to plain numbers, and the refits behind the range of a personal estimate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from threadpoolctl import threadpool_limits

from predictor.execution import Execution, run_tasks
from predictor.features.preprocessing import encoded_columns, fitted_chain
from predictor.models.averaging import UNCHANGED, AveragedClassifier
from predictor.models.elastic_net import ElasticNetLogistic
from predictor.models.plain import CompactModel, Member
from predictor.models.trees import Trees, boosted_trees, forest_trees
from predictor.models.tuning import TunedClassifier, fit_encoder

if TYPE_CHECKING:
    import pandas as pd

    from predictor.features.preprocessing import Encoder

__all__ = ["compact", "compact_member", "members_of", "refit_range"]

Fitted = AveragedClassifier | TunedClassifier
BLOCK = 10  # refits of one task


def members_of(fitted: Fitted) -> list[tuple[TunedClassifier, float]]:
    """Models of an average with their weights; a single model has weight 1.

    Parameters
    ----------
    fitted : AveragedClassifier or TunedClassifier
    """
    if isinstance(fitted, TunedClassifier):
        return [(fitted, 1.0)]
    return list(zip(fitted.members_, map(float, fitted.weights_), strict=True))


def compact(fitted: Fitted) -> CompactModel:
    """Take the plain numbers out of a fitted classifier or average.

    Parameters
    ----------
    fitted : AveragedClassifier or TunedClassifier

    Raises
    ------
    ValueError
        If a model has no preprocessor, or is none of the catalog's.
    """
    pairs = members_of(fitted)
    line = getattr(fitted, "line_", UNCHANGED)
    found = {id(member.preprocessor_): member.preprocessor_ for member, _ in pairs}
    imputers = {key: None if one is None else fitted_chain(one) for key, one in found.items()}
    members = [replace(compact_member(one), chain=imputers[id(one.preprocessor_)]) for one, _ in pairs]
    return CompactModel(
        tuple(members), tuple(weight for _, weight in pairs), None if line == UNCHANGED else line
    )


def compact_member(fitted: TunedClassifier) -> Member:
    """Take the plain numbers out of one fitted classifier.

    Parameters
    ----------
    fitted : TunedClassifier
    """
    if fitted.preprocessor_ is None:
        raise ValueError("A compact model needs a preprocessor. Fit with build_preprocessor(features).")
    return _member(fitted, fitted.preprocessor_, fitted.model_)


def _member(fitted: TunedClassifier, preprocessor: Any, model: Any) -> Member:
    columns = encoded_columns(preprocessor)
    base, coef, trees = _numbers(model, len(columns))
    features = tuple(str(name) for name in fitted.feature_names_in_)
    drawn = preprocessor.imputation
    return Member(
        features,
        columns,
        base,
        coef,
        trees,
        fitted.family_.score,
        fitted.calibration_,
        fitted_chain(preprocessor),
        0 if drawn is None else drawn["number"],
    )


def _numbers(model: Any, p: int) -> tuple[float, np.ndarray, Trees | None]:
    nothing = np.zeros(0)
    if isinstance(model, DummyClassifier):
        return float(model.class_prior_[1]), nothing, None
    if isinstance(model, ElasticNetLogistic):
        return float(model.intercept_[0]), model.coef_[0][:p].copy(), None
    if isinstance(getattr(model, "trees", None), Trees):
        return float(model.baseline_), nothing, model.trees
    if isinstance(model, HistGradientBoostingClassifier):
        return float(model._baseline_prediction.ravel()[0]), nothing, boosted_trees(model)
    if isinstance(model, RandomForestClassifier):
        return 0.0, nothing, forest_trees(model)
    raise ValueError(f"{type(model).__name__} is none of the catalog's models.")


def refit_range(
    fitted: Fitted,
    X: pd.DataFrame,
    y: np.ndarray,
    groups: np.ndarray,
    *,
    resamples: int = 200,
    seed: int = 0,
    execution: Execution | None = None,
) -> list[CompactModel]:
    """Refit every model of the average on resampled patients, for the range beside a personal estimate.

    Parameters
    ----------
    fitted : AveragedClassifier or TunedClassifier
        Gives preprocessors, parameters, calibrations and weights.
    X, y, groups
        Development patients, as it was fitted on; NaN where an outcome is to be imputed.
    resamples : int
        How many refits.
    seed : int
        Each resample has its own child of it, so the result does not depend on where it is made.
    execution : Execution, optional
        Engine and workers; this process without it.

    Returns
    -------
    list of CompactModel of length ``resamples``

    Notes
    -----
    Whole groups are drawn with replacement; a draw with a single class is drawn again. Preprocessing, and with it the
    imputer, is fitted anew; hyperparameters, weights and the calibration are held. The level's sampling is in the
    refitted model itself, whose base follows the resample's own rate; a sigmoid from the patients left out of
    each resample would replace that by the noise of a third of the patients, and one from inner folds would
    cost their number of times more and, at fewer than 100 events, estimate nothing but that level. What is
    not in the range is the uncertainty of the sigmoid's slope.
    """
    target = np.where(y == y, (y == fitted.classes_[1]).astype(np.float64), np.nan)
    labels = np.unique(groups, return_inverse=True)[1]
    seeds = np.random.SeedSequence(seed).spawn(resamples)
    blocks = [tuple(range(first, min(first + BLOCK, resamples))) for first in range(0, resamples, BLOCK)]
    found = run_tasks(
        _refit_block,
        blocks,
        shared=(fitted, X, target, labels, seeds),
        execution=execution or Execution(),
    )
    return [model for _, models in sorted(found, key=lambda pair: pair[0]) for model in models]


def _refit_block(
    block: tuple[int, ...],
    fitted: Fitted,
    X: pd.DataFrame,
    target: np.ndarray,
    labels: np.ndarray,
    seeds: Sequence[Any],
) -> list[CompactModel]:
    with threadpool_limits(limits=1):
        return [_refit(_of_imputation(fitted, i), X, target, labels, seeds[i]) for i in block]


def _of_imputation(fitted: Fitted, resample: int) -> list[tuple[TunedClassifier, float]]:
    """Members of one imputation with their weights, in turn: a resample is imputed once, its own imputer fitted anew.

    The range over resamples then holds what the missing values leave open as well, and costs no more than without.
    """
    pairs = members_of(fitted)
    drawn = [None if m.preprocessor is None else m.preprocessor.imputation for m, _ in pairs]
    numbers = sorted({0 if one is None else one["number"] for one in drawn})
    wanted = numbers[resample % len(numbers)]
    kept = [pair for pair, one in zip(pairs, drawn, strict=True) if (one["number"] if one else 0) == wanted]
    return [(member, weight / sum(weight for _, weight in kept)) for member, weight in kept]


def _refit(
    pairs: Sequence[tuple[TunedClassifier, float]],
    X: pd.DataFrame,
    target: np.ndarray,
    labels: np.ndarray,
    child: Any,
) -> CompactModel:
    random = np.random.default_rng(child)
    observed = np.isfinite(target)
    rows = next(r for r in _draws(labels, random) if len(np.unique(target[r][observed[r]])) == 2)
    drawn, seed = X.iloc[rows], int(random.integers(2**31))
    sets = _by_features([member for member, _ in pairs])
    refitted: dict[int, Member] = {}
    for features, members in sets.items():
        part = fit_encoder(members[0].preprocessor, drawn[list(features)], target[rows])
        shared = None if part[0] is None else fitted_chain(part[0])
        for member in members:
            refitted[id(member)] = replace(_refit_member(member, part, seed), chain=shared)
    return CompactModel(
        tuple(refitted[id(member)] for member, _ in pairs), tuple(weight for _, weight in pairs)
    )


def _by_features(members: Sequence[TunedClassifier]) -> dict[tuple[str, ...], list[TunedClassifier]]:
    found: dict[tuple[str, ...], list[TunedClassifier]] = {}
    for member in members:
        found.setdefault(tuple(map(str, member.feature_names_in_)), []).append(member)
    return found


def _refit_member(
    member: TunedClassifier, part: tuple[Encoder | None, np.ndarray, np.ndarray], seed: int
) -> Member:
    preprocessor, X, target = part
    model = member.family_.make(seed).set_params(**member.best_params_)
    return _member(member, preprocessor, model.fit(X, target))


def _draws(labels: np.ndarray, random: np.random.Generator) -> Iterator[np.ndarray]:
    """Rows of as many groups as there are, drawn with replacement, again and again."""
    order = np.argsort(labels, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(labels))[:-1])
    while True:
        yield np.concatenate([members[group] for group in random.integers(len(members), size=len(members))])
