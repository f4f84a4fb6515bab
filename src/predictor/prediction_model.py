"""The prediction model: a folder that can be used on the next patient.

Saving proves that the folder loads and predicts the same before it gets its name. Loading reads nothing until
`predictor.model_folder` has passed every byte, and believes nothing until twenty made-up patients get the
probabilities they had at training. Predicting and explaining need plain numbers only, so that neither pandas nor
scikit-learn is imported; the estimator itself is built, and compared with those numbers, when somebody asks for it.

The folder stores no patient's row: none of the types it may hold keeps one, rare category levels are merged at
training, and the made-up patients are drawn from ranges.
"""

from __future__ import annotations

import errno
import io
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from predictor.errors import Problem, ResourceError
from predictor.estimator_file import estimator_bytes
from predictor.explanation.attribution import Explainer
from predictor.explanation.attribution import PlanBaseline as MemberBaseline
from predictor.features.columns import Categories
from predictor.features.dataset import Feature
from predictor.features.distance import Distance
from predictor.model_folder import (
    ESTIMATOR,
    MANIFEST,
    REFITS,
    SCORER,
    SIGN_OFF,
    SIGNATURE,
    TEXTS,
    build_estimator,
    read_folder,
    read_json,
    refuse,
    to_json,
    write_manifest,
)
from predictor.model_shape import require_shape
from predictor.model_trial import try_estimator
from predictor.models.archive import load_compact, save_compact
from predictor.models.joined import JoinedModels, join_models
from predictor.models.plain import CompactModel, from_plain, to_plain
from predictor.models.soundness import require_sound
from predictor.other_outcomes import (
    GroupRate,
    OtherOutcome,
    outcome_differences,
    outcomes_from,
    outcomes_record,
    write_outcomes,
)
from predictor.sign_off import SignOff, read_sign_off
from predictor.signature import ModelPolicy, current_policy, describe_signature, read_key

if TYPE_CHECKING:
    from predictor.models.averaging import AveragedClassifier

__all__ = [
    "GroupRate",
    "InputField",
    "OtherOutcome",
    "PlanBaseline",
    "PredictionModel",
    "load_prediction_model",
    "raw_columns",
    "save_prediction_model",
    "sign_prediction_model",
]

GOLDEN_CASES, GOLDEN_SEED, GOLDEN_TOLERANCE = 20, 20, 1e-9


@dataclass(frozen=True)
class InputField:
    """One value a user of the model gives, and what the model has seen of it.

    Parameters
    ----------
    name, label, unit : str
    kind : {"number", "category"}
    levels : tuple of str
        Levels learned; rare ones, which were merged, are not named.
    limits : tuple of (float or None, float or None)
        Hard limits of the dictionary.
    learned : tuple of (float, float) or None
        Range seen in development.
    role : {"baseline", "plan", "entry"}
        ``entry``: asked only because an entry rule needs it.
    required : bool
    missing_share : float
        Share of development patients without it.
    importance : float
        Share of the total mean absolute contribution, 0 to 1.
    typical : dict of str to float or str
        Plan label to median or most frequent level.
    source : str
        ``table.column`` of the dictionary, for reading an export.
    take : str
        Which of several values in the baseline window.
    grain : {"any", "whole", "yes_no"}
        Which numbers a value can be.
    deciles : tuple of float
        Nine values that cut the development patients' into tenths; empty where fewer than 20 had one.
    max_age_days : int or None
        How old a value may be at day 0, where values have days: as the dictionary says, else as old as development
        took them.
    """

    name: str
    label: str
    kind: Literal["number", "category"]
    unit: str
    levels: tuple[str, ...]
    limits: tuple[float | None, float | None]
    learned: tuple[float, float] | None
    role: Literal["baseline", "plan", "entry"]
    required: bool
    missing_share: float
    importance: float
    typical: dict[str, float | str]
    source: str = ""
    take: str = "last"
    grain: Literal["any", "whole", "yes_no"] = "any"
    deciles: tuple[float, ...] = ()
    max_age_days: int | None = None


@dataclass(frozen=True)
class PlanBaseline:
    """Mean log-odds of one plan's development patients, and the mean contribution of each feature to it."""

    start_log_odds: float
    mean_log_odds_contributions: dict[str, float]
    n: int


@dataclass(frozen=True)
class PredictionModel:
    """All that is needed to say something about the next patient, or to say why not.

    Every dict is plain JSON, so that a loaded model equals the saved one.

    Parameters
    ----------
    build : callable
        Gives the estimator fitted on all development patients; see `estimator`.
    scorer : CompactModel
        The same as plain numbers.
    refits : tuple of CompactModel
        Of resampled patients, behind the range; they go through the scorer's line.
    features : tuple of Feature
        In the order of ``X``'s columns.
    inputs : tuple of InputField
    entry_rules : tuple of dict
        Name and conditions.
    plan : dict
        Column, bands, control, labels.
    baselines : dict of str to tuple of PlanBaseline
        By plan, one for each member of the scorer.
    group_rates : tuple of GroupRate
    policy : dict
        ``withhold_if``, ``release``, ``reason``.
    dictionary, cohort : dict
        What reads an export, and the config's section on whom the model is about.
    card : dict
        Title, outcome, verdict, performance, limits, provenance, ``simulated``, ``valid_until``.
    manifest : dict
        What the manifest shall hold besides; saving adds name, creation, files, hashes, versions and types.
    distance : Distance or None
        How the development patients were distributed; None where there were too few to say.
    outcomes : tuple of OtherOutcome
        Beside the primary one, each with a verdict of its own.
    sign_off : SignOff or None
        Who answers for its clinical use, as the folder says; saving writes none.
    """

    build: Callable[[], AveragedClassifier]
    scorer: CompactModel
    refits: tuple[CompactModel, ...]
    features: tuple[Feature, ...]
    inputs: tuple[InputField, ...]
    entry_rules: tuple[dict[str, Any], ...]
    plan: dict[str, Any]
    baselines: dict[str, tuple[PlanBaseline, ...]]
    group_rates: tuple[GroupRate, ...]
    policy: dict[str, Any]
    dictionary: dict[str, Any]
    cohort: dict[str, Any]
    card: dict[str, Any]
    manifest: dict[str, Any]
    distance: Distance | None = None
    outcomes: tuple[OtherOutcome, ...] = ()
    sign_off: SignOff | None = None

    @cached_property
    def estimator(self) -> AveragedClassifier:
        """The scikit-learn estimator, built when first asked for and compared with the plain numbers."""
        return self.build()

    @cached_property
    def joined_refits(self) -> JoinedModels:
        """The refits side by side, for the few patients of a page; laid out when first asked for."""
        return join_models(self.refits)

    @cached_property
    def of_outcomes(self) -> dict[str, PredictionModel]:
        """By name, this model with the scorer and refits of each other outcome that has its own."""
        return {
            one.name: replace(self, scorer=one.scorer, refits=one.refits, outcomes=())
            for one in self.outcomes
            if one.scorer is not None
        }

    @cached_property
    def explainer(self) -> Explainer:
        """Explains patients by the plain numbers."""
        plans = {
            plan: [
                MemberBaseline(one.start_log_odds, _in_order(one, member.features), one.n)
                for one, member in zip(baselines, self.scorer.members, strict=True)
            ]
            for plan, baselines in self.baselines.items()
        }
        by_member = [
            {plan: baselines[i] for plan, baselines in plans.items()} for i in range(len(self.scorer.members))
        ]
        names = tuple(feature.name for feature in self.features)
        of_plan = tuple(feature.name for feature in self.features if feature.known == "plan")
        return Explainer(self.scorer, names, by_member, of_plan)


def _in_order(baseline: PlanBaseline, features: Sequence[str]) -> np.ndarray:
    return np.array([baseline.mean_log_odds_contributions[name] for name in features])


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
        _sync(*partial.iterdir(), partial)
        partial.rename(folder)
        _sync(folder.parent)
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
        _sync(partial)
        partial.replace(folder / SIGNATURE)
        _sync(folder)
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
    rows = _golden_rows(model.features, model.inputs)
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
        "golden.json": {
            "inputs": rows,
            "probabilities": _by_estimator(model.estimator, model.features, rows),
            "outcomes": _golden_outcomes(model, rows),
        },
    }
    for name, part in parts.items():
        (folder / name).write_bytes(to_json(part))


def _golden_outcomes(model: PredictionModel, rows: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """Probabilities of the made-up patients, by the estimator where it is at hand, else by the plain numbers."""
    raw = raw_columns(model.features, rows)
    return {
        one.name: _by_estimator(one.build(), model.features, rows)
        if one.build is not None
        else [float(p) for p in one.scorer.probability(raw, len(rows))]
        for one in model.outcomes
        if one.scorer is not None
    }


def _golden_rows(features: Sequence[Feature], inputs: Sequence[InputField]) -> list[dict[str, Any]]:
    """Draw made-up patients inside what was learned; some values are missing where some were in development."""
    rng = np.random.default_rng(GOLDEN_SEED)
    by_name = {field.name: field for field in inputs}

    def draw(field: InputField) -> float | str | None:
        if field.missing_share > 0 and rng.random() < 0.1:
            return None
        if field.kind == "category":
            return str(rng.choice(field.levels)) if field.levels else None
        return None if field.learned is None else float(rng.uniform(*field.learned))

    return [{f.name: draw(by_name[f.name]) for f in features} for _ in range(GOLDEN_CASES)]


def _by_estimator(
    estimator: AveragedClassifier, features: Sequence[Feature], rows: Sequence[Mapping[str, Any]]
) -> list[float]:
    import pandas as pd

    types = {"number": np.float64, "category": object}
    columns = {f.name: np.array([row[f.name] for row in rows], dtype=types[f.kind]) for f in features}
    found = estimator.predict_proba(pd.DataFrame(columns, columns=[f.name for f in features]))[:, 1]
    return [float(one) for one in found]


def raw_columns(
    features: Sequence[Feature], rows: Sequence[Mapping[str, Any]]
) -> dict[str, np.ndarray | Categories]:
    """Turn rows into the raw columns that a scorer takes.

    Parameters
    ----------
    features : sequence of Feature
    rows : sequence of mapping
        Values by feature; None where missing.
    """
    return {
        f.name: np.array([row[f.name] for row in rows], dtype=np.float64)
        if f.kind == "number"
        else Categories.of(row[f.name] for row in rows)
        for f in features
    }


def load_prediction_model(
    folder: Path,
    *,
    inside: Path | None = None,
    today: date | None = None,
    policy: ModelPolicy | None = None,
    trial: bool = True,
) -> PredictionModel:
    """Load a model's folder through every gate.

    Parameters
    ----------
    folder : Path
    inside : Path, optional
        Folder it has to lie in, symbolic links followed.
    today : date, optional
        Refuse a model past its date; without it the date is for whoever predicts to judge.
    policy : ModelPolicy, optional
        What is asked of its signature; by default that of the machine, see `predictor.signature.current_policy`.
    trial : bool
        Whether the estimator, when somebody asks for it, is first built in a process with limits.

    Returns
    -------
    PredictionModel

    Raises
    ------
    ModelError
        ART-12 place, links, number or size of files; ART-03 not a model's folder or another format; ART-02 a file
        missing or added, or the manifest edited; ART-01 a file damaged; ART-08 the signature; ART-06 an archive
        beyond its limits; ART-07 another scikit-learn; ART-04 a type outside the allow-list; ART-09 a made-up
        patient's probability not reproduced; ART-10 past its date; ART-21 the clinical sign-off.
    """
    policy = current_policy() if policy is None else policy
    manifest, content = read_folder(folder, inside or policy.models, policy)
    sign_off = read_sign_off(folder, content.pop(SIGN_OFF, None), manifest["sha256"], policy)
    try:
        model = _build(folder, content, manifest, trial=trial)
        difference = _golden_difference(model, read_json(content["golden.json"]))
        until = None if manifest["valid_until"] is None else date.fromisoformat(manifest["valid_until"])
    # Whatever a well-hashed but wrong content makes a parser raise, it is the folder that is wrong.
    except Exception as error:
        refuse("ART-03", folder, f"its content cannot be read ({type(error).__name__})", error)
    _require_golden(folder, difference)
    if today is not None and until is not None and today > until:
        refuse("ART-10", folder, f"the model was valid until {until}")
    return replace(model, sign_off=sign_off)


def _require_golden(folder: Path, difference: np.ndarray) -> None:
    if not difference.max() <= GOLDEN_TOLERANCE:
        case = int(np.argmax(~(difference <= GOLDEN_TOLERANCE))) + 1
        refuse("ART-09", folder, f"made-up patient {case} of {len(difference)} gets another probability")


def _build(
    folder: Path, content: Mapping[str, bytes], manifest: dict[str, Any], *, trial: bool
) -> PredictionModel:
    parts = {name: read_json(content[name]) for name in TEXTS}
    require_shape(parts)
    schema, applicability = parts["schema.json"], parts["applicability.json"]
    features = tuple(Feature(**_with_tuples(part)) for part in schema["features"])
    distance = applicability.get("distance")  # which a folder from before it does not have
    scorer = require_sound(from_plain(read_json(content[SCORER])))
    baselines = {
        plan: tuple(PlanBaseline(**one) for one in found) for plan, found in parts["explain.json"].items()
    }
    _require_baselines(baselines, scorer)
    found = load_compact(io.BytesIO(content[REFITS])) if REFITS in content else []
    refits = [require_sound(refit) for refit in found]
    return PredictionModel(
        build=partial(
            _load_estimator, folder, content[ESTIMATOR], features, parts["golden.json"], trial=trial
        ),
        scorer=scorer,
        refits=tuple(replace(refit, line=scorer.line) for refit in refits),
        features=features,
        inputs=tuple(InputField(**_with_tuples(part)) for part in schema["inputs"]),
        entry_rules=tuple(applicability["entry_rules"]),
        plan=applicability["plan"],
        baselines=baselines,
        group_rates=tuple(GroupRate(**part) for part in parts["metrics.json"]["group_rates"]),
        # Which a folder from before them does not have.
        outcomes=outcomes_from(parts["metrics.json"].get("outcomes", []), content),
        policy=applicability["policy"],
        dictionary=schema["dictionary"],
        cohort=schema["cohort"],
        card=parts["card.json"],
        manifest=manifest,
        distance=None if distance is None else Distance.from_plain(distance),
    )


def _require_baselines(baselines: Mapping[str, Sequence[PlanBaseline]], scorer: CompactModel) -> None:
    for found in baselines.values():
        for one, member in zip(found, scorer.members, strict=True):
            if not one.mean_log_odds_contributions.keys() >= set(member.features):
                raise ValueError("explain.json lacks a feature of the model")


def _load_estimator(
    folder: Path, data: bytes, features: Sequence[Feature], golden: Mapping[str, Any], *, trial: bool
) -> AveragedClassifier:
    """Build the estimator, and believe it when the made-up patients get the probabilities they had."""
    path = folder / ESTIMATOR
    if trial:
        try_estimator(path, data)
    estimator: AveragedClassifier = build_estimator(path, data)
    try:
        found = np.array(_by_estimator(estimator, features, golden["inputs"]))
        difference = np.abs(found - np.array(golden["probabilities"], dtype=np.float64))
    except Exception as error:
        refuse("ART-03", path, f"its content cannot be read ({type(error).__name__})", error)
    _require_golden(folder, difference)
    return estimator


def _with_tuples(part: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in part.items()}


def _golden_difference(model: PredictionModel, golden: Mapping[str, Any]) -> np.ndarray:
    """Difference, per made-up patient, of the plain numbers, compiled and as they stand."""
    rows = golden["inputs"]
    if not len(rows) == len(golden["probabilities"]) == GOLDEN_CASES:
        raise ValueError(f"{GOLDEN_CASES} made-up patients were expected")
    raw = raw_columns(model.features, rows)
    expected = np.array(golden["probabilities"], dtype=np.float64)
    found = model.scorer.probability(raw, len(rows)), model.scorer.probability(raw, len(rows), fused=True)
    others = outcome_differences(model.outcomes, golden.get("outcomes", {}), raw, len(rows))
    return np.asarray(np.stack([*np.abs(np.stack(found) - expected), *others]).max(axis=0))


def _sync(*paths: Path) -> None:
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
