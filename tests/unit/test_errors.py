from __future__ import annotations

import pytest

from predictor.errors import Problem, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Größe, 身長, مرحبا", "Größe, 身長, مرحبا"),
        ("\x1b[2J", r"\u001b[2J"),
        ("a\r\nb\t", r"a\u000d\u000ab\u0009"),
        ("\x9b", r"\u009b"),
        ("\u202eexe.csv", r"\u202eexe.csv"),
        ("\ud800", r"\ud800"),
    ],
)
def test_what_a_terminal_obeys_or_hides_is_written_out(text: str, shown: str) -> None:
    assert visible(text) == shown
    assert visible(shown).encode().decode() == shown


def test_a_problem_is_one_line_whatever_it_names() -> None:
    problem = Problem("CFG-01", "unknown key \x1b]0;owned\x07", "Delete it", path="a\nb", file="\u2066.yaml")
    assert str(problem).isprintable()
    assert len(str(problem).splitlines()) == 1


def test_lines_that_are_meant_stay() -> None:
    assert visible("a\n\tb\x07", keep="\n\t") == "a\n\tb\\u0007"
