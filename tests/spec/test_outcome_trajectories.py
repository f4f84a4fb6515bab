"""Sixty trajectories of MADRS and what each outcome makes of them, worked by hand in ``trajectories.csv``.

The columns ``d0`` to ``d84`` are scores by day, ``rescue``, ``stop`` and ``admission`` the days of events; then come
the expected outcomes, empty where they cannot be told, and why. Response, remission and change are assessed on day 28;
the response is sustained if day 35 shows it too. With ``composite`` rescue and stop are no response; with
``hypothetical`` rescue leaves the outcome open and a stop changes nothing; with ``on_treatment`` the last score up to
the stop counts. A relapse is MADRS 22 or more at two assessments in a row, 5 to 15 days apart, dated by the second, or
an admission; time runs from day 28 to day 84 at most, and ``within`` asks for 42 days.
"""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import TypeAdapter

from predictor.cohort.definitions import outcome_text
from predictor.cohort.outcomes import Outcome, define_outcomes, sensitivity
from predictor.cohort.selection import select_cohort
from predictor.config.loading import load_config
from predictor.config.schema import AnyOutcome
from predictor.config.yaml_writer import write_yaml
from predictor.data.conform import read_tables
from predictor.errors import ConfigError

TABLE = pd.read_csv(Path(__file__).with_name("trajectories.csv"))
DAYS = [0, 7, 14, 21, 28, 35, 42, 56, 70, 84]
EVENTS = ["rescue", "stop", "admission"]
START = date(2024, 1, 1)
MAIN = {"measure": "madrs", "assessed": {"first_day": 25, "last_day": 31, "target_day": 28}}
RESPONSE = {"kind": "response", **MAIN}


def event(name: str, **strategy: str) -> dict[str, Any]:
    return {"column": "events.event", "in": [name], **strategy}


def when(rescue: str, stop: str) -> dict[str, Any]:
    return {"rescue": event("rescue", strategy=rescue), "early_stop": event("stop", strategy=stop)}


OUTCOMES: dict[str, dict[str, Any]] = {
    "response": RESPONSE,
    "remission": {"kind": "remission", "at_most": 10, **MAIN},
    "sustained": {**RESPONSE, "confirmed": {"first_day": 32, "last_day": 38}},
    "change": {"kind": "change", **MAIN},
    "dropout": {"kind": "dropout", **MAIN},
    "composite": {**RESPONSE, "intercurrent": when("composite", "composite")},
    "hypothetical": {**RESPONSE, "intercurrent": when("hypothetical", "treatment_policy")},
    "on_treatment": {**RESPONSE, "intercurrent": when("treatment_policy", "while_on_treatment")},
    "within": {
        "kind": "relapse",
        **MAIN,
        "at_least": 22,
        "consecutive": 2,
        "apart": [5, 15],
        "event": event("admission"),
        "within": 42,
        "last_day": 84,
    },
}
DICTIONARY: dict[str, Any] = {
    "patients": {
        "source": {"path": "patients.csv"},
        "key": "id",
        "known": "baseline",
        "columns": {"age": {"type": "number"}},
    },
    "courses": {
        "source": {"path": "courses.csv"},
        "key": "id",
        "known": {"date": "started"},
        "columns": {"started": {"type": "date"}},
    },
    "scores": {
        "source": {"path": "scores.csv"},
        "key": "id",
        "known": {"date": "on"},
        "columns": {"on": {"type": "date"}, "madrs": {"instrument": "madrs"}},
    },
    "events": {
        "source": {"path": "events.csv"},
        "key": "id",
        "known": {"date": "on"},
        "columns": {"on": {"type": "date"}, "event": {"type": "category", "values": EVENTS}},
    },
}


def write(folder: Path, outcomes: dict[str, Any]) -> Path:
    (folder / "pyproject.toml").touch()
    config = {
        "version": 1,
        "experiment": {"name": "trajectories", "question": "What became of them?"},
        "data": {"dictionary": "dictionary.yaml"},
        "cohort": {"index": {"table": "courses"}},
        "outcomes": outcomes,
        "primary": next(iter(outcomes)),
        "severity": "scores.madrs",
        "features": {"groups": {"all": ["scores.madrs", "patients.age"]}, "sets": {"all": ["all"]}},
        "models": {"net": {"type": "elastic_net", "features": ["all"]}},
    }
    (folder / "config.yaml").write_text(write_yaml(config), encoding="utf-8")
    (folder / "dictionary.yaml").write_text(write_yaml(DICTIONARY), encoding="utf-8")
    return folder / "config.yaml"


def write_trajectories(folder: Path) -> None:
    table = TABLE.assign(age=np.arange(len(TABLE)) % 40 + 20, started=START)
    table[["id", "age"]].to_csv(folder / "patients.csv", index=False)
    table[["id", "started"]].to_csv(folder / "courses.csv", index=False)
    scores = table.melt("id", [f"d{day}" for day in DAYS], "day", "madrs").dropna()
    scores.assign(on=[START + timedelta(int(day[1:])) for day in scores["day"]])[
        ["id", "on", "madrs"]
    ].to_csv(folder / "scores.csv", index=False)
    events = table.melt("id", EVENTS, "event", "day").dropna()
    events.assign(on=[START + timedelta(int(day)) for day in events["day"]])[["id", "on", "event"]].to_csv(
        folder / "events.csv", index=False
    )


def defined(config: Path) -> dict[str, Outcome]:
    loaded = load_config(config)
    cohort = select_cohort(
        read_tables(loaded.dictionary, loaded.sources), loaded.dictionary, loaded.config.cohort
    )
    assert cohort.timeline.units["patient"].tolist() == sorted(cohort.timeline.units["patient"])
    return define_outcomes(cohort, loaded.config.outcomes, baseline=loaded.config.cohort.baseline)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    folder = tmp_path_factory.mktemp("trajectories")
    write_trajectories(folder)
    return defined(write(folder, OUTCOMES))


def test_there_are_sixty_and_each_says_why() -> None:
    assert TABLE["id"].tolist() == [f"T{i:02d}" for i in range(1, 61)]
    assert TABLE["why"].notna().all()


@pytest.mark.parametrize("name", list(OUTCOMES))
def test_every_trajectory_has_the_outcome_worked_by_hand(outcomes: dict[str, Outcome], name: str) -> None:
    found = pd.Series(outcomes[name].label, index=TABLE["id"])
    expected = pd.Series(TABLE[name].to_numpy(float), index=TABLE["id"])
    wrong = ~((found == expected) | (found.isna() & expected.isna()))
    assert pd.DataFrame({"found": found, "expected": expected})[wrong].to_dict("index") == {}


def test_every_responder_is_followed_to_the_relapse_or_the_last_score(outcomes: dict[str, Outcome]) -> None:
    relapse = outcomes["within"]
    assert relapse.time is not None
    assert relapse.event is not None
    np.testing.assert_array_equal(relapse.time, TABLE["time"].to_numpy(float))
    np.testing.assert_array_equal(relapse.event, TABLE["relapsed"].to_numpy(float))


def test_why_an_outcome_is_missing(outcomes: dict[str, Outcome]) -> None:
    def why(name: str, *ids: str) -> set[str]:
        return set(outcomes[name].why[TABLE["id"].isin(ids).to_numpy(bool)])

    assert why("sustained", "T11", "T49") == {"no second score to confirm the first"}
    assert why("sustained", "T12", "T15") == {"no score in the assessment window"}
    assert why("hypothetical", "T25", "T26") == {"an event before the assessment made its score unknowable"}
    assert why("composite", "T18", "T42") == {"baseline score is 0"}
    assert why("within", "T02", "T48") == {"no response, so no relapse"}
    assert why("within", "T10", "T53") == {"followed for too short a time"}
    assert why("dropout", "T12", "T15") == {"observed"}


def test_missing_scores_as_no_response_do_not_change_what_is_known(tmp_path: Path) -> None:
    write_trajectories(tmp_path)
    sections = {
        name: {**OUTCOMES[name], "if_missing": "non_responder"}
        for name in ("response", "sustained", "composite")
    }
    found = defined(write(tmp_path, sections))
    no_baseline = ~(TABLE["d0"] > 0).to_numpy(bool)
    for name in sections:
        expected = TABLE[name].fillna(0).to_numpy(float)
        np.testing.assert_array_equal(
            found[name].label, np.where(no_baseline, np.nan, expected), err_msg=name
        )


def broken(folder: Path, outcome: dict[str, Any], **tables: Any) -> list[str]:
    path = write(folder, {"it": outcome})
    (folder / "dictionary.yaml").write_text(write_yaml(DICTIONARY | tables), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    return [
        f"{one.code} {one.path.partition('outcomes.it.')[2]}: {one.message}" for one in caught.value.problems
    ]


RELAPSE = OUTCOMES["within"]
HARM = {"kind": "adverse_event", "assessed": {"first_day": 1, "last_day": 31}}


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (
            RESPONSE | {"confirmed": {"first_day": 31, "last_day": 38}},
            "confirmed: the second assessment may be on day 31, inside the window of the first",
        ),
        (
            RESPONSE | {"confirmed": {"first_day": 38, "last_day": 32}},
            "confirmed: the window ends on day 32, before it",
        ),
        (
            {"kind": "change", **MAIN, "intercurrent": when("composite", "treatment_policy")},
            "intercurrent.rescue: a change has no value that an event could stand for",
        ),
        (
            RESPONSE | {"if_missing": "non_responder", "intercurrent": when("hypothetical", "composite")},
            "intercurrent.rescue: what would have been without the event is not known",
        ),
        (
            OUTCOMES["sustained"] | {"intercurrent": when("composite", "while_on_treatment")},
            "intercurrent.early_stop: a score before the event is not confirmed by one after it",
        ),
        (
            RESPONSE | {"intercurrent": {"stop": {"column": "events.event", "strategy": "composite"}}},
            "intercurrent.stop: events.event is named but not tested",
        ),
        (
            RESPONSE
            | {"intercurrent": {"stop": {"column": "events.event", "min": 1, "strategy": "composite"}}},
            "intercurrent.stop: events.event is category, so it has no limits",
        ),
        (
            {key: value for key, value in RELAPSE.items() if key not in ("at_least", "event")},
            "kind: nothing says what a relapse is",
        ),
        (RELAPSE | {"apart": [15, 5]}, "apart: the days between assessments are not positive and increasing"),
        (RELAPSE | {"last_day": 28}, "last_day: follow-up ends on day 28, before the response is assessed"),
        (HARM | {"any": [{"column": "events.event"}]}, "any.0: events.event is named but not tested"),
        (HARM | {"any": [{"column": "events.event", "at_least": 3}]}, "any.0: events.event is category"),
        (HARM | {"any": [{"column": "scores.madrs", "in": ["20"]}]}, "any.0: scores.madrs is a number"),
    ],
)
def test_cfg_53_parts_of_an_outcome_that_contradict_each_other(
    tmp_path: Path, outcome: dict[str, Any], expected: str
) -> None:
    assert broken(tmp_path, outcome)[0].startswith(f"CFG-53 {expected}")


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (
            RESPONSE
            | {
                "intercurrent": {
                    "stop": {"column": "patients.stopped", "in": ["yes"], "strategy": "while_on_treatment"}
                }
            },
            "intercurrent.stop: patients.stopped has no day, so no score can be said to be before it",
        ),
        (
            RELAPSE | {"event": {"column": "patients.stopped", "in": ["yes"]}},
            "event: patients.stopped has no day",
        ),
        (
            HARM | {"any": [{"column": "patients.pressure", "rise_by": 20}]},
            "any.0: patients.pressure has no day",
        ),
    ],
)
def test_cfg_53_what_needs_days(tmp_path: Path, outcome: dict[str, Any], expected: str) -> None:
    columns = {
        "age": {"type": "number"},
        "stopped": {"type": "category", "values": ["yes", "no"], "known": "after"},
        "pressure": {"type": "number", "known": "after"},
    }
    assert broken(tmp_path, outcome, patients=DICTIONARY["patients"] | {"columns": columns})[0].startswith(
        f"CFG-53 {expected}"
    )


def test_definitions_in_words() -> None:
    def text(name: str) -> str:
        return outcome_text(TypeAdapter(AnyOutcome).validate_python(OUTCOMES[name]))

    assert text("sustained") == (
        "the MADRS score fell by at least 50% of its baseline value, assessed on day 25 to 31 after day 0, and again "
        "on day 32 to 38 after day 0"
    )
    assert text("on_treatment").endswith(
        "; intercurrent events: rescue (treatment policy), early stop (while on treatment)"
    )
    assert text("dropout") == "no MADRS score on day 25 to 31 after day 0"
    assert text("within") == (
        "within 42 days of a response (MADRS down by 50%, assessed on day 25 to 31 after day 0): MADRS 22 or more at 2 "
        "assessments in a row, 5 to 15 days apart or event"
    )


def test_the_sensitivity_table_shows_the_scores_in_spite_of_the_events(tmp_path: Path) -> None:
    write_trajectories(tmp_path)
    loaded = load_config(write(tmp_path, {"composite": OUTCOMES["composite"]}))
    cohort = select_cohort(
        read_tables(loaded.dictionary, loaded.sources), loaded.dictionary, loaded.config.cohort
    )
    section, baseline = loaded.config.outcomes["composite"], loaded.config.cohort.baseline
    rows = sensitivity(cohort.timeline, "composite", section, baseline=baseline).set_index("strategy")
    assert rows["declared"].tolist() == [True, False, False, False]
    known = TABLE["composite"].notna()
    assert rows.loc["missing outcomes left out", ["n", "events"]].tolist() == [
        known.sum(),
        TABLE["composite"].sum(),
    ]
    policy = rows.loc["missing left out; scores as they are in spite of intercurrent events"]
    assert policy[["n", "events"]].tolist() == [TABLE["response"].notna().sum(), TABLE["response"].sum()]
