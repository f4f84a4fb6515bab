"""Many models side by side against one after another, and against fitted scikit-learn: the same to the last digits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from patient_examples import made_up_patients
from predictor.features.columns import Categories, EncodedColumn, columns_of
from predictor.features.imputation import Draw
from predictor.features.preprocessing import build_preprocessor
from predictor.models.compact import refit_range
from predictor.models.joined import join_models
from predictor.models.plain import CompactModel, Member
from predictor.models.tuning import TunedClassifier
from tree_examples import TREE_COLUMNS, grown_trees

FEW: dict[str, list[dict[str, Any]]] = {
    "elastic_net": [{"C": 0.3}],
    "random_forest": [{"n_estimators": 8}],
    "hist_gradient_boosting": [{"max_iter": 8, "max_leaf_nodes": 24, "min_samples_leaf": 3}],
    "prevalence": [{}],
}
"""Boosted trees of up to 24 leaves grow leaf by leaf: some ways are short, some are longer than eight nodes."""


def one_after_another(models: list[CompactModel], raw: Any, n: int) -> np.ndarray:
    return np.array([model.probability(raw, n, fused=False) for model in models])


@pytest.fixture(scope="module")
def refits() -> dict[str, list[CompactModel]]:
    """Twelve refits of each family, then of an average of three, whose encoders differ from refit to refit."""
    patients = made_up_patients(160)
    settings: dict[str, Any] = {"inner_splits": 2, "random_state": 0}
    found = {}
    members = []
    for name, candidates in FEW.items():
        model = TunedClassifier(
            name, build_preprocessor(patients.features), candidates=candidates, calibration="auto", **settings
        ).fit(patients.X, patients.y, patients.groups)
        members.append(model)
        found[name] = refit_range(model, patients.X, patients.y, patients.groups, resamples=12)
    found["all"] = [
        CompactModel(
            tuple(member for part in parts for member in part.members), (0.4, 0.3, 0.2, 0.1), line=(0.9, -0.1)
        )
        for parts in zip(*(found[name] for name in FEW), strict=True)
    ]
    return found


@pytest.mark.parametrize("name", [*FEW, "all"])
@pytest.mark.parametrize("n", [1, 2, 7])
def test_it_says_what_the_models_say_one_after_another(
    refits: dict[str, list[CompactModel]], name: str, n: int
) -> None:
    models = refits[name]
    joined = join_models(models)
    new = made_up_patients(140, seed=9).X
    for start in range(0, 140, n * 10):
        few = new.iloc[start : start + n]
        raw = columns_of(few, models[0].columns)
        found = joined.probability(raw, len(few))
        assert found.shape == (12, len(few))
        assert np.abs(found - one_after_another(models, raw, len(few))).max() < 1e-12
        if name != "prevalence":
            assert np.ptp(found[:, 0]) > 0, "refits differ, or nothing is compared"


def test_the_same_patient_under_other_plans_walks_on_its_own(refits: dict[str, list[CompactModel]]) -> None:
    """Copies that differ in one column alone, one after another in every column."""
    models = refits["all"]
    joined, new = join_models(models), made_up_patients(40, seed=4).X
    for name in new.columns:
        copies = new.iloc[[0, 0, 0]].copy()
        copies[name] = new[name].iloc[[0, 11, 23]].to_numpy()
        raw = columns_of(copies, models[0].columns)
        assert np.abs(joined.probability(raw, 3) - one_after_another(models, raw, 3)).max() < 1e-12


@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_what_is_missing_infinite_or_unheard_of_is_answered_alike(
    refits: dict[str, list[CompactModel]], seed: int, n: int
) -> None:
    models, rng = refits["all"], np.random.default_rng(seed)
    raw = columns_of(made_up_patients(n, seed=seed % 100).X, models[0].columns)
    for name, values in raw.items():
        if isinstance(values, Categories):
            levels = [*values.levels, "unheard of", None]
            raw[name] = Categories(rng.integers(-1, len(levels), n), levels)
        else:
            odd = np.array([np.nan, np.inf, -np.inf, 0.0, -1.0, 1e30])
            raw[name] = np.where(rng.random(n) < 0.5, rng.choice(odd, n), values)
    found = join_models(models).probability(raw, n)
    assert np.abs(found - one_after_another(models, raw, n)).max() < 1e-12


def test_many_patients_are_walked_in_parts(
    refits: dict[str, list[CompactModel]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "predictor.models.joined.MOST_ANSWERS", 1000
    )  # 12 times 16 trees: five patients at a time
    models = refits["all"]
    new = made_up_patients(33, seed=5).X
    raw = columns_of(new, models[0].columns)
    assert np.abs(join_models(models).probability(raw, 33) - one_after_another(models, raw, 33)).max() < 1e-12


def test_models_that_impute_are_filled_in_by_their_own_chains() -> None:
    patients = made_up_patients(160)
    model = TunedClassifier(
        "elastic_net",
        build_preprocessor(patients.features, Draw(0, 2, 3, 11)),
        candidates=FEW["elastic_net"],
        inner_splits=2,
        random_state=0,
    ).fit(patients.X, patients.y, patients.groups)
    models = refit_range(model, patients.X, patients.y, patients.groups, resamples=6)
    assert all(member.chain is not None for one in models for member in one.members)
    new = made_up_patients(30, seed=3).X
    for i in range(0, 30, 3):
        raw = columns_of(new.iloc[i : i + 3], models[0].columns)
        found = join_models(models).probability(raw, 3)
        assert np.abs(found - one_after_another(models, raw, 3)).max() < 1e-12


def test_a_category_in_the_place_of_a_number_is_refused(refits: dict[str, list[CompactModel]]) -> None:
    models = refits["elastic_net"]
    raw = columns_of(made_up_patients(1).X, models[0].columns)
    turned = {
        name: np.zeros(1) if isinstance(values, Categories) else Categories.of(["a"])
        for name, values in raw.items()
    }
    for name in raw:
        with pytest.raises(TypeError, match=f"^{name} is a"):
            join_models(models).probability({**raw, name: turned[name]}, 1)


def test_trees_too_large_for_masks_are_walked_beside_small_ones() -> None:
    """Leaves up to 64 are asked at once, and more are walked; the members of one model can be of both kinds."""
    columns = tuple(EncodedColumn(f"x{i}", "value") for i in range(TREE_COLUMNS))
    names = tuple(column.feature for column in columns)
    models = [
        CompactModel(
            tuple(
                Member(names, columns, 0.1, np.zeros(0), grown_trees(n, seed=seed), "log_odds", (0.3, 0.1))
                for seed, n in enumerate(leaves)
            ),
            (0.5, 0.5),
        )
        for leaves in ((12, 65), (64, 200), (300, 1), (90, 70))
    ]
    values = np.round(np.random.default_rng(5).normal(size=(TREE_COLUMNS, 30)), 1)
    values[:, 20:] = values[:, [20]]
    values[0, 20:] = np.linspace(-2, 2, 10)  # one patient under ten plans
    for few in (slice(0, 1), slice(1, 20), slice(20, 30)):
        raw = dict(zip(names, values[:, few], strict=True))
        n = len(raw["x0"])
        found = join_models(models).probability(raw, n)
        assert np.abs(found - one_after_another(models, raw, n)).max() < 1e-12
