"""Who is signed in, and what was made for them: in memory alone, and gone when the time is over.

Nothing of a patient is written to disk. Several processes do not share their sessions, so the service runs in one.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from predictor.service.accounts import Role

__all__ = ["ABSOLUTE", "IDLE", "KEPT", "Session", "Sessions"]

IDLE, ABSOLUTE, KEPT = 15 * 60.0, 8 * 3600.0, 30 * 60.0  # seconds
SWEEP = 1.0  # seconds between two looks for what is over
MOST_RESULTS = 200  # of one session: the oldest makes room
MOST_SESSIONS = 1000


@dataclass
class Session:
    """One browser of one user.

    Parameters
    ----------
    id, token : str
        What the cookie holds, and what every form has to bring back.
    user : str
    role : {"clinician", "reviewer", "admin"}
    begun, seen : float
        On the clock of `Sessions`.
    results : dict of str to (float, object)
        When each was made, and what.
    """

    id: str
    token: str
    user: str
    role: Role
    begun: float
    seen: float
    results: dict[str, tuple[float, object]] = field(default_factory=dict)


class Sessions:
    """All sessions of the process.

    Parameters
    ----------
    clock : callable
        Seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._sessions: dict[str, Session] = {}
        self._swept = clock()

    def begin(self, user: str, role: Role) -> Session:
        """Open a session under a new id, whatever the browser brought along."""
        now = self._clock()
        made = Session(secrets.token_urlsafe(32), secrets.token_urlsafe(32), user, role, now, now)
        with self._lock:
            self._drop_old()
            while len(self._sessions) >= MOST_SESSIONS:
                del self._sessions[min(self._sessions.values(), key=lambda one: one.seen).id]
            self._sessions[made.id] = made
        return made

    def find(self, id_: str | None) -> Session | None:
        """Return the session and count it as seen; None when it is unknown or its time is over."""
        with self._lock:
            self._drop_old()
            found = self._sessions.get(id_ or "")
            if found is not None:
                found.seen = self._clock()
            return found

    def end(self, session: Session) -> None:
        """Forget a session and all that was made in it."""
        with self._lock:
            self._sessions.pop(session.id, None)

    def keep(self, session: Session, result: object) -> str:
        """Keep a result for half an hour, and return its id of 128 random bits."""
        name = secrets.token_hex(16)
        with self._lock:
            while len(session.results) >= MOST_RESULTS:
                session.results.pop(next(iter(session.results)))
            session.results[name] = (self._clock(), result)
        return name

    def change(self, session: Session, name: str, result: object) -> None:
        """Put a result in the place of another, which it does not outlive."""
        with self._lock:
            if name in session.results:
                session.results[name] = (session.results[name][0], result)

    def result(self, session: Session, name: str) -> object | None:
        """Return a result of this session; None when it is another's, unknown or too old."""
        with self._lock:
            self._drop_old()
            found = session.results.get(name)
            return None if found is None else found[1]

    def _drop_old(self) -> None:
        now = self._clock()
        if now - self._swept < SWEEP:  # every request asks, and there can be many results
            return
        self._swept = now
        for one in list(self._sessions.values()):
            if now - one.seen > IDLE or now - one.begun > ABSOLUTE:
                del self._sessions[one.id]
            for name, (made, _) in list(one.results.items()):
                if now - made > KEPT:
                    del one.results[name]
