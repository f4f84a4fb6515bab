"""`predictor simulate`: an export that says SIMULATED everywhere, the same for the same seed."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from trained_clinics import command_line

PROJECT = Path(__file__).resolve().parents[2]
FILES = [
    "README.txt",
    "assessments.csv",
    "biomarkers.csv",
    "followup.csv",
    "patients.csv",
    "side_effects.csv",
    "treatments.csv",
    "truth.csv",
]


def written(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_writes_the_export_and_the_truth_apart(tmp_path: Path) -> None:
    answer = command_line("simulate", "--patients", "40", "--seed", "3", "--out", "made", cwd=tmp_path)
    assert (answer.code, answer.err) == (0, "")
    assert answer.out == "SIMULATED export of 40 patients in made; the truth is in made/truth.csv\n"
    files = written(tmp_path / "made")
    assert sorted(files) == FILES
    for name in FILES:
        if name.endswith(".csv"):
            rows = list(csv.DictReader(files[name].decode().splitlines()))
            assert rows, name
            assert {row["provenance"] for row in rows} == {"SIMULATED"}, name


def test_the_seed_decides_everything(tmp_path: Path) -> None:
    for folder, seed in (("a", "3"), ("b", "3"), ("c", "4")):
        record = command_line(
            "simulate", "--patients", "30", "--seed", seed, "--out", tmp_path / folder, "--json"
        ).record
        assert record["simulated"] is True
        assert (record["patients"], record["seed"]) == (30, int(seed))
    assert written(tmp_path / "a") == written(tmp_path / "b") != written(tmp_path / "c")


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_cfg_10_never_writes_over_anything(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "mine"
    if kind == "folder":
        target.mkdir()
        (target / "patients.csv").write_text("id\n1\n")
    else:
        target.write_text("notes")
    answer = command_line("simulate", "--out", "mine", cwd=tmp_path)
    assert answer.code == 2
    assert answer.errors == ["--out: CFG-10 mine exists and is not an empty folder. Choose a new folder."]
    assert (target / "patients.csv" if kind == "folder" else target).read_text() in {"id\n1\n", "notes"}


def test_the_example_config_can_be_checked_on_it(tmp_path: Path) -> None:
    command_line("simulate", "--patients", "700", "--seed", "7", "--out", tmp_path / "made")
    answer = command_line(
        "check", PROJECT / "configs" / "ketamine_simulated.yaml", "--data-folder", tmp_path / "made", "--json"
    )
    assert answer.code == 0, answer.err
    outcomes = {one["outcome"]: one for one in answer.record["outcomes"]}
    assert outcomes["response"]["evaluable"] > 50
    assert answer.record["attrition"][0]["patients"] == 700
