"""A prediction model and new patients."""

from predictor.prediction.predicting import (
    ResponsePredictor,
    as_frame,
    as_records,
    predict_frame,
    predict_patients,
)
from predictor.prediction.records import Prediction

__all__ = ["Prediction", "ResponsePredictor", "as_frame", "as_records", "predict_frame", "predict_patients"]
