"""How a training's run begins: enough space, the hashes of all it depends on, and an earlier start to go on with."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from predictor.provenance import software_hash
from predictor.resuming import Opened, open_run
from predictor.run_store import require_space
from predictor.study import Study, transport_splits
from predictor.validation.bootstrap import EXPLAINED

__all__ = ["open_study_run", "space_needed"]

NUMBER = 8  # bytes
REST = 32 * 2**20  # bytes for the tables, the reports and a model's folder with its refits


def open_study_run(study: Study, runs_folder: Path | None, *, now: datetime, resume: str | None) -> Opened:
    """Go on with the unfinished run of this study, or begin one where the disk can hold it.

    Parameters
    ----------
    study : Study
    runs_folder : Path or None
        Default: ``experiments/runs`` in the project.
    now : datetime
        Start of a new run.
    resume : str or None
        See `predictor.resuming.open_run`.

    Raises
    ------
    ConfigError, RefusedError, ResourceError
    """
    loaded = study.loaded
    folder = runs_folder or loaded.root / "experiments" / "runs"
    require_space(folder, space_needed(study))
    hashes = {
        "config": loaded.config_hash,
        "dictionary": loaded.dictionary_hash,
        "data": study.data_hash,
        "software": software_hash(),
    }
    return open_run(folder, loaded.config.experiment.name, hashes=hashes, now=now, resume=resume)


def space_needed(study: Study) -> int:
    """Estimate the bytes of a run: its finished units of work, and a fixed amount for what stays.

    Parameters
    ----------
    study : Study

    Notes
    -----
    Each unit keeps, of every candidate, the probabilities of its test patients (also under each arm), the log-odds of
    its training patients, and, where they are explained, the contributions of all features.
    """
    validation = study.loaded.config.validation
    n, width = len(study.evaluable(study.loaded.config.primary)[0]), len(study.dataset.features)
    arms, candidates = len(study.protocol.arms), len(study.protocol.candidates)
    outcomes = len(study.outcomes)
    repeats, folds = validation.outer.n_repeats, validation.outer.n_splits
    resamples = validation.bootstrap.resamples + 1 if validation.bootstrap.resamples else 0
    numbers = outcomes * repeats * n * (1 + arms + folds - 1) + repeats * n * width
    numbers += resamples * n * (2 + arms) + min(resamples, 1 + EXPLAINED) * n * width
    numbers += len(transport_splits(study)) * n * (1 + arms)
    return REST + NUMBER * candidates * numbers * max(1, study.protocol.imputations)
