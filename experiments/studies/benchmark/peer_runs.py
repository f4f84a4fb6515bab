"""Peers, each in its own environment, on unseen replicates: results/peers.csv."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from data import test_data, training_data
from measuring import append_row, finished, run_fresh
from metrics import performance

HERE = Path(__file__).resolve().parent
BUDGETS = {"autogluon": 300.0, "flaml": 60.0, "mljar": 300.0}  # seconds on the clock
KEYS = ("peer", "dataset", "replicate", "budget")


def run_peers(
    peers: Mapping[str, str],
    dataset: str,
    replicates: Sequence[int],
    *,
    path: Path,
    budget: float | None = None,
) -> None:
    """Train every peer on every replicate that the table does not hold yet.

    Parameters
    ----------
    peers : mapping of name to Python interpreter
        Names as in `BUDGETS`.
    dataset : {"A", "B", "C"}
    replicates : sequence of int
    path : Path
        Table that gets a row as soon as a run is finished.
    budget : float, optional
        Instead of the peer's own one.
    """
    test = test_data(dataset)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        test.table().to_parquet(folder / "test.parquet")
        for replicate in replicates:
            training_data(dataset, replicate).table().to_parquet(folder / "train.parquet")
            for peer, python in peers.items():
                seconds = budget or BUDGETS[peer]
                key = (peer, dataset, str(replicate), f"{seconds:g}")
                if key in finished(path, KEYS):
                    continue
                answer = _run_peer(peer, python, folder, seconds, replicate)
                probability = np.load(folder / "probabilities.npy")
                row = dict(zip(KEYS, key, strict=True)) | performance(test.y, probability) | answer
                append_row(path, row)
                print(f"{peer} {dataset} {replicate}: log loss {row['log_loss']:.4f}", flush=True)


def _run_peer(peer: str, python: str, folder: Path, budget: float, seed: int) -> dict[str, object]:
    script = HERE / "peers" / f"run_{peer}.py"
    options = {
        "--train": folder / "train.parquet",
        "--test": folder / "test.parquet",
        "--probabilities": folder / "probabilities.npy",
        "--budget": budget,
        "--seed": seed,
    }
    command = [python, str(script), *(str(part) for pair in options.items() for part in pair)]
    return run_fresh(command)
