from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from predictor.config.yaml_text import parse_yaml
from predictor.config.yaml_writer import write_yaml


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1", 1),
        ("-7", -7),
        ("+3", 3),
        ("0", 0),
        ("0.5", 0.5),
        (".5", 0.5),
        ("1e-3", 0.001),
        ("1E3", 1000.0),
        ("true", True),
        ("False", False),
        ("~", None),
        ("null", None),
        ("", None),
        ("no", "no"),
        ("on", "on"),
        ("n/a", "n/a"),
        (".", "."),
        ("2026-01-31", "2026-01-31"),
        ("1.2.3", "1.2.3"),
        ("'0123'", "0123"),
        ('"true"', "true"),
        ("0,5", "0,5"),
    ],
)
def test_scalars_are_what_yaml_1_2_says(written: str, value: Any) -> None:
    result = parse_yaml(f"key: {written}\n", "f.yaml")
    assert not result.problems
    assert result.data == {"key": value}
    assert type(result.data["key"]) is type(value)


def test_keys_are_text_as_written() -> None:
    assert parse_yaml("0.0: a\n1: b\nyes: c\n~: d\n", "f.yaml").data == {
        "0.0": "a",
        "1": "b",
        "yes": "c",
        "~": "d",
    }


def test_places_know_line_and_spelling() -> None:
    places = parse_yaml('a:\n  b: 1.10\n  c:\n    - x\n    - {d: "2"}\n', "f.yaml").places
    assert (places["a"].line, places["a.b"].line, places["a.b"].text) == (1, 2, "1.10")
    assert (places["a.c"].line, places["a.c.0"].line, places["a.c.1.d"].line) == (3, 4, 5)
    assert places["a.c.1.d"].quoted
    assert not places["a.b"].quoted


def test_reading_goes_on_after_what_is_refused() -> None:
    result = parse_yaml("a: !!int 1\nb: &x 2\nc: 0123\nd: [1, 12:30, 3]\na: {e: 5}\nf: 6\n", "f.yaml")
    assert [(problem.code, problem.line, problem.path) for problem in result.problems] == [
        ("CFG-03", 1, "a"),
        ("CFG-04", 2, "b"),
        ("CFG-07", 3, "c"),
        ("CFG-07", 4, "d.1"),
    ]
    assert result.data["b"] == 2
    assert result.data["d"][::2] == [1, 3]
    assert result.data["f"] == 6


def test_a_repeated_key_keeps_the_first_value() -> None:
    result = parse_yaml("a: {x: 1}\nb: 2\na: {y: 3}\n", "f.yaml")
    assert result.data == {"a": {"x": 1}, "b": 2}
    (problem,) = result.problems
    assert "lines 1 and 3" in problem.message


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a: b: c", "CFG-30"),
        ("a: [1, 2", "CFG-30"),
        ("a: 'x", "CFG-30"),
        ("a:\n\t- x", "CFG-30"),
        ('a: "\\UFFFFFFFF"', "CFG-30"),
        ("a: \x07", "CFG-30"),
        ("? [a]\n: b", "CFG-07"),
        ("%YAML 1.1\n---\na: 1", "CFG-03"),
    ],
)
def test_broken_yaml_is_a_problem_and_never_a_traceback(text: str, code: str) -> None:
    assert [problem.code for problem in parse_yaml(text, "f.yaml").problems] == [code]


# What nobody sees is refused; a surrogate is no character at all.
SEEN = st.characters(exclude_categories=("Cc", "Cs"))
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(SEEN, max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(SEEN, min_size=1, max_size=10), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(st.dictionaries(st.text(SEEN, min_size=1, max_size=10), VALUES, min_size=1, max_size=4))
def test_what_is_written_is_read_back(data: dict[str, Any]) -> None:
    result = parse_yaml(write_yaml(data), "f.yaml")
    assert not result.problems
    assert result.data == data


@given(st.text(max_size=200))
def test_no_text_raises(text: str) -> None:
    result = parse_yaml(text, "f.yaml")
    assert result.data is None or isinstance(result.data, (dict, list, str, int, float, bool))
