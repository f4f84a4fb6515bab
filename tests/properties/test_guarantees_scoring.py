"""Whatever the data: the compiled scorer says what the estimator says, and an explanation adds up to it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from predictor.explanation.attribution import (
    Explainer,
    MemberExplainer,
    attribute,
    explain_points,
    plan_baselines,
)
from predictor.features.columns import columns_of
from predictor.features.dataset import Feature
from predictor.features.preprocessing import build_preprocessor
from predictor.models.averaging import AveragedClassifier
from predictor.models.catalog import FAMILIES
from predictor.models.compact import compact
from predictor.models.plain import from_plain, to_plain
from predictor.models.tuning import TunedClassifier

CANDIDATES: dict[str, list[dict[str, Any]]] = {
    "elastic_net": [{"C": 0.3}],
    "random_forest": [{"n_estimators": 5}],
    "extra_trees": [{"n_estimators": 5}],
    "hist_gradient_boosting": [{"max_iter": 5, "max_leaf_nodes": 12, "min_samples_leaf": 3}],
    "lightgbm": [{"n_estimators": 5, "num_leaves": 12, "min_child_samples": 3}],
    "prevalence": [{}],
}
KNOWN = [name for name in CANDIDATES if name in FAMILIES]
FEATURES = (
    Feature("plain", "t.plain", "number", "plain"),
    Feature("skewed", "t.skewed", "number", "skewed", transform="log"),
    Feature("counted", "t.counted", "number", "counted"),
    Feature("level", "t.level", "category", "level"),
    Feature("arm", "t.arm", "category", "arm", known="plan"),
)
NAMES = [feature.name for feature in FEATURES]


def table(n: int, seed: int, missing: float, levels: int) -> pd.DataFrame:
    """Draw patients with gaps, rare levels, zeros of a logarithm, ties, infinities and values far outside."""
    rng = np.random.default_rng(seed)
    rows = {
        "plain": rng.normal(size=n) * 10.0 ** rng.integers(-3, 6),
        "skewed": np.where(rng.random(n) < 0.1, 0.0, rng.lognormal(size=n)),
        "counted": rng.integers(0, 4, n).astype(float),
    }
    for values in rows.values():
        values[rng.random(n) < missing] = np.nan
    rows["plain"][rng.random(n) < 0.02] = np.inf
    level = rng.choice(np.array([f"L{i}" for i in range(levels)], dtype=object), n)
    level[rng.random(n) < missing] = None
    arm = rng.choice(np.array(["a", "b"], dtype=object), n)
    return pd.DataFrame({**rows, "level": level, "arm": arm})[NAMES]


def models(
    seed: int, missing: float, levels: int, chosen: list[str]
) -> tuple[AveragedClassifier, pd.DataFrame]:
    X = table(90, seed, missing, levels)
    rng = np.random.default_rng(seed + 1)
    y = (rng.random(90) < 1 / (1 + np.exp(-(X["counted"].fillna(1.5) - 1.5)))).to_numpy(
        dtype=float, copy=True
    )
    y[:4] = [0, 1, 0, 1]
    subsets = [NAMES, ["plain", "level"], ["counted", "arm", "skewed"]]
    fitted = []
    for i, family in enumerate(chosen):
        names = subsets[i % len(subsets)]
        features = [feature for feature in FEATURES if feature.name in names]
        model = TunedClassifier(
            family,
            build_preprocessor(features),
            candidates=CANDIDATES[family],
            inner_splits=2,
            random_state=0,
        )
        fitted.append(model.fit(X[[f.name for f in features]], y))
    return AveragedClassifier.of(fitted, list(range(1, len(fitted) + 1)), NAMES), X


LINES = st.sampled_from([None, (0.6, -0.4), (1.0, 1.3), (1.8, 0.2)])
CASES = {
    "seed": st.integers(0, 10_000),
    "missing": st.sampled_from([0.0, 0.1, 0.6]),
    "levels": st.integers(1, 12),
    "chosen": st.lists(st.sampled_from(KNOWN), min_size=1, max_size=3),
}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(**CASES, line=LINES)
def test_the_scorer_says_what_the_estimator_says(
    seed: int, missing: float, levels: int, chosen: list[str], line: tuple[float, float] | None
) -> None:
    average, _ = models(seed, missing, levels, chosen)
    new = table(300, seed + 2, missing, levels + 3)  # with levels that nobody had
    expected = average.predict_proba(new)[:, 1]
    if line is not None:
        average = average.recalibrated(line)
        odds = np.exp(line[1]) * (expected / (1 - expected)) ** line[0]
        expected = average.predict_proba(new)[:, 1]
        assert np.abs(expected - odds / (1 + odds)).max() < 1e-9
    plain = from_plain(to_plain(compact(average)))
    raw = columns_of(new, plain.columns)
    for fused in (True, False):
        assert np.abs(plain.probability(raw, len(new), fused=fused) - expected).max() < 1e-9
    for i in range(0, 300, 60):
        patient = {name: None if pd.isna(value) else value for name, value in new.iloc[i].items()}
        assert abs(plain.one(patient) - expected[i]) < 1e-9


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(**CASES, line=LINES)
def test_an_averages_explanation_adds_up_to_what_is_displayed(
    seed: int, missing: float, levels: int, chosen: list[str], line: tuple[float, float] | None
) -> None:
    average, X = models(seed, missing, levels, chosen)
    average = average if line is None else average.recalibrated(line)
    scorer, arm = compact(average), X["arm"].to_numpy()
    baselines = []
    for member in scorer.members:
        raw = columns_of(X, member.columns)
        baselines.append(plan_baselines(*MemberExplainer(member).attribute(raw, len(X)), arm))
    explainer = Explainer(scorer, tuple(NAMES), baselines, ("arm",))
    new = table(40, seed + 2, missing, levels + 3)
    found = explainer.points(columns_of(new, scorer.columns), 40, new["arm"].to_numpy())
    assert np.abs(found.probability - average.predict_proba(new)[:, 1]).max() < 1e-9
    assert (found.contributions[:, NAMES.index("arm")] == 0).all()
    total = found.start + found.contributions.sum(axis=1) + found.leftover
    assert np.abs(total - found.probability).max() < 1e-6
    for member in average.members_:
        names = [str(name) for name in member.feature_names_in_]
        assert attribute(member, new[names]).shape == (40, len(names))
        assert np.isfinite(explain_points(member, X[names], new[names])).all()
