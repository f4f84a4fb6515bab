"""The range beside a personal estimate: how often it holds the patient's true probability, by decile of true risk."""

from __future__ import annotations

import time
from functools import cache

import numpy as np
import pandas as pd
from pipeline import LAWS
from population import Floats
from trials import Law, fresh_patients, protocol_of, simulate

from predictor.models.compact import compact, refit_range
from predictor.validation.resampling import fit_candidates

ENTROPY = 20_261_131
BATCH = 5
FRESH = 1000  # patients, the same in every trial
FRESH_SEED = 11
REFITS = 200
DECILES = 10
TRIALS = 200


def batch(name: str, number: int, *, sets: int = BATCH, refits: int = REFITS) -> pd.DataFrame:
    """Fit, refit and look at one batch of trials: one row per trial and decile."""
    law = LAWS[name]
    place = list(LAWS).index(name)
    found = [trial(law, [ENTROPY, place, number, i], refits=refits) for i in range(sets)]
    return pd.concat(found, ignore_index=True)


def trial(law: Law, key: list[int], *, refits: int) -> pd.DataFrame:
    """Give fresh patients their range and count what it holds, by decile of the true probability."""
    started = time.process_time()
    rng = np.random.default_rng(np.random.SeedSequence(key))
    dataset, seed = simulate(law, rng), int(rng.integers(2**31))
    protocol, y = protocol_of(law, seed, nested=False), dataset.outcomes["response"].to_numpy()
    model = fit_candidates(protocol, dataset, y, np.arange(len(y)), seed=seed)[protocol.judge].model
    refitted = refit_range(model, dataset.X, y, dataset.groups, resamples=refits, seed=seed)
    X, true = fresh_patients(law, FRESH, seed=FRESH_SEED)
    p = compact(model).predict_proba(X)[:, 1]
    low, high = limits(np.stack([one.predict_proba(X)[:, 1] for one in refitted]), p)
    decile = np.argsort(np.argsort(true)) * DECILES // FRESH
    frame = pd.DataFrame({"decile": 1 + decile, "true": true, "predicted": p, "width": high - low})
    for name, wanted in (("true", true), ("expected", expected(law))):
        frame[f"holds_{name}"] = (low <= wanted) & (wanted <= high)
    frame["above_all"], frame["below_all"] = low > true, high < true
    means = frame.groupby("decile").mean().reset_index()
    return means.assign(set=key[-1], best=str(model.best_params_), cpu_seconds=time.process_time() - started)


def limits(refitted: Floats, p: Floats) -> Floats:
    """Return the range as a patient's page has it: percentiles over the refits, widened to hold the estimate itself."""
    low, high = np.percentile(refitted, [2.5, 97.5], axis=0)
    return np.stack([np.minimum(low, p), np.maximum(high, p)])


@cache
def expected(law: Law) -> Floats:
    """Return what the procedure says of each fresh patient on average over `TRIALS` further trials."""
    total = np.zeros(FRESH)
    for number in range(TRIALS):
        rng = np.random.default_rng(np.random.SeedSequence([ENTROPY, len(LAWS), number, 0]))
        dataset, seed = simulate(law, rng), int(rng.integers(2**31))
        protocol, y = protocol_of(law, seed, nested=False), dataset.outcomes["response"].to_numpy()
        model = fit_candidates(protocol, dataset, y, np.arange(len(y)), seed=seed)[protocol.judge].model
        total += model.predict_proba(fresh_patients(law, FRESH, seed=FRESH_SEED)[0])[:, 1] / TRIALS
    return total


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Average over trials; the Monte-Carlo error is that of independent trials, not of patients."""
    grouped = rows.groupby(["cell", "decile"], sort=False)
    table = grouped[
        ["true", "predicted", "width", "holds_true", "below_all", "above_all", "holds_expected"]
    ].mean()
    for name in ("holds_true", "holds_expected"):
        table[f"{name}_error"] = grouped[name].std(ddof=1) / np.sqrt(grouped.size())
    return table.assign(trials=grouped.size()).reset_index()
