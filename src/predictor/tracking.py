"""The one place that calls MLflow: log items are sent to it, and what a killed process left there is closed.

Stages yield items and know nothing of MLflow. An item holds a name, a number, or a file that the run folder
already holds. MLflow is imported when something is sent, after the variables that make it safe are set.
"""

from __future__ import annotations

import fcntl
import logging
import math
import os
import random
import sqlite3
import sys
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from socket import gethostname
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlsplit

from predictor.errors import ConfigError, Problem, ResourceError
from predictor.locks import process_start
from predictor.log_items import Artifact, ChildRun, Item, Metric, Model, Param, Tag, Text

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

__all__ = [
    "TrackingRecord",
    "check_uri",
    "embedded_uri",
    "reap_orphans",
    "send",
    "tag_version",
    "ui_command",
]

# Telemetry off, no job runner, no unpickling, no look at the package index, and a server that does not answer
# is given up on within seconds: the run folder is what counts, and it is already written.
SAFE_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_SKIP_PIP_REQUIREMENTS_CHECK": "true",
    "MLFLOW_UV_AUTO_DETECT": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "GIT_PYTHON_REFRESH": "quiet",
}
EMBEDDED = "embedded"
STORE = Path("experiments", "runs", "mlflow.db")
ARTIFACTS = "mlflow-artifacts"
# What a copy of the model needs elsewhere, pinned to what it was made with.
REQUIREMENTS = ("response-predictor", "scikit-learn", "numpy", "scipy", "pandas", "skops", "shap", "mlflow")
MODEL_SCRIPT = Path(__file__).with_name("mlflow_model.py")
LOOPBACK = ("127.0.0.1", "localhost")
COMPLETE = "predictor.complete"  # the last tag that a run gets
PATIENCE = 600.0  # seconds to wait for other trainings that write to the embedded store


@dataclass(frozen=True)
class TrackingRecord:
    """Where the training can be found again.

    Parameters
    ----------
    run_id, experiment_id : str
    model_version : str or None
        Version in the registry; None when no model was sent.
    uri : str
        Tracking URI, as `ui_command` and ``mlflow.set_tracking_uri`` take it.
    found : bool
        Whether it was there already and nothing was sent.
    """

    run_id: str
    experiment_id: str
    model_version: str | None
    uri: str
    found: bool = False


def embedded_uri(root: Path) -> str:
    """Tracking URI of the project's own store, ``experiments/runs/mlflow.db`` below ``root``."""
    return f"sqlite:///{(root / STORE).resolve()}"


def check_uri(uri: str, allowed_hosts: Sequence[str] = ()) -> None:
    """Refuse every place to send records to except the three allowed ones.

    The three are ``embedded``, ``http://127.0.0.1:PORT``, and ``https://HOST`` with the host in ``allowed_hosts``.

    Raises
    ------
    ConfigError
        TRK-01.
    """
    if uri == EMBEDDED:
        return
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    plain = not (parts.username or parts.password or parts.query or parts.fragment)
    loopback = parts.scheme == "http" and parts.hostname in LOOPBACK and port is not None
    listed = parts.scheme == "https" and parts.hostname in allowed_hosts
    if not (plain and (loopback or listed)):
        raise ConfigError(
            Problem(
                "TRK-01",
                "tracking goes to the embedded store, a server on this machine, or an allowed https host",
                "Write embedded, http://127.0.0.1:PORT, or https://HOST with HOST in tracking.allowed_hosts",
                path="tracking.uri",
            )
        )


def send(
    items: Iterable[Item],
    *,
    uri: str,
    experiment: str,
    root: Path,
    run_name: str,
    allowed_hosts: Sequence[str] = (),
    once: bool = False,
) -> TrackingRecord:
    """Send one training: a parent run, its child runs, and the registered model.

    Parameters
    ----------
    items : iterable of Item
    uri : str
        See `check_uri`.
    experiment, run_name : str
    root : Path
        Project folder; the embedded store lies below it.
    allowed_hosts : sequence of str
        Hosts https may go to.
    once : bool
        Whether to send nothing where a run of this name is complete already.

    Raises
    ------
    ConfigError
        TRK-01 for a URI that is not allowed.
    ResourceError
        TRK-02 when the store or server fails. The run folder is complete without it.
    """
    check_uri(uri, allowed_hosts)
    with _opened(uri, root) as (client, place):
        artifacts = (root / STORE).resolve().with_name(ARTIFACTS).as_uri() if uri == EMBEDDED else None
        experiment_id = _experiment(client, experiment, artifacts)
        found = _complete(client, experiment_id, run_name) if once else None
        if found is not None:
            return TrackingRecord(found, experiment_id, None, place, found=True)
        return _send_parent(client, list(items), experiment_id, run_name, place)


def tag_version(
    tags: Mapping[str, str],
    *,
    alias: str,
    uri: str,
    experiment: str,
    root: Path,
    run_name: str,
    allowed_hosts: Sequence[str] = (),
) -> str | None:
    """Write tags and an alias on the registered version of one training's model.

    Parameters
    ----------
    tags : mapping of str to str
    alias : str
        Moves to this version from any other of the same model.
    uri, experiment, root, run_name, allowed_hosts
        As in `send`, where the training was told of.

    Returns
    -------
    str or None
        ``NAME version N``; None where there is no store, or it does not know the training.

    Raises
    ------
    ConfigError, ResourceError
        As in `send`.
    """
    check_uri(uri, allowed_hosts)
    if uri == EMBEDDED and not (root / STORE).exists():
        return None
    with _opened(uri, root) as (client, _):
        found = client.get_experiment_by_name(experiment)
        run_id = None if found is None else _complete(client, str(found.experiment_id), run_name)
        versions = [] if run_id is None else list(client.search_model_versions(f"run_id = '{run_id}'"))
        for one in versions:
            for name, value in tags.items():
                client.set_model_version_tag(one.name, str(one.version), name, value)
            client.set_registered_model_alias(one.name, alias, str(one.version))
    return f"{versions[0].name} version {versions[0].version}" if versions else None


def reap_orphans(uri: str, root: Path, allowed_hosts: Sequence[str] = ()) -> int:
    """Close the runs that a killed process of this machine left open: they become KILLED, with a tag that says why.

    Parameters
    ----------
    uri, root, allowed_hosts
        As in `send`.

    Returns
    -------
    int
        How many. A run whose process lives, or ran on another machine, is left alone.

    Raises
    ------
    ConfigError, ResourceError
        As in `send`.
    """
    check_uri(uri, allowed_hosts)
    with _opened(uri, root) as (client, _):
        orphans = [run for run in _incomplete(client) if _is_orphan(run.data.tags)]
        for run in orphans:
            client.set_tag(run.info.run_id, "predictor.closed", "its process had gone before it was complete")
            client.set_terminated(run.info.run_id, "KILLED")
    return len(orphans)


@contextmanager
def _opened(uri: str, root: Path) -> Iterator[tuple[MlflowClient, str]]:
    """Give a client and its URI; whatever goes wrong with them is no more than TRK-02.

    The embedded store is held by one process at a time: the migrations of two collide, and SQLite makes writers wait.
    """
    place = embedded_uri(root) if uri == EMBEDDED else uri
    try:
        mlflow = _mlflow()
        with _quiet(), _store_lock(root / STORE if uri == EMBEDDED else None):
            yield mlflow.MlflowClient(place, place), place
    except Exception as error:  # of MLflow, its migrations, SQLite, or the line: never worth a finished run
        message = (
            f"MLflow could not be written ({type(error).__name__}); the run's folder is complete without it"
        )
        remedy = (
            "Start the server, or mend or move away the store, then `predictor runs repair` sends it again"
        )
        raise ResourceError(Problem("TRK-02", message, remedy, path="tracking.uri", file=place)) from error


def _mlflow() -> Any:
    os.environ.update(SAFE_ENVIRONMENT)
    import mlflow

    return mlflow


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep MLflow's own chatter, its libraries' deprecations, and its tracebacks, off the user's screen: see TRK-02."""
    loggers = [logging.getLogger(name) for name in ("mlflow", "alembic")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


@contextmanager
def _store_lock(store: Path | None) -> Iterator[None]:
    if store is None:
        yield
        return
    store.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with store.with_suffix(".lock").open("a") as handle:
        _wait_for(handle)
        with closing(sqlite3.connect(store, timeout=30)) as database:
            # A reader no longer blocks a writer; the mode is kept in the file.
            database.execute("PRAGMA journal_mode=WAL")
        yield


def _wait_for(handle: IO[str]) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise
            time.sleep(random.uniform(0.05, 0.2))


def _experiment(client: MlflowClient, name: str, artifacts: str | None) -> str:
    found = client.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    location = None if artifacts is None else f"{artifacts}/{name}"
    return str(client.create_experiment(name, artifact_location=location))


def _send_parent(
    client: MlflowClient, items: list[Item], experiment_id: str, run_name: str, uri: str
) -> TrackingRecord:
    version_number: str | None = None
    with _run(client, experiment_id, run_name) as run_id:
        _log(client, run_id, items)
        for item in items:
            if isinstance(item, ChildRun):
                with _run(client, experiment_id, item.name, parent=run_id) as child_id:
                    _log(client, child_id, item.items)
            elif isinstance(item, Model):
                with _global_uri(uri):
                    version_number = _register(client, item, run_id)
    return TrackingRecord(run_id, experiment_id, version_number, uri)


def _complete(client: MlflowClient, experiment_id: str, name: str) -> str | None:
    query = f"attributes.run_name = '{name}' and tags.`{COMPLETE}` = 'true'"
    found = client.search_runs([experiment_id], query, max_results=1)
    return str(found[0].info.run_id) if found else None


def _incomplete(client: MlflowClient) -> Iterator[Run]:
    """Give the open runs, and those that MLflow closed by itself in the middle of a model's registration."""
    experiments = [one.experiment_id for one in client.search_experiments()]
    for status in ("RUNNING", "FINISHED"):
        token: str | None = None
        while token is None or token:
            page = client.search_runs(
                experiments, f"attributes.status = '{status}'", max_results=1000, page_token=token
            )
            yield from (run for run in page if COMPLETE not in run.data.tags)
            token = page.token or ""


def _owner() -> dict[str, str]:
    pid = os.getpid()
    return {"predictor.host": gethostname(), "predictor.pid": f"{pid} {process_start(pid)}"}


def _is_orphan(tags: Mapping[str, str]) -> bool:
    pid, _, started = tags.get("predictor.pid", "").partition(" ")
    here = tags.get("predictor.host") == gethostname()
    return here and pid.isdigit() and process_start(int(pid)) != started


@contextmanager
def _run(client: MlflowClient, experiment_id: str, name: str, *, parent: str | None = None) -> Iterator[str]:
    """Open a run and close it as finished or failed, so that none is left running for ever."""
    tags = _owner() if parent is None else {**_owner(), "mlflow.parentRunId": parent}
    run_id = client.create_run(experiment_id, run_name=name, tags=tags).info.run_id
    status = "FAILED"
    try:
        yield run_id
        client.set_tag(run_id, COMPLETE, "true")
        status = "FINISHED"
    finally:
        client.set_terminated(run_id, status)


def _log(client: MlflowClient, run_id: str, items: Iterable[Item]) -> None:
    from mlflow.entities import Metric as Number
    from mlflow.entities import Param as Setting
    from mlflow.entities import RunTag
    from mlflow.utils.time import get_current_time_millis

    now = get_current_time_millis()
    items = list(items)
    numbers = [
        Number(item.name, float(item.value), now, item.step)
        for item in items
        if isinstance(item, Metric) and math.isfinite(item.value)
    ]
    settings = [Setting(item.name, str(item.value)) for item in items if isinstance(item, Param)]
    tags = [RunTag(item.name, item.value) for item in items if isinstance(item, Tag)]
    for start in range(0, max(len(numbers), len(settings), len(tags)), 100):
        part = slice(start, start + 100)
        client.log_batch(run_id, numbers[part], settings[part], tags[part])
    for item in items:
        if isinstance(item, Text):
            client.log_text(run_id, item.text, item.path)
        elif isinstance(item, Artifact):
            client.log_artifact(run_id, str(item.path), item.folder or None)


def _register(client: MlflowClient, model: Model, run_id: str) -> str:
    """Log the folder as a pyfunc model from code, then name it; MLflow needs the global URI for both."""
    import mlflow
    from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, ErrorCode

    with mlflow.start_run(run_id=run_id):
        logged = mlflow.pyfunc.log_model(
            name="model",
            python_model=str(MODEL_SCRIPT),
            artifacts={"prediction_model": str(model.folder)},
            pip_requirements=_requirements(),
        )
    try:
        client.create_registered_model(model.name)
    except mlflow.exceptions.MlflowException as error:
        if error.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS):
            raise
    made = client.create_model_version(
        model.name, source=logged.model_uri, run_id=run_id, model_id=logged.model_id
    )
    return str(made.version)


@contextmanager
def _global_uri(uri: str) -> Iterator[None]:
    import mlflow

    # MLflow keeps its global URI in this variable too, so the variable tells whether there was one.
    before = os.environ.get("MLFLOW_TRACKING_URI")
    mlflow.set_tracking_uri(uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(before)


def _requirements() -> list[str]:
    pins = []
    for name in REQUIREMENTS:
        try:
            pins.append(f"{name}=={version(name)}")
        except PackageNotFoundError:
            continue
    return pins


def ui_command(uri: str, port: int) -> tuple[list[str], dict[str, str]]:
    """Build the command that shows a store in MLflow's own pages, reachable from this machine only.

    Parameters
    ----------
    uri : str
        A record's URI, or `embedded_uri`.
    port : int

    Returns
    -------
    argv : list of str
    env : dict of str to str
        The whole environment to start it with: this one plus the safe settings.
    """
    origin = f"http://localhost:{port}"
    hosts = ",".join(f"{host}:{port}" for host in LOOPBACK)
    argv = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", uri]
    argv += ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    argv += ["--allowed-hosts", hosts, "--cors-allowed-origins", origin, "--x-frame-options", "DENY"]
    return argv, {**os.environ, **SAFE_ENVIRONMENT}
