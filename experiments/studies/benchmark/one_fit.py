"""One training of one side in a process of its own: CPU of imports and of the fit, performance on the test set."""

from __future__ import annotations

import argparse
import importlib
import json
import resource
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from measuring import cpu_seconds

SIDES = ("ours", "reference")


def main(argv: Sequence[str] | None = None) -> None:
    """Measure one side and write the answer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("side", choices=SIDES)
    parser.add_argument("dataset", choices=list("ABC"))
    parser.add_argument("replicate", type=int)
    parser.add_argument("--outer", type=int, help="other outer folds than the side's own")
    parser.add_argument("--inner", type=int, help="other inner folds than the side's own")
    parser.add_argument("answer", type=Path)
    arguments = parser.parse_args(argv)

    before = cpu_seconds()
    fit = importlib.import_module(arguments.side).fit
    imports = cpu_seconds() - before

    # Only now: NumPy and pandas belong to the imports above.
    import numpy as np
    from data import test_data, training_data
    from metrics import performance

    training = training_data(arguments.dataset, arguments.replicate)
    folds = {"outer": arguments.outer, "inner": arguments.inner}
    options = {name: number for name, number in folds.items() if number is not None}
    y = training.y.astype(int)
    cpu, clock = cpu_seconds(), time.perf_counter()
    found = fit(training.X, y, dataset=arguments.dataset, seed=arguments.replicate, **options)
    cpu, clock = cpu_seconds() - cpu, time.perf_counter() - clock
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    test = test_data(arguments.dataset)
    probability = np.asarray(found["predict"](test.X), dtype=float)
    probability = probability if probability.ndim == 1 else probability[:, 1]
    row = {
        "cpu_seconds": cpu,
        "clock_seconds": clock,
        "import_cpu_seconds": imports,
        "peak_mb": peak,
        "internal_auc": float(found["internal_auc"]),
        "internal_log_loss": float(found["internal_log_loss"]),
        "selected": found.get("selected") or described(found["weights"]),
    }
    arguments.answer.write_text(json.dumps(row | performance(test.y, probability)))


def described(weights: Mapping[str, float]) -> str:
    """Return the share of every model in an average."""
    return " ".join(f"{name.partition(' ')[0]}={share:.2f}" for name, share in weights.items())


if __name__ == "__main__":
    main()
