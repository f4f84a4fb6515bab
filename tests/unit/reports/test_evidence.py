"""Sentences and small counts of the evidence, from tables written by hand."""

from __future__ import annotations

import pandas as pd
import pytest

from predictor.reports import model_evidence
from predictor.reports.model_evidence import metric_text, share_text


def performance(judged: float, plan: float | None) -> pd.DataFrame:
    rows = [("average", "judged", judged)]
    if plan is not None:
        rows.append(("plan", "reference", plan))
    return pd.DataFrame(
        [
            {
                "procedure": name,
                "kind": kind,
                "metric": "auc",
                "value": value,
                "low": value - 0.05,
                "high": value + 0.05,
            }
            for name, kind, value in rows
        ]
    )


@pytest.mark.parametrize(
    ("judged", "plan", "said"),
    [
        # (0.66 - 0.5) / (0.70 - 0.5) = 0.8
        (
            0.70,
            0.66,
            "AUC 0.70, of the plan alone 0.66: about four fifths of what is above chance comes from the "
            "treatment, not from the patient.",
        ),
        (0.70, 0.504, "0.50: next to nothing of what is above chance comes from the treatment"),
        (0.66, 0.70, "all that is above chance comes from the treatment, nothing from the patient."),
        (0.70, 0.48, "nothing of it comes from the treatment."),
        (0.49, 0.55, "the procedure tells nobody apart"),
    ],
)
def test_what_the_plan_contributes_is_always_said(judged: float, plan: float, said: str) -> None:
    found = model_evidence._plan_share(performance(judged, plan))
    assert found is not None
    assert said in found.sentence
    assert found.plan.lo == pytest.approx(plan - 0.05)


def test_without_a_plan_nothing_is_said_of_it() -> None:
    assert model_evidence._plan_share(performance(0.7, None)) is None


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (0.8, "about four fifths"),
        (0.34, "about a third"),
        (0.5, "about half"),
        (0.03, "next to nothing"),
        (0.98, "nearly all"),
    ],
)
def test_a_share_is_the_nearest_fraction_that_people_say(share: float, words: str) -> None:
    assert share_text(share) == words


@pytest.mark.parametrize(
    ("share", "n", "shown"),
    [
        (0.2, 100, 20),  # 20 patients
        (0.09, 100, None),  # 9 patients
        (0.92, 100, None),  # all but 8
        (0.0, 100, 0),
        (1.0, 100, 100),
        (0.02, 1000, 2),  # 20 patients
    ],
)
def test_a_share_of_fewer_than_ten_patients_is_not_shown(share: float, n: int, shown: int | None) -> None:
    assert model_evidence._of_100(share, n) == shown


def test_metrics_have_names_that_people_read() -> None:
    assert metric_text("auc") == "AUC"
    assert metric_text("net_benefit_0.4") == "net benefit at 0.4"


def increments(*, shown: bool, value: float, p: float) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "block": "serum_markers",
                "smaller": "clinical",
                "larger": "all",
                "metric": metric,
                "value": value,
                "low": value - 0.01,
                "high": value + 0.01,
                "p": p if metric == "log_loss" else float("nan"),
                "p_adjusted": p if metric == "log_loss" else float("nan"),
                "shown": shown and metric == "log_loss",
            }
            for metric in ("log_loss", "auc")
        ]
    )


def test_a_block_is_said_to_add_only_where_it_was_shown() -> None:
    table = model_evidence._increments(increments(shown=True, value=0.02, p=0.0002), 0.95)
    assert table.sentences == (
        "serum markers was shown to add to clinical: gain in log loss 0.0200 (0.0100 to 0.0300); p below 0.001.",
    )
    assert [row.p_text for row in table.rows] == ["below 0.001", "—"]
    other = model_evidence._increments(increments(shown=False, value=-0.001, p=0.41), 0.95)
    assert "was not shown to add to clinical: gain in log loss −0.0010" in other.sentences[0]
    assert "hold for all comparisons at once (1)" in other.method


def test_the_bound_of_stability_selection_is_said_in_words() -> None:
    table = pd.DataFrame({"feature": ["a", "b"], "frequency": [0.9, 0.2], "stable": [True, False]})
    table.attrs = {"threshold": 0.75, "chosen": 1, "false_finds": 1.0}
    found = model_evidence._markers(table, {"a": "CRP", "b": "IL-6"})
    assert found.sentence.startswith("1 input was chosen in at least 75 of 100 halves")
    assert "at most 1.0 are expected to reach 75 of 100" in found.method
    assert [(row.label, row.frequency, row.stable) for row in found.rows] == [
        ("CRP", 90.0, True),
        ("IL-6", 20.0, False),
    ]
    table["stable"] = False
    assert "none counts as stable" in model_evidence._markers(table, {"a": "CRP", "b": "IL-6"}).sentence
