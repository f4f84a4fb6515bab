"""The closed catalog of model families: what ``type:`` in the config may name. Never an import path."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier

from predictor.models.boosting import BoostedTrees, boosted_scores
from predictor.models.elastic_net import ElasticNetLogistic, elastic_net_scores
from predictor.models.forest import ExtraTrees, Forest
from predictor.models.search import candidates

__all__ = ["FAMILIES", "Family", "family", "family_candidates", "validate_params"]

MOST_TREES = 100
MOST_DRAWN = 5000
MOST_ROUNDS = 1000


@dataclass(frozen=True)
class Family:
    """One type of model.

    Parameters
    ----------
    name : str
        What the config writes.
    make : callable of int
        Seed → unfitted scikit-learn classifier, one thread.
    space : mapping
        Default search space, see `predictor.models.search`.
    n_candidates : int
        How many candidates of it are tried by default.
    score : {"log_odds", "probability"}
        The scale on which the model is additive, and on which calibration and explanation therefore work:
        ``decision_function`` or ``predict_proba``.
    calibrate_by_default : bool
        Trees are calibrated; logistic models estimate probabilities by construction.
    fixed : frozenset of str
        Parameters that a config may not change, because a guarantee rests on them.
    scores : callable or None
        Fast path of the inner folds: ``(candidates, X, target, X_new, seed)`` → scores of shape (new, candidates),
        equal within 1e-6 to those of each candidate fitted alone. Without it each is fitted alone.
    out_of_bag : bool
        Tuned on the patients that its trees leave out, by ``fit_out_of_bag``, and not by inner folds.
    """

    name: str
    make: Callable[[int], Any]
    space: Mapping[str, Any]
    n_candidates: int
    score: Literal["log_odds", "probability"]
    calibrate_by_default: bool
    fixed: frozenset[str] = frozenset()
    scores: (
        Callable[[Sequence[Mapping[str, Any]], np.ndarray, np.ndarray, np.ndarray, int], np.ndarray] | None
    ) = None
    out_of_bag: bool = False


def _elastic_net(seed: int) -> ElasticNetLogistic:
    return ElasticNetLogistic()


def _logistic(seed: int) -> ElasticNetLogistic:
    # Ridge with C = 100 is a prior with a standard deviation of 10 log-odds per standard deviation of the
    # input: with 20 events it changes a coefficient by a fraction of a per cent. It keeps the estimate finite
    # when an arm or a score separates the outcomes, and unique when indicators add up, where maximum
    # likelihood has no answer at all.
    return ElasticNetLogistic(C=100.0)


def _random_forest(seed: int) -> Forest:
    # The exact explanation of a tree costs its leaves times its depth squared. Eight levels leave room for
    # 256 leaves, more than hundreds of patients fill, and explain 1,000 patients in a second instead of four.
    # A tree learns as much from 5,000 patients as a forest can average, and costs no more on a registry.
    return Forest(MOST_TREES, max_depth=8, min_samples_leaf=10, max_samples=MOST_DRAWN, random_state=seed)


def _extra_trees(seed: int) -> ExtraTrees:
    return ExtraTrees(MOST_TREES, max_depth=8, min_samples_leaf=5, max_samples=MOST_DRAWN, random_state=seed)


def _lightgbm(seed: int) -> BoostedTrees:
    return BoostedTrees(random_state=seed)


def _hist_gradient_boosting(seed: int) -> HistGradientBoostingClassifier:
    # Early stopping would hold out patients by its own random split, which knows no groups. Native categories
    # are never used: the tree explainer is silently wrong with them.
    return HistGradientBoostingClassifier(
        max_iter=100, early_stopping=False, categorical_features=None, random_state=seed
    )


def _prevalence(seed: int) -> DummyClassifier:
    return DummyClassifier(strategy="prior")


SEEDED = frozenset({"random_state", "warm_start", "verbose"})

FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        family.name: family
        for family in (
            Family(
                "elastic_net",
                _elastic_net,
                # From ridge so strong that only a common direction survives (C = 0.001, the best model of
                # wide data), and a lasso part so strong that nothing does, to almost no penalty.
                {"C": [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0], "l1_ratio": [0.0, 0.5]},
                18,
                "log_odds",
                calibrate_by_default=False,
                scores=elastic_net_scores,
            ),
            Family(
                "random_forest",
                _random_forest,
                {"min_samples_leaf": [5, 15]},
                2,
                "probability",
                calibrate_by_default=True,
                fixed=SEEDED,
                out_of_bag=True,
            ),
            Family(
                "extra_trees",
                _extra_trees,
                {"min_samples_leaf": [3, 10], "max_features": ["sqrt", 0.3]},
                4,
                "probability",
                calibrate_by_default=True,
                fixed=SEEDED,
                out_of_bag=True,
            ),
            Family(
                "lightgbm",
                _lightgbm,
                {"num_leaves": [3, 12], "n_estimators": [10, 20, 40, 80, 160]},
                10,
                "log_odds",
                calibrate_by_default=True,
                fixed=SEEDED,
                scores=boosted_scores,
            ),
            Family(
                "hist_gradient_boosting",
                _hist_gradient_boosting,
                {"learning_rate": [0.03, 0.1], "max_leaf_nodes": [3, 8]},
                4,
                "log_odds",
                calibrate_by_default=True,
                fixed=SEEDED
                | {"early_stopping", "categorical_features", "loss", "scoring", "validation_fraction"},
            ),
            Family("logistic", _logistic, {}, 1, "log_odds", calibrate_by_default=False),
            Family("prevalence", _prevalence, {}, 1, "probability", calibrate_by_default=False),
        )
    }
)


def family(name: str) -> Family:
    """Look a family up by name.

    Raises
    ------
    ValueError
        For an unknown name, with the nearest known ones.
    """
    if name not in FAMILIES:
        near = difflib.get_close_matches(name, FAMILIES, n=3) or list(FAMILIES)
        raise ValueError(f"{name!r} is no model type. Write one of: {', '.join(near)}.")
    return FAMILIES[name]


def validate_params(type_: str, params: Mapping[str, Any]) -> dict[str, list[str]]:
    """Find parameter names that the model type does not have; scikit-learn's ``get_params()`` is the schema.

    Parameters
    ----------
    type_ : str
        Name in `FAMILIES`.
    params : mapping
        Names of fixed parameters or of search axes; values are not looked at.

    Returns
    -------
    dict of str to list of str
        Each unknown name with the nearest known ones; empty when all are known.
    """
    known = sorted(set(family(type_).make(0).get_params()) - family(type_).fixed)
    return {
        name: difflib.get_close_matches(name, known, n=3) or known for name in params if name not in known
    }


def family_candidates(
    type_: str,
    *,
    params: Mapping[str, Any] | None = None,
    search: Mapping[str, Any] | None = None,
    n: int | None = None,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """List the candidates of a model in the config: its search or its type's default, with its params.

    Parameters
    ----------
    type_ : str
        Name in `FAMILIES`.
    params : mapping, optional
        Fixed parameters; they take the place of default axes of the same name.
    search : mapping, optional
        Search space; without it the default one is used.
    n : int, optional
        Most candidates; the type's default without it.
    seed : int
        Seed of the spread.

    Raises
    ------
    ValueError
        For a malformed axis, a value that the parameter cannot have, a forest of more than 100 trees (its refits
        would not fit a model's folder), or more than 1,000 rounds of boosting.
    """
    fixed = dict(params or {})
    space = {name: axis for name, axis in (search or family(type_).space).items() if name not in fixed}
    chosen = [{**fixed, **values} for values in candidates(space, n or family(type_).n_candidates, seed)]
    for values in chosen:
        family(type_).make(seed).set_params(**values)._validate_params()
    if type_ in {"random_forest", "extra_trees"} and any(
        values.get("n_estimators", 0) > MOST_TREES for values in chosen
    ):
        msg = f"A forest has at most {MOST_TREES} trees. Write n_estimators: {MOST_TREES} or fewer."
        raise ValueError(msg)
    rounds = {"hist_gradient_boosting": "max_iter", "lightgbm": "n_estimators"}.get(type_, "")
    if any(values.get(rounds, 0) > MOST_ROUNDS for values in chosen):
        msg = f"Boosting has at most {MOST_ROUNDS:,} rounds. Write {rounds}: {MOST_ROUNDS} or fewer."
        raise ValueError(msg)
    return chosen
