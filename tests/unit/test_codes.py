"""Every code that the package can print is described, and nothing else is."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

import predictor.codes
from predictor.code_pages import CODE_PAGES
from predictor.codes import CODES

PACKAGE = Path(predictor.codes.__file__).parent
FAMILIES = {code.partition("-")[0] for code in CODES}


def test_every_code_that_is_used_is_described() -> None:
    used = {
        code
        for file in PACKAGE.rglob("*.py")
        if file.name not in ("codes.py", "code_pages.py")
        for code in re.findall(r'"([A-Z]{3}-\d\d)"', file.read_text(encoding="utf-8"))
    }
    assert used - CODES.keys() == set(), "used and not described"
    assert CODES.keys() - used == set(), "described and not used"


def test_a_description_is_one_sentence() -> None:
    assert [code for code, text in CODES.items() if not re.fullmatch(r"[A-Z][^.]*\.", text)] == []


def test_codes_stand_in_order_within_their_family() -> None:
    for family in FAMILIES:
        codes = [code for code in CODES if code.startswith(family)]
        assert codes == sorted(codes)


def test_every_code_has_its_page() -> None:
    assert CODE_PAGES.keys() == CODES.keys()


@cache
def written_in_the_source() -> frozenset[str]:
    """Every piece of text of six characters or more from which the package makes its messages."""
    files = (file for file in PACKAGE.rglob("*.py") if file.name not in ("codes.py", "code_pages.py"))
    nodes = (node for file in files for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    texts = (node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str))
    return frozenset(text.strip(" .") for text in texts if len(text.strip(" .")) >= 6)


def share_written(line: str) -> float:
    """Share of the words of a line, without numbers and without what it quotes, that stand in the source."""
    found = bytearray(len(line))
    for text in written_in_the_source():
        start = line.find(text)
        while start >= 0:
            found[start : start + len(text)] = b"\1" * len(text)
            start = line.find(text, start + 1)
    for given in re.finditer(r"\"[^\"]*\"|'[^']*'|\([^)]*\)|[\d.,;:]+|\d\S+", line):
        found[given.start() : given.end()] = b"\2" * (given.end() - given.start())
    return found.count(1) / max(1, len(line) - found.count(2))


@pytest.mark.parametrize("code", CODES)
def test_the_example_of_a_code_is_what_the_package_prints(code: str) -> None:
    """A message that is worded anew in the source has to be worded anew on its page."""
    example, advice = CODE_PAGES[code]
    assert re.search(rf"(^|: ){code} [^ ].*\.$", example)
    assert set(re.findall(r"\b[A-Z]{3}-\d\d\b", example)) & CODES.keys() == {code}
    assert share_written(example.partition(f"{code} ")[2]) > 0.5
    assert re.fullmatch(r"[A-Z`\[].*\.", advice)


def test_a_line_that_the_package_does_not_print_is_noticed() -> None:
    assert share_written("a measurement after treatment is dated too early. Correct one of the dates") < 0.5
