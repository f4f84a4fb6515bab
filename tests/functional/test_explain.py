"""`predictor explain`: what the documentation says about a code, where only the package is installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from predictor.checks.finding import CHECKS
from predictor.code_pages import CODE_PAGES
from predictor.codes import CODES
from trained_clinics import command_line


def test_a_code_is_explained_with_its_example_and_what_to_do() -> None:
    answer = command_line("explain", "cfg-01", "P003")
    assert (answer.code, answer.err) == (0, "")
    first, second = answer.out.split("\n\n")
    assert first.startswith(f"CFG-01 {CODES['CFG-01']}\nExample: config.yaml:21: modle: CFG-01 unknown key")
    assert first.endswith(f"What to do: {CODE_PAGES['CFG-01'].advice}")
    assert second.startswith("P003 A component of the outcome is among the features. A feature has")
    assert CHECKS["P003"].remedy in second


@pytest.mark.parametrize("code", [*CODES, *CHECKS])
def test_every_code_has_a_meaning_and_an_advice(code: str) -> None:
    (found,) = command_line("explain", code, "--json").record["codes"]
    assert found["code"] == code
    assert found["meaning"]
    assert found["advice"]
    assert (found["example"] == "") == (code in CHECKS)


def test_a_code_that_there_is_not_is_refused() -> None:
    answer = command_line("explain", "CFG-01", "XYZ-99")
    assert answer.code == 2
    assert "CLI-01 there is no code XYZ-99" in answer.err


def test_an_error_ends_with_the_command_that_explains_it_and_it_does(tmp_path: Path) -> None:
    answer = command_line("check", tmp_path / "nowhere.yaml")
    last = answer.err.splitlines()[-1]
    assert last == "More: predictor explain CFG-45"
    arguments = last.partition("predictor ")[2].split()
    assert CODES["CFG-45"] in command_line(*arguments).out
