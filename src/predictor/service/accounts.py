"""Who may sign in: names, roles and argon2id hashes in one file, and a limit on guesses.

There is no default account. Until one is made, the service prints a code once at every start (a process that is
replaced is none); whoever has it makes the first account, an admin's.
"""

from __future__ import annotations

import hmac
import json
import re
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

from predictor.durable import write_atomically
from predictor.errors import ConfigError, Problem, ResourceError

__all__ = ["ROLES", "Account", "Accounts", "Limiter", "Role"]

Role = Literal["clinician", "reviewer", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
NAME = re.compile(r"[a-z][a-z0-9._-]{1,31}")
SHORTEST, LONGEST = 12, 128


@dataclass(frozen=True)
class Account:
    """A name, what its owner may do, and the hash of the password."""

    name: str
    role: Role
    hash: str


class Accounts:
    """The file of accounts, readable by its owner alone.

    Parameters
    ----------
    path : Path
        JSON; made with the first account.
    set_up_code : str or None
        What makes the first account where there is none; drawn anew without it.

    Raises
    ------
    ResourceError
        ACC-02, when the file is not one of accounts, or others can read it.
    """

    def __init__(self, path: Path, *, set_up_code: str | None = None) -> None:
        from argon2 import PasswordHasher  # only a service needs it

        self._path, self._lock, self._hasher = path, threading.Lock(), PasswordHasher()
        self._accounts = _read(path)
        # Somebody unknown costs the same time as a wrong password, so that no name can be told from the clock.
        self._nobody = self._hasher.hash(secrets.token_hex(16))
        self._code = None if self._accounts else set_up_code or secrets.token_urlsafe(12)

    @property
    def set_up_code(self) -> str | None:
        """What makes the first account; None once there is one."""
        return self._code

    def set_up(self, code: str, name: str, password: str) -> Account | None:
        """Make the first account, an admin's; None when the code is not the one that was printed."""
        with self._lock:
            if self._code is None or not hmac.compare_digest(code.encode(), self._code.encode()):
                return None
            return self._add(name, password, "admin")

    def add(self, name: str, password: str, role: Role) -> Account:
        """Make an account.

        Parameters
        ----------
        name : str
            2 to 32 small letters, digits, dots, hyphens or underscores.
        password : str
            12 to 128 characters; anything else about it is its owner's affair.
        role : {"clinician", "reviewer", "admin"}

        Raises
        ------
        ConfigError
            ACC-01, naming what the name or the password has to be.
        ResourceError
            TRN-04, TRN-05.
        """
        with self._lock:
            return self._add(name, password, role)

    def _add(self, name: str, password: str, role: Role) -> Account:
        problems = []
        if not NAME.fullmatch(name):
            remedy = "Write 2 to 32 small letters, digits, dots, hyphens or underscores, the first a letter"
            problems.append(Problem("ACC-01", "the name of the account does not have its form", remedy))
        if name in self._accounts:
            problems.append(Problem("ACC-01", "there is an account of this name", "Choose another name"))
        if not SHORTEST <= len(password) <= LONGEST or password == name:
            remedy = f"Choose {SHORTEST} to {LONGEST} characters; several words are best"
            problems.append(Problem("ACC-01", "the password is too short, too long, or the name", remedy))
        if problems:
            raise ConfigError(problems)
        made = Account(name, role, self._hasher.hash(password))
        accounts = self._accounts | {name: made}
        text = json.dumps([asdict(one) for one in accounts.values()], indent=2)
        write_atomically(self._path, text.encode())
        self._path.chmod(0o600)
        self._accounts, self._code = accounts, None
        return made

    def check(self, name: str, password: str) -> Account | None:
        """Return the account when the password is its own."""
        from argon2.exceptions import VerificationError

        account = self._accounts.get(name) if len(password) <= LONGEST else None
        try:
            self._hasher.verify(account.hash if account else self._nobody, password)
        except VerificationError:
            return None
        return account


def _read(path: Path) -> dict[str, Account]:
    if not path.exists():
        return {}
    remedy = "Restore it, and let its owner alone read it (mode 600)"
    if path.stat().st_mode & 0o077:
        raise ResourceError(Problem("ACC-02", "others can read the accounts", remedy, file=str(path)))
    try:
        found = [Account(**entry) for entry in json.loads(path.read_text(encoding="utf-8"))]
    except (ValueError, TypeError) as error:
        problem = Problem("ACC-02", "the file of accounts cannot be read", remedy, file=str(path))
        raise ResourceError(problem) from error
    return {one.name: one for one in found}


class Limiter:
    """How often something happened lately; in memory, so it counts per process.

    Parameters
    ----------
    most : int
    within : float
        Seconds.
    clock : callable
        Seconds that never go back.
    """

    def __init__(self, most: int, within: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._within, self._clock = most, within, clock
        self._times: dict[tuple[str, ...], deque[float]] = {}
        self._lock = threading.Lock()

    def spent(self, *key: str) -> bool:
        """Whether it may not happen again for now."""
        with self._lock:
            self._forget_old()
            return len(self._times.get(key, ())) >= self._most

    def count(self, *key: str) -> None:
        """Remember that it happened."""
        with self._lock:
            self._forget_old()
            self._times.setdefault(key, deque()).append(self._clock())

    def forget(self, *key: str) -> None:
        """Begin anew."""
        with self._lock:
            self._times.pop(key, None)

    def _forget_old(self) -> None:
        oldest = self._clock() - self._within
        for key, times in list(self._times.items()):
            while times and times[0] < oldest:
                times.popleft()
            if not times:
                del self._times[key]
