"""Whether a CDS client is who it says it is: its signed token, checked against what the hospital has allowed.

Source: HL7, CDS Hooks 2.0, "Trusting CDS clients": ES384 or RS384; ``iss``, ``aud``, ``exp``, ``iat``, ``jti``. Keys
come from the one address that is configured for the issuer. A token that names another address is refused, and nothing
is asked of that address.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import jwt

from predictor.interoperability.partners import CdsClient

__all__ = ["ClientTokens", "TokenRefused"]

ALGORITHMS = ("ES384", "RS384")
REQUIRED = ("iss", "aud", "exp", "iat", "jti")
LEEWAY, LONGEST = 30.0, 600.0  # seconds: of clocks that differ, and of a token's life
LONGEST_TOKEN, LONGEST_ID = 8192, 200  # characters
FETCH_SECONDS, MOST_KEYS, KEPT, AGAIN = 5.0, 64 * 1024, 600.0, 30.0
MOST_IDS = 100_000


class TokenRefused(Exception):  # noqa: N818 - the answer is 401
    """A token is missing or cannot be trusted; the reason is for the log alone."""


class ClientTokens:
    """Checks tokens, and remembers which were used.

    Parameters
    ----------
    clients : sequence of CdsClient
    clock : callable
        Seconds since 1970.
    """

    def __init__(self, clients: list[CdsClient], clock: Callable[[], float] = time.time) -> None:
        self._clients = {one.issuer: one for one in clients}
        self._clock, self._lock = clock, threading.Lock()
        self._used: dict[tuple[str, str], float] = {}
        self._keys: dict[str, tuple[float, jwt.PyJWKSet]] = {}

    def check(self, authorization: str, audiences: list[str]) -> str:
        """Return the issuer of a token that can be trusted.

        Parameters
        ----------
        authorization : str
            The header.
        audiences : list of str
            Addresses of the service, one of which the token has to be for.

        Raises
        ------
        TokenRefused
        """
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token or len(token) > LONGEST_TOKEN:
            raise TokenRefused("no token")
        try:
            header = jwt.get_unverified_header(token)
            issuer = jwt.decode(token, options={"verify_signature": False}).get("iss")
        except (jwt.PyJWTError, ValueError, AttributeError) as error:
            raise TokenRefused("no token") from error
        client = self._clients.get(issuer) if isinstance(issuer, str) else None
        if client is None:
            raise TokenRefused("issuer")
        if header.get("alg") not in ALGORITHMS:
            raise TokenRefused("algorithm")
        if header.get("jku", client.jku) != client.jku:
            raise TokenRefused("jku")
        claims = self._verified(token, header, client, audiences)
        self._use_once(client.issuer, str(claims["jti"]), float(claims["exp"]))
        return client.issuer

    def _verified(
        self, token: str, header: Mapping[str, Any], client: CdsClient, audiences: list[str]
    ) -> dict[str, Any]:
        key = self._key(client, header.get("kid"))
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[str(header["alg"])],
                audience=audiences,
                issuer=client.issuer,
                leeway=LEEWAY,
                options={"require": list(REQUIRED), "verify_exp": False, "verify_iat": False},
            )
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            raise TokenRefused("signature or claims") from error
        times = claims["exp"], claims["iat"]
        if any(isinstance(one, bool) or not isinstance(one, int | float) for one in times):
            raise TokenRefused("times")
        now = self._clock()
        if (
            not (claims["iat"] - LEEWAY <= now < claims["exp"] + LEEWAY)
            or claims["exp"] - claims["iat"] > LONGEST
        ):
            raise TokenRefused("expired")
        if not isinstance(claims["jti"], str) or not 0 < len(claims["jti"]) <= LONGEST_ID:
            raise TokenRefused("jti")
        return claims

    def _use_once(self, issuer: str, id_: str, until: float) -> None:
        now = self._clock()
        with self._lock:
            if len(self._used) >= MOST_IDS:
                self._used = {key: end for key, end in self._used.items() if end + LEEWAY > now}
            if self._used.get((issuer, id_), 0.0) + LEEWAY > now or len(self._used) >= MOST_IDS:
                raise TokenRefused("used before")
            self._used[issuer, id_] = until

    def _key(self, client: CdsClient, kid: object) -> jwt.PyJWK:
        """Return the key of this name; an unknown one is looked for anew, but not at every request."""
        if not isinstance(kid, str):
            raise TokenRefused("kid")
        fetched, keys = self._keys.get(client.jku, (float("-inf"), None))
        age = self._clock() - fetched
        found = _named(keys, kid)
        if age > KEPT or (found is None and age > AGAIN):
            fresh = _fetch(client.jku)
            self._keys[client.jku] = (self._clock(), fresh)
            found = _named(fresh, kid)
        if found is None:
            raise TokenRefused("kid")
        return found


def _named(keys: jwt.PyJWKSet | None, kid: str) -> jwt.PyJWK | None:
    return next((one for one in keys.keys if one.key_id == kid), None) if keys is not None else None


def _fetch(address: str) -> jwt.PyJWKSet:
    """Fetch keys from an address that the hospital's file names; another address is never followed to."""
    try:
        with (
            httpx.Client(timeout=FETCH_SECONDS, follow_redirects=False, trust_env=False) as client,
            client.stream("GET", address) as answer,
        ):
            if answer.status_code != 200:
                raise TokenRefused("keys")
            content = b""
            for part in answer.iter_bytes():
                content += part
                if len(content) > MOST_KEYS:
                    raise TokenRefused("keys")
        return jwt.PyJWKSet.from_json(content.decode())
    except (httpx.HTTPError, jwt.PyJWTError, ValueError, AttributeError) as error:
        raise TokenRefused("keys") from error
