"""The audit log: nothing is changed unseen, and what cannot be recorded is not answered."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from predictor.errors import ResourceError
from predictor.service.audit import AuditLog, verify_audit

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
