"""Goals 6 to 9: explanations, batches in memory, Parquet to Parquet, and one patient.

Both sides run alternately in one process (goal 8: in fresh ones) with one thread; CPU seconds count. Our side is the
compiled scorer that a prediction model's folder holds. Theirs is the pipeline of `reference.py`, a ColumnTransformer
and a classifier fitted to the same 400 patients; what the scorer's answers are compared with is the estimator that it
was compiled from.

    python scoring.py --data FOLDER [--goals 6 7 8 9] [--rows 1000000] [--repeats 5]
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from data import NUMBERS, test_data, training_data, write_scoring_table
from measuring import ONE_THREAD, append_row
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline

from predictor.explanation.attribution import MemberExplainer
from predictor.explanation.tree_shap import TreeShap
from predictor.features.columns import columns_of
from predictor.features.dataset import Feature
from predictor.features.encoding import encode_block
from predictor.features.preprocessing import build_preprocessor
from predictor.models.averaging import AveragedClassifier
from predictor.models.boosting import BoostedTrees
from predictor.models.compact import compact, compact_member
from predictor.models.tuning import TunedClassifier
from predictor.prediction_model import (
    GroupRate,
    InputField,
    PlanBaseline,
    PredictionModel,
    save_prediction_model,
)
from predictor.scoring import score_file
from reference import _tree_encoder, linear_pipeline

RESULTS = Path(__file__).with_name("results") / "scoring.csv"
CANDIDATES: dict[str, list[dict[str, Any]]] = {
    "elastic_net": [{"C": 0.1, "l1_ratio": 0.0}],
    "hist_gradient_boosting": [{"max_iter": 100, "max_leaf_nodes": 15}],
    "lightgbm": [{"n_estimators": 100, "num_leaves": 15}],
    "random_forest": [{"min_samples_leaf": 5}],
    "extra_trees": [{"min_samples_leaf": 5}],
}
# A process counts the memory of the one that started it as its own, so a small one does.
WATCH = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
"""
BATCH, ONE_BY_ONE = 200_000, 200


@dataclass(frozen=True)
class Goal:
    """What was promised of one comparison: ours at most ``ratio`` times theirs."""

    name: str
    work: str
    ratio: float


def compare(
    goal: Goal, ours: Callable[[], Any], theirs: Callable[[], Any], repeats: int, note: str = ""
) -> None:
    """Run both sides alternately, print and keep their median CPU seconds."""
    ours(), theirs()
    pairs = [(_cpu(ours), _cpu(theirs)) for _ in range(repeats)]
    keep(goal, [one for one, _ in pairs], [other for _, other in pairs], note)


def _cpu(call: Callable[[], Any]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def keep(goal: Goal, ours: Sequence[float], theirs: Sequence[float], note: str = "") -> None:
    """Print a comparison and append it to the results."""
    ratios = [one / other for one, other in zip(ours, theirs, strict=True)]
    row = {
        "goal": goal.name,
        "work": goal.work,
        "ours_cpu_s": statistics.median(ours),
        "theirs_cpu_s": statistics.median(theirs),
        "ratio_median": statistics.median(ratios),
        "ratio_min": min(ratios),
        "ratio_max": max(ratios),
        "at_most": goal.ratio,
        "reached": statistics.median(ratios) <= goal.ratio,
        "repeats": len(ratios),
        "note": note,
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        "date": date.today().isoformat(),
    }
    print("  ".join(f"{value:.4g}" if isinstance(value, float) else str(value) for value in row.values()))
    append_row(RESULTS, row)


def features_of(X: pd.DataFrame) -> list[Feature]:
    return [
        Feature(name, f"patients.{name}", "number" if name in NUMBERS else "category", name) for name in X
    ]


def plain_objects(X: pd.DataFrame) -> pd.DataFrame:
    """Return the table with categories as texts and None, as a dataset holds them."""
    texts = X.select_dtypes("category").columns
    return X.assign(**{name: X[name].astype(object).where(X[name].notna(), None) for name in texts})


def fitted(family: str) -> tuple[TunedClassifier, pd.DataFrame, np.ndarray]:
    sample = training_data("A", 0)
    X = plain_objects(sample.X)
    model = TunedClassifier(
        family, build_preprocessor(features_of(X)), candidates=CANDIDATES[family], random_state=0
    )
    return model.fit(X, sample.y), X, sample.y


def rival(family: str) -> Any:
    sample = training_data("A", 0)
    if family == "elastic_net":
        return linear_pipeline(sample.X).fit(sample.X, sample.y)
    trees = HistGradientBoostingClassifier(max_iter=100, max_leaf_nodes=15, random_state=0)
    return make_pipeline(_tree_encoder(sample.X), trees).fit(sample.X, sample.y)


def explanations(repeats: int) -> None:
    """Explain 1,000 patients; the linear rival is shap on the pipeline's matrix, without and with making it."""
    import shap

    model, _, _ = fitted("elastic_net")
    table = test_data("A").X.iloc[:1000]
    new = plain_objects(table)
    explainer = MemberExplainer(compact_member(model))
    columns = explainer.member.columns
    encoded = encode_block(columns, columns_of(new, columns), len(new))
    pipeline = rival("elastic_net")
    background = pipeline[:-1].transform(training_data("A", 0).X)
    turned = pipeline[:-1].transform(table)

    def by_shap(matrix: np.ndarray) -> np.ndarray:
        return np.asarray(shap.LinearExplainer(pipeline[-1], background).shap_values(matrix))

    goal = Goal("6", "1,000 explanations of an encoded linear model against shap.LinearExplainer", 0.05)
    compare(goal, lambda: explainer._by_column(encoded), lambda: by_shap(turned), repeats)
    goal = Goal("6", "the same from the table, sums checked, against the pipeline and shap", 0.05)
    compare(
        goal,
        lambda: explainer.attribute(columns_of(new, columns), len(new)),
        lambda: by_shap(pipeline[:-1].transform(table)),
        repeats,
    )
    for family in CANDIDATES:
        every_type(family, new, repeats)
    boosted(repeats)


def every_type(family: str, new: pd.DataFrame, repeats: int) -> None:
    """Explain 1,000 patients by a model that was just loaded; 'theirs' is the limit of two seconds."""
    member = compact_member(fitted(family)[0])
    raw = columns_of(new, member.columns)
    times = [_cpu(lambda: MemberExplainer(member).attribute(raw, len(new))) for _ in range(repeats)]
    keep(Goal("6", f"1,000 explanations of {family} against 2 s", 1.0), times, [2.0] * repeats)


def boosted(repeats: int) -> None:
    from predictor.models import boosting

    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 40)).astype(np.float32).astype(np.float64)
    y = (X[:, 0] + X[:, 1] * X[:, 2] + rng.normal(size=2000) > 0).astype(int)
    for leaves in (4, 15):
        model = BoostedTrees(100, num_leaves=leaves)
        booster, _ = boosting._grow(model, boosting._dataset(X, y, model.max_bin), 100)
        shap = TreeShap(model.fit(X, y).trees)
        for n in (1000, 20_000):
            new = rng.normal(size=(n, 40)).astype(np.float32)
            turned = np.ascontiguousarray(new.T)
            gap = np.abs(shap.contributions(turned).T - booster.predict(new, pred_contrib=True)[:, :-1]).max()

            def native(new: np.ndarray = new, booster: Any = booster) -> Any:
                return booster.predict(new, pred_contrib=True, num_threads=1)

            def ours(turned: np.ndarray = turned, trees: Any = model.trees) -> Any:
                return TreeShap(trees).contributions(turned)

            goal = Goal(
                "6", f"{n:,} explanations of 100 trees of {leaves} leaves against LightGBM's own", 1.1
            )
            compare(goal, ours, native, repeats, f"tables made anew each time; difference {gap:.1g}")


def batches(repeats: int) -> None:
    table = test_data("A").X
    X = pd.concat([table] * (BATCH // len(table)), ignore_index=True)
    for family, at_most in (("elastic_net", 1 / 30), ("hist_gradient_boosting", 1 / 3), ("lightgbm", 1 / 3)):
        model, _, _ = fitted(family)
        scorer, pipeline = compact(model), rival(family)
        expected = model.predict_proba(plain_objects(table))[:, 1]
        gap = np.abs(scorer.predict_proba(table)[:, 1] - expected).max()
        note = f"difference from its own estimator {gap:.1g}"
        goal = Goal("7", f"{len(X):,} patients in memory, {family}", at_most)
        compare(
            goal, lambda s=scorer: s.predict_proba(X), lambda p=pipeline: p.predict_proba(X), repeats, note
        )


def singles(repeats: int) -> None:
    table = test_data("A").X.iloc[:1]
    row = {name: None if pd.isna(value) else value for name, value in table.iloc[0].items()}
    for family in ("elastic_net", "hist_gradient_boosting", "lightgbm"):
        scorer, pipeline = compact(fitted(family)[0]), rival(family)
        goal = Goal("9", f"one patient from a dictionary, {family}", 0.005)
        compare(
            goal,
            lambda s=scorer: [s.one(row) for _ in range(ONE_BY_ONE)],
            lambda p=pipeline: [p.predict_proba(table) for _ in range(ONE_BY_ONE)],
            repeats,
            f"{ONE_BY_ONE} times each",
        )


def prediction_model(family: str) -> PredictionModel:
    model, X, y = fitted(family)
    average = AveragedClassifier.of([model], [1.0], list(X))
    scorer = compact(average)
    numbers = {name: name in NUMBERS for name in X}
    inputs = tuple(
        InputField(
            name=name,
            label=name,
            kind="number" if numbers[name] else "category",
            unit="",
            levels=() if numbers[name] else tuple(sorted(X[name].dropna().unique())),
            limits=(None, None),
            learned=(float(X[name].min()), float(X[name].max())) if numbers[name] else None,
            role="baseline",
            required=False,
            missing_share=float(X[name].isna().mean()),
            importance=1 / len(numbers),
            typical={},
        )
        for name in X
    )
    phi, log_odds = MemberExplainer(scorer.members[0]).attribute(columns_of(X, scorer.columns), len(X))
    start = PlanBaseline(
        float(log_odds.mean()), dict(zip(X, map(float, phi.mean(axis=0)), strict=True)), len(X)
    )
    return PredictionModel(
        build=lambda: average,
        scorer=scorer,
        refits=(),
        features=tuple(features_of(X)),
        inputs=inputs,
        entry_rules=({"name": "Arm", "conditions": [{"input": "arm", "in": ["A", "B"]}]},),
        plan={},
        baselines={"all": (start,)},
        group_rates=(GroupRate("all", len(y), int(y.sum()), float(y.mean()), 0.3, 0.5),),
        # As for research on a whole registry: patients outside the learned ranges are pointed out, not refused.
        policy={"withhold_if": {"outside_training_range": False, "missing_features_over": 1.0}},
        dictionary={},
        cohort={},
        card={
            "name": "benchmark",
            "created": "2026-11-01",
            "valid_until": None,
            "verdict": {"label": "better"},
        },
        manifest={},
    )


def files(source: Path, repeats: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        save_prediction_model(prediction_model("elastic_net"), Path(folder) / "model")
        ours, theirs, peaks = [], [], []
        for _ in range(repeats):
            for side, times in (("ours", ours), ("theirs", theirs)):
                cpu, peak = _fresh(side, source, Path(folder))
                times.append(cpu)
                peaks.append(f"{side} {peak:.0f} MB")
        goal = Goal("8", f"Parquet to Parquet, {source.name}", 0.24)
        keep(goal, ours, theirs, "; ".join(sorted(set(peaks))))


def _fresh(side: str, source: Path, folder: Path) -> tuple[float, float]:
    """Run one side in a process of its own: CPU seconds, start-up and reading the model included, and peak MB."""
    ours = ["-c", "from predictor.cli import main; main()", "predict", str(folder / "model"), str(source)]
    theirs = [__file__, "--rival", "--data", str(source), "--folder", str(folder)]
    command = [*ours, "--out", str(folder / "ours.parquet")] if side == "ours" else theirs
    done = subprocess.run(
        [sys.executable, "-c", WATCH, sys.executable, *command],
        env={**os.environ, **ONE_THREAD},
        check=True,
        capture_output=True,
        text=True,
    )
    cpu, peak = done.stdout.split()[-2:]
    return float(cpu), float(peak)


def _plain_pipeline(source: Path, target: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pipeline = rival("elastic_net")
    schema = pa.schema([("probability", pa.float64())])
    with pq.ParquetFile(source, pre_buffer=False) as file, pq.ParquetWriter(target, schema) as writer:
        for batch in file.iter_batches(65_536):
            probability = pipeline.predict_proba(batch.to_pandas())[:, 1]
            writer.write_batch(pa.RecordBatch.from_arrays([pa.array(probability)], schema=schema))


def contributions(source: Path) -> None:
    """Stream the contributions of every patient; nobody else writes them, so there is no other side."""
    for family in ("elastic_net", "lightgbm"):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            save_prediction_model(prediction_model(family), folder / "model")
            start = time.process_time()
            moved = folder / "moved.parquet"
            found = score_file(folder / "model", source, folder / "out.parquet", contributions=moved)
            seconds = time.process_time() - start
            note = f"{found.rows:,} patients; no other side: seconds per million against 60"
            goal = Goal("6", f"contributions streamed to Parquet, {family}", 1.0)
            keep(goal, [seconds * 1e6 / found.rows], [60.0], note)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--goals", nargs="+", default=["6", "7", "8", "9"])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--rival", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    if chosen.rival:
        _plain_pipeline(chosen.data, chosen.folder / "theirs.parquet")
        return
    source = chosen.data / f"D_{chosen.rows // 1_000_000}M.parquet"
    if {"8", "contributions"} & set(chosen.goals) and not source.exists():
        write_scoring_table(source, chosen.rows)
    work = {
        "6": lambda: explanations(chosen.repeats),
        "7": lambda: batches(chosen.repeats),
        "8": lambda: files(source, chosen.repeats),
        "9": lambda: singles(chosen.repeats),
        "contributions": lambda: contributions(source),
    }
    for goal in chosen.goals:
        work[goal]()


if __name__ == "__main__":
    main()
