"""What the data are like, in figures that show nobody: every count worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinic import Clinic, small_clinic
from predictor.quality.columns import Histogram
from predictor.quality.describing import DataQuality, describe_data
from predictor.quality.missingness import SMALL_SITES, missingness_table
from predictor.quality.suppression import hidden_cells, shown_count, shown_shares


@pytest.mark.parametrize(("count", "shown"), [(0, 0), (1, None), (4, None), (5, 5), (100, 100)])
def test_a_count_from_1_to_4_is_not_shown(count: int, shown: int | None) -> None:
    assert shown_count(count) == shown


def test_a_lone_hidden_count_takes_the_next_smallest_along() -> None:
    assert hidden_cells(np.array([3, 8, 20, 0])).tolist() == [True, True, False, False]
    assert hidden_cells(np.array([3, 2, 20])).tolist() == [True, True, False]
    assert hidden_cells(np.array([3, 0])).tolist() == [
        True,
        False,
    ]  # nothing else to hide: the whole is 3 as well
    assert not hidden_cells(np.array([0, 7, 9])).any()


COUNTS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=6)


@given(pairs=COUNTS)
def test_no_share_speaks_of_1_to_4_and_none_can_be_told_from_the_sum(pairs: list[tuple[int, int]]) -> None:
    part = np.array([one for one, _ in pairs])
    whole = part + np.array([rest for _, rest in pairs])
    shares = shown_shares(part, whole)
    for share, one, all_of_them in zip(shares, part, whole, strict=True):
        assert np.isnan(share) or (
            all_of_them >= 5 and (one == 0 or one >= 5) and (one == all_of_them or all_of_them - one >= 5)
        )
        assert np.isnan(share) or share == one / all_of_them
    hidden = np.isnan(shares)
    if hidden.sum() == 1 and 0 < part[hidden][0] < 5:  # alone: then nothing else was above 0
        assert part.sum() == part[hidden][0]


def test_missingness_by_hand() -> None:
    values = pd.Series([np.nan] * 6 + [1.0] * 6 + [np.nan] * 8 + [2.0] * 10 + [3.0] * 3, name="crp")
    site = np.array(["north"] * 12 + ["south"] * 18 + ["east", "east", "west"], dtype=object)
    table = missingness_table(values.to_frame(), {"site": site})
    rows = {(r.by, r.group): (r.n, r.missing) for r in table.itertuples()}
    assert rows["all", ""] == (33, 14 / 33)
    assert rows["site", "south"] == (18, 8 / 18)
    # The small ones have 3 values: not shown, and neither is the site with the next fewest, or they could be told.
    assert rows["site", "north"][0] == 12
    assert np.isnan(rows["site", "north"][1])
    n, missing = rows["site", SMALL_SITES]
    assert np.isnan(n)
    assert np.isnan(missing)
    assert len(rows) == 4  # east and west are one group, with fewer than 5


def described(clinic: Clinic, *overrides: str) -> DataQuality:
    return describe_data(clinic.load(*overrides))


def ward(folder: Path) -> Clinic:
    """Thirty patients with scores, blood reported late for some, sites, and one pair of twins."""
    patients = "\n".join(
        f"p{i:02d} {30 + i} {20 + 0.3 * i:.1f} {'north' if i < 18 else 'south'} {'yes' if i else 'no'}"
        for i in range(30)
    )
    courses = "\n".join(f"p{i:02d} 2024-01-10" for i in range(30))
    scores = "\n".join(
        f"p{i:02d} 2024-01-09 MADRS {20 + i}\n"
        + (f"p{i:02d} 2024-02-07 MADRS {0 if i < 8 else 12}" if i < 24 else "")
        for i in range(30)
    )
    labs = "\n".join(
        f"p{i:02d} 2024-01-02 {'2024-01-03' if i < 20 else '2024-02-03'} {1 + i / 7:.3f}" for i in range(28)
    )
    return small_clinic(
        folder,
        patients=f"patient age bmi site consent\n{patients}",
        courses=f"patient started\n{courses}",
        scores=f"patient on scale score\n{scores}",
        labs=f"patient drawn reported crp\n{labs}",
        columns={"reported": {"type": "date"}, "bmi": {"type": "number", "unit": "kg/m2"}},
        declare={"labs": {"recorded": "reported"}},
        features=["patients.age", "patients.bmi", "labs.crp", "scores.madrs"],
        cohort={"consent": "patients.consent", "group": "patients.site"},
    )


def test_the_report_of_a_ward(tmp_path: Path) -> None:
    found = described(ward(tmp_path))
    assert found.tables[["table", "rows", "patients"]].to_numpy().tolist() == [
        ["patients", 29, 29],
        ["courses", 29, 29],
        ["scores", 52, 29],
        ["labs", 27, 27],
    ]  # without the rows of the one who did not consent
    assert found.attrition["units"].tolist() == [30, 29, 29]
    outcomes = found.outcomes.set_index("reason")
    assert outcomes.loc["observed", "n"] == 23
    assert outcomes.loc["no score in the assessment window", "n"] == 6
    coverage = found.coverage.set_index("reference")
    # Of 27 with blood drawn in time, 8 were reported after day 0.
    assert coverage.loc["labs.crp", ["values", "units", "baseline", "recorded_later"]].tolist() == [
        27,
        27,
        19,
        8,
    ]
    assert coverage.loc["scores.madrs", ["values", "baseline", "response"]].tolist() == [52, 29, 23]
    times = found.timeline[found.timeline["reference"] == "scores.madrs"]
    assert times[["first_day", "last_day", "n"]].to_numpy().tolist() == [[-1, -1, 29], [28, 28, 23]]
    missing = found.missingness[found.missingness["feature"] == "crp"].set_index(["by", "group"])["missing"]
    assert missing["all", ""] == pytest.approx(10 / 29)
    assert (missing["site", "north"], missing["site", "south"]) == (0, 10 / 12) or np.isnan(
        missing["site", "south"]
    )


def test_columns_against_what_is_expected_of_them(tmp_path: Path) -> None:
    found = described(ward(tmp_path))
    columns = found.columns.set_index(["table", "column"])
    madrs = columns.loc["scores", "madrs"]
    assert (madrs["expected_low"], madrs["expected_high"]) == (0, 60)
    assert madrs["at_lowest"] == pytest.approx(7 / 52)
    assert madrs["at_highest"] == 0
    assert madrs["remark"] == ""
    # Scores 21 to 49, seven of 0 and sixteen of 12 over the scale's range in twelve fives.
    (bars,) = [one for one in found.histograms if one.reference == "scores.madrs"]
    assert bars == Histogram("scores.madrs", 0, 60, (7, 0, 16, 0, None, 5, 5, 5, 5, 5, 0, 0))
    age = columns.loc["patients", "age"]
    assert (age["low"], age["high"]) == (35, 55)  # the fifth of 31 … 59 from each end


def test_ends_and_small_parts_of_a_scale_are_remarked_on(tmp_path: Path) -> None:
    scores = "\n".join(
        f"p{i:02d} 2024-01-09 MADRS {0 if i < 8 else 30}\np{i:02d} 2024-01-09 GAD7 {10 + i // 15}"
        for i in range(30)
    )
    clinic = small_clinic(
        tmp_path,
        patients="\n".join(["patient age", *(f"p{i:02d} {30 + i}" for i in range(30))]),
        courses="\n".join(["patient started", *(f"p{i:02d} 2024-01-10" for i in range(30))]),
        scores=f"patient on scale score\n{scores}",
    )
    remarks = described(clinic).columns.set_index("column")["remark"]
    assert remarks["madrs"] == "more than 15 % have the lowest value there is"
    assert remarks["gad7"] == "a small part of its range only: is it this version of the scale?"


def test_patients_who_look_like_one_are_counted(tmp_path: Path) -> None:
    clinic = ward(tmp_path)
    for name in ("patients", "courses", "scores", "labs"):
        table = clinic.table(name)
        again = table[table["patient"] == "p11"].assign(patient="q99")
        clinic.write_table(name, pd.concat([table, again]))
    counts = described(clinic).duplicates.set_index("what")["n"]
    assert counts["pairs of patients with different keys that agree in every feature"] == 1
