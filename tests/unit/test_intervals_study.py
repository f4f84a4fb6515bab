"""The study of intervals: truths agree with large samples, it counts right, it resumes. Tiny: no figure here counts."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from predictor.validation.uncertainty import intraclass_correlation

STUDY = Path(__file__).parents[2] / "experiments" / "studies" / "intervals"
OWN = {path.stem for path in STUDY.glob("*.py")}


@pytest.fixture(scope="module")
def module() -> Iterator[Callable[[str], ModuleType]]:
    """Import a module of the study, whose folder is a program's and not a package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(STUDY))
        for name in OWN:
            patch.delitem(sys.modules, name, raising=False)
        yield importlib.import_module
        for name in OWN:
            sys.modules.pop(name, None)


@pytest.mark.parametrize(("clusters", "size", "rate"), [(60_000, 1, 0.4), (60_000, 1, 0.15), (6000, 10, 0.4)])
def test_the_truth_is_that_of_a_large_sample(
    module: Callable[[str], ModuleType], clusters: int, size: int, rate: float
) -> None:
    population = module("population")
    cell = population.Cell(clusters, size, rate)
    sample, known = population.draw(cell, np.random.default_rng(5)), population.truth(cell)
    p, q = (population.predict(cell, sample.x, rule) for rule in (population.LARGER, population.SMALLER))
    y = sample.y
    assert roc_auc_score(y, p) == pytest.approx(known["auc"], abs=0.01)
    assert roc_auc_score(y, p) - roc_auc_score(y, q) == pytest.approx(known["gain_auc"], abs=0.005)
    assert brier_score_loss(y, p) == pytest.approx(known["brier"], abs=0.004)
    assert log_loss(y, q) - log_loss(y, p) == pytest.approx(known["gain_log_loss"], abs=0.003)
    assert y.sum() / p.sum() == pytest.approx(known["observed_expected"], abs=0.03)
    treated = p >= 0.4
    benefit = (y[treated].sum() - (1 - y[treated]).sum() * 0.4 / 0.6) / len(y)
    assert benefit == pytest.approx(known["net_benefit_0.4"], abs=0.01)
    if size > 1:
        assert intraclass_correlation(y, sample.groups) == pytest.approx(population.ICC, abs=0.015)


def test_the_worth_of_a_strategy_is_that_of_a_large_trial(module: Callable[[str], ModuleType]) -> None:
    population, differences = module("population"), module("differences")
    cell, rng = population.Cell(200_000, 1, 0.4), np.random.default_rng(3)
    sample = population.draw(cell, rng)
    found = differences._strategies(cell, sample, rng, np.ones((1, len(sample.y))))
    for name, known in differences.trial_truth(cell).items():
        assert found[name][0] == pytest.approx(known, abs=0.01)


def test_coverage_is_counted_by_hand(module: Callable[[str], ModuleType]) -> None:
    counting = module("counting")
    limits = [(0.0, 1.0), (0.6, 1.0), (0.0, 0.4), (np.nan, np.nan), (0.4, 0.5)]
    lines = [
        {"estimand": "auc", "interval": "a", "value": 0.5, "low": low, "high": high, "truth": 0.5}
        for low, high in limits
    ]
    (row,) = counting.count(lines).to_dict("records")
    assert (row["sets"], row["defined"], row["covered"], row["too_high"], row["too_low"]) == (5, 4, 2, 1, 1)
    rows = pd.concat([counting.count(lines), counting.count(lines[:1])]).assign(cell="c", batch=0)
    (line,) = counting.coverage(rows).to_dict("records")
    assert line["coverage"] == pytest.approx(3 / 5)
    assert line["mc_error"] == pytest.approx(np.sqrt(0.6 * 0.4 / 5))
    assert not line["good"]


@pytest.mark.parametrize(
    ("name", "cell", "wanted"),
    [
        (
            "fixed_rules",
            "20 clusters of 15, rate 0.40",
            {"auc", "calibration_slope", "gain_log_loss", "rate"},
        ),
        ("differences", "20 clusters of 15, rate 0.40", {"gain_auc", "treat_if", "treat_all", "rate"}),
        ("smooth", "200 patients, rate 0.40, far off", {"ici", "e50", "e90"}),
    ],
)
def test_a_second_run_computes_nothing_again(
    module: Callable[[str], ModuleType], tmp_path: Path, name: str, cell: str, wanted: set[str]
) -> None:
    work = partial(module(name).batch, sets=2, resamples=60)
    found = module("counting").run_missing(tmp_path / "t.csv", [(cell, 0)], work)
    assert wanted <= set(found["estimand"])
    assert set(found["data"]) == {"SIMULATED"}
    assert (found["covered"] + found["too_high"] + found["too_low"] == found["defined"]).all()

    def refuse(cell: str, batch: int) -> pd.DataFrame:
        raise AssertionError(cell)

    again = module("counting").run_missing(tmp_path / "t.csv", [(cell, 0)], refuse)
    pd.testing.assert_frame_equal(found, again)


def test_sites_have_the_truth_that_they_were_drawn_from(module: Callable[[str], ModuleType]) -> None:
    sites = module("sites")
    # A binormal-like check by brute force: the AUC of one site of 100,000 patients.
    rng, slope = np.random.default_rng(8), 1.4
    score = rng.standard_normal(100_000)
    y = rng.random(100_000) < 1 / (1 + np.exp(-(sites.intercept(sites.RATE, sites.SLOPE) + slope * score)))
    auc = roc_auc_score(y, score)
    assert float(sites.true_logit(slope)) == pytest.approx(np.log(auc / (1 - auc)), abs=0.03)
    table = sites.batch("5 sites, different", 0, sets=3)
    assert set(table["estimand"]) == {"mean over sites", "a further site"}


def test_an_increment_is_shown_by_its_own_rule(module: Callable[[str], ModuleType]) -> None:
    increments = module("increments")
    rows = increments.batch("strong, 500 patients", 0, sets=2).assign(cell="strong, 500 patients")
    assert (rows["shown"] == ((rows["p"] < 0.05) & (rows["gain"] > 0))).all()
    assert (rows["true_gain"] > 0.02).all()
    (line,) = increments.summary(rows).to_dict("records")
    assert line["auc_with"] > line["auc_without"] + 0.05
    assert line["share"] == rows["shown"].mean()


def test_the_final_model_is_judged_as_its_fresh_outcomes_would(module: Callable[[str], ModuleType]) -> None:
    pipeline, trials = module("pipeline"), module("trials")
    law = pipeline.LAWS["30 clusters of 10"]
    dataset = trials.simulate(law, np.random.default_rng(2))
    protocol, y = trials.protocol_of(law, 2, nested=False), dataset.outcomes["response"].to_numpy()
    true = pipeline.final_performance(law, protocol, dataset, y)
    fitted = pipeline.fit_candidates(protocol, dataset, y, np.arange(len(y)), seed=2)[protocol.judge].model
    X, rate = trials.fresh_patients(law, 40_000, seed=99)
    fresh, p = np.random.default_rng(1).random(len(rate)) < rate, fitted.predict_proba(X)[:, 1]
    assert roc_auc_score(fresh, p) == pytest.approx(true["auc"], abs=0.01)
    assert log_loss(fresh, p) == pytest.approx(true["log_loss"], abs=0.01)


def test_the_pipeline_and_the_ranges_run_and_are_summed_up(module: Callable[[str], ModuleType]) -> None:
    pipeline, ranges = module("pipeline"), module("ranges")
    rows = pipeline.batch("300 patients", 0, sets=2, resamples=3).assign(cell="300 patients", batch=0)
    table = pipeline.coverage(rows).set_index(["limits", "metric", "estimand"])
    own = rows[rows["metric"] == "auc"]
    held = ((own["low"] <= own["true"]) & (own["true"] <= own["high"])).mean()
    assert table.loc[("fixed", "auc", "final model"), "coverage"] == held
    fixed, wider = (table.loc[(name, "auc", "procedure"), "width"] for name in ("fixed", "with refitting"))
    halves = 1.959964 * own["refitting"]
    expected = np.hypot(own["value"] - own["low"], halves) + np.hypot(own["high"] - own["value"], halves)
    assert wider == pytest.approx(expected.mean())
    assert wider > fixed
    biased = pipeline.bias(rows).set_index(["metric", "estimate"])
    assert biased.loc[("auc", "apparent"), "bias"] == pytest.approx((own["apparent"] - own["true"]).mean())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranges, "TRIALS", 2)
        found = ranges.batch("300 patients", 0, sets=1, refits=20)
    assert found["decile"].tolist() == list(range(1, 11))
    outside = found["holds_true"] + found["above_all"] + found["below_all"]
    assert outside.to_numpy() == pytest.approx(np.ones(10))
    assert (found["true"].diff().dropna() > 0).all()


def test_a_range_holds_its_own_estimate(module: Callable[[str], ModuleType]) -> None:
    low, high = module("ranges").limits(np.linspace(0.4, 0.6, 201)[:, np.newaxis], np.array([0.7]))
    assert (low[0], high[0]) == (pytest.approx(0.405), 0.7)


def test_several_blocks_are_judged_together(module: Callable[[str], ModuleType]) -> None:
    several = module("several")
    cell = "one strong block of three, 200 patients"
    law = several.LAWS[cell]
    sets = several.columns_of(law)
    assert [len(columns) for columns in sets.values()] == [4, 9, 9, 9]
    assert set().union(*sets.values()) == set(law.names)
    rows = several.batch(cell, 0, sets=2).assign(cell=cell, batch=0)
    assert rows.groupby("set")["block"].apply(list).tolist() == [["a", "b", "c"]] * 2
    assert (rows["p_adjusted"] >= rows["p"]).all()
    gains = rows.groupby("block")["true_gain"].mean()
    assert gains["a"] > 0.02 > max(gains["b"], gains["c"])
    forced = rows.assign(shown=(rows["block"] == "b").astype(int) * (rows["set"] == 0))
    (line,) = several.summary(forced).to_dict("records")
    assert (line["trials"], line["any_noise_shown"], line["share"]) == (2, 1, 0.5)
    assert line["signal_shown"].startswith("0 (alone ")


def test_patients_of_the_closed_test_respond_as_the_model_says(module: Callable[[str], ModuleType]) -> None:
    updates = module("updates")
    cell = updates.Cell(3000, 10, 0.16)
    with pytest.MonkeyPatch.context() as patch:
        seen: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        real = updates.closed_test

        def watch(score: np.ndarray, y: np.ndarray, design: object, **more: np.ndarray) -> object:
            seen.append((score, y, more.get("groups", np.arange(len(y)))))
            return real(score, y, design, **more)

        patch.setattr(updates, "closed_test", watch)
        updates.trial(cell, [1])
    score, y, groups = seen[0]
    p = 1 / (1 + np.exp(-score))
    for low, high in ((0, 0.3), (0.3, 0.7), (0.7, 1)):
        own = (p >= low) & (p < high)
        assert y[own].mean() == pytest.approx(p[own].mean(), abs=0.015)
    assert intraclass_correlation(y - p, groups) == pytest.approx(0.10, abs=0.02)
    rows = updates.batch("40 clusters of 10, 0.16 shared", 0, sets=3).assign(cell="c")
    assert updates.summary(rows)["sets"].tolist() == [3, 3]
