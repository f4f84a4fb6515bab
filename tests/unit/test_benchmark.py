"""The benchmark's own arithmetic: its patients never change, its metrics are right, a second run repeats nothing."""

from __future__ import annotations

import hashlib
import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import make_classification
from sklearn.metrics import log_loss, roc_auc_score

BENCHMARK = Path(__file__).parents[2] / "experiments" / "studies" / "benchmark"
OWN = {path.stem for path in BENCHMARK.glob("*.py")}


@pytest.fixture(scope="module")
def module() -> Iterator[Callable[[str], ModuleType]]:
    """Import a module of the study, whose folder is a program's and not a package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARK))
        for name in OWN:
            patch.delitem(sys.modules, name, raising=False)
        yield importlib.import_module
        for name in OWN:
            sys.modules.pop(name, None)


def digest(table: pd.DataFrame) -> str:
    return hashlib.sha256(pd.util.hash_pandas_object(table, index=False).to_numpy().tobytes()).hexdigest()[
        :16
    ]


# Of the tables from which the first figures were measured: another digest is another benchmark.
@pytest.mark.parametrize(
    ("name", "replicate", "shape", "events", "wanted"),
    [
        ("A", 0, (400, 40), 137, "9924e6a2bff0c89e"),
        ("A", 4, (400, 40), 159, "1d43bff48e3ce60b"),
        ("B", 2, (300, 2000), 123, "dbdbc24a05cd5213"),
        ("C", 0, (20_000, 60), 4987, "39ccee1c89363f04"),
    ],
)
def test_training_sets_are_what_they_were(
    module: Callable[[str], ModuleType],
    name: str,
    replicate: int,
    shape: tuple[int, int],
    events: int,
    wanted: str,
) -> None:
    sample = module("data").training_data(name, replicate)
    assert sample.X.shape == shape
    assert sample.y.sum() == events
    assert digest(sample.table()) == wanted


def test_replicates_share_the_law_and_not_the_patients(module: Callable[[str], ModuleType]) -> None:
    data = module("data")
    first, second = data.trial_data(0), data.trial_data(1)
    assert list(first.X.columns) == list(second.X.columns)
    assert not np.array_equal(first.probability, second.probability)
    with pytest.raises(ValueError, match="0 to 99"):
        data.training_data("A", 100)  # the seed of B's first replicate


def test_the_test_set_has_the_oracle_it_was_scaled_to(module: Callable[[str], ModuleType]) -> None:
    test = module("data").test_data("A")
    assert len(test.y) == 20_000
    assert roc_auc_score(test.y, test.probability) == pytest.approx(0.75099, abs=1e-5)
    assert np.mean((test.probability - test.y) ** 2) == pytest.approx(0.195714, abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["A", "C"])
def test_scales_are_what_the_bisection_finds(module: Callable[[str], ModuleType], name: str) -> None:
    data = module("data")
    found = data.calibrate(name)
    assert found.slope == pytest.approx(data.SCALES[name].slope, abs=1e-9)
    assert found.intercept == pytest.approx(data.SCALES[name].intercept, abs=1e-9)


def test_scoring_blocks_add_up(module: Callable[[str], ModuleType], tmp_path: Path) -> None:
    data = module("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "SCORING_BLOCK", 40)
        data.write_scoring_table(tmp_path / "D.parquet", 100)
    table = pd.read_parquet(tmp_path / "D.parquet")
    assert table.shape == (100, 40)
    assert not table.duplicated().any()


def test_performance_against_scikit_learn_and_by_hand(module: Callable[[str], ModuleType]) -> None:
    metrics = module("metrics")
    rng = np.random.default_rng(0)
    truth = rng.uniform(0.05, 0.95, 4000).round(2)  # with ties
    y = (rng.random(4000) < truth).astype(int)
    found = metrics.performance(y, truth)
    assert found["auc"] == pytest.approx(roc_auc_score(y, truth), abs=1e-12)
    assert found["log_loss"] == pytest.approx(log_loss(y, truth), abs=1e-12)
    assert found["brier"] == pytest.approx(np.mean((y - truth) ** 2))

    # Twice the log-odds: half the slope. One added to them: CITL lower by one.
    slope, shifted = found["slope"], np.log(truth / (1 - truth)) + 1
    doubled = truth**2 / (truth**2 + (1 - truth) ** 2)
    assert metrics.performance(y, doubled)["slope"] == pytest.approx(slope / 2, abs=1e-6)
    assert metrics.performance(y, 1 / (1 + np.exp(-shifted)))["citl"] == pytest.approx(
        found["citl"] - 1, abs=1e-6
    )
    assert np.isnan(metrics.performance(y, np.full(4000, 0.3))["slope"])


def test_log_loss_clips_at_one_in_ten_thousand(module: Callable[[str], ModuleType]) -> None:
    wrong = module("metrics").log_loss(np.array([1, 0]), np.array([0.0, 0.0]))
    assert wrong == pytest.approx((-np.log(1e-4) - np.log(1 - 1e-4)) / 2)


def test_mean_interval_by_hand(module: Callable[[str], ModuleType]) -> None:
    mean, low, high = module("metrics").mean_interval(np.array([1.0, 2.0, 3.0]))
    # t(0.975, 2) = 4.302653, standard error 1/√3
    assert (mean, low, high) == pytest.approx((2.0, 2 - 4.302653 / 3**0.5, 2 + 4.302653 / 3**0.5), abs=1e-6)
    assert np.isnan(module("metrics").mean_interval(np.array([1.0]))[1])


def test_rows_are_appended_and_found_again(module: Callable[[str], ModuleType], tmp_path: Path) -> None:
    measuring, path = module("measuring"), tmp_path / "folder" / "rows.csv"
    assert measuring.finished(path, ["side", "replicate"]) == set()
    measuring.append_row(path, {"side": "ours", "replicate": 3, "brier": 0.123456789})
    measuring.append_row(path, {"side": "reference", "replicate": 3, "brier": float("nan")})
    assert path.read_text() == "side,replicate,brier\nours,3,0.123457\nreference,3,nan\n"
    assert measuring.finished(path, ["side", "replicate"]) == {("ours", "3"), ("reference", "3")}


def test_a_failed_process_says_why(module: Callable[[str], ModuleType]) -> None:
    with pytest.raises(RuntimeError, match="no such thing"):
        module("measuring").run_fresh([sys.executable, "-c", "raise SystemExit('no such thing')"])


def test_training_goes_on_where_it_stopped(
    module: Callable[[str], ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training, path, trained = module("training"), tmp_path / "training.csv", []

    def once(side: str, dataset: str, replicate: int) -> dict[str, object]:
        trained.append((side, replicate))
        seconds = 2.0 + replicate if side == "ours" else 20.0
        answer = {"cpu_seconds": seconds, "brier": 0.2, "log_loss": 0.6, "auc": 0.7}
        return {"side": side, "dataset": dataset, "replicate": replicate} | answer

    monkeypatch.setattr(training, "train_once", once)
    training.run_sides(("ours", "reference"), "A", [0, 1], path=path)
    training.run_sides(("ours", "reference"), "A", [0, 1, 2], path=path)
    assert trained == [
        ("reference", 0),
        ("ours", 0),
        ("ours", 1),
        ("reference", 1),
        ("reference", 2),
        ("ours", 2),
    ]

    row = training.training_ratios(pd.read_csv(path)).iloc[0]
    assert row["replicates"] == 3
    assert (row["ratio_median"], row["ratio_min"], row["ratio_max"]) == pytest.approx((0.15, 0.1, 0.2))
    assert row["cpu_seconds_reference"] == 20.0


def test_peers_are_compared_on_the_same_patients(module: Callable[[str], ModuleType]) -> None:
    ours = pd.DataFrame({"dataset": "A", "replicate": [1, 2, 3], "log_loss": [0.60, 0.62, 0.64]})
    peers = pd.DataFrame(
        {
            "peer": ["good", "good", "good", "bad", "bad"],
            "dataset": "A",
            "replicate": [1, 2, 9, 1, 2],
            "budget": 60,
            "log_loss": [0.61, 0.61, 0.1, 0.7, 0.8],
        }
    )
    table = module("accuracy").paired_differences(ours, peers).set_index("peer")
    assert table["best"].to_dict() == {"good": True, "bad": False}
    assert table.loc["good", "replicates"] == 2
    assert table.loc["good", "difference"] == pytest.approx(0.0)
    assert table.loc["bad", "difference"] == pytest.approx(0.14)
    # t(0.975, 1) = 12.706205; the two differences are 0.10 and 0.18
    assert table.loc["bad", "low"] == pytest.approx(0.14 - 12.706205 * 0.04, abs=1e-6)
    assert table.loc["bad", "ours_better_in"] == 2


def test_optimism_is_internal_minus_test(module: Callable[[str], ModuleType]) -> None:
    ours = pd.DataFrame(
        {
            "dataset": "A",
            "slope": [0.9, 1.1],
            "citl": [0.1, -0.1],
            "internal_auc": [0.70, 0.66],
            "auc": [0.67, 0.67],
            "internal_log_loss": [0.60, 0.64],
            "log_loss": [0.63, 0.63],
        }
    )
    table = module("accuracy").calibration_summary(ours).set_index("quantity")
    assert table.loc["slope", "mean"] == pytest.approx(1.0)
    assert table.loc["optimism_auc", "mean"] == pytest.approx(0.01)
    assert table.loc["optimism_log_loss", "mean"] == pytest.approx(0.01)


def test_the_path_agrees_with_saga_on_the_same_folds(
    module: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    study = module("elastic_net")
    monkeypatch.setattr(study, "STRENGTHS", np.array([0.1, 1.0]))
    monkeypatch.setattr(study, "RATIOS", (0.1, 0.9))
    monkeypatch.setattr(study, "PENALTIES", [(0.1, 0.1), (0.1, 0.9), (1.0, 0.1), (1.0, 0.9)])
    values, y = make_classification(100, 4, n_redundant=0, flip_y=0.3, random_state=1)
    X = pd.DataFrame(values, columns=list("abcd"))
    X.iloc[::7, 1] = np.nan
    ours = study.nested_path(study.their_encoding(X), y, 0)
    assert ours == pytest.approx(study.scikit_learn_nested(X, y, 0), abs=1e-3)
    # Our encoding adds an indicator of what is missing: close, not the same.
    assert study.nested_path(study.our_encoding(X), y, 0) == pytest.approx(ours, abs=0.03)
    matrix = study.their_encoding(X)(np.arange(100), np.arange(1))[0]
    assert max(study.objective_excess(matrix, y, tol=1e-3, max_iter=1000)) < 1e-9


def test_the_objective_by_hand(module: Callable[[str], ModuleType]) -> None:
    X, y, coef = np.array([[1.0, 0.0], [0.0, 2.0]]), np.array([1, 0]), np.array([0.5, -1.0])
    loss = np.log1p(np.exp(-0.6)) + np.log1p(np.exp(-1.9))
    penalty = (0.25 * 1.5 + 0.75 / 2 * 1.25) / 2.0
    found = module("elastic_net").objective(X, y, coef, 0.1, (2.0, 0.25))
    assert found == pytest.approx(loss + penalty)


def test_bootstrap_models_keep_copies_together(module: Callable[[str], ModuleType]) -> None:
    sample = module("data").trial_data(0)
    models = module("bootstrap").resample_and_fit(sample.X, sample.y.astype(int), resamples=2, seed=0)
    assert len(models) == 2
    assert not np.array_equal(models[0].model_.coef_, models[1].model_.coef_)
    # With copies on both sides of a split the inner losses would fall far below the law's own, 0.59.
    assert all(0.5 < model.inner_log_loss_ < 0.75 for model in models)


def test_a_slower_training_is_refused(module: Callable[[str], ModuleType]) -> None:
    small = module("small")
    stored = {"ratio": 0.04}
    measured = {"ours_cpu_seconds": 2.0, "reference_cpu_seconds": 50.0}
    assert small.verdict(measured | {"ratio": 0.05}, stored)[0]
    good, text = small.verdict(measured | {"ratio": 0.0501}, stored)
    assert not good
    assert "--record" in text


def test_the_table_has_a_row_for_every_goal(module: Callable[[str], ModuleType], tmp_path: Path) -> None:
    goals = module("goals")
    assert goals.goals_table(tmp_path).count("not measured") == 11
    pd.DataFrame({"replicate": [0, 1], "resamples": 200, "cpu_seconds": [8.0, 9.0]}).to_csv(
        tmp_path / "bootstrap.csv", index=False
    )
    seconds = {
        "ours_cpu_s": 1e-5,
        "theirs_cpu_s": 1e-2,
        "ratio_min": 0.0009,
        "ratio_max": 0.002,
        "at_most": 0.005,
    }
    scoring = pd.DataFrame([seconds | {"goal": 9, "work": "one patient", "note": None}] * 2)
    scoring["ratio_median"], scoring["reached"] = [0.1, 0.001], [False, True]
    scoring.to_csv(tmp_path / "scoring.csv", index=False)
    table = goals.goals_table(tmp_path)
    assert "| A, 2 training sets | 8.5 s (8.0–9.0) | yes |" in table
    wanted = "| one patient | 0.001× (0.0009–0.002), at most 0.005×; 1e-05 against 0.01 s | yes |"
    assert table.count("| one patient |") == table.count(wanted) == 1
    assert table.count("not measured") == 9


def test_the_readme_gets_its_tables_and_keeps_its_text(
    module: Callable[[str], ModuleType], tmp_path: Path
) -> None:
    report, readme = module("report"), tmp_path / "README.md"
    readme.write_text("Before\n<!-- ours -->\nold\n<!-- /ours -->\nAfter <!-- other -->\n")
    table = report.markdown(pd.DataFrame({"n": [3], "auc": [0.70049], "slope": [np.nan]}), {"auc": 4})
    report.fill(readme, {"ours": table, "absent": "text"})
    assert readme.read_text().splitlines() == [
        "Before",
        "<!-- ours -->",
        "| n | auc | slope |",
        "|---|---|---|",
        "| 3 | 0.7005 | – |",
        "<!-- /ours -->",
        "After <!-- other -->",
    ]
    report.fill(readme, {"ours": table})
    assert readme.read_text().count("0.7005") == 1


def test_every_section_of_the_readme_is_written(module: Callable[[str], ModuleType], tmp_path: Path) -> None:
    measures = {"auc": 0.7, "brier": 0.2, "log_loss": 0.6, "slope": 1.0, "citl": 0.0, "cpu_seconds": 3.0}
    row = measures | {"import_cpu_seconds": 1.0, "peak_mb": 200.0, "internal_auc": 0.71} | {"dataset": "A"}
    inner = {"internal_log_loss": 0.6, "selected": ""}
    runs = [row | inner | {"side": side, "replicate": 0} for side in ("ours", "reference")]
    pd.DataFrame(runs).to_csv(tmp_path / "training.csv", index=False)
    pd.DataFrame(runs[:1]).to_csv(tmp_path / "ours.csv", index=False)
    peer = {"peer": "flaml", "version": "2", "budget": 60.0, "dataset": "A", "replicate": 0}
    pd.DataFrame([peer | measures]).to_csv(tmp_path / "peers.csv", index=False)
    found = module("report").sections(tmp_path)
    readme = (BENCHMARK / "README.md").read_text(encoding="utf-8")
    assert all(f"<!-- {name} -->" in readme and f"<!-- /{name} -->" in readme for name in found)
    assert "| A | 1 | 1.000 | 1.000 | 1.000 |" in found["training"]
    assert "| 1 | training against the reference" in found["goals"]


def test_arguments(module: Callable[[str], ModuleType]) -> None:
    study = module("study")
    arguments = study.parse(
        ["accuracy", "--datasets", "A", "--replicates", "3", "10-12", "--peer", "flaml=py"]
    )
    assert study.chosen(arguments, study.PAIRED) == {"A": [3, 10, 11, 12]}
    assert arguments.peer == [("flaml", "py")]
    assert study.parse([]).command == "train"
    with pytest.raises(SystemExit):
        study.parse(["--peer", "unknown=py"])
