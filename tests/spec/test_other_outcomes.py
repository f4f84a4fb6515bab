"""The other outcomes of a model: who is told what, and folders that were forged to tell more."""

from __future__ import annotations

import functools
import io
import json
import pickle
import shutil
import tempfile
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model_examples import refusal, rehash
from predictor.execution import Execution
from predictor.experiment import Training
from predictor.models.archive import load_compact, save_compact
from predictor.prediction import predict_patients
from predictor.prediction_model import load_prediction_model, save_prediction_model
from predictor.reports.patient import patient_views
from predictor.reports.render import render_patient_report
from predictor.scoring import score_file
from trained_clinics import NOW, new_patients, train_quietly, write_clinic

# Responders of the invented clinic end below 18 points and all others above: the remission is the response again.
OUTCOMES = """\
  remission:
    kind: remission
    measure: madrs
    at_most: 17
    assessed: {first_day: 21, last_day: 35, target_day: 28}
  perfect:
    kind: remission
    measure: madrs
    at_most: 0
    assessed: {first_day: 21, last_day: 35, target_day: 28}
  fall:
    kind: change
    measure: madrs
    assessed: {first_day: 21, last_day: 35, target_day: 28}
primary: response
"""


@functools.cache
def _shelf() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="other-outcomes-")


@functools.cache
def training() -> Training:
    """Train once, a strong effect and four outcomes."""
    clinic = write_clinic(Path(_shelf().name, "clinic"))
    clinic.change("primary: response\n", OUTCOMES)
    return train_quietly(clinic)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(training().folder / "model", tmp_path / "model"))


def test_the_same_outcome_under_another_name_gets_the_same_numbers() -> None:
    """Same labels, folds and procedure: whatever the primary outcome is given, the other has to be given too."""
    model = training().model.model
    assert [(one.name, one.verdict) for one in model.outcomes] == [
        ("remission", "better"),
        ("perfect", "too_little"),
    ]
    remission, perfect = model.outcomes
    assert remission.group_rates == model.group_rates
    assert perfect.scorer is None
    assert all(rate.events == 0 for rate in perfect.group_rates)
    for one in predict_patients(model, new_patients(), today=date(2026, 4, 1)):
        assert one.kind == "estimate"
        told, rare = one.others
        # The response is asked together with its other plans, which adds up in another order.
        assert (told.low, told.high) == (one.low, one.high)
        assert told.probability == pytest.approx(one.probability, rel=1e-12)
        assert told.group == one.group
        assert rare.probability is None
        assert rare.group
        assert rare.group.events == 0


def test_the_page_and_the_json_say_it_beside_the_response() -> None:
    (view,) = patient_views(training().model.model, new_patients(1), now=NOW, user_ref="a")
    assert view.estimate
    remission, perfect = view.others
    assert (remission.per100, remission.lo, remission.hi) == (
        view.estimate.per100,
        view.estimate.lo,
        view.estimate.hi,
    )
    assert remission.definition == "the MADRS score was 17 or less, assessed on day 21 to 35 after day 0"
    assert not perfect.personal
    written = json.loads(view.to_json())
    assert [one["name"] for one in written["others"]] == ["Remission", "Perfect"]
    page = render_patient_report(view)
    assert page.index("1. The estimate") < page.index("Other outcomes") < page.index("2. Does the model")
    assert "no personal estimate is given: too few patients to judge one" in page


def test_a_refusal_is_one_of_every_outcome() -> None:
    row = new_patients(1).assign(age=300.0)
    (one,) = predict_patients(training().model.model, row, today=date(2026, 4, 1))
    assert (one.kind, one.others) == ("refusal", ())
    (view,) = patient_views(training().model.model, row, now=NOW, user_ref="a")
    assert "others" not in json.loads(view.to_json())


def test_a_group_page_tells_the_rates_too(folder: Path) -> None:
    """The verdict about the response withholds its number, and that about the remission does not."""
    path = folder / "card.json"
    card = json.loads(path.read_bytes())
    card["verdict"]["label"] = "no_better"
    path.write_bytes(json.dumps(card).encode())
    rehash(folder)
    (view,) = patient_views(load_prediction_model(folder), new_patients(1), now=NOW, user_ref="a")
    assert view.report.kind == "group_rate"
    assert [one.personal for one in view.others] == [True, False]


def test_many_patients_at_once_are_told_of_the_main_outcome_only(folder: Path, tmp_path: Path) -> None:
    new_patients(5).to_parquet(tmp_path / "in.parquet")
    scored = score_file(folder, tmp_path / "in.parquet", tmp_path / "out.parquet", execution=Execution())
    assert scored.rows == 5


# The folder


def change(folder: Path, name: str, edit: Callable[[Any], None]) -> None:
    content = json.loads((folder / name).read_bytes())
    edit(content)
    (folder / name).write_bytes(json.dumps(content).encode())
    rehash(folder)


def of_outcomes(edit: Callable[[list[dict[str, Any]]], object]) -> Callable[[Any], None]:
    return lambda metrics: edit(metrics["outcomes"]) and None  # type: ignore[func-returns-value]


def test_it_keeps_a_scorer_and_refits_of_what_was_shown_to_be_better(folder: Path) -> None:
    names = {path.name for path in folder.iterdir()}
    assert {name for name in names if name.startswith("outcome")} == {"outcome_1.json", "outcome_1.npz"}
    again = folder.with_name("again")
    loaded = load_prediction_model(folder)
    save_prediction_model(loaded, again)
    for name in ("outcome_1.json", "metrics.json"):
        assert (again / name).read_bytes() == (folder / name).read_bytes()
    assert len(loaded.outcomes[0].refits) == 20


@pytest.mark.parametrize("name", ["outcome_1.json", "outcome_1.npz"])
def test_art_01_every_one_of_50_single_bit_flips_is_caught(folder: Path, name: str) -> None:
    path = folder / name
    original = path.read_bytes()
    for bit in np.random.default_rng(1).choice(8 * len(original), size=50, replace=False):
        damaged = bytearray(original)
        damaged[bit // 8] ^= 1 << (bit % 8)
        path.write_bytes(damaged)
        assert f"{path}: ART-01 the file is damaged" in refusal(folder)


@pytest.mark.parametrize("name", ["outcome_1.json", "outcome_1.npz"])
def test_art_02_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert f"{folder / name}: ART-02" in refusal(folder)


def test_art_02_a_file_of_another_name(folder: Path) -> None:
    for name in ("outcome_0.json", "outcome_100.npz", "outcome_1.skops", "outcome_2.json.exe"):
        (folder / name).write_bytes(b"{}")
        manifest = json.loads((folder / "manifest.json").read_bytes())
        rehash(folder, files={**manifest["files"], name: {}})
        assert "ART-02 the manifest lists other files than a model has" in refusal(folder)
        (folder / name).unlink()
        rehash(folder, files=manifest["files"])


def test_art_03_files_of_no_outcome(folder: Path) -> None:
    for suffix in ("json", "npz"):
        shutil.copy(folder / f"outcome_1.{suffix}", folder / f"outcome_2.{suffix}")
    manifest = json.loads((folder / "manifest.json").read_bytes())
    rehash(folder, files={**manifest["files"], "outcome_2.json": {}, "outcome_2.npz": {}})
    assert "ART-03" in refusal(folder)


def test_art_03_a_pickle_in_place_of_the_refits(folder: Path) -> None:
    (folder / "outcome_1.npz").write_bytes(pickle.dumps([1]))
    rehash(folder)
    assert "outcome_1.npz: ART-03" in refusal(folder)


@pytest.mark.parametrize(
    "edit",
    [
        lambda all_: all_[0].update(verdict="no_better"),
        lambda all_: all_[0].update(verdict="too_little"),
        lambda all_: all_[0].update(verdict="best"),
        lambda all_: all_[0].update(personal=False),
        lambda all_: all_[1].update(personal=True),
        lambda all_: all_[0].update(personal="yes"),
        lambda all_: all_[0].update(name="perfect"),
        lambda all_: all_[0].update(name="another"),
        lambda all_: all_[0].update(more=1),
        lambda all_: all_[0].pop("definition"),
        lambda all_: all_[0].update(definition=3),
        lambda all_: all_[0]["group_rates"][0].update(n=0),
        lambda all_: all_[0]["group_rates"][0].update(events=10**6),
        lambda all_: all_[0]["group_rates"][0].update(low=0.99),
        lambda all_: all_[0]["group_rates"][0].update(rate=None),
        lambda all_: all_[0]["group_rates"][0].pop("plan"),
        lambda all_: all_[0].update(group_rates={}),
        lambda all_: all_.reverse(),
        lambda all_: all_.clear(),
    ],
)
def test_art_03_outcomes_that_no_release_writes(folder: Path, edit: Callable[[Any], object]) -> None:
    change(folder, "metrics.json", of_outcomes(edit))
    assert "ART-03" in refusal(folder)


def test_art_09_made_up_patients_of_another_outcome(folder: Path) -> None:
    def move(golden: Any) -> None:
        golden["outcomes"]["remission"][4] += 1e-6

    change(folder, "golden.json", move)
    assert "ART-09 made-up patient 5 of 20 gets another probability" in refusal(folder)


@pytest.mark.parametrize(
    "edit",
    [
        lambda golden: golden.pop("outcomes"),
        lambda golden: golden["outcomes"].clear(),
        lambda golden: golden["outcomes"].update(perfect=golden["outcomes"]["remission"]),
        lambda golden: golden["outcomes"]["remission"].pop(),
        lambda golden: golden["outcomes"].update(remission="x" * 20),
    ],
)
def test_art_03_made_up_patients_that_are_not_those_of_the_outcomes(
    folder: Path, edit: Callable[[Any], object]
) -> None:
    change(folder, "golden.json", lambda golden: edit(golden) and None)  # type: ignore[func-returns-value]
    assert "ART-03" in refusal(folder)


def test_another_scorer_is_found_out_by_its_made_up_patients(folder: Path) -> None:
    def move(scorer: Any) -> None:
        scorer["members"][0]["base"] += 0.01

    change(folder, "outcome_1.json", move)
    assert "ART-09" in refusal(folder)


def test_art_03_refits_that_are_none(folder: Path) -> None:
    refits = load_compact(io.BytesIO((folder / "outcome_1.npz").read_bytes()))
    save_compact([], folder / "outcome_1.npz")
    rehash(folder)
    assert "ART-03" in refusal(folder)
    save_compact(refits, folder / "outcome_1.npz")
    rehash(folder)
    load_prediction_model(folder)


def test_a_folder_from_before_them_still_loads(folder: Path) -> None:
    for name in ("outcome_1.json", "outcome_1.npz"):
        (folder / name).unlink()
    manifest = json.loads((folder / "manifest.json").read_bytes())
    kept = {name: {} for name in manifest["files"] if not name.startswith("outcome_")}
    rehash(folder, files=kept)
    change(folder, "metrics.json", lambda metrics: metrics.pop("outcomes") and None)
    change(folder, "golden.json", lambda golden: golden.pop("outcomes") and None)
    assert load_prediction_model(folder).outcomes == ()
