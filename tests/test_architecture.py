"""The shape of the package: layers, cycles, public names, light imports, calls that never appear."""

from __future__ import annotations

import ast
import graphlib
import itertools
import os
import re
import statistics
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest
from importlinter.cli import lint_imports

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "predictor"
SOURCES = sorted(PACKAGE.rglob("*.py"))
PUBLIC = {"load_config", "check", "train", "predict", "report", "simulate", "evaluate_model"}
HEAVY = {"pandas", "numpy", "scipy", "sklearn", "mlflow", "shap", "matplotlib"}


# Layers


def test_layers_and_forbidden_imports(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])  # the linter adds the working directory
    status = lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True, no_logo=True)
    assert status == 0, capsys.readouterr().out


def test_no_import_cycle() -> None:
    graph = grimp.build_graph("predictor", cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    try:
        graphlib.TopologicalSorter(imports).prepare()
    except graphlib.CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_no_module_imports_the_public_api() -> None:
    graph = grimp.build_graph("predictor", cache_dir=None)
    assert graph.find_modules_that_directly_import("predictor") == set()


# Public names and imports


def run_python(code: str, folder: Path) -> str:
    # A bare environment: what an import did to this process must not hide what it does to the child.
    environment = {key: os.environ[key] for key in ("PATH", "HOME", "PYTHONPATH") if key in os.environ}
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_public_names() -> None:
    import predictor

    assert set(predictor.__all__) == PUBLIC
    assert [name for name in sorted(PUBLIC) if not callable(getattr(predictor, name))] == []
    assert set(dir(predictor)) >= PUBLIC


def test_no_module_takes_the_place_of_a_public_name() -> None:
    # Importing predictor.report would bind the module where the function was.
    assert {path.stem for path in PACKAGE.iterdir()} & PUBLIC == set()


@pytest.mark.parametrize(
    "module", ["predictor", "predictor.cli", "predictor.errors", "predictor.config.schema"]
)
def test_import_is_light(module: str, tmp_path: Path) -> None:
    loaded = run_python(f"import sys, {module}; print(*sys.modules)", tmp_path).split()
    assert HEAVY & set(loaded) == set()


EFFECTS = """
import logging, os, signal, threading, warnings

def state():
    return {
        "environment": dict(os.environ),
        "threads": [t.name for t in threading.enumerate()],
        "log handlers": [logging.root.level, *map(repr, logging.root.handlers)],
        "warning filters": list(warnings.filters),
        "signal handlers": [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)],
        "files": os.listdir(),
    }

before = state()
import predictor
after = state()
print(*[name for name in before if before[name] != after[name]])
"""


def test_importing_the_package_changes_nothing(tmp_path: Path) -> None:
    assert run_python(EFFECTS, tmp_path).split() == []


EVERY_MODULE = """
import importlib, os, pkgutil, sys, threading
import predictor

before = {k: v for k, v in os.environ.items() if k.startswith("MLFLOW")}
names = [m.name for m in pkgutil.walk_packages(predictor.__path__, "predictor.")]
# MLflow runs this file as a script that hands it the model: its effect is its purpose.
names.remove("predictor.mlflow_model")
for name in names:
    importlib.import_module(name)
assert before == {k: v for k, v in os.environ.items() if k.startswith("MLFLOW")}, "environment"
assert "mlflow" not in sys.modules, "mlflow"
assert [t.name for t in threading.enumerate()] == ["MainThread"], "threads"
assert not os.listdir(), "files"
pyplot = sys.modules.get("matplotlib.pyplot")
assert pyplot is None or not pyplot.get_fignums(), "figures"
print(len(names))
"""


def test_importing_any_module_starts_nothing(tmp_path: Path) -> None:
    modules = int(run_python(EVERY_MODULE, tmp_path))
    package_roots_and_mlflow_model = 2
    assert modules == len(SOURCES) - package_roots_and_mlflow_model


SMALLEST_APP = """
import typer
app = typer.Typer()
@app.command()
def one(number: int = 1) -> None: ...
@app.command()
def two(number: int = 1) -> None: ...
app()
"""


def test_help_costs_a_fifth_of_a_second(tmp_path: Path) -> None:
    """On a machine that is slow or busy, no more than the smallest program of typer's costs there."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("COV_", "COVERAGE"))}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    environment["PYTHONPYCACHEPREFIX"] = str(tmp_path)
    ours = "import sys; from predictor.cli import main; sys.argv[0] = 'predictor'; sys.exit(main())"

    def cpu_seconds(code: str) -> float:
        command = [sys.executable, "-c", code, "--help"]
        child = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        assert child.returncode == 0
        return usage.ru_utime + usage.ru_stime

    pairs = [(cpu_seconds(ours), cpu_seconds(SMALLEST_APP)) for _ in range(6)][
        1:
    ]  # the first writes the .pyc files
    own, smallest = (statistics.median(values) for values in zip(*pairs, strict=True))
    assert own < max(0.2, smallest)


# What the code may use


def imported_names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def test_every_third_party_import_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = [*project["dependencies"], *itertools.chain(*project["optional-dependencies"].values())]
    declared = {re.split(r"[^\w.-]", requirement)[0] for requirement in needed}
    module_of = {
        "scikit-learn": "sklearn",
        "ruamel.yaml": "ruamel",
        "argon2-cffi": "argon2",
        "python-multipart": "python_multipart",
        "pyjwt": "jwt",
    }
    allowed = {module_of.get(name, name) for name in declared} | {"predictor", "distributed"}
    allowed |= sys.stdlib_module_names  # distributed is what the extra of dask brings
    undeclared = [
        f"{path.relative_to(ROOT)}:{line} {name}"
        for path in SOURCES
        for line, name in imported_names(ast.parse(path.read_text(encoding="utf-8")))
        if name.partition(".")[0] not in allowed
    ]
    assert undeclared == []


BANNED_MODULES = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "marshal", "shelve", "yaml"}
BANNED_NAMES = {"joblib.load", "joblib.dump", "markupsafe.Markup", "jinja2.Markup", "os.system", "os.popen"}
BANNED_BUILTINS = {"eval", "exec"}
BANNED_ATTRIBUTES = {"eval", "read_pickle", "to_pickle", "Markup"}
BANNED_KEYWORDS = {("shell", True), ("allow_pickle", True), ("autoescape", False), ("typ", "unsafe")}
SAFE_FILTER = re.compile(r"\|\s*safe\b|\bautoescape\s+false\b")


def banned_calls(source: str) -> list[str]:
    """List what in a module can run code from a file, a shell or a patient's text."""
    tree = ast.parse(source)
    found = [
        f"{line}: {name}"
        for line, name in imported_names(tree)
        if name.partition(".")[0] in BANNED_MODULES or name in BANNED_NAMES
    ]
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=name)) if name in BANNED_BUILTINS:
                found.append(f"{node.lineno}: {name}()")
            case ast.Attribute(attr=attribute) if (
                attribute in BANNED_ATTRIBUTES or ast.unparse(node) in BANNED_NAMES
            ):
                found.append(f"{node.lineno}: {ast.unparse(node)}")
            case ast.keyword(arg=str(arg), value=ast.Constant(value=value)) if (
                arg,
                value,
            ) in BANNED_KEYWORDS:
                found.append(f"{node.value.lineno}: {arg}={value}")
            case ast.Constant(value=str(text)) if SAFE_FILTER.search(text):
                found.append(f"{node.lineno}: unescaped template text")
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_banned_call(path: Path) -> None:
    assert banned_calls(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads",
        "import cloudpickle as safe",
        "import yaml; yaml.load('')",
        "import joblib; joblib.load('model')",
        "from joblib import load as read",
        "eval('1')",
        "exec('1')",
        "frame.eval('a + b')",
        "pandas.read_pickle('x')",
        "subprocess.run('ls', shell=True)",
        "os.system('ls')",
        "from markupsafe import Markup",
        "markupsafe.Markup(name)",
        "numpy.load('x', allow_pickle=True)",
        "Environment(autoescape=False)",
        "YAML(typ='unsafe')",
        "TEMPLATE = '<p>{{ name | safe }}</p>'",
    ],
)
def test_a_banned_call_is_found(source: str) -> None:
    assert banned_calls(source) != []


def test_what_looks_like_a_banned_call_is_not() -> None:
    assert (
        banned_calls("import joblib\njoblib.Parallel()\nmodel.evaluate()\nrun(shell=False)\nx = 'a | safety'")
        == []
    )


def test_templates_escape_everything() -> None:
    templates = [path for path in (PACKAGE / "reports" / "templates").rglob("*") if path.is_file()]
    assert templates, "no template was found"
    unescaped = [path.name for path in templates if SAFE_FILTER.search(path.read_text(encoding="utf-8"))]
    assert unescaped == []
