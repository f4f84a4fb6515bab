"""Who vouches for a model's folder: an Ed25519 signature over its manifest, and the policy that asks for one.

The manifest holds the hash of every file, so that a signature of the manifest is one of the folder. A data scientist
needs none. A clinic names its keys in a policy file; from then on no folder is loaded that none of them signed.

Source: RFC 8032 (Ed25519), by the package ``cryptography``.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from predictor.errors import ModelError, Problem, ResourceError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

__all__ = [
    "ModelPolicy",
    "create_key",
    "current_policy",
    "describe_signature",
    "read_key",
    "read_policy",
    "sign_for",
    "signature_complaint",
    "signed_complaint",
]

POLICY_VARIABLE = "PREDICTOR_POLICY"
POLICY_FILE = Path("/etc/response-predictor/policy.json")
# A signature made for another purpose with the same key is none of a model.
PURPOSE = b"response-predictor model manifest\n"
KEY_BYTES, SIGNATURE_BYTES = 32, 64


@dataclass(frozen=True)
class ModelPolicy:
    """What a clinic asks of every model that is loaded.

    Parameters
    ----------
    signature : {"optional", "required"}
    keys : mapping of str to bytes
        Whose signatures count: a name for each public key of 32 bytes.
    models : Path or None
        The only folder that models are taken from.
    """

    signature: str = "optional"
    keys: Mapping[str, bytes] = field(default_factory=dict)
    models: Path | None = None


def current_policy() -> ModelPolicy:
    """Return the policy of this machine: that of ``$PREDICTOR_POLICY``, else of the machine's own file, else none.

    Raises
    ------
    ModelError
        ART-08, if there is a policy that cannot be read: without it nothing is loaded.
    """
    named = os.environ.get(POLICY_VARIABLE)
    if named is not None:
        return read_policy(Path(named))
    return read_policy(POLICY_FILE) if POLICY_FILE.exists() else ModelPolicy()


def read_policy(path: Path) -> ModelPolicy:
    """Read a policy file: JSON with ``signature``, ``keys`` (name to public key in base64) and ``models``.

    Parameters
    ----------
    path : Path

    Raises
    ------
    ModelError
        ART-08.
    """
    try:
        return _policy_of(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError, TypeError) as error:
        message = f"the policy for models cannot be read ({_reason(error)})"
        remedy = 'Write for example {"signature": "required", "keys": {"clinic": "BASE64"}}'
        raise ModelError(Problem("ART-08", message, remedy, file=str(path))) from error


def _policy_of(content: Any) -> ModelPolicy:
    if not isinstance(content, dict) or content.keys() - {"signature", "keys", "models"}:
        raise ValueError("it has other keys than signature, keys and models")
    wanted = content.get("signature", "optional")
    if wanted not in ("optional", "required"):
        raise ValueError("signature is neither optional nor required")
    keys = {str(name): _decoded(text, KEY_BYTES) for name, text in dict(content.get("keys", {})).items()}
    if wanted == "required" and not keys:
        raise ValueError("a signature is required, and there is no key")
    models = content.get("models")
    return ModelPolicy(wanted, keys, None if models is None else Path(models))


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return os.strerror(error.errno or 0)
    return str(error) if type(error) is ValueError else type(error).__name__


def create_key(path: Path) -> str:
    """Write a new private key, readable by its owner only, and return the public one in base64.

    Parameters
    ----------
    path : Path
        New PEM file (PKCS #8, not encrypted).

    Raises
    ------
    ResourceError
        TRN-05, if the file exists or cannot be written; ENV-02 without the package ``cryptography``.
    """
    serialization, ed25519, _ = _cryptography()
    key = ed25519.Ed25519PrivateKey.generate()
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        message = f"the key cannot be written ({os.strerror(error.errno or 0)})"
        raise ResourceError(Problem("TRN-05", message, "Name a new file", file=str(path))) from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
    return _text(_public(key))


def read_key(path: Path) -> Ed25519PrivateKey:
    """Read a private key that `create_key` wrote.

    Parameters
    ----------
    path : Path

    Raises
    ------
    ModelError
        ART-08, if it is no such key.
    ResourceError
        ENV-02 without the package ``cryptography``.
    """
    serialization, ed25519, _ = _cryptography()
    try:
        key: Any = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        key = error
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        message = "the file is no readable Ed25519 private key"
        remedy = "Write one with `predictor sign --new-key`"
        raise ModelError(Problem("ART-08", message, remedy, file=str(path)))
    found: Ed25519PrivateKey = key
    return found


def describe_signature(manifest: bytes, key: Ed25519PrivateKey) -> bytes:
    """Sign a manifest.

    Parameters
    ----------
    manifest : bytes
    key : Ed25519PrivateKey

    Returns
    -------
    bytes
        The content of ``manifest.sig``.
    """
    return _written(sign_for(PURPOSE, manifest, key))


def sign_for(purpose: bytes, content: bytes, key: Ed25519PrivateKey) -> dict[str, str]:
    """Sign content for one purpose, so that the signature is none of anything else.

    Parameters
    ----------
    purpose : bytes
        Line that says what the signature is of.
    content : bytes
    key : Ed25519PrivateKey

    Returns
    -------
    dict of str to str
        Algorithm, public key and signature, as they are written.
    """
    return _described(_public(key), key.sign(purpose + content))


def signature_complaint(manifest: bytes, signature: bytes | None, policy: ModelPolicy) -> str:
    """Say what is wrong with a folder's signature; empty where nothing is.

    Parameters
    ----------
    manifest : bytes
    signature : bytes or None
        Content of ``manifest.sig``, if there is one.
    policy : ModelPolicy
        Without keys, a signature that is there has to fit the key that it names: damage is found, a forger is not.

    Raises
    ------
    ResourceError
        ENV-02, if a policy with keys cannot be followed without the package ``cryptography``.
    """
    if signature is None:
        return (
            "the folder is not signed, and the policy asks for it" if policy.signature == "required" else ""
        )
    try:
        content = json.loads(signature)
        damaged = _written(content) != signature
    except (ValueError, TypeError, RecursionError):
        damaged = True
    if damaged:
        return "the signature is damaged"
    return signed_complaint(PURPOSE, manifest, content, policy, of="manifest")


def signed_complaint(purpose: bytes, content: bytes, signature: Any, policy: ModelPolicy, *, of: str) -> str:
    """Say what is wrong with a signature that `sign_for` made; empty where nothing is.

    Parameters
    ----------
    purpose, content : bytes
        What was signed.
    signature : object
        What was read, of any shape.
    policy : ModelPolicy
    of : str
        What the content is, for the message.

    Raises
    ------
    ResourceError
        ENV-02, if a policy with keys cannot be followed without the package ``cryptography``.
    """
    try:
        named, signed = (
            _decoded(signature["key"], KEY_BYTES),
            _decoded(signature["signature"], SIGNATURE_BYTES),
        )
    except (ValueError, KeyError, TypeError):
        return "the signature is damaged"
    if _described(named, signed) != signature:
        return "the signature is damaged"
    if policy.keys and named not in policy.keys.values():
        signed_what = "the folder" if of == "manifest" else f"the {of}"
        return f"{signed_what} is signed with a key that the policy does not name"
    return "" if _fits(named, signed, purpose + content, policy) else f"the signature is not one of this {of}"


def _fits(public: bytes, signed: bytes, message: bytes, policy: ModelPolicy) -> bool:
    try:
        _, ed25519, invalid = _cryptography()
    except ResourceError:
        if policy.keys:
            raise
        return True  # nobody asked for it, and the hashes hold without it
    try:
        ed25519.Ed25519PublicKey.from_public_bytes(public).verify(signed, message)
    except (invalid, ValueError):
        return False
    return True


def _cryptography() -> tuple[Any, Any, type[Exception]]:
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError as error:
        message = "signatures need the package cryptography, which is not installed"
        remedy = 'Install it: pip install "response-predictor[signing]"'
        raise ResourceError(Problem("ENV-02", message, remedy)) from error
    return serialization, ed25519, InvalidSignature


def _public(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes_raw()


def _described(public: bytes, signed: bytes) -> dict[str, str]:
    return {"algorithm": "Ed25519", "key": _text(public), "signature": _text(signed)}


def _written(signature: Mapping[str, str]) -> bytes:
    return (json.dumps(signature, indent=1) + "\n").encode()


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _decoded(text: Any, size: int) -> bytes:
    try:
        data = base64.b64decode(str(text), validate=True)
    except binascii.Error:
        data = b""
    if len(data) != size:
        raise ValueError(f"a key or signature is not {size} bytes in base64")
    return data
