"""A model's folder before anything in it is believed: place, manifest, hashes, signature, archives, versions and types.

Each gate refuses with its own code. Names of types are compared with the lists below, never with a list of the
folder's own, and nothing is built here.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import re
import stat
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn
from zipfile import ZipFile

from predictor.errors import ModelError, Problem
from predictor.signature import ModelPolicy, signature_complaint

__all__ = [
    "ALLOWED_TYPES",
    "ESTIMATOR",
    "MANIFEST",
    "REFITS",
    "SCORER",
    "SIGNATURE",
    "SIGN_OFF",
    "TEXTS",
    "build_estimator",
    "read_folder",
    "read_json",
    "refuse",
    "to_json",
    "write_manifest",
]

KIND, FORMAT = "response-predictor model", 2
MANIFEST, ESTIMATOR, SCORER, REFITS = "manifest.json", "model.skops", "scorer.json", "refits.npz"
# What is written beside the manifest after the training, each bound to it and proven by itself.
SIGNATURE, SIGN_OFF = "manifest.sig", "sign_off.json"
TEXTS = ("schema.json", "applicability.json", "explain.json", "card.json", "metrics.json", "golden.json")
REQUIRED = frozenset({ESTIMATOR, SCORER, *TEXTS})
# Personal models of other outcomes, where a verdict of their own allows them.
OF_OUTCOMES = re.compile(r"outcome_[1-9][0-9]?\.(json|npz)")
MOST_FILES, MOST_BYTES_OF_A_FILE, MOST_BYTES = 40, 200_000_000, 500_000_000
MOST_BYTES_OF_A_SIGNATURE, MOST_BYTES_OF_A_SIGN_OFF = 10_000, 100_000
MOST_MEMBERS, MOST_UNPACKED, MOST_RATIO, HARMLESS = 10_000, 1_000_000_000, 100, 10_000_000

CENTRAL_RECORD = b"PK\x01\x02"  # with which every entry of a zip file's directory begins

# Every type the three families need, measured, and no other: none of them keeps a patient's row.
ALLOWED_TYPES = frozenset(
    {
        "builtins.dict",
        "builtins.list",
        "builtins.slice",
        "builtins.str",
        "builtins.tuple",
        "numpy.float64",
        "numpy.int64",
        "numpy.ndarray",
        "numpy.random._generator.Generator",
        "numpy.uint64",
        "predictor.features.preprocessing.Encoder",
        "predictor.models.averaging.AveragedClassifier",
        "predictor.models.elastic_net.ElasticNetLogistic",
        "predictor.models.forest.ExtraTrees",
        "predictor.models.boosting.BoostedTrees",
        "predictor.models.forest.Forest",
        "predictor.models.tuning.TunedClassifier",
        "sklearn._loss._loss.CyHalfBinomialLoss",
        "sklearn._loss.link.Interval",
        "sklearn._loss.link.LogitLink",
        "sklearn._loss.loss.HalfBinomialLoss",
        "sklearn.dummy.DummyClassifier",
        "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
        "sklearn.ensemble._hist_gradient_boosting.gradient_boosting.HistGradientBoostingClassifier",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.preprocessing._label.LabelEncoder",
        "sklearn.tree._classes.DecisionTreeClassifier",
        "sklearn.tree._tree.Tree",
    }
)
# How skops may build them: no functions, methods, operators or partials. A crafted file may also ask for the
# weaker rules of an older protocol.
ALLOWED_NODES = frozenset(
    {
        "DictNode",
        "JsonNode",
        "ListNode",
        "LossNode",
        "NdArrayNode",
        "ObjectNode",
        "RandomGeneratorNode",
        "SliceNode",
        "TreeNode",
        "TupleNode",
        "TypeNode",
    }
)
PROTOCOL = 2


def write_manifest(folder: Path, about: Mapping[str, Any]) -> str:
    """Describe a new folder's files in its manifest.

    Parameters
    ----------
    folder : Path
        Holds every other file already.
    about : mapping
        Name, time of creation, ``valid_until`` and whatever else is to be kept.

    Returns
    -------
    str
        SHA-256 of the manifest, and with it of the whole folder.
    """
    content = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    manifest = {
        **about,
        "kind": KIND,
        "format": FORMAT,
        "files": {name: {"sha256": _sha256(data), "size": len(data)} for name, data in content.items()},
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("numpy", "scipy", "scikit-learn", "skops")},
        },
        "types": sorted(_types(_schema(content[ESTIMATOR]))),
        "rows_stored": False,
    }
    digest = _sha256(to_json(manifest))
    (folder / MANIFEST).write_bytes(to_json({**manifest, "sha256": digest}))
    return digest


def read_folder(
    folder: Path, inside: Path | None = None, policy: ModelPolicy | None = None
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Read a folder's bytes through every gate that needs no model.

    Parameters
    ----------
    folder : Path
    inside : Path, optional
        Folder it has to lie in, symbolic links followed.
    policy : ModelPolicy, optional
        What is asked of its signature.

    Returns
    -------
    manifest : dict
    content : dict of str to bytes
        Every other file by name, the clinical sign-off included where there is one.

    Raises
    ------
    ModelError
        ART-01 to ART-04, ART-06 to ART-08 or ART-12, see `load_prediction_model`.
    """
    try:
        return _read_through_gates(folder, inside, policy or ModelPolicy())
    except PermissionError as error:
        message = "whoever runs this may not read the model's folder or a file in it"
        remedy = "Let them, for a folder without patients' rows: chmod -R go=rX"
        raise ModelError(Problem("ART-03", message, remedy, file=str(folder))) from error


def _read_through_gates(
    folder: Path, inside: Path | None, policy: ModelPolicy
) -> tuple[dict[str, Any], dict[str, bytes]]:
    _check_place(folder, inside)
    manifest, raw = _read_manifest(folder)
    content = _read_files(folder, manifest)
    _check_signature(folder, raw, policy)
    for name in sorted(name for name in content if not name.endswith(".json")):
        _check_archive(folder / name, content[name])
    _check_version(folder, manifest)
    _check_types(folder / ESTIMATOR, content[ESTIMATOR])
    return manifest, content | _read_sign_off(folder)


def refuse(code: str, path: Path, message: str, cause: BaseException | None = None) -> NoReturn:
    """Raise the `ModelError` of one gate."""
    remedy = "Restore the folder from a copy, or train again"
    raise ModelError(Problem(code, message, remedy, file=str(path))) from cause


def _check_place(folder: Path, inside: Path | None) -> None:
    if not folder.is_dir():
        refuse("ART-03", folder, "a prediction model is a folder; there is none of this name")
    if inside is not None and not folder.resolve().is_relative_to(inside.resolve()):
        refuse("ART-12", folder, "the folder lies outside the one that models are taken from")
    total = 0
    with os.scandir(folder) as entries:
        for number, entry in enumerate(entries, start=1):
            if number > MOST_FILES:
                refuse("ART-12", folder, f"it has more than {MOST_FILES} files")
            if entry.is_symlink() or not entry.is_file():
                refuse("ART-12", Path(entry.path), "a model's folder holds plain files only")
            size = entry.stat().st_size
            total += size
            if size > MOST_BYTES_OF_A_FILE or total > MOST_BYTES:
                refuse("ART-12", Path(entry.path), "the file or the folder is too large")


def _read(path: Path) -> bytes:
    """Read a plain file that has been looked at before, and may have been exchanged since."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode):
            refuse("ART-12", path, "a model's folder holds plain files only")
        data = file.read(min(about.st_size, MOST_BYTES_OF_A_FILE) + 1)
    if len(data) > MOST_BYTES_OF_A_FILE:
        refuse("ART-12", path, "the file or the folder is too large")
    return data


def _read_manifest(folder: Path) -> tuple[dict[str, Any], bytes]:
    path = folder / MANIFEST
    try:
        raw = _read(path)
        manifest = read_json(raw)
    except PermissionError:
        raise  # it is there
    except OSError as error:
        refuse("ART-02", path, "the manifest is missing", error)
    except (ValueError, RecursionError) as error:
        refuse("ART-01", path, "the manifest is damaged", error)
    if not isinstance(manifest, dict) or manifest.get("kind") != KIND:
        refuse("ART-03", path, "this is not the manifest of a prediction model")
    if manifest.get("format") != FORMAT:
        refuse("ART-03", path, f"the folder has another format than {FORMAT}, which this version reads")
    if not _is_sealed(manifest, raw):
        refuse("ART-02", path, "the manifest was edited")
    if manifest.get("rows_stored") is not False:
        refuse("ART-04", path, "the folder says that it stores patients' rows, which no model of ours does")
    return manifest, raw


def _is_sealed(manifest: Mapping[str, Any], raw: bytes) -> bool:
    """Compare as bytes: a change that JSON does not see is a change."""
    about = {key: value for key, value in manifest.items() if key != "sha256"}
    parts = (manifest.get("files"), manifest.get("versions"))
    try:
        sealed = to_json({**about, "sha256": _sha256(to_json(about))})
    except ValueError:
        return False
    return raw == sealed and all(isinstance(part, dict) for part in parts)


def _read_files(folder: Path, manifest: Mapping[str, Any]) -> dict[str, bytes]:
    listed, there = set(manifest["files"]), {path.name for path in folder.iterdir()}
    for name in sorted((listed ^ REQUIRED) - {REFITS}):
        if name in listed and OF_OUTCOMES.fullmatch(name):
            continue
        refuse("ART-02", folder / name, "the manifest lists other files than a model has")
    for name in sorted(listed - there):
        refuse("ART-02", folder / name, "the file is missing")
    for _ in sorted(there - listed - {MANIFEST, SIGNATURE, SIGN_OFF}):
        refuse("ART-02", folder, "the folder has a file that the manifest does not list")
    content = {name: _read(folder / name) for name in sorted(listed)}
    for name, data in content.items():
        if manifest["files"][name] != {"sha256": _sha256(data), "size": len(data)}:
            refuse("ART-01", folder / name, "the file is damaged: it is not the one the manifest lists")
    return content


def _check_signature(folder: Path, manifest: bytes, policy: ModelPolicy) -> None:
    path = folder / SIGNATURE
    signature = _read(path) if path.is_file() else None
    if signature is not None and len(signature) > MOST_BYTES_OF_A_SIGNATURE:
        refuse("ART-08", path, "the signature is damaged")
    complaint = signature_complaint(manifest, signature, policy)
    if complaint:
        refuse("ART-08", path, complaint)


def _read_sign_off(folder: Path) -> dict[str, bytes]:
    """Read the clinical sign-off, which `predictor.sign_off` believes or refuses."""
    path = folder / SIGN_OFF
    if not path.is_file():
        return {}
    data = _read(path)
    if len(data) > MOST_BYTES_OF_A_SIGN_OFF:
        refuse("ART-21", path, "the clinical sign-off is too large")
    return {SIGN_OFF: data}


def _check_archive(path: Path, data: bytes) -> None:
    # Counted before they are listed: a million members are a gigabyte of descriptions.
    if data.count(CENTRAL_RECORD) > MOST_MEMBERS:
        refuse("ART-06", path, "the archive would unpack to more than a model needs")
    try:
        with ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
    # A parser of hostile bytes may raise anything; whatever it is, the file is not an archive of ours.
    except Exception as error:
        refuse("ART-03", path, "the file is not in the format its name says", error)
    unpacked = sum(member.file_size for member in members)
    if len(members) > MOST_MEMBERS or unpacked > min(MOST_UNPACKED, max(HARMLESS, MOST_RATIO * len(data))):
        refuse("ART-06", path, "the archive would unpack to more than a model needs")
    names = [Path(member.filename) for member in members]
    if len(set(names)) < len(names) or any(name.is_absolute() or ".." in name.parts for name in names):
        refuse("ART-06", path, "the archive has members that lie elsewhere or occur twice")


def _check_version(folder: Path, manifest: Mapping[str, Any]) -> None:
    made, here = str(manifest["versions"].get("scikit-learn")), version("scikit-learn")
    if made.split(".")[:2] != here.split(".")[:2]:
        refuse("ART-07", folder, f"it was made with scikit-learn {made}, and this is {here}")


def _schema(data: bytes) -> Any:
    with ZipFile(io.BytesIO(data)) as archive:
        return read_json(archive.read("schema.json"))


def _nodes(schema: Any) -> Iterator[dict[str, Any]]:
    waiting = [schema]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            waiting += part.values()
            if "__loader__" in part or "__class__" in part:
                yield part
        elif isinstance(part, list):
            waiting += part


def _types(schema: Any) -> set[str]:
    return {f"{node.get('__module__')}.{node.get('__class__')}" for node in _nodes(schema)}


def _check_types(path: Path, data: bytes) -> None:
    try:
        schema = _schema(data)
        foreign = _types(schema) - ALLOWED_TYPES
        foreign |= {str(node.get("__loader__")) for node in _nodes(schema)} - ALLOWED_NODES
        if not foreign and schema["protocol"] != PROTOCOL:
            foreign = {f"protocol {schema['protocol']}"}
    except Exception as error:
        refuse("ART-03", path, f"the file is not a skops model ({type(error).__name__})", error)
    _refuse_foreign(path, foreign)


def build_estimator(path: Path, data: bytes) -> Any:
    """Build the estimator, whose names `read_folder` has passed, after skops' own audit.

    Parameters
    ----------
    path : Path
        Where it was read.
    data : bytes

    Raises
    ------
    ModelError
        ART-03 or ART-04.
    """
    import skops.io  # with scikit-learn, which nobody needs who predicts

    try:
        foreign = set(skops.io.get_untrusted_types(data=data)) - ALLOWED_TYPES
    except Exception as error:
        refuse("ART-03", path, f"the file is not a skops model ({type(error).__name__})", error)
    _refuse_foreign(path, foreign)
    try:
        return skops.io.loads(data, trusted=sorted(ALLOWED_TYPES))
    except Exception as error:
        refuse("ART-03", path, f"its content cannot be read ({type(error).__name__})", error)


def _refuse_foreign(path: Path, foreign: set[str]) -> None:
    if foreign:
        names = ", ".join(sorted(foreign)[:5])
        refuse("ART-04", path, f"the file wants to build what no model of ours contains: {names}")


def to_json(content: Any, *, indent: int | None = 1) -> bytes:
    """Write strict JSON, the same bytes for the same content; without ``indent`` on one line."""
    separators = (",", ":") if indent is None else None
    text = json.dumps(
        content, indent=indent, ensure_ascii=False, allow_nan=False, sort_keys=False, separators=separators
    )
    return (text + "\n").encode()


def read_json(data: bytes) -> Any:
    """Read strict JSON; raises ValueError."""

    def no_number(constant: str) -> NoReturn:
        raise ValueError(f"{constant} is no number")

    return json.loads(data.decode(), parse_constant=no_number)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
