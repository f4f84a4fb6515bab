"""The clinical sign-off of a model: who answers for its use, on what evidence, for what, and until when.

The record lies beside the manifest and names the manifest's own hash, so that it is a sign-off of this folder and of
no other. It is sealed: a changed byte is found. Its Ed25519 signature, of whoever gives the sign-off, says that nobody
else wrote it; that counts where the machine's policy names the key. A record without a signature is a note of an
approval that stands elsewhere, and a demonstration says of itself that it is none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from predictor.errors import visible
from predictor.model_folder import SIGN_OFF, read_json, refuse, to_json
from predictor.signature import ModelPolicy, sign_for, signed_complaint

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

__all__ = ["DEMONSTRATION", "STATEMENT", "Evidence", "SignOff", "read_sign_off", "sign_off_bytes"]

KIND, FORMAT = "response-predictor sign-off", 1
PURPOSE = b"response-predictor clinical sign-off\n"
LONGEST = {"by": 80, "role": 80, "statement": 600, "scope": 300}
LONGEST_REFERENCE, MOST_EVIDENCE = 300, 20
STATEMENT = "I have looked at the evidence named here and answer for the use of this model within the scope named here."
DEMONSTRATION = "A demonstration: nobody has approved this model, and it is for no patient."


@dataclass(frozen=True)
class Evidence:
    """What a sign-off rests on.

    Parameters
    ----------
    kind : {"file", "text"}
    reference : str
        Name of the file, without its folder, or the text itself.
    sha256 : str
        Of the file's bytes or the text in UTF-8: the file can be compared, wherever it is kept.
    size : int
        Bytes.
    """

    kind: str
    reference: str
    sha256: str
    size: int

    @classmethod
    def of(cls, kind: str, reference: str, data: bytes) -> Evidence:
        """Describe a file's content, or a text."""
        return cls(kind, reference, hashlib.sha256(data).hexdigest(), len(data))


@dataclass(frozen=True)
class SignOff:
    """A clinical sign-off as it was read.

    Parameters
    ----------
    by, role : str
        Who, and as what.
    signed : datetime
        When, UTC.
    expires : date
        Last day on which it holds.
    statement, scope : str
        What is answered for, and for which use.
    evidence : tuple of Evidence
    demonstration : bool
        An explicit demonstration, for no patient.
    manifest_sha256 : str
        Of the manifest that it is about.
    replaces : str
        SHA-256 of the record that was there before; empty for the first.
    sha256 : str
        Seal of this record; empty before it is written.
    vouched : bool
        Signed with a key that the policy of this machine names.
    """

    by: str
    role: str
    signed: datetime
    expires: date
    statement: str
    scope: str
    evidence: tuple[Evidence, ...]
    demonstration: bool
    manifest_sha256: str
    replaces: str = ""
    sha256: str = ""
    vouched: bool = False

    def complaint(self, today: date) -> str:
        """Say why it does not let the model be offered to clinicians on a day; empty where it does."""
        if self.demonstration:
            return "its sign-off is a demonstration"
        if not self.vouched:
            return "its clinical sign-off is not signed with a key that the policy names"
        if today > self.expires:
            return f"its clinical sign-off ended on {self.expires.isoformat()}"
        return ""


def sign_off_bytes(record: SignOff, key: Ed25519PrivateKey | None) -> bytes:
    """Write a sign-off: the record, its signature where there is a key, and the seal over both.

    Parameters
    ----------
    record : SignOff
    key : Ed25519PrivateKey or None

    Raises
    ------
    ValueError
        For a record that `read_sign_off` would refuse, with what is wrong.
    """
    about = _plain(record)
    complaint = _shape_complaint(about)
    if complaint:
        raise ValueError(complaint)
    signature = None if key is None else sign_for(PURPOSE, to_json(about), key)
    return to_json(_sealed(about, signature))


def read_sign_off(
    folder: Path, data: bytes | None, manifest_sha256: str, policy: ModelPolicy
) -> SignOff | None:
    """Read a folder's sign-off, and believe it when it is whole and about this very manifest.

    Parameters
    ----------
    folder : Path
    data : bytes or None
        Content of ``sign_off.json``, if there is one.
    manifest_sha256 : str
        Of the folder's manifest, which has passed its gates.
    policy : ModelPolicy
        With keys, a signature of anybody else is refused.

    Raises
    ------
    ModelError
        ART-21.
    ResourceError
        ENV-02, if a policy with keys cannot be followed without the package ``cryptography``.
    """
    if data is None:
        return None
    path = folder / SIGN_OFF
    content = _opened(path, data)
    signature = content.pop("signature")
    seal = content.pop("sha256")
    complaint = _shape_complaint(content)
    if not complaint and content["manifest_sha256"] != manifest_sha256:
        complaint = "it is one of another model, or of this one before it was changed"
    if not complaint and signature is not None:
        complaint = signed_complaint(PURPOSE, to_json(content), signature, policy, of="sign-off")
    if complaint:
        refuse("ART-21", path, f"the clinical sign-off does not hold: {complaint}")
    return _record(content, seal=seal, vouched=signature is not None and bool(policy.keys))


def _opened(path: Path, data: bytes) -> dict[str, Any]:
    """Compare as bytes: a change that JSON does not see is a change."""
    try:
        content = read_json(data)
        about = {key: value for key, value in content.items() if key not in ("signature", "sha256")}
        whole = to_json(_sealed(about, content["signature"])) == data
    except (ValueError, RecursionError, AttributeError, KeyError, TypeError) as error:
        refuse("ART-21", path, "the clinical sign-off cannot be read", error)
    if not whole:
        refuse("ART-21", path, "the clinical sign-off was changed after it was given")
    return dict(content)


def _sealed(about: Mapping[str, Any], signature: Any) -> dict[str, Any]:
    content = {**about, "signature": signature}
    return {**content, "sha256": hashlib.sha256(to_json(content)).hexdigest()}


def _plain(record: SignOff) -> dict[str, Any]:
    return {
        "kind": KIND,
        "format": FORMAT,
        "manifest_sha256": record.manifest_sha256,
        "by": record.by,
        "role": record.role,
        "signed_utc": record.signed.astimezone(UTC).isoformat(timespec="seconds"),
        "expires": record.expires.isoformat(),
        "statement": record.statement,
        "scope": record.scope,
        "demonstration": record.demonstration,
        "evidence": [asdict(one) for one in record.evidence],
        "replaces": record.replaces,
    }


def _shape_complaint(about: Mapping[str, Any]) -> str:
    """Say what of a record is not as it is written; the first thing only."""
    if about.get("kind") != KIND or about.get("format") != FORMAT:
        return f"it is no record of format {FORMAT}"
    if list(about) != KEYS:
        return "it has other parts than a record"
    for name, longest in LONGEST.items():
        if not _is_line(about[name], longest):
            return f"{name} is not 1 to {longest} characters of one line"
    if not isinstance(about["demonstration"], bool):
        return "it does not say whether it is a demonstration"
    evidence = about["evidence"]
    if (
        not isinstance(evidence, list)
        or len(evidence) > MOST_EVIDENCE
        or not all(map(_is_evidence, evidence))
    ):
        return f"its evidence is not at most {MOST_EVIDENCE} files or texts"
    if not evidence and not about["demonstration"]:
        return "it names no evidence"
    hashes = [about["manifest_sha256"], *filter(None, [about["replaces"]])]
    return "" if all(map(_is_hash, hashes)) and _has_days(about) else "a hash or a day of it cannot be read"


def _is_line(value: Any, longest: int) -> bool:
    return (
        isinstance(value, str) and 0 < len(value.strip()) <= len(value) <= longest and visible(value) == value
    )


def _is_hash(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 64 and not value.strip("0123456789abcdef")


def _is_evidence(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and list(value) == ["kind", "reference", "sha256", "size"]
        and value["kind"] in ("file", "text")
        and _is_line(value["reference"], LONGEST_REFERENCE)
        and _is_hash(value["sha256"])
        and type(value["size"]) is int
        and value["size"] >= 0
    )


def _has_days(about: Mapping[str, Any]) -> bool:
    try:
        signed, expires = datetime.fromisoformat(about["signed_utc"]), date.fromisoformat(about["expires"])
    except (ValueError, TypeError):
        return False
    return signed.utcoffset() is not None and signed.date() <= expires


def _record(about: Mapping[str, Any], *, seal: str, vouched: bool) -> SignOff:
    return SignOff(
        by=about["by"],
        role=about["role"],
        signed=datetime.fromisoformat(about["signed_utc"]),
        expires=date.fromisoformat(about["expires"]),
        statement=about["statement"],
        scope=about["scope"],
        evidence=tuple(Evidence(**one) for one in about["evidence"]),
        demonstration=about["demonstration"],
        manifest_sha256=about["manifest_sha256"],
        replaces=about["replaces"],
        sha256=seal,
        vouched=vouched,
    )


KEYS = [
    "kind",
    "format",
    "manifest_sha256",
    "by",
    "role",
    "signed_utc",
    "expires",
    "statement",
    "scope",
    "demonstration",
    "evidence",
    "replaces",
]
