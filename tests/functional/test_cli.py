"""The command line as a whole: help, exit codes, one line per problem, JSON for machines."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from predictor.cli import app, main
from predictor.errors import (
    ConfigError,
    DataError,
    ModelError,
    PredictorError,
    Problem,
    RefusedError,
    ResourceError,
)
from trained_clinics import command_line

COMMANDS = (
    "check",
    "describe",
    "train",
    "predict",
    "report",
    "evaluate",
    "explain",
    "init",
    "simulate",
    "sign",
    "serve",
    "ui",
)
PROGRAM = [sys.executable, "-m", "predictor"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_and_its_options(command: str) -> None:
    answer = command_line(command, "--help")
    assert (answer.code, answer.err) == (0, "")
    assert f"predictor {command}" in answer.out
    options = [line for line in answer.out.splitlines() if line.strip().startswith("--")]
    assert options
    for option in options:
        assert len(option.split()) > 2, f"an option without an explanation: {option}"


def test_without_a_command_the_help_lists_them_all() -> None:
    answer = command_line("--help")
    assert answer.code == 0
    for command in COMMANDS:
        assert f"  {command}" in answer.out
    assert command_line().code == 2


def test_the_version_is_that_of_the_package_and_starts_no_command() -> None:
    answer = command_line("--version")
    assert (answer.code, answer.out, answer.err) == (0, f"predictor {version('response-predictor')}\n", "")


def test_help_is_quick_and_loads_nothing_heavy() -> None:
    script = (
        "import sys\nsys.argv = ['predictor', 'train', '--help']\n"
        "from predictor.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "heavy = {'pandas', 'numpy', 'sklearn', 'mlflow', 'shap', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    # 0.2 s is the promise on an idle machine; a loaded one counts cache misses too.
    assert cpu < 0.6, f"{cpu:.2f} s of CPU"


@pytest.mark.parametrize(
    ("error", "code"),
    [(ConfigError, 2), (DataError, 3), (ModelError, 4), (ResourceError, 5), (RefusedError, 6)],
)
def test_each_kind_of_error_has_its_exit_code_and_one_line_per_problem(
    error: type[PredictorError], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error([Problem("ABC-01", "first", "Do this", path="a.b"), Problem("ABC-02", "second")])

    monkeypatch.setattr("predictor.config.loading.load_config", fail)
    answer = command_line("check", "config.yaml")
    assert answer.code == code
    assert answer.out == ""
    assert answer.errors == ["a.b: ABC-01 first. Do this.", "ABC-02 second."]
    record = command_line("check", "config.yaml", "--json").record
    assert record["exit_code"] == code
    assert [problem["code"] for problem in record["problems"]] == ["ABC-01", "ABC-02"]


def test_a_defect_of_ours_is_the_only_thing_that_shows_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("ours")

    monkeypatch.setattr("predictor.config.loading.load_config", fail)
    monkeypatch.setattr(sys, "argv", ["predictor", "check", "config.yaml"])
    with pytest.raises(ZeroDivisionError):
        main()


def test_interrupting_ends_with_130_and_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("predictor.config.loading.load_config", interrupt)
    answer = command_line("check", "config.yaml")
    assert answer.code == 130
    assert "Traceback" not in answer.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["train"],
        ["chekc", "config.yaml"],
        ["check", "config.yaml", "--no-such-option"],
        ["simulate", "--patients", "0"],
        ["simulate", "--seed", "-1"],
        ["report", "m", "p.csv", "--as-of", "31.12.2025"],
        ["ui", "--port", "80"],
    ],
)
def test_wrong_usage_is_2_and_says_what(arguments: list[str]) -> None:
    answer = command_line(*arguments)
    assert answer.code == 2
    assert "Usage: predictor" in answer.err
    assert "Traceback" not in answer.err


def test_a_config_that_is_not_there(tmp_path: Path) -> None:
    answer = command_line("train", "no.yaml", cwd=tmp_path)
    assert answer.code == 2
    (line,) = answer.errors
    assert line.startswith("no.yaml: CFG-45 the file cannot be opened")


def test_the_installed_command_is_the_same_program(tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("predictor")
    ran = subprocess.run(
        [program, "check", "no.yaml", "--json"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 2, ran.stderr
    assert json.loads(ran.stdout)["problems"][0]["code"] == "CFG-45"
    assert "Traceback" not in ran.stderr


def test_ui_starts_mlflow_on_loopback_for_the_projects_own_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[tuple[str, list[str], dict[str, str]]] = []
    monkeypatch.setattr("os.execve", lambda *command: started.append(command))
    answer = command_line("ui", "--port", "5055", "--project", tmp_path)
    assert answer.code == 0
    assert "http://localhost:5055" in answer.out
    ((program, argv, environment),) = started
    assert program == argv[0] == sys.executable
    assert argv[argv.index("--host") + 1] == "127.0.0.1"
    assert argv[argv.index("--backend-store-uri") + 1].endswith(f"{tmp_path}/experiments/runs/mlflow.db")
    assert environment["MLFLOW_DISABLE_TELEMETRY"] == "true"


def test_every_command_is_listed_here() -> None:
    assert {command.callback.__name__ for command in app.registered_commands if command.callback} == set(
        COMMANDS
    )
