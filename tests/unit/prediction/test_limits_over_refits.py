"""The percentiles over the refits against numpy's."""

from __future__ import annotations

import numpy as np
import pytest

from predictor.prediction.ranges import RANGE, limits_over_refits


@pytest.mark.parametrize("refits", [1, 2, 3, 20, 41, 199, 200, 201, 1000])
@pytest.mark.parametrize("columns", [0, 1, 5])
def test_they_are_those_of_numpy(refits: int, columns: int) -> None:
    rng = np.random.default_rng(refits)
    for values in (rng.random((refits, columns)), np.round(rng.random((refits, columns)), 1)):
        found = limits_over_refits(values)
        np.testing.assert_allclose(found, np.percentile(values, RANGE, axis=0), rtol=0, atol=1e-14)
