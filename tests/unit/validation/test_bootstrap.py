from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from patient_examples import made_up_patients
from predictor.execution import Execution
from predictor.features.dataset import Dataset
from predictor.validation.bootstrap import Bootstrap, bootstrap_procedure, describe_stability
from predictor.validation.discrimination import auc
from predictor.validation.resampling import Candidate, Protocol, fit_candidates

FEATURES = ("madrs", "crp", "sex", "noise_0")
CANDIDATES = (
    Candidate("net | all", "net", "all", "elastic_net", FEATURES, ({"C": 0.02, "l1_ratio": 0.9}, {"C": 0.3})),
    Candidate("forest | all", "forest", "all", "random_forest", FEATURES, ({"n_estimators": 12},)),
)
PROTOCOL = Protocol(
    candidates=CANDIDATES,
    judge="net | all",
    references={"prevalence": ()},
    inner_splits=3,
    calibration="auto",
    seed=4,
)


@pytest.fixture(scope="module")
def patients() -> tuple[Dataset, np.ndarray]:
    drawn = made_up_patients(120, seed=3)
    outcomes = pd.DataFrame({"response": drawn.y})
    return Dataset(drawn.X, outcomes, drawn.groups, drawn.plan, drawn.features), drawn.y


@pytest.fixture(scope="module")
def found(patients: tuple[Dataset, np.ndarray]) -> Bootstrap:
    dataset, y = patients
    return bootstrap_procedure(PROTOCOL, dataset, y, resamples=6, seed=1)


def test_every_refit_predicts_everybody(patients: tuple[Dataset, np.ndarray], found: Bootstrap) -> None:
    _, y = patients
    assert found.refits.shape == found.counts.shape == (6, len(y))
    assert (found.counts.sum(axis=1) == len(y)).all()
    assert ((found.refits > 0) & (found.refits < 1)).all()
    assert not np.array_equal(found.refits[0], found.refits[1])


def test_the_apparent_model_is_the_procedure_on_everybody(
    patients: tuple[Dataset, np.ndarray], found: Bootstrap
) -> None:
    dataset, y = patients
    tuned = fit_candidates(PROTOCOL, dataset, y, np.arange(len(y)), seed=9, names=["net | all"])[
        "net | all"
    ].model
    # The seed moves the inner folds and with them perhaps the choice; both choices are one of two known models.
    p = [
        tuned.__class__("elastic_net", preprocessor=tuned.preprocessor, candidates=[grid], random_state=1)
        .fit(dataset.X[list(FEATURES)], y, groups=dataset.groups)
        .predict_proba(dataset.X[list(FEATURES)])[:, 1]
        for grid in CANDIDATES[0].grid
    ]
    assert min(np.abs(found.apparent - one).max() for one in p) < 1e-9


def test_no_result_depends_on_the_workers(patients: tuple[Dataset, np.ndarray], found: Bootstrap) -> None:
    dataset, y = patients
    spread = bootstrap_procedure(PROTOCOL, dataset, y, resamples=6, seed=1, execution=Execution(workers=2))
    assert np.array_equal(found.refits, spread.refits)
    assert np.array_equal(found.importance, spread.importance)


def test_features_that_the_lasso_drops_are_not_kept(patients: tuple[Dataset, np.ndarray]) -> None:
    dataset, y = patients
    nothing = replace(CANDIDATES[0], grid=({"C": 1e-4, "l1_ratio": 1.0},))
    protocol = replace(PROTOCOL, candidates=(nothing,))
    found = bootstrap_procedure(protocol, dataset, y, resamples=3, seed=1)
    assert set(found.kept) == {"net | all"}  # trees keep or drop nothing
    assert not found.kept["net | all"].any()


def test_tables_of_stability(patients: tuple[Dataset, np.ndarray], found: Bootstrap) -> None:
    dataset, y = patients
    names = [feature.name for feature in dataset.features]
    tables = describe_stability(
        found, y, protocol=PROTOCOL, features=names, thresholds=[0.3, 0.5], level=0.95
    )
    optimism = tables.optimism.set_index("metric")
    assert optimism.loc["auc", "apparent"] == pytest.approx(auc(y, found.apparent))
    assert optimism.loc["auc", "harrell"] <= optimism.loc["auc", "apparent"]
    assert tables.instability == pytest.approx(np.abs(found.refits - found.apparent).mean())
    assert set(tables.selection["feature"]) == set(FEATURES)
    assert tables.classes["threshold"].tolist() == [0.3, 0.5]
    assert set(tables.ranks["feature"]) == set(names)
