"""A saved model on patients that it has never seen: how good it is there, and the new version that they ask for."""

from predictor.external.evaluation import ExternalEvaluation, evaluate_external
from predictor.external.updating import updated_model

__all__ = ["ExternalEvaluation", "evaluate_external", "updated_model"]
