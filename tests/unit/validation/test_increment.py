from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from predictor.validation.increment import (
    Block,
    adjust_holm,
    find_blocks,
    increment_table,
    share_of_plan,
)

THRESHOLDS = [0.3, 0.5]


def frame(p: dict[str, np.ndarray], fold: np.ndarray, repeats: int = 1) -> pd.DataFrame:
    """Out-of-fold predictions, the same in every repeat."""
    pieces = [
        pd.DataFrame(
            {
                "procedure": name,
                "kind": "set",
                "repeat": repeat,
                "fold": fold,
                "row": np.arange(len(values)),
                "p": values,
            }
        )
        for name, values in p.items()
        for repeat in range(repeats)
    ]
    return pd.concat(pieces, ignore_index=True)


def compared(
    p: dict[str, np.ndarray], y: np.ndarray, blocks: list[Block], **settings: object
) -> pd.DataFrame:
    fold = np.arange(len(y)) % 5
    given = {
        "groups": np.arange(len(y)),
        "thresholds": THRESHOLDS,
        "level": 0.95,
        "resamples": 200,
        "seed": 1,
    }
    return increment_table(frame(p, fold), blocks, y=y, **{**given, **settings})  # type: ignore[arg-type]


def test_every_set_inside_another_is_a_block() -> None:
    sets = {"base": ["clinical", "plan"], "blood": ["clinical", "serum", "plan"]}
    sets["all"] = ["clinical", "serum", "mri", "plan"]
    assert find_blocks(sets) == [
        Block("serum", "base", "blood"),
        Block("serum + mri", "base", "all"),
        Block("mri", "blood", "all"),
    ]
    assert find_blocks({"one": ["a", "b"], "other": ["b", "c"]}) == []


def test_differences_are_the_metrics_differences() -> None:
    rng = np.random.default_rng(4)
    y = rng.integers(0, 2, 200).astype(float)
    p = {"without": expit(rng.normal(y - 0.5, 1.5)), "with": expit(rng.normal(2 * y - 1, 1.0))}
    table = compared(p, y, [Block("serum", "without", "with")]).set_index("metric")
    loss = {name: -np.mean(y * np.log(v) + (1 - y) * np.log(1 - v)) for name, v in p.items()}
    assert table.loc["log_loss", "value"] == pytest.approx(loss["without"] - loss["with"])
    assert table.loc["brier", "value"] == pytest.approx(
        np.mean((p["without"] - y) ** 2 - (p["with"] - y) ** 2)
    )
    fold = np.arange(200) % 5
    parts = [fold == k for k in range(5)]
    weights = [y[part].sum() * (1 - y[part]).sum() for part in parts]
    aucs = {n: np.average([roc_auc_score(y[k], v[k]) for k in parts], weights=weights) for n, v in p.items()}
    assert table.loc["auc", "value"] == pytest.approx(aucs["with"] - aucs["without"])
    treated = {n: np.mean((v >= 0.5) * y) - np.mean((v >= 0.5) * (1 - y)) for n, v in p.items()}
    assert table.loc["net_benefit_0.5", "value"] == pytest.approx(treated["with"] - treated["without"])
    assert bool(table.loc["log_loss", "shown"])
    assert (table["low"] <= table["value"]).all()
    assert (table["value"] <= table["high"]).all()


def test_limits_widen_with_the_number_of_blocks() -> None:
    rng = np.random.default_rng(5)
    y = rng.integers(0, 2, 150).astype(float)
    p = {name: expit(rng.normal(y - 0.5, 1.2)) for name in "abc"}
    alone = compared(p, y, [Block("x", "a", "b")])
    among = compared(p, y, [Block("x", "a", "b"), Block("y", "a", "c"), Block("z", "b", "c")])
    width = (alone["high"] - alone["low"]).to_numpy()
    wider = (among["high"] - among["low"]).to_numpy()[: len(width)]
    assert (wider >= width).all()
    assert (wider[:2] > width[:2]).all()


def test_copies_of_patients_do_not_make_a_block_more_certain() -> None:
    rng = np.random.default_rng(6)
    y = rng.integers(0, 2, 100).astype(float)
    p = {name: expit(rng.normal(y - 0.5, 1.2)) for name in ("a", "b")}
    once = compared(p, y, [Block("x", "a", "b")], groups=np.arange(100))
    y3, p3 = np.tile(y, 3), {name: np.tile(v, 3) for name, v in p.items()}
    thrice = compared(p3, y3, [Block("x", "a", "b")], groups=np.tile(np.arange(100), 3))
    own = once.set_index("metric").loc["log_loss"]
    same = thrice.set_index("metric").loc["log_loss"]
    assert same["value"] == pytest.approx(own["value"])
    assert same["high"] - same["low"] > 0.95 * (own["high"] - own["low"])


def test_holm_by_hand() -> None:
    # Sorted 0.01, 0.02, 0.04, 0.3 times 4, 3, 2, 1 is 0.04, 0.06, 0.08, 0.3.
    assert adjust_holm([0.04, 0.01, 0.3, 0.02]) == pytest.approx([0.08, 0.04, 0.3, 0.06])
    assert adjust_holm([0.5, 0.6]) == pytest.approx([1.0, 1.0])
    assert adjust_holm([0.01, 0.012]) == pytest.approx([0.02, 0.02])


@pytest.mark.parametrize(
    ("plan", "judged", "share"), [(0.66, 0.70, 0.8), (0.5, 0.7, 0.0), (0.7, 0.5, np.nan), (None, 0.7, np.nan)]
)
def test_share_of_the_plan(plan: float | None, judged: float, share: float) -> None:
    rows = [("average", "judged", "auc", judged), ("severity", "reference", "auc", 0.6)]
    rows += [("plan", "reference", "auc", plan)] if plan is not None else []
    table = pd.DataFrame(rows, columns=["procedure", "kind", "metric", "value"])
    assert share_of_plan(table) == pytest.approx(share, nan_ok=True)


def null_rate(simulate: Callable[[int], float], runs: int) -> float:
    return float(np.mean([simulate(seed) < 0.05 for seed in range(runs)]))


def test_without_anything_to_add_a_block_is_rarely_shown() -> None:
    """Two equally good predictions: at most 5 % two-sided, with the binomial's room for 200 runs."""

    def p_value(seed: int) -> float:
        rng = np.random.default_rng([77, seed])
        signal, y = rng.normal(size=120), np.zeros(120)
        y = (rng.random(120) < expit(signal)).astype(float)
        p = {name: expit(signal + rng.normal(0, 0.5, 120)) for name in ("a", "b")}
        return float(compared(p, y, [Block("x", "a", "b")], resamples=100)["p"].iloc[0])

    assert null_rate(p_value, 200) <= 0.085
