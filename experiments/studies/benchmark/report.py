"""The README's tables, from the tables in results/: nobody copies a figure by hand."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd
from accuracy import calibration_summary, paired_differences
from goals import goals_table
from training import training_ratios

__all__ = ["fill", "markdown", "sections"]


def markdown(table: pd.DataFrame, digits: Mapping[str, int] | None = None) -> str:
    """Return a Markdown table; numbers get three decimals unless ``digits`` says otherwise."""
    digits = digits or {}
    lines = ["| " + " | ".join(table.columns) + " |", "|" + "---|" * len(table.columns)]
    for row in table.to_dict("records"):
        cells = [_cell(value, digits.get(str(name), 3)) for name, value in row.items()]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(value: object, digits: int) -> str:
    if isinstance(value, float):
        return "–" if value != value else f"{value:.{digits}f}"
    return str(value)


def sections(results: Path) -> dict[str, str]:
    """Return the text of every section for which there are results."""
    found = {"goals": goals_table(results)}
    for name, (needed, write) in SECTIONS.items():
        paths = [results / f"{table}.csv" for table in needed]
        if all(path.exists() for path in paths):
            found[name] = write(*(pd.read_csv(path) for path in paths))
    return found


def fill(path: Path, found: Mapping[str, str]) -> None:
    """Replace what stands between ``<!-- name -->`` and ``<!-- /name -->``."""
    text = path.read_text(encoding="utf-8")
    for name, section in found.items():
        block = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", flags=re.DOTALL)
        text = block.sub(lambda match, own=section: f"{match[1]}{own}\n{match[2]}", text)
    path.write_text(text, encoding="utf-8")


def _runs(runs: pd.DataFrame) -> str:
    shown = runs.sort_values(["dataset", "replicate", "side"])[
        [
            *("dataset", "replicate", "side", "cpu_seconds", "import_cpu_seconds", "peak_mb", "internal_auc"),
            *("auc", "brier", "log_loss", "slope", "citl"),
        ]
    ]
    digits = {"cpu_seconds": 1, "import_cpu_seconds": 1, "peak_mb": 0, "brier": 4, "log_loss": 4}
    return markdown(shown, digits)


def _ratios(runs: pd.DataFrame) -> str:
    table = training_ratios(runs)
    sides = ("ours", "reference")
    digits = dict.fromkeys((f"{metric}_{side}" for metric in ("brier", "log_loss") for side in sides), 4)
    return markdown(table, digits | dict.fromkeys((f"cpu_seconds_{side}" for side in sides), 1))


def _pairs(ours: pd.DataFrame, peers: pd.DataFrame) -> str:
    four = dict.fromkeys(("peer_mean", "ours_mean", "difference", "low", "high"), 4)
    return markdown(paired_differences(ours, peers), four)


def _peers(peers: pd.DataFrame) -> str:
    measures = ["auc", "brier", "log_loss", "slope", "citl", "cpu_seconds"]
    by = peers.groupby(["dataset", "peer", "version", "budget"])
    table = by[measures].mean().join(by.size().rename("replicates")).reset_index()
    return markdown(table, {"brier": 4, "log_loss": 4, "cpu_seconds": 0})


def _ours(ours: pd.DataFrame) -> str:
    measures = ["auc", "brier", "log_loss", "slope", "citl", "cpu_seconds"]
    by = ours.groupby("dataset")
    table = by[measures].mean().join(by.size().rename("replicates")).reset_index()
    return markdown(table, {"brier": 4, "log_loss": 4, "cpu_seconds": 1})


SECTIONS: dict[str, tuple[tuple[str, ...], Callable[..., str]]] = {
    "training": (("training",), _ratios),
    "runs": (("training",), _runs),
    "accuracy": (("ours", "peers"), _pairs),
    "peers": (("peers",), _peers),
    "ours": (("ours",), _ours),
    "calibration": (("ours",), lambda ours: markdown(calibration_summary(ours))),
}
