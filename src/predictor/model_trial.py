"""A first load of an estimator in a process of its own, whose memory, time and files are limited.

A crafted file that passes every list may still ask for more memory than there is, or never come to an end. Here the
system stops it, and the process that asked lives on. Run as ``python -m predictor.model_trial PATH < FILE``.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

from predictor.errors import ModelError
from predictor.model_folder import build_estimator, refuse

__all__ = ["try_estimator"]

MOST_MEMORY, MOST_CPU, MOST_WAIT = 4 * 1024**3, 60, 180  # bytes and seconds
REFUSED, NO_MEMORY = 4, 5
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def try_estimator(
    path: Path, data: bytes, *, memory: int = MOST_MEMORY, cpu: int = MOST_CPU, wait: float = MOST_WAIT
) -> None:
    """Build an estimator in a child and throw it away.

    Parameters
    ----------
    path : Path
        Where it was read.
    data : bytes
        Checked by `predictor.model_folder.read_folder`.
    memory : int
        Bytes of address space.
    cpu : int
        Seconds of processor time.
    wait : float
        Seconds in all.

    Raises
    ------
    ModelError
        ART-06 if it takes more than that, ART-03 or ART-04 if it cannot be built.
    """
    command = [sys.executable, "-m", "predictor.model_trial", str(path), str(memory), str(cpu)]
    kept = {name: value for name, value in os.environ.items() if name in ("HOME", "LANG", "LD_LIBRARY_PATH")}
    environment = {
        **kept,
        **dict.fromkeys(THREADS, "1"),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    try:
        ran = subprocess.run(
            command, input=data, capture_output=True, timeout=wait, check=False, env=environment
        )
    except subprocess.TimeoutExpired as error:
        refuse("ART-06", path, f"building it did not end within {wait:g} seconds", error)
    if ran.returncode in (-signal.SIGXCPU, -signal.SIGKILL, NO_MEMORY):
        refuse("ART-06", path, "building it takes more memory or time than a model needs")
    if ran.returncode == REFUSED:
        code, _, message = ran.stdout.decode(errors="replace").strip().partition(" ")
        refuse(code, path, message)
    if ran.returncode != 0:
        refuse("ART-03", path, "its content cannot be read in a process of its own")


def _limit(memory: int, cpu: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> int:
    """Build what standard input holds; the exit status says how it went."""
    path, memory, cpu = sys.argv[1:]
    data = sys.stdin.buffer.read()
    _limit(int(memory), int(cpu))
    try:
        build_estimator(Path(path), data)
    except ModelError as error:
        if isinstance(error.__cause__, MemoryError):
            return NO_MEMORY
        print(error.problems[0].code, error.problems[0].message)
        return REFUSED
    except MemoryError:
        return NO_MEMORY
    return 0


if __name__ == "__main__":
    sys.exit(main())
