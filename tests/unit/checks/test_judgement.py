"""A planted defect for each code is found, and the same tables without it raise nothing."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

from predictor.checks.finding import Finding
from predictor.checks.judgement import (
    implausibly_good,
    mean_difference,
    miscalibration,
    no_better_than_permuted,
    non_convergence,
    overfitting,
    permuted_losses,
    search_edges,
    sites_differ,
    unstable_predictions,
)
from predictor.models.tuning import TunedClassifier
from predictor.validation.procedures import Procedure

METRICS: dict[str, tuple[float, float, float]] = {
    "auc": (0.68, 0.62, 0.74),
    "calibration_slope": (0.95, 0.6, 1.3),
    "calibration_intercept": (0.05, -0.1, 0.2),
}


def performance(**changes: tuple[float, float, float]) -> pd.DataFrame:
    rows = [("average", "judged", name, *values) for name, values in (METRICS | changes).items()]
    rows += [("severity", "reference", name, 9.0, 9.0, 9.0) for name in METRICS]
    return pd.DataFrame(rows, columns=["procedure", "kind", "metric", "value", "low", "high"])


def keys(findings: Iterator[Finding]) -> list[tuple[str, str, str]]:
    return [(one.code, one.severity, one.subject) for one in findings]


def binormal(auc: float, n: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Outcomes and scores whose AUC is the given one up to sampling: means apart by √2·Φ⁻¹(AUC)."""
    from scipy.stats import norm

    y = np.tile([1.0, 0.0], n // 2)
    score = np.random.default_rng(1).normal(size=n) + np.sqrt(2) * norm.ppf(auc) * y
    return y, 1 / (1 + np.exp(-score))


def test_p007_overfitting() -> None:
    assert keys(overfitting(*binormal(0.73), performance())) == []
    assert keys(overfitting(*binormal(0.83), performance())) == [("P007", "warning", "final model")]


@pytest.fixture(scope="module")
def patients() -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(2)
    X = pd.DataFrame(rng.normal(size=(120, 3)), columns=["age", "crp", "bmi"])
    return X, (rng.random(120) < 1 / (1 + np.exp(-2 * X["crp"]))).astype(float)


def tuned(patients: tuple[pd.DataFrame, np.ndarray], grid: list[dict[str, Any]]) -> TunedClassifier:
    return TunedClassifier("elastic_net", candidates=grid, inner_splits=3, random_state=1).fit(*patients)


@pytest.mark.parametrize(
    ("axis", "grid", "end"),
    [
        # A clear signal: of three penalties the weakest wins where the others are far too strong.
        ([0.0001, 0.0002, 1.0], [0.0001, 0.0002, 1.0], "upper end"),
        ([0.3, 1e-5, 2e-5], [0.3, 1e-5, 2e-5], "upper end"),
        ([0.0001, 1.0], [0.0001, 1.0], ""),  # two values are all ends
        ([0.0001, 0.5, 1e9], [0.0001, 0.5], ""),
        ({"log_uniform": [0.0001, 1.1]}, [0.0001, 1.0], "upper end"),
        ({"log_uniform": [0.0001, 100.0]}, [0.0001, 1.0], ""),
        ({"uniform": [0.0, 1.01]}, [0.0001, 1.0], "upper end"),
    ],
)
def test_p008_search_at_the_edge(
    patients: tuple[pd.DataFrame, np.ndarray], axis: Any, grid: list[float], end: str
) -> None:
    fitted = {"net | all": tuned(patients, [{"C": C} for C in grid])}
    assert fitted["net | all"].best_params_["C"] == max(grid)
    findings = list(search_edges({"net | all": {"C": axis}}, fitted, {"net | all": 1.0}))
    assert keys(iter(findings)) == ([("P008", "notice", "net | all")] if end else [])
    assert all(end in one.finding for one in findings)
    assert keys(search_edges({"net | all": {"C": axis}}, fitted, {"net | all": 0.0})) == []


def test_p008_without_a_search_the_familys_own_space_counts(
    patients: tuple[pd.DataFrame, np.ndarray],
) -> None:
    fitted = {"net": tuned(patients, [{"C": 1.0, "l1_ratio": 0.5}])}
    (finding,) = search_edges({"net": {}}, fitted, {"net": 1.0})
    assert finding.finding == "net: C = 1 is the upper end of the searched values"  # l1_ratio has two values


def test_p009_non_convergence(patients: tuple[pd.DataFrame, np.ndarray]) -> None:
    assert keys(non_convergence({"net": tuned(patients, [{"C": 1.0, "max_iter": 100}])})) == []
    stopped = {"net": tuned(patients, [{"C": 1.0, "max_iter": 1}])}
    (finding,) = non_convergence(stopped)
    assert (finding.code, finding.finding) == ("P009", "the final fit of net stopped at step 1, its last one")


def test_p009_nothing_could_be_tuned(patients: tuple[pd.DataFrame, np.ndarray]) -> None:
    X, y = patients
    one = y == 1
    rows = np.concatenate([np.flatnonzero(one)[:1], np.flatnonzero(~one)])
    model = tuned((X.iloc[rows], y[rows]), [{"C": 1.0}])
    assert keys(non_convergence({"net": model})) == [("P009", "warning", "net")]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"calibration_slope": (0.6, 0.4, 0.9)}, ["calibration slope"]),
        ({"calibration_slope": (0.6, 0.2, 1.1)}, []),  # unsure
        ({"calibration_slope": (0.85, 0.75, 0.95)}, []),  # sure, and small
        ({"calibration_slope": (1.6, 1.2, 2.1)}, ["calibration slope"]),
        ({"calibration_intercept": (-0.4, -0.6, -0.2)}, ["calibration intercept"]),
        ({"calibration_intercept": (-0.4, -0.9, 0.1)}, []),
        ({"calibration_slope": (np.nan, np.nan, np.nan)}, []),
    ],
)
def test_p010_miscalibration(changes: dict[str, Any], expected: list[str]) -> None:
    assert keys(miscalibration(performance(**changes))) == [("P010", "warning", name) for name in expected]


def test_p011_unstable_predictions() -> None:
    rng = np.random.default_rng(3)
    centre = rng.uniform(0.3, 0.7, 500)
    shaky = centre + rng.uniform(-0.25, 0.25, (7, 500))
    pairs = [np.abs(shaky[i] - shaky[j]).mean() for i, j in itertools.combinations(range(7), 2)]
    assert mean_difference(shaky) == pytest.approx(np.mean(pairs))
    (finding,) = unstable_predictions(mean_difference(shaky), source="between refits")
    assert (
        "differs by 17 points of 100" in finding.finding
    )  # a third of the range of 50, for two uniform draws
    steady = centre + (shaky - centre) / 3
    assert keys(unstable_predictions(mean_difference(steady), source="between refits")) == []
    assert keys(unstable_predictions(mean_difference(shaky[:1]), source="between refits")) == []


def sites(*rows: tuple[float, float, float, float, float]) -> pd.DataFrame:
    """Sites of 200 patients: observed, expected, AUC and its limits."""
    return pd.DataFrame(
        [
            {
                "site": f"S{i}", "n": 200, "events": round(200 * observed), "observed": observed,
                "observed_low": observed - 0.07, "observed_high": observed + 0.07, "expected": expected,
                "auc": auc, "auc_low": low, "auc_high": high, "slope": 1.0, "note": "",
            }
            for i, (observed, expected, auc, low, high) in enumerate(rows)
        ]
    )  # fmt: skip


def test_p012_a_site_responds_less_than_expected() -> None:
    same = (0.40, 0.42, 0.65, 0.57, 0.73)
    assert keys(sites_differ(sites(same, same), level=0.95)) == []
    (finding,) = sites_differ(sites(same, (0.30, 0.45, 0.65, 0.57, 0.73)), level=0.95)
    assert (finding.code, finding.severity, finding.subject) == ("P012", "warning", "site S1")
    assert finding.finding.startswith(
        "in site S1, 30 of 100 responded where 45 were expected (limits 23 to 37, 200 patients)"
    )


def test_p012_the_ranking_works_in_some_sites_only() -> None:
    # SE 0.04 each: Q = (0.10² + 0.10²)/0.04² = 12.5 on one degree of freedom, p = 0.0004.
    apart = [(0.4, 0.4, 0.75, 0.75 - 0.0784, 0.83), (0.4, 0.4, 0.55, 0.55 - 0.0784, 0.63)]
    (finding,) = sites_differ(sites(*apart), level=0.95)
    assert finding.subject == "AUC by site"
    assert "(p = 0.000)" in finding.finding
    # Q = (0.05² + 0.05²)/0.04² = 3.125, p = 0.077.
    near = [(0.4, 0.4, 0.70, 0.70 - 0.0784, 0.78), (0.4, 0.4, 0.60, 0.60 - 0.0784, 0.68)]
    assert keys(sites_differ(sites(*near), level=0.95)) == []


def test_p012_sites_too_small_to_judge_are_not() -> None:
    table = sites((0.30, 0.45, np.nan, np.nan, np.nan), (0.4, 0.4, 0.65, 0.57, 0.73))
    table.loc[0, "note"] = "fewer than 20 events or non-events: too few to judge"
    assert keys(sites_differ(table, level=0.95)) == []
    assert keys(sites_differ(table.iloc[:0], level=0.95)) == []


def judged(p: np.ndarray, repeats: int = 2) -> Procedure:
    fold = np.stack([(np.arange(len(p)) + r) % 4 for r in range(repeats)])
    return Procedure("average", "judged", np.stack([p] * repeats), fold)


def test_p013_predictions_that_point_the_wrong_way() -> None:
    rng = np.random.default_rng(4)
    truth = rng.uniform(0.2, 0.8, 400)
    y, plan = (rng.random(400) < truth).astype(float), np.repeat(["a", "b"], 200)
    assert keys(no_better_than_permuted(y, judged(truth), plan, groups=np.arange(400), seed=1)) == []
    assert keys(no_better_than_permuted(y, judged(1 - truth), plan, groups=np.arange(400), seed=1)) == [
        ("P013", "warning", "judged procedure")
    ]


def test_p013_predictions_that_only_know_the_plan() -> None:
    rng = np.random.default_rng(5)
    arm = rng.integers(0, 2, 400)
    y = (rng.random(400) < np.where(arm, 0.7, 0.3)).astype(float)
    only_arm = np.where(arm, 0.7, 0.3)
    everybody = np.zeros(400)
    assert (
        keys(no_better_than_permuted(y, judged(only_arm), everybody, groups=np.arange(400), seed=1)) == []
    )  # a gain over no plan
    (finding,) = no_better_than_permuted(y, judged(only_arm), arm, groups=np.arange(400), seed=1)
    assert (finding.code, finding.severity) == ("P013", "notice")


def test_p013_outcomes_stay_in_their_fold_and_plan() -> None:
    # One patient of each outcome per fold and plan, and the same probability for both: no exchange changes the loss.
    y, plan = np.tile([1.0, 0.0], 8), np.repeat(["a", "b"], 8)
    p = np.repeat(np.linspace(0.1, 0.9, 8), 2)
    fold = np.repeat(np.arange(8), 2)[np.newaxis] % 4
    one = Procedure("average", "judged", p[np.newaxis], fold)
    real, exchanged = permuted_losses(y, one, plan, groups=np.arange(16), seed=1, permutations=50)
    assert real == pytest.approx(-np.mean(np.log(np.where(y == 1, p, 1 - p))))
    assert exchanged == pytest.approx(np.full(50, real))


def test_p013_whole_clusters_change_places() -> None:
    # Two clusters of three in each of two folds, alike inside: kept or exchanged, so that each fold has two losses.
    y = np.repeat([1.0, 0.0, 1.0, 0.0], 3)
    p, fold = np.repeat([0.9, 0.4, 0.7, 0.2], 3), np.repeat([0, 1], 6)[np.newaxis]
    one = Procedure("average", "judged", p[np.newaxis], fold)
    groups = np.repeat(list("abcd"), 3)
    _, exchanged = permuted_losses(y, one, np.zeros(12), groups=groups, seed=1, permutations=100)
    pairs = [{np.log(0.9 * 0.6), np.log(0.1 * 0.4)}, {np.log(0.7 * 0.8), np.log(0.3 * 0.2)}]
    wanted = sorted(-(first + second) / 4 for first in pairs[0] for second in pairs[1])
    assert np.unique(exchanged.round(9)) == pytest.approx(wanted)


def test_p013_predictions_that_only_differ_between_clusters_seldom_point_the_wrong_way() -> None:
    """SIMULATED: 200 null data sets of 40 clusters; 10 warnings expected, and more if patients change places."""
    rng = np.random.default_rng(6)
    found = np.zeros(2)
    groups, alone = np.repeat(np.arange(40), 10), np.arange(400)
    for _ in range(200):
        y = (rng.random(400) < rng.beta(1.5, 1.5, 40)[groups]).astype(float)
        p = rng.uniform(0.3, 0.7, 40)[groups]
        one = Procedure("average", "judged", p[np.newaxis], (groups % 4)[np.newaxis])
        for i, labels in enumerate((groups, alone)):
            lines = no_better_than_permuted(y, one, np.zeros(400), groups=labels, seed=1, permutations=100)
            found[i] += any(line.severity == "warning" for line in lines)
    assert found[0] <= 20
    assert found[1] >= 35


def test_p014_implausibly_good() -> None:
    assert keys(implausibly_good(performance())) == []
    good = performance(auc=(0.80, 0.74, 0.86))
    assert keys(implausibly_good(good)) == [("P014", "notice", "judged procedure")]
