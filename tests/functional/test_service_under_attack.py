"""The service as a process of its own under what an attacker, or a broken program, sends; and under too much of it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from service_process import Process, served, wait_until
from trained_clinics import trained, typed

MEBIBYTE = 1024 * 1024
MOST_GROWTH = 10 * MEBIBYTE


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with served(trained("better").folder / "model", tmp_path_factory.mktemp("serve")) as (found, _):
        yield found


def head(process: Process, *lines: str, path: str = "/login") -> bytes:
    first = (f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{process.port}")
    return "\r\n".join([*first, *lines, "", ""]).encode()


def status_of(connection: socket.socket) -> int:
    """Status of the answer; 0 where the connection was closed without one."""
    with contextlib.suppress(OSError):
        got = connection.recv(4096)
        return int(got.split(b" ")[1]) if got else 0
    return 0


FORM = "Content-Type: application/x-www-form-urlencoded"


@pytest.mark.parametrize("path", ["/login", "/api/v1/estimate", "/estimate/clinic-elastic-net", "/healthz"])
def test_web_01_a_body_of_one_byte_too_many_is_not_read(process: Process, path: str) -> None:
    with process.connect() as connection:
        connection.sendall(head(process, FORM, f"Content-Length: {64 * 1024 + 1}", path=path))
        assert status_of(connection) == 413, "answered before a byte of the body was sent"


@pytest.mark.parametrize("path", ["/login", "/api/v1/estimate"])
def test_web_01_a_body_of_150_megabytes_costs_no_memory(process: Process, path: str) -> None:
    before, most = process.memory, 0
    piece = b"x" * (256 * 1024)
    with process.connect() as connection:
        connection.sendall(head(process, FORM, f"Content-Length: {150 * MEBIBYTE}", path=path))
        with contextlib.suppress(OSError):  # it may hang up
            for _ in range(600):
                connection.sendall(piece)
                most = max(most, process.memory)
        most = max(most, process.memory)
        assert status_of(connection) in (0, 413)
    assert most - before <= MOST_GROWTH


@pytest.mark.parametrize("path", ["/login", "/api/v1/estimate"])
def test_web_01_a_body_without_a_length_is_counted(process: Process, path: str) -> None:
    """Chunked, 16 MiB in all: the answer comes after 64 KB, and what is sent afterwards costs nothing."""
    with process.browser() as browser:
        cookie = f"Cookie: session={browser.cookies['session']}"
        csrf = f"X-CSRF-Token: {browser.headers['x-csrf-token']}"
    kind = "Content-Type: application/json" if path.startswith("/api") else FORM
    before, most = process.memory, 0
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    with process.connect() as connection:
        connection.sendall(head(process, kind, "Transfer-Encoding: chunked", cookie, csrf, path=path))
        with contextlib.suppress(OSError):
            for _ in range(256):
                connection.sendall(chunk)
                most = max(most, process.memory)
        assert status_of(connection) in (0, 413)
    with process.client() as client:
        answer = client.post(
            path, content=iter([b"x" * 1000] * 70), headers={"content-type": kind.split(": ")[1]}
        )
        assert answer.status_code == 413 if path == "/login" else answer.status_code in (401, 413)
    assert most - before <= MOST_GROWTH


def test_web_01_a_slow_loris_is_ended_and_others_are_answered(process: Process) -> None:
    """Thirty connections that send a byte of their body each second: 408 within 10 seconds of silence, or 15 in all."""
    before = process.memory
    slow = [process.connect() for _ in range(30)]
    begun = time.monotonic()
    try:
        for one in slow:
            one.sendall(head(process, FORM, "Content-Length: 1000"))
        with process.client() as client:
            assert client.get("/help").status_code == 200, "others are answered meanwhile"
        statuses: dict[int, int] = {}
        while len(statuses) < len(slow) and time.monotonic() - begun < 60:
            for i, one in enumerate(slow):
                if i in statuses:
                    continue
                one.settimeout(0.01)
                with contextlib.suppress(TimeoutError):
                    got = one.recv(4096)
                    statuses[i] = int(got.split(b" ")[1]) if got else 0
                    continue
                with contextlib.suppress(OSError):
                    one.sendall(b"x")
            time.sleep(0.7)
        assert Counter(statuses.values()) == {408: len(slow)}
        assert process.memory - before <= MOST_GROWTH
    finally:
        for one in slow:
            one.close()
    with process.client() as client:
        assert client.get("/healthz").status_code == 200


def test_web_01_whoever_never_ends_its_headers_is_hung_up_on(process: Process) -> None:
    """Also on a connection that was answered before."""
    with process.connect() as fresh, process.connect() as used:
        used.sendall(f"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:{process.port}\r\n\r\n".encode())
        assert status_of(used) == 200
        begun = time.monotonic()
        for one in (fresh, used):
            one.sendall(b"GET /healthz HTTP/1.1\r\n")
        gone: set[socket.socket] = set()
        while len(gone) < 2 and time.monotonic() - begun < 30:
            for one in {fresh, used} - gone:
                one.settimeout(0.01)
                try:
                    if not one.recv(100):
                        gone.add(one)
                        continue
                    one.sendall(b"X-A: b\r\n")
                except TimeoutError:
                    one.sendall(b"X-A: b\r\n")
                except OSError:
                    gone.add(one)
            time.sleep(0.5)
        assert len(gone) == 2


@pytest.mark.parametrize(
    "piece", [b"X-A: b\r\n" * 1000, b"b" * 8000], ids=["many headers", "one long header"]
)
def test_web_01_a_head_that_grows_for_ever_is_hung_up_on_at_once(process: Process, piece: bytes) -> None:
    """Long before the five seconds that a head may take: what comes fast would fill the memory until then."""
    before = process.memory
    with process.connect() as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nX-A: ")
        sent, begun = 0, time.monotonic()
        with contextlib.suppress(ConnectionError):
            while time.monotonic() - begun < 4:
                connection.sendall(piece)
                sent += len(piece)
                time.sleep(0.01)
                if sent > 1_000_000:
                    break
        assert sent <= 1_000_000
        assert time.monotonic() - begun < 4
    assert process.memory - before <= MOST_GROWTH
    with process.client() as client:
        assert client.get("/healthz", headers={"X-A": "b" * 8000}).status_code == 200


HEADERS = ("K\r\nSet-Cookie: evil=1", "K\nX-Evil: 1", "K\r\n\r\n<script>", "K\x00\x85\u2028X")


@pytest.mark.parametrize("pseudonym", HEADERS)
def test_web_11_a_pseudonym_breaks_no_header_and_names_no_file(process: Process, pseudonym: str) -> None:
    with process.browser() as browser:
        token = {"token": browser.headers["x-csrf-token"]}
        model = browser.get("/api/v1/models").json()[0]["id"]
        sent = browser.post(f"/estimate/{model}", data=token | typed(pseudonym=pseudonym))
        assert sent.status_code == 303
        for part in ("", ".json", ".fhir.json"):
            answer = browser.get(sent.headers["location"] + part)
            assert answer.status_code == 200
            assert "x-evil" not in answer.headers
            assert "evil" not in answer.headers.get("set-cookie", "")
            if part:
                named = re.fullmatch(
                    r'attachment; filename="R-[0-9A-F]{8}(\.fhir)?\.json"',
                    answer.headers["content-disposition"],
                )
                assert named, "a name of ours, with nothing of the patient"
        assert "<script>" not in browser.get(sent.headers["location"]).text


def test_web_11_a_files_name_is_never_used(process: Process) -> None:
    with process.browser() as browser:
        model = browser.get("/api/v1/models").json()[0]["id"]
        form = {"token": browser.headers["x-csrf-token"], "model": model}
        names = [name for name in typed() if not name.endswith("__unit")]
        line = ",".join("x" if name == "pseudonym" else typed()[name] for name in names)
        content = ",".join(name.replace("pseudonym", "patient") for name in names) + "\n" + line + "\n"
        for name in ("../../etc/passwd", "a\r\nX-Evil: 1.csv", '"; filename="evil.exe', "x" * 4000):
            files = {"patients": (name, content.encode(), "text/csv")}
            answer = browser.post("/batch", data=form, files=files)
            if answer.status_code == 429:  # five files an hour
                return
            assert answer.status_code == 200, answer.text
            assert answer.headers["content-disposition"] == 'attachment; filename="answers_DEMONSTRATION.csv"'
            assert "x-evil" not in answer.headers


@pytest.mark.parametrize(
    "line",
    ["X-Evil: a\r b", "X-Evil: a\x00b", "Content-Length: 5\r\nContent-Length: 6", "Host: evil.example"],
)
def test_web_11_broken_headers_are_refused(process: Process, line: str) -> None:
    with process.connect() as connection:
        connection.sendall(
            f"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:{process.port}\r\n{line}\r\n\r\n".encode()
        )
        assert status_of(connection) in (0, 400)


def test_web_17_three_times_the_load_is_answered_with_503_alone(process: Process) -> None:
    """Forty-eight clients at once for twenty seconds; the ten minutes are those of the study of the service's load."""
    with process.browser() as browser:
        cookies, token = dict(browser.cookies), browser.headers["x-csrf-token"]
    model = "clinic-elastic-net"
    statuses: Counter[int] = Counter()
    warmed = process.memory
    end = time.monotonic() + 20

    def work() -> None:
        with process.client() as client:
            client.cookies.update(cookies)
            while time.monotonic() < end:
                answer = client.post(f"/estimate/{model}", data=typed() | {"token": token})
                statuses[answer.status_code] += 1
                if answer.status_code == 303:
                    statuses[client.get(answer.headers["location"]).status_code] += 1
                statuses[client.get(f"/estimate/{model}").status_code] += 1

    threads = [threading.Thread(target=work) for _ in range(48)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(120)
    # Thirty estimates a minute and user, then 429: that is the limit of one user and no mistake of the service.
    assert set(statuses) <= {200, 303, 429, 503}
    assert statuses[200] > 0
    begun = time.monotonic()
    with process.client() as client:
        client.cookies.update(cookies)
        wait_until(lambda: client.get(f"/estimate/{model}").status_code == 200, 5)
    assert time.monotonic() - begun <= 5
    assert process.memory - warmed <= 0.25 * warmed


def test_the_service_imports_neither_mlflow_nor_the_libraries_of_training(tmp_path: Path) -> None:
    """A third of its memory, and three seconds of its start."""
    code = (
        "import json, sys; from pathlib import Path; from predictor.service.shelf import open_shelf; "
        "from predictor.service import app; open_shelf([Path(sys.argv[1])], demonstration=True); "
        "print(json.dumps([n for n in ('mlflow', 'sklearn', 'scipy', 'shap') if n in sys.modules]))"
    )
    command = [sys.executable, "-c", code, str(trained("better").folder / "model")]
    ran = subprocess.run(
        command, capture_output=True, text=True, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    assert json.loads(ran.stdout) == []
