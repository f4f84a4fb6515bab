"""Damaged, foreign and crafted model folders: each is refused with its code, and nothing it carries runs."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import pickle
import shutil
import stat
import struct
import subprocess
import sys
import tempfile
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import skops.io

from model_examples import example_model, refusal, rehash
from predictor.api import model_folder
from predictor.errors import ModelError, ResourceError
from predictor.model_trial import try_estimator
from predictor.prediction.reading import template
from predictor.prediction_model import (
    load_prediction_model,
    save_prediction_model,
    sign_prediction_model,
)
from predictor.reports.patient import patient_views
from predictor.signature import ModelPolicy, create_key, describe_signature, read_key
from trained_clinics import command_line

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


# ART-08


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    """A private key's file, and the public key."""
    path = tmp_path_factory.mktemp("key") / "key.pem"
    return path, base64.b64decode(create_key(path))


def signed(folder: Path, key: tuple[Path, bytes]) -> ModelPolicy:
    """Sign a folder without a look at it; return the policy that asks for this signature."""
    manifest = (folder / "manifest.json").read_bytes()
    (folder / "manifest.sig").write_bytes(describe_signature(manifest, read_key(key[0])))
    return ModelPolicy("required", {"clinic": key[1]})


def test_art_08_a_signed_folder_loads_where_the_policy_names_the_key(
    folder: Path, key: tuple[Path, bytes]
) -> None:
    sign_prediction_model(folder, key[0])
    policy = ModelPolicy("required", {"clinic": key[1]})
    assert load_prediction_model(folder, policy=policy).manifest["name"] == "invented"
    load_prediction_model(folder)  # and wherever nobody asks


def test_art_08_the_signature_is_ed25519_over_the_manifest(folder: Path, key: tuple[Path, bytes]) -> None:
    """Verified here by the bytes of RFC 8032 through another implementation's command line."""
    signed(folder, key)
    content = json.loads((folder / "manifest.sig").read_bytes())
    message = b"response-predictor model manifest\n" + (folder / "manifest.json").read_bytes()
    parts = {
        "sig": base64.b64decode(content["signature"]),
        "message": message,
        # SubjectPublicKeyInfo of Ed25519, RFC 8410 section 4.
        "key.der": bytes.fromhex("302a300506032b6570032100") + key[1],
    }
    for name, data in parts.items():
        (folder.parent / name).write_bytes(data)
    command = "openssl pkeyutl -verify -pubin -keyform DER -inkey key.der -rawin -in message -sigfile sig"
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    run = subprocess.run(command.split(), cwd=folder.parent, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def test_art_08_a_missing_signature(folder: Path, key: tuple[Path, bytes]) -> None:
    policy = ModelPolicy("required", {"clinic": key[1]})
    assert "ART-08 the folder is not signed, and the policy asks for it" in refusal(folder, policy=policy)


def test_art_08_another_key_than_the_clinics(folder: Path, key: tuple[Path, bytes], tmp_path: Path) -> None:
    signed(folder, key)
    other = base64.b64decode(create_key(tmp_path / "other.pem"))
    for wanted in ("required", "optional"):
        said = refusal(folder, policy=ModelPolicy(wanted, {"clinic": other}))
        assert "manifest.sig: ART-08 the folder is signed with a key that the policy does not name" in said


def test_art_08_a_folder_forged_after_it_was_signed(folder: Path, key: tuple[Path, bytes]) -> None:
    policy = signed(folder, key)
    rehash(folder, valid_until="2999-01-01")
    assert "ART-08 the signature is not one of this manifest" in refusal(folder, policy=policy)
    # Without a policy the signature still has to fit the key that it names.
    assert "ART-08 the signature is not one of this manifest" in refusal(folder)


def test_art_08_a_signature_of_another_folder(saved: Path, folder: Path, key: tuple[Path, bytes]) -> None:
    policy = signed(folder, key)
    rehash(folder, name="another")
    signed(folder, key)
    other = Path(shutil.copytree(saved, folder.parent / "second"))
    shutil.copy(folder / "manifest.sig", other)
    assert "ART-08 the signature is not one of this manifest" in refusal(other, policy=policy)


def test_art_08_every_one_of_200_single_bit_flips_of_the_signature_is_caught(
    folder: Path, key: tuple[Path, bytes]
) -> None:
    policy = signed(folder, key)
    path = folder / "manifest.sig"
    original = path.read_bytes()
    rng = np.random.default_rng(8)
    for bit in rng.choice(8 * len(original), size=200, replace=False):
        damaged = bytearray(original)
        damaged[bit // 8] ^= 1 << (bit % 8)
        path.write_bytes(damaged)
        for asked in (policy, ModelPolicy()):
            assert f"{path}: ART-08" in refusal(folder, policy=asked)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        '{"signature": "maybe"}',
        '{"signature": "required"}',
        '{"signature": "required", "keys": {"clinic": "c2hvcnQ="}}',
        '{"signature": "optional", "key": "x"}',
        '{"keys": ["a"]}',
        "[" * 100_000,
    ],
)
def test_art_08_a_policy_that_cannot_be_read_lets_nothing_in(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    path = tmp_path / "policy.json"
    path.write_text(content)
    monkeypatch.setenv("PREDICTOR_POLICY", str(path))
    assert f"{path}: ART-08 the policy for models cannot be read" in refusal(folder)


def test_art_08_the_policy_of_the_machine_holds_for_every_way_to_load(
    folder: Path, key: tuple[Path, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "policy.json"
    text = base64.b64encode(key[1]).decode()
    path.write_text(
        json.dumps({"signature": "required", "keys": {"clinic": text}, "models": str(folder.parent)})
    )
    monkeypatch.setenv("PREDICTOR_POLICY", str(path))
    assert "ART-08 the folder is not signed" in refusal(folder)
    answer = command_line("predict", folder, tmp_path / "patients.csv")
    assert answer.code == 4
    assert "ART-08 the folder is not signed" in answer.err
    signed(folder, key)
    load_prediction_model(folder)
    elsewhere = Path(shutil.copytree(folder, tmp_path.parent / f"{tmp_path.name}-elsewhere"))
    assert "ART-12 the folder lies outside" in refusal(elsewhere)
    path.unlink()
    assert "ART-08" in refusal(folder)


def test_art_08_without_the_package_a_policy_is_not_waved_through(
    folder: Path, key: tuple[Path, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = signed(folder, key)
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    with pytest.raises(ResourceError, match=r"ENV-02 signatures need the package cryptography.*\[signing\]"):
        load_prediction_model(folder, policy=policy)
    load_prediction_model(folder, policy=ModelPolicy())


def test_art_08_keys_are_the_owners_alone_and_never_overwritten(tmp_path: Path, folder: Path) -> None:
    path = tmp_path / "key.pem"
    answer = command_line("sign", folder, "--key", path, "--new-key")
    assert answer.code == 0, answer.err
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "PRIVATE" not in answer.out
    before = path.read_bytes()
    again = command_line("sign", folder, "--key", path, "--new-key")
    assert again.code == 5
    assert "TRN-05" in again.err
    assert path.read_bytes() == before
    (tmp_path / "none.pem").write_text("no key")
    assert (
        "ART-08 the file is no readable Ed25519 private key"
        in command_line("sign", folder, "--key", tmp_path / "none.pem").err
    )


# ART-11


def test_art_11_the_schema_of_another_version(folder: Path) -> None:
    path = folder / "schema.json"
    path.write_text(path.read_text().replace('"north"', '"NORTH"'))
    assert f"{path}: ART-01 the file is damaged: it is not the one the manifest lists" in refusal(folder)


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


@contextlib.contextmanager
def without_rights() -> Iterator[None]:
    """Be a user whom permissions bind, as the one of the service is."""
    mine = os.geteuid()
    os.seteuid(mine or 65534)
    try:
        yield
    finally:
        os.seteuid(mine)


@pytest.mark.parametrize("closed", ["", "manifest.json", "card.json"], ids=["folder", "manifest", "file"])
def test_art_03_what_may_not_be_read_is_not_called_missing(folder: Path, closed: str) -> None:
    """A folder is written for its owner alone; copied as it is by root, the service cannot read it."""
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to others
        place, copy = Path(name), Path(name) / "model"
        place.chmod(0o755)
        shutil.copytree(folder, copy)
        copy.chmod(0o755)
        (copy / closed).chmod(0)
        with without_rights():
            said = refusal(model_folder(copy))
        (copy / closed).chmod(0o755)
    assert "ART-03 whoever runs this may not read" in said


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


def test_art_04_a_folder_that_says_it_stores_rows(folder: Path) -> None:
    rehash(folder, rows_stored=True)
    assert "ART-04 the folder says that it stores patients' rows" in refusal(folder)


# ART-06: more than a model needs


def test_art_06_a_million_members_are_counted_before_they_are_listed(folder: Path) -> None:
    record = struct.pack(
        "<4s4B4HL2L5H2L", b"PK\x01\x02", 20, 3, 20, 0, 0, 0, 0, 33, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0
    )
    directory = (record + b"a") * 1_000_000
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, len(directory), 0, 0)
    (folder / "model.skops").write_bytes(directory + end)
    rehash(folder)
    tracemalloc.start()
    said = refusal(folder)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "ART-06 the archive would unpack to more than a model needs" in said
    assert peak < 4 * len(directory)


def test_art_06_a_huge_declared_array_in_the_refits(folder: Path) -> None:
    header = "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }"
    length = struct.pack("<H", 118)
    npy = b"\x93NUMPY\x01\x00" + length + header.ljust(117).encode() + b"\n" + bytes(80)
    with zipfile.ZipFile(folder / "refits.npz", "w") as archive:
        archive.writestr("coef.npy", npy)
    rehash(folder)
    assert "ART-03 its content cannot be read" in refusal(folder)


def test_art_06_an_estimator_that_takes_too_much_memory_or_time_stops_in_a_process_of_its_own(
    folder: Path,
) -> None:
    path = folder / "model.skops"
    data = path.read_bytes()
    try_estimator(path, data)
    for limits in ({"memory": 150 * 2**20}, {"wait": 0.05}):
        with pytest.raises(ModelError, match=r"ART-0[36]") as caught:
            try_estimator(path, data, **limits)
        assert caught.value.exit_code == 4


def test_art_06_a_huge_array_in_the_estimator_stops_in_a_process_of_its_own(folder: Path) -> None:
    path = folder / "model.skops"
    original = path.read_bytes()
    header = "{'descr': '<f8', 'fortran_order': False, 'shape': (100000000000,), }"
    npy = b"\x93NUMPY\x01\x00" + struct.pack("<H", 118) + header.ljust(117).encode() + b"\n" + bytes(800)
    with zipfile.ZipFile(io.BytesIO(original)) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            new.writestr(name, npy if name.endswith(".npy") else old.read(name))
    rehash(folder)
    model = load_prediction_model(folder)  # by the plain numbers, which are those of the golden patients
    with pytest.raises(ModelError, match=r"model\.skops: ART-06 building it takes more memory"):
        _ = model.estimator


@pytest.mark.parametrize(
    "change",
    [
        {"right": lambda trees: [0] * len(trees["right"])},
        {"right": lambda trees: [10**6] * len(trees["right"])},
        {"roots": lambda trees: [-5] * len(trees["roots"])},
        {"feature": lambda trees: [99 if one >= 0 else one for one in trees["feature"]]},
        {"value": lambda trees: trees["value"][1:]},
        {"value": lambda trees: [1e999] * len(trees["value"])},
    ],
    ids=["a cycle", "beyond the end", "before the start", "another column", "a leaf too few", "infinite"],
)
def test_art_06_trees_that_would_be_walked_for_ever_or_astray(
    tmp_path: Path, change: dict[str, Callable[[Any], Any]]
) -> None:
    folder = tmp_path / "model"
    save_prediction_model(example_model("random_forest"), folder)
    path = folder / "scorer.json"
    content = json.loads(path.read_bytes())
    trees = content["members"][0]["trees"]
    for name, how in change.items():
        trees[name] = how(trees)
    path.write_text(json.dumps(content).replace("Infinity", "1e999"))
    rehash(folder)
    assert "ART-03 its content cannot be read (ValueError)" in refusal(folder)


@pytest.mark.parametrize("cases", [0, 1, 19])
def test_art_09_fewer_made_up_patients_prove_nothing(folder: Path, cases: int) -> None:
    path = folder / "golden.json"
    content = json.loads(path.read_bytes())
    content |= {name: content[name][:cases] for name in ("inputs", "probabilities")}
    path.write_text(json.dumps(content))
    rehash(folder)
    assert "ART-03 its content cannot be read (ValueError)" in refusal(folder)


# A folder whose hashes fit, and whose texts somebody has written to make a mistake of ours


CRAFTED: dict[str, list[tuple[tuple[str | int, ...], Any]]] = {
    "schema.json": [
        (("inputs", 0, "limits"), None),
        (("inputs", 0, "limits"), [1]),
        (("inputs", 0, "limits"), {"a": 1}),
        (("inputs", 0, "learned"), ["", 1.0]),
        (("inputs", 0, "name"), [1]),
        (("inputs", 0, "label"), "\ud800"),
        (("inputs", 0, "missing_share"), 10**400),
        (("inputs", 0, "required"), "yes"),
        (("inputs", 0, "kind"), "code"),
        (("inputs", 0, "more"), 1),
    ],
    "card.json": [
        ((), []),
        ((), None),
        (("outcome",), "text"),
        (("outcome",), {"better": ""}),
        (("title",), {"a": 1}),
        (("n",), True),
        (("tried",), [1]),
    ],
    "applicability.json": [
        (("plan",), []),
        (("plan",), {"bands": ["x"]}),
        (("policy", "withhold_if"), "all"),
        (("entry_rules",), ["text"]),
        (("entry_rules",), [{"name": "r", "conditions": [{"input": "age", "max": 10**400}]}]),
        (("entry_rules",), [{"name": "r", "conditions": [{"input": "age", "min": [1]}]}]),
    ],
}


@pytest.mark.parametrize(
    ("file", "path", "value"),
    [(file, path, value) for file, changes in CRAFTED.items() for path, value in changes],
)
def test_art_03_a_text_of_another_kind_is_refused_when_the_model_is_loaded(
    folder: Path, file: str, path: tuple[str | int, ...], value: Any
) -> None:
    content = json.loads((folder / file).read_bytes())
    inside = content
    for part in path[:-1]:
        inside = inside[part]
    if path:
        inside[path[-1]] = value
    else:
        content = value
    (folder / file).write_text(json.dumps(content), encoding="utf-8")
    rehash(folder)
    assert "ART-03" in refusal(folder)


def test_art_03_a_card_that_lacks_what_every_page_says_prints_no_page(folder: Path) -> None:
    model = load_prediction_model(folder)
    with pytest.raises(ModelError, match=r"ART-03 the model's card does not say title, .*outcome\.better"):
        patient_views(model, template(model), now=datetime(2026, 3, 2, tzinfo=UTC), user_ref="test")
