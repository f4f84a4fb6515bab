"""Bad input, one test per situation: silent acceptance is failure, and a message never repeats what a cell holds.

The codes are those of the catalogue of faults; a code's test asserts the message that a user sees.
"""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from predictor.answers import answers_csv
from predictor.api import write_table
from predictor.config.dictionary import Dictionary, Table
from predictor.data.conform import ConformedTable, conform_table, read_tables
from predictor.data.sources import csv as csv_source
from predictor.data.sources.csv import read_text_table
from predictor.data.sources.memory import memory_needed
from predictor.data.sources.text_table import TextTable
from predictor.errors import DataError


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write(content: str | bytes, name: str = "visits.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def read(path: Path, *, delimiter: str | None = None, encoding: str = "utf-8") -> TextTable:
    return read_text_table(path, delimiter=delimiter, encoding=encoding, shown_as=path.name)


def refused(path: Path, **kwargs: Any) -> list[str]:
    with pytest.raises(DataError) as caught:
        read(path, **kwargs)
    assert caught.value.exit_code == 3
    return [str(problem) for problem in caught.value.problems]


def conformed(path: Path, columns: dict[str, Any], **table: Any) -> ConformedTable:
    declared = Table.model_validate(
        {"source": {"path": path.name}, "key": "id", "known": "baseline", "columns": columns} | table
    )
    return conform_table(read(path), declared, name="patients", decimal=declared.source.decimal)


def broken(path: Path, columns: dict[str, Any], **table: Any) -> list[str]:
    with pytest.raises(DataError) as caught:
        conformed(path, columns, **table)
    return [str(problem) for problem in caught.value.problems]


def column_file(write: Callable[..., Path], header: str, cells: list[str]) -> Path:
    lines = [f'P{i},"{cell}"' for i, cell in enumerate(cells)]
    return write("\n".join([f"id,{header}", *lines]) + "\n")


def test_cfg_14_declared_column_that_the_file_lacks(write):
    path = write("id,MADRS_Total,age\n1,20,40\n2,22,41\n")
    assert broken(path, {"madrs_totl": {"instrument": "madrs"}, "xyz": {"type": "text"}}) == [
        "visits.csv:1: madrs_totl: CFG-14 declared in the dictionary, but the file has no such column. "
        "Did you mean 'MADRS_Total'? Mend the dictionary or the file.",
        "visits.csv:1: xyz: CFG-14 declared in the dictionary, but the file has no such column. "
        "Mend the dictionary or the file.",
    ]


def test_dat_01_one_field_too_many_in_one_row_and_in_every_row(write):
    one = write("id,age,sex,bmi\n1,40,F,22,x\n2,41,M,23\n")
    assert refused(one) == [
        "visits.csv:2: DAT-01 5 fields, the header has 4. "
        "Quote a cell that holds the delimiter, or give every column a header."
    ]
    every = write("id,age,sex,bmi\n1,40,F,22,x\n2,41,M,23,x\n3,41,M,23,x\n")
    assert refused(every) == [
        "visits.csv:2: DAT-01 5 fields, the header has 4; the same in all 3 rows. "
        "Quote a cell that holds the delimiter, or give every column a header."
    ]


def test_dat_02_one_short_row(write):
    assert refused(write("id,age,sex\n1,40,F\n2,41\n3,42,M\n")) == [
        "visits.csv:3: DAT-02 2 fields, the header has 3. Write every field of the row, also the empty ones."
    ]


def test_dat_02_blank_line_inside_but_not_at_the_end(write):
    assert refused(write("id,age\n1,40\n\n2,41\n")) == [
        "visits.csv:3: DAT-02 the line is blank inside the table. Delete it or fill it in."
    ]
    assert len(read(write("id,age\n1,40\n2,41\n\n\n")).frame) == 2


def test_dat_03_duplicate_blank_and_padded_headers(write):
    assert refused(write("id,age,,age \n1,2,3,4\n")) == [
        "visits.csv:1: DAT-03 the header of column 3 is blank. Give the column a name.",
        "visits.csv:1: age: DAT-03 columns 2 and 4 have the same header. Rename one of them.",
    ]
    table = read(write("id,age \n1,2\n"))
    assert list(table.frame) == ["id", "age"]
    assert table.notices == ("visits.csv: spaces around header names were removed: 'age'",)


def test_dat_04_semicolons_and_decimal_commas_read_as_commas(write):
    assert refused(write("id;bmi\n1;27,5\n2;22,1\n")) == [
        "visits.csv:1: DAT-04 split at ',' the header has 1 fields, split at ';' every row has 2. "
        'Write delimiter: ";" and decimal: "," under "source" in the dictionary.'
    ]
    # Without decimal commas every row has one field, so the field count alone would not notice.
    assert "DAT-04" in refused(write("id;bmi\n1;27\n2;22\n"))[0]
    # A tab file named .csv
    assert 'Write delimiter: "\\t" under' in refused(write("id\tbmi\n1\t27.5\n"))[0]


def test_dat_05_patient_ids_stay_text(write):
    path = write("id,age\n00123,40\n123,41\n1e5,42\n")
    table = conformed(path, {"age": {"type": "number"}})
    assert table.frame["id"].tolist() == ["00123", "123", "1e5"]


def test_dat_05_a_patient_twice_and_a_row_without_a_key(write):
    assert broken(write("id,age\nA1,40\nA1,41\n,42\n"), {"age": {"type": "number"}}) == [
        "visits.csv:3: id: DAT-05 the patient's key stands in an earlier row. Keep one row per patient, or declare "
        "visits or dates; duplicates: drop_exact drops exact copies.",
        "visits.csv:4: id: DAT-05 the patient's key is missing. Fill it in or delete the row.",
    ]


def test_dat_06_words_that_look_missing_are_values_unless_declared(write):
    path = column_file(write, "site", ["NA", "None", "null", "nan", "NaN", ""])
    assert conformed(path, {"site": {"type": "text"}}).frame["site"].tolist() == [
        "NA", "None", "null", "nan", "NaN", None,
    ]  # fmt: skip
    by_column = conformed(path, {"site": {"type": "text", "missing": ["NA"]}}).frame["site"].tolist()
    assert by_column == [None, "None", "null", "nan", "NaN", None]
    by_file = conformed(path, {"site": {"type": "text"}}, source={"path": "x", "missing": ["null", "nan"]})
    assert by_file.frame["site"].tolist() == ["NA", "None", None, None, "NaN", None]


def test_dat_07_cells_that_are_no_plain_number(write):
    cells = ["<5", ">200", "1,234", "27,5", "5*", "n/a", "inf", "nan", "7"]
    lines = broken(column_file(write, "crp", cells), {"crp": {"type": "number"}})
    assert [line.partition(". ")[0] for line in lines] == [
        "visits.csv:2: crp: DAT-07 a value below a limit, a number was expected",
        "visits.csv:3: crp: DAT-07 a value above a limit, a number was expected",
        "visits.csv:4: crp: DAT-07 a thousands separator or another decimal mark",
        'visits.csv:5: crp: DAT-07 the decimal mark is ",", declared is "."',
        "visits.csv:6: crp: DAT-07 a number followed by other characters",
        "visits.csv:7: crp: DAT-07 text where a number was expected",
        "visits.csv:8: crp: DAT-07 infinite or not a number, a finite number was expected",
        "visits.csv:9: crp: DAT-07 infinite or not a number, a finite number was expected",
    ]
    assert "below_limit: half, sqrt2 or limit" in lines[0]
    assert 'decimal: ","' in lines[3]
    secret = broken(
        column_file(write, "crp", ["<4711", "4711,25", "4711*", "x4711"]), {"crp": {"type": "number"}}
    )
    assert len(secret) == 4
    assert "4711" not in "".join(secret)


@pytest.mark.parametrize(("rule", "value"), [("half", 0.2), ("sqrt2", 0.2828427), ("limit", 0.4)])
def test_dat_07_below_the_detection_limit_by_the_declared_rule(write, rule, value):
    path = column_file(write, "crp", ["<0.4", "< 0.4", "3"])
    table = conformed(path, {"crp": {"type": "number", "below_limit": rule, "range": [0.4, 100]}})
    assert table.frame["crp"].tolist() == pytest.approx([value, value, 3.0])
    assert (
        "DAT-07"
        in broken(
            column_file(write, "crp", ["<0.4*", "3"]), {"crp": {"type": "number", "below_limit": rule}}
        )[0]
    )


def test_dat_08_nul_other_encodings_and_byte_order_marks(write):
    assert refused(write(b"id,age\n1,4\x000\n")) == [
        "visits.csv:2: DAT-08 holds a NUL byte at byte offset 10. "
        "The file is damaged or is no text file; export it again."
    ]
    assert refused(write("id,name\n1,Jos\u00e9\n".encode("cp1252"))) == [
        "visits.csv:2: DAT-08 byte offset 13 is not utf-8. It may be Windows-1252: save the file as UTF-8, or write "
        'encoding: cp1252 under "source".'
    ]
    for name in ("utf-16", "utf-16-le", "utf-16-be"):
        assert refused(write("id,age\n1,40\n".encode(name))) == [
            "visits.csv: DAT-08 the file is UTF-16, at byte 0. "
            'Save it as UTF-8, or write encoding: utf-16 under "source".'
        ]
    assert list(read(write("id,age\n1,40\n".encode("utf-8-sig"))).frame) == ["id", "age"]
    assert read(write("id,n\n1,Jos\u00e9\n".encode("cp1252")), encoding="cp1252").frame["n"].tolist() == [
        "José"
    ]
    assert read(write("id,n\n1,é\n".encode("utf-16")), encoding="utf-16").frame["n"].tolist() == ["é"]
    assert "the declared encoding is not known" in refused(write("id\n1\n"), encoding="latin-99")[0]


@pytest.mark.parametrize("later_quotes", [False, True])
def test_dat_09_unclosed_quote_is_named_where_it_opened(write, later_quotes):
    lines = ["id,note", *(f'{i},"fine"' if later_quotes else f"{i},fine" for i in range(2, 10_001))]
    lines[9] = '10,"not closed'
    found = refused(write("\n".join(lines) + "\n"))
    assert len(found) == 1
    assert found[0].startswith("visits.csv:10: DAT-09 a quote that opens in this row is not closed")


def test_dat_09_quote_closed_by_accident_some_rows_later(write):
    assert refused(write('id,a,b\n1,x,y\n2,"x,y\n3,x,"\n4,x,y\n'))[0].startswith(
        "visits.csv:3: DAT-09 2 fields, the header has 3; a quote that opens in this row runs on to row 4"
    )


def test_dat_10_limits(write, monkeypatch):
    assert refused(write(f"id,note\n1,{'x' * 2_000_000}\n2,y\n")) == [
        "visits.csv:2: DAT-10 a cell has more than 32,768 characters, which is the limit. "
        "Shorten it or leave the column out."
    ]
    assert "DAT-10" in refused(write(f"id,note\n1,{'x' * 32_769}\n"))[0]
    assert len(read(write(f"id,note\n1,{'x' * 32_768}\n")).frame) == 1
    wide = ",".join(f"c{i}" for i in range(10_000))
    assert refused(write(f"{wide}\n{wide}\n")) == [
        "visits.csv:1: DAT-10 10,000 columns, the limit is 5,000. Leave out columns that are not declared."
    ]
    path = write("")
    os.truncate(path, 2 * 1024**3 + 1)  # sparse: takes no room on the disk
    assert refused(path)[0].startswith(
        "visits.csv: DAT-10 the file has 2,147,483,649 bytes, the limit is 2,147,483,648"
    )
    monkeypatch.setattr(csv_source, "MAX_ROWS", 2)
    assert refused(write("id\n1\n2\n3\n"))[0].startswith(
        "visits.csv: DAT-10 more than 2 rows, which is the limit"
    )


def test_dat_11_empty_header_only_one_row(write):
    for empty in ("", "\ufeff", "\n \n"):
        assert refused(write(empty)) == [
            "visits.csv: DAT-11 the file is empty. Write a header and at least one row."
        ]
    assert refused(write("id,age\n")) == [
        "visits.csv: DAT-11 the file has a header and no rows. Write at least one row."
    ]
    one = write("id,age\n1,40\n")
    assert broken(one, {"age": {"type": "number"}}) == [
        "visits.csv: DAT-11 the file has one row; nothing can be learned from one patient. "
        "Add the other patients' rows."
    ]
    declared = Table.model_validate(
        {"source": {"path": "x"}, "key": "id", "columns": {"age": {"type": "number"}}}
    )
    assert len(conform_table(read(one), declared, name="p", decimal=".", learning=False).frame) == 1


def test_dat_15_removed_folder_no_permission_and_growing(write, tmp_path, monkeypatch):
    assert refused(tmp_path / "gone.csv") == [
        "gone.csv: DAT-15 the file does not exist. Check the path; nothing was read."
    ]
    (tmp_path / "folder.csv").mkdir()
    assert refused(tmp_path / "folder.csv") == [
        "folder.csv: DAT-15 is a folder, a file was expected. Name a file in it."
    ]
    os.mkfifo(tmp_path / "pipe.csv")
    assert "is no regular file" in refused(tmp_path / "pipe.csv")[0]

    path = write("id,age\n1,40\n2,41\n")
    opened = Path.open

    def growing(self: Path, *args: Any, **kwargs: Any) -> Any:
        with opened(self, "ab") as file:
            file.write(b"3,42\n")
        return opened(self, *args, **kwargs)

    def forbidden(self: Path, *args: Any, **kwargs: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", growing)
        assert refused(path) == [
            "visits.csv: DAT-15 the file changed while it was read. "
            "Wait until it is complete and start again; nothing was kept."
        ]
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", forbidden)
        assert refused(path) == [
            "visits.csv: DAT-15 no permission to read the file. "
            "Ask its owner for the right to read it; nothing was read."
        ]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_dat_15_no_permission_for_real(write):
    path = write("id,age\n1,40\n")
    path.chmod(0)
    assert "no permission" in refused(path)[0]


def test_dat_16_ambiguous_and_impossible_dates(write):
    cells = [
        "03/04/2026",
        "2026-13-01",
        "2025-02-29",
        "46085",
        "2026-3-4",
        "2026-03-04T10:00Z",
        "0026-03-04",
        "2024-02-29",
    ]
    lines = broken(column_file(write, "seen", cells), {"seen": {"type": "date"}})
    assert [line.partition(". ")[0] for line in lines] == [
        "visits.csv:2: seen: DAT-16 an ambiguous date: day and month can be told apart only by ISO 8601",
        "visits.csv:3: seen: DAT-16 an impossible date or time",
        "visits.csv:4: seen: DAT-16 an impossible date or time",
        "visits.csv:5: seen: DAT-16 a spreadsheet's serial number, an ISO 8601 date was expected",
        "visits.csv:6: seen: DAT-16 an ISO 8601 date was expected",
        "visits.csv:7: seen: DAT-16 a time with a time zone",
        "visits.csv:8: seen: DAT-16 an impossible year, 1900 to 2200 was expected",
    ]
    good = conformed(
        column_file(write, "seen", ["2024-02-29", "2026-03-04T10:30", "2026-03-04 10:30:15", ""]),
        {"seen": {"type": "date"}},
    )
    assert good.frame["seen"].dtype == "datetime64[ns]"
    assert good.frame["seen"].tolist()[:3] == [
        pd.Timestamp(2024, 2, 29),
        pd.Timestamp(2026, 3, 4, 10, 30),
        pd.Timestamp(2026, 3, 4, 10, 30, 15),
    ]
    assert pd.isna(good.frame["seen"].iloc[3])


def test_dat_18_values_outside_their_range_name_row_and_rule_never_the_value(write):
    path = write(
        "id,madrs,bmi,age,infusions\n1,64,22,40,2\n2,20,-22,41,1\n3,20,22,4500,2.0\n4,20,22,40,2.5\n"
    )
    columns = {
        "madrs": {"instrument": "madrs"},
        "bmi": {"type": "number", "range": [12, 70], "unit": "kg/m2"},
        "age": {"type": "number", "range": [18, 120]},
        "infusions": {"type": "integer", "range": [0, None]},
    }
    assert broken(path, columns) == [
        "visits.csv:2: madrs: DAT-18 outside 0 to 60, which a total of madrs can be. "
        "Mend the cell; values are never clipped.",
        "visits.csv:3: bmi: DAT-18 outside the declared range 12 to 70 kg/m2. Mend the cell; values are never clipped.",
        "visits.csv:4: age: DAT-18 outside the declared range 18 to 120. Mend the cell; values are never clipped.",
        "visits.csv:5: infusions: DAT-18 a whole number was expected. Mend the cell, or declare type: number.",
    ]


def test_dat_19_items_do_not_add_up_to_the_total(write):
    columns = {f"g{i}": {"instrument": "gad7", "item": i} for i in range(1, 8)} | {
        "total": {"instrument": "gad7"}
    }
    lines = [
        "1,1,1,1,1,1,1,1,7",
        "2,1,1,1,1,1,1,1,8",
        "3,3,3,3,3,3,,,14",  # five items at 3 are 15 already
        "4,3,3,3,3,3,,,21",  # 15 + 6 is possible
        "5,0,0,0,0,0,0,,20",  # at most 3
        "6,,,,,,,,20",  # no item to ask
    ]
    path = write("id,g1,g2,g3,g4,g5,g6,g7,total\n" + "\n".join(lines) + "\n")
    assert broken(path, columns) == [
        f"visits.csv:{row}: total: DAT-19 the items of this assessment do not make this total of gad7. "
        "Mend the items or the total; the scoring is on the page of the instruments."
        for row in (3, 4, 6)
    ]


def test_dat_18_ratings_that_an_item_cannot_have(write):
    columns = {f"a{i}": {"instrument": "audit", "item": i} for i in range(1, 11)}
    lines = ["1,0,0,0,0,0,0,0,0,2,4", "2,5,0,0,0,0,0,0,0,1,0", "3,1,0.5,0,0,0,0,0,0,0,0"]
    path = write("id," + ",".join(columns) + "\n" + "\n".join(lines) + "\n")
    found = [line.partition(". ")[0] for line in broken(path, columns) if "DAT-21" not in line]
    assert found == [
        "visits.csv:3: a1: DAT-18 outside 0 to 4, which item 1 of audit can be",
        "visits.csv:3: a9: DAT-18 none of 0, 2, 4, which item 9 can be",
        "visits.csv:4: a2: DAT-18 a whole number was expected",
    ]


def test_dat_20_categories_by_declared_codes(write):
    values = {"F": "female", "Female": "female", "M": "male"}
    good = conformed(
        column_file(write, "sex", ["F ", "Female", " M"]), {"sex": {"type": "category", "values": values}}
    )
    assert good.frame["sex"].tolist() == ["female", "female", "male"]
    assert broken(
        column_file(write, "sex", ["F", "f", "X"]), {"sex": {"type": "category", "values": values}}
    ) == [
        "visits.csv:3: sex: DAT-20 not one of the declared codes: 'F', 'Female', 'M'; it differs from one of them in "
        "upper and lower case only. Add the code to values, or to missing, or mend the cell.",
        "visits.csv:4: sex: DAT-20 not one of the declared codes: 'F', 'Female', 'M'. "
        "Add the code to values, or to missing, or mend the cell.",
    ]


def test_dat_20_learned_levels_that_differ_only_in_case_or_spaces(write):
    assert broken(column_file(write, "sex", ["F", "M", "F ", "f", "M"]), {"sex": {"type": "category"}}) == [
        "visits.csv:4: sex: DAT-20 a category that differs from the one in row 2 only in "
        "case, spaces or invisible characters. "
        "Declare values and give both codes one name.",
        "visits.csv:5: sex: DAT-20 a category that differs from the one in row 2 only in "
        "case, spaces or invisible characters. "
        "Declare values and give both codes one name.",
    ]
    assert conformed(column_file(write, "note", ["F", "F ", "f"]), {"note": {"type": "text"}}).frame[
        "note"
    ].tolist() == ["F", "F ", "f"]


def test_dat_21_all_missing_constant_and_unique_text(write):
    empty = column_file(write, "crp", ["", " ", "."])
    assert broken(empty, {"crp": {"type": "number", "missing": ["."]}}) == [
        "visits.csv: crp: DAT-21 no row has a value. "
        "Remove the column from the dictionary, or check its missing codes."
    ]
    after = conformed(empty, {"crp": {"type": "number", "missing": ["."], "known": "after"}})
    assert after.frame["crp"].isna().all()
    constant = conformed(column_file(write, "crp", ["3", "3.0", ""]), {"crp": {"type": "number"}})
    assert constant.notices == (
        "visits.csv: 'crp' has the same value in every row, so it tells patients nothing apart",
    )
    unique = column_file(write, "address", [f"street {i}" for i in range(20)])
    assert broken(unique, {"address": {"type": "category"}}) == [
        "visits.csv: address: DAT-21 a category with another text in each of 20 rows. "
        "Declare it as type: text if it is not to be used, or declare its values."
    ]
    assert len(conformed(unique, {"address": {"type": "text"}}).frame) == 20


def test_all_problems_of_all_tables_come_together_and_files_are_left_alone(write):
    first = write("id,age\nA1,4500\n00077,x\n", "patients.csv")
    second = write("id,visit,madrs\nA1,d0,64\nA1,d9,20\n", "visits.csv")
    before = first.read_bytes(), second.read_bytes()
    dictionary = Dictionary.model_validate(
        {
            "patients": {
                "source": {"path": "patients.csv"},
                "key": "id",
                "known": "baseline",
                "columns": {"age": {"type": "number", "range": [18, 120]}},
            },
            "visits": {
                "source": {"path": "visits.csv"},
                "key": "id",
                "visits": {"column": "visit", "days": {"d0": 0, "d7": 7}},
                "columns": {"madrs": {"instrument": "madrs"}},
            },
        }
    )
    with pytest.raises(DataError) as caught:
        read_tables(dictionary, {"patients": first, "visits": second})
    codes = [(Path(p.file).name, p.line, p.path, p.code) for p in caught.value.problems]
    assert codes == [
        ("patients.csv", 2, "age", "DAT-18"),
        ("patients.csv", 3, "age", "DAT-07"),
        ("visits.csv", 2, "madrs", "DAT-18"),
        ("visits.csv", 3, "visit", "DAT-20"),
    ]
    text = str(caught.value)
    assert not any(secret in text for secret in ("4500", "00077", "A1", "64", "d9"))
    assert (first.read_bytes(), second.read_bytes()) == before


IN_LITTLE_MEMORY = """
import resource, sys
from pathlib import Path
from predictor.data.sources.csv import read_records
from predictor.errors import DataError
resource.setrlimit(resource.RLIMIT_AS, (1_500_000_000, 1_500_000_000))
try:
    read_records(Path(sys.argv[1]), delimiter=",", encoding="utf-8", shown_as="many.csv")
except DataError as error:
    print(error)
# Not ru_maxrss, which begins with what the parent held when it forked.
status = Path("/proc/self/status").read_text()
print(int(status.split("VmHWM:")[1].split()[0]) * 1024)
"""


def test_dat_23_a_million_rows_of_200_are_refused_before_they_are_read(write):
    row = ",".join(["1.5"] * 200) + "\n"
    path = write("id," + ",".join(f"c{i}" for i in range(199)) + "\n" + row * 100)
    os.truncate(path, 1_000_000 * len(row))  # sparse: what is not written is not looked at either
    command = [sys.executable, "-c", IN_LITTLE_MEMORY, str(path)]
    run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    line, peak = run.stdout.splitlines()
    said = re.fullmatch(
        r"many\.csv: DAT-10 reading the file needs about (\d+\.\d) GB of memory, and [01]\.\d GB are free\. .*",
        line,
    )
    assert said
    assert 10 < float(said[1]) < 30
    assert int(peak) < 300_000_000


def test_dat_23_what_the_estimate_promises_is_enough(tmp_path):
    """Reading a file must not take more than was said: measured at the allocator, on short and on long cells."""
    for cell in ("12.5", "a longer remark of thirty char"):
        path = tmp_path / "many.csv"
        path.write_text(
            "id," + ",".join(f"c{i}" for i in range(19)) + "\n" + (",".join([cell] * 20) + "\n") * 5_000
        )
        tracemalloc.start()
        read(path)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        needed = memory_needed(path.read_bytes()[:100_000], path.stat().st_size, ",")
        assert 0.3 * needed < peak <= needed


def test_dat_24_a_formula_is_text_and_is_neutralised_in_what_is_written(write, tmp_path):
    bait = '=HYPERLINK("http://192.0.2.1","x")'
    quoted = '"' + bait.replace('"', '""') + '"'
    path = write("id,site\n" + f"{quoted},{quoted}\nP2,north\n")
    table = conformed(path, {"site": {"type": "category"}})
    assert table.frame["id"].tolist() == [bait, "P2"]
    assert table.frame["site"].tolist() == [bait, "north"]
    write_table(table.frame.assign(change=[-1.5, 2.0]), tmp_path / "out.csv")
    written = list(csv.reader((tmp_path / "out.csv").read_text().splitlines()))
    assert written[1] == [f"'{bait}", f"'{bait}", "-1.5"]
    record = {"row": 1, "plan": "@SUM(A1)", "probability": -0.0, "reason": "+1"}
    (_, line) = csv.reader(answers_csv([record], list(record)).splitlines())
    assert line == ["1", "'@SUM(A1)", "-0.0", "'+1"]


HOSTILE_NAMES = [
    "a[b]",
    "x<script>alert(1)</script>",
    'he said "yes"',
    "🙂 score",
    "n" * 300,
    "abc\u202edcb",
    "{{7*7}}",
]


@pytest.mark.parametrize("name", HOSTILE_NAMES, ids=range(len(HOSTILE_NAMES)))
def test_dat_25_any_header_is_read_as_it_is_written(write, name):
    header = '"' + name.replace('"', '""') + '"'
    path = write(f"id,{header}\n1,2\n2,3\n")
    assert conformed(path, {name: {"type": "number", "name": "plain"}}).frame[name].tolist() == [2.0, 3.0]
