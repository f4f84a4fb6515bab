"""How often any of three blocks of features is *shown* to add, where all three are noise, and where one is not."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
from increments import CLINICAL, FRESH, FRESH_SEED, NOISE, STRONG
from population import Floats
from scipy.stats import binomtest
from trials import Law, fresh_patients, protocol_of, simulate

from predictor.features.dataset import Dataset
from predictor.validation.increment import Block, increment_table, set_predictions
from predictor.validation.resampling import Protocol, cross_validate, fit_candidates
from predictor.validation.splits import repeated_folds

ENTROPY = 20_261_130
LAWS = {
    law.name: law
    for law in (
        Law("three null blocks, 200 patients", 200, 1, CLINICAL, NOISE * 3),
        Law("three null blocks, 40 clusters of 5", 40, 5, CLINICAL, NOISE * 3),
        Law("one strong block of three, 200 patients", 200, 1, CLINICAL, STRONG + NOISE * 2),
    )
}
NULLS = [name for name in LAWS if name.startswith("three null")]
BLOCKS = tuple(Block(name, "clinical", f"clinical_{name}") for name in ("a", "b", "c"))
BATCH = 25


def columns_of(law: Law) -> dict[str, tuple[str, ...]]:
    """Return the columns of each feature set: the clinical ones, and these with five of the block's."""
    clinical, own = law.names[: len(law.clinical)], law.names[len(law.clinical) :]
    parts = {one.larger: own[5 * i : 5 * i + 5] for i, one in enumerate(BLOCKS)}
    return {"clinical": clinical, **{name: clinical + part for name, part in parts.items()}}


def protocol_of_sets(law: Law, seed: int) -> Protocol:
    """Return the procedure of `trials.protocol_of`, on the clinical numbers and on these with each block."""
    plain = protocol_of(law, seed, nested=False)
    (one,) = plain.candidates
    candidates = tuple(
        replace(one, name=f"elastic_net | {name}", feature_set=name, features=columns)
        for name, columns in columns_of(law).items()
    )
    return replace(plain, candidates=candidates, judge=candidates[-1].name)


def batch(name: str, number: int, *, sets: int = BATCH) -> pd.DataFrame:
    """Compare the blocks on one batch of trials: one row of log loss per trial and block."""
    law, place = LAWS[name], list(LAWS).index(name)
    return pd.concat([trial(law, [ENTROPY, place, number, i]) for i in range(sets)], ignore_index=True)


def trial(law: Law, key: list[int]) -> pd.DataFrame:
    """Run the four procedures through nested cross-validation of 5 outer and 3 inner folds on one trial."""
    started = time.process_time()
    rng = np.random.default_rng(np.random.SeedSequence(key))
    dataset, seed = simulate(law, rng), int(rng.integers(2**31))
    y = dataset.outcomes["response"].to_numpy()
    folds = repeated_folds(y, dataset.groups, dataset.plan, n_splits=5, n_repeats=1, seed=seed)
    protocol = protocol_of_sets(law, seed)
    results = cross_validate(protocol, dataset, y, folds, explain=False)
    table = increment_table(
        set_predictions(results, positions=np.arange(len(y))),
        BLOCKS,
        y=y,
        groups=dataset.groups,
        thresholds=(0.5,),
        level=0.95,
        resamples=40,  # of what is not kept here
        seed=seed,
    )
    loss = table.loc[table["metric"] == "log_loss"].rename(columns={"value": "gain"})
    found = loss[["block", "gain", "low", "high", "p", "p_adjusted"]].assign(
        shown=loss["shown"].astype(int),
        true_gain=loss["block"].map(true_gains(law, protocol, dataset, y)),
        cpu_seconds=(time.process_time() - started) / len(BLOCKS),
    )
    found.insert(0, "set", key[-1])
    return found


def true_gains(law: Law, protocol: Protocol, dataset: Dataset, y: Floats) -> Mapping[str, float]:
    """Return what each block saves fresh patients in log loss, with and without it fitted on everybody."""
    fitted = fit_candidates(protocol, dataset, y, np.arange(len(y)), seed=protocol.seed)
    X, rate = fresh_patients(law, FRESH, seed=FRESH_SEED)
    losses = {}
    for candidate in protocol.candidates:
        one = fitted[candidate.name]
        p = one.model.predict_proba(X[list(one.model.feature_names_in_)])[:, 1]
        losses[candidate.feature_set] = float(-np.mean(rate * np.log(p) + (1 - rate) * np.log1p(-p)))
    return {block.name: losses[block.smaller] - losses[block.larger] for block in BLOCKS}


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Count the trials in which any block of noise was shown to add, with Clopper-Pearson limits.

    ``unadjusted`` counts them by each block's own p value instead of Holm's. ``all_held`` is the share of trials whose
    three limits, simultaneous over the blocks, all hold the mean true gain of their block.
    """
    lines = []
    for name, own in rows.groupby("cell", sort=False):
        noise = own if name in NULLS else own[own["block"] != BLOCKS[0].name]
        any_noise, alone = _any(noise, noise["shown"] == 1), _any(noise, _by_itself(noise))
        limits = binomtest(int(any_noise.sum()), len(any_noise)).proportion_ci()
        lines.append(
            {"cell": name, "trials": len(any_noise), "any_noise_shown": int(any_noise.sum())}
            | {"share": any_noise.mean(), "low": limits.low, "high": limits.high}
            | {"unadjusted": int(alone.sum()), "all_held": _all_held(own)}
            | {"signal_shown": _signal(str(name), own), "cpu_seconds": own["cpu_seconds"].sum()}
        )
    return pd.DataFrame(lines)


def _any(rows: pd.DataFrame, which: pd.Series) -> pd.Series:
    return which.groupby([rows["batch"], rows["set"]]).any()


def _by_itself(rows: pd.DataFrame) -> pd.Series:
    return (rows["p"] < 0.05) & (rows["gain"] > 0)


def _all_held(own: pd.DataFrame) -> float:
    truth = own.groupby("block")["true_gain"].transform("mean")
    held = (own["low"] <= truth) & (truth <= own["high"])
    return float(held.groupby([own["batch"], own["set"]]).all().mean())


def _signal(cell: str, own: pd.DataFrame) -> str:
    """How often the block that does add was shown; nothing where none does."""
    if cell in NULLS:
        return ""
    strong = own[own["block"] == BLOCKS[0].name]
    return f"{int(strong['shown'].sum())} (alone {int(_by_itself(strong).sum())})"
