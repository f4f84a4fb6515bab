"""REDCap exports: the samples of REDCapR (MIT, see tests/samples/redcap/LICENSE.upstream.md) and what breaks them."""

from __future__ import annotations

import runpy
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from predictor.cohort.timeline import build_timeline
from predictor.config.dictionary import Dictionary
from predictor.config.source import Source
from predictor.config.yaml_text import parse_yaml
from predictor.data.conform import ConformedTable, read_tables
from predictor.data.sources.reading import read_source
from predictor.data.sources.redcap_dictionary import read_redcap_dictionary
from predictor.data.sources.text_table import TextTable
from predictor.drafting.redcap import draft_redcap_dictionary, write_draft
from predictor.errors import DataError, ResourceError

TESTS = Path(__file__).parents[2]
SAMPLES = TESTS / "samples" / "redcap"


def read(folder: Path, **redcap: Any) -> TextTable:
    section = {"dictionary": "dictionary.csv"} | redcap
    source = Source.model_validate({"path": "data.csv", "redcap": section})
    return read_source(folder / "data.csv", source, shown_as="data.csv")


def table(sample: str, columns: dict[str, Any], **more: Any) -> ConformedTable:
    source = {"path": "data.csv", "redcap": {"dictionary": "dictionary.csv"}} | more.pop("source", {})
    declared = {"source": source, "key": "record_id", "known": "baseline", "columns": columns} | more
    dictionary = Dictionary.model_validate({"t": declared})
    return read_tables(dictionary, {"t": SAMPLES / sample / "data.csv"})["t"]


def test_boxes_are_read_as_the_sample_says_they_should_be() -> None:
    # The sample's own column `desired_result` says in words what its authors expect of each record.
    boxes = [*(f"check_one___{n}" for n in "1234"), *(f"check_two___{letter}" for letter in "abcde")]
    found = table("checkboxes-1", {box: {"type": "boolean"} for box in boxes})
    one = found.frame[boxes[:4]].fillna(-1).astype(int).to_numpy().tolist()
    two = found.frame[boxes[4:]].fillna(-1).astype(int).to_numpy().tolist()
    assert one == [[1, 0, 0, 0], [-1] * 4, [1] * 4, [-1] * 4]
    assert two == [[1, 0, 1, 0, 0], [0, 1, 0, 1, 0], [-1] * 5, [-1] * 5]
    assert any(notice.endswith("reads them as no): check_one 2, check_two 2") for notice in found.notices)


def test_no_box_is_no_where_that_is_declared() -> None:
    source = {"redcap": {"dictionary": "dictionary.csv", "none_checked": "unchecked"}}
    found = table("checkboxes-1", {"check_one___1": {"type": "boolean"}}, source=source)
    assert found.frame["check_one___1"].tolist() == [1, 0, 1, 0]


def test_a_repeating_instrument_is_a_table_of_its_own() -> None:
    columns = {
        "date_bp": {"type": "date"},
        "bp_systolic": {"measure": "systolic", "unit": "mm[Hg]", "range": [60, 260]},
        "bp_diastolic": {"measure": "diastolic", "unit": "mm[Hg]", "range": [30, 200]},
    }
    more: dict[str, Any] = {
        "known": {"date": "date_bp"},
        "source": {"where": {"redcap_repeat_instrument": "bp"}},
    }
    found = table("repeating-instruments", columns, **more)
    rows = zip(
        found.frame["record_id"],
        found.frame["bp_systolic"],
        found.frame["bp_diastolic"],
        found.rows,
        strict=True,
    )
    assert list(rows)[:4] == [("1", 110, 100, 3), ("1", 111, 101, 4), ("1", 112, 102, 5), ("2", 114, 104, 7)]
    once = table(
        "repeating-instruments",
        {"sex": {"type": "category", "values": {"0": "female", "1": "male"}}},
        source={"where": {"redcap_repeat_instrument": ""}},
    )
    assert once.frame["record_id"].is_unique
    assert once.frame["sex"].tolist()[:2] == ["female", "male"]


def test_events_and_arms_of_a_longitudinal_project() -> None:
    text = read(SAMPLES / "longitudinal", events="event.csv")
    assert text.frame["redcap_event_name"].value_counts().to_dict() == {
        "enrollment_arm_1": 2,
        "dose_1_arm_1": 2,
        "visit_1_arm_1": 2,
        "dose_2_arm_1": 2,
        "visit_2_arm_1": 2,
        "final_visit_arm_1": 2,
        "enrollment_arm_2": 1,
        "deadline_to_opt_ou_arm_2": 1,
        "first_dose_arm_2": 1,
        "first_visit_arm_2": 1,
        "final_visit_arm_2": 1,
        "deadline_to_return_arm_2": 1,
    }
    arms = text.frame.groupby("study_id")["redcap_arm"].unique().map(list).to_dict()
    assert arms == {"100": ["1"], "220": ["1"], "304": ["2"]}


def test_events_of_a_longitudinal_project_become_days() -> None:
    days = {
        "dose_1_arm_1": 0,
        "visit_1_arm_1": 7,
        "dose_2_arm_1": 14,
        "visit_2_arm_1": 21,
        "first_dose_arm_2": 0,
    }
    declared = {
        "source": {
            "path": "data.csv",
            "redcap": {"dictionary": "dictionary.csv", "events": "event.csv"},
            "where": {"redcap_event_name": [*days, "first_visit_arm_2"]},
        },
        "key": "study_id",
        "visits": {"column": "redcap_event_name", "days": days | {"first_visit_arm_2": "ignore"}},
        "columns": {"pmq1": {"measure": "pills", "range": [0, 3]}},
    }
    dictionary = Dictionary.model_validate({"morale": declared})
    tables = read_tables(dictionary, {"morale": SAMPLES / "longitudinal" / "data.csv"})
    units = pd.DataFrame({"patient": ["100", "220", "304"], "day0": pd.NaT, "index_row": -1})
    records = build_timeline(units, tables, dictionary, index_table=None).records
    found = {
        unit: dict(zip(rows["day"], rows["value"], strict=True)) for unit, rows in records.groupby("unit")
    }
    # By hand from the sample: pmq1 of each event.
    assert found == {0: {0: 2, 7: 1, 14: 3, 21: 0}, 1: {0: 0, 7: 0, 14: 1, 21: 3}, 2: {0: 0}}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    shutil.copytree(SAMPLES / "longitudinal", tmp_path / "p")
    return tmp_path / "p"


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("data.csv", "study_id,", "Study ID,", r'data\.csv:1: DAT-40 the export has no column "study_id"'),
        ("data.csv", ",gym___1,", ",gym___9,", r"data\.csv:1: gym___9: DAT-40 a column that the project's"),
        (
            "data.csv",
            "100,dose_1_arm_1",
            "100,dose_9_arm_1",
            r"data\.csv:\d+: redcap_event_name: DAT-40 an event that",
        ),
        (
            "dictionary.csv",
            "Field Type",
            "Typ",
            r"dictionary\.csv:1: DAT-40 no REDCap data dictionary: it has no",
        ),
        ("dictionary.csv", "\nsex,demo", "\nSex,demo", r"DAT-40 a name in REDCap has only small letters"),
        ("event.csv", "unique_event_name", "name", r"event\.csv:1: DAT-40 no REDCap events"),
    ],
)
def test_dat_40_what_does_not_fit(project: Path, file: str, old: str, new: str, message: str) -> None:
    change(project / file, old, new)
    with pytest.raises(DataError, match=message):
        read(project, events="event.csv")


def test_dat_40_events_of_a_project_without_events(tmp_path: Path) -> None:
    shutil.copytree(SAMPLES / "simple", tmp_path / "s")
    shutil.copy(SAMPLES / "longitudinal" / "event.csv", tmp_path / "s")
    with pytest.raises(DataError, match="DAT-40 events are declared, and the export has no column of them"):
        read(tmp_path / "s", events="event.csv")


def test_a_file_that_is_not_there_is_named(project: Path) -> None:
    with pytest.raises(DataError, match=r"other\.csv: DAT-15 the file does not exist"):
        read(project, dictionary="other.csv")


def test_the_dictionary_of_the_api_and_of_the_download_say_the_same() -> None:
    downloaded = read_redcap_dictionary(SAMPLES / "simple" / "dictionary.csv", "d")
    api = read_redcap_dictionary(SAMPLES / "simple" / "metadata.csv", "m")
    # The two files of the sample are of different days: age was made a calculation in between.
    assert [one for one in downloaded if one not in api] == [one for one in downloaded if one.name == "age"]
    assert len(api) == len(downloaded) == 16
    sex = next(one for one in downloaded if one.name == "sex")
    assert dict(sex.choices) == {"0": "Female", "1": "Male"}
    assert [one.name for one in downloaded if one.identifier] == [
        "name_first",
        "name_last",
        "address",
        "telephone",
        "email",
        "dob",
    ]


def drafted(sample: str, *, events: str | None = None, dictionary: str = "dictionary.csv") -> str:
    folder = SAMPLES / sample
    return draft_redcap_dictionary(
        folder / "data.csv", folder / dictionary, folder / events if events else None
    )


@pytest.mark.parametrize(
    ("sample", "events"), [("longitudinal", "event.csv"), ("repeating-instruments", None), ("simple", None)]
)
def test_a_draft_loads_and_lets_nothing_be_a_feature_before_it_is_confirmed(
    sample: str, events: str | None
) -> None:
    text = drafted(sample, events=events)
    dictionary = Dictionary.model_validate(parse_yaml(text, "draft.yaml").data)
    for _, one in dictionary.tables():
        undated = one.known == "after" or (
            one.visits is not None and set(one.visits.days.values()) == {"ignore"}
        )
        assert undated or "CONFIRM: the date" in text
    assert "CONFIRM" in text


def test_a_draft_takes_over_types_codes_ranges_and_labels_and_leaves_out_persons() -> None:
    dictionary = Dictionary.model_validate(parse_yaml(drafted("longitudinal", events="event.csv"), "d").data)
    columns = dictionary["demographics"].columns
    assert columns["height"].range == [130, 215]
    assert columns["weight"].type == "integer"
    assert columns["sex"].values == {"0": "Female", "1": "Male"}
    assert columns["gym___1"].label == "Gym (Weight Training): Tuesday"
    assert columns["given_birth"].type == "boolean"
    assert not {"first_name", "dob", "email", "telephone_1", "comments"} & set(columns)
    assert list(dictionary["patient_morale_questionnaire"].visits.days) == [
        "dose_1_arm_1",
        "visit_1_arm_1",
        "dose_2_arm_1",
        "visit_2_arm_1",
        "first_dose_arm_2",
        "first_visit_arm_2",
    ]


def test_a_draft_asks_whether_a_number_is_a_scale(project: Path) -> None:
    change(
        project / "dictionary.csv", "\nbmi,demographics,,calc,BMI", "\nmadrs_total,demographics,,calc,MADRS"
    )
    change(project / "data.csv", ",bmi,", ",madrs_total,")
    text = draft_redcap_dictionary(project / "data.csv", project / "dictionary.csv")
    assert 'madrs_total: {"instrument": "madrs"' in text
    assert "CONFIRM: is this the total of madrs?" in text


def test_days_that_redcap_gives_are_taken_over_to_be_confirmed(project: Path) -> None:
    change(project / "event.csv", "custom_event_label", "day_offset")
    change(project / "event.csv", "visit_1_arm_1,", "visit_1_arm_1,7")
    folder = project
    text = draft_redcap_dictionary(folder / "data.csv", folder / "dictionary.csv", folder / "event.csv")
    assert "visit_1_arm_1: 7   # CONFIRM: REDCap's day offset" in text


def test_a_confirmed_dictionary_is_never_overwritten(tmp_path: Path) -> None:
    write_draft("a: 1\n", tmp_path / "d.yaml")
    with pytest.raises(ResourceError, match="TRN-05 the draft cannot be written"):
        write_draft("b: 2\n", tmp_path / "d.yaml")
    assert (tmp_path / "d.yaml").read_text(encoding="utf-8") == "a: 1\n"


def test_the_simulated_project_is_what_its_script_writes(tmp_path: Path) -> None:
    runpy.run_path(str(TESTS / "samples" / "simulate_redcap.py"))["write"](tmp_path)
    shipped = TESTS.parent / "data" / "redcap_simulated"
    for name in ("export.csv", "data_dictionary.csv", "events.csv"):
        assert (shipped / name).read_bytes() == (tmp_path / name).read_bytes()


def test_no_name_of_a_project_opens_a_line_in_a_draft(project: Path) -> None:
    for name in ("data.csv", "event.csv"):
        change(project / name, "visit_1_arm_1", '"evil: 1\n      worse"')
    text = draft_redcap_dictionary(project / "data.csv", project / "dictionary.csv", project / "event.csv")
    tables = parse_yaml(text, "draft.yaml").data
    assert {"evil", "worse"}.isdisjoint(tables)
    labels = [label for one in tables.values() if "visits" in one for label in one["visits"]["days"]]
    assert "evil: 1\n      worse" in labels
    assert "worse" not in labels
