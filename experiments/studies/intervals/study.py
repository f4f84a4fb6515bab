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

import differences
import fixed_rules
import increments
import pandas as pd
import pipeline
import ranges
import several
import sites
import smooth
import updates
from counting import coverage, run_missing
from report import fill, sections

HERE = Path(__file__).resolve().parent
SIGNALS = 100


def show(table: pd.DataFrame) -> None:
    print(table.to_string(index=False, float_format=lambda value: f"{value:.4f}"))


def fixed(arguments: argparse.Namespace) -> None:
    """Cover what a fixed rule is worth: 2,000 data sets in each cell."""
    batches = range((arguments.sets or 2000) // fixed_rules.BATCH)
    wanted = [(cell, batch) for batch in batches for cell in fixed_rules.CELLS]
    show(coverage(run_missing(arguments.out / "fixed_rules.csv", wanted, fixed_rules.batch)))


def differences_of_rules(arguments: argparse.Namespace) -> None:
    """Cover differences of fixed rules and the value of treating by one: 2,000 data sets in each cell."""
    batches = range((arguments.sets or 2000) // differences.BATCH)
    wanted = [(cell, batch) for batch in batches for cell in fixed_rules.CELLS]
    show(coverage(run_missing(arguments.out / "differences.csv", wanted, differences.batch)))


def summary_over_sites(arguments: argparse.Namespace) -> None:
    """Cover the mean over sites and the AUC of a further site: 2,000 data sets in each cell."""
    batches = range((arguments.sets or 2000) // sites.BATCH)
    wanted = [(cell, batch) for batch in batches for cell in sites.CELLS]
    show(coverage(run_missing(arguments.out / "sites.csv", wanted, sites.batch)))


def smooth_errors(arguments: argparse.Namespace) -> None:
    """Cover the smooth calibration errors: 500 data sets in each cell."""
    batches = range((arguments.sets or 500) // smooth.BATCH)
    wanted = [(cell, batch) for batch in batches for cell in smooth.NAMES]
    show(coverage(run_missing(arguments.out / "smooth.csv", wanted, smooth.batch)))


def increment(arguments: argparse.Namespace) -> None:
    """Count how often a block is shown to add: 500 trials of each null, 100 of each signal."""
    wanted = [
        (law, batch)
        for batch in range((arguments.sets or 500) // increments.BATCH)
        for law in increments.LAWS
        if law in increments.NULLS or batch < SIGNALS // increments.BATCH
    ]
    show(increments.summary(run_missing(arguments.out / "increments.csv", wanted, increments.batch)))


def several_blocks(arguments: argparse.Namespace) -> None:
    """Count how often any of three blocks of noise is shown: 500 trials of each null, 100 with one strong block."""
    wanted = [
        (law, batch)
        for batch in range((arguments.sets or 500) // several.BATCH)
        for law in several.LAWS
        if law in several.NULLS or batch < SIGNALS // several.BATCH
    ]
    show(several.summary(run_missing(arguments.out / "several.csv", wanted, several.batch)))


def closed_tests(arguments: argparse.Namespace) -> None:
    """Count how often the closed test of `predictor evaluate` changes a model: 1,000 data sets in each cell."""
    batches = range((arguments.sets or 1000) // updates.BATCH)
    wanted = [(cell, batch) for batch in batches for cell in updates.CELLS]
    show(updates.summary(run_missing(arguments.out / "updates.csv", wanted, updates.batch)))


def whole(arguments: argparse.Namespace) -> None:
    """Judge a whole procedure by nested cross-validation and by the optimism bootstrap: 200 trials of each kind."""
    batches = range((arguments.sets or 200) // pipeline.BATCH)
    wanted = [(law, batch) for batch in batches for law in pipeline.LAWS]
    rows = run_missing(arguments.out / "pipeline.csv", wanted, pipeline.batch)
    show(pipeline.coverage(rows))
    show(pipeline.bias(rows))


def refits(arguments: argparse.Namespace) -> None:
    """Hold the range of refits against true probabilities: 200 trials of each kind."""
    batches = range((arguments.sets or 200) // ranges.BATCH)
    wanted = [(law, batch) for batch in batches for law in pipeline.LAWS]
    show(ranges.summary(run_missing(arguments.out / "ranges.csv", wanted, ranges.batch)))


def report(arguments: argparse.Namespace) -> None:
    """Print the README's tables from what there is, write the own results' into it, and compute nothing."""
    found = dict(sections(arguments.out))
    for name, table in found.items():
        print(f"\n{name}\n\n{table}")
    if arguments.out == HERE / "results":
        fill(HERE / "README.md", found)


COMMANDS = {
    "fixed": fixed,
    "differences": differences_of_rules,
    "sites": summary_over_sites,
    "smooth": smooth_errors,
    "increment": increment,
    "several": several_blocks,
    "updates": closed_tests,
    "pipeline": whole,
    "ranges": refits,
    "report": report,
}


def main(argv: Sequence[str] | None = None) -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument(
        "--sets", type=int, help="data sets of each cell; the command's own number without it"
    )
    parser.add_argument("--out", type=Path, default=HERE / "results")
    arguments = parser.parse_args(argv)
    COMMANDS[arguments.command](arguments)


if __name__ == "__main__":
    main()
