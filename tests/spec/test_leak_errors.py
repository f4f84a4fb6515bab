"""Leakage and study design, one test per situation of the catalogue: no leak, and no data that cannot answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from clinic import Clinic, build_clinic, small_clinic
from predictor.errors import ConfigError, DataError, PredictorError
from predictor.features.preprocessing import encoded_columns
from predictor.models import inner_folds
from predictor.study import Study, site_labels
from predictor.validation.resampling import cross_validate, fit_candidates
from predictor.validation.splits import Fold, leave_one_group_out, repeated_folds

CANARY = "7351"


def outer_folds(study: Study) -> tuple[np.ndarray, np.ndarray, list[Fold]]:
    rows, y = study.evaluable("response")
    outer = study.loaded.config.validation.outer
    groups, plan = study.cohort.groups[rows], study.cohort.plan[rows]
    return rows, y, repeated_folds(
        y, groups, plan, n_splits=outer.n_splits, n_repeats=outer.n_repeats, seed=study.protocol.seed
    )  # fmt: skip


def same_partition(one: np.ndarray, other: np.ndarray) -> bool:
    """Say whether two ways of naming groups mean the same groups."""
    pairs = set(zip(one.tolist(), other.tolist(), strict=True))
    return len(pairs) == len(set(one.tolist())) == len(set(other.tolist()))


def refused(clinic: Clinic, *overrides: str, error: type[PredictorError] = DataError) -> list[str]:
    """Lines of the refusal, without the folder of the test."""
    with pytest.raises(error) as caught:
        clinic.study(*overrides)
    text = str(caught.value).replace(f"{clinic.folder}/", "")
    assert CANARY not in text
    return text.splitlines()


@pytest.mark.parametrize("cluster", [False, True])
def test_lea_02_courses_of_one_patient_are_never_on_both_sides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cluster: bool
) -> None:
    study = build_clinic(tmp_path, courses=3, sites=12, cluster=cluster, n=120).study()
    rows, y, folds = outer_folds(study)
    patient = study.cohort.timeline.units["patient"].to_numpy(object)[rows]
    site = study.cohort.timeline.attributes["patients.site"].to_numpy(object)[rows]
    assert len(set(patient)) < len(patient)  # there are repeated courses to keep together
    assert len(folds) == 6
    sides = [(fold.train, fold.test) for fold in folds]
    if not cluster:
        sides += [(train, test) for _, train, test in leave_one_group_out(site_labels(study)[rows], y)]
        assert len(sides) == 18
    for train, test in sides:
        assert not set(patient[train]) & set(patient[test])
        assert not (cluster and set(site[train]) & set(site[test]))

    # The same inside: what tuning and calibration are told are groups, and what they make of them.
    dataset, seen = study.dataset.take(rows), []

    def spy(y: np.ndarray, groups: np.ndarray, **options: Any) -> list[tuple[np.ndarray, np.ndarray]]:
        splits = inner_splits(y, groups, **options)
        seen.append((groups, splits))
        return splits

    inner_splits = inner_folds.inner_splits
    monkeypatch.setattr(inner_folds, "inner_splits", spy)
    cross_validate(study.protocol, dataset, y, folds[:1])
    assert seen
    for groups, splits in seen:
        assert same_partition(groups, dataset.groups[folds[0].train])
        own = patient[folds[0].train]
        assert len(splits) == 3
        for train, test in splits:
            assert not set(own[train]) & set(own[test])


def test_lea_02_a_patient_with_courses_at_two_sites_does_not_teach_about_the_other(tmp_path: Path) -> None:
    labels = np.array(["north", "north", "south", "south", "south"], dtype=object)
    patients, y = np.array([0, 1, 1, 2, 3]), np.array([1, 0, 1, 0, 1])
    left_out = {
        name: (train.tolist(), test.tolist())
        for name, train, test in leave_one_group_out(labels, y, patients=patients)
    }
    # Without the north, patient 1 is unknown altogether. Without the south only patient 0 is left: one class.
    assert left_out == {"north": ([3, 4], [0, 1])}


AFTER = {
    "courses.infusions": "courses.infusions is known only after day 0",
    "patients.relapsed": "patients.relapsed is known only after day 0",
}


@pytest.mark.parametrize("column", list(AFTER))
def test_lea_03_a_predictor_recorded_after_the_treatment_is_refused(tmp_path: Path, column: str) -> None:
    clinic = small_clinic(
        tmp_path,
        features=["patients.age", column],
        patients="patient age relapsed\na 30 1\nb 40 0\n",
        courses="patient started infusions\na 2024-01-10 6\nb 2024-01-10 5\n",
        scores="patient on scale score\na 2024-01-09 MADRS 30\nb 2024-01-09 MADRS 31\n",
    )
    text = clinic.config.read_text(encoding="utf-8").splitlines()
    line = 1 + next(i for i, written in enumerate(text) if column in written)
    assert refused(clinic, error=ConfigError) == [
        f"config.yaml:{line}: features.groups.clinical.1: LEA-03 {AFTER[column]}. "
        "Leave it out; the treatment received and whatever follows it are no features. If it was known before, "
        "mend its `known:` in the dictionary."
    ]


def test_lea_03_the_treatment_received_is_no_plan(tmp_path: Path) -> None:
    clinic = small_clinic(
        tmp_path,
        cohort={"treatment": {"column": "courses.infusions"}},
        patients="patient age\na 30\nb 40\n",
        courses="patient started infusions\na 2024-01-10 6\nb 2024-01-10 5\n",
        scores="patient on scale score\na 2024-01-09 MADRS 30\nb 2024-01-09 MADRS 31\n",
    )
    (line,) = refused(clinic, error=ConfigError)
    assert "cohort.treatment.column: LEA-03 courses.infusions is known only after day 0" in line


def test_lea_03_a_score_whose_only_days_are_after_day_0(tmp_path: Path) -> None:
    clinic = small_clinic(
        tmp_path,
        columns={"gad_14": {"instrument": "gad7", "day": 14}},
        features=["patients.age", "patients.gad7"],
        patients="patient age madrs_0 madrs_28 gad_14\na 30 30 10 5\nb 31 30 10 6\n",
    )
    (line,) = refused(clinic, error=ConfigError)
    assert (
        "features.groups.clinical.1: LEA-03 patients.gad7 has no day in the baseline window, -28 to 0" in line
    )


def test_lea_03_dated_values_after_day_0_reach_no_feature(tmp_path: Path) -> None:
    clinic = small_clinic(
        tmp_path,
        cohort={"baseline": {"first_day": -28, "last_day": 0}},
        features=[{"column": "labs.crp", "take": take} for take in ("last", "max", "mean")],
        patients="patient age\na 30\nb 40\n",
        courses="patient started\na 2024-01-10\nb 2024-01-10\n",
        scores="patient on scale score\na 2024-01-09 MADRS 30\nb 2024-01-09 MADRS 31\n",
        labs="patient drawn crp\na 2024-01-09 2\na 2024-01-11 90\nb 2024-01-10 3\nb 2024-02-10 80\n",
    )
    X = clinic.extraction().dataset.X
    assert X[["crp", "crp_max", "crp_mean"]].to_numpy().tolist() == [[2, 2, 2], [3, 3, 3]]


def test_lea_05_imputation_and_scaling_are_learned_from_the_training_part_alone(tmp_path: Path) -> None:
    study = build_clinic(tmp_path, missing=0.3, n=120).study()
    rows, y, folds = outer_folds(study)
    dataset = study.dataset.take(rows)
    for fold in folds:
        fitted = fit_candidates(study.protocol, dataset, y, fold.train, seed=1)["net | all"].model
        columns = {column.name: column for column in encoded_columns(fitted.preprocessor_)}

        log_crp = np.log1p(dataset.X["crp"].to_numpy(float))
        mine, everybody = statistics(log_crp[fold.train]), statistics(log_crp)
        learned = columns["crp"]
        assert (learned.fill, learned.center, learned.scale) == pytest.approx(mine, rel=1e-12)
        assert learned.center != pytest.approx(everybody[1], rel=1e-6)

        age = dataset.X["age"].to_numpy(float)
        assert columns["age"].center == pytest.approx(float(age[fold.train].mean()), rel=1e-12)
        assert columns["age"].center != pytest.approx(float(age.mean()), rel=1e-6)

        share = float(np.isnan(log_crp[fold.train]).mean())
        assert columns["crp missing"].center == pytest.approx(share, rel=1e-12)
        male = float((dataset.X["sex"].iloc[fold.train] == "male").mean())
        assert columns["sex=male"].center == pytest.approx(male, rel=1e-12)


def statistics(values: np.ndarray) -> tuple[float, float, float]:
    """Median of what is known, then mean and standard deviation with the gaps filled by it."""
    series = pd.Series(values)
    filled = series.fillna(series.median())
    return float(series.median()), float(filled.mean()), float(filled.std(ddof=0))


def test_lea_05_the_test_part_changes_nothing_that_is_learned(tmp_path: Path) -> None:
    study = build_clinic(tmp_path, n=120).study()
    rows, y, folds = outer_folds(study)
    dataset = study.dataset.take(rows)
    spoiled = dataset.take(np.arange(len(rows)))
    spoiled.X.loc[folds[0].test, ["age", "crp"]] = 1e3
    spoiled.X.loc[folds[0].test, "sex"] = "unheard of"
    models = [
        fit_candidates(study.protocol, data, y, folds[0].train, seed=1)["net | all"].model
        for data in (dataset, spoiled)
    ]
    assert encoded_columns(models[0].preprocessor_) == encoded_columns(models[1].preprocessor_)
    assert models[0].best_params_ == models[1].best_params_
    assert np.array_equal(models[0].model_.coef_, models[1].model_.coef_)


def test_dat_17_a_date_known_after_day_0_lies_before_it(tmp_path: Path) -> None:
    clinic = small_clinic(
        tmp_path,
        patients="""
        patient age relapsed_on
        a       30  2024-01-09
        b       40  2024-01-10
        c       50  2024-03-01
        d       60  -
        e       61  2023-01-01
        """,
        courses="""
        patient started
        a       2024-01-10T09:00
        b       2024-01-10T09:00
        c       2024-01-10
        d       2024-01-10
        e       2024-01-10
        """,
        scores="patient on scale score\na 2024-01-09 MADRS 30\nb 2024-01-09 MADRS 31\n",
    )
    problem = (
        "patients.csv:{}: relapsed_on: DAT-17 dated before day 0, but declared as known after it. "
        "Mend the date, or declare the column's `known` as it is."
    )
    # The header is line 1. The day of the treatment itself (b) is not before it.
    assert refused(clinic) == [problem.format(2), problem.format(6)]


def test_dat_17_a_value_known_after_day_0_in_a_row_dated_before_it(tmp_path: Path) -> None:
    events = """
    patient happened   event
    a       2024-01-09 relapse
    b       2024-01-09 -
    b       2024-01-11 none
    c       2023-12-01 relapse
    """
    options: dict[str, Any] = {
        "patients": "patient age\na 30\nb 40\nc 50\n",
        "courses": "patient started\na 2024-01-10\na 2024-06-10\nb 2024-01-10\n",
        "scores": "patient on scale score\na 2024-01-09 MADRS 30\nb 2024-01-09 MADRS 31\n",
        "events": events,
        "declare": {
            "events": {
                "columns": {
                    "happened": {"type": "date"},
                    "event": {"type": "category", "values": ["relapse", "none"], "known": "after"},
                }
            }
        },
    }
    clinic = small_clinic(tmp_path / "one", **options)
    # Only a's row: b's early row holds no value, and c has no day 0 that it could be compared with.
    assert refused(clinic) == [
        "events.csv:2: event: DAT-17 dated before day 0, but declared as known after it. "
        "Mend the date, or declare the column's `known` as it is."
    ]
    # Between two courses: it may belong to the first one.
    options["events"] = events.replace("a       2024-01-09", "a       2024-05-01")
    assert len(small_clinic(tmp_path / "two", **options).cohort().timeline.units) == 2


def test_dat_17_a_row_of_the_index_table_is_compared_with_its_own_date(tmp_path: Path) -> None:
    clinic = small_clinic(
        tmp_path,
        cohort={"index": {"table": "courses", "take": "all"}},
        columns={"ended": {"type": "date", "known": "after"}},
        patients="patient age\na 30\nb 40\n",
        courses="""
        patient started    ended
        a       2024-01-10 2024-01-20
        a       2024-06-10 2024-06-09
        b       2024-01-10 -
        """,
        scores="patient on scale score\na 2024-01-09 MADRS 30\nb 2024-01-09 MADRS 31\n",
    )
    (line,) = refused(clinic)
    assert line.startswith("courses.csv:3: ended: DAT-17 ")


def wide(
    folder: Path, rows: list[str], header: str = "patient age madrs_0 madrs_28", **options: Any
) -> Clinic:
    return small_clinic(folder, patients="\n".join([header, *rows]), **options)


def responding(*, events: int, others: int) -> list[str]:
    """Rows of a wide table: key, age, baseline and follow-up."""
    return [f"p{i:02d} {30 + i % 20} 30 {10 if i < events else 25}" for i in range(events + others)]


def test_dat_21_no_value_inside_the_baseline_window(tmp_path: Path) -> None:
    clinic = small_clinic(
        tmp_path,
        features=["patients.age", "labs.crp"],
        patients="patient age\na 30\nb 40\n",
        courses="patient started\na 2024-01-10\nb 2024-01-10\n",
        scores="patient on scale score\na 2024-01-09 MADRS 30\nb 2024-01-09 MADRS 31\n",
        labs=f"patient drawn crp\na 2024-01-11 {CANARY}\nb 2023-01-10 2\n",
    )
    assert refused(clinic) == [
        "labs.crp: DAT-21 no patient of the cohort has a value for labs.crp inside the baseline window. "
        "Take it out of features.groups, or check its visit map, dates and missing codes."
    ]


def test_dat_21_another_text_for_every_patient_of_the_cohort(tmp_path: Path) -> None:
    # Sixteen distinct texts in thirty rows are no identifier to the file's check, but they are in this cohort.
    rows = [
        f"{line} ward{CANARY}{i if i < 12 else i % 4}"
        for i, line in enumerate(responding(events=6, others=24))
    ]
    clinic = wide(
        tmp_path,
        [
            line.replace(f" {30 + i % 20} ", " 70 " if i >= 12 else f" {30 + i} ", 1)
            for i, line in enumerate(rows)
        ],
        "patient age madrs_0 madrs_28 ward",
        cohort={"eligibility": [{"name": "Under 70", "column": "patients.age", "max": 69}]},
        columns={"ward": {"type": "category"}},
        features=["patients.age", "patients.ward"],
    )
    assert refused(clinic) == [
        "patients.ward: DAT-21 patients.ward has a different text for every patient, so it says nothing about the "
        "next one. Declare its `values`, or take it out."
    ]


def test_dat_21_constant_and_mostly_missing_columns_are_dropped_with_a_notice(tmp_path: Path) -> None:
    rows = [f"{line} F {'0.4' if i < 11 else '-'}" for i, line in enumerate(responding(events=6, others=14))]
    clinic = wide(
        tmp_path,
        [row.replace("0.4", f"0.{i % 9 + 1}") for i, row in enumerate(rows)],
        "patient age madrs_0 madrs_28 sex crp",
        features={"clinical": ["patients.age", "patients.sex"], "blood": ["patients.crp"]},
    )
    extraction = clinic.study().extraction
    assert extraction.dropped == {
        "sex": "the same value for everybody",
        "crp": "missing for 45% of patients (limit 40%)",
        "madrs": "the same value for everybody",
    }
    assert extraction.sets == {"all": ("age",)}
    assert list(extraction.dataset.X) == ["age"]
    kept = clinic.extraction("features.max_missing=0.45")
    assert kept.sets == {"all": ("age", "crp")}


def test_dat_21_nothing_left_of_a_feature_set(tmp_path: Path) -> None:
    clinic = wide(
        tmp_path,
        [f"{line} F" for line in responding(events=6, others=14)],
        "patient age madrs_0 madrs_28 sex",
        features=["patients.sex"],
    )
    assert refused(clinic) == [
        "features.sets.all: DAT-21 nothing is left of the set all: every column is constant or mostly missing. "
        "Add columns to it."
    ]


@pytest.mark.parametrize(("events", "others"), [(0, 20), (20, 0), (3, 20), (4, 20), (20, 4)])
def test_dat_22_one_class_only_or_too_few_events(tmp_path: Path, events: int, others: int) -> None:
    clinic = wide(tmp_path, responding(events=events, others=others))
    assert refused(clinic) == [
        f"outcomes.response: DAT-22 response: {events} events and {others} non-events among {events + others} "
        "evaluable. At least 5 of each are needed even to try; collect more, or ask for another outcome."
    ]


def test_dat_22_counts_evaluable_patients_only(tmp_path: Path) -> None:
    rows = [*responding(events=5, others=8), *(f"q{i} 30 30 -" for i in range(9))]
    study = wide(tmp_path, rows).study()
    assert study.evaluable("response")[1].tolist() == [1] * 5 + [0] * 8


def test_dat_22_all_events_in_one_cluster(tmp_path: Path) -> None:
    rows = [
        f"{line} {'north' if i < 6 else f'site{i % 4}'}"
        for i, line in enumerate(responding(events=6, others=20))
    ]
    clinic = wide(
        tmp_path,
        rows,
        "patient age madrs_0 madrs_28 site",
        cohort={"group": "patients.site", "index": "visits"},
    )
    assert refused(clinic) == [
        "outcomes.response: DAT-22 response: all events or all non-events are in one patient or cluster. "
        "At least two are needed, one to learn from and one to test on."
    ]


def test_cfg_12_more_folds_than_patients_in_the_smaller_class(tmp_path: Path) -> None:
    clinic = wide(tmp_path, responding(events=6, others=20))
    assert refused(clinic, "validation.outer.n_splits=7", error=ConfigError) == [
        "--set: validation.outer.n_splits: CFG-12 7 outer folds, but the smaller class has 6 patients. "
        "Write at most 6."
    ]
    assert clinic.study("validation.outer.n_splits=6")


def test_cfg_12_more_folds_than_clusters_with_an_event(tmp_path: Path) -> None:
    rows = [
        f"{line} site{i % 3 if i < 9 else i % 10}" for i, line in enumerate(responding(events=9, others=20))
    ]
    clinic = wide(
        tmp_path,
        rows,
        "patient age madrs_0 madrs_28 site",
        cohort={"group": "patients.site", "index": "visits"},
    )
    assert refused(clinic, error=ConfigError) == [
        "config.yaml:1: validation.outer.n_splits: CFG-12 5 outer folds, but the smaller class has 9 patients, in 3 "
        "patients or clusters. Write at most 3."
    ]
    assert clinic.study("validation.outer.n_splits=3")


@pytest.mark.parametrize("written", [-1, 0, 1])
def test_cfg_12_fewer_than_two_folds(tmp_path: Path, written: int) -> None:
    clinic = wide(tmp_path, responding(events=6, others=20))
    (line,) = refused(clinic, f"validation.outer.n_splits={written}", error=ConfigError)
    assert f"CFG-12 expected at least 2, came the number {written}" in line
