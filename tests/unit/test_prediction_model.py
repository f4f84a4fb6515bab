from __future__ import annotations

import dataclasses
import errno
import json
import os
import shutil
import zipfile
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import skops.io
from scipy.special import expit

from model_examples import CANARY_SITE, example_model, holders_of_canaries, patients, rehash
from predictor.errors import ModelError, ResourceError
from predictor.prediction_model import load_prediction_model, save_prediction_model

FAMILIES = ["elastic_net", "random_forest", "hist_gradient_boosting", "logistic", "prevalence"]


@pytest.fixture(scope="module", params=FAMILIES)
def saved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    folder = tmp_path_factory.mktemp(request.param) / "model"
    save_prediction_model(example_model(request.param), folder)
    return request.param, folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_prediction_model(example_model(), tmp_path / "model")
    return tmp_path / "model"


def refusal(folder: Path, **options: object) -> str:
    with pytest.raises(ModelError) as caught:
        load_prediction_model(folder, **options)  # type: ignore[arg-type]
    return str(caught.value)


def test_a_saved_model_predicts_bit_for_bit_what_the_live_one_did(saved: tuple[str, Path]) -> None:
    family, folder = saved
    live, loaded = example_model(family), load_prediction_model(folder)
    X, _ = patients()
    np.testing.assert_array_equal(loaded.estimator.predict_proba(X), live.estimator.predict_proba(X))
    np.testing.assert_array_equal(loaded.scorer.log_odds(X), live.scorer.log_odds(X))
    for one, other in zip(loaded.refits, live.refits, strict=True):
        np.testing.assert_array_equal(one.log_odds(X), other.log_odds(X))


def test_everything_else_comes_back_equal(saved: tuple[str, Path]) -> None:
    family, folder = saved
    live, loaded = example_model(family), load_prediction_model(folder)
    for field in dataclasses.fields(live):
        if field.name not in {"build", "scorer", "refits", "manifest"}:
            assert getattr(loaded, field.name) == getattr(live, field.name), field.name


def test_art_14_the_folder_keeps_no_patient(saved: tuple[str, Path]) -> None:
    _, folder = saved
    assert holders_of_canaries(folder) == []
    assert json.loads((folder / "manifest.json").read_bytes())["rows_stored"] is False


def test_art_14_the_search_for_the_patient_can_succeed(tmp_path: Path) -> None:
    X, _ = patients()
    X[["age"]].to_csv(tmp_path / "ages.csv")
    np.savez_compressed(tmp_path / "ages.npz", ages=X["age"].to_numpy())
    (tmp_path / "site.txt").write_text(CANARY_SITE)
    assert holders_of_canaries(tmp_path) == ["ages.csv", "ages.npz", "site.txt"]


def test_the_twenty_made_up_patients_lie_inside_what_was_learned(folder: Path) -> None:
    golden = json.loads((folder / "golden.json").read_bytes())
    X, _ = patients()
    rows = golden["inputs"]
    assert len(rows) == len(golden["probabilities"]) == 20
    ages = [row["age"] for row in rows]
    assert X["age"].min() <= min(ages) < max(ages) <= X["age"].max()
    assert not set(ages) & set(X["age"])
    assert {row["site"] for row in rows} == {"north", "south"}
    assert any(row["crp"] is None for row in rows)


def test_golden_probabilities_are_those_of_the_live_model(folder: Path) -> None:
    golden = json.loads((folder / "golden.json").read_bytes())
    X = patients()[0].iloc[:20].copy()
    for name in X.columns:
        X[name] = np.array([row[name] for row in golden["inputs"]], dtype=X[name].to_numpy().dtype)
    model = example_model()
    np.testing.assert_allclose(
        golden["probabilities"], model.estimator.predict_proba(X)[:, 1], rtol=0, atol=0
    )
    np.testing.assert_allclose(golden["probabilities"], expit(model.scorer.log_odds(X)), rtol=0, atol=1e-9)


def test_the_manifest_lists_files_versions_and_dates(folder: Path) -> None:
    import sklearn

    manifest = json.loads((folder / "manifest.json").read_bytes())
    assert set(manifest["files"]) == {path.name for path in folder.iterdir()} - {"manifest.json"}
    assert manifest["versions"]["scikit-learn"] == sklearn.__version__
    assert (manifest["name"], manifest["created"], manifest["valid_until"]) == (
        "invented",
        "2026-03-01",
        "2027-03-01",
    )
    assert "predictor.models.averaging.AveragedClassifier" in manifest["types"]


def test_the_returned_hash_is_the_manifests_and_depends_only_on_the_content(tmp_path: Path) -> None:
    first = save_prediction_model(example_model(), tmp_path / "first")
    again = dataclasses.replace(example_model(), card={**example_model().card, "owner": "else"})
    assert load_prediction_model(tmp_path / "first").manifest["sha256"] == first
    assert save_prediction_model(again, tmp_path / "second") != first


def test_a_model_without_refits_has_no_file_for_them(tmp_path: Path) -> None:
    save_prediction_model(dataclasses.replace(example_model(), refits=()), tmp_path / "model")
    assert not (tmp_path / "model" / "refits.npz").exists()
    assert load_prediction_model(tmp_path / "model").refits == ()


def test_an_existing_folder_is_never_overwritten(folder: Path) -> None:
    before = (folder / "manifest.json").read_bytes()
    with pytest.raises(ResourceError, match="ART-15"):
        save_prediction_model(example_model(), folder)
    assert (folder / "manifest.json").read_bytes() == before


def test_art_09_an_estimator_that_is_another_one_is_not_believed(tmp_path: Path, folder: Path) -> None:
    wrong = dataclasses.replace(example_model(), build=lambda: example_model("random_forest").estimator)
    with pytest.raises(ModelError, match="ART-09"):
        save_prediction_model(wrong, tmp_path / "wrong")
    (folder / "model.skops").write_bytes(skops.io.dumps(example_model("random_forest").estimator))
    rehash(folder)
    model = load_prediction_model(folder)
    with pytest.raises(ModelError, match="ART-09"):
        _ = model.estimator


def test_a_model_that_would_not_load_gets_no_folder(tmp_path: Path) -> None:
    wrong = dataclasses.replace(example_model(), scorer=example_model("random_forest").scorer)
    with pytest.raises(ModelError, match="ART-09"):
        save_prediction_model(wrong, tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_save_left_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "model.partial").mkdir()
    (tmp_path / "model.partial" / "half.json").write_text("{")
    save_prediction_model(example_model(), tmp_path / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    load_prediction_model(tmp_path / "model")


# Gates that are not about damage


def test_art_07_another_minor_version_of_scikit_learn_names_both(folder: Path) -> None:
    import sklearn

    versions = json.loads((folder / "manifest.json").read_bytes())["versions"]
    rehash(folder, versions={**versions, "scikit-learn": "1.2.3"})
    message = refusal(folder)
    assert "ART-07" in message
    assert "1.2.3" in message
    assert sklearn.__version__ in message


def test_art_07_a_later_patch_of_the_same_minor_version_loads(folder: Path) -> None:
    import sklearn

    versions = json.loads((folder / "manifest.json").read_bytes())["versions"]
    minor = ".".join(sklearn.__version__.split(".")[:2])
    rehash(folder, versions={**versions, "scikit-learn": f"{minor}.999"})
    load_prediction_model(folder)


@pytest.mark.parametrize("change", [1e-6, float("1e-8")])
def test_art_09_a_made_up_patient_with_another_probability_is_named(folder: Path, change: float) -> None:
    golden = json.loads((folder / "golden.json").read_bytes())
    golden["probabilities"][4] += change
    (folder / "golden.json").write_text(json.dumps(golden))
    rehash(folder)
    assert "ART-09 made-up patient 5 of 20 gets another probability" in refusal(folder)


def test_art_09_a_made_up_patient_within_rounding_passes(folder: Path) -> None:
    golden = json.loads((folder / "golden.json").read_bytes())
    golden["probabilities"][4] += 1e-11
    (folder / "golden.json").write_text(json.dumps(golden))
    rehash(folder)
    load_prediction_model(folder)


def test_art_09_a_model_of_another_training_behind_the_same_manifest(folder: Path, tmp_path: Path) -> None:
    save_prediction_model(example_model("random_forest"), tmp_path / "forest")
    shutil.copy(tmp_path / "forest" / "scorer.json", folder / "scorer.json")
    rehash(folder)
    assert "ART-09" in refusal(folder)


def test_art_10_a_model_is_valid_on_its_last_day_and_not_after(folder: Path) -> None:
    load_prediction_model(folder, today=date(2027, 3, 1))
    assert "ART-10 the model was valid until 2027-03-01" in refusal(folder, today=date(2027, 3, 2))
    load_prediction_model(folder)


def test_art_12_links_are_refused(folder: Path) -> None:
    (folder / "card.json").rename(folder.parent / "card.json")
    (folder / "card.json").symlink_to(folder.parent / "card.json")
    assert "card.json: ART-12" in refusal(folder)


def test_art_12_folders_inside_are_refused(folder: Path) -> None:
    (folder / "more").mkdir()
    assert "ART-12" in refusal(folder)


def test_art_12_a_folder_outside_the_allowed_one_is_refused_even_through_a_link(
    folder: Path, tmp_path: Path
) -> None:
    allowed = tmp_path / "allowed"
    allowed.mkdir()
    (allowed / "model").symlink_to(folder)
    assert "ART-12" in refusal(allowed / "model", inside=allowed)
    load_prediction_model(folder, inside=tmp_path)


def test_art_12_forty_one_files_are_too_many(folder: Path) -> None:
    for number in range(41):
        (folder / f"{number}.txt").write_text("")
    assert "ART-12 it has more than 40 files" in refusal(folder)


def test_art_12_a_file_of_more_than_200_megabytes_is_not_read(folder: Path) -> None:
    os.truncate(folder / "refits.npz", 200_000_001)  # sparse: takes no disk
    assert "refits.npz: ART-12" in refusal(folder)


def test_art_06_a_zip_bomb_is_refused_unpacked(folder: Path) -> None:
    with zipfile.ZipFile(folder / "model.skops", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", b"0" * 20_000_000)
    assert (folder / "model.skops").stat().st_size < 50_000
    rehash(folder)
    assert "model.skops: ART-06" in refusal(folder)


@pytest.mark.parametrize("name", ["../outside.npy", "/outside.npy"])
def test_art_06_a_member_that_lies_elsewhere_is_refused(folder: Path, name: str) -> None:
    with zipfile.ZipFile(folder / "refits.npz", "a") as archive:
        archive.writestr(name, b"")
    rehash(folder)
    assert "refits.npz: ART-06" in refusal(folder)


def test_a_forged_folder_with_a_wrong_content_is_refused_kindly(folder: Path) -> None:
    (folder / "schema.json").write_text('{"features": []}')
    rehash(folder)
    assert "ART-03 its content cannot be read" in refusal(folder)


def test_a_zip_that_is_no_skops_model_is_refused(folder: Path) -> None:
    with zipfile.ZipFile(folder / "model.skops", "w") as archive:
        archive.writestr("other.json", "{}")
    rehash(folder)
    assert "model.skops: ART-03 the file is not a skops model (KeyError)" in refusal(folder)


def test_a_forged_manifest_that_cannot_be_written_as_text_is_refused(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace('"invented"', '"\\ud800"'))
    assert "ART-02 the manifest was edited" in refusal(folder)


@pytest.mark.parametrize(("number", "code"), [(errno.ENOSPC, "TRN-04"), (errno.EROFS, "TRN-05")])
def test_a_full_disk_leaves_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: str
) -> None:
    def full(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ResourceError, match=f"{tmp_path}/model: {code}"):
        save_prediction_model(example_model(), tmp_path / "model")
    assert list(tmp_path.iterdir()) == []
