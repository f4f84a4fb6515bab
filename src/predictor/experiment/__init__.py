"""The protocol: each stage called once, in order. `train` reads like the methods section of a paper."""

from predictor.experiment.training import Training, train

__all__ = ["Training", "train"]
