"""Everything that is decided before the first fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clinic import RESPONSE, Clinic, build_clinic, small_clinic
from predictor.errors import ConfigError
from predictor.study import Study, count_fits, describe_outcome, site_labels


def test_a_study_holds_cohort_outcomes_features_and_protocol(tmp_path: Path) -> None:
    study = build_clinic(tmp_path, treatment="arms", sites=3).study()
    assert study.severity == "madrs"
    assert study.primary.name == "response"
    assert study.dataset is study.extraction.dataset
    assert study.protocol.references == {
        "prevalence": (),
        "severity": ("madrs",),
        "plan": ("arm",),
        "severity + plan": ("madrs", "arm"),
    }
    (candidate,) = study.protocol.candidates
    assert (candidate.name, candidate.family, len(candidate.grid)) == ("net | all", "elastic_net", 2)
    assert candidate.features == ("age", "sex", "smoker", "madrs", "gad7", "crp", "arm")
    assert (study.protocol.judge, study.protocol.inner_splits, study.protocol.seed) == ("average", 3, 5)


def test_evaluable_units_are_those_with_a_label(tmp_path: Path) -> None:
    study = build_clinic(tmp_path, lost=0.3).study()
    rows, y = study.evaluable("response")
    assert 0 < len(rows) < len(study.dataset.X)
    assert set(y) == {0.0, 1.0}
    assert np.isnan(study.primary.label[np.setdiff1d(np.arange(len(study.dataset.X)), rows)]).all()


def test_the_same_data_have_the_same_hash_and_one_cell_changes_it(tmp_path: Path) -> None:
    clinic = build_clinic(tmp_path, n=60)
    first = clinic.study().data_hash
    assert clinic.study().data_hash == first
    table = clinic.table("patients")
    table.loc[0, "age"] = "44"
    clinic.write_table("patients", table)
    assert clinic.study().data_hash != first


def test_a_named_judge_is_its_model_on_its_first_set(tmp_path: Path) -> None:
    models = {
        "net": {"type": "elastic_net", "features": ["all"], "candidates": 2},
        "trees": {"type": "random_forest", "features": ["few", "all"], "candidates": 1},
    }
    changes = {"models": models, "features.sets.few": ["clinical"], "validation.judge": "trees"}
    study = build_clinic(tmp_path, changes=changes).study()
    assert study.protocol.judge == "trees | few"
    assert [c.name for c in study.protocol.candidates] == ["net | all", "trees | few", "trees | all"]
    assert len(study.protocol.candidates[1].features) == 5


@pytest.mark.parametrize(
    ("sites", "expected"),
    [
        # 2 × 3 outer folds, the final fit, and 4 resamples with their apparent fit: 2 candidates × 3 inner folds
        # + 1 refit each; 2 references per fold.
        (0, 7 * 12 + 6 * 2),
        # And three sites left out.
        (3, 7 * 15 + 6 * 2),
    ],
)
def test_fits_are_counted(tmp_path: Path, sites: int, expected: int) -> None:
    assert count_fits(build_clinic(tmp_path, sites=sites).study()) == expected


def test_site_labels_are_those_of_the_units_and_empty_where_none_is_known(tmp_path: Path) -> None:
    clinic = build_clinic(tmp_path / "sites", n=60, sites=3)
    table = clinic.table("patients")
    table.loc[0, "site"] = ""
    clinic.write_table("patients", table)
    assert site_labels(clinic.study()).tolist() == ["", *(f"S{i % 3}" for i in range(1, 60))]
    assert set(site_labels(build_clinic(tmp_path / "none", n=60).study())) == {""}


def test_a_dated_site_counts_as_one_too(tmp_path: Path) -> None:
    rows = range(24)
    clinic = small_clinic(
        tmp_path,
        columns={"site": {"type": "category"}},
        patients="patient age\n" + "".join(f"p{i:02d} {30 + i}\n" for i in rows),
        courses="patient started site\n" + "".join(f"p{i:02d} 2024-01-10 {'NS'[i % 2]}\n" for i in rows),
        scores="patient on scale score\n"
        + "".join(
            f"p{i:02d} 2024-01-09 MADRS {30 + i % 7}\np{i:02d} 2024-02-07 MADRS {10 + i % 3 * 10}\n"
            for i in rows
        ),
    )
    config = clinic.config.read_text(encoding="utf-8")
    clinic.config.write_text(config + 'validation: {transport: {by: "courses.site"}}\n', encoding="utf-8")
    assert site_labels(clinic.study()).tolist() == ["N", "S"] * 12


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (
            RESPONSE,
            "the MADRS score fell by at least 50% of its baseline value, assessed on day 21 to 35 after day 0",
        ),
        (
            {**RESPONSE, "reduction": 0.3, "assessed": {"first_day": 28, "last_day": 28}},
            "the MADRS score fell by at least 30% of its baseline value, assessed on day 28 after day 0",
        ),
        (
            {"kind": "remission", "measure": "madrs", "at_most": 10, "assessed": RESPONSE["assessed"]},
            "the MADRS score was 10 or less, assessed on day 21 to 35 after day 0",
        ),
        (
            {"kind": "event", "column": "patients.relapsed", "in": ["true"]},
            "relapsed: true",
        ),
    ],
)
def test_an_outcome_in_words(tmp_path: Path, outcome: dict[str, Any], words: str) -> None:
    study = build_clinic(tmp_path, n=80, changes={"outcomes": {"it": outcome}, "primary": "it"}).study()
    assert describe_outcome(study, "it") == words


def test_a_change_in_words(tmp_path: Path) -> None:
    change = {"kind": "change", "measure": "gad7", "assessed": RESPONSE["assessed"]}
    study = build_clinic(tmp_path, n=80, changes={"outcomes.it": change}).study()
    assert describe_outcome(study, "it") == "change of the GAD7 score, assessed on day 21 to 35 after day 0"


def test_parameters_that_a_model_does_not_have_are_refused_together(tmp_path: Path) -> None:
    net = {"type": "elastic_net", "features": ["all"], "params": {"CC": 1}, "search": {"l1_ration": [0, 1]}}
    clinic = build_clinic(tmp_path, n=60, changes={"models.net": net})
    with pytest.raises(ConfigError) as refused:
        clinic.study()
    first, second = refused.value.problems
    assert (first.code, first.path) == ("CFG-01", "models.net.params.CC")
    assert (second.code, second.path) == ("CFG-01", "models.net.search.l1_ration")
    assert second.message == "elastic_net has no parameter l1_ration"
    assert "l1_ratio" in second.remedy
    for problem in (first, second):
        assert problem.line is not None


def rewritten(clinic: Clinic, old: str, new: str) -> Study:
    path = clinic.folder / "dictionary.yaml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return clinic.study()


def test_simulated_data_say_so_by_a_title_or_by_a_column(tmp_path: Path) -> None:
    real = build_clinic(tmp_path / "real", n=60)
    assert not real.study().simulated
    assert rewritten(real, "patients:\n", 'patients:\n  title: "SIMULATED patients"\n').simulated

    marked = build_clinic(tmp_path / "marked", n=60)
    marked.write_table("patients", marked.table("patients").assign(provenance="SIMULATED"))
    column = "  columns:\n    provenance: {type: category, values: [SIMULATED]}\n"
    assert rewritten(marked, "  columns:\n", column).simulated
