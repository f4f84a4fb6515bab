"""How often is a procedure called better where there is nothing to find? Twenty null data sets of three kinds.

``simulated``: the strict null of the SIMULATED cohort. ``clustered``: the real features and clusters of
`thinking_healthy`, the arms dealt to whole clusters anew, and an outcome that depends on nothing but a random effect
of its cluster (intraclass correlation 0.07). ``permuted``: the real features of `opt_periodontal` and its outcomes in
random order. Finished sets stay in results.csv and are not computed again.
"""

from __future__ import annotations

import os

# Before NumPy: one thread, so that CPU seconds mean something and nothing depends on the machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import binomtest
from scipy.stats import t as student

from predictor.config.loading import LoadedConfig, load_config
from predictor.data.simulation import simulate_cohort, write_cohort
from predictor.features.dataset import Dataset
from predictor.study import prepare_study
from predictor.validation.evaluation import Evaluation, evaluate
from predictor.validation.resampling import Protocol, cross_validate, fold_predictions
from predictor.validation.splits import repeated_folds

HERE = Path(__file__).resolve().parent
CONFIGS = HERE.parents[2] / "configs"
SHARES = {"simulated": 7, "clustered": 7, "permuted": 6}  # of twenty sets
ENTROPY = 20_260_102
ICC = 0.07


@dataclass(frozen=True)
class NullData:
    """Data in which nothing known at baseline says anything about the outcome, and the protocol to try on them."""

    loaded: LoadedConfig
    protocol: Protocol
    dataset: Dataset
    y: np.ndarray


def generator(kind: str, number: int) -> np.random.Generator:
    """Return the stream of one data set."""
    return np.random.default_rng(np.random.SeedSequence([ENTROPY, list(SHARES).index(kind), number]))


def simulated(rng: np.random.Generator, overrides: Sequence[str], *, patients: int) -> NullData:
    """Simulate the strict null: no patient, dose or site effect and no rating error. SIMULATED."""
    cohort = simulate_cohort(patients, seed=int(rng.integers(2**31)), null=True)
    with tempfile.TemporaryDirectory() as folder:
        write_cohort(cohort, folder)
        loaded = load_config(CONFIGS / "ketamine_simulated.yaml", overrides=overrides, data_folder=folder)
        return _evaluable(loaded)


def clustered(rng: np.random.Generator, overrides: Sequence[str], *, patients: int | None = None) -> NullData:
    """Deal the arms to whole clusters anew and draw outcomes that share nothing but their cluster's own rate.

    The rates are Beta(a, b) with mean 505/818 and a + b = 1/ICC − 1: two outcomes of one cluster then correlate by
    ICC exactly.
    """
    real = _evaluable(load_config(CONFIGS / "thinking_healthy.yaml", overrides=overrides))
    groups, code = np.unique(real.dataset.groups, return_inverse=True)
    first = np.unique(code, return_index=True)[1]
    arm = rng.permutation(real.dataset.plan[first])[code]
    total, rate = 1 / ICC - 1, float(real.y.mean())
    of_cluster = rng.beta(rate * total, (1 - rate) * total, len(groups))
    dataset = replace(real.dataset, X=real.dataset.X.assign(treat=arm.astype(object)), plan=arm)
    return replace(real, dataset=dataset, y=(rng.random(len(code)) < of_cluster[code]).astype(float))


def permuted(rng: np.random.Generator, overrides: Sequence[str], *, patients: int | None = None) -> NullData:
    """Put the outcomes in random order."""
    real = _evaluable(load_config(CONFIGS / "opt_periodontal.yaml", overrides=overrides))
    return replace(real, y=rng.permutation(real.y))


KINDS = {"simulated": simulated, "clustered": clustered, "permuted": permuted}


def _evaluable(loaded: LoadedConfig) -> NullData:
    study = prepare_study(loaded)
    rows, y = study.evaluable(loaded.config.primary)
    return NullData(loaded, study.protocol, study.dataset.take(rows), y)


def judge(data: NullData, seed: int) -> Evaluation:
    """Run the declared procedure through nested cross-validation and give the verdict."""
    outer, interval = data.loaded.config.validation.outer, data.loaded.config.validation.interval
    protocol, dataset = replace(data.protocol, seed=seed), data.dataset
    folds = repeated_folds(
        data.y,
        dataset.groups,
        dataset.plan,
        n_splits=outer.n_splits,
        n_repeats=outer.n_repeats,
        seed=seed,
    )
    results = cross_validate(protocol, dataset, data.y, folds)
    return evaluate(
        fold_predictions(results, protocol, positions=np.arange(len(data.y))),
        y=data.y,
        groups=dataset.groups,
        plan=dataset.plan,
        thresholds=data.loaded.config.validation.thresholds,
        level=interval.level,
        resamples=interval.resamples,
        seed=seed,
    )


def run_set(kind: str, number: int, arguments: argparse.Namespace) -> dict[str, object]:
    """Return the row of one data set."""
    started, rng = time.process_time(), generator(kind, number)
    overrides = [
        *arguments.overrides,
        f"validation.outer.n_splits={arguments.splits}",
        f"validation.outer.n_repeats={arguments.repeats}",
    ]
    data = KINDS[kind](rng, overrides, patients=arguments.patients)
    evaluation = judge(data, int(rng.integers(2**31)))
    verdict = evaluation.verdict
    judged = evaluation.performance[evaluation.performance["kind"] == "judged"].set_index("metric")
    hardest = min(verdict.comparisons, key=lambda one: one.low)
    return {
        "data": "SIMULATED outcome"
        if kind == "clustered"
        else "SIMULATED"
        if kind == "simulated"
        else "shuffled",
        "kind": kind,
        "number": number,
        "outer": f"{arguments.splits}x{arguments.repeats}",
        "settings": " ".join(arguments.overrides),
        "n": len(data.y),
        "events": verdict.events,
        "clusters": verdict.clusters,
        "icc": verdict.icc,
        "auc": judged.loc["auc", "value"],
        "auc_low": judged.loc["auc", "low"],
        "auc_high": judged.loc["auc", "high"],
        "verdict": verdict.label,
        "hardest_reference": hardest.reference,
        "gain": hardest.gain,
        "gain_low": hardest.low,
        "gain_not_excluded": verdict.gain_not_excluded,
        "cpu_seconds": round(time.process_time() - started, 1),
    }


def summarise(results: pd.DataFrame) -> str:
    """Return in words how often each verdict was given and where the mean AUC lies."""
    lines = []
    for kind, part in [*results.groupby("kind", sort=False), ("all", results)]:
        counts = part["verdict"].value_counts()
        labels = ", ".join(
            f"{label} {counts.get(label, 0)}" for label in ("better", "no_better", "too_little")
        )
        line = f"{kind}: {len(part)} null sets: {labels}"
        if len(part) > 1:
            mean, sd = part["auc"].mean(), part["auc"].std(ddof=1)
            half = float(student.ppf(0.975, len(part) - 1)) * sd / np.sqrt(len(part))
            line += f"; mean AUC {mean:.3f} (95 % interval {mean - half:.3f} to {mean + half:.3f})"
            line += f"; smallest {part['auc'].min():.3f}, largest {part['auc'].max():.3f}"
        lines.append(f"{line}; {part['cpu_seconds'].sum():.0f} s of CPU")
    better = int((results["verdict"] == "better").sum())
    low, high = binomtest(better, len(results)).proportion_ci(method="exact")
    lines.append(
        f"share called better: {better}/{len(results)}, Clopper-Pearson 95 % {low:.3f} to {high:.3f}"
    )
    return "\n".join(lines)


def finished(path: Path) -> set[tuple[str, int, str, str]]:
    """Return the sets that results.csv already holds."""
    if not path.exists():
        return set()
    found = pd.read_csv(path, keep_default_na=False)
    keys = found[["kind", "number", "outer", "settings"]].itertuples(index=False)
    return {(str(kind), int(number), str(outer), str(settings)) for kind, number, outer, settings in keys}


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--sets", type=int, help="sets of each kind; default: 7 simulated, 7 clustered, 6 permuted"
    )
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS))
    parser.add_argument(
        "--patients", type=int, default=700, help="simulated patients; about 0.58 are evaluable"
    )
    parser.add_argument("--splits", type=int, default=5, help="outer folds")
    parser.add_argument("--repeats", type=int, default=1, help="outer repeats")
    parser.add_argument(
        "--set", nargs="*", default=[], dest="overrides", help="a.b=c, as predictor train takes it"
    )
    parser.add_argument("--out", type=Path, default=HERE, help="folder of results.csv")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Compute what is missing and count the verdicts."""
    arguments = parse(argv)
    arguments.out.mkdir(parents=True, exist_ok=True)
    path = arguments.out / "results.csv"
    done, outer = finished(path), f"{arguments.splits}x{arguments.repeats}"
    wanted = [
        (number, kind)
        for kind in arguments.kinds
        for number in range(1, (arguments.sets or SHARES[kind]) + 1)
    ]
    # One set of each kind after the other: an interrupted study still says something about every kind.
    for number, kind in sorted(wanted):
        if (kind, number, outer, " ".join(arguments.overrides)) in done:
            continue
        row = pd.DataFrame([run_set(kind, number, arguments)]).round(6)
        text = row.to_csv(index=False, header=not path.exists(), lineterminator="\n")
        with path.open("a", encoding="utf-8") as file:
            file.write(text)
        print(f"{kind} {number}: {row['verdict'].iloc[0]}, AUC {row['auc'].iloc[0]:.3f}", flush=True)
    print(summarise(pd.read_csv(path, keep_default_na=False)))


if __name__ == "__main__":
    main()
