"""Do the intervals hold what they name? Coverage, bias and type-I error on SIMULATED patients of known truth.

Every command computes only what its table in results/ does not hold yet.
"""

from __future__ import annotations

import os

# Before NumPy: one thread, so that nothing depends on the machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
from collections.abc import Sequence
from pathlib import Path

import fixed_rules
import pandas as pd
from counting import coverage, run_missing

HERE = Path(__file__).resolve().parent


def show(table: pd.DataFrame) -> None:
    print(table.to_string(index=False, float_format=lambda value: f"{value:.4f}"))


def fixed(arguments: argparse.Namespace) -> None:
    """Cover what a fixed rule is worth: 2,000 data sets in each cell."""
    batches = range((arguments.sets or 2000) // fixed_rules.BATCH)
    wanted = [(cell, batch) for batch in batches for cell in fixed_rules.CELLS]
    show(coverage(run_missing(arguments.out / "fixed_rules.csv", wanted, fixed_rules.batch)))


COMMANDS = {"fixed": fixed}


def main(argv: Sequence[str] | None = None) -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("--sets", type=int, help="data sets of each cell; the command's own number without it")
    parser.add_argument("--out", type=Path, default=HERE / "results")
    arguments = parser.parse_args(argv)
    COMMANDS[arguments.command](arguments)


if __name__ == "__main__":
    main()
