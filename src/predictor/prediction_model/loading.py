"""Loading a model's folder through every gate.

Nothing is read until `predictor.model_folder` has passed every byte, and nothing believed until the made-up patients
get the probabilities they had at training. Pandas and scikit-learn are not imported; the estimator itself is built, and
compared with the plain numbers, when somebody asks for it.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from predictor.data.accepted_units import AcceptedUnit
from predictor.features.dataset import Feature
from predictor.features.distance import Distance
from predictor.model_folder import (
    ESTIMATOR,
    REFITS,
    SCORER,
    SIGN_OFF,
    TEXTS,
    build_estimator,
    read_folder,
    read_json,
    refuse,
)
from predictor.model_shape import require_shape
from predictor.model_trial import try_estimator
from predictor.models.archive import load_compact
from predictor.models.plain import CompactModel, from_plain
from predictor.models.soundness import require_sound
from predictor.other_outcomes import GroupRate, outcomes_from
from predictor.prediction_model.golden import estimator_difference, require_reproduced, scorer_difference
from predictor.prediction_model.model import InputField, PlanBaseline, PredictionModel
from predictor.sign_off import read_sign_off
from predictor.signature import ModelPolicy, current_policy

if TYPE_CHECKING:
    from predictor.models.averaging import AveragedClassifier

__all__ = ["load_prediction_model"]


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
        difference = scorer_difference(model, read_json(content["golden.json"]))
        until = None if manifest["valid_until"] is None else date.fromisoformat(manifest["valid_until"])
    # Whatever a well-hashed but wrong content makes a parser raise, it is the folder that is wrong.
    except Exception as error:
        refuse("ART-03", folder, f"its content cannot be read ({type(error).__name__})", error)
    require_reproduced(folder, difference)
    if today is not None and until is not None and today > until:
        refuse("ART-10", folder, f"the model was valid until {until}")
    return replace(model, sign_off=sign_off)


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
        inputs=tuple(_input_field(part) for part in schema["inputs"]),
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
        difference = estimator_difference(estimator, features, golden)
    except Exception as error:
        refuse("ART-03", path, f"its content cannot be read ({type(error).__name__})", error)
    require_reproduced(folder, difference)
    return estimator


def _input_field(part: Mapping[str, Any]) -> InputField:
    # A folder from before the choice of units has none.
    units = tuple(AcceptedUnit(**one) for one in part.get("accepted_units", ()))
    return InputField(**{**_with_tuples(part), "accepted_units": units})


def _with_tuples(part: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in part.items()}
