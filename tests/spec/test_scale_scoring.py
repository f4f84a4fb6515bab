"""Items in, scores out: worked by hand from each scale's published scoring, never from what this package prints.

A row: the items in the scale's order (``-`` is not answered), and what they make. A run of equal items is ``3x5``: five
times 3. Where a total is spread over missing items, the arithmetic stands beside the row.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from predictor.data.instruments import INSTRUMENTS
from predictor.data.rating import attainable_totals, rate_items, severity_of

NA = None

# ruff: noqa: E501 - one vector a line, so that the table can be read as one
# scale, items, total, degree, other scores
VECTORS = [
    # MADRS: sum of ten items 0 to 6; up to two missing: mean of the answered × 10, halves up
    ("madrs", "0x10", 0, "none", {"suicidality": 0, "prorated": 0, "missing": 0}),
    ("madrs", "6x10", 60, "severe", {"suicidality": 6}),
    ("madrs", "1 1 1 1 1 1 1 0 0 0", 7, "mild", {"suicidality": 0}),
    ("madrs", "3 4 3 4 2 3 4 3 4 2", 32, "moderate", {"suicidality": 2}),
    ("madrs", "4 4 3 4 3 3 4 4 4 2", 35, "severe", {}),
    ("madrs", "3 4 3 4 2 3 4 3 - 2", 31, "moderate", {"prorated": 1, "missing": 1}),  # 28/9 × 10 = 31.1
    ("madrs", "3 3 3 3 3 3 3 1 - -", 28, "moderate", {"suicidality": NA}),  # 22/8 × 10 = 27.5
    ("madrs", "3x7 - - -", NA, NA, {"suicidality": NA, "prorated": NA, "missing": 3}),
    # HAM-D: items 1 2 3 7 8 9 10 11 15 to 4, the others to 2; prorated by what can be attained
    ("hamd17", "0x17", 0, "none", {"anxiety_somatisation": 0, "hamd6": 0, "anxious_depression": 0}),
    ("hamd17", "4 4 4 2 2 2 4 4 4 4 4 2 2 2 4 2 2", 52, "very severe", {"anxiety_somatisation": 18, "hamd6": 22}),
    # 10+11+12+13+15+17 = 2+1+1+1+1+1 = 7; 1+2+7+8+10+13 = 2+2+2+1+2+1 = 10
    ("hamd17", "2 2 1 1 1 1 2 1 1 2 1 1 1 1 1 0 1", 20, "severe", {"anxiety_somatisation": 7, "hamd6": 10, "anxious_depression": 1, "suicidality": 1}),
    ("hamd17", "2 2 1 1 1 1 2 1 1 2 1 1 1 1 0 0 1", 19, "severe", {"anxiety_somatisation": 6, "anxious_depression": 0}),
    # item 9 missing: 20 − 1 = 19; 19 × 52/48 = 20.58
    ("hamd17", "2 2 1 1 1 1 2 1 - 2 1 1 1 1 1 0 1", 21, "severe", {"prorated": 1}),
    # items 4 5 6 missing: 6 × 52/46 = 6.78
    ("hamd17", "1 1 0 - - - 1 0 0 1 1 0 0 0 1 0 0", 7, "none", {"hamd6": 4}),
    ("hamd17", "1 1 0 - - - - 0 0 1 1 0 0 0 1 0 0", NA, NA, {"hamd6": NA, "suicidality": 0}),
    ("hamd17", "1x2 - 1x14", 17, "moderate", {"suicidality": NA}),  # 16 × 52/48 = 17.33
    # The version that rates agitation (item 9) up to 2
    ("hamd17_50", "4 4 4 2 2 2 4 4 2 4 4 2 2 2 4 2 2", 50, "very severe", {}),
    ("hamd17_50", "0x17", 0, "none", {}),
    ("hamd17_50", "1x17", 17, "moderate", {"anxiety_somatisation": 6, "hamd6": 6}),
    ("hamd17_50", "2x17", 34, "very severe", {"anxiety_somatisation": 12, "anxious_depression": 1}),
    ("hamd17_50", "1x8 - 1x8", 17, "moderate", {"prorated": 1}),  # 16 × 50/48 = 16.67
    # HAM-D 6: items 1 2 7 8 10 13
    ("hamd6", "0x6", 0, NA, {}),
    ("hamd6", "4 4 4 4 4 2", 22, NA, {}),
    ("hamd6", "1 1 1 0 1 0", 4, NA, {}),
    ("hamd6", "2 2 2 1 2 1", 10, NA, {}),
    ("hamd6", "2 2 2 1 2 -", NA, NA, {}),
    # QIDS: highest of 1–4, item 5, highest of 6–9, 10 to 14, highest of 15 and 16
    ("qids_sr16", "3 0 1 0 2 1 0 2 0 1 2 0 3 2 1 0", 16, "severe", {"suicidality": 0}),
    ("qids_sr16", "3x16", 27, "very severe", {"suicidality": 3}),
    ("qids_sr16", "0x16", 0, "none", {}),
    ("qids_sr16", "1x16", 9, "mild", {"suicidality": 1}),
    ("qids_sr16", "- - - 2 1 0 - - - 1 1 0 1 1 0 -", 7, "mild", {"prorated": 0, "missing": 7}),  # 2+1+0+1+1+0+1+1+0
    ("qids_sr16", "2 0 0 0 - 1 0 0 0 1 1 0 1 1 1 0", 9, "mild", {"prorated": 1}),  # 8 × 9/8
    ("qids_sr16", "2 0 0 0 1 1 0 0 0 1 1 - 1 1 0 0", 9, "mild", {"suicidality": NA}),  # 8 × 9/8
    ("qids_sr16", "2 0 0 0 - 1 0 0 0 1 1 - 1 1 1 0", NA, NA, {}),
    ("qids_sr16", "2 0 0 0 0 1 0 0 0 0 0 0 1 1 - -", 6, "mild", {}),  # 5 × 9/8 = 5.6
    # IDS: 11 or 12 and 13 or 14 count once
    ("ids30", "0x30", 0, "none", {}),
    ("ids30", "3x30", 84, "very severe", {"suicidality": 3}),
    ("ids30", "1x30", 28, "moderate", {}),
    ("ids30", "1x10 2 - - 3 1x16", 31, "moderate", {"suicidality": 1, "missing": 2, "prorated": 0}),  # 26 × 1 + 2 + 3
    ("ids30", "1x10 2 0 0 2 0x16", 14, "mild", {"suicidality": 0}),
    ("ids30", "1x10 - - 0 2 0x16", NA, NA, {}),
    ("ids30", "1x17 - 1x12", NA, NA, {"suicidality": NA}),
    # PHQ-9
    ("phq9", "2 2 3 3 - 2 1 0 -", 17, "moderately severe", {"suicidality": NA, "safety_flag": NA, "prorated": 1, "major_depression": 1}),
    ("phq9", "2 2 3 - - 2 1 0 -", NA, NA, {"suicidality": NA}),
    ("phq9", "0x9", 0, "minimal", {"safety_flag": 0, "major_depression": 0}),
    ("phq9", "3x9", 27, "severe", {"safety_flag": 1, "major_depression": 1}),
    # five at 2 counting item 9 at 1: items 1, 3, 4, 5 and 9
    ("phq9", "2 0 2 2 2 0 0 0 1", 9, "mild", {"safety_flag": 1, "major_depression": 1}),
    ("phq9", "1 1 2 2 2 2 2 0 0", 12, "moderate", {"safety_flag": 0, "major_depression": 0}),  # neither 1 nor 2 at 2
    ("phq9", "1 1 1 1 1 0 0 0 0", 5, "mild", {"major_depression": 0}),
    ("phq9", "2 2 2 2 - 0 0 0 0", 9, "mild", {"major_depression": NA, "safety_flag": 0}),  # 8/8 × 9; the fifth could be it
    # BDI-II
    ("bdi2", "0x21", 0, "minimal", {"suicidality": 0}),
    ("bdi2", "3x21", 63, "severe", {"suicidality": 3}),
    ("bdi2", "1x14 0x7", 14, "mild", {"suicidality": 1}),
    ("bdi2", "1x20 0", 20, "moderate", {}),
    ("bdi2", "2x8 0 2x6 1 0x5", 29, "severe", {"suicidality": 0}),
    ("bdi2", "1x8 - 1x12", NA, NA, {"suicidality": NA, "missing": 1}),
    # GAD-7
    ("gad7", "0x7", 0, "minimal", {}),
    ("gad7", "3x7", 21, "severe", {}),
    ("gad7", "1 1 1 1 1 0 0", 5, "mild", {}),
    ("gad7", "2 2 2 2 2 0 0", 10, "moderate", {}),
    ("gad7", "2 2 2 2 2 - -", 14, "moderate", {"prorated": 1}),  # 10/5 × 7
    ("gad7", "2 2 2 2 - - -", NA, NA, {}),
    ("gad7", "2 1 0 1 1 1 -", 7, "mild", {}),  # 6/6 × 7
    # PCL-5: B 1–5, C 6–7, D 8–14, E 15–20
    ("pcl5", "2x20", 40, NA, {"provisional_ptsd": 1, "b": 10, "c": 4, "d": 14, "e": 12, "at_least_33": 1}),
    ("pcl5", "4 0x4 4 0 4 0x6 4 4 0x4", 20, NA, {"provisional_ptsd": 0, "b": 4, "c": 4, "d": 4, "e": 8, "at_least_31": 0}),
    ("pcl5", "4 0x4 4 0 4 4 0x5 4 4 0x4", 24, NA, {"provisional_ptsd": 1}),
    ("pcl5", "0x20", 0, NA, {"provisional_ptsd": 0}),
    ("pcl5", "4x20", 80, NA, {"b": 20, "c": 8, "d": 28, "e": 24}),
    ("pcl5", "1x9 2x11", 31, NA, {"at_least_31": 1, "at_least_33": 0, "provisional_ptsd": 0}),  # no B at 2
    ("pcl5", "2x4 - 2x7 - - 2x5 -", 40, NA, {"provisional_ptsd": 1, "e": NA, "prorated": 1}),  # 32/16 × 20; 15 to 19 make E
    ("pcl5", "2x16 - - - -", NA, NA, {"provisional_ptsd": 1, "e": NA}),  # all four of one cluster
    ("pcl5", "1x7 - - 1x11", NA, NA, {"provisional_ptsd": 0, "d": NA}),  # both of one cluster
    ("pcl5", "- 3x19", 60, NA, {"prorated": 1, "b": NA}),  # 57/19 × 20
    ("pcl5", "2x15 - - - - -", NA, NA, {"provisional_ptsd": NA}),
    ("pcl5", "2x5 - - 2x13", NA, NA, {"c": NA, "provisional_ptsd": NA}),  # a whole cluster is missing
    ("pcl5", "2x5 2 - 2x13", 40, NA, {"c": NA, "provisional_ptsd": 1}),  # 38/19 × 20
    # CADSS: 23 items; the six are 1, 2, 6, 7, 15 and 22; none may be missing
    ("cadss", "0x23", 0, NA, {"cadss6": 0, "dissociation": 0}),
    ("cadss", "4x23", 92, NA, {"cadss6": 24, "dissociation": 1}),
    ("cadss", "1 1 0 0 0 1 1 0x16", 4, NA, {"cadss6": 4, "dissociation": 0}),
    ("cadss", "1 1 0 0 0 1 1 0x7 1 0x8", 5, NA, {"cadss6": 5, "dissociation": 1}),
    ("cadss", "0 0 2 2 2 0x16 3 0", 9, NA, {"cadss6": 3}),
    ("cadss", "- 1x22", NA, NA, {"cadss6": NA, "dissociation": NA}),
    ("cadss6", "0x6", 0, NA, {}),
    ("cadss6", "4x6", 24, NA, {}),
    ("cadss6", "1 2 3 4 0 1", 11, NA, {}),
    ("cadss6", "0 0 0 0 0 3", 3, NA, {}),
    ("cadss6", "1 2 3 4 0 -", NA, NA, {"missing": 1}),
    # YMRS: items 5, 6, 8, 9 to 8, the others to 4
    ("ymrs", "0x11", 0, NA, {}),
    ("ymrs", "4 4 4 4 8 8 4 8 8 4 4", 60, NA, {}),
    ("ymrs", "1 1 1 0 2 0 0 0 0 0 0", 5, NA, {}),
    ("ymrs", "2 2 2 2 4 4 2 4 4 2 2", 30, NA, {}),
    ("ymrs", "2 2 2 2 - 4 2 4 4 2 2", 30, NA, {"prorated": 1}),  # 26 × 60/52
    ("ymrs", "2 2 2 2 4 4 2 4 4 2 -", 30, NA, {}),  # 28 × 60/56
    ("ymrs", "2 2 2 2 - - 2 4 4 2 2", NA, NA, {}),
    # C-SSRS: the highest of five levels that was answered with yes; nothing without levels 4 and 5
    ("cssrs_ideation", "0 0 0 0 0", 0, NA, {"high_risk": 0}),
    ("cssrs_ideation", "1 0 0 0 0", 1, NA, {"high_risk": 0}),
    ("cssrs_ideation", "1 1 1 0 0", 3, NA, {"high_risk": 0}),
    ("cssrs_ideation", "1 1 0 1 0", 4, NA, {"high_risk": 1}),
    ("cssrs_ideation", "1 1 1 1 1", 5, NA, {"high_risk": 1}),
    ("cssrs_ideation", "- - - 1 0", 4, NA, {"high_risk": 1, "prorated": 0}),
    ("cssrs_ideation", "1 1 - 0 0", NA, NA, {"high_risk": NA}),  # 2 or 3
    ("cssrs_ideation", "1 1 1 - 0", NA, NA, {}),
    ("cssrs_ideation", "1 1 1 1 -", NA, NA, {"high_risk": NA}),
    # CTQ: reverse 2 5 7 13 19 26 28
    ("ctq28", "1x28", 53, NA, {"ea": 5, "pa": 5, "sa": 5, "en": 25, "pn": 13, "minimisation": 0}),
    ("ctq28", "5x28", 97, NA, {"ea": 25, "pa": 25, "sa": 25, "en": 5, "pn": 17, "minimisation": 3}),
    ("ctq28", "3x28", 75, NA, {"ea": 15, "pa": 15, "sa": 15, "en": 15, "pn": 15, "minimisation": 0}),
    # the least: 1 everywhere but 5 at the reversed items
    ("ctq28", "1 5 1 1 5 1 5 1 1 1 1 1 5 1 1 1 1 1 5 1 1 1 1 1 1 5 1 5", 25, NA, {"ea": 5, "en": 5, "pn": 5}),
    # as all "1", item 3 (EA) missing: 4 × 5/4 = 5; item 5 (EN) missing: 20 × 5/4 = 25
    ("ctq28", "1 1 - 1 - 1x23", 53, NA, {"ea": 5, "en": 25, "prorated": 1}),
    ("ctq28", "1 1 - 1x4 - 1x20", NA, NA, {"ea": NA, "pa": 5}),  # items 3 and 8 are both EA
    # EA 3 8 14 18 25 = 2 2 3 1 -: 8 × 5/4 = 10
    ("ctq28", "1 1 2 1 1 1 1 2 1 1 1 1 1 3 1 1 1 1 1 1 1 1 1 1 - 1 1 1", 58, NA, {"ea": 10}),
    ("ctq28", "1x9 5 1x5 5 1x12", 53, NA, {"minimisation": 2}),
    # AUDIT: items 9 and 10 are 0, 2 or 4; item 1 = 0 leads to items 9 and 10
    ("audit", "0x10", 0, "low risk", {"audit_c": 0, "positive_women": 0}),
    ("audit", "4x10", 40, "possible dependence", {"audit_c": 12, "positive_men": 1}),
    ("audit", "0 - - - - - - - 2 4", 6, "low risk", {"audit_c": 0, "positive_women": 0, "missing": 0, "prorated": 0}),
    ("audit", "1 1 1 1 1 1 1 1 0 0", 8, "hazardous", {"audit_c": 3, "positive_men": 0, "positive_women": 1}),
    ("audit", "2 1 1 2 2 2 2 2 2 0", 16, "harmful", {"audit_c": 4, "positive_men": 1}),
    ("audit", "2 2 2 2 2 2 2 2 2 2", 20, "possible dependence", {"audit_c": 6}),
    ("audit", "1 - 1 1 1 1 1 1 0 0", NA, NA, {"audit_c": NA, "positive_men": NA}),
    ("audit_c", "0 - -", 0, NA, {"positive_men": 0, "positive_women": 0}),
    ("audit_c", "1 1 1", 3, NA, {"positive_men": 0, "positive_women": 1}),
    ("audit_c", "2 1 1", 4, NA, {"positive_men": 1, "positive_women": 1}),
    ("audit_c", "4 4 4", 12, NA, {}),
    ("audit_c", "2 1 -", NA, NA, {"positive_women": NA}),
    # Maudsley: months, severity, failed antidepressants, augmentation, ECT
    ("msm", "30 4 3 1 0", 10, "moderate", {}),  # 3 + 4 + 2 + 1 + 0
    ("msm", "12 1 2 0 0", 3, "mild", {}),  # 1 + 1 + 1
    ("msm", "13 2 1 0 0", 5, "mild", {}),  # 2 + 2 + 1
    ("msm", "24 3 5 1 0", 9, "moderate", {}),  # 2 + 3 + 3 + 1
    ("msm", "25 3 7 1 0", 11, "severe", {}),  # 3 + 3 + 4 + 1
    ("msm", "60 5 11 1 1", 15, "severe", {}),  # 3 + 5 + 5 + 1 + 1
    ("msm", "60 5 10 1 1", 14, "severe", {}),  # 3 + 5 + 4 + 1 + 1
    ("msm", "30 4 3 - 0", NA, NA, {}),
    ("msm", "30 4 0 0 0", NA, NA, {"missing": 0}),  # nothing has failed yet, so there is no stage
    # Thase–Rush: trials, classes, tricyclic, MAO inhibitor, bilateral ECT
    ("thase_rush", "0 0 0 0 0", 0, NA, {}),
    ("thase_rush", "3 1 0 0 0", 1, NA, {}),
    ("thase_rush", "2 2 0 0 0", 2, NA, {}),
    ("thase_rush", "3 3 1 0 0", 3, NA, {}),
    ("thase_rush", "4 4 1 1 0", 4, NA, {}),
    ("thase_rush", "5 4 1 1 1", 5, NA, {}),
    ("thase_rush", "3 3 0 1 1", 2, NA, {}),  # no tricyclic, so not past the second stage
    ("thase_rush", "3 3 - 0 0", NA, NA, {}),
    # BPRS, two ways of counting; the positive items are 4, 11, 12, 15
    ("bprs18_1_7", "1x18", 18, NA, {"positive": 4}),
    ("bprs18_1_7", "7x18", 126, NA, {"positive": 28}),
    ("bprs18_1_7", "2x3 5 2x14", 39, NA, {"positive": 11}),
    ("bprs18_1_7", "1x16 - -", 18, NA, {"prorated": 1}),  # 16/16 × 18
    ("bprs18_1_7", "3x10 2x7 -", 47, NA, {"positive": 9}),  # 44/17 × 18 = 46.6; 3 + 2 + 2 + 2
    ("bprs18_1_7", "1x15 - - -", NA, NA, {}),
    ("bprs18_0_6", "0x18", 0, NA, {"positive": 0}),
    ("bprs18_0_6", "6x18", 108, NA, {"positive": 24}),
    ("bprs18_0_6", "1x3 4 1x14", 21, NA, {"positive": 7}),
    ("bprs18_0_6", "2x9 1x7 - -", 28, NA, {"prorated": 1}),  # 25/16 × 18 = 28.1
    ("bprs18_0_6", "1x3 - - - 1x12", NA, NA, {"positive": NA}),
    # SHAPS
    ("shaps", "0x14", 0, "none", {}),
    ("shaps", "1x14", 14, "anhedonia", {}),
    ("shaps", "1x2 0x12", 2, "none", {}),
    ("shaps", "1x3 0x11", 3, "anhedonia", {}),
    ("shaps", "1x6 0x6 - -", 7, "anhedonia", {"prorated": 1}),  # 6/12 × 14
    ("shaps", "1x3 0x8 - - -", NA, NA, {}),
    ("shaps_franken", "1x14", 14, NA, {}),
    ("shaps_franken", "4x14", 56, NA, {}),
    ("shaps_franken", "2x7 3x7", 35, NA, {}),
    ("shaps_franken", "2x13 -", 28, NA, {"prorated": 1}),  # 26/13 × 14
    ("shaps_franken", "1x11 - - -", NA, NA, {}),
]  # fmt: skip


def ratings(name: str, items: str) -> pd.DataFrame:
    values: list[float] = []
    for piece in items.split():
        value, _, times = piece.partition("x")
        values += [np.nan if value == "-" else float(value)] * int(times or 1)
    rating = INSTRUMENTS[name].rating
    assert rating is not None
    assert len(values) == len(rating.items), f"{name}: {len(values)} items"
    return pd.DataFrame([values], columns=list(rating.items))


@pytest.mark.parametrize(("name", "items", "total", "degree", "others"), VECTORS)
def test_items_make_these_scores(name, items, total, degree, others):
    rating = INSTRUMENTS[name].rating
    found = rate_items(rating, ratings(name, items))
    scores = {key: None if np.isnan(value) else value for key, value in found.iloc[0].items()}
    assert scores["total"] == total
    assert {key: scores[key] for key in others} == others
    assert severity_of(rating.whole, found["total"].to_numpy())[0] == degree


def test_every_scale_with_items_has_five_vectors():
    counts = pd.Series([name for name, *_ in VECTORS]).value_counts()
    rated = {name for name, scale in INSTRUMENTS.items() if scale.rating is not None}
    assert set(counts.index) == rated
    assert counts.min() >= 5


def test_degrees_of_childhood_trauma():
    parts = INSTRUMENTS["ctq28"].rating.parts
    for name, mild, moderate in [("ea", 9, 13), ("pa", 8, 10), ("sa", 6, 8), ("en", 10, 15), ("pn", 8, 10)]:
        values = np.array([5, mild - 1, mild, moderate - 1, moderate, np.nan])
        expected = ["none", "none", "mild", "mild", "moderate to severe", None]
        assert severity_of(parts[name], values).tolist() == expected, name


# The table of domain.md, section 2: scale, most that may be missing, how the rest makes the total
RULES = [
    ("madrs", 2, "mean"),
    ("hamd17", 3, "attainable"),
    ("hamd17_50", 3, "attainable"),
    ("hamd6", 0, ""),
    ("qids_sr16", 1, "mean"),
    ("ids30", 0, ""),
    ("phq9", 2, "mean"),
    ("bdi2", 0, ""),
    ("gad7", 2, "mean"),
    ("pcl5", 4, "mean"),
    ("cadss", 0, ""),
    ("cadss6", 0, ""),
    ("ymrs", 1, "attainable"),
    ("cssrs_ideation", 0, ""),
    ("ctq28", 1, "mean"),
    ("audit", 0, ""),
    ("audit_c", 0, ""),
    ("msm", 0, ""),
    ("thase_rush", 0, ""),
    ("bprs18_1_7", 2, "mean"),
    ("bprs18_0_6", 2, "mean"),
    ("shaps", 2, "mean"),
    ("shaps_franken", 2, "mean"),
]


def test_each_scale_says_how_missing_items_are_made_up_for_and_who_says_so():
    rated = {name: scale.rating for name, scale in INSTRUMENTS.items() if scale.rating is not None}
    summed = {
        name: [rating.parts[part] for part in rating.total_of] or [rating.whole]
        for name, rating in rated.items()
    }
    found = [(name, part.most_missing, part.spread) for name, parts in summed.items() for part in parts]
    assert list(dict.fromkeys(found)) == RULES
    assert [name for name, most, _ in RULES if bool(most) != bool(rated[name].spread_source)] == []


def test_the_mean_is_for_items_of_one_range():
    for name, scale in INSTRUMENTS.items():
        if scale.rating is not None and scale.rating.whole.spread == "mean":
            ends = {(item.low, item.high) for item in scale.rating.items.values()}
            assert len(ends) == 1, name


# Item of suicidal thoughts, from the amendments of clinician.md
SAFETY = {
    "madrs": "10",
    "phq9": "9",
    "hamd17": "3",
    "hamd17_50": "3",
    "qids_sr16": "12",
    "ids30": "18",
    "bdi2": "9",
}


def test_items_of_suicidal_thoughts_are_never_filled_in():
    rated = {name: scale.rating for name, scale in INSTRUMENTS.items() if scale.rating is not None}
    assert {name: rating.safety for name, rating in rated.items() if rating.safety} == SAFETY
    assert rated["cssrs_ideation"].required == ("4", "5")
    for name, key in SAFETY.items():
        high = {item: [rated[name].items[item].high] for item in rated[name].items}
        scores = rate_items(rated[name], pd.DataFrame(high | {key: [np.nan]}, dtype=float))
        assert np.isnan(scores["suicidality"][0]), name


@pytest.mark.parametrize(
    ("name", "items"),
    [
        ("madrs", "7 0x9"),
        ("hamd17_50", "0x8 3 0x8"),
        ("audit", "0x8 1 0"),
        ("ctq28", "0 1x27"),
        ("msm", "6 3 -1 0 0"),
    ],
)
def test_a_rating_out_of_range_is_refused_and_not_clipped(name, items):
    with pytest.raises(ValueError, match="cannot have"):
        rate_items(INSTRUMENTS[name].rating, ratings(name, items))


@pytest.mark.parametrize(
    ("name", "items", "low", "high"),
    [
        ("madrs", "3 4 3 4 2 3 4 3 - 2", 28, 34),
        ("madrs", "3 4 3 4 2 3 4 3 4 2", 32, 32),
        ("qids_sr16", "1 - - - 0 0x4 0 0 0 0 0 0 0", 1, 3),  # the highest of four is at least 1 and at most 3
        ("ctq28", "1 1 - 1x25", 53, 57),
        ("ctq28", "1 - 1x26", 49, 53),  # item 2 is turned round: 5 points become 1
        ("audit", "0 - - - - - - - 2 4", 6, 6),
        ("thase_rush", "3 3 - 1 0", 2, 4),
        ("msm", "30 4 - 1 0", 9, 13),  # 3 + 4 + 1 to 5 + 1
    ],
)
def test_totals_that_missing_items_leave_open(name, items, low, high):
    found = attainable_totals(INSTRUMENTS[name].rating, ratings(name, items))
    assert [end.tolist() for end in found] == [[low], [high]]
