"""scikit-learn's own contract, for every family that a config can train."""

from __future__ import annotations

from typing import Any

from sklearn.utils.estimator_checks import parametrize_with_checks

from predictor.models.tuning import TunedClassifier

# One candidate and few trees: the checks fit each estimator about a hundred times.
CANDIDATES: dict[str, list[dict[str, Any]]] = {
    "elastic_net": [{"C": 0.1}, {"C": 1.0, "l1_ratio": 0.5}],
    "random_forest": [{"n_estimators": 10, "min_samples_leaf": 2}],
    "extra_trees": [{"n_estimators": 10, "min_samples_leaf": 2}],
    "lightgbm": [{"n_estimators": 20, "min_child_samples": 2}],
    "hist_gradient_boosting": [{"max_iter": 20, "min_samples_leaf": 2}],
}


@parametrize_with_checks(
    [
        TunedClassifier(name, candidates=candidates, inner_splits=2, random_state=0)
        for name, candidates in CANDIDATES.items()
    ]
)
def test_scikit_learn_contract(estimator: TunedClassifier, check: Any) -> None:
    check(estimator)
