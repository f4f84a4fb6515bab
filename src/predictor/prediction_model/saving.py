"""Saving a model's folder, and signing one: it gets its name when it has proven that it loads and predicts the same."""

from __future__ import annotations

import errno
import os
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from predictor.durable import sync
from predictor.errors import Problem, ResourceError
from predictor.estimator_file import estimator_bytes
from predictor.model_folder import ESTIMATOR, MANIFEST, REFITS, SCORER, SIGNATURE, to_json, write_manifest
from predictor.models.archive import save_compact
from predictor.models.plain import to_plain
from predictor.other_outcomes import outcomes_record, write_outcomes
from predictor.prediction_model.golden import golden_record
from predictor.prediction_model.loading import load_prediction_model
from predictor.prediction_model.model import PredictionModel
from predictor.signature import ModelPolicy, describe_signature, read_key

__all__ = ["save_prediction_model", "sign_prediction_model"]


def save_prediction_model(model: PredictionModel, folder: Path) -> str:
    """Write a model's folder, prove that it loads and predicts the same, and only then give it its name.

    Parameters
    ----------
    model : PredictionModel
    folder : Path
        Must not exist; its parent must.

    Returns
    -------
    str
        The folder's SHA-256: that of the manifest, which holds every file's.

    Raises
    ------
    ModelError
        A gate of `load_prediction_model` that the new folder does not pass.
    ResourceError
        ART-15 when the folder exists, TRN-04 when the disk is full, TRN-05 when it cannot be written.
    """
    if folder.exists():
        problem = Problem("ART-15", "a model's folder is never overwritten", "Name another", file=str(folder))
        raise ResourceError(problem)
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(mode=0o700)
        _write_content(model, partial)
        about = {key: model.card.get(key) for key in ("name", "created", "valid_until")}
        kept = {key: value for key, value in model.manifest.items() if key != "sha256"}
        digest = write_manifest(partial, {**about, **kept})
        # Written a moment ago by this process: it needs no trial in another one, and nobody has signed it yet.
        _ = load_prediction_model(partial, policy=ModelPolicy(), trial=False).estimator
        sync(*partial.iterdir(), partial)
        partial.rename(folder)
        sync(folder.parent)
    except OSError as error:
        code = "TRN-04" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "TRN-05"
        message = f"the model's folder could not be written ({os.strerror(error.errno or 0)})"
        remedy = "Free space or mend the permissions, then train again"
        raise ResourceError(Problem(code, message, remedy, file=str(folder))) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return digest


def sign_prediction_model(folder: Path, key: Path) -> None:
    """Sign a model's folder that passes every gate, so that a clinic whose policy names the key accepts it.

    Parameters
    ----------
    folder : Path
        Gets ``manifest.sig``, or a new one.
    key : Path
        Private key, see `predictor.signature.create_key`.

    Raises
    ------
    ModelError
        A gate that the folder does not pass, or ART-08 when the key cannot be read.
    ResourceError
        TRN-05 when the signature cannot be written, ENV-02 without the package ``cryptography``.
    """
    private = read_key(key)
    partial = folder.with_name(f"{folder.name}.{SIGNATURE}.partial")
    try:
        (folder / SIGNATURE).unlink(missing_ok=True)
        _ = load_prediction_model(folder, policy=ModelPolicy()).estimator
        partial.write_bytes(describe_signature((folder / MANIFEST).read_bytes(), private))
        sync(partial)
        partial.replace(folder / SIGNATURE)
        sync(folder)
    except OSError as error:
        message = f"the signature could not be written ({os.strerror(error.errno or 0)})"
        remedy = "Mend the permissions, then sign again"
        raise ResourceError(Problem("TRN-05", message, remedy, file=str(folder))) from error
    finally:
        partial.unlink(missing_ok=True)


def _write_content(model: PredictionModel, folder: Path) -> None:
    (folder / ESTIMATOR).write_bytes(estimator_bytes(model.estimator))
    (folder / SCORER).write_bytes(to_json(to_plain(model.scorer), indent=None))
    if model.refits:
        save_compact(model.refits, folder / REFITS)
    write_outcomes(model.outcomes, folder)
    parts: dict[str, Any] = {
        "schema.json": {
            "features": [asdict(feature) for feature in model.features],
            "inputs": [asdict(field) for field in model.inputs],
            "dictionary": model.dictionary,
            "cohort": model.cohort,
        },
        "applicability.json": {
            "entry_rules": model.entry_rules,
            "plan": model.plan,
            "policy": model.policy,
            "distance": None if model.distance is None else model.distance.to_plain(),
        },
        "explain.json": {plan: [asdict(one) for one in found] for plan, found in model.baselines.items()},
        "card.json": model.card,
        "metrics.json": {
            "group_rates": [asdict(rate) for rate in model.group_rates],
            "outcomes": outcomes_record(model.outcomes),
        },
        "golden.json": golden_record(model),
    }
    for name, part in parts.items():
        (folder / name).write_bytes(to_json(part))
