"""REDCap's exports are known by their headers, with or without events, repeats and boxes."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd
import pytest

from predictor.drafting.redcap_export import find_dictionary, is_redcap, is_redcap_dictionary, redcap_tables

SAMPLES = Path(__file__).parents[2] / "samples" / "redcap"
DATA = Path(__file__).parents[3] / "data"
EXPORTS = [*sorted(SAMPLES.glob("*/data.csv")), DATA / "redcap_simulated" / "export.csv"]
OTHERS = [
    *(DATA / "nimh_ketamine").glob("*.tsv"),
    *(DATA / "opt_periodontal").glob("*.csv"),
    *(DATA / "thinking_healthy").glob("*.csv"),
    *SAMPLES.glob("*/dictionary.csv"),
]


def header(path: Path) -> list[str]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return next(csv.reader(file, delimiter="\t" if path.suffix == ".tsv" else ","))


@pytest.mark.parametrize("path", EXPORTS, ids=lambda path: path.parent.name)
def test_exports_of_real_projects_are_known(path: Path) -> None:
    assert is_redcap(header(path))


@pytest.mark.parametrize("path", OTHERS, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_is_no_export_of_redcap_is_none(path: Path) -> None:
    assert not is_redcap(header(path))


@pytest.mark.parametrize(
    ("headers", "known"),
    [
        (["record_id", "age", "visit_complete"], True),
        (["id", "race___1", "visit_complete"], True),
        (["id", "redcap_event_name", "age"], True),
        (["id", "age", "visit_complete"], False),  # anybody may call a column so
        (["id", "race___1", "age"], False),
        (["record_id", "age"], False),
        ([], False),
    ],
)
def test_which_headers_tell(headers: list[str], known: bool) -> None:
    assert is_redcap(headers) is known


def test_data_dictionaries_of_both_kinds_are_known_and_found(tmp_path: Path) -> None:
    assert is_redcap_dictionary(SAMPLES / "simple" / "dictionary.csv")
    assert not is_redcap_dictionary(SAMPLES / "simple" / "data.csv")
    export = DATA / "redcap_simulated" / "export.csv"
    assert find_dictionary(export) == "data_dictionary.csv"
    alone = tmp_path / "export.csv"
    alone.write_bytes(export.read_bytes())
    (tmp_path / "picture.csv").write_bytes(b"\xff\xfe\x00")
    assert find_dictionary(alone) is None
    for name in ("one.csv", "two.csv"):
        (tmp_path / name).write_bytes((SAMPLES / "simple" / "dictionary.csv").read_bytes())
    assert find_dictionary(alone) is None  # which of them is not guessed


def test_repeats_are_tables_of_their_own_without_redcaps_columns() -> None:
    frame = pd.DataFrame(
        {
            "record_id": ["1", "1", "1", "2"],
            "redcap_event_name": ["a_arm_1", "b_arm_1", "a_arm_1", "a_arm_1"],
            "redcap_repeat_instrument": ["", "", "Lab tests", ""],
            "redcap_repeat_instance": ["", "", "1", ""],
            "age": ["40", "", "", "50"],
            "age_complete": ["2", "0", "", "2"],
            "crp": ["", "", "3", ""],
        }
    )
    (first, one, people), (second, two, labs) = redcap_tables("export", frame, None)
    assert (first, second) == ("export", "lab_tests")
    assert list(people.columns) == ["record_id", "redcap_event_name", "age"]
    assert people["age"].tolist() == ["40", "", "50"]
    assert list(labs.columns) == ["record_id", "crp"]
    assert one["where"] == {"redcap_repeat_instrument": [""]}
    assert two == {
        "redcap": {"dictionary": "data_dictionary.csv"},
        "where": {"redcap_repeat_instrument": ["Lab tests"]},
    }
