from __future__ import annotations

import numpy as np
import pytest

from predictor.models.catalog import FAMILIES, family, family_candidates, validate_params


def test_default_candidates_are_the_whole_grids_of_their_spaces() -> None:
    sizes = {name: len(family_candidates(name)) for name in FAMILIES}
    assert sizes == {
        "elastic_net": 9 * 2,  # strengths × kinds of penalty
        "random_forest": 2,  # sizes of a leaf
        "extra_trees": 2 * 2,  # sizes of a leaf × columns per split
        "lightgbm": 2 * 5,  # leaves × numbers of trees
        "hist_gradient_boosting": 2 * 2,  # rates × leaves
        "logistic": 1,
        "prevalence": 1,
    }


def test_the_elastic_net_reaches_strong_ridge() -> None:
    assert {"C": 0.001, "l1_ratio": 0.0} in family_candidates("elastic_net")


@pytest.mark.parametrize("name", list(FAMILIES))
def test_every_candidate_is_accepted_by_its_estimator(name: str) -> None:
    for candidate in family_candidates(name):
        family(name).make(0).set_params(**candidate)
        assert validate_params(name, candidate) == {}


def test_boosting_neither_holds_patients_out_nor_uses_native_categories() -> None:
    model = family("hist_gradient_boosting").make(0)
    assert model.early_stopping is False
    assert model.categorical_features is None
    refused = validate_params("hist_gradient_boosting", {"early_stopping": True, "categorical_features": []})
    assert set(refused) == {"early_stopping", "categorical_features"}


def test_unknown_parameters_name_their_neighbours() -> None:
    unknown = validate_params("hist_gradient_boosting", {"learning_rat": 0.1, "max_iter": 50})
    assert list(unknown) == ["learning_rat"]
    assert unknown["learning_rat"][0] == "learning_rate"
    assert validate_params("elastic_net", {"qqq": 1}) == {"qqq": ["C", "l1_ratio", "max_iter"]}


def test_unknown_types_name_their_neighbours() -> None:
    with pytest.raises(ValueError, match="random_forest"):
        family("random_forrest")


def test_fixed_parameters_replace_their_axis() -> None:
    drawn = family_candidates("elastic_net", params={"l1_ratio": 1.0})
    assert [c["C"] for c in drawn] == [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0]
    assert {c["l1_ratio"] for c in drawn} == {1.0}


def test_a_forest_has_at_most_a_hundred_trees() -> None:
    assert family("random_forest").make(0).n_estimators == 100
    with pytest.raises(ValueError, match="at most 100"):
        family_candidates("random_forest", params={"n_estimators": 101})


def test_references_stay_finite_under_separation() -> None:
    X = np.array([[0.0]] * 10 + [[1.0]] * 10)
    y = np.array([0] * 10 + [1] * 10)
    fitted = family("logistic").make(0).fit(X, y)
    assert np.isfinite(fitted.coef_).all()
    assert fitted.predict_proba(X)[-1, 1] > 0.95


def test_the_reference_is_close_to_maximum_likelihood() -> None:
    # One binary column with rates 3/10 and 6/10: the maximum likelihood log odds ratio is log(6/4) -
    # log(3/7).
    X = np.array([[-1.0]] * 10 + [[1.0]] * 10)
    y = np.array([1] * 3 + [0] * 7 + [1] * 6 + [0] * 4)
    fitted = family("logistic").make(0).fit(X, y)
    assert 2 * fitted.coef_[0, 0] == pytest.approx(np.log(6 / 4) - np.log(3 / 7), rel=0.005)
