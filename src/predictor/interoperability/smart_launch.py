"""SMART App Launch: from the launch to the answer of the EHR, with proof that both come from one browser.

Source: HL7, SMART App Launch 2.2: authorization code with PKCE (S256) and ``state``, public client, scopes of
version 2.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from urllib.parse import urlencode

from predictor.interoperability.partners import SmartServer

__all__ = ["Launch", "Launches", "authorization_url", "has_scopes", "scopes_for"]

MOST_LAUNCHES, KEPT = 1000, 600.0  # seconds
KINDS = ("Patient", "Observation", "Condition", "QuestionnaireResponse", "MedicationRequest")


@dataclass(frozen=True)
class Launch:
    """A launch that waits for its answer.

    Parameters
    ----------
    server : SmartServer
    token_endpoint : str
    browser : str
        What the browser's cookie holds.
    session : str
        Id of the session that the user had; empty without one.
    made : float
    launched : bool
        From inside the EHR.
    state, verifier, nonce : str
    """

    server: SmartServer
    token_endpoint: str
    browser: str
    session: str
    made: float
    launched: bool = True
    state: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(64))
    nonce: str = field(default_factory=lambda: secrets.token_urlsafe(32))

    @property
    def challenge(self) -> str:
        """SHA-256 of the verifier, in base64url without padding (RFC 7636)."""
        digest = hashlib.sha256(self.verifier.encode("ascii")).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


class Launches:
    """Launches of the last ten minutes, in memory alone; each is answered once.

    Parameters
    ----------
    clock : callable
        Seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._waiting: OrderedDict[str, Launch] = OrderedDict()

    def begin(
        self, server: SmartServer, token_endpoint: str, *, browser: str, session: str, launched: bool = True
    ) -> Launch:
        """Remember a launch; the oldest makes room."""
        made = Launch(server, token_endpoint, browser, session, self._clock(), launched)
        with self._lock:
            while len(self._waiting) >= MOST_LAUNCHES:
                self._waiting.popitem(last=False)
            self._waiting[made.state] = made
        return made

    def finish(self, state: str, *, browser: str) -> Launch | None:
        """Return the launch of a state and forget it; None where it is unknown, old, or of another browser."""
        with self._lock:
            found = self._waiting.pop(state, None)
        if found is None or self._clock() - found.made > KEPT or not browser:
            return None
        return found if secrets.compare_digest(found.browser.encode(), browser.encode()) else None


def scopes_for(kinds: Iterable[str], *, launched: bool, sign_in: bool) -> list[str]:
    """Return the least that has to be asked for.

    Parameters
    ----------
    kinds : iterable of str
        Of resources that the model's codes need; the Patient always.
    launched : bool
        From inside an EHR, which has a patient open; else the EHR has to ask for one.
    sign_in : bool
        Whether who is signed in there shall be known.
    """
    wanted = {*kinds, "Patient"}
    reads = [f"patient/{kind}.rs" for kind in KINDS if kind in wanted]
    return ["launch" if launched else "launch/patient", *(("openid", "fhirUser") if sign_in else ()), *reads]


def has_scopes(granted: str, wanted: Iterable[str]) -> bool:
    """Say whether every resource that was asked for may be read, in the notation of either version.

    Parameters
    ----------
    granted : str
        As the EHR answers.
    wanted : iterable of str
        From `scopes_for`.
    """
    given = set(granted.split())
    for scope in wanted:
        if not scope.startswith("patient/"):
            continue
        kind = scope.removesuffix(".rs")
        forms = {f"{one}{right}" for one in (kind, "patient/*") for right in (".rs", ".read", ".cruds", ".*")}
        if not given & forms:
            return False
    return True


def authorization_url(
    endpoint: str, launch: Launch, *, redirect: str, launch_token: str, scopes: list[str]
) -> str:
    """Return where the browser is sent to.

    Parameters
    ----------
    endpoint : str
        Of the EHR's authorization server.
    launch : Launch
    redirect : str
        Our own address for the answer.
    launch_token : str
        What the EHR gave along; empty where the launch did not come from there.
    scopes : list of str
    """
    parameters = {
        "response_type": "code",
        "client_id": launch.server.client_id,
        "redirect_uri": redirect,
        "scope": " ".join(scopes),
        "state": launch.state,
        "aud": launch.server.issuer,
        "code_challenge": launch.challenge,
        "code_challenge_method": "S256",
    }
    parameters |= {"nonce": launch.nonce} if "openid" in scopes else {}
    parameters |= {"launch": launch_token} if launch_token else {}
    return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(parameters)}"
