"""Every code that the package can print is described, and nothing else is."""

from __future__ import annotations

import re
from pathlib import Path

import predictor.codes
from predictor.codes import CODES

PACKAGE = Path(predictor.codes.__file__).parent
FAMILIES = {code.partition("-")[0] for code in CODES}


def test_every_code_that_is_used_is_described() -> None:
    used = {
        code
        for file in PACKAGE.rglob("*.py")
        if file.name != "codes.py"
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
