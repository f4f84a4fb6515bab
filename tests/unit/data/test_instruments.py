"""Ranges against the scales' own arithmetic: items times points."""

from __future__ import annotations

import pytest

from predictor.data.instruments import INSTRUMENTS, find_instrument, similar_instruments

# (name, (points per item, number of items), ...) as in each scale's scoring instructions
ITEMS = {
    "madrs": [(6, 10)],
    "hamd17": [(4, 9), (2, 8)],
    "hamd6": [(4, 5), (2, 1)],  # items 1, 2, 7, 8, 10 up to 4 and 13 up to 2
    "qids_sr16": [(3, 9)],
    "ids30": [(3, 28)],
    "phq9": [(3, 9)],
    "bdi2": [(3, 21)],
    "gad7": [(3, 7)],
    "pcl5": [(4, 20)],
    "cadss": [(4, 23)],
    "cadss6": [(4, 6)],
    "ymrs": [(8, 4), (4, 7)],
    "ctq28": [(5, 25)],
    "audit": [(4, 10)],
    "audit_c": [(4, 3)],
    "msm": [(3, 1), (5, 1), (5, 1), (1, 2)],  # duration, severity, failures, augmentation and ECT
    "psqi": [(3, 7)],
    "shaps": [(1, 14)],
    "shaps_franken": [(4, 14)],
}


@pytest.mark.parametrize("name", ITEMS)
def test_the_largest_total_is_the_sum_of_the_largest_items(name):
    assert INSTRUMENTS[name].high == sum(points * items for points, items in ITEMS[name])


def test_smallest_totals():
    smallest = {
        "ctq28": 25,
        "msm": 3,
        "shaps_franken": 14,
        "bprs18_1_7": 18,
    }  # 25 items from 1; three stages from 1; 14 and 18 items from 1
    smallest |= {f"ctq_{scale}": 5 for scale in ("ea", "pa", "sa", "en", "pn")}
    assert {name: scale.low for name, scale in INSTRUMENTS.items() if scale.low} == smallest


def test_remission_lies_inside_the_scale_and_every_scale_has_a_source():
    for name, scale in INSTRUMENTS.items():
        assert scale.name == name
        assert scale.source
        assert scale.remission_at_most is None or scale.low <= scale.remission_at_most < scale.high


def test_codes_only_where_confirmed():
    assert {name: scale.loinc for name, scale in INSTRUMENTS.items() if scale.loinc} == {
        "phq9": "44261-6",
        "gad7": "70274-6",
    }


def test_looking_a_scale_up():
    assert find_instrument("madrs") is INSTRUMENTS["madrs"]
    assert find_instrument("MADRS") is None
    assert similar_instruments("MADRS")[0] == "madrs"
    assert similar_instruments("hamd-17")[0] == "hamd17"
