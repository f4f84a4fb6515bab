"""Plant each defect by itself in a SIMULATED export; see what `predictor check` says of it and of the clean twin."""

from __future__ import annotations

import argparse
import contextlib
import csv
import io
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from defects import DEFECTS, Defect, Place
from export import Export, write_export

from predictor.cli import main as predictor

HERE = Path(__file__).parent
COLUMNS = ("seed", "defect", "kind", "fault", "planted", "code", "found", "line")
CODE = re.compile(r"\b[A-Z]{3}-\d{2}\b|\bP0\d\d\b")
# What `check` says of every export: what it left out because nobody declared it, and that these patients are invented.
HARMLESS = re.compile(
    r"columns are not declared in this table|rows are not of this table by|^- overridden"
    r"|'provenance' has the same value"
)


@dataclass(frozen=True)
class Answer:
    """What `predictor check` and `predictor describe` say."""

    code: int
    lines: tuple[str, ...]

    @property
    def alarms(self) -> tuple[str, ...]:
        """Lines that question the export: errors, findings, and notices that are not said of every export."""
        return tuple(line for line in self.lines if not HARMLESS.search(line))


def ask(export: Export, *commands: str) -> Answer:
    """Run a command on an export, as a user would, and keep its errors, findings and notices."""
    out, err = io.StringIO(), io.StringIO()
    argv, sys.argv = sys.argv, ["predictor", *commands]
    try:
        with (
            contextlib.chdir(export.folder),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            predictor()
    except SystemExit as end:
        said = [
            line for line in out.getvalue().splitlines() if line.startswith("- ") or CODE.search(line[:80])
        ]
        errors = [line for line in err.getvalue().splitlines() if not line.startswith("Explained in ")]
        return Answer(int(end.code or 0), (*errors, *said))
    finally:
        sys.argv = argv
    raise AssertionError("the command line did not end")


def names(line: str, place: Place) -> bool:
    """Whether a line names the file, the column, and where there is one the row."""
    text = line.removeprefix("- ")
    column = rf"(?<![A-Za-z0-9_]){re.escape(place.column)}(?![A-Za-z0-9_])"
    if place.file not in text or (place.column and not re.search(column, text)):
        return False
    numbers = {int(number) for number in re.findall(r"(?<![\d.\w])\d+(?![\d.]*\w)", text)}
    return not place.rows or bool(numbers & set(place.rows))


def planted(defect: Defect, folder: Path, *, seed: int, clean: Export) -> tuple[Export, Place]:
    """Copy the clean export and plant one defect in it."""
    export = Export(Path(shutil.copytree(clean.folder, folder)))
    return export, defect.plant(export, np.random.default_rng([seed, DEFECTS.index(defect)]))


def examine(defect: Defect, folder: Path, twin: Answer, *, seed: int, clean: Export) -> dict[str, object]:
    """Plant a defect and say by which line it is found."""
    export, place = planted(defect, folder, seed=seed, clean=clean)
    answer = ask(export, "check", "config.yaml")
    own = [line for line in answer.alarms if line not in twin.lines and names(line, place)]
    code = next((found[0] for line in own if (found := CODE.search(line))), "notice" if own else "")
    row = f" row {place.rows[0]}" if place.rows else ""
    shown = own[0] if own else ""
    return {
        "seed": seed,
        "defect": defect.name,
        "kind": defect.kind,
        "fault": defect.fault,
        "planted": f"{place.file}{row} {place.column}".strip(),
        "code": code,
        "found": int(bool(own)),
        "line": shown,
    }


def run(seed: int, folder: Path) -> Iterator[dict[str, object]]:
    """Yield a line for the clean twin and for every defect."""
    clean = write_export(folder / "twin", seed=seed)
    twin = ask(clean, "check", "config.yaml")
    false = [*twin.alarms, *ask(clean, "describe", "config.yaml", "--out", "quality").alarms]
    shutil.rmtree(clean.path("quality"))
    yield {
        "seed": seed,
        "defect": "none: the clean twin",
        "found": len(false) + (twin.code != 0),
        "line": "; ".join(false),
    }
    for number, defect in enumerate(DEFECTS):
        yield examine(defect, folder / f"{number:02d}", twin, seed=seed, clean=clean)


def table(results: Path) -> str:
    """Return the table of the README: each defect, in how many of the exports it was found, and by which code."""
    with results.open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    by_defect: dict[str, list[dict[str, str]]] = {}
    for line in lines:
        by_defect.setdefault(line["defect"], []).append(line)
    rows = ["| kind | defect | row | planted in | found by | found |", "|---|---|---|---|---|---|"]
    for name, own in by_defect.items():
        first = own[0]
        codes = ", ".join(dict.fromkeys(line["code"] for line in own if line["code"]))
        place = re.sub(r" row \d+", "", first["planted"])
        found = sum(int(line["found"]) > 0 for line in own)
        counted = f"{found} of {len(own)}" if first["kind"] else f"{found} false alarms"
        rows.append(f"| {first['kind']} | {name} | {first['fault']} | {place} | {codes} | {counted} |")
    return "\n".join(rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write results.csv, and print the table of the README."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 3])
    parser.add_argument("--out", type=Path, default=HERE / "results.csv")
    given = parser.parse_args(arguments)
    began = time.process_time()
    with given.out.open("w", encoding="utf-8", newline="") as file, tempfile.TemporaryDirectory() as folder:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n", restval="")
        writer.writeheader()
        for seed in given.seeds:
            for line in run(seed, Path(folder) / str(seed)):
                writer.writerow(line)
                print(f"{line['found']} {line['defect']}: {line.get('code', '')} {line['line']}")
    print(table(given.out))
    print(f"{time.process_time() - began:.0f} s of CPU")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
