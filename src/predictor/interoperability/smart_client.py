"""What is asked of an EHR after a launch: its configuration, a token, and the patient's resources.

Every request goes to an allowed origin, follows no redirect, and all together take 10 seconds at most. The token is
used here and nowhere kept.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

import httpx
import jwt

from predictor.interoperability.bundle import MOST_BYTES, READ, Entry
from predictor.interoperability.coded_inputs import CodedInput
from predictor.interoperability.partners import SmartServer
from predictor.interoperability.smart_launch import Launch, has_scopes
from predictor.strict_json import read_json

__all__ = [
    "SECONDS",
    "Granted",
    "SmartError",
    "fetch_patient",
    "find_endpoints",
    "granted",
    "kinds_of",
    "open_client",
]

SECONDS, MOST_PAGES, PAGE = 10.0, 5, 100
ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
USER = re.compile(r"(?:https?://[^\s?#]+/)?((?:Practitioner|PractitionerRole)/[A-Za-z0-9\-.]{1,64})")


class SmartError(Exception):
    """The EHR refused, or did not answer as the standard asks; the text is for the user."""


class Granted:
    """What the EHR allowed.

    Parameters
    ----------
    token : str
        Lives as long as this object.
    patient : str
        Id of the patient.
    user : str
        Reference to who is signed in there; empty where it was not asked for.
    """

    def __init__(self, token: str, patient: str, user: str) -> None:
        self.token, self.patient, self.user = token, patient, user

    def __repr__(self) -> str:
        return "Granted(…)"


def open_client() -> httpx.AsyncClient:
    """Return a client that follows nothing, and believes no proxy of the environment."""
    return httpx.AsyncClient(timeout=SECONDS, follow_redirects=False, trust_env=False)


async def find_endpoints(client: httpx.AsyncClient, server: SmartServer) -> tuple[str, str]:
    """Ask the EHR where its authorization and token endpoints are.

    Raises
    ------
    SmartError
    """
    found = await _json(client, "GET", f"{server.issuer.rstrip('/')}/.well-known/smart-configuration")
    if "S256" not in found.get("code_challenge_methods_supported", []):
        raise SmartError("The EHR does not offer a launch with proof of the browser (PKCE S256)")
    endpoints = [str(found.get(f"{name}_endpoint", "")) for name in ("authorization", "token")]
    if not all(_origin(one) in _origins(server) for one in endpoints):
        raise SmartError("The EHR names endpoints on hosts that are not allowed")
    return endpoints[0], endpoints[1]


def _origins(server: SmartServer) -> set[str]:
    return {_origin(server.issuer), *server.origins}


def _origin(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


async def granted(
    client: httpx.AsyncClient, launch: Launch, code: str, *, redirect: str, scopes: list[str]
) -> Granted:
    """Exchange the code for a token.

    Raises
    ------
    SmartError
    """
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect,
        "client_id": launch.server.client_id,
        "code_verifier": launch.verifier,
    }
    found = await _json(client, "POST", launch.token_endpoint, form=form)
    token, patient = found.get("access_token"), found.get("patient")
    if not isinstance(token, str) or str(found.get("token_type", "")).lower() != "bearer":
        raise SmartError("The EHR gave no token")
    if not has_scopes(str(found.get("scope", "")), scopes):
        raise SmartError("The EHR did not grant what is needed to read the patient's values")
    if not isinstance(patient, str) or not ID.fullmatch(patient):
        raise SmartError("The EHR did not say which patient is open")
    return Granted(token, patient, _user(found, launch) if "openid" in scopes else "")


def _user(found: Mapping[str, Any], launch: Launch) -> str:
    """Read who is signed in at the EHR; the token comes from its own endpoint, which TLS has proved (OIDC 3.1.3.7)."""
    try:
        claims = jwt.decode(str(found.get("id_token", "")), options={"verify_signature": False})
        expires = float(claims["exp"])
    except (jwt.PyJWTError, KeyError, TypeError, ValueError) as error:
        raise SmartError("The EHR did not say who is signed in") from error
    audience = claims.get("aud")
    ours = launch.server.client_id in (audience if isinstance(audience, list) else [audience])
    user = USER.fullmatch(str(claims.get("fhirUser", "")))
    if claims.get("nonce") != launch.nonce or not ours or expires < time.time() or user is None:
        raise SmartError("The EHR did not say who is signed in")
    return user[1]


def kinds_of(inputs: Iterable[CodedInput]) -> list[str]:
    """Return the kinds of resources that the codes of a model need."""
    return sorted({one.coded.resource for one in inputs if one.coded is not None})


async def fetch_patient(
    client: httpx.AsyncClient, server: SmartServer, allowed: Granted, inputs: tuple[CodedInput, ...]
) -> list[Entry]:
    """Fetch the patient and the resources with the model's codes.

    Raises
    ------
    SmartError
    """
    base = server.issuer.rstrip("/")
    patient = await _json(client, "GET", f"{base}/Patient/{allowed.patient}", token=allowed.token)
    found = [patient]
    for kind in kinds_of(inputs):
        if kind != "Patient":
            found += await _search(client, base, kind, allowed, inputs)
    kept = [one for one in found if one.get("resourceType") in READ]
    return [Entry(f"{one['resourceType']}[{i}]", one) for i, one in enumerate(kept)]


async def _search(
    client: httpx.AsyncClient, base: str, kind: str, allowed: Granted, inputs: tuple[CodedInput, ...]
) -> list[dict[str, Any]]:
    address: str | None = f"{base}/{kind}?{urlencode(_query(kind, allowed.patient, inputs))}"
    found: list[dict[str, Any]] = []
    for _ in range(MOST_PAGES):
        page = await _json(client, "GET", str(address), token=allowed.token)
        entries, links = page.get("entry", []), page.get("link", [])
        if (
            page.get("resourceType") != "Bundle"
            or not isinstance(entries, list)
            or not isinstance(links, list)
        ):
            raise SmartError("The EHR did not answer as FHIR R4 asks")
        for entry in entries:
            resource = entry.get("resource") if isinstance(entry, dict) else None
            if not isinstance(resource, dict) or resource.get("resourceType") == "OperationOutcome":
                raise SmartError("The EHR did not answer as FHIR R4 asks")
            found.append(resource)
        following = [
            one.get("url") for one in links if isinstance(one, dict) and one.get("relation") == "next"
        ]
        if not following:
            return found
        address = urljoin(f"{base}/", str(following[0]))
        if _origin(address) != _origin(base):
            raise SmartError("The EHR refers to another host, which is not followed")
    raise SmartError("The EHR has more of these values than are read")


def _query(kind: str, patient: str, inputs: tuple[CodedInput, ...]) -> dict[str, str]:
    query = {"patient": patient, "_count": str(PAGE)}
    coded = [one.coded for one in inputs if one.coded is not None and one.coded.resource == kind]
    if kind in ("Observation", "Condition"):
        query["code"] = ",".join(dict.fromkeys(code for one in coded for code in one.codes))
    if kind == "QuestionnaireResponse":
        query["questionnaire"] = ",".join(dict.fromkeys(str(one.questionnaire) for one in coded))
    return query


async def _json(
    client: httpx.AsyncClient,
    method: str,
    address: str,
    *,
    token: str = "",
    form: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Ask for one document, of limited size, as it stands there and not elsewhere."""
    accept = "application/json" if form is not None or not token else "application/fhir+json"
    headers = {"accept": accept} | ({"authorization": f"Bearer {token}"} if token else {})
    try:
        async with client.stream(method, address, headers=headers, data=form) as answer:
            if answer.is_redirect:
                raise SmartError("The EHR refers to another address, which is not followed")
            if answer.status_code != 200:
                raise SmartError(f"The EHR answered with an error ({answer.status_code})")
            content = b""
            async for part in answer.aiter_bytes():
                content += part
                if len(content) > MOST_BYTES:
                    raise SmartError("The EHR's answer is too large")
        found = read_json(content)
    except httpx.TimeoutException as error:
        raise SmartError("The EHR did not answer in time") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise SmartError("The EHR cannot be reached") from error
    except ValueError as error:
        raise SmartError("The EHR did not answer as FHIR R4 asks") from error
    if not isinstance(found, dict):
        raise SmartError("The EHR did not answer as FHIR R4 asks")
    return found
