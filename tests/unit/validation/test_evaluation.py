"""The tables of an evaluation, against direct computation and as invariants."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, roc_auc_score

from predictor.validation.calibration import calibration_slope
from predictor.validation.discrimination import within_fold_auc
from predictor.validation.evaluation import METRICS, Evaluation, evaluate
from predictor.validation.overall import log_losses

THRESHOLDS = [0.3, 0.5]


class Study:
    """Eighty patients in forty pairs, one of whom has no outcome; two repeats of four grouped folds."""

    def __init__(self, seed: int = 0, *, strength: float = 1.5) -> None:
        rng = np.random.default_rng(seed)
        self.groups = np.repeat(np.arange(40), 2)
        self.plan = np.where(self.groups % 2, "cbt", "usual")
        signal = rng.normal(size=80)
        self.y = (rng.random(80) < 1 / (1 + np.exp(-strength * signal))).astype(float)
        self.y[7] = np.nan
        self.rows = np.flatnonzero(np.isfinite(self.y))
        frames = []
        for repeat in range(2):
            fold = (rng.permutation(40) % 4)[self.groups][self.rows]
            rate = np.array([self.y[self.rows][fold != k].mean() for k in range(4)])[fold]
            own = 1 / (1 + np.exp(-strength * signal[self.rows] - rng.normal(size=79) * 0.2))
            given = {
                "prevalence": rate,
                "severity": rng.uniform(0.3, 0.7, 79),
                "tree": own**2,
                "selection": own,
            }
            kinds = ["reference", "reference", "candidate", "judged"]
            for (name, p), kind in zip(given.items(), kinds, strict=True):
                columns = {
                    "procedure": name,
                    "kind": kind,
                    "repeat": repeat,
                    "fold": fold,
                    "row": self.rows,
                    "p": p,
                }
                frames.append(pd.DataFrame(columns))
        self.predictions = pd.concat(frames, ignore_index=True)

    def evaluate(self, predictions: pd.DataFrame | None = None, *, resamples: int = 60) -> Evaluation:
        return evaluate(
            self.predictions if predictions is None else predictions,
            y=self.y,
            groups=self.groups,
            plan=self.plan,
            thresholds=THRESHOLDS,
            level=0.95,
            resamples=resamples,
            seed=4,
        )

    def repeats(self, procedure: str) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        own = self.predictions[self.predictions["procedure"] == procedure]
        parts = [part for _, part in own.groupby("repeat")]
        return [(self.y[part["row"]], part["p"].to_numpy(), part["fold"].to_numpy()) for part in parts]


@pytest.fixture(scope="module")
def study() -> Study:
    return Study()


@pytest.fixture(scope="module")
def evaluation(study: Study) -> Evaluation:
    return study.evaluate()


def value(evaluation: Evaluation, procedure: str, metric: str) -> float:
    table = evaluation.performance.set_index(["procedure", "metric"])
    return float(table.loc[(procedure, metric), "value"])


def test_every_procedure_has_every_metric_in_order(evaluation: Evaluation) -> None:
    table = evaluation.performance
    assert list(table.columns) == ["procedure", "kind", "metric", "value", "low", "high"]
    names = [(one, metric) for one in ("prevalence", "severity", "tree", "selection") for metric in METRICS]
    assert list(zip(table["procedure"], table["metric"], strict=True)) == names
    shown = table.dropna()
    assert (shown["low"] <= shown["value"]).all()
    assert (shown["value"] <= shown["high"]).all()


def test_metrics_are_the_mean_over_repeats(study: Study, evaluation: Evaluation) -> None:
    repeats = study.repeats("selection")
    metrics: dict[str, Callable[..., float]] = {
        "auc": within_fold_auc,
        "brier": lambda y, p, _: brier_score_loss(y, p),
        "log_loss": lambda y, p, _: float(log_losses(y, p).mean()),
        "calibration_slope": lambda y, p, _: calibration_slope(y, p),
    }
    for name, metric in metrics.items():
        assert value(evaluation, "selection", name) == pytest.approx(
            np.mean([metric(*one) for one in repeats])
        )


def test_folds_weigh_by_their_pairs(study: Study, evaluation: Evaluation) -> None:
    wins = pairs = 0.0
    (y, p, fold), _ = study.repeats("tree")
    for k in np.unique(fold):
        weight = y[fold == k].sum() * (1 - y[fold == k]).sum()
        wins, pairs = wins + weight * roc_auc_score(y[fold == k], p[fold == k]), pairs + weight
    assert within_fold_auc(y, p, fold) == pytest.approx(wins / pairs)


def test_the_prevalence_is_chance_and_has_no_slope(evaluation: Evaluation) -> None:
    assert value(evaluation, "prevalence", "auc") == 0.5
    assert np.isnan(value(evaluation, "prevalence", "calibration_slope"))
    assert np.isfinite(value(evaluation, "prevalence", "calibration_intercept"))


@settings(max_examples=10)
@given(st.integers(0, 100))
def test_the_order_of_rows_changes_nothing(seed: int) -> None:
    study = Study(1)
    names = study.predictions["procedure"].unique()
    shuffled = study.predictions.sample(frac=1, random_state=seed)
    order = pd.Categorical(shuffled["procedure"], categories=names, ordered=True)
    shuffled = shuffled.iloc[np.argsort(order.codes, kind="stable")]
    plain, other = study.evaluate(resamples=20), study.evaluate(shuffled, resamples=20)
    for table in ("performance", "net_benefit", "calibration", "roc", "comparisons", "group_rates", "counts"):
        pd.testing.assert_frame_equal(getattr(plain, table), getattr(other, table))
    assert plain.verdict == other.verdict


def test_the_interval_is_that_of_the_cluster_bootstrap() -> None:
    study = Study(2)
    table = study.evaluate(resamples=2000).performance.set_index(["procedure", "metric"])
    low, high = table.loc[("selection", "brier"), ["low", "high"]]
    losses = np.mean([(y - p) ** 2 for y, p, _ in study.repeats("selection")], axis=0)
    totals = pd.DataFrame({"loss": losses, "n": 1}).groupby(study.groups[study.rows]).sum()
    rng = np.random.default_rng(99)  # other draws, another way: sums of whole clusters
    draws = totals.to_numpy()[rng.integers(0, 40, (4000, 40))].sum(axis=1)
    assert (low, high) == pytest.approx(np.quantile(draws[:, 0] / draws[:, 1], [0.025, 0.975]), abs=0.006)


def test_net_benefit_has_the_two_strategies(study: Study, evaluation: Evaluation) -> None:
    table = evaluation.net_benefit.set_index(["procedure", "threshold"])
    prevalence = study.y[study.rows].mean()
    assert table.loc[("treat all", 0.3), "value"] == pytest.approx(prevalence - (1 - prevalence) * 3 / 7)
    assert table.loc[("treat none", 0.5), ["value", "low", "high"]].tolist() == [0, 0, 0]
    repeats = study.repeats("selection")
    by_hand = np.mean([((p >= 0.5) * np.where(y == 1, 1, -1)).mean() for y, p, _ in repeats])
    assert table.loc[("selection", 0.5), "value"] == pytest.approx(by_hand)
    dense = evaluation.decision_curve
    assert set(dense["kind"]) == {"judged", "reference", "treat all", "treat none"}
    assert dense[(dense["procedure"] == "selection") & (dense["threshold"] == 0.5)][
        "value"
    ].item() == pytest.approx(by_hand)


def test_comparisons_are_the_judged_procedure_against_each_reference(
    study: Study, evaluation: Evaluation
) -> None:
    table = evaluation.comparisons
    assert list(table["reference"]) == ["prevalence", "severity"]
    gains = []
    for (y, p, _), (_, q, _) in zip(study.repeats("severity"), study.repeats("selection"), strict=True):
        gains.append((log_losses(y, p) - log_losses(y, q)).mean())
    assert table["gain"].iloc[1] == pytest.approx(np.mean(gains))
    assert tuple(table["low"]) == tuple(one.low for one in evaluation.verdict.comparisons)
    assert [one.reference for one in evaluation.between_references] == ["severity over prevalence"]
    assert (evaluation.verdict.events + evaluation.verdict.non_events, evaluation.verdict.clusters) == (
        79,
        40,
    )


def test_the_patient_report_gets_whole_numbers(evaluation: Evaluation) -> None:
    above, below = evaluation.counts["per_100"]
    expected = {"threshold": 50, "above_responded": round(above), "below_responded": round(below)}
    assert evaluation.plain_counts == expected
    assert evaluation.group_interval.startswith("Wilson, 95 %")


def test_nobody_above_the_cut_leaves_no_counts() -> None:
    study = Study(6)
    judged = study.predictions["kind"] == "judged"
    assert study.evaluate(spoil(study, judged, "p", 0.4)).plain_counts is None


def test_a_strong_procedure_is_better_and_noise_is_not() -> None:
    assert Study(3, strength=4).evaluate().verdict.label == "better"
    assert Study(3, strength=0).evaluate().verdict.label == "too_little"


def test_one_outcome_class_is_survived() -> None:
    study = Study(5)
    study.y = np.where(np.isfinite(study.y), 1.0, np.nan)
    evaluation = study.evaluate()
    assert evaluation.verdict.label == "too_little"
    assert np.isnan(value(evaluation, "selection", "auc"))
    assert np.isfinite(value(evaluation, "selection", "brier"))


def spoil(study: Study, where: pd.Series, column: str, new: object) -> pd.DataFrame:
    frame = study.predictions.copy()
    frame.loc[where, column] = new
    return frame


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.predictions.iloc[1:], "one row per repeat and patient"),
        (
            lambda s: pd.concat([s.predictions.iloc[1:], s.predictions.iloc[[1]]]),
            "one row per repeat and patient",
        ),
        (lambda s: spoil(s, s.predictions["procedure"] == "tree", "kind", "judged"), "Exactly one judged"),
        (
            lambda s: spoil(s, s.predictions["kind"] == "reference", "kind", "candidate"),
            "at least one reference",
        ),
        (lambda s: spoil(s, s.predictions.index == 3, "p", np.nan), "missing or outside"),
        (lambda s: spoil(s, s.predictions.index == 3, "p", 1.2), "missing or outside"),
        (lambda s: spoil(s, s.predictions["procedure"] == "tree", "fold", 0), "folds differ"),
        (lambda s: spoil(s, s.predictions["row"] == 8, "row", 7), "outcome of 0 or 1"),
    ],
)
def test_predictions_of_another_shape_are_refused(
    study: Study, change: Callable[[Study], pd.DataFrame], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        study.evaluate(change(study))
