"""Do the intervals hold what they name? Coverage, bias and type-I error on SIMULATED patients of known truth.

Every command computes only what its table in results/ does not hold yet.
"""

from __future__ import annotations

import os

# Before NumPy: one thread, so that nothing depends on the machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Study:
    """One table: its file, what a batch of it is, how many data sets each cell gets, and how it is summed up."""

    about: str
    file: str
    batch: Callable[..., pd.DataFrame]
    size: int
    cells: Iterable[str]
    sets: int
    summaries: tuple[Callable[[pd.DataFrame], pd.DataFrame], ...] = (coverage,)
    nulls: Iterable[str] | None = None  # where given, every other cell gets `SIGNALS` trials

    def wanted(self, sets: int) -> list[tuple[str, int]]:
        """List the batches, so that all cells grow alike."""
        return [
            (cell, batch)
            for batch in range(sets // self.size)
            for cell in self.cells
            if self.nulls is None or cell in self.nulls or batch < SIGNALS // self.size
        ]

    def run(self, arguments: argparse.Namespace) -> None:
        """Compute what is missing, and print."""
        wanted = self.wanted(arguments.sets or self.sets)
        rows = run_missing(arguments.out / f"{self.file}.csv", wanted, self.batch)
        for summary in self.summaries:
            show(summary(rows))


STUDIES = {
    "fixed": Study(
        "what a fixed rule is worth",
        "fixed_rules",
        fixed_rules.batch,
        fixed_rules.BATCH,
        fixed_rules.CELLS,
        2000,
    ),
    "differences": Study(
        "differences of fixed rules, and treating by one",
        "differences",
        differences.batch,
        differences.BATCH,
        fixed_rules.CELLS,
        2000,
    ),
    "sites": Study(
        "the mean over sites and the AUC of a further site",
        "sites",
        sites.batch,
        sites.BATCH,
        sites.CELLS,
        2000,
    ),
    "smooth": Study("the smooth calibration errors", "smooth", smooth.batch, smooth.BATCH, smooth.NAMES, 500),
    "increment": Study(
        "how often a block is shown to add",
        "increments",
        increments.batch,
        increments.BATCH,
        increments.LAWS,
        500,
        (increments.summary,),
        increments.NULLS,
    ),
    "several": Study(
        "how often any of three blocks of noise is shown",
        "several",
        several.batch,
        several.BATCH,
        several.LAWS,
        500,
        (several.summary,),
        several.NULLS,
    ),
    "updates": Study(
        "how often the closed test of `predictor evaluate` changes a model",
        "updates",
        updates.batch,
        updates.BATCH,
        updates.CELLS,
        1000,
        (updates.summary,),
    ),
    "pipeline": Study(
        "a whole procedure, by nested cross-validation and by the optimism bootstrap",
        "pipeline",
        pipeline.batch,
        pipeline.BATCH,
        pipeline.LAWS,
        200,
        (pipeline.coverage, pipeline.bias),
    ),
    "ranges": Study(
        "the range of refits against true probabilities",
        "ranges",
        ranges.batch,
        ranges.BATCH,
        pipeline.LAWS,
        200,
        (ranges.summary,),
    ),
}


def report(arguments: argparse.Namespace) -> None:
    """Print the README's tables from what there is, write the own results' into it, and compute nothing."""
    found = dict(sections(arguments.out))
    for name, table in found.items():
        print(f"\n{name}\n\n{table}")
    if arguments.out == HERE / "results":
        fill(HERE / "README.md", found)


def main(argv: Sequence[str] | None = None) -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    about = "; ".join(f"{name}: {one.about}" for name, one in STUDIES.items())
    parser.add_argument("command", choices=[*STUDIES, "report"], help=about)
    parser.add_argument(
        "--sets", type=int, help="data sets of each cell; the command's own number without it"
    )
    parser.add_argument("--out", type=Path, default=HERE / "results")
    arguments = parser.parse_args(argv)
    if arguments.command == "report":
        report(arguments)
    else:
        STUDIES[arguments.command].run(arguments)


if __name__ == "__main__":
    main()
