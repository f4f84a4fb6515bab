"""The command line: arguments to one function call each, errors as lines, and the exit code."""

from __future__ import annotations

import sys
from typing import NoReturn

from predictor.cli import codes, experiments, patients, runs, service, signing  # noqa: F401 - each adds its commands
from predictor.cli.base import app, show
from predictor.errors import PredictorError
from predictor.stopping import Stopped

__all__ = ["app", "main"]


def main() -> NoReturn:
    """Run the command line; a user's error ends in lines on stderr and its exit code."""
    as_json = "--json" in sys.argv
    try:
        app(prog_name="predictor", standalone_mode=True)
    except PredictorError as error:
        _report_problems(error, as_json=as_json)
        sys.exit(error.exit_code)
    except Stopped as stopped:
        print("Stopped. The same command goes on where it was.", file=sys.stderr)
        sys.exit(stopped.exit_code)
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        sys.exit(130)
    sys.exit(0)


def _report_problems(error: PredictorError, *, as_json: bool) -> None:
    if as_json:
        keys = ("code", "file", "line", "path", "message", "remedy", "page")
        lines = [{key: getattr(problem, key) for key in keys} for problem in error.problems]
        show({"exit_code": error.exit_code, "problems": lines})
        return
    for problem in error.problems:
        print(problem, file=sys.stderr)
    named = sorted({one.code for one in error.problems if one.explained not in one.remedy})
    if named:
        print(f"More: predictor explain {' '.join(named)}", file=sys.stderr)
