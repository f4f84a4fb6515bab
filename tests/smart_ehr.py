"""An EHR to launch from: its authorization server and its FHIR resources, on real sockets of loopback.

It is the other side and does what SMART App Launch asks of it: it checks the client, the redirect, PKCE, the code
(once), and the token with its scopes and its end.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt


@dataclass
class Ehr:
    """What it knows, how it behaves, and what it was asked."""

    address: str = ""
    client_id: str = "predictor"
    redirect: str = ""
    resources: list[dict[str, Any]] = field(default_factory=list)
    grant: str | None = None  # scopes that are granted; those that were asked for
    deny: bool = False
    lasts: float = 300.0
    pkce: tuple[str, ...] = ("S256",)
    fault: str = ""
    page: int = 100
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    tokens: dict[str, tuple[float, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    @property
    def issuer(self) -> str:
        return f"{self.address}/fhir"

    def authorize(self, query: dict[str, str]) -> tuple[int, str]:
        """Return the status and where the browser goes; whoever is signed in agrees."""
        right = query.get("client_id") == self.client_id and query.get("redirect_uri") == self.redirect
        if not right or query.get("aud") != self.issuer or query.get("response_type") != "code":
            return 400, ""
        if query.get("code_challenge_method") != "S256" or not query.get("code_challenge"):
            return 400, ""
        back = {"state": query["state"]}
        if self.deny:
            return 302, f"{self.redirect}?{urlencode(back | {'error': 'access_denied'})}"
        code = secrets.token_urlsafe(16)
        self.codes[code] = query
        return 302, f"{self.redirect}?{urlencode(back | {'code': code})}"

    def token(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        query = self.codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        proof = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if query is None or proof != query["code_challenge"] or form.get("redirect_uri") != self.redirect:
            return 400, {"error": "invalid_grant"}
        scope = query["scope"] if self.grant is None else self.grant
        token = secrets.token_urlsafe(16)
        self.tokens[token] = (time.time() + self.lasts, scope)
        answer: dict[str, Any] = {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": 300,
            "scope": scope,
        }
        answer["patient"] = "p1"
        if "openid" in scope:
            claims = {
                "iss": self.issuer,
                "aud": self.client_id,
                "exp": time.time() + 300,
                "nonce": query.get("nonce"),
                "fhirUser": f"{self.issuer}/Practitioner/dr7",
            }
            answer["id_token"] = jwt.encode(claims, "k" * 32, algorithm="HS256")
        return 200, answer

    def fhir(self, path: str, query: dict[str, str], authorization: str) -> tuple[int, Any]:
        until, scope = self.tokens.get(authorization.removeprefix("Bearer "), (0.0, ""))
        kind, _, id_ = path.partition("/")
        if time.time() > until or f"patient/{kind}.rs" not in scope.split():
            return 401, {"resourceType": "OperationOutcome", "issue": []}
        if id_:
            found = [one for one in self.resources if (one["resourceType"], one["id"]) == (kind, id_)]
            return (200, found[0]) if found else (404, {})
        codes = set(query.get("code", "").split(","))
        matching = [one for one in self.resources if one["resourceType"] == kind and _has(one, codes)]
        first = int(query.get("_from", "0"))
        bundle: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset"}
        bundle["entry"] = [{"resource": one} for one in matching[first : first + self.page]]
        if first + self.page < len(matching):
            following = urlencode(query | {"_from": str(first + self.page)})
            bundle["link"] = [{"relation": "next", "url": f"{self.issuer}/{kind}?{following}"}]
        return 200, bundle


def _has(resource: dict[str, Any], codes: set[str]) -> bool:
    coding = resource.get("code", {}).get("coding", [])
    return codes == {""} or any(f"{one['system']}|{one['code']}" in codes for one in coding)


FAULTS = {
    "500": (500, b"{}"),
    "malformed": (200, b'{"resourceType": "Patient", "id": "p1", '),
    "html": (200, b"<html>Sign in</html>"),
    "large": (200, b'{"a": "' + b"x" * 2_000_000 + b'"}'),
}


class Handler(BaseHTTPRequestHandler):
    """Its HTTP."""

    server: Server

    def do_GET(self) -> None:
        ehr = self.server.ehr
        parts = urlsplit(self.path)
        ehr.asked.append(parts.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path == "/fhir/.well-known/smart-configuration":
            self.answer(
                200,
                {
                    "authorization_endpoint": f"{ehr.address}/authorize",
                    "token_endpoint": f"{ehr.address}/token",
                    "code_challenge_methods_supported": list(ehr.pkce),
                },
            )
        elif parts.path == "/authorize":
            status, place = ehr.authorize(query)
            self.answer(status, {}, **({"location": place} if place else {}))
        elif not self.faulty():
            status, content = ehr.fhir(
                parts.path.removeprefix("/fhir/"), query, self.headers.get("authorization", "")
            )
            self.answer(status, content)

    def do_POST(self) -> None:
        self.server.ehr.asked.append(self.path)
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        self.answer(*self.server.ehr.token({name: values[0] for name, values in parse_qs(body).items()}))

    def faulty(self) -> bool:
        fault = self.server.ehr.fault
        if fault == "slow":
            time.sleep(30)
        elif fault == "redirect":
            self.answer(302, {}, location="http://169.254.169.254/latest")
        elif fault:
            self.raw(*FAULTS[fault])
        return bool(fault)

    def answer(self, status: int, content: Any, **headers: str) -> None:
        self.raw(status, json.dumps(content).encode(), **headers)

    def raw(self, status: int, content: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"content-length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    """Where it listens."""

    daemon_threads = True
    block_on_close = False  # one that is slow on purpose need not be waited for

    def __init__(self, ehr: Ehr) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.ehr = ehr

    def handle_error(self, *_: object) -> None:
        pass  # who asked has gone


@contextmanager
def running_ehr() -> Iterator[Ehr]:
    """Start it, and give what it knows."""
    ehr = Ehr()
    server = Server(ehr)
    ehr.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield ehr
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()
