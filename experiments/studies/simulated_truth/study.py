"""Is what nested cross-validation reports the procedure's true performance? On SIMULATED patients, with known truth.

For every seed, sample size and missingness mechanism a cohort is simulated, the whole declared procedure of
``configs/ketamine_simulated.yaml`` is judged by nested cross-validation, then fitted once on the whole cohort and
scored on a large fresh sample of the same sites. Finished cells stay in results.csv and are not computed again.
"""

from __future__ import annotations

import os

# Before NumPy: one thread, so that CPU seconds mean something and nothing depends on the machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import expit, logit
from scipy.stats import t as student
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from predictor.config.loading import load_config
from predictor.data.simulation import WATERMARK, simulate_cohort, write_cohort
from predictor.release import fit_final
from predictor.study import Study, prepare_study
from predictor.validation.evaluation import Evaluation, evaluate
from predictor.validation.resampling import cross_validate, fold_predictions
from predictor.validation.splits import repeated_folds
from predictor.validation.uncertainty import wilson_interval

HERE = Path(__file__).resolve().parent
CONFIG = HERE.parents[2] / "configs" / "ketamine_simulated.yaml"
METRICS = ("auc", "brier", "log_loss", "calibration_intercept", "calibration_slope")
MECHANISMS = ("mar", "realistic")  # realistic: non-responders drop out more often (MNAR)
ENTROPY = 20_260_101
PER_EVALUABLE = 3  # simulated patients per evaluable course wanted; about 1.7 are needed
SITES, FRESH, TRAINING = range(3)  # second word of a seed: what it is drawn for

Key = tuple[str, int, int, str]


@dataclass(frozen=True)
class FreshSample:
    """Courses that the procedure never saw: features, recorded label, true label and true probability.

    Parameters
    ----------
    X : DataFrame
    recorded : ndarray of shape (n,)
        The label that the clinic recorded; NaN where it has none.
    everybody : ndarray of shape (n,)
        The label it would have recorded had nobody dropped out.
    p_true : ndarray of shape (n,)
        Probability of the label given everything that was simulated.
    """

    X: pd.DataFrame
    recorded: np.ndarray
    everybody: np.ndarray
    p_true: np.ndarray


def seed_of(*words: int) -> int:
    """Return an independent seed for each combination of words."""
    return int(np.random.SeedSequence([ENTROPY, *words]).generate_state(1)[0])


def fresh_sample(seed: int, mechanism: str, *, patients: int) -> FreshSample:
    """Simulate new patients of the same sites and read them as the procedure reads its own."""
    cohort = simulate_cohort(
        patients, seed=seed_of(seed, FRESH), site_seed=seed_of(seed, SITES), missing=mechanism
    )
    with tempfile.TemporaryDirectory() as folder:
        write_cohort(cohort, folder)
        # A column that the training sample keeps must not be left out here for being missing too often.
        study = prepare_study(load_config(CONFIG, overrides=["features.max_missing=1"], data_folder=folder))
    courses = study.cohort.timeline.attributes["treatments.course_id"].astype(str)
    truth = cohort.truth.set_index("course_id").loc[courses]
    return FreshSample(
        X=study.dataset.X,
        recorded=study.primary.label,
        everybody=truth["response_rated"].to_numpy(float),
        p_true=truth["p_response"].to_numpy(float),
    )


def training_study(seed: int, mechanism: str, n: int, *, overrides: Sequence[str]) -> Study:
    """Simulate a cohort whose first patients hold n evaluable courses, and forget the others."""
    cohort = simulate_cohort(
        PER_EVALUABLE * n,
        seed=seed_of(seed, TRAINING, n),
        site_seed=seed_of(seed, SITES),
        missing=mechanism,
    )
    with tempfile.TemporaryDirectory() as folder:
        write_cohort(cohort, folder)
        study = prepare_study(load_config(CONFIG, overrides=overrides, data_folder=folder))
        patients = study.cohort.timeline.units["patient"].to_numpy(str)
        last = patients[np.flatnonzero(study.primary.evaluable)[n - 1]]
        kept = {name: table[table["patient_id"] <= last] for name, table in cohort.tables.items()}
        write_cohort(replace(cohort, tables=kept), folder)
        return prepare_study(load_config(CONFIG, overrides=overrides, data_folder=folder))


def report(study: Study) -> Evaluation:
    """Judge the procedure as a training run does: the same folds, the same tables, the same verdict."""
    config = study.loaded.config
    rows, y = study.evaluable(config.primary)
    groups, plan = study.cohort.groups, study.cohort.plan
    outer = config.validation.outer
    folds = repeated_folds(
        y,
        groups[rows],
        plan[rows],
        n_splits=outer.n_splits,
        n_repeats=outer.n_repeats,
        seed=study.protocol.seed,
    )
    results = cross_validate(study.protocol, study.dataset.take(rows), y, folds)
    return evaluate(
        fold_predictions(results, study.protocol, positions=rows),
        y=study.primary.label,
        groups=groups,
        plan=plan,
        thresholds=config.validation.thresholds,
        level=config.validation.interval.level,
        resamples=config.validation.interval.resamples,
        seed=config.experiment.seed,
    )


def performance(y: np.ndarray, p: np.ndarray) -> dict[str, float]:
    """Compute the metrics by scikit-learn and SciPy, not by the code that is being judged."""
    p = np.clip(p, 1e-6, 1 - 1e-6)
    log_odds = logit(p)
    slope = LogisticRegression(C=np.inf).fit(log_odds[:, None], y).coef_[0, 0] if np.ptp(p) else np.nan
    return {
        "auc": float(roc_auc_score(y, p)),
        "brier": float(brier_score_loss(y, p)),
        "log_loss": float(log_loss(y, p)),
        "calibration_intercept": float(brentq(lambda a: np.mean(expit(a + log_odds) - y), -10, 10)),
        "calibration_slope": float(slope),
        "response_rate": float(np.mean(y)),
    }


def run_cell(key: Key, fresh: FreshSample, *, overrides: Sequence[str]) -> list[dict[str, object]]:
    """Return one row per metric: what is reported, and what is true."""
    mechanism, n, seed, outer = key
    started = time.process_time()
    study = training_study(
        seed, mechanism, n, overrides=[*overrides, f"experiment.seed={seed_of(seed, TRAINING, n) % 2**31}"]
    )
    evaluation, final = report(study), fit_final(study)
    p = final.model.predict_proba(fresh.X[list(final.model.feature_names_in_)])[:, 1]
    seen = np.isfinite(fresh.recorded)
    observed = performance(fresh.recorded[seen], p[seen])
    everybody = performance(fresh.everybody, p)
    oracle = performance(fresh.everybody, fresh.p_true)
    cpu = time.process_time() - started
    rows = []
    for metric, (value, low, high) in reported(study, evaluation).items():
        true = everybody[metric] if mechanism == "realistic" else observed[metric]
        rows.append(
            {
                "data": WATERMARK,
                "mechanism": mechanism,
                "n": n,
                "seed": seed,
                "outer": outer,
                "metric": metric,
                "reported": value,
                "low": low,
                "high": high,
                "true": true,
                "difference": value - true,
                "covered": float(low <= true <= high) if np.isfinite(low + high + true) else np.nan,
                "true_observed": observed[metric],
                "true_everybody": everybody[metric],
                "oracle": oracle[metric],
                "verdict": evaluation.verdict.label,
                "chosen": final.chosen,
                "fresh_evaluable": int(seen.sum()),
                "cpu_seconds": round(cpu, 1),
            }
        )
    return rows


def reported(study: Study, evaluation: Evaluation) -> dict[str, tuple[float, float, float]]:
    """Return value and limits of each metric of the judged procedure, and of the response rate."""
    judged = evaluation.performance[evaluation.performance["kind"] == "judged"].set_index("metric")
    found = {name: tuple(judged.loc[name, ["value", "low", "high"]].astype(float)) for name in METRICS}
    _, y = study.evaluable(study.loaded.config.primary)
    return {**found, "response_rate": (float(y.mean()), *wilson_interval(float(y.sum()), len(y)))}


def summarise(results: pd.DataFrame) -> pd.DataFrame:
    """Return the mean difference with its 95 % t interval over seeds, per mechanism, outer folds, n and metric."""
    lines = []
    for key, part in results.groupby(["mechanism", "outer", "n", "metric"], sort=True):
        # Where everybody is told the same there is no slope, neither reported nor true.
        defined = part.dropna(subset=["difference"])
        difference, count = defined["difference"], len(defined)
        half = (
            float(student.ppf(0.975, count - 1)) * difference.std() / np.sqrt(count) if count > 1 else np.nan
        )
        lines.append(
            {
                "data": WATERMARK,
                **dict(zip(("mechanism", "outer", "n", "metric"), key, strict=True)),
                "seeds": len(part),
                "defined": count,
                "reported": defined["reported"].mean(),
                "true": defined["true"].mean(),
                "difference": difference.mean(),
                "low": difference.mean() - half,
                "high": difference.mean() + half,
                "sd": difference.std(),
                "median": difference.median(),
                "covered": int(part["covered"].sum()),
                "with_limits": int(part["covered"].count()),
                "true_observed": part["true_observed"].mean(),
                "oracle": part["oracle"].mean(),
                "better": int((part["verdict"] == "better").sum()),
                "cpu_seconds": part["cpu_seconds"].sum(),
            }
        )
    return pd.DataFrame(lines).round(4)


def finished(path: Path) -> set[Key]:
    """Return the cells that results.csv already holds."""
    if not path.exists():
        return set()
    found = pd.read_csv(path)[["mechanism", "n", "seed", "outer"]].drop_duplicates()
    return {(str(m), int(n), int(s), str(o)) for m, n, s, o in found.itertuples(index=False)}


def append(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Add the rows of one cell in one write, so that an interrupted study holds whole cells only."""
    text = pd.DataFrame(rows).round(6).to_csv(index=False, header=not path.exists(), lineterminator="\n")
    with path.open("a", encoding="utf-8") as file:
        file.write(text)


def cells(arguments: argparse.Namespace) -> Iterator[tuple[int, str, list[Key]]]:
    """Yield the unfinished cells, together where they share a fresh sample."""
    done = finished(arguments.out / "results.csv")
    outer = f"{arguments.splits}x{arguments.repeats}"
    for mechanism in arguments.mechanisms:
        for seed in range(1, arguments.seeds + 1):
            keys = [(mechanism, n, seed, outer) for n in arguments.sizes]
            missing = [key for key in keys if key not in done]
            if missing:
                yield seed, mechanism, missing


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5, help="seeds 1 to this")
    parser.add_argument("--sizes", type=int, nargs="+", default=[200, 400, 800], help="evaluable courses")
    parser.add_argument("--mechanisms", nargs="+", choices=MECHANISMS, default=list(MECHANISMS))
    parser.add_argument("--splits", type=int, default=5, help="outer folds")
    parser.add_argument("--repeats", type=int, default=1, help="outer repeats")
    parser.add_argument("--fresh", type=int, default=36_000, help="patients of the fresh sample")
    parser.add_argument(
        "--set", nargs="*", default=[], dest="overrides", help="a.b=c, as predictor train takes it"
    )
    parser.add_argument("--out", type=Path, default=HERE, help="folder of results.csv and summary.csv")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Compute what is missing and write the summary anew."""
    arguments = parse(argv)
    arguments.out.mkdir(parents=True, exist_ok=True)
    path = arguments.out / "results.csv"
    overrides = [
        *arguments.overrides,
        f"validation.outer.n_splits={arguments.splits}",
        f"validation.outer.n_repeats={arguments.repeats}",
    ]
    for seed, mechanism, keys in cells(arguments):
        fresh = fresh_sample(seed, mechanism, patients=arguments.fresh)
        for key in keys:
            append(path, run_cell(key, fresh, overrides=overrides))
            print(f"{WATERMARK}: {mechanism}, n = {key[1]}, seed {seed} done", flush=True)
            summarise(pd.read_csv(path)).to_csv(arguments.out / "summary.csv", index=False)
    print(summarise(pd.read_csv(path)).to_string(index=False))


if __name__ == "__main__":
    main()
