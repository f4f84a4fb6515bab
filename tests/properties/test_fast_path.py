"""Fast paths against plain ones: an encoder and a tuning written out with scikit-learn, on random tables and on trials.

The oracle fits every candidate on every inner training part, one after another, and takes the first with the smallest
mean log loss; nothing of it shares an encoding, a path or a run of trees.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.base import clone
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import StandardScaler

from predictor.config.loading import load_config
from predictor.features.dataset import Feature
from predictor.features.preprocessing import Encoder, build_preprocessor
from predictor.models.catalog import family, family_candidates
from predictor.models.inner_folds import inner_splits
from predictor.models.tuning import TunedClassifier
from predictor.study import prepare_study

CONFIGS = Path(__file__).parents[2] / "configs"
TRIALS = ("ketamine_nimh", "thinking_healthy", "opt_periodontal")
CLOSE = 1e-6
TIED = 1e-9  # candidates whose losses are nearer than this may be told apart by rounding
SMALL: dict[str, list[dict[str, Any]]] = {
    "elastic_net": [{"C": C, "l1_ratio": ratio} for C in (0.003, 0.1, 1.0) for ratio in (0.0, 0.5)],
    "lightgbm": [{"num_leaves": leaves, "n_estimators": trees} for leaves in (3, 6) for trees in (4, 12)],
    "hist_gradient_boosting": [{"max_iter": 5}, {"max_iter": 5, "max_leaf_nodes": 3}],
    "random_forest": [{"n_estimators": 30, "min_samples_leaf": leaf} for leaf in (3, 10)],
    "extra_trees": [{"n_estimators": 30, "min_samples_leaf": leaf} for leaf in (3, 10)],
}
BY_FOLDS = ("elastic_net", "lightgbm", "hist_gradient_boosting")
FORESTS: dict[str, Any] = {"random_forest": RandomForestClassifier, "extra_trees": ExtraTreesClassifier}


@dataclass(frozen=True)
class Case:
    """A table with its outcomes and groups, and what its columns are."""

    X: pd.DataFrame
    y: np.ndarray
    groups: np.ndarray
    features: tuple[Feature, ...]

    @property
    def encoder(self) -> Encoder:
        return build_preprocessor(self.features)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Tables with missing values, rare levels, constant and collinear columns, repeated patients and tiny classes."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(30, 110))
    level = rng.normal(size=n)
    columns: dict[str, np.ndarray] = {"level": level}
    for i, kind in enumerate(draw(st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=7))):
        columns[f"{kind}_{i}"] = KINDS[kind](rng, level)
    events = draw(st.one_of(st.integers(3, 6), st.integers(10, 20)))
    y = np.zeros(n)
    y[np.argsort(-level + rng.gumbel(size=n) * draw(st.sampled_from([0.3, 1.0, 5.0])))[:events]] = 1
    groups = np.arange(n) // 2 if draw(st.booleans()) else np.arange(n)
    features = tuple(
        Feature(
            name,
            f"t.{name}",
            "category" if values.dtype == object else "number",
            name,
            transform=draw(st.sampled_from(["log", "log1p", "sqrt"]))
            if name.startswith("skewed")
            else "none",
        )
        for name, values in columns.items()
    )
    return Case(pd.DataFrame(columns), y, groups, features)


def _gaps(values: np.ndarray, rng: np.random.Generator, share: float, gap: Any) -> np.ndarray:
    values = values.copy()
    values[rng.random(len(values)) < share] = gap
    return values


def _texts(rng: np.random.Generator, n: int, shares: list[float]) -> np.ndarray:
    levels = np.array([f"level {i}" for i in range(len(shares))], dtype=object)
    return np.asarray(rng.choice(levels, n, p=np.array(shares) / sum(shares)), dtype=object)


KINDS: dict[str, Any] = {
    "plain": lambda rng, level: rng.normal(size=len(level)),
    "missing": lambda rng, level: _gaps(rng.normal(size=len(level)), rng, 0.4, np.nan),
    "absent": lambda rng, level: np.full(len(level), np.nan),
    "constant": lambda rng, level: np.full(len(level), 3.25),
    "nearly": lambda rng, level: np.where(np.arange(len(level)) == 0, 9.0, 0.5),
    "gappy": lambda rng, level: _gaps(np.full(len(level), 1.5), rng, 0.3, np.nan),
    "double": lambda rng, level: 2.0 * level + 1.0,
    "sum": lambda rng, level: level + 1e-3 * rng.normal(size=len(level)),
    "skewed": lambda rng, level: _gaps(np.exp(2.0 * rng.normal(size=len(level))) - 1.5, rng, 0.1, np.nan),
    "whole": lambda rng, level: rng.integers(0, 4, len(level)).astype(float),
    "two": lambda rng, level: _texts(rng, len(level), [0.6, 0.4]),
    "rare": lambda rng, level: _texts(rng, len(level), [0.5, 0.42, 0.04, 0.03, 0.01]),
    "single": lambda rng, level: _gaps(_texts(rng, len(level), [1.0]), rng, 0.3, None),
    "untold": lambda rng, level: _gaps(_texts(rng, len(level), [0.5, 0.3, 0.2]), rng, 0.2, None),
    "only_rare": lambda rng, level: _texts(rng, len(level), [1.0] * 40),
}


# The encoder.


def plain_encoding(case: Case, train: np.ndarray) -> np.ndarray:
    """Everybody encoded by what the training part teaches, with scikit-learn's imputer and scaler and pandas."""
    columns = [part for f in case.features if f.kind == "number" for part in _plain_number(case, f, train)]
    columns += [
        part for f in case.features if f.kind == "category" for part in _plain_category(case, f, train)
    ]
    return np.column_stack([*columns, np.zeros((len(case.X), 0))])


def _plain_number(case: Case, feature: Feature, train: np.ndarray) -> list[np.ndarray]:
    values = case.X[[feature.name]].astype(float)
    if feature.transform == "log1p":
        values = np.log1p(values.where(values > -1))
    elif feature.transform == "log":
        values = np.log(values.where(values > 0))
    elif feature.transform == "sqrt":
        values = np.sqrt(values.where(values >= 0))
    known, missing = values.iloc[train].dropna()[feature.name], values[feature.name].isna().astype(float)
    if known.empty:
        return []
    columns = []
    if known.nunique() > 1:
        imputer = SimpleImputer(strategy="median").fit(values.iloc[train])
        scaler = StandardScaler().fit(imputer.transform(values.iloc[train]))
        columns.append(scaler.transform(imputer.transform(values))[:, 0])
    if len(known) < len(train):
        columns.append(_plain_indicator(missing, train))
    return columns


def _plain_category(case: Case, feature: Feature, train: np.ndarray) -> list[np.ndarray]:
    values = case.X[feature.name]
    counts = Counter(values.iloc[train].dropna())
    kept = sorted(level for level, times in counts.items() if times >= 5)
    rare = len(kept) < len(counts)
    named = kept if rare or len(kept) > 2 else kept[1:]
    indicators = [values.eq(level) for level in named]
    if rare and len(kept) > 1:
        indicators.append(values.notna() & ~values.isin(kept))
    if 0 < values.iloc[train].isna().sum() < len(train):
        indicators.append(values.isna())
    return [_plain_indicator(indicator.astype(float), train) for indicator in indicators]


def _plain_indicator(indicator: pd.Series, train: np.ndarray) -> np.ndarray:
    return np.asarray((indicator - indicator.iloc[train].mean()) / 0.5, dtype=float)


def assert_encodings_agree(case: Case, train: np.ndarray) -> None:
    encoder = case.encoder.fit(case.X.iloc[train])
    plain = plain_encoding(case, train)
    for rows in (train, np.setdiff1d(np.arange(len(case.X)), train)):
        ours = encoder.transform(case.X.iloc[rows])
        assert ours.shape == (len(rows), plain.shape[1])
        # Ours are float32 numbers: equal to 1e-6, or to as many digits.
        np.testing.assert_allclose(ours, plain[rows], rtol=1e-6, atol=1e-6)
    # A table that was read once for everybody teaches what the frame of the training part does.
    read = case.encoder.read(case.X)
    again = case.encoder.fit(read.take(train))
    assert again.encoded_ == encoder.encoded_
    np.testing.assert_array_equal(again.transform(read), encoder.transform(case.X))


@given(cases(), st.floats(0.3, 0.9), st.integers(0, 999))
def test_the_encoder_is_the_plain_one(case: Case, share: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    assert_encodings_agree(case, np.sort(rng.permutation(len(case.y))[: max(6, int(share * len(case.y)))]))


# Tuning.


def scored(model: Any, X: np.ndarray, scale: str) -> np.ndarray:
    """Log-odds of the second class, with probabilities clipped as for every log loss."""
    if scale == "log_odds":
        return np.asarray(model.decision_function(X))
    p = np.clip(model.predict_proba(X)[:, 1], 1e-6, 1 - 1e-6)
    return np.asarray(np.log(p / (1 - p)))


def losses_of(log_odds: np.ndarray, y: np.ndarray) -> np.ndarray:
    p = np.clip(expit(log_odds), 1e-6, 1 - 1e-6)
    return np.asarray(-(y * np.log(p) + (1 - y) * np.log(1 - p)))


def filled(encoded: np.ndarray) -> np.ndarray:
    return encoded if encoded.shape[1] else np.zeros((len(encoded), 1))


def plain_losses(name: str, case: Case, candidates: list[dict[str, Any]], seed: int) -> np.ndarray:
    """Mean log loss over patients of every candidate, each fitted alone on each inner training part."""
    one, means = family(name), []
    for params in candidates:
        losses = np.full(len(case.y), np.nan)
        for train, test in inner_splits(case.y, case.groups, n_splits=3, seed=seed):
            encoder = clone(case.encoder).fit(case.X.iloc[train])
            model = one.make(seed).set_params(**params)
            model.fit(filled(encoder.transform(case.X.iloc[train])), case.y[train].astype(int))
            log_odds = scored(model, filled(encoder.transform(case.X.iloc[test])), one.score)
            losses[test] = losses_of(log_odds, case.y[test])
        means.append(np.nanmean(losses) if np.isfinite(losses).any() else np.inf)
    return np.array(means)


def refitted(name: str, case: Case, params: dict[str, Any], seed: int, model: Any = None) -> np.ndarray:
    """Log-odds of everybody by a candidate fitted on everybody."""
    encoded = filled(clone(case.encoder).fit(case.X).transform(case.X))
    model = family(name).make(seed).set_params(**params) if model is None else model
    return scored(model.fit(encoded, case.y.astype(int)), encoded, family(name).score)


def tuned(name: str, case: Case, candidates: list[dict[str, Any]]) -> TunedClassifier:
    model = TunedClassifier(
        name, case.encoder, candidates=candidates, inner_splits=3, calibration="none", random_state=6
    )
    return model.fit(case.X, case.y, case.groups)


def assert_first_smallest(
    fast: TunedClassifier, candidates: list[dict[str, Any]], losses: np.ndarray
) -> None:
    """Compare the choice where losses tell the candidates apart, and the loss everywhere."""
    chosen = candidates.index(fast.best_params_)
    if np.isfinite(losses).any():
        assert fast.inner_log_loss_ == pytest.approx(losses.min(), abs=CLOSE)
        assert losses[chosen] <= losses.min() + 1e-7
    if len(losses) > 1 and np.diff(np.sort(losses)[:2])[0] > TIED:
        # Elastic nets are the same to 1e-6 of a log-odds, and so are their losses.
        near = np.flatnonzero(losses <= losses.min() + 1e-7)
        assert chosen in near
        if len(near) == 1:
            assert chosen == int(np.argmin(losses))


def assert_tuning_agrees(name: str, case: Case, candidates: list[dict[str, Any]]) -> None:
    fast = tuned(name, case, candidates)
    losses = plain_losses(name, case, candidates, fast.seed_)
    assert_first_smallest(fast, candidates, losses)
    expected = expit(refitted(name, case, fast.best_params_, fast.seed_))
    np.testing.assert_allclose(fast.predict_proba(case.X)[:, 1], expected, rtol=0, atol=CLOSE)


def assert_out_of_bag_agrees(name: str, case: Case, candidates: list[dict[str, Any]]) -> None:
    """Compare with scikit-learn's own forest and its out-of-bag estimate; every patient has to be a group."""
    fast = tuned(name, case, candidates)
    encoded = filled(clone(case.encoder).fit(case.X).transform(case.X))
    forests, losses = [], []
    for params in candidates:
        settings = family(name).make(fast.seed_).set_params(**params).get_params()
        # As many are drawn as there are patients, which scikit-learn writes as None.
        settings |= {"max_samples": None, "bootstrap": True, "oob_score": True}
        forest = FORESTS[name](**settings).fit(encoded, case.y.astype(int))
        forests.append(forest)
        p = np.clip(forest.oob_decision_function_[:, 1], 1e-6, 1 - 1e-6)
        losses.append(losses_of(np.log(p / (1 - p)), case.y))
    known = np.isfinite(losses).all(axis=0)
    assert known.all()  # thirty trees all draw one patient once in a million times
    assert_first_smallest(fast, candidates, np.mean(losses, axis=1))
    chosen = forests[candidates.index(fast.best_params_)]
    expected = np.clip(chosen.predict_proba(encoded)[:, 1], 1e-6, 1 - 1e-6)
    np.testing.assert_allclose(fast.predict_proba(case.X)[:, 1], expected, rtol=0, atol=CLOSE)


@pytest.mark.filterwarnings("ignore:The least populated class")
@pytest.mark.parametrize("name", BY_FOLDS)
@settings(max_examples=20)
@given(case=cases())
def test_tuning_is_every_candidate_fitted_alone(name: str, case: Case) -> None:
    assert_tuning_agrees(name, case, SMALL[name])


@pytest.mark.filterwarnings("ignore:Some inputs do not have OOB scores")
@pytest.mark.filterwarnings("ignore:invalid value encountered in divide")
@pytest.mark.parametrize("name", list(FORESTS))
@settings(max_examples=15)
@given(case=cases())
def test_forests_are_tuned_on_scikit_learns_out_of_bag_estimate(name: str, case: Case) -> None:
    singly = Case(case.X, case.y, np.arange(len(case.y)), case.features)
    assert_out_of_bag_agrees(name, singly, SMALL[name])


# The trials.


def trial(name: str) -> Case:
    study = prepare_study(load_config(CONFIGS / f"{name}.yaml"))
    rows, y = study.evaluable(study.loaded.config.primary)
    dataset = study.dataset.take(rows)
    return Case(dataset.X.reset_index(drop=True), y, dataset.groups, dataset.features)


@pytest.mark.parametrize("name", TRIALS)
def test_the_encoder_is_the_plain_one_on_the_trials(name: str) -> None:
    case = trial(name)
    for train, _ in inner_splits(case.y, case.groups, n_splits=3, seed=1):
        assert_encodings_agree(case, train)


@pytest.mark.slow
@pytest.mark.parametrize("type_", BY_FOLDS)
@pytest.mark.parametrize("name", TRIALS)
def test_tuning_is_every_candidate_fitted_alone_on_the_trials(name: str, type_: str) -> None:
    assert_tuning_agrees(type_, trial(name), family_candidates(type_))


@pytest.mark.slow
@pytest.mark.parametrize("type_", list(FORESTS))
@pytest.mark.parametrize("name", TRIALS)
def test_forests_are_tuned_on_scikit_learns_out_of_bag_estimate_on_the_trials(name: str, type_: str) -> None:
    case = trial(name)
    singly = Case(case.X, case.y, np.arange(len(case.y)), case.features)
    assert_out_of_bag_agrees(type_, singly, family_candidates(type_))
