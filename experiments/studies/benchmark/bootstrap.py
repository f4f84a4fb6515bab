"""200 whole-pipeline bootstrap resamples of the elastic net on A: encode, tune by five inner folds, refit."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pandas as pd
from data import trial_data
from encoding import encoder_for
from measuring import append_row, finished

from predictor.models.tuning import TunedClassifier

__all__ = ["resample_and_fit", "run"]

RESAMPLES = 200


def resample_and_fit(X: pd.DataFrame, y: np.ndarray, *, resamples: int, seed: int) -> list[TunedClassifier]:
    """Fit to resampled patients; copies of a patient are a group, so that no inner fold tests a training patient."""
    rng = np.random.default_rng(seed)
    encoder = encoder_for(X)
    models = []
    for _ in range(resamples):
        rows = rng.integers(len(y), size=len(y))
        model = TunedClassifier("elastic_net", preprocessor=encoder, random_state=seed)
        models.append(model.fit(X.iloc[rows], y[rows], groups=rows))
    return models


def run(path: Path, runs: int = 5) -> pd.DataFrame:
    """Measure replicates of A that the table does not hold yet."""
    for replicate in range(runs):
        if (str(replicate),) in finished(path, ["replicate"]):
            continue
        sample = trial_data(replicate)
        started = time.process_time()
        resample_and_fit(sample.X, sample.y.astype(int), resamples=RESAMPLES, seed=replicate)
        seconds = time.process_time() - started
        append_row(path, {"replicate": replicate, "resamples": RESAMPLES, "cpu_seconds": seconds})
    return pd.read_csv(path)
