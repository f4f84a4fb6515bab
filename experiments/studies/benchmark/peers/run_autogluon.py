"""AutoGluon with its default preset."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from autogluon.tabular import TabularPredictor, __version__
from exchange import run


def fit(X: pd.DataFrame, y: np.ndarray, budget: float, seed: int) -> Callable[[pd.DataFrame], np.ndarray]:
    """Train in the current folder, which the caller deletes."""
    predictor = TabularPredictor(label="y", eval_metric="log_loss", path="model", verbosity=0)
    predictor.fit(X.assign(y=y), time_limit=budget, num_cpus=1)
    return lambda patients: predictor.predict_proba(patients)[1].to_numpy()


if __name__ == "__main__":
    run(fit, __version__)
