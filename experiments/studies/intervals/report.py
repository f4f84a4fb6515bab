"""The tables of the README, from the results: coverage in per cent, bold where it is outside 93 to 97."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import increments
import numpy as np
import pandas as pd
import pipeline
import ranges
import several
import updates
from counting import GOOD, coverage

COUNTED = ("fixed_rules", "differences", "sites", "smooth")


def sections(results: Path) -> Iterator[tuple[str, str]]:
    """Give the name and the Markdown of each table that can be made."""
    for name in COUNTED:
        if (results / f"{name}.csv").exists():
            yield name, markdown(wide(coverage(pd.read_csv(results / f"{name}.csv"))))
    made = {
        "increments": (increments.summary, {}),
        "several": (several.summary, {}),
        "updates": (updates.summary, {}),
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


def fill(path: Path, found: Mapping[str, str]) -> None:
    """Replace what stands between ``<!-- name -->`` and ``<!-- /name -->`` in a page."""
    text = path.read_text(encoding="utf-8")
    for name, table in found.items():
        start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        text = re.sub(
            f"{start}.*?{end}", lambda _, own=f"{start}\n{table}\n{end}": own, text, flags=re.DOTALL
        )
    path.write_text(text, encoding="utf-8")


def wide(table: pd.DataFrame) -> pd.DataFrame:
    """Put the cells beside each other, one row per interval."""
    shown = table.assign(text=[_percent(share) for share in table["coverage"]])
    keys = ["estimand", "interval"]
    found = shown.pivot_table(index=keys, columns="cell", values="text", aggfunc="first", sort=False)
    found.columns = [_short(name) for name in found.columns]
    return found.reset_index().fillna("")


def _short(cell: str) -> str:
    return (
        cell.replace(" patients", "")
        .replace(" clusters of ", " × ")
        .replace(", rate 0.40", "")
        .replace("rate 0.15", "15 %")
    )


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
