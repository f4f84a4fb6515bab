"""FLAML with its default estimators; a time budget, no ensemble."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from exchange import run
from flaml import AutoML, __version__


def fit(X: pd.DataFrame, y: np.ndarray, budget: float, seed: int) -> Callable[[pd.DataFrame], np.ndarray]:
    """Search for the whole budget."""
    model = AutoML()
    model.fit(
        X_train=X,
        y_train=y,
        task="classification",
        metric="log_loss",
        time_budget=budget,
        ensemble=False,
        n_jobs=1,
        seed=seed,
        verbose=0,
    )
    return lambda patients: np.asarray(model.predict_proba(patients))[:, 1]


if __name__ == "__main__":
    run(fit, __version__)
