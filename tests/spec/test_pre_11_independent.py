"""PRE-11 to PRE-14: estimates recomputed from scorer.json by other code, for a hundred thousand random patients.

What is below shares nothing with the package but the file: numpy, the meaning of its keys, and no import of a scorer.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model_examples import FEATURES, example_model
from predictor.prediction import predict_patients
from predictor.prediction.reading import Rows
from predictor.prediction_model import (
    PredictionModel,
    load_prediction_model,
    raw_columns,
    save_prediction_model,
)
from trained_clinics import new_patients, trained

PATIENTS = 100_000
KINDS = ("elastic_net", "random_forest", "extra_trees", "lightgbm", "hist_gradient_boosting", "prevalence")
Columns = dict[str, np.ndarray]


@pytest.fixture(scope="module", params=KINDS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp(request.param) / "model"
    save_prediction_model(example_model(request.param), path)
    return path


def random_patients(n: int, seed: int = 11) -> Columns:
    """Ages and CRP inside and far outside of what was learned, missing values, and levels that nobody had."""
    rng = np.random.default_rng(seed)
    age = np.where(rng.random(n) < 0.1, rng.normal(0, 1e4, n), rng.uniform(18, 80, n))
    crp = np.where(rng.random(n) < 0.1, rng.uniform(-5, 1e6, n), rng.lognormal(size=n))
    age[rng.random(n) < 0.05] = np.nan
    crp[rng.random(n) < 0.15] = np.nan
    sex = rng.choice(np.array(["female", "male", "other", None], dtype=object), n)
    site = rng.choice(np.array(["north", "south", "west", "", None], dtype=object), n)
    return {"age": age, "crp": crp, "sex": sex, "site": site}


def encoded(column: dict[str, Any], columns: list[dict[str, Any]], raw: Columns) -> np.ndarray:
    values = raw[column["feature"]]
    if column["transform"] == "text":
        missing = np.array([one is None for one in values])
        kept = {
            c["level"] for c in columns if c["feature"] == column["feature"] and c["operation"] == "level"
        }
        other = np.array([one is not None and one not in kept for one in values])
        found = {"missing": missing, "other": other}.get(column["operation"], values == column["level"])
    else:
        functions = {"none": lambda x: x, "log1p": np.log1p, "log": np.log, "sqrt": np.sqrt}
        with np.errstate(all="ignore"):
            values = functions[column["transform"]](values.astype(float))
        gone = ~np.isfinite(values)
        found = gone if column["operation"] == "missing" else np.where(gone, column["fill"], values)
    return ((found.astype(float) - column["center"]) / column["scale"]).astype(np.float32)


def add_tree(trees: dict[str, Any], X: np.ndarray, root: int, leaf: np.ndarray, total: np.ndarray) -> None:
    """Send the patients down one tree, a group of them at a time."""
    waiting = [(root, np.arange(len(total)))]
    while waiting:
        node, rows = waiting.pop()
        if not len(rows):
            continue
        asked = trees["feature"][node]
        if asked < 0:
            total[rows] += trees["value"][leaf[node]]
            continue
        left = X[asked, rows] <= np.float32(trees["threshold"][node])
        waiting += [(node + 1, rows[left]), (trees["right"][node], rows[~left])]


def recomputed(scorer: dict[str, Any], raw: Columns) -> np.ndarray:
    n, average = len(raw["age"]), np.zeros(len(raw["age"]))
    for weight, member in zip(scorer["weights"], scorer["members"], strict=True):
        score = np.full(n, member["base"])
        X = np.array([encoded(column, member["columns"], raw) for column in member["columns"]])
        for coefficient, column in zip(member["coef"], X, strict=bool(member["coef"])):
            score += coefficient * column.astype(float)
        if member["trees"] is not None:
            leaf = np.cumsum(np.array(member["trees"]["feature"]) < 0) - 1
            for root in member["trees"]["roots"]:
                add_tree(member["trees"], X, root, leaf, score)
        if member["sigmoid"] is not None:
            slope, intercept = member["sigmoid"]
            score = intercept + slope * score
        elif member["scale"] == "probability":
            average += weight * np.clip(score, 1e-6, 1 - 1e-6)
            continue
        with np.errstate(over="ignore"):
            average += weight / (1 + np.exp(-score))
    return average


def test_pre_11_a_hundred_thousand_random_patients_agree_with_an_independent_computation(
    folder: Path,
) -> None:
    raw = random_patients(PATIENTS)
    expected = recomputed(json.loads((folder / "scorer.json").read_bytes()), raw)
    model = load_prediction_model(folder)
    rows = [dict(zip(raw, values, strict=True)) for values in zip(*raw.values(), strict=True)]
    columns = raw_columns(FEATURES, rows)
    for fused in (False, True):
        found = model.scorer.probability(columns, PATIENTS, fused=fused)
        assert np.abs(found - expected).max() < 1e-9
    few = rng_rows(rows)
    assert max(abs(model.scorer.one(rows[i]) - expected[i]) for i in few) < 1e-9
    if "prevalence" not in str(folder):
        assert expected.std() > 0.01


def rng_rows(rows: list[Any]) -> list[int]:
    return [int(i) for i in np.random.default_rng(1).choice(len(rows), 500, replace=False)]


def asked(n: int) -> Rows:
    """Random patients as a table of a user."""
    raw = random_patients(n, seed=12)
    return Rows(list(raw), list(zip(*raw.values(), strict=True)))


def test_pre_12_every_range_is_inside_0_and_1_and_holds_its_estimate(folder: Path) -> None:
    model = load_prediction_model(folder)
    answers = [one for one in predict_patients(model, asked(10_000), explain=False) if one.kind == "estimate"]
    assert len(answers) > 500
    for one in answers:
        assert one.probability is not None
        assert one.low is not None
        assert one.high is not None
        assert 0 <= one.low <= one.probability <= one.high <= 1


@pytest.mark.parametrize("kind", ["elastic_net", "random_forest", "hist_gradient_boosting"])
def test_pre_13_ten_thousand_explanations_add_up_to_what_is_displayed(kind: str) -> None:
    answers = trained(kind).model.explain(new_patients(10_000))
    estimates = [one for one in answers if one.kind == "estimate"]
    assert len(estimates) > 5_000
    for one in estimates:
        assert one.start is not None
        assert one.probability is not None
        assert (
            abs(one.start + sum(part.points for part in one.contributions) + one.other - one.probability)
            < 1e-9
        )


def test_pre_14_eight_threads_get_what_one_gets(folder: Path) -> None:
    rows = asked(1_000)
    cells = list(rows.itertuples(index=False, name=None))
    model = load_prediction_model(folder)
    expected = [answer(model, rows.columns, cell) for cell in cells]
    # A model nobody has used yet, so that what is compiled on first use is compiled under the eyes of all eight.
    fresh = load_prediction_model(folder)
    with ThreadPoolExecutor(8) as pool:
        requests = [pool.submit(answer, fresh, rows.columns, cell) for _ in range(8) for cell in cells]
        found = [request.result() for request in requests]
    assert found == expected * 8


def answer(model: PredictionModel, names: Any, cell: Any) -> tuple[str, float | None, tuple[str, ...]]:
    (one,) = predict_patients(model, Rows(names, [cell]), explain=False, ranges=False)
    return one.kind, one.probability, one.reasons
