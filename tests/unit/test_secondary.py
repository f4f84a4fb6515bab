"""The other outcomes: on the same folds, by the same procedure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clinic import RESPONSE, build_clinic
from predictor.execution import Execution
from predictor.experiment.judging import outer_folds
from predictor.secondary import SECONDARY_COLUMNS, judge_secondary, secondary_table

WINDOW = RESPONSE["assessed"]


def _silent(step: str, done: int, total: int) -> None:
    """Say nothing."""


def test_remission_is_judged_and_a_change_described_and_a_rare_outcome_left_alone(tmp_path: Path) -> None:
    outcomes = {
        "response": RESPONSE,
        "again": RESPONSE,
        "change": {"kind": "change", "measure": "madrs", "assessed": WINDOW},
        "perfect": {"kind": "remission", "measure": "madrs", "at_most": 0, "assessed": WINDOW},
    }
    study = build_clinic(tmp_path, n=150, changes={"outcomes": outcomes}).study()

    found = secondary_table(
        judge_secondary(study, outer_folds(study), execution=Execution(), progress=_silent)
    )

    assert list(found.columns) == SECONDARY_COLUMNS
    assert set(found["outcome"]) == {"again", "change", "perfect"}
    # The same outcome under another name, on the same folds, by the same procedure: it must be told from chance too.
    auc = found[(found["outcome"] == "again") & (found["metric"] == "auc")].iloc[0]
    assert auc["low"] > 0.5
    change = found[found["outcome"] == "change"].iloc[0]
    label = study.outcomes["change"].label[study.primary.evaluable]
    assert change["mean"] == pytest.approx(np.nanmean(label))
    assert change["note"] == "described, not modelled"
    perfect = found[found["outcome"] == "perfect"]
    assert len(perfect) == 1
    assert "not judged" in perfect.iloc[0]["note"]


def test_one_outcome_leaves_nothing_to_describe(tmp_path: Path) -> None:
    study = build_clinic(tmp_path, n=80).study()

    found = secondary_table(
        judge_secondary(study, outer_folds(study), execution=Execution(), progress=_silent)
    )
    assert found.empty
