"""A training as log items: what tracking is told of it, and nothing of any patient."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from predictor.config.loading import dump_config
from predictor.data.frames import rows_of
from predictor.experiment.judging import Judgement
from predictor.log_items import Artifact, ChildRun, Item, Metric, Model, Param, Tag, Text, items_record
from predictor.provenance import git_commit
from predictor.release import FinalFit
from predictor.study import Study
from predictor.validation.resampling import Candidate

__all__ = ["log_items", "tracking_record"]


# The model report with the annexes it links to; none holds a patient's row.
PAGES = ("model_report.html", "tripod_ai.html", "probast_ai.html", "model_card.json", "methods.txt")


def tracking_record(study: Study, judgement: Judgement, final: FinalFit, *, folder: Path) -> dict[str, Any]:
    """Return what tracking is to be told, and where, as plain data: the run keeps it, and it can be told again.

    Parameters
    ----------
    study, judgement, final, folder
        See `log_items`.
    """
    config = study.loaded.config
    return {
        "uri": config.tracking.uri,
        "experiment": config.tracking.experiment or config.experiment.name,
        "items": items_record(log_items(study, judgement, final, folder=folder), folder),
    }


def log_items(study: Study, judgement: Judgement, final: FinalFit, *, folder: Path) -> list[Item]:
    """Describe the training as log items: parameters, metrics, hashes and aggregate files, never a patient's row.

    Parameters
    ----------
    study : Study
    judgement : Judgement
    final : FinalFit
    folder : Path
        The run, with all its files.
    """
    config, loaded = study.loaded.config, study.loaded
    evaluation = judgement.evaluation
    items: list[Item] = [
        Param("question", config.experiment.question),
        Param("seed", config.experiment.seed),
        Param("judge", config.validation.judge),
        Param("chosen", final.chosen),
        Tag("verdict", evaluation.verdict.label),
        Tag("config_sha256", loaded.config_hash),
        Tag("dictionary_sha256", loaded.dictionary_hash),
        Tag("data_sha256", study.data_hash),
        Tag("git_commit", git_commit(loaded.root)),
        Tag("simulated", str(study.simulated).lower()),
        Text("config.yaml", dump_config(loaded)),
    ]
    items += _metrics(evaluation.performance[evaluation.performance["kind"] == "judged"])
    items += [Artifact(folder / f"{name}.csv", "tables") for name in judgement.tables()]
    items += [Artifact(folder / name) for name in PAGES]
    items += [_child(candidate, evaluation.performance, final) for candidate in study.protocol.candidates]
    items.append(Model(folder / "model", config.experiment.name))
    return items


def _child(candidate: Candidate, performance: pd.DataFrame, final: FinalFit) -> ChildRun:
    settings = [Param("family", candidate.family), Param("feature_set", candidate.feature_set)]
    best = final.fitted[candidate.name].best_params_
    settings += [Param(f"best_{name}", str(value)) for name, value in best.items()]
    own = performance[performance["procedure"] == candidate.name]
    return ChildRun(candidate.name.replace(" | ", " on "), (*settings, *_metrics(own)))


def _metrics(performance: pd.DataFrame) -> list[Metric]:
    return [
        Metric(f"{row.metric}{suffix}", float(value))
        for row in rows_of(performance)
        for suffix, value in (("", row.value), ("_low", row.low), ("_high", row.high))
    ]
