"""Goals 10 and 11: what it costs to start, and to send a training to MLflow.

Every figure is the CPU of fresh processes, alternately ours and theirs, with one thread.

    python startup.py [--model FOLDER PATIENTS.csv] [--repeats 7]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from measuring import ONE_THREAD, cpu_seconds
from scoring import Goal, keep, prediction_model, rival

from predictor.prediction_model import save_prediction_model

PREDICTOR = ("-c", "from predictor.cli import main; main()")
SENT = """
import sys
from pathlib import Path
from predictor.log_items import Model
from predictor.tracking import send
send([Model(Path(sys.argv[1]), "benchmark")], uri="embedded", experiment="e", root=Path(sys.argv[2]), run_name="r")
"""


def cpu(command: Sequence[str], *, folder: Path | None = None) -> float:
    """Run a fresh Python: CPU seconds of it and of what it starts."""
    environment = {**os.environ, **ONE_THREAD, "MLFLOW_DISABLE_TELEMETRY": "true"}
    running = subprocess.Popen(
        [sys.executable, *command],
        env=environment,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(running.pid, 0)
    running.returncode = os.waitstatus_to_exitcode(status)
    if running.returncode:
        raise RuntimeError(f"{command} ended with {running.returncode}")
    return used.ru_utime + used.ru_stime


def alternately(
    goal: Goal, ours: Sequence[str], theirs: Sequence[str] | float, repeats: int, note: str = ""
) -> None:
    """Measure ours and theirs, or ours against a number of seconds."""
    first, second = [], []
    for _ in range(repeats):
        first.append(cpu(ours))
        second.append(theirs if isinstance(theirs, float) else cpu(theirs))
    keep(goal, first, second, note)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--model", nargs=2, metavar=("FOLDER", "CSV"), help="Also time one patient from a cold start"
    )
    parser.add_argument("--repeats", type=int, default=7)
    chosen = parser.parse_args()
    n = chosen.repeats
    alternately(Goal("10", "predictor --help against 0.2 s", 1.0), [*PREDICTOR, "--help"], 0.2, n)
    goal = Goal("10", "import predictor against import numpy", 1.3)
    alternately(goal, ["-c", "import predictor"], ["-c", "import numpy"], n)
    if chosen.model:
        goal = Goal("start", "one patient from a cold start against 0.7 s", 1.0)
        alternately(goal, [*PREDICTOR, "predict", *chosen.model], 0.7, n)
    logging(n)


def logging(repeats: int) -> None:
    """Send a model by our tracking and by MLflow's default, in one process that has connected already."""
    import mlflow
    import mlflow.sklearn

    from predictor.log_items import Model
    from predictor.tracking import send

    pipeline, ours, theirs = rival("elastic_net"), [], []
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        (root / "experiments" / "runs").mkdir(parents=True)
        save_prediction_model(prediction_model("elastic_net"), root / "model")
        items = [Model(root / "model", "benchmark")]
        whole = [cpu(["-c", SENT, str(root / "model"), name]) for _ in range(2)][-1:]
        for _ in range(repeats + 1):
            start = cpu_seconds()
            send(items, uri="embedded", experiment="e", root=root, run_name="r")
            ours.append(cpu_seconds() - start)
            mlflow.set_tracking_uri(f"sqlite:///{root}/theirs.db")
            mlflow.set_experiment("e")
            os.environ.pop("MLFLOW_SKIP_PIP_REQUIREMENTS_CHECK", None)
            with mlflow.start_run():
                start = cpu_seconds()
                mlflow.sklearn.log_model(pipeline, name="model", serialization_format="cloudpickle")
                theirs.append(cpu_seconds() - start)
    keep(
        Goal("11", "logging a model against default log_model", 0.1), ours[1:], theirs[1:], "imports excluded"
    )
    keep(Goal("11", "logging from a fresh process against 2 s", 1.0), whole, [2.0], "imports included")


if __name__ == "__main__":
    main()
