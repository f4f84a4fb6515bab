from __future__ import annotations

import json
import logging
import os
import shutil
import socket
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

from model_examples import example_model, holders_of_canaries, patients
from predictor.errors import ConfigError, ResourceError
from predictor.log_items import Artifact, ChildRun, Metric, Model, Param, Tag, Text
from predictor.prediction_model import save_prediction_model
from predictor.tracking import SAFE_ENVIRONMENT, TrackingRecord, check_uri, embedded_uri, send, ui_command

pytestmark = pytest.mark.filterwarnings(
    # MLflow's own libraries warn about each other while its client, which these tests use directly, is imported.
    "ignore::DeprecationWarning:mlflow",
    "ignore:The ``noload`` loader strategy is deprecated",
)


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrackingRecord]:
    """One training in a new embedded store, sent from another working directory."""
    root = tmp_path_factory.mktemp("project")
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    run = root / "experiments" / "runs" / "a-run"
    run.mkdir(parents=True)
    save_prediction_model(example_model(), run / "model")
    (run / "model_report.html").write_text("<p>report</p>")
    items = [
        Param("seed", 7),
        Param("judge", "selection"),
        Metric("auc", 0.75),
        Metric("slope", float("nan")),
        Metric("brier", 0.2, step=3),
        Tag("verdict", "better"),
        Text("config.yaml", "version: 1\n"),
        Artifact(run / "model_report.html", "reports"),
        ChildRun(
            "elastic_net | clinical", (Param("features", "clinical"), Metric("auc", 0.7), Tag("fold", "all"))
        ),
        Model(run / "model", "ketamine"),
    ]
    here = Path.cwd()
    os.chdir(elsewhere)
    try:
        record = send(items, uri="embedded", experiment="response", root=root, run_name="a-run")
    finally:
        os.chdir(here)
    assert list(elsewhere.iterdir()) == []
    return root, record


@pytest.fixture
def client(sent: tuple[Path, TrackingRecord]) -> Any:
    import mlflow

    return mlflow.MlflowClient(sent[1].uri, sent[1].uri)


def test_the_parent_run_is_read_back(sent: tuple[Path, TrackingRecord], client: Any) -> None:
    run = client.get_run(sent[1].run_id)
    assert run.data.params == {"seed": "7", "judge": "selection"}
    assert run.data.metrics == {"auc": 0.75, "brier": 0.2}
    assert run.data.tags["verdict"] == "better"
    assert (run.info.run_name, run.info.status) == ("a-run", "FINISHED")
    assert client.get_experiment(sent[1].experiment_id).name == "response"
    assert [point.step for point in client.get_metric_history(sent[1].run_id, "brier")] == [3]


def test_the_child_run_hangs_below_it(sent: tuple[Path, TrackingRecord], client: Any) -> None:
    query = f"tags.mlflow.parentRunId = '{sent[1].run_id}'"
    (child,) = client.search_runs([sent[1].experiment_id], query)
    assert (child.info.run_name, child.info.status) == ("elastic_net | clinical", "FINISHED")
    assert child.data.metrics == {"auc": 0.7}
    assert child.data.params == {"features": "clinical"}


def test_artifacts_lie_beside_the_store(sent: tuple[Path, TrackingRecord]) -> None:
    root, record = sent
    place = root / "experiments" / "runs" / "mlflow-artifacts" / "response" / record.run_id / "artifacts"
    assert (place / "config.yaml").read_text() == "version: 1\n"
    assert (place / "reports" / "model_report.html").read_text() == "<p>report</p>"
    assert record.uri == f"sqlite:///{root}/experiments/runs/mlflow.db" == embedded_uri(root)


def test_the_registered_model_predicts_through_our_own_loader(sent: tuple[Path, TrackingRecord]) -> None:
    import mlflow
    import pandas as pd

    from predictor.prediction import predict_frame

    assert sent[1].model_version == "1"
    X = patients()[0].drop(index=7).head(5)
    mlflow.set_tracking_uri(sent[1].uri)
    try:
        loaded = mlflow.pyfunc.load_model("models:/ketamine/1")
    finally:
        mlflow.set_tracking_uri(None)
    predicted = loaded.predict(X)
    pd.testing.assert_frame_equal(predicted, predict_frame(example_model(), X))
    assert predicted["probability"].to_numpy(float) == pytest.approx(
        example_model().estimator.predict_proba(X)[:, 1], abs=1e-9
    )


def model_folders(root: Path) -> list[Path]:
    return sorted((root / "experiments" / "runs" / "mlflow-artifacts").rglob("MLmodel"))


def test_nothing_registered_is_pickled_or_an_example_of_input(sent: tuple[Path, TrackingRecord]) -> None:
    (described,) = model_folders(sent[0])
    names = {path.name for path in described.parent.rglob("*") if path.is_file()}
    ours = {path.name for path in (sent[0] / "experiments" / "runs" / "a-run" / "model").iterdir()}
    by_mlflow_when_it_loads = {"registered_model_meta"}
    assert names - ours - by_mlflow_when_it_loads == {
        "MLmodel",
        "conda.yaml",
        "mlflow_model.py",
        "python_env.yaml",
        "requirements.txt",
    }
    text = described.read_text()
    assert "loader_module: mlflow.pyfunc.loaders.code_model" in text
    assert "/mlflow_model.py" in text
    assert "pkl" not in text
    assert "input_example" not in text


def test_requirements_are_pinned_to_what_is_installed(sent: tuple[Path, TrackingRecord]) -> None:
    import sklearn

    (described,) = model_folders(sent[0])
    lines = (described.parent / "requirements.txt").read_text().splitlines()
    assert f"scikit-learn=={sklearn.__version__}" in lines
    assert all("==" in line for line in lines)
    assert not any("pytest" in line for line in lines)


def test_a_registered_model_that_was_changed_is_refused(
    sent: tuple[Path, TrackingRecord], tmp_path: Path
) -> None:
    import mlflow

    (described,) = model_folders(sent[0])
    copy = shutil.copytree(described.parent, tmp_path / "copy")
    card = next(copy.rglob("card.json"))
    card.write_text(card.read_text().replace("Better", "Perfect"))
    with pytest.raises(Exception, match=r"card\.json: ART-01 the file is damaged"):
        mlflow.pyfunc.load_model(str(copy))


def test_no_patient_reaches_the_store(sent: tuple[Path, TrackingRecord], tmp_path: Path) -> None:
    assert (sent[0] / "experiments" / "runs" / "mlflow.db").exists()
    assert holders_of_canaries(sent[0]) == []
    # The search itself can find: the same store, sent a site as a tag, would be listed.
    stores = shutil.copytree(sent[0] / "experiments" / "runs", tmp_path / "experiments" / "runs")
    items = [Tag("site", "CanarySiteQ7")]
    send(items, uri="embedded", experiment="planted", root=tmp_path, run_name="planted")
    assert set(holders_of_canaries(stores)) & {"mlflow.db", "mlflow.db-wal"}


def test_the_users_own_settings_come_back(
    sent: tuple[Path, TrackingRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    run = sent[0] / "experiments" / "runs" / "a-run"
    level, shown = logging.getLogger("mlflow").level, list(warnings.filters)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5999")
    items = [Model(run / "model", "ketamine")]
    record = send(items, uri="embedded", experiment="response", root=sent[0], run_name="again")
    assert record.model_version == "2"
    assert mlflow.get_tracking_uri() == "http://127.0.0.1:5999"
    assert mlflow.active_run() is None
    assert logging.getLogger("mlflow").level == level
    assert list(warnings.filters) == shown
    mlflow.set_tracking_uri(None)


def test_more_than_a_hundred_settings_are_sent_in_parts(
    sent: tuple[Path, TrackingRecord], client: Any
) -> None:
    items = [*(Param(f"p{i}", i) for i in range(250)), *(Metric(f"m{i}", i) for i in range(120))]
    record = send(items, uri="embedded", experiment="response", root=sent[0], run_name="many")
    run = client.get_run(record.run_id)
    assert run.data.params == {f"p{i}": str(i) for i in range(250)}
    assert run.data.metrics == {f"m{i}": float(i) for i in range(120)}


def test_what_fails_half_way_is_marked_failed(
    sent: tuple[Path, TrackingRecord], client: Any, tmp_path: Path
) -> None:
    items = [Param("seed", 7), ChildRun("child", (Artifact(tmp_path / "not-there.html"),))]
    with pytest.raises(ResourceError, match="TRK-02") as caught:
        send(items, uri="embedded", experiment="broken", root=sent[0], run_name="parent")
    assert caught.value.exit_code == 5
    runs = client.search_runs([client.get_experiment_by_name("broken").experiment_id])
    assert {run.info.run_name: run.info.status for run in runs} == {"parent": "FAILED", "child": "FAILED"}


# Where records may go


@pytest.mark.parametrize(
    "uri", ["embedded", "http://127.0.0.1:5000", "http://localhost:5000/", "https://ml.example.org"]
)
def test_an_allowed_place(uri: str) -> None:
    check_uri(uri, ["ml.example.org"])


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "./mlruns",
        "file:///srv/mlruns",
        "sqlite:////etc/mlflow.db",
        "postgresql://host/db",
        "databricks",
        "http://127.0.0.1",
        "http://127.0.0.1:port",
        "http://0.0.0.0:5000",
        "http://192.168.0.4:5000",
        "http://ml.example.org",
        "https://evil.example.org",
        "https://ml.example.org.evil.org",
        "https://user:word@ml.example.org",
        "http://127.0.0.1:5000@evil.org",
        "https://ml.example.org?next=x",
    ],
)
def test_every_other_place_is_refused(uri: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="TRK-01") as caught:
        send([], uri=uri, experiment="e", root=tmp_path, run_name="r", allowed_hosts=["ml.example.org"])
    assert "word" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_not_there_is_a_notice_and_not_a_wait(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(ResourceError, match="TRK-02 MLflow could not be written") as caught:
            send([], uri=f"http://127.0.0.1:{port}", experiment="e", root=tmp_path, run_name="r")
    assert "the run's folder is complete without it" in str(caught.value)


def test_a_damaged_store_is_a_notice(tmp_path: Path) -> None:
    store = tmp_path / "experiments" / "runs" / "mlflow.db"
    store.parent.mkdir(parents=True)
    store.write_bytes(b"not a database " * 100)
    with pytest.raises(ResourceError, match="TRK-02"):
        send([], uri="embedded", experiment="e", root=tmp_path, run_name="r")


# Separate processes

ENVIRONMENT = {
    key: value
    for key, value in os.environ.items()
    if key not in {"CI", "PYTEST_CURRENT_TEST", "DO_NOT_TRACK"} and not key.startswith("MLFLOW")
} | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}

SENDER = """
import sys
from pathlib import Path
from predictor.log_items import Metric
from predictor.tracking import send
record = send([Metric("auc", 0.7)], uri="embedded", experiment="e", root=Path(sys.argv[1]), run_name=sys.argv[2])
print(record.run_id)
"""


def test_three_processes_start_on_an_empty_store_together(tmp_path: Path) -> None:
    import mlflow

    senders = [
        subprocess.Popen(
            [sys.executable, "-c", SENDER, str(tmp_path), name],
            env=ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in "abc"
    ]
    answers = [sender.communicate() for sender in senders]
    assert [sender.returncode for sender in senders] == [0, 0, 0], answers
    assert [shown for _, shown in answers] == ["", "", ""]
    uri = embedded_uri(tmp_path)
    client = mlflow.MlflowClient(uri, uri)
    (experiment,) = [e for e in client.search_experiments() if e.name == "e"]
    runs = client.search_runs([experiment.experiment_id])
    assert {run.info.run_id for run in runs} == {out.strip() for out, _ in answers}
    assert sorted(run.info.run_name for run in runs) == ["a", "b", "c"]


NO_CONNECTION = """
import json, socket, sys
from pathlib import Path

tried = []
def note(name):
    original = getattr(socket.socket, name)
    def guarded(self, *args):
        if self.family in {socket.AF_INET, socket.AF_INET6}:
            tried.append(name)
        return original(self, *args)
    setattr(socket.socket, name, guarded)
for name in ("connect", "connect_ex", "sendto", "listen"):
    note(name)
lookup = socket.getaddrinfo
socket.getaddrinfo = lambda *args, **kwargs: tried.append("getaddrinfo") or lookup(*args, **kwargs)

from predictor.log_items import Metric, Model
from predictor.tracking import send
root = Path(sys.argv[1])
send([Metric("auc", 0.7), Model(root / "model", "m")], uri="embedded", experiment="e", root=root, run_name="r")
from mlflow.telemetry import get_telemetry_client
print(json.dumps([tried, get_telemetry_client() is None, "mlflow" in sys.modules]))
"""


def test_nothing_is_sent_anywhere_and_telemetry_is_off(tmp_path: Path) -> None:
    save_prediction_model(example_model(), tmp_path / "model")
    command = [sys.executable, "-c", NO_CONNECTION, str(tmp_path)]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [[], True, True]
    assert done.stderr == ""


# Viewing


def test_the_viewer_listens_on_this_machine_only_and_checks_who_asks() -> None:
    argv, env = ui_command("sqlite:////srv/mlflow.db", 5123)
    given = dict(zip(argv[4::2], argv[5::2], strict=True))
    assert argv[:4] == [sys.executable, "-m", "mlflow", "server"]
    assert given == {
        "--backend-store-uri": "sqlite:////srv/mlflow.db",
        "--host": "127.0.0.1",
        "--port": "5123",
        "--workers": "1",
        "--allowed-hosts": "127.0.0.1:5123,localhost:5123",
        "--cors-allowed-origins": "http://localhost:5123",
        "--x-frame-options": "DENY",
    }
    assert env.items() >= SAFE_ENVIRONMENT.items()
    assert env["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] == "false"
    assert env["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert env["PATH"] == os.environ["PATH"]
