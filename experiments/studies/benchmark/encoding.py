"""Our encoder for the benchmark's tables, whose columns no dictionary declares."""

from __future__ import annotations

import pandas as pd

from predictor.features.dataset import Feature
from predictor.features.preprocessing import Encoder, build_preprocessor

__all__ = ["encoder_for"]


def encoder_for(X: pd.DataFrame) -> Encoder:
    """Return our unfitted encoder: numbers as they are, everything else as categories."""
    numbers = set(X.select_dtypes("number").columns)
    return build_preprocessor(
        [
            Feature(
                name=name,
                source=f"patients.{name}",
                kind="number" if name in numbers else "category",
                label=name,
            )
            for name in X.columns
        ]
    )
