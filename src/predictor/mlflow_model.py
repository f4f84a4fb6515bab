"""The script MLflow keeps and runs to rebuild a registered model: our folder, our loader, no pickle.

MLflow executes a copy of this file under a name of its own. Everything that decides (hashes, allow-list,
refusals) stays in `predictor.prediction_model` and `predictor.prediction`, so that a model loaded through
MLflow behaves as one loaded by ``predictor``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext

__all__ = ["FolderModel"]


class FolderModel(PythonModel):  # type: ignore[misc]
    """A prediction model's folder behind MLflow's ``pyfunc`` interface."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the folder through our own gates; raises `predictor.errors.ModelError`."""
        from predictor.prediction_model import load_prediction_model

        self._model = load_prediction_model(Path(context.artifacts["prediction_model"]))

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Predict a table of one row per patient with the dictionary's names and units."""
        from predictor.prediction import predict_frame

        return predict_frame(self._model, model_input)


set_model(FolderModel())
