from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
from pydantic import BaseModel

from clinic import RESPONSE, build_clinic
from predictor.config.schema import HumanStatements, ReportSection
from predictor.experiment import train
from predictor.reports.sections import SECTIONS
from predictor.reports.tripod import GAP, ITEMS, tripod_frame
from trained_clinics import trained

# The numbering of the statement (Collins 2024): 27 items, of which these have parts.
PARTS = {
    3: "abc",
    5: "ab",
    6: "abc",
    8: "abc",
    9: "abc",
    12: "abcdefg",
    18: "abcdef",
    20: "abc",
    23: "ab",
    27: "abc",
}
REMISSION = {"kind": "remission", "measure": "madrs", "at_most": 10}
IDS = [f"{number}{part}" for number in range(1, 28) for part in PARTS.get(number, " ")]


def test_there_are_52_sub_items_in_the_order_of_the_statement() -> None:
    assert len(IDS) == 52
    assert [item.id for item in ITEMS] == [name.strip() for name in IDS]


def test_every_section_key_and_statement_that_an_item_names_exists() -> None:
    config = trained().study.loaded.config
    for item in ITEMS:
        assert {*item.sections} <= {*SECTIONS}, item.id
        assert {*item.statements} <= {*HumanStatements.model_fields, *ReportSection.model_fields}, item.id
        for path in item.keys:
            holder: object = config
            for key in path.split("."):
                assert isinstance(holder, BaseModel), (item.id, path)
                assert key in type(holder).model_fields, (item.id, path)
                holder = getattr(holder, key)


def test_every_file_that_an_item_names_is_written_by_a_run_that_asks_for_all(tmp_path: Path) -> None:
    changes = {
        "outcomes": {"response": RESPONSE, "remission": {**REMISSION, "assessed": RESPONSE["assessed"]}},
        "report.subgroups": ["patients.sex"],
    }
    clinic = build_clinic(tmp_path / "clinic", n=200, sites=4, changes=changes)
    folder = train(clinic.load(), runs_folder=tmp_path / "runs").folder
    for name in {name for item in ITEMS for name in item.files}:
        assert (folder / name).is_file(), name


def test_an_item_points_only_to_files_of_this_run() -> None:
    table = pd.read_csv(trained().folder / "tripod_ai.csv", dtype=str, keep_default_na=False)
    assert len(table) == 52
    for place in table["where"]:
        for name in re.findall(r"[\w/]+\.(?:csv|parquet|json)", place):
            assert (trained().folder / name).is_file(), name


def test_what_nobody_said_is_a_gap_that_names_its_key() -> None:
    table = tripod_frame(ReportSection(), files=()).set_index("item")
    assert table.loc["18a", "status"] == "NOT PROVIDED"
    assert table.loc["18a", "missing"] == f"{GAP} (report.statements.funding)"
    assert table.loc["1", "missing"] == f"{GAP} (report.title)"
    assert table.loc["3b", "status"] == "partly"


def test_what_is_said_closes_the_gap() -> None:
    said = HumanStatements(**dict.fromkeys(HumanStatements.model_fields, "Said by a person."))
    table = tripod_frame(ReportSection(title="A model", statements=said), files=("transport.csv",))
    assert set(table["status"]) == {"answered", "not applicable"}
    assert not table["missing"].any()
    by_item = table.set_index("item")
    assert "report.statements.funding" in by_item.loc["18a", "where"]
    assert by_item.loc["23b", "status"] == "answered"


def test_every_statement_is_asked_for_somewhere_or_by_the_model_card() -> None:
    asked = {key for item in ITEMS for key in item.statements}
    of_the_card = {"out_of_scope", "clinical_risk", "monitoring_plan", "responsible", "publications"}
    assert set(HumanStatements.model_fields) - asked == of_the_card


@pytest.mark.parametrize("text", ["", "  "])
def test_a_blank_statement_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="pattern"):
        HumanStatements(funding=text)
