"""The service goes on when the process that answers dies, and ends altogether when it is asked to."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from predictor.errors import ResourceError
from predictor.service.address import Address, listen
from predictor.service.audit_verification import verify_audit
from predictor.service.supervisor import MOST_DEATHS
from service_process import Process, resident, served, wait_until
from trained_clinics import command_line, trained, typed

MODEL = "clinic-elastic-net"
FORM = "Content-Type: application/x-www-form-urlencoded\r\n"
MEBIBYTE = 1024 * 1024

Served = tuple[Process, "subprocess.Popen[str]"]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Served]:
    with served(trained("better").folder / "model", tmp_path / "state") as both:
        yield both


def kill_worker(process: Process) -> int:
    """Kill the process that answers, and return what it was."""
    worker = process.worker
    os.kill(worker, signal.SIGKILL)
    return worker


def next_worker(process: Process, last: int) -> int:
    """Wait until another process answers, or starts to, and return it."""
    wait_until(lambda: process.worker not in (0, last), 30)
    return process.worker


def gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


class Busy:
    """Somebody who gets one report after another, until there is none."""

    def __init__(self, process: Process) -> None:
        self.reports = 0
        self._process = process
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()
        wait_until(lambda: self.reports > 0, 60)

    def join(self) -> None:
        self._thread.join(60)

    def _ask(self) -> None:
        with self._process.browser() as browser, contextlib.suppress(httpx.TransportError):
            token = {"token": browser.headers["x-csrf-token"]}
            location = "/r/"
            while location.startswith("/r/"):
                answer = browser.post(f"/estimate/{MODEL}", data=token | typed())
                location = answer.headers.get("location", "")
                self.reports += 1


def test_web_16_a_killed_worker_costs_the_request_under_way_and_nobody_elses(service: Served) -> None:
    process, supervisor = service
    with process.browser() as browser:
        cookies = dict(browser.cookies)
    busy = Busy(process)
    with process.connect() as under_way:
        head = ["POST /login HTTP/1.1", f"Host: 127.0.0.1:{process.port}", "Content-Length: 100", FORM]
        under_way.sendall("\r\n".join([*head, "", "name="]).encode())
        time.sleep(0.5)  # it is read, and waited for
        first = kill_worker(process)
        begun = time.monotonic()
        with contextlib.suppress(ConnectionResetError):
            assert under_way.recv(1) == b"", "the connection ends without an answer"
    # Another client, which does not know of it: the connection is made at once, and waits until it is answered.
    with process.client() as client:
        assert client.get("/healthz").status_code == 200
    assert time.monotonic() - begun < 10
    assert process.worker not in (0, first)
    busy.join()
    with process.client() as client:
        client.cookies.update(cookies)
        assert client.get("/").headers["location"].startswith("/login"), "sessions are memory, and gone"
    with process.browser() as browser:
        token = {"token": browser.headers["x-csrf-token"]}
        assert browser.post(f"/estimate/{MODEL}", data=token | typed()).status_code == 303
    assert verify_audit(process.state / "audit")[1] == []
    log = "".join(path.read_text() for path in (process.state / "audit").glob("*.jsonl"))
    assert log.count('"start"') == 2
    assert "the process before ended by signal 9 (SIGKILL)" in log
    supervisor.send_signal(signal.SIGTERM)
    out, err = supervisor.communicate(timeout=30)
    assert supervisor.returncode == 0
    assert out == "", "address and code were printed once"
    assert err == "The process that answers ended by signal 9 (SIGKILL); another one starts in 0.5 s.\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_web_16_a_stop_leaves_no_process_and_frees_the_port(service: Served, number: signal.Signals) -> None:
    process, supervisor = service
    worker = process.worker
    supervisor.send_signal(number)
    assert supervisor.wait(30) == 0
    assert gone(worker)
    with pytest.raises(ConnectionRefusedError):
        process.connect()
    for one in listen(Address("127.0.0.1", process.port)):
        one.close()


def test_web_16_a_stop_also_ends_a_start(service: Served) -> None:
    process, supervisor = service
    first = kill_worker(process)
    starting = next_worker(process, first)
    supervisor.send_signal(signal.SIGTERM)
    assert supervisor.wait(30) == 0
    assert gone(starting)


def test_web_16_a_killed_supervisor_leaves_no_process(service: Served) -> None:
    process, supervisor = service
    worker = process.worker
    supervisor.kill()
    supervisor.wait(30)
    wait_until(lambda: gone(worker), 15)
    assert verify_audit(process.state / "audit")[1] == []


def test_web_16_whoever_dies_again_and_again_is_not_started_for_ever(service: Served) -> None:
    process, supervisor = service
    last = 0
    for _ in range(MOST_DEATHS):
        next_worker(process, last)
        last = kill_worker(process)
    assert supervisor.wait(30) == 5
    assert supervisor.stderr is not None
    err = supervisor.stderr.read()
    assert err.count("another one starts in") == MOST_DEATHS - 1
    assert (
        "WEB-16 the process that answers ended 5 times within a minute, at last by signal 9 (SIGKILL)." in err
    )
    assert "Traceback" not in err


def test_web_16_a_worker_that_hangs_is_replaced_and_one_that_works_is_not(tmp_path: Path) -> None:
    silence = 4.0  # seconds; two signs of life
    with served(trained("better").folder / "model", tmp_path / "state", silence=silence) as (
        process,
        supervisor,
    ):
        first = process.worker
        busy, begun = Busy(process), time.monotonic()
        wait_until(lambda: time.monotonic() - begun > 2 * silence, 60)
        assert process.worker == first, "one that answers all the time is let be"
        hung = time.monotonic()
        os.kill(first, signal.SIGSTOP)
        second = next_worker(process, first)
        assert gone(first)
        assert silence - 1 < time.monotonic() - hung, "not before its time"
        with process.client() as client:
            assert client.get("/healthz").status_code == 200
        busy.join()
        wait_until(lambda: time.monotonic() - hung > 3 * silence, 60)
        assert process.worker == second
        supervisor.send_signal(signal.SIGTERM)
        _, err = supervisor.communicate(timeout=30)
    why = "signal 9 (SIGKILL), as it had shown no sign of life for 4 s"
    assert err == f"The process that answers ended by {why}; another one starts in 0.5 s.\n"
    log = "".join(path.read_text() for path in (tmp_path / "state" / "audit").glob("*.jsonl"))
    assert log.count(f"the process before ended by {why}") == 1
    assert verify_audit(tmp_path / "state" / "audit")[1] == []


def test_web_16_a_worker_that_has_a_tenth_of_its_time_is_let_be(tmp_path: Path) -> None:
    silence = 4.0
    model = trained("better").folder / "model"
    with served(model, tmp_path / "state", silence=silence) as (process, _):
        first = process.worker
        until = time.monotonic() + 3 * silence
        while time.monotonic() < until:
            os.kill(first, signal.SIGSTOP)
            time.sleep(0.9)
            os.kill(first, signal.SIGCONT)
            time.sleep(0.1)
        assert process.worker == first
        with process.client() as client:
            assert client.get("/healthz").status_code == 200


def test_web_16_a_worker_is_not_held_up_by_a_supervisor_that_stands_still(tmp_path: Path) -> None:
    silence = 4.0
    with served(trained("better").folder / "model", tmp_path / "state", silence=silence) as (
        process,
        supervisor,
    ):
        first = process.worker
        supervisor.send_signal(signal.SIGSTOP)
        os.kill(first, signal.SIGSTOP)
        time.sleep(
            2 * silence
        )  # as when the whole machine is stopped: a clock would now tell of a long silence
        supervisor.send_signal(signal.SIGCONT)
        time.sleep(0.2)
        os.kill(first, signal.SIGCONT)
        time.sleep(silence)
        assert process.worker == first
        with process.client() as client:
            assert client.get("/healthz").status_code == 200


def test_web_16_the_supervisor_holds_no_model(service: Served) -> None:
    process, _ = service
    assert resident(process.pid) < 40 * MEBIBYTE < process.memory
    maps = Path(f"/proc/{process.pid}/maps").read_text()
    assert "numpy" not in maps
    assert "ssl" not in maps


def serve(*arguments: object) -> list[str]:
    answer = command_line("serve", *arguments)
    assert answer.code in (2, 4, 5, 6)
    assert answer.out == ""
    return answer.errors


def test_why_the_service_does_not_open_comes_from_the_process_that_would_answer(tmp_path: Path) -> None:
    model = trained("better").folder / "model"
    state = ("--state", tmp_path / "state", "--port", free())
    (unsigned,) = serve(model, *state)
    assert "ART-20 an unsigned model is not offered to clinicians" in unsigned
    (tmp_path / "empty").mkdir()
    assert "ART-" in serve(tmp_path / "empty", "--demonstration", *state)[0]


def free() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


def test_a_taken_port_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        model = trained("better").folder / "model"
        (problem,) = serve(model, "--demonstration", "--state", tmp_path, "--port", port)
    assert problem.startswith(
        f"WEB-20 the service cannot listen at 127.0.0.1:{port} (Address already in use)."
    )


def test_a_name_without_an_address_is_told() -> None:
    def nowhere(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("predictor.service.address.socket.getaddrinfo", nowhere)
        with pytest.raises(ResourceError, match=r"WEB-20 .*\(the name has no address\)"):
            listen(Address("clinic.invalid", 8000))


def test_localhost_is_every_address_of_it() -> None:
    opened = listen(Address("localhost", free()))
    try:
        known = {one[4][0] for one in socket.getaddrinfo("localhost", 80, type=socket.SOCK_STREAM)}
        assert {one.getsockname()[0] for one in opened} <= known
        assert "127.0.0.1" in {one.getsockname()[0] for one in opened}
    finally:
        for one in opened:
            one.close()
