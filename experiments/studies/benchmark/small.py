"""A comparison small enough for every change: one replicate of A, two outer and two inner folds on both sides."""

from __future__ import annotations

import json
from pathlib import Path

from training import train_once

__all__ = ["MOST_DRIFT", "compare", "verdict"]

FOLDS = {"outer": 2, "inner": 2}
MOST_DRIFT = 1.25
TRIES = 3


def compare() -> dict[str, float]:
    """Train both sides once and return seconds and ratio."""
    seconds = {
        side: float(str(train_once(side, "A", 0, **FOLDS)["cpu_seconds"])) for side in ("ours", "reference")
    }
    return {
        "ours_cpu_seconds": round(seconds["ours"], 2),
        "reference_cpu_seconds": round(seconds["reference"], 2),
        "ratio": round(seconds["ours"] / seconds["reference"], 4),
    }


def verdict(found: dict[str, float], stored: dict[str, float]) -> tuple[bool, str]:
    """Say whether the ratio is still within a quarter of the stored one."""
    most = MOST_DRIFT * stored["ratio"]
    good = found["ratio"] <= most
    text = (
        f"ours {found['ours_cpu_seconds']:.1f} s, reference {found['reference_cpu_seconds']:.1f} s of CPU: "
        f"{found['ratio']:.4f}×, stored {stored['ratio']:.4f}×, at most {most:.4f}×"
    )
    return (
        good,
        text if good else f"{text}. Training became slower; if that is meant, record it with --record.",
    )


def run(path: Path, *, record: bool) -> bool:
    """Compare with the stored ratio, or store a new one.

    Another process can slow one side of a comparison; a training that became slower is slower in every one. So the
    first comparison within bounds passes, and only `TRIES` beyond them fail.
    """
    found = compare()
    if record or not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
        print(f"Recorded: {found}")
        return True
    stored = json.loads(path.read_text(encoding="utf-8"))
    for rest in reversed(range(TRIES)):
        good, text = verdict(found, stored)
        print(text, flush=True)
        if good or rest == 0:
            return good
        found = compare()
    return False
