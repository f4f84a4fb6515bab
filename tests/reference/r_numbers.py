"""R's numbers, and what agreeing with them means."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from predictor.validation.uncertainty import Estimate

HERE = Path(__file__).parent


def expected(case: str) -> Any:
    return json.loads((HERE / "expected" / f"{case}.json").read_text(encoding="utf-8"))


def table(name: str) -> pd.DataFrame:
    return pd.read_csv(HERE / "inputs" / f"{name}.csv")


def agree(got: float, want: float | None, tolerance: float) -> None:
    if want is None:
        assert np.isnan(got)
    else:
        assert abs(got - want) <= tolerance * max(1.0, abs(want))


def agree_all(got: Any, want: Any, tolerance: float) -> None:
    ours, theirs = np.asarray(got, dtype=float), np.asarray(want, dtype=float)
    assert ours.shape == theirs.shape
    assert np.all(np.abs(ours - theirs) <= tolerance * np.maximum(1.0, np.abs(theirs)))


def agree_estimate(
    got: Estimate, value: float, limits: tuple[float, float], se: float, tolerance: float
) -> None:
    pairs = zip((got.value, got.low, got.high, got.se), (value, *limits, se), strict=True)
    for ours, theirs in pairs:
        agree(ours, theirs, tolerance)
