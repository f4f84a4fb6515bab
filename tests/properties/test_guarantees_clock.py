"""Guarantee 1 by the clock: permuting what became known after day 0 changes nothing in the baseline table."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from clinic import COLUMNS, Clinic, small_clinic

SOME = settings(max_examples=15, phases=(Phase.explicit, Phase.reuse, Phase.generate))
SEEDS = st.integers(0, 2**32 - 1)
DATE = {"type": "date"}
N = 30
NAMES = ("patients", "scores", "labs")


def frame_as_text(frame: pd.DataFrame) -> str:
    rows = [
        " ".join(str(cell) if str(cell) else "-" for cell in row) for row in frame.itertuples(index=False)
    ]
    return "\n".join([" ".join(frame.columns), *rows])


def day(offsets: np.ndarray, started: pd.Series) -> list[str]:
    when = pd.to_datetime(started.to_numpy()) + pd.to_timedelta(offsets, unit="D")
    return list(when.strftime("%Y-%m-%d"))


def recorded_clinic() -> dict[str, pd.DataFrame]:
    """Answers, scores and blood of 30 patients with the day each row was recorded, before and after day 0."""
    rng = np.random.default_rng(11)
    patients = [f"p{i:02d}" for i in range(N)]
    started = pd.Series([f"2024-{1 + i % 9:02d}-{10 + i % 15}" for i in range(N)], index=patients)
    versions = pd.Series(patients * 3)
    answers = pd.DataFrame(
        {
            "patient": versions,
            "age": rng.integers(20, 70, 3 * N),
            "smoker": rng.integers(0, 2, 3 * N),
            "entered": day(
                np.r_[rng.integers(-90, 0, N), rng.integers(-30, 60, 2 * N)], versions.map(started)
            ),
        }
    ).drop_duplicates(["patient", "entered"])
    seen = pd.Series(rng.choice(patients, 8 * N))
    on = rng.integers(-35, 60, 8 * N)
    scores = pd.DataFrame(
        {
            "patient": seen,
            "on": day(on, seen.map(started)),
            "scale": rng.choice(["MADRS", "GAD7"], 8 * N),
            "score": rng.integers(1, 21, 8 * N),
            "entered": day(on + rng.integers(0, 40, 8 * N), seen.map(started)),
        }
    ).drop_duplicates()
    drawn = rng.integers(-28, 20, 6 * N)
    bled = pd.Series(rng.choice(patients, 6 * N))
    labs = pd.DataFrame(
        {
            "patient": bled,
            "drawn": day(drawn, bled.map(started)),
            "reported": day(drawn + rng.integers(0, 30, 6 * N), bled.map(started)),
            "crp": [f"{value:.1f}" for value in rng.uniform(0.5, 90, 6 * N)],
        }
    ).drop_duplicates()
    courses = pd.DataFrame({"patient": patients, "started": started.to_numpy()})
    return {"patients": answers, "courses": courses, "scores": scores, "labs": labs}


@cache
def world() -> tuple[TemporaryDirectory[str], Clinic, dict[str, pd.DataFrame]]:
    folder, tables = TemporaryDirectory(prefix="clock-"), recorded_clinic()
    labs = {"columns": {"crp": COLUMNS["crp"], "drawn": DATE, "reported": DATE}, "recorded": "reported"}
    clinic = small_clinic(
        Path(folder.name),
        columns={"entered": DATE},
        declare={
            "patients": {"recorded": "entered", "known": "baseline"},
            "scores": {"recorded": "entered"},
            "labs": labs,
        },
        features=[
            "patients.age",
            "patients.smoker",
            "scores.madrs",
            {"column": "scores.gad7", "take": "mean"},
            *({"column": "labs.crp", "take": take} for take in ("last", "first", "max")),
        ],
        **{name: frame_as_text(frame.astype(str)) for name, frame in tables.items()},
    )
    return folder, clinic, tables


RECORDED = {"patients": "entered", "scores": "entered", "labs": "reported"}
VALUES = {"patients": ["age", "smoker"], "scores": ["score"], "labs": ["crp"]}


def became_known_later(name: str, tables: dict[str, pd.DataFrame]) -> np.ndarray:
    started = tables["courses"].set_index("patient")["started"]
    return (tables[name][RECORDED[name]] > tables[name]["patient"].map(started)).to_numpy(bool)


def permuted(tables: dict[str, pd.DataFrame], seed: int) -> dict[str, pd.DataFrame]:
    """Exchange the values of all rows recorded after day 0, put off some, drop some, and add corrections."""
    rng = np.random.default_rng(seed)
    changed = dict(tables)
    for name in NAMES:
        frame, late = tables[name].copy(), np.flatnonzero(became_known_later(name, tables))
        columns = [frame.columns.get_loc(value) for value in VALUES[name]]
        frame.iloc[late, columns] = frame.iloc[rng.permutation(late), columns].to_numpy()
        off = pd.to_datetime(frame.iloc[late][RECORDED[name]]) + pd.to_timedelta(
            rng.integers(0, 400, len(late)), unit="D"
        )
        frame.iloc[late, frame.columns.get_loc(RECORDED[name])] = off.dt.strftime("%Y-%m-%d").to_numpy()
        keep = np.ones(len(frame), bool)
        keep[late] = rng.random(len(late)) < 0.7
        source = frame.iloc[rng.integers(0, len(frame), 10)]
        corrections = source.assign(**{RECORDED[name]: "2026-06-01"})
        shuffled = frame.iloc[rng.integers(0, len(frame), 10)]
        corrections = corrections.assign(**{value: shuffled[value].to_numpy() for value in VALUES[name]})
        keys = ["patient", RECORDED[name]] if name == "patients" else list(frame.columns)
        changed[name] = pd.concat([frame.loc[keep], corrections]).drop_duplicates(keys)
    return changed


def baseline_table(clinic: Clinic, tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    for name, frame in tables.items():
        clinic.write_table(name, frame)
    return clinic.extraction("features.max_missing=1").dataset.X


@SOME
@given(seed=SEEDS)
def test_guarantee_1_what_became_known_after_day_0_changes_no_baseline_value(seed: int) -> None:
    _, clinic, tables = world()
    before = baseline_table(clinic, tables)
    after = baseline_table(clinic, permuted(tables, seed))
    pd.testing.assert_frame_equal(before, after)
    assert before.notna().mean().min() > 0.3  # there is something that could have changed


def test_guarantee_1_by_the_clock_can_fail_without_the_dates_of_the_reports() -> None:
    _, clinic, tables = world()
    dictionary = clinic.folder / "dictionary.yaml"
    text = dictionary.read_text(encoding="utf-8")
    assert text.count('recorded: "reported"') == 1
    dictionary.write_text(text.replace('recorded: "reported"', "duplicates: drop_exact"), encoding="utf-8")
    try:
        before = baseline_table(clinic, tables)
        after = baseline_table(clinic, {**tables, "labs": permuted(tables, 1)["labs"]})
    finally:
        dictionary.write_text(text, encoding="utf-8")
    assert not before.filter(like="crp").equals(after.filter(like="crp"))


@pytest.mark.parametrize("name", NAMES)
def test_guarantee_1_by_the_clock_does_not_hold_for_what_was_known(name: str) -> None:
    _, clinic, tables = world()
    frame, known = tables[name].copy(), np.flatnonzero(~became_known_later(name, tables))
    columns = [frame.columns.get_loc(value) for value in VALUES[name]]
    frame.iloc[known, columns] = frame.iloc[np.roll(known, 1), columns].to_numpy()
    before, after = baseline_table(clinic, tables), baseline_table(clinic, {**tables, name: frame})
    assert not before.equals(after)
