"""The prediction model: a folder that can be used on the next patient.

The folder stores no patient's row: none of the types it may hold keeps one, rare category levels are merged at
training, and the made-up patients are drawn from ranges.
"""

from predictor.prediction_model.loading import load_prediction_model
from predictor.prediction_model.model import InputField, PlanBaseline, PredictionModel, raw_columns
from predictor.prediction_model.saving import save_prediction_model, sign_prediction_model

__all__ = [
    "InputField",
    "PlanBaseline",
    "PredictionModel",
    "load_prediction_model",
    "raw_columns",
    "save_prediction_model",
    "sign_prediction_model",
]
