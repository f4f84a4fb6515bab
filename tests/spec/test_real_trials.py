"""The three published trials: who is in, who is evaluable, who responds, counted here a second time from the files."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from predictor.cohort.outcomes import define_outcome, sensitivity
from predictor.config.loading import load_config
from predictor.study import Study, prepare_study

ROOT = Path(__file__).parents[2]


@cache
def study(name: str) -> Study:
    return prepare_study(load_config(ROOT / "configs" / f"{name}.yaml"))


def rows_of(path: str, delimiter: str = ",") -> list[dict[str, str]]:
    with (ROOT / "data" / path).open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file, delimiter=delimiter))


def number(cell: str) -> float | None:
    return float(cell) if cell.strip() not in {"", "n/a", "."} else None


def attrition(name: str) -> list[tuple[object, ...]]:
    """Step, patients, units, excluded, unknown."""
    return list(study(name).cohort.attrition.itertuples(index=False, name=None))


def reasons(name: str) -> dict[str, int]:
    counted = study(name).primary.missing_reasons()
    return dict(zip(counted["reason"], counted["n"], strict=True))


def responders(name: str) -> set[str]:
    one = study(name)
    return set(one.cohort.timeline.units["patient"][one.primary.label == 1])


def recount(pairs: dict[str, tuple[float | None, float | None]], reduction: float) -> tuple[int, set[str]]:
    """Evaluable patients and responders of baseline and follow-up scores."""
    both = {
        key: (before, after)
        for key, (before, after) in pairs.items()
        if before is not None and after is not None and before > 0
    }
    fell = {key for key, (before, after) in both.items() if (before - after) / before >= reduction - 1e-9}
    return len(both), fell


def test_nimh_every_row_of_the_attrition() -> None:
    assert attrition("ketamine_nimh") == [
        ("In the export", 58, 58, 0, 0),
        ("Major depressive or bipolar disorder", 36, 36, 22, 0),
        # Three have no infusion on record, two had saline first and nothing is recorded of the second infusion.
        ("Ketamine infusion recorded", 31, 31, 5, 5),
    ]
    assert reasons("ketamine_nimh") == {"observed": 29, "no score in the assessment window": 2}


def nimh_scores() -> dict[str, dict[str, float | None]]:
    """MADRS by person and session, of the patients who had ketamine."""
    people = {row["participant_id"]: row for row in rows_of("nimh_ketamine/participants.tsv", "\t")}
    treated = {
        key
        for key, row in people.items()
        if row["group"] in {"MDD", "BP"} and "d" in (row["infusion_1"], row["infusion_2"])
    }
    scores: dict[str, dict[str, float | None]] = {}
    for row in rows_of("nimh_ketamine/phenotype.tsv", "\t"):
        if row["participant_id"] in treated:
            own = scores.setdefault(
                row["participant_id"], {"first": people[row["participant_id"]]["infusion_1"]}
            )  # type: ignore[dict-item]
            own[row["session_id"]] = number(row["MADRS_Total"])
    return scores


def test_nimh_six_respond_and_the_same_six_by_their_first_baseline_score() -> None:
    scores = nimh_scores()
    assert len(scores) == 31
    last, first = {}, {}
    for key, own in scores.items():
        order = ["ses-b0", "ses-p2", "ses-p10"] if own["first"] == "p" else ["ses-b0"]
        known = [own[session] for session in order if own.get(session) is not None]
        last[key], first[key] = (known[-1], own.get("ses-d2")), (known[0], own.get("ses-d2"))
    evaluable, six = recount(last, 0.5)
    assert (evaluable, len(six)) == (29, 6)
    assert responders("ketamine_nimh") == six
    assert recount(first, 0.5) == (29, six)

    one = study("ketamine_nimh")
    config = one.loaded.config
    by_first = define_outcome(
        one.cohort.timeline,
        "response",
        config.outcomes["response"],
        baseline=config.cohort.baseline,
        take="first",
    )
    assert set(one.cohort.timeline.units["patient"][by_first.label == 1]) == six
    table = sensitivity(
        one.cohort.timeline, "response", config.outcomes["response"], baseline=config.cohort.baseline
    )
    assert table[["n", "events", "declared"]].to_numpy().tolist() == [
        [29, 6, True],
        [31, 6, False],
        [29, 6, False],
    ]


def test_nimh_thirteen_evaluable_had_saline_first_and_a_later_baseline() -> None:
    one = study("ketamine_nimh")
    first = one.cohort.timeline.attributes["patients.first_infusion"].to_numpy(object)
    assert int((first[one.primary.evaluable] == "saline").sum()) == 13
    scores = nimh_scores()
    for patient, baseline in zip(one.cohort.timeline.units["patient"], one.primary.baseline, strict=True):
        own = scores[patient]
        expected = own["ses-b0"]
        if own["first"] == "p":
            expected = next(v for v in (own.get("ses-p10"), own.get("ses-p2"), expected) if v is not None)
        assert baseline == expected


def test_thinking_healthy_every_row_of_the_attrition() -> None:
    assert attrition("thinking_healthy") == [("In the export", 903, 903, 0, 0)]
    assert reasons("thinking_healthy") == {"observed": 818, "no score in the assessment window": 85}


def test_thinking_healthy_505_of_818_respond_in_40_clusters() -> None:
    rows = rows_of("thinking_healthy/thinking_healthy.csv")
    pairs = {row["row_id"]: (number(row["hamd_baseline"]), number(row["hamd_6m"])) for row in rows}
    evaluable, fell = recount(pairs, 0.5)
    assert (evaluable, len(fell)) == (818, 505)
    assert responders("thinking_healthy") == fell
    groups = study("thinking_healthy").cohort.groups
    assert len(np.unique(groups)) == len({row["uc"] for row in rows}) == 40


def test_opt_every_row_of_the_attrition() -> None:
    assert attrition("opt_periodontal") == [("In the export", 823, 823, 0, 0)]
    assert reasons("opt_periodontal") == {"observed": 659, "no score in the assessment window": 164}


def test_opt_221_of_659_respond() -> None:
    rows = rows_of("opt_periodontal/opt.csv")
    pairs = {row["PID"]: (number(row["BL..BOP"]), number(row["V5..BOP"])) for row in rows}
    evaluable, fell = recount(pairs, 0.3)
    assert (evaluable, len(fell)) == (659, 221)
    assert responders("opt_periodontal") == fell


@pytest.mark.parametrize("name", ["ketamine_nimh", "thinking_healthy", "opt_periodontal"])
def test_nothing_is_left_out_unsaid(name: str) -> None:
    one = study(name)
    steps = one.cohort.attrition
    assert steps["units"].iloc[0] - steps["excluded"].sum() == steps["units"].iloc[-1] == len(one.dataset.X)
    assert sum(reasons(name).values()) == len(one.dataset.X)
    assert reasons(name)["observed"] == int(one.primary.evaluable.sum())
