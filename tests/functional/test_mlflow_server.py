"""A real MLflow server on loopback: trained against, read back, loaded from, and closed to other pages."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from model_examples import example_model, holders_of_canaries, patients
from predictor.log_items import Artifact, ChildRun, Metric, Model, Param, Tag, Text
from predictor.prediction import predict_frame
from predictor.prediction_model import save_prediction_model
from predictor.tracking import send, ui_command

pytestmark = [
    pytest.mark.slow,  # the server alone takes 15 to 40 s to start
    pytest.mark.filterwarnings(
        "ignore::DeprecationWarning:mlflow", "ignore:The ``noload`` loader strategy is deprecated"
    ),
]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ask(port: int, path: str, **headers: str) -> tuple[int, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}
    finally:
        connection.close()


def answers(port: int) -> bool:
    try:
        return ask(port, "/health")[0] == 200
    except OSError:
        return False


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    """Port and folder of a server started as ``predictor ui`` starts it."""
    folder = tmp_path_factory.mktemp("server")
    port = free_port()
    argv, env = ui_command(f"sqlite:///{folder}/server.db", port)
    process = subprocess.Popen(
        argv,
        env=env,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 180
        while not answers(port):
            assert process.poll() is None, "the server ended by itself"
            assert time.monotonic() < deadline, "the server did not answer within three minutes"
            time.sleep(0.5)
        yield port, folder
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture(scope="module")
def trained(server: tuple[int, Path], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One training sent to the server: its record."""
    run = tmp_path_factory.mktemp("project") / "a-run"
    run.mkdir()
    save_prediction_model(example_model(), run / "model")
    (run / "model_report.html").write_text("<p>report</p>")
    items = [
        Param("seed", 7),
        Metric("auc", 0.75),
        Tag("verdict", "better"),
        Text("config.yaml", "version: 1\n"),
        Artifact(run / "model_report.html", "reports"),
        ChildRun("elastic_net | clinical", (Metric("auc", 0.7),)),
        Model(run / "model", "ketamine"),
    ]
    uri = f"http://127.0.0.1:{server[0]}"
    return send(items, uri=uri, experiment="response", root=run.parent, run_name="a-run")


def test_the_run_is_read_back(trained: Any, tmp_path: Path) -> None:
    import mlflow

    client = mlflow.MlflowClient(trained.uri, trained.uri)
    run = client.get_run(trained.run_id)
    assert (run.info.run_name, run.info.status) == ("a-run", "FINISHED")
    assert run.data.params == {"seed": "7"}
    assert run.data.metrics == {"auc": 0.75}
    assert run.data.tags["verdict"] == "better"
    (child,) = client.search_runs([trained.experiment_id], f"tags.mlflow.parentRunId = '{trained.run_id}'")
    assert child.data.metrics == {"auc": 0.7}
    assert (
        Path(client.download_artifacts(trained.run_id, "config.yaml", str(tmp_path))).read_text()
        == "version: 1\n"
    )
    assert [file.path for file in client.list_artifacts(trained.run_id, "reports")] == [
        "reports/model_report.html"
    ]


def test_the_registered_model_predicts_as_ours(trained: Any) -> None:
    import mlflow

    mlflow.set_tracking_uri(trained.uri)
    try:
        loaded = mlflow.pyfunc.load_model(f"models:/ketamine/{trained.model_version}")
    finally:
        mlflow.set_tracking_uri(None)
    X = patients()[0].drop(index=7).head(5)
    pd.testing.assert_frame_equal(loaded.predict(X), predict_frame(example_model(), X))


def test_no_patient_reaches_the_server(trained: Any, server: tuple[int, Path]) -> None:
    assert any(server[1].rglob("model.skops"))
    assert holders_of_canaries(server[1]) == []


def test_a_page_from_elsewhere_gets_nothing(server: tuple[int, Path]) -> None:
    status, headers = ask(server[0], "/", Host=f"localhost:{server[0]}")
    assert status == 200
    assert headers["x-frame-options"] == "DENY"
    assert ask(server[0], "/", Host="evil.example.org")[0] == 403


def test_it_listens_on_loopback_only(server: tuple[int, Path]) -> None:
    port = f"{server[0]:04X}"
    listening = [
        line.split()[1]
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        for line in Path(table).read_text().splitlines()[1:]
        if line.split()[3] == "0A"
    ]
    assert [place for place in listening if place.endswith(f":{port}")] == [f"0100007F:{port}"]
