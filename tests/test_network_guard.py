"""The guard of conftest.py, without which "no network in tests" would be a wish."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ELSEWHERE = "192.0.2.1"  # TEST-NET-1 of RFC 5737: nobody's address


def refused(call: Callable[[], object]) -> bool:
    try:
        call()
    except BaseException as error:
        return type(error).__name__ == "NetworkAttempt"
    return False


@pytest.mark.parametrize("method", ["connect", "connect_ex"])
def test_ops_04_another_machine_is_refused(method: str, network_attempts: list[str]) -> None:
    with socket.socket() as sock:
        assert refused(lambda: getattr(sock, method)((ELSEWHERE, 80)))
    assert network_attempts == [ELSEWHERE]
    network_attempts.clear()


def test_a_datagram_and_a_name_are_refused(network_attempts: list[str]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        assert refused(lambda: sock.sendto(b"", (ELSEWHERE, 53)))
    assert refused(lambda: urllib.request.urlopen("http://example.invalid", timeout=1))
    assert network_attempts == [ELSEWHERE, "example.invalid"]
    network_attempts.clear()


def test_an_attempt_in_a_thread_is_on_record(network_attempts: list[str]) -> None:
    def quietly() -> bool:
        with socket.socket() as sock:
            return refused(lambda: sock.connect((ELSEWHERE, 80)))

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(quietly).result()
    assert network_attempts == [ELSEWHERE]
    network_attempts.clear()


def test_loopback_is_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as client:
        client.connect(server.getsockname())
        assert client.getpeername() == server.getsockname()


def test_ops_04_a_swallowed_refusal_still_fails_the_test(tmp_path: Path) -> None:
    tests = Path(__file__).parent
    shutil.copy(tests / "conftest.py", tmp_path)
    (tmp_path / "test_two.py").write_text(
        f"""
import socket

def test_that_swallows_the_refusal():
    try:
        socket.socket().connect(("{ELSEWHERE}", 80))
    except BaseException:
        pass

def test_that_stays_at_home():
    pass
""",
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(tmp_path)]
    beside = os.pathsep.join([str(tests), os.environ.get("PYTHONPATH", "")])  # what conftest.py imports
    environment = {**os.environ, "PYTHONPATH": beside}
    result = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert "2 passed, 1 error" in result.stdout
    assert f"the test tried to reach ['{ELSEWHERE}']" in result.stdout
