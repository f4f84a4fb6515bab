"""The strict reader against the standard library's csv writer, and where a record starts."""

from __future__ import annotations

import csv
import hashlib
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from predictor.data.sources.csv import read_text_table
from predictor.errors import DataError

DATA = Path(__file__).parents[3] / "data"


def read(path: Path, delimiter: str | None = None):
    return read_text_table(path, delimiter=delimiter, encoding="utf-8", shown_as=path.name)


cells = st.text(st.characters(codec="utf-8", exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)


@given(records=st.lists(st.lists(cells, min_size=3, max_size=3), min_size=1, max_size=6))
def test_whatever_is_written_as_csv_is_read_back_letter_by_letter(tmp_path_factory, records):
    buffer = io.StringIO(newline="")
    csv.writer(buffer, quoting=csv.QUOTE_ALL).writerows([["a", "b", "c"], *records])
    path = tmp_path_factory.mktemp("csv") / "table.csv"
    path.write_bytes(buffer.getvalue().encode())
    assert read(path).frame.to_numpy(dtype=object).tolist() == records


def test_rows_are_lines_of_the_file_also_after_a_cell_with_line_breaks(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b'id,note\r\n1,"two\r\nlines"\r\n2,"a ""quoted"" word"\r\n')
    table = read(path)
    assert table.rows.tolist() == [2, 4]
    assert table.frame["note"].tolist() == ["two\r\nlines", 'a "quoted" word']
    assert table.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_ending_decides_where_no_delimiter_is_declared(tmp_path):
    for name, mark in (("t.csv", ","), ("t.tsv", "\t"), ("t.TSV", "\t"), ("t.txt", ",")):
        path = tmp_path / name
        path.write_text(f"id{mark}age\n1{mark}40\n")
        assert list(read(path).frame) == ["id", "age"]
    path.write_text("id;bmi\n1;27,5\n")
    assert read(path, ";").frame["bmi"].tolist() == ["27,5"]


@pytest.mark.parametrize("delimiter", ["", "\\t", '"', "\n"])
def test_a_delimiter_is_one_character_and_no_quote(tmp_path, delimiter):
    path = tmp_path / "t.csv"
    path.write_text("id,age\n1,40\n")
    with pytest.raises(DataError, match=r"DAT-04 the declared delimiter has to be one character"):
        read(path, delimiter)


def test_one_column_is_a_table(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("id\n1\n2\n")
    assert read(path).frame["id"].tolist() == ["1", "2"]


def test_a_cell_that_holds_another_delimiter_suggests_nothing(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("id,drugs\n1,a;b\n2,c;d;e\n3,x,y\n")
    with pytest.raises(DataError, match=r"^t\.csv:4: DAT-01 3 fields, the header has 2\."):
        read(path)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("nimh_ketamine/participants.tsv", (58, 7)),
        ("nimh_ketamine/phenotype.tsv", (236, 5)),
        ("thinking_healthy/thinking_healthy.csv", (903, 53)),
        ("opt_periodontal/opt.csv", (823, 171)),
    ],
)
def test_the_trials_have_the_rows_and_columns_of_their_data_cards(name, shape):
    assert read(DATA / name).frame.shape == shape


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"\nid,age\n1,40\n",
            "t.csv:1: DAT-03 the first line is blank, the header was expected. Delete the blank line.",
        ),
        (b'id,"age\n1,40\n', "t.csv:1: DAT-09 a quote that opens in this row is not closed"),
        (
            b'id,age\n1,"4"0\n',
            "t.csv:2: DAT-09 a quoted cell is followed by something else than the delimiter.",
        ),
        (
            b'id,note\n1,x\n2,"' + b"long\n" * 10_000 + b'"\n',
            "t.csv:3: DAT-09 a quote that opens in this row is not closed within 32,768 characters.",
        ),
        (
            b"id,age\n1,\x81\xff\n",
            "t.csv:2: DAT-08 byte offset 9 is not utf-8. Save the file as UTF-8, or declare its encoding.",
        ),
        (
            b"\xef\xbb\xbfid,age\n1,\xe9\n",
            "t.csv:2: DAT-08 byte offset 12 is not utf-8. It may be Windows-1252",
        ),
    ],
)
def test_damaged_files(tmp_path, content, message):
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read(path)
    assert len(caught.value.problems) == 1
    assert str(caught.value).startswith(message)


def test_nul_characters_in_a_wide_encoding(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes("id,age\n1,4\0\n".encode("utf-16"))
    with pytest.raises(DataError, match="DAT-08 holds a NUL character"):
        read_text_table(path, delimiter=None, encoding="utf-16", shown_as="t.csv")


def test_a_path_that_the_system_refuses(tmp_path):
    path = tmp_path / "loop.csv"
    path.symlink_to(path)
    with pytest.raises(
        DataError, match=r"DAT-15 the file cannot be read \(Too many levels of symbolic links\)"
    ):
        read(path)


def test_many_bad_rows_are_counted_and_fifty_shown(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("id,age\n" + "1,40,x\n2\n" * 300)
    with pytest.raises(DataError) as caught:
        read(path)
    assert len(caught.value.problems) == 51
    assert "550 more problems in this file are not shown" in str(caught.value.problems[-1])
