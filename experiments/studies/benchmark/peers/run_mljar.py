"""Mljar-supervised in its Perform mode."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from exchange import run
from supervised import AutoML, __version__


def fit(X: pd.DataFrame, y: np.ndarray, budget: float, seed: int) -> Callable[[pd.DataFrame], np.ndarray]:
    """Train in the current folder, which the caller deletes."""
    model = AutoML(
        results_path="model",
        mode="Perform",
        eval_metric="logloss",
        total_time_limit=int(budget),
        n_jobs=1,
        random_state=seed,
        verbose=0,
    )
    model.fit(X, y)
    return lambda patients: np.asarray(model.predict_proba(patients))[:, 1]


if __name__ == "__main__":
    run(fit, __version__)
