"""Guarantees 1, 2 and 4, as far as the data and the folds go: no leak from the future, no shared patient, no order."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st

from clinic import COLUMNS, Clinic, build_clinic, small_clinic
from predictor.models.inner_folds import inner_splits
from predictor.study import Study
from predictor.validation.splits import Fold, leave_one_group_out, repeated_folds

# A smaller seed is no simpler a case, so nothing is gained by shrinking one.
FEW = settings(max_examples=8, phases=(Phase.explicit, Phase.reuse, Phase.generate))
SEEDS = st.integers(0, 2**32 - 1)


@cache
def _shelf() -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix="guarantees-")


@cache
def crowded() -> tuple[Clinic, dict[str, pd.DataFrame]]:
    """A clinic with courses, sites, doses, scores that share a day, and courses that start together."""
    clinic = build_clinic(Path(_shelf().name, "crowded"), n=60, courses=3, sites=4, treatment="doses")
    tables = {name: clinic.table(name) for name in ("patients", "courses", "scores")}
    scores, courses = tables["scores"], tables["courses"]
    score = scores["score"].astype(int)
    same_day = scores.assign(score=(score + 1 - 2 * (score % 2)).astype(str)).iloc[::3]
    together = courses.iloc[::5].assign(dose="0.35", course=[f"D{i}" for i in range(len(courses.iloc[::5]))])
    tables |= {"scores": pd.concat([scores, same_day]), "courses": pd.concat([courses, together])}
    return clinic, tables


@cache
def single() -> tuple[Clinic, dict[str, pd.DataFrame]]:
    """A clinic with one course each, where relapses and infusions given are known afterwards."""
    clinic = build_clinic(Path(_shelf().name, "single"), n=60, treatment="arms")
    tables = {name: clinic.table(name) for name in ("patients", "courses", "scores")}
    return clinic, tables


def prepared(clinic: Clinic, tables: dict[str, pd.DataFrame]) -> Study:
    for name, frame in tables.items():
        clinic.write_table(name, frame)
    return clinic.study()


def folds_of(study: Study) -> list[Fold]:
    rows, y = study.evaluable("response")
    return repeated_folds(
        y, study.cohort.groups[rows], study.cohort.plan[rows], n_splits=3, n_repeats=2, seed=1
    )


def assert_same_inputs(one: Study, two: Study) -> None:
    pd.testing.assert_frame_equal(one.dataset.X, two.dataset.X)
    assert one.dataset.features == two.dataset.features
    assert one.extraction.dropped == two.extraction.dropped
    assert one.dataset.groups.tolist() == two.dataset.groups.tolist()
    assert one.dataset.plan.tolist() == two.dataset.plan.tolist()


def assert_same_outcomes(one: Study, two: Study) -> None:
    np.testing.assert_array_equal(one.primary.label, two.primary.label)
    for a, b in zip(folds_of(one), folds_of(two), strict=True):
        assert a.train.tolist() == b.train.tolist()
        assert a.test.tolist() == b.test.tolist()


def futures(tables: dict[str, pd.DataFrame], seed: int, *, outcome: bool) -> dict[str, pd.DataFrame]:
    """Redraw everything known after day 0: late scores (some deleted, some new), relapses, infusions given."""
    rng = np.random.default_rng(seed)
    started = tables["courses"].set_index("patient")["started"]
    scores = tables["scores"].copy()
    late = (scores["on"] > scores["patient"].map(started)) & (outcome | (scores["scale"] == "GAD7"))
    top = scores["scale"].map({"MADRS": 61, "GAD7": 22})
    scores.loc[late, "score"] = rng.integers(0, top[late]).astype(str)
    on = pd.to_datetime(scores.loc[late, "on"]) + pd.to_timedelta(rng.integers(-20, 90, late.sum()), unit="D")
    scores.loc[late, "on"] = on.dt.strftime("%Y-%m-%d")
    scores = scores.loc[~late | (rng.random(len(scores)) < 0.8)]
    extra = scores.loc[scores["scale"] == "GAD7"].drop_duplicates("patient")
    extra = extra.assign(on="2026-01-01", score=rng.integers(0, 22, len(extra)).astype(str))
    n = len(tables["patients"])
    return {
        "patients": tables["patients"].assign(relapsed=rng.integers(0, 2, n).astype(str)),
        "courses": tables["courses"].assign(infusions=rng.integers(0, 13, n).astype(str)),
        "scores": pd.concat([scores, extra]),
    }


@FEW
@given(seed=SEEDS)
def test_guarantee_1_what_comes_after_day_0_changes_no_feature(seed: int) -> None:
    clinic, tables = single()
    before, after = prepared(clinic, tables), prepared(clinic, futures(tables, seed, outcome=False))
    assert_same_inputs(before, after)
    # Nor, the outcome's own score left alone, anything that a prediction could depend on.
    assert_same_outcomes(before, after)


@FEW
@given(seed=SEEDS)
def test_guarantee_1_the_outcomes_own_score_changes_no_feature_either(seed: int) -> None:
    clinic, tables = single()
    before = prepared(clinic, tables)
    rows = futures(tables, seed, outcome=True)
    for name, frame in rows.items():
        clinic.write_table(name, frame)
    after = clinic.extraction()
    pd.testing.assert_frame_equal(before.dataset.X, after.dataset.X)
    assert before.extraction.dropped == after.dropped


def test_guarantee_1_the_test_above_can_fail() -> None:
    clinic, tables = single()
    before = prepared(clinic, tables)
    scores = tables["scores"].copy()
    scores.loc[
        scores["on"] <= scores["patient"].map(tables["courses"].set_index("patient")["started"]), "score"
    ] = "20"
    with pytest.raises(AssertionError):
        assert_same_inputs(before, prepared(clinic, {**tables, "scores": scores}))


@st.composite
def grouped(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Outcomes, groups and plans of 12 to 60 units, and a number of folds that the rarer class can fill."""
    n = draw(st.integers(12, 60))
    groups = np.array(draw(st.lists(st.integers(0, draw(st.integers(3, 40))), min_size=n, max_size=n)))
    y = np.array(draw(st.lists(st.integers(0, 1), min_size=n, max_size=n)))
    assume(len(np.unique(y)) == 2)
    spread = min(len(np.unique(groups[y == value])) for value in (0, 1))
    assume(spread >= 2)
    constant = draw(st.booleans())
    arm = np.array(draw(st.lists(st.sampled_from(["a", "b"]), min_size=n, max_size=n)), dtype=object)
    plan = arm[np.unique(groups, return_inverse=True)[1]] if constant else arm
    return y, groups, plan, draw(st.integers(2, min(spread, 6)))


@given(case=grouped(), seed=SEEDS)
def test_guarantee_2_outer_folds_share_no_group_and_test_everybody_once(case: Any, seed: int) -> None:
    y, groups, plan, n_splits = case
    folds = repeated_folds(y, groups, plan, n_splits=n_splits, n_repeats=2, seed=seed)
    assert [(fold.repeat, fold.fold) for fold in folds] == [(r, k) for r in range(2) for k in range(n_splits)]
    for fold in folds:
        assert not set(groups[fold.train]) & set(groups[fold.test])
        assert sorted([*fold.train, *fold.test]) == list(range(len(y)))
        assert len(fold.test)
        assert len(np.unique(y[fold.train])) == 2
    for repeat in range(2):
        tested = np.concatenate([fold.test for fold in folds if fold.repeat == repeat])
        assert sorted(tested) == list(range(len(y)))


@given(case=grouped(), seed=SEEDS)
def test_guarantee_2_inner_folds_share_no_group(case: Any, seed: int) -> None:
    y, groups, _, n_splits = case
    splits = inner_splits(y, groups, n_splits=n_splits, seed=seed)
    assert splits
    for train, test in splits:
        assert not set(groups[train]) & set(groups[test])
        assert not set(train) & set(test)
    tested = np.concatenate([test for _, test in splits])
    assert len(tested) == len(set(tested))


@given(case=grouped(), seed=SEEDS)
def test_guarantee_2_a_site_left_out_takes_its_patients_along(case: Any, seed: int) -> None:
    y, groups, _, _ = case
    site = np.random.default_rng(seed).choice(np.array(["", "north", "south"], dtype=object), len(y))
    for name, train, test in leave_one_group_out(site, y, patients=groups):
        assert set(site[test]) == {name}
        assert name not in site[train]
        assert not set(groups[train]) & set(groups[test])


@FEW
@given(
    pairs=st.lists(st.tuples(st.integers(0, 8), st.integers(0, 5)), min_size=8, max_size=30, unique=True),
)
def test_guarantee_2_no_patient_and_no_cluster_is_in_two_groups(pairs: list[tuple[int, int]]) -> None:
    assume(len({patient for patient, _ in pairs}) > 1)
    courses = [
        f"p{patient} S{site} 2024-0{1 + i % 9}-{10 + i // 9}" for i, (patient, site) in enumerate(pairs)
    ]
    clinic = small_clinic(
        Path(_shelf().name, "clusters"),
        cohort={"index": {"table": "courses", "take": "all"}, "group": "courses.site"},
        declare={"courses": {"columns": {"started": COLUMNS["started"], "site": {"type": "category"}}}},
        patients="\n".join(["patient age", *(f"p{i} {30 + i}" for i in range(9))]),
        courses="\n".join(["patient site started", *courses]),
        scores="patient on scale score\np1 2024-01-01 MADRS 30\np2 2024-01-01 MADRS 31\n",
    )
    cohort = clinic.cohort()
    site = cohort.timeline.attributes["courses.site"]
    for names in (cohort.timeline.units["patient"], site):
        assert pd.Series(cohort.groups).groupby(names.to_numpy(object)).nunique().max() == 1
    assert len(set(cohort.groups)) == count_components(pairs)


def count_components(pairs: list[tuple[int, int]]) -> int:
    """Walk from every patient to its sites and on to their patients, as long as there is somebody new."""
    left, found = {patient for patient, _ in pairs}, 0
    while left:
        found += 1
        reached = {left.pop()}
        while reached:
            left -= reached
            sites = {site for patient, site in pairs if patient in reached}
            reached = {patient for patient, site in pairs if site in sites} & left
    return found


def shuffled(tables: dict[str, pd.DataFrame], seed: int) -> Iterator[tuple[str, pd.DataFrame]]:
    rng = np.random.default_rng(seed)
    for name, frame in tables.items():
        yield name, frame.iloc[rng.permutation(len(frame))]


@FEW
@given(seed=SEEDS)
def test_guarantee_4_the_order_of_the_rows_of_every_file_does_not_matter(seed: int) -> None:
    clinic, tables = crowded()
    one, two = prepared(clinic, tables), prepared(clinic, dict(shuffled(tables, seed)))
    assert len(one.dataset.X) > 120
    assert_same_inputs(one, two)
    assert_same_outcomes(one, two)
    pd.testing.assert_frame_equal(one.cohort.attrition, two.cohort.attrition)


@pytest.mark.parametrize("layout", ["wide", "visits"])
def test_guarantee_4_for_undated_tables(tmp_path: Path, layout: Any) -> None:
    clinic = build_clinic(tmp_path, layout=layout, n=60, sites=3, treatment="arms")
    one = clinic.study()
    tables = {path.stem: clinic.table(path.stem) for path in tmp_path.glob("*.csv")}
    two = prepared(clinic, dict(shuffled(tables, 5)))
    assert_same_inputs(one, two)
    assert_same_outcomes(one, two)
