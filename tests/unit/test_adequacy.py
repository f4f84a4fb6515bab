from __future__ import annotations

import math
from pathlib import Path

import pytest

from clinic import build_clinic
from predictor.adequacy import assess_adequacy
from predictor.checking import require_sound
from predictor.config.loading import load_config
from predictor.errors import RefusedError
from predictor.experiment import train
from predictor.study import prepare_study
from predictor.validation.sample_size import max_r_squared, r_squared_from_auc

REPOSITORY = Path(__file__).parents[2]
NO_OVERRIDE = "override=null"


def codes(refused: pytest.ExceptionInfo[RefusedError]) -> list[str]:
    return [problem.code for problem in refused.value.problems]


def test_training_stops_with_exit_6_when_not_even_the_rate_is_known(tmp_path: Path) -> None:
    clinic = build_clinic(tmp_path / "clinic", n=60, lost=0.0)
    with pytest.raises(RefusedError) as refused:
        train(clinic.load(NO_OVERRIDE), runs_folder=tmp_path / "runs")
    assert "SIZ-01" in codes(refused)
    assert refused.value.exit_code == 6
    assert not (tmp_path / "runs").exists()  # nothing was begun


def test_the_reason_that_overrides_is_kept_with_what_it_overrides(tmp_path: Path) -> None:
    study = build_clinic(tmp_path, n=60, lost=0.0).study("override=pilot of the clinic")
    found, _ = require_sound(study)
    assert found.problems
    assert found.overridden.endswith("Reason given: pilot of the clinic.")
    assert "60 evaluable patients" in found.overridden


def test_enough_patients_need_no_reason(tmp_path: Path) -> None:
    study = build_clinic(tmp_path, n=400, lost=0.0).study(NO_OVERRIDE, "validation.expected_auc=0.75")
    found, _ = require_sound(study)
    assert not found.problems
    assert found.overridden == ""


def test_a_set_below_half_shrinkage_is_refused_and_one_below_nine_tenths_warned_about(tmp_path: Path) -> None:
    clinic = build_clinic(tmp_path, n=400, lost=0.0)
    n = 400
    parameters = int(assess_adequacy(clinic.study()).table["parameters"].iloc[0])
    # S = 1 + P / (n ln(1 - R2)), solved for R2 where S = 0.5 and 0.9.
    for shrinkage, refused, warned in ((0.48, True, False), (0.52, False, True), (0.92, False, False)):
        r_squared = -math.expm1(parameters / (n * (shrinkage - 1)))
        found = assess_adequacy(clinic.study(f"validation.expected_r_squared={r_squared}"))
        assert found.table["shrinkage"].iloc[0] == pytest.approx(shrinkage)
        assert any(problem.code == "SIZ-03" for problem in found.problems) is refused
        assert bool(found.warnings) is warned


def test_an_expected_auc_is_an_r_squared(tmp_path: Path) -> None:
    study = build_clinic(tmp_path, n=200).study("validation.expected_auc=0.7")
    _, y = study.evaluable("response")
    assert assess_adequacy(study).r_squared == r_squared_from_auc(0.7, y.mean()) < max_r_squared(y.mean())


@pytest.mark.parametrize("name", ["thinking_healthy", "opt_periodontal"])
def test_the_large_trials_pass(name: str) -> None:
    study = prepare_study(load_config(REPOSITORY / "configs" / f"{name}.yaml"))
    assert not require_sound(study)[0].problems


def test_the_ketamine_trial_is_stopped_without_its_override() -> None:
    config = load_config(REPOSITORY / "configs" / "ketamine_nimh.yaml", overrides=[NO_OVERRIDE])
    with pytest.raises(RefusedError) as refused:
        require_sound(prepare_study(config))
    assert codes(refused) == ["SIZ-01", "SIZ-02", "SIZ-03"]
    # 384 * (6 / 29) * (23 / 29) = 63.01
    assert "29 evaluable patients, and 64 are needed" in str(refused.value)
