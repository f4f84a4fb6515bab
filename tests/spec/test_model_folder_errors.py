"""Damaged, foreign and crafted model folders: each is refused with its code, and nothing it carries runs."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import skops.io

from model_examples import example_model, rehash
from predictor.errors import ModelError
from predictor.prediction_model import load_prediction_model, save_prediction_model

FILES = [
    "applicability.json",
    "card.json",
    "explain.json",
    "golden.json",
    "manifest.json",
    "metrics.json",
    "model.skops",
    "refits.npz",
    "schema.json",
    "scorer.json",
]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "model"
    save_prediction_model(example_model(), folder)
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "model"))


def refusal(folder: Path, **options: Any) -> str:
    with pytest.raises(ModelError) as caught:
        load_prediction_model(folder, **options)
    assert caught.value.exit_code == 4
    return str(caught.value)


def test_the_untouched_folder_loads_and_has_the_files_damaged_below(folder: Path) -> None:
    load_prediction_model(folder)
    assert sorted(path.name for path in folder.iterdir()) == FILES


class Canary:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return os.mkdir, (str(self.path),)


# ART-01


@pytest.mark.parametrize("name", FILES)
def test_art_01_every_one_of_200_single_bit_flips_is_caught(folder: Path, name: str) -> None:
    path = folder / name
    original = path.read_bytes()
    rng = np.random.default_rng(len(original))
    for bit in rng.choice(8 * len(original), size=200, replace=False):
        damaged = bytearray(original)
        damaged[bit // 8] ^= 1 << (bit % 8)
        path.write_bytes(damaged)
        message = refusal(folder)
        assert str(folder) in message
        if name != "manifest.json":
            assert f"{path}: ART-01 the file is damaged" in message


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    "damage",
    [lambda data: data[: len(data) // 2], lambda data: b"", lambda data: bytes(reversed(data))],
    ids=["truncated", "empty", "scrambled"],
)
def test_art_01_truncated_empty_or_scrambled(
    folder: Path, name: str, damage: Callable[[bytes], bytes]
) -> None:
    path = folder / name
    path.write_bytes(damage(path.read_bytes()))
    assert f"{path}: ART-01" in refusal(folder)


# ART-02


@pytest.mark.parametrize("name", FILES)
def test_art_02_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert f"{folder / name}: ART-02" in refusal(folder)


def test_art_02_an_extra_file(folder: Path) -> None:
    (folder / "notes.txt").write_text("hello")
    assert "ART-02 the folder has a file that the manifest does not list" in refusal(folder)


def test_art_02_an_edited_manifest(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace('"2027-03-01"', '"2037-03-01"'))
    assert "manifest.json: ART-02 the manifest was edited" in refusal(folder)


def test_art_02_a_change_of_the_manifest_that_json_does_not_see(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_bytes(path.read_bytes() + b"\n")
    assert "ART-02 the manifest was edited" in refusal(folder)


def test_art_02_a_forged_manifest_cannot_list_other_files(folder: Path) -> None:
    (folder / "code.py").write_text("")
    manifest = json.loads((folder / "manifest.json").read_bytes())
    rehash(folder, files={**manifest["files"], "code.py": {}})
    assert "code.py: ART-02 the manifest lists other files than a model has" in refusal(folder)


# ART-03


@pytest.mark.parametrize("name", ["model.skops", "refits.npz"])
@pytest.mark.parametrize("dump", [pickle.dump, joblib.dump], ids=["pickle", "joblib"])
def test_art_03_a_renamed_pickle_does_not_run(
    folder: Path, tmp_path: Path, name: str, dump: Callable[..., Any]
) -> None:
    with (folder / name).open("wb") as handle:
        dump(Canary(tmp_path / "ran"), handle)
    rehash(folder)
    assert f"{folder / name}: ART-03 the file is not in the format its name says" in refusal(folder)
    assert not (tmp_path / "ran").exists()


def test_art_03_a_pickle_inside_the_refits_does_not_run(folder: Path, tmp_path: Path) -> None:
    np.savez(folder / "refits.npz", models=np.array([Canary(tmp_path / "ran")], dtype=object))
    rehash(folder)
    assert "ART-03 its content cannot be read (ValueError)" in refusal(folder)
    assert not (tmp_path / "ran").exists()


def test_art_03_a_pickle_in_place_of_the_scorer_does_not_run(folder: Path, tmp_path: Path) -> None:
    (folder / "scorer.json").write_bytes(pickle.dumps(Canary(tmp_path / "ran")))
    rehash(folder)
    assert "ART-03 its content cannot be read" in refusal(folder)
    assert not (tmp_path / "ran").exists()


def test_art_03_an_mlmodel_folder_with_a_pickle(tmp_path: Path) -> None:
    folder = tmp_path / "foreign"
    folder.mkdir()
    (folder / "MLmodel").write_text("flavors: {python_function: {loader_module: mlflow.sklearn}}\n")
    with (folder / "model.pkl").open("wb") as handle:
        pickle.dump(Canary(tmp_path / "ran"), handle)
    assert "manifest.json: ART-02 the manifest is missing" in refusal(folder)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("changes", "words"), [({"kind": "other"}, "not the manifest"), ({"format": 1}, "another format")]
)
def test_art_03_another_kind_or_format(folder: Path, changes: dict[str, Any], words: str) -> None:
    rehash(folder, **changes)
    assert words in refusal(folder)


def test_art_03_no_folder(tmp_path: Path) -> None:
    assert "ART-03 a prediction model is a folder" in refusal(tmp_path / "none")


# ART-04 and ART-05


def node(loader: str, module: str, name: str, **content: Any) -> dict[str, Any]:
    return {"__loader__": loader, "__module__": module, "__class__": name, **content}


def text(value: str) -> dict[str, Any]:
    return node("JsonNode", "builtins", "str", content=json.dumps(value), is_json=True)


def several(*values: dict[str, Any]) -> dict[str, Any]:
    return node("TupleNode", "builtins", "tuple", content=list(values))


SYSTEM = node("FunctionNode", "posix", "system", content={"module_path": "posix", "function": "system"})


def reduced(command: str) -> dict[str, Any]:
    return node("ConstructorFromReduceNode", "posix", "system", content=several(text(command)))


def operator_call(command: str) -> dict[str, Any]:
    return node("OperatorFuncNode", "operator", "call", attrs=several(SYSTEM, text(command)))


def method(command: str) -> dict[str, Any]:
    return node("MethodNode", "posix", "system", content={"func": "__call__", "obj": reduced(command)})


def write_skops(folder: Path, state: dict[str, Any], protocol: int = 2) -> None:
    with zipfile.ZipFile(folder / "model.skops", "w") as archive:
        archive.writestr(
            "schema.json", json.dumps({**state, "protocol": protocol, "_skops_version": "0.16.0"})
        )


CRAFTED = pytest.mark.parametrize(
    ("craft", "named"),
    [(reduced, "posix.system"), (operator_call, "operator.call"), (method, "MethodNode")],
    ids=["constructor", "operator", "method"],
)


@CRAFTED
def test_art_04_the_crafted_files_would_run_where_their_types_are_trusted(
    folder: Path, tmp_path: Path, craft: Callable[[str], dict[str, Any]], named: str
) -> None:
    write_skops(folder, craft(f"touch {tmp_path / 'ran'}"))
    data = (folder / "model.skops").read_bytes()
    with contextlib.suppress(Exception):
        skops.io.loads(data, trusted=skops.io.get_untrusted_types(data=data))
    assert (tmp_path / "ran").exists()


@CRAFTED
@pytest.mark.parametrize("protocol", [0, 1, 2])
def test_art_04_a_crafted_skops_is_named_and_does_not_run(
    folder: Path, tmp_path: Path, craft: Callable[[str], dict[str, Any]], named: str, protocol: int
) -> None:
    write_skops(folder, craft(f"touch {tmp_path / 'ran'}"), protocol)
    rehash(folder)
    message = refusal(folder)
    assert f"{folder / 'model.skops'}: ART-04" in message
    assert named in message
    assert not (tmp_path / "ran").exists()


def test_art_04_the_weaker_rules_of_an_older_protocol_cannot_be_asked_for(folder: Path) -> None:
    data = (folder / "model.skops").read_bytes()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(folder / "model.skops", "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "schema.json":
                content = json.dumps({**json.loads(content), "protocol": 1}).encode()
            new.writestr(name, content)
    rehash(folder)
    assert "ART-04" in refusal(folder)


def test_art_04_a_scikit_learn_type_that_keeps_rows_is_refused_too(folder: Path) -> None:
    from sklearn.neighbors import KNeighborsClassifier

    keeps_rows = KNeighborsClassifier(1).fit(np.eye(2), [0, 1])
    (folder / "model.skops").write_bytes(skops.io.dumps(keeps_rows))
    rehash(folder)
    assert "sklearn.neighbors._classification.KNeighborsClassifier" in refusal(folder)


@CRAFTED
def test_art_05_the_folders_own_list_of_trusted_types_is_ignored(
    folder: Path, tmp_path: Path, craft: Callable[[str], dict[str, Any]], named: str
) -> None:
    write_skops(folder, {**craft(f"touch {tmp_path / 'ran'}"), "trusted": ["posix.system", "operator.call"]})
    trusted = ["posix.system", "operator.call", "subprocess.Popen", "functools.partial", "builtins.method"]
    rehash(folder, types=trusted, trusted=trusted, skops_trusted_types=trusted)
    message = refusal(folder)
    assert "ART-04" in message
    assert named in message
    assert not (tmp_path / "ran").exists()
