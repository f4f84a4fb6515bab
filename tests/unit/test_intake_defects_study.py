"""Planted defects of an export are found where they were planted, and the clean twin raises none."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

STUDY = Path(__file__).parents[2] / "experiments" / "studies" / "intake_defects"
OWN = {path.stem for path in STUDY.glob("*.py")}
pytest.importorskip("openpyxl")
pytest.importorskip("pyreadstat")


@pytest.fixture(scope="module")
def study() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(STUDY))
        for name in OWN:
            patch.delitem(sys.modules, name, raising=False)
        yield importlib.import_module("study")
        for name in OWN:
            sys.modules.pop(name, None)


def test_there_are_at_least_forty_and_every_row_of_the_catalogue_is_one_that_exists(
    study: ModuleType,
) -> None:
    assert len(study.DEFECTS) >= 40
    assert len({one.name for one in study.DEFECTS}) == len(study.DEFECTS)
    rows = (Path(__file__).parents[2] / "docs" / "faults.csv").read_text(encoding="utf-8")
    assert all(not one.fault or f"\n{one.fault}," in rows for one in study.DEFECTS)


def test_a_line_names_a_place_only_with_its_file_its_column_and_its_row(study: ModuleType) -> None:
    place = study.Place("bloods.csv", "crp", (12, 13))
    assert study.names("bloods.csv:12: crp: DAT-07 text. Mend it.", place)
    assert study.names("- bloods: bloods.csv: 2 values of 'crp' differ (rows 9, 13)", place)
    assert not study.names("bloods.csv:120: crp: DAT-07 text. Mend it.", place)
    assert not study.names("bloods.csv:12: crp_unit: DAT-07 text. Mend it.", place)
    assert not study.names("ratings.csv:12: crp: DAT-07 text. Mend it.", place)
    assert not study.names("bloods.csv: crp: DAT-21 no row has a value", place)


def test_every_fifth_defect_is_found_and_nothing_in_the_clean_twin(
    study: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study, "DEFECTS", study.DEFECTS[::5])
    twin, *found = study.run(4, tmp_path)
    assert (twin["found"], twin["line"]) == (0, "")
    assert [one["defect"] for one in found if not one["found"]] == []


@pytest.mark.slow
def test_every_defect_is_found_and_nothing_in_the_clean_twin(study: ModuleType, tmp_path: Path) -> None:
    twin, *found = study.run(5, tmp_path)
    assert (twin["found"], twin["line"]) == (0, "")
    assert [one["defect"] for one in found if not one["found"]] == []
