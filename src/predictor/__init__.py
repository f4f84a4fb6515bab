"""Honest, leakage-proof prediction of an individual patient's response to a treatment.

>>> import predictor
>>> training = predictor.train("configs/opt_periodontal.yaml")  # doctest: +SKIP
>>> training.evaluation.verdict.sentence  # doctest: +SKIP
>>> training.model.predict(frame)  # doctest: +SKIP

Importing loads nothing heavy: each name is fetched on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from predictor.api import evaluate_model, predict, report, simulate
    from predictor.checking import check
    from predictor.config.loading import load_config
    from predictor.experiment import train

__all__ = ["check", "evaluate_model", "load_config", "predict", "report", "simulate", "train"]

__version__ = "0.1.0"

HOME = {
    "check": "predictor.checking",
    "evaluate_model": "predictor.api",
    "load_config": "predictor.config.loading",
    "predict": "predictor.api",
    "report": "predictor.api",
    "simulate": "predictor.api",
    "train": "predictor.experiment",
}


def __getattr__(name: str) -> Any:
    if name not in HOME:
        msg = f"module 'predictor' has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *HOME])
