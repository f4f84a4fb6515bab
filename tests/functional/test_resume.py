"""A config that changes between a kill and the resumed training: row CFG-16, as whoever types the commands sees it."""

from __future__ import annotations

from pathlib import Path

import pytest

from clinic import Clinic
from faults import journal, sha, smallest_clinic, stop_after, train_here, units_of
from predictor.stopping import Stopped
from trained_clinics import command_line


@pytest.fixture
def clinic(tmp_path: Path) -> Clinic:
    return smallest_clinic(tmp_path / "clinic")


def stopped_run(clinic: Clinic, runs: Path) -> Path:
    stop, progress = stop_after("nested cross-validation", 3)
    with pytest.raises(Stopped):
        train_here(clinic, runs=runs, stop=stop, progress=progress)
    (run,) = runs.glob("*.partial")
    return run


def everything_in(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): sha(path) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("old", "new"),
    [("n_repeats: 2", "n_repeats: 3"), ("seed: 5", "seed: 6"), ("refits: 20", "refits: 25")],
    ids=["validation", "seed", "refits"],
)
def test_cfg_16_a_config_changed_between_kill_and_resume_is_refused_with_both_hashes(
    clinic: Clinic, tmp_path: Path, old: str, new: str
) -> None:
    run = stopped_run(clinic, tmp_path / "runs")
    before, began = everything_in(run), journal(run)[0]["hashes"]["config"]
    text = clinic.config.read_text(encoding="utf-8")
    assert text.count(old) == 1
    clinic.config.write_text(text.replace(old, new), encoding="utf-8")
    changed = sha(clinic.config)
    answer = command_line(
        "train", clinic.config, "--runs-folder", tmp_path / "runs", "--resume", run.name[:10]
    )
    assert answer.code == 6
    now = clinic.load().config_hash
    assert now != began
    (line,) = answer.errors
    assert line.startswith(f"{run}: TRN-18 the config changed since the run was begun")
    assert f"its hash was {began[:12]} and is {now[:12]}" in line
    assert everything_in(run) == before
    assert sha(clinic.config) == changed


def test_cfg_16_what_changes_only_the_look_of_the_config_does_not_count(
    clinic: Clinic, tmp_path: Path
) -> None:
    run = stopped_run(clinic, tmp_path / "runs")
    kept = len(units_of(run))
    text = clinic.config.read_text(encoding="utf-8")
    clinic.config.write_text(f"# Looked at again.\n\n{text}\n", encoding="utf-8")
    training = train_here(clinic, runs=tmp_path / "runs", resume=run.name[:10])
    assert f"goes on: {kept} finished units of work are there" in training.notices[0]
    assert training.folder.name == run.name.removesuffix(".partial")
