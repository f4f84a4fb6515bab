"""The audit log: nothing is changed unseen, and what cannot be recorded is not answered."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from predictor.durable import write_atomically
from predictor.errors import ResourceError
from predictor.service.audit import AuditLog
from predictor.service.audit_chain import HEAD, HEAD_BYTES, End, read_head
from predictor.service.audit_verification import verify_audit
from service_process import wait_until

DAY = datetime(2026, 11, 27, 23, 59, tzinfo=UTC)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[AuditLog]:
    made = AuditLog(tmp_path / "audit")
    yield made
    made.close()


def write(log: AuditLog, n: int = 5) -> None:
    for i in range(n):
        log.record(
            "estimate", user="ada", outcome="estimate", pseudonym="CANARY-7", now=DAY + timedelta(minutes=i)
        )


def files(folder: Path) -> list[Path]:
    return sorted((folder / "audit").glob("*.jsonl"))


def test_one_file_per_day_and_the_chain_goes_on(log: AuditLog, tmp_path: Path) -> None:
    write(log)
    assert [path.name for path in files(tmp_path)] == ["2026-11-27.jsonl", "2026-11-28.jsonl"]
    assert verify_audit(tmp_path / "audit") == (5, [])


def test_a_pseudonym_stands_nowhere_and_is_found_again(log: AuditLog, tmp_path: Path) -> None:
    write(log, 2)
    text = "".join(path.read_text() for path in files(tmp_path))
    assert "CANARY" not in text
    subjects = {json.loads(line)["subject"] for line in text.splitlines()}
    assert subjects == {log.subject("CANARY-7")}
    assert log.subject("CANARY-8") not in subjects


@pytest.mark.parametrize("place", range(5))
def test_web_14_an_edited_line_is_named(log: AuditLog, tmp_path: Path, place: int) -> None:
    write(log)
    path = files(tmp_path)[0 if place == 0 else 1]
    lines = path.read_text().splitlines(keepends=True)
    at = 0 if place == 0 else place - 1
    lines[at] = lines[at].replace('"ada"', '"eve"')
    path.write_text("".join(lines))
    _, problems = verify_audit(tmp_path / "audit")
    assert (problems[0].code, problems[0].file, problems[0].line) == ("AUD-03", str(path), at + 1)


@pytest.mark.parametrize("place", range(4))
def test_web_14_a_line_taken_out_is_named_also_the_last(log: AuditLog, tmp_path: Path, place: int) -> None:
    write(log)
    path = files(tmp_path)[1]
    lines = path.read_text().splitlines(keepends=True)
    del lines[place]
    path.write_text("".join(lines))
    _, problems = verify_audit(tmp_path / "audit")
    assert [one.code for one in problems] == ["AUD-03"]


def test_two_lines_that_change_places_are_named(log: AuditLog, tmp_path: Path) -> None:
    write(log)
    path = files(tmp_path)[1]
    first, second, *rest = path.read_text().splitlines(keepends=True)
    path.write_text("".join([second, first, *rest]))
    assert verify_audit(tmp_path / "audit")[1]


def test_a_log_goes_on_after_a_restart(tmp_path: Path) -> None:
    for _ in range(2):
        log = AuditLog(tmp_path / "audit")
        write(log, 2)
        log.close()
    assert verify_audit(tmp_path / "audit") == (4, [])


def test_two_services_do_not_write_one_log(log: AuditLog, tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match="AUD-02"):
        AuditLog(tmp_path / "audit")


def test_web_14_what_cannot_be_recorded_is_refused_and_leaves_no_half_line(
    log: AuditLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(log, 1)

    def half(descriptor: int, data: bytes) -> int:
        return real(descriptor, data[:10])

    import os

    real = os.write
    monkeypatch.setattr("predictor.service.audit.os.write", half)
    with pytest.raises(ResourceError, match="AUD-01"):
        write(log, 1)
    monkeypatch.undo()
    write(log, 1)
    assert verify_audit(tmp_path / "audit") == (2, [])


def kill_after_a_line(log: AuditLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """Write two lines, the second as a process does that is killed before it writes the head; return that line."""

    class Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        raise Killed

    write(log, 1)
    with monkeypatch.context() as patch:
        patch.setattr("predictor.service.audit.write_head", killed)
        with pytest.raises(Killed):
            log.record("read", user="ada", now=DAY)
    log.close()
    return files(tmp_path)[0].read_bytes().splitlines(keepends=True)[1]


def test_web_16_a_line_that_was_whole_when_the_process_was_killed_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill_after_a_line(AuditLog(tmp_path / "audit"), tmp_path, monkeypatch)
    count, problems = verify_audit(tmp_path / "audit", patience=0.1)
    assert count == 2
    assert "the last line is not in head.json yet" in problems[0].message
    log = AuditLog(tmp_path / "audit")
    assert log.mended == "mended: the last line is not in head.json yet"
    assert verify_audit(tmp_path / "audit") == (2, [])
    write(log, 2)
    log.close()
    assert verify_audit(tmp_path / "audit") == (4, [])


@pytest.mark.parametrize("next_day", [False, True])
def test_web_16_a_line_that_had_only_begun_is_taken_away_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, next_day: bool
) -> None:
    """Wherever the system stopped writing, and also where the line was the first of its day."""
    line = kill_after_a_line(AuditLog(tmp_path / "audit"), tmp_path, monkeypatch)
    whole = files(tmp_path)[0].read_bytes().removesuffix(line)
    for length in (1, 20, len(line) // 2, len(line) - 2):
        torn = files(tmp_path)[0]
        torn.write_bytes(whole)
        if next_day:
            torn = tmp_path / "audit" / "2026-11-28.jsonl"
        with torn.open("ab") as file:
            file.write(line[:length])
        count, problems = verify_audit(tmp_path / "audit", patience=0.1)
        assert count == 1
        assert "the last line has only begun" in problems[0].message
        log = AuditLog(tmp_path / "audit")
        log.close()
        assert log.mended == "mended: the last line has only begun"
        assert verify_audit(tmp_path / "audit") == (1, [])
    log = AuditLog(tmp_path / "audit")
    assert log.mended == ""
    write(log, 3)
    log.close()
    assert verify_audit(tmp_path / "audit") == (4, [])


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: [*lines[:-1], lines[-1][:-20]],
        lambda lines: [*lines[:-1], lines[-1].replace(b'"ada"', b'"eve"')],
        lambda lines: lines[:-1],
        lambda lines: [*lines, b"another line\n"],
        lambda lines: [*lines, lines[-1]],
        lambda lines: [*lines[:-2], lines[-2][:-20] + lines[-1]],
    ],
    ids=["cut", "edited", "taken out", "added", "doubled", "joined"],
)
def test_web_16_what_another_hand_did_is_not_mended(
    tmp_path: Path, change: Callable[[list[bytes]], list[bytes]]
) -> None:
    log = AuditLog(tmp_path / "audit")
    write(log)
    log.close()
    path = files(tmp_path)[1]
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))
    before = {one: one.read_bytes() for one in (tmp_path / "audit").iterdir()}
    again = AuditLog(tmp_path / "audit")
    assert again.mended == ""
    again.close()
    assert {one: one.read_bytes() for one in (tmp_path / "audit").iterdir()} == before
    assert verify_audit(tmp_path / "audit")[1]


def test_web_14_a_line_whose_head_cannot_be_written_is_taken_back(
    log: AuditLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    write(log, 1)
    monkeypatch.setattr("predictor.service.audit.write_head", full)
    with pytest.raises(ResourceError, match=r"AUD-01 .*No space left"):
        write(log, 1)
    monkeypatch.undo()
    assert verify_audit(tmp_path / "audit") == (1, [])
    write(log, 1)
    assert verify_audit(tmp_path / "audit") == (2, [])


WRITER = """
import sys
from pathlib import Path
from predictor.service.audit import AuditLog
from predictor.service.audit_chain import HEAD, HEAD_BYTES, End, read_head
log = AuditLog(Path(sys.argv[1]))
while True:
    log.record("estimate", user="ada", pseudonym="K-1")
"""


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Path]:
    """A folder in which a process of its own writes one line after the other."""
    with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path / "audit")]) as child:
        try:
            wait_until(lambda: (tmp_path / "audit" / "head.json").exists(), 30)
            yield tmp_path / "audit"
        finally:
            child.kill()


def test_a_log_that_is_being_written_is_as_it_was_written(writer: Path) -> None:
    found = []
    until = time.monotonic() + 4
    while time.monotonic() < until:
        lines, problems = verify_audit(writer)
        assert problems == []
        found.append(lines)
    assert found == sorted(found)
    assert found[-1] > found[0], "something was written meanwhile"
    assert len(found) > 20


def test_web_14_what_was_changed_is_named_also_while_the_log_is_being_written(writer: Path) -> None:
    wait_until(lambda: verify_audit(writer)[0] > 10, 30)
    path = files(writer.parent)[0]
    at = path.read_bytes().index(b'"ada"')
    with path.open("r+b") as file:
        file.seek(at)
        file.write(b'"eve"')
    for _ in range(3):
        lines, (problem,) = verify_audit(writer)
        assert lines > 10
        assert (problem.code, problem.line) == ("AUD-03", 1)
    with path.open("r+b") as file:
        file.seek(at)
        file.write(b'"ada"')
    assert verify_audit(writer)[1] == []


def test_a_head_that_follows_late_is_waited_for(log: AuditLog, tmp_path: Path) -> None:
    """A disk that is slow between a line and the head: what is read there is no rest of a kill."""
    write(log, 2)
    head = tmp_path / "audit" / "head.json"
    before = head.read_bytes()
    write(log, 1)
    after = head.read_bytes()
    head.write_bytes(before)
    late = threading.Timer(0.5, lambda: write_atomically(head, after))
    late.start()
    assert verify_audit(tmp_path / "audit") == (3, [])
    late.join()
    head.write_bytes(before)
    (problem,) = verify_audit(tmp_path / "audit", patience=0.1)[1]
    assert "the last line is not in head.json yet" in problem.message


def test_a_line_that_a_full_disk_took_back_is_none(log: AuditLog, tmp_path: Path) -> None:
    write(log, 1)
    path = files(tmp_path)[0]
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:-20])
    back = threading.Timer(0.2, lambda: path.write_bytes(whole))
    back.start()
    assert verify_audit(tmp_path / "audit", patience=1.0) == (1, [])
    back.join()


def test_the_head_keeps_its_length_and_one_that_is_half_of_another_is_none(
    log: AuditLog, tmp_path: Path
) -> None:
    """It is written over in place: whoever reads it in that moment reads again, and never takes it for an end."""
    head, written = tmp_path / "audit" / HEAD, []
    for _ in range(11):
        write(log, 1)
        written.append(head.read_bytes())
    assert {len(one) for one in written} == {HEAD_BYTES}
    assert read_head(tmp_path / "audit").lines == 11
    head.write_bytes(written[9][:60] + written[10][60:])
    assert read_head(tmp_path / "audit") == End(-1, "")
    (count, problems) = verify_audit(tmp_path / "audit", patience=0)
    assert count == 11
    assert [one.code for one in problems] == ["AUD-03"]


def test_a_head_of_an_older_version_is_read(log: AuditLog, tmp_path: Path) -> None:
    write(log, 3)
    head = tmp_path / "audit" / HEAD
    known = json.loads(head.read_bytes())
    head.write_text(json.dumps({"lines": known["lines"], "hash": known["hash"]}))
    assert verify_audit(tmp_path / "audit") == (3, [])
    write(log, 1)
    assert verify_audit(tmp_path / "audit") == (4, [])


def test_a_head_that_did_not_reach_the_disk_is_taken_back_with_its_line(
    log: AuditLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bytes are written before the disk says no: line and head would not fit at the next start."""
    write(log, 2)
    done, real = [], os.fsync

    def broken(descriptor: int) -> None:
        done.append(descriptor)
        if len(done) == 2:  # the first is the line's
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", broken)
        with pytest.raises(ResourceError, match="AUD-01"):
            write(log, 1)
    assert verify_audit(tmp_path / "audit", patience=0) == (2, [])
    write(log, 1)
    assert verify_audit(tmp_path / "audit") == (3, [])


def test_a_link_in_the_place_of_the_head_is_not_followed(log: AuditLog, tmp_path: Path) -> None:
    write(log, 1)
    other = tmp_path / "other"
    other.write_text("somebody else's")
    (tmp_path / "audit" / HEAD).unlink()
    (tmp_path / "audit" / HEAD).symlink_to(other)
    with pytest.raises(ResourceError, match="AUD-01"):
        write(log, 1)
    assert other.read_text() == "somebody else's"
