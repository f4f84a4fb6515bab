"""The tables of the README, from the results: coverage in per cent, bold where it is outside 93 to 97."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import increments
import numpy as np
import pandas as pd
import pipeline
import ranges
from counting import GOOD, coverage

COUNTED = ("fixed_rules", "differences", "sites", "smooth")


def sections(results: Path) -> Iterator[tuple[str, str]]:
    """Give the name and the Markdown of each table that can be made."""
    for name in COUNTED:
        if (results / f"{name}.csv").exists():
            yield name, markdown(wide(coverage(pd.read_csv(results / f"{name}.csv"))))
    made = {
        "increments": (increments.summary, {}),
        "pipeline": (pipeline.coverage, {}),
        "optimism": (pipeline.bias, {"metric": ("auc", "calibration_slope", "brier")}),
        "ranges": (ranges.summary, {}),
    }
    for name, (summarise, only) in made.items():
        path = results / f"{'pipeline' if name == 'optimism' else name}.csv"
        if path.exists():
            table = summarise(pd.read_csv(path))
            for column, kept in only.items():
                table = table[table[column].isin(kept)]
            yield name, markdown(table)


def wide(table: pd.DataFrame) -> pd.DataFrame:
    """Put the cells beside each other, one row per interval."""
    shown = table.assign(text=[_percent(share) for share in table["coverage"]])
    keys = ["estimand", "interval"]
    found = shown.pivot_table(index=keys, columns="cell", values="text", aggfunc="first", sort=False)
    return found.reset_index().fillna("")


def _percent(share: float) -> str:
    text = f"{100 * share:.1f}"
    return text if GOOD[0] <= share <= GOOD[1] else f"**{text}**"


def markdown(table: pd.DataFrame) -> str:
    """Write a table as Markdown, numbers with as many digits as they bear."""
    lines = [list(map(str, table.columns)), ["---"] * len(table.columns)]
    lines += [[_text(value) for value in row] for row in table.itertuples(index=False)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _text(value: object) -> str:
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    return f"{value:.3f}" if isinstance(value, float) else str(value)
