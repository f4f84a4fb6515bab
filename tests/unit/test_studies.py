"""The studies run, resume, and say what they count. Tiny: no figure in here means anything."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

STUDIES = Path(__file__).parents[2] / "experiments" / "studies"
QUICK = [
    "models.random_forest.params.n_estimators=3",
    "models.random_forest.candidates=1",
    "models.boosted_trees.params.n_estimators=3",
    "models.boosted_trees.candidates=1",
    "models.elastic_net.candidates=1",
    "validation.interval.resamples=100",
]


def study(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"study_{name}", STUDIES / name / "study.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up while it is being made.
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, spec.name, module)
        spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def truth() -> ModuleType:
    return study("simulated_truth")


@pytest.fixture(scope="module")
def null() -> ModuleType:
    return study("null_data")


@pytest.mark.slow
def test_simulated_truth_runs_and_resumes(truth: ModuleType, tmp_path: Path) -> None:
    tiny = ["--sizes", "60", "--splits", "2", "--fresh", "300", "--out", str(tmp_path), "--set", *QUICK]
    truth.main(["--seeds", "1", *tiny])
    first = (tmp_path / "results.csv").read_text()
    found = pd.read_csv(tmp_path / "results.csv")
    assert set(found["mechanism"]) == {"mar", "realistic"}
    assert set(found["metric"]) == {*truth.METRICS, "response_rate"}
    assert set(found["data"]) == {"SIMULATED"}
    # A constant prediction has no slope; nothing else may be undefined.
    assert set(found.loc[found["difference"].isna(), "metric"]) <= {"calibration_slope"}
    assert np.allclose(found["difference"], found["reported"] - found["true"], atol=2e-6, equal_nan=True)
    limits = found.dropna(subset=["covered"])
    inside = (limits["low"] <= limits["true"]) & (limits["true"] <= limits["high"])
    assert (limits["covered"].astype(bool) == inside).all()
    everybody = found[found["mechanism"] == "realistic"]
    assert everybody["true"].equals(everybody["true_everybody"])

    truth.main(["--seeds", "1", *tiny])
    assert (tmp_path / "results.csv").read_text() == first

    truth.main(["--seeds", "2", "--mechanisms", "mar", *tiny])
    again = (tmp_path / "results.csv").read_text()
    assert again.startswith(first)
    summary = pd.read_csv(tmp_path / "summary.csv").set_index(["mechanism", "metric"])
    assert summary.loc[("mar", "auc"), "seeds"] == 2
    assert summary.loc[("realistic", "auc"), "seeds"] == 1


@pytest.mark.slow
def test_the_fresh_sample_has_the_truth_of_its_own_rows(truth: ModuleType) -> None:
    fresh = truth.fresh_sample(1, "realistic", patients=3000)
    seen = np.isfinite(fresh.recorded)
    # Another visit than week 4 counts where that one was missed (3 %); everything else has to be the same label.
    assert (fresh.recorded[seen] == fresh.everybody[seen]).mean() > 0.97
    assert 0.80 < seen.mean() < 0.97
    # Probabilities belong to these rows: within fifths of p the labels come out as p says.
    fifth = pd.qcut(fresh.p_true, 5, labels=False)
    for k in range(5):
        p, y = fresh.p_true[fifth == k], fresh.everybody[fifth == k]
        assert abs(y.mean() - p.mean()) < 4 * np.sqrt((p * (1 - p)).sum()) / len(p)
    # Who drops out is a non-responder more often.
    assert fresh.everybody[~seen].mean() < fresh.everybody[seen].mean()


@pytest.mark.slow
def test_sites_are_the_same_in_training_and_fresh_sample(truth: ModuleType) -> None:
    trained = truth.training_study(3, "mar", 60, overrides=["features.max_missing=1"])
    assert int(trained.primary.evaluable.sum()) in (60, 61)  # the last patient may have two courses
    assert truth.seed_of(3, truth.SITES) != truth.seed_of(3, truth.FRESH)


@pytest.mark.slow
def test_null_data_runs_and_resumes(null: ModuleType, tmp_path: Path) -> None:
    tiny = ["--sets", "1", "--splits", "2", "--patients", "120", "--out", str(tmp_path), "--set", *QUICK]
    null.main(tiny)
    first = (tmp_path / "results.csv").read_text()
    found = pd.read_csv(tmp_path / "results.csv").set_index("kind")
    assert set(found.index) == {"simulated", "clustered", "permuted"}
    assert found.loc["clustered", "clusters"] == 40
    assert found.loc["permuted", "events"] == 221
    null.main(tiny)
    assert (tmp_path / "results.csv").read_text() == first


@pytest.mark.slow
def test_clustered_null_is_what_it_says(null: ModuleType) -> None:
    means, correlations = [], []
    for number in range(1, 13):
        data = null.clustered(null.generator("clustered", number), [])
        groups, plan, y = data.dataset.groups, data.dataset.plan, data.y
        assert (pd.Series(plan).groupby(groups).nunique() == 1).all()
        assert (data.dataset.X["treat"].to_numpy(str) == plan).all()
        means.append(y.mean())
        rates = pd.Series(y).groupby(groups).agg(["mean", "size"])
        # Between-cluster variance less what chance gives, over p(1 - p): another estimator than the package's.
        p = y.mean()
        noise = (p * (1 - p) / rates["size"]).mean()
        correlations.append((((rates["mean"] - p) ** 2).mean() - noise) / (p * (1 - p) - noise))
    assert np.mean(means) == pytest.approx(505 / 818, abs=0.05)
    assert np.mean(correlations) == pytest.approx(0.07, abs=0.04)


def test_summary_by_hand(truth: ModuleType) -> None:
    rows = [
        {
            "mechanism": "mar",
            "outer": "5x1",
            "n": 200,
            "metric": "auc",
            "reported": 0.6 + d,
            "true": 0.6,
            "difference": d,
            "covered": float(d < 0.02),
            "true_observed": 0.6,
            "oracle": 0.7,
            "verdict": "better",
            "cpu_seconds": 1.0,
        }
        for d in (-0.01, 0.01, 0.03)
    ]
    line = truth.summarise(pd.DataFrame(rows)).iloc[0]
    # Mean 0.01, SD 0.02, t(2, 0.975) = 4.3027: 0.01 ± 4.3027 · 0.02 / √3.
    assert line["difference"] == pytest.approx(0.01)
    assert (line["low"], line["high"]) == (pytest.approx(-0.0397), pytest.approx(0.0597))
    assert (line["covered"], line["better"], line["seeds"]) == (2, 3, 3)


def test_performance_by_hand(truth: ModuleType) -> None:
    y, p = np.array([0.0, 1.0, 0.0, 1.0]), np.array([0.2, 0.4, 0.4, 0.8])
    found = truth.performance(y, p)
    assert found["auc"] == pytest.approx(3.5 / 4)
    assert found["brier"] == pytest.approx((0.04 + 0.36 + 0.16 + 0.04) / 4)
    assert found["response_rate"] == 0.5
    # Twice the log-odds of a calibrated prediction: half the slope.
    rng = np.random.default_rng(0)
    log_odds = rng.normal(size=200_000)
    y = (rng.random(200_000) < 1 / (1 + np.exp(-log_odds - 0.3))).astype(float)
    extreme = truth.performance(y, 1 / (1 + np.exp(-2 * log_odds)))
    assert extreme["calibration_slope"] == pytest.approx(0.5, abs=0.01)
    assert truth.performance(y, 1 / (1 + np.exp(-log_odds)))["calibration_intercept"] == pytest.approx(
        0.3, abs=0.02
    )


def test_costs_are_kept_once_and_drawn_on_in_a_straight_line(tmp_path: Path) -> None:
    scaling, results = study("scaling"), tmp_path / "results.csv"
    for n, cpu in ((1_000_000, 2.0), (10_000_000, 20.0)):
        cost = {"cpu_s": cpu, "wall_s": cpu, "driver_mb": 300, "worker_mb": 0, "measured": "yes"}
        scaling.append(results, {**vars(scaling.Job("scoring", "local", 1, n, 40)), **cost})
    scaling.run_jobs([scaling.Job("scoring", "local", 1, 1_000_000, 40)], results)
    for _ in range(2):
        scaling.extrapolate(results)
    table = pd.read_csv(results)
    assert table["measured"].tolist() == ["yes", "yes", "extrapolated"]
    assert table.iloc[-1][["n", "cpu_s", "driver_mb"]].tolist() == [100_000_000, 200, 300]


def test_the_cost_of_a_training_is_measured() -> None:
    scaling = study("scaling")
    run = scaling.train(scaling.Job("one outer fold", "local", 1, 60, 6), None)
    (result,) = run()
    assert set(result.weights) == set(scaling.FAMILIES)


def test_share_called_better_is_counted_with_its_interval(null: ModuleType) -> None:
    rows = [{"kind": "permuted", "verdict": "no_better", "auc": 0.5, "cpu_seconds": 1.0}] * 19
    rows += [{"kind": "permuted", "verdict": "better", "auc": 0.6, "cpu_seconds": 1.0}]
    text = null.summarise(pd.DataFrame(rows))
    # Exact limits of 1 in 20: the upper one solves P(at most 1 | 20, p) = 0.025, the lower is 1 − 0.975^(1/20).
    assert "1/20, Clopper-Pearson 95 % 0.001 to 0.249" in text
    assert "better 1, no_better 19, too_little 0" in text
    assert "mean AUC 0.505" in text


def test_multiple_imputation_runs_and_resumes(tmp_path: Path) -> None:
    module = study("multiple_imputation")
    tiny = ["--imputations", "2", "--rounds", "1", "--out", str(tmp_path)]
    module.main(["--sets", "1", *tiny])
    first = (tmp_path / "results.csv").read_text()
    module.main(["--sets", "2", *tiny])
    both = (tmp_path / "results.csv").read_text()
    assert both.startswith(first)
    assert both.count("\n") == 1 + 2 * 2 * 3 * 4
    rows = pd.read_csv(tmp_path / "results.csv")
    assert set(rows["data"]) == {"SIMULATED"}
    assert set(rows["method"]) == {"multiple", "complete", "median"}
    assert (rows["low"] < rows["high"]).all()
    table = module.summary(rows)
    assert len(table) == 2 * 3 * 4
    by_hand = ((rows["low"] <= rows["true"]) & (rows["true"] <= rows["high"])).mean()
    assert table["coverage"].mean() == pytest.approx(by_hand, abs=1e-3)


def test_the_study_of_the_intake_reads_what_it_writes(tmp_path: Path) -> None:
    intake = study("intake_speed")
    intake.write_clinic(tmp_path, 60, 3_000)
    steps = intake.baseline(tmp_path)
    assert [one["step"] for one in steps] == [
        "config",
        "read and conform",
        "cohort and timeline",
        "outcomes",
        "baseline table",
    ]
    assert all(one["peak_mb"] > 0 for one in steps)
