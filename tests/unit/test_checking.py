from __future__ import annotations

import math
from pathlib import Path

import pytest

from predictor.checking import check
from predictor.config.loading import load_config
from trained_clinics import Clinic, write_clinic


@pytest.fixture
def clinic(tmp_path: Path) -> Clinic:
    return write_clinic(tmp_path)


def test_expected_shrinkage_and_affordable_parameters_by_rileys_formula(clinic: Clinic) -> None:
    report = check(clinic.config)
    row = report.adequacy.table.iloc[0]
    assert row["parameters"] == 7
    assert row["events"] == min(row["events"], row["n"] - row["events"])
    # Riley et al. 2020: S = 1 + P / (n ln(1 - R2)); P for S = 0.9 is -0.1 n ln(1 - R2).
    assert row["affordable"] == int(0.1 * 7 / (1 - row["shrinkage"]))
    assert row["n_needed"] > row["n"]
    assert 0 < row["shrinkage"] < 1


def test_fits_are_counted_and_time_grows_with_them(clinic: Clinic) -> None:
    once = check(load_config(clinic.config))
    thrice = check(load_config(clinic.config, overrides=["validation.outer.n_repeats=6"]))
    # 2 candidates x 2 inner folds + the choice refitted, in each outer fold, in 4 resamples and on everybody twice, as
    # the bootstrap's and as the final fit; 4 references in the outer folds.
    assert (once.fits, thrice.fits) == (10 * 5 + 4 * 4, 18 * 5 + 12 * 4)
    assert thrice.cpu_seconds / once.cpu_seconds == pytest.approx(17 / 9)


def test_too_few_events_and_clusters_are_told_beforehand(tmp_path: Path) -> None:
    clinic = write_clinic(tmp_path, n=32)
    clinic.change("treatment:", "group: patients.site\n  treatment:")
    clinic.change("patients.sex, patients.site,", "patients.sex,")
    notices = check(clinic.config).notices
    assert any("overridden (invented)" in one and "SIZ-02" in one for one in notices)
    assert "2 independent patients or clusters: the verdict will be 'too little data to tell'" in notices


def test_an_eligibility_rule_on_what_came_later_is_pointed_out(clinic: Clinic) -> None:
    clinic.change(
        "sex: {type: category",
        "done: {type: number, known: after}\n    sex: {type: category",
        file="dictionary.yaml",
    )
    table = clinic.table("patients").assign(done="1")
    table.to_csv(clinic.folder / "patients.csv", index=False)
    clinic.change(
        "column: patients.age, min: 18}",
        "column: patients.age, min: 18}\n    - {name: Done, column: patients.done, min: 1}",
    )
    (notice,) = [one for one in check(clinic.config).notices if "eligibility" in one]
    assert notice.startswith("eligibility 'Done' uses patients.done, known after day 0")


def test_a_feature_that_is_left_out_says_why(clinic: Clinic) -> None:
    table = clinic.table("patients")
    table.loc[: len(table) * 2 // 3, "crp"] = "NA"
    table.to_csv(clinic.folder / "patients.csv", index=False)
    report = check(clinic.config)
    dropped = report.features[report.features["dropped"] != ""]
    assert dropped["feature"].tolist() == ["crp"]
    assert any(one.startswith("crp is left out: ") for one in report.notices)
    assert report.adequacy.table.iloc[0]["parameters"] == 5


def test_missing_outcomes_are_counted_with_their_reasons(clinic: Clinic) -> None:
    scores = clinic.table("scores")
    late = scores.index[200:210]  # ten patients' scores after four weeks
    scores.drop(index=late).to_csv(clinic.folder / "scores.csv", index=False)
    (outcome,) = check(clinic.config).outcomes.to_dict("records")
    assert outcome["evaluable"] == 190
    assert outcome["missing"].endswith(": 10")
    assert not math.isnan(outcome["events"])


def test_what_becomes_of_missing_inputs_is_said_and_costs_what_it_costs(clinic: Clinic) -> None:
    simple = check(load_config(clinic.config))
    multiple = check(load_config(clinic.config, overrides=["imputation.method=multiple", "imputation.m=4"]))
    assert any(one.startswith("missing numbers get the training median") for one in simple.notices)
    assert any(one.startswith("missing numbers are imputed 4 times") for one in multiple.notices)
    # The references are fitted once; every candidate on every imputation.
    assert multiple.fits - 4 * 4 == 4 * (simple.fits - 4 * 4)
    assert multiple.cpu_seconds > 4 * simple.cpu_seconds
    # Without the indicator of CRP.
    tables = simple.adequacy.table, multiple.adequacy.table
    assert [int(table["parameters"].iloc[0]) for table in tables] == [7, 6]


def test_an_input_that_a_whole_site_lacks_is_named(clinic: Clinic) -> None:
    table = clinic.table("patients")
    table.loc[:19, ["site", "crp"]] = ["west", "NA"]
    table.to_csv(clinic.folder / "patients.csv", index=False)
    overrides = ["validation.transport={by: patients.site}"]
    (notice,) = [
        one for one in check(load_config(clinic.config, overrides=overrides)).notices if "as a whole" in one
    ]
    assert notice.startswith("crp is missing at 1 of 3 sites as a whole")
    assert not [one for one in check(clinic.config).notices if "as a whole" in one]  # no site is declared
