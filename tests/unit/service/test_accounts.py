"""Accounts: no default one, a limit on guesses, and nothing to be learned from the clock."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from predictor.errors import ConfigError, ResourceError
from predictor.service.accounts import Accounts, Limiter
from predictor.service.sessions import ABSOLUTE, IDLE, KEPT, Sessions

PASSWORD = "horse battery staple"


@pytest.fixture
def accounts(tmp_path: Path) -> Accounts:
    return Accounts(tmp_path / "accounts.json")


def test_the_first_account_needs_the_printed_code_and_is_an_admins(
    accounts: Accounts, tmp_path: Path
) -> None:
    code = accounts.set_up_code
    assert code is not None
    assert accounts.check("ada", PASSWORD) is None
    assert accounts.set_up("wrong", "ada", PASSWORD) is None
    made = accounts.set_up(code, "ada", PASSWORD)
    assert made is not None
    assert made.role == "admin"
    assert accounts.set_up_code is None
    assert accounts.set_up(code, "eve", PASSWORD) is None, "the code is good once"
    assert PASSWORD not in (tmp_path / "accounts.json").read_text()
    again = Accounts(tmp_path / "accounts.json")
    assert again.set_up_code is None
    assert again.check("ada", PASSWORD) == made
    assert again.check("ada", PASSWORD + "r") is None


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("Ada", PASSWORD),
        ("a", PASSWORD),
        ("../x", PASSWORD),
        ("ada", "qwxz 1234"),
        ("ada", "x" * 129),
        ("ada-ada-ada-", "ada-ada-ada-"),
    ],
)
def test_names_and_passwords_have_a_form(accounts: Accounts, name: str, password: str) -> None:
    with pytest.raises(ConfigError, match="ACC-01") as told:
        accounts.add(name, password, "clinician")
    assert password not in str(told.value)


def test_a_file_that_others_can_read_is_refused(accounts: Accounts, tmp_path: Path) -> None:
    accounts.add("ada", PASSWORD, "clinician")
    path = tmp_path / "accounts.json"
    assert path.stat().st_mode & 0o077 == 0
    path.chmod(0o644)
    with pytest.raises(ResourceError, match="ACC-02"):
        Accounts(path)


def test_web_08_an_unknown_name_costs_as_much_as_a_wrong_password(accounts: Accounts) -> None:
    accounts.add("ada", PASSWORD, "clinician")

    def cost(name: str) -> float:
        before = time.thread_time()
        assert accounts.check(name, "wrong password here") is None
        return time.thread_time() - before

    known, unknown = (sorted(cost(name) for _ in range(5))[2] for name in ("ada", "eve"))
    assert 0.5 < known / unknown < 2


def test_a_limit_counts_within_its_time() -> None:
    now = [0.0]
    limiter = Limiter(2, 60, clock=lambda: now[0])
    for _ in range(2):
        assert not limiter.spent("ada", "::1")
        limiter.count("ada", "::1")
    assert limiter.spent("ada", "::1")
    assert not limiter.spent("ada", "10.0.0.1")
    now[0] = 61.0
    assert not limiter.spent("ada", "::1")


def test_sessions_end_by_themselves_and_take_their_results_along() -> None:
    now = [0.0]
    sessions = Sessions(clock=lambda: now[0])
    one, other = sessions.begin("ada", "clinician"), sessions.begin("bob", "clinician")
    name = sessions.keep(one, "report")
    assert len(name) == 32
    assert sessions.result(one, name) == "report"
    assert sessions.result(other, name) is None, "another user's"
    now[0] = IDLE - 1
    assert sessions.find(one.id) is one
    now[0] = KEPT
    assert sessions.find(one.id) is None, "nobody has used it for a quarter of an hour"
    assert sessions.find(None) is None
    third = sessions.begin("ada", "clinician")
    began = now[0]
    kept = sessions.keep(third, "report")
    while now[0] < began + ABSOLUTE:
        assert sessions.find(third.id) is third
        now[0] += IDLE - 1
        if now[0] > began + KEPT:
            assert sessions.result(third, kept) is None
    assert sessions.find(third.id) is None, "eight hours are the most"
