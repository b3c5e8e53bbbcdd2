"""Who asks, and when: keys, HMAC-SHA256 and Ed25519 signatures and the time window of signed requests.

The signature is of the query string and the body joined as they were sent, without the signature itself, which comes
last (exchange.md section 1; the window is `timestamp < now + 1000` and `now - timestamp <= recvWindow`).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from urllib.parse import unquote

import orjson

AHEAD_MS = 1000
DEFAULT_WINDOW_MS = 5000
LONGEST_WINDOW_MS = 60_000


class Denied(Enum):
    """Why a request is not let in."""

    NO_KEY = "no key"
    UNKNOWN_KEY = "unknown key"
    NO_TIMESTAMP = "no timestamp"
    NO_SIGNATURE = "no signature"
    WINDOW_TOO_LONG = "window too long"
    TOO_EARLY = "timestamp ahead of the exchange"
    TOO_LATE = "timestamp older than the window"
    SIGNATURE = "signature wrong"
    NO_SESSION = "no session with this kind of key"


@dataclass(frozen=True, slots=True)
class Key:
    """An API key of an account. `secret` is a shared one, or the public half of an Ed25519 key as PEM text."""

    account: str
    secret: str

    @property
    def is_public(self) -> bool:
        """True for the public half of a key pair."""
        return self.secret.lstrip().startswith("-----BEGIN PUBLIC KEY")


def sign(payload: str, secret: str) -> str:
    """The signature of a payload, in hex."""
    return hmac.new(secret.encode(), payload.encode(), hashlib.sha256).hexdigest()


def signed_by(key: Key, payload: str, signature: str) -> bool:
    """Say whether a signature of a payload is the key's: HMAC-SHA256 in hex, or Ed25519 in base64."""
    if not key.is_public:
        return hmac.compare_digest(sign(payload, key.secret).encode(), signature.encode())
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    public = load_pem_public_key(key.secret.encode())
    assert isinstance(public, Ed25519PublicKey)
    try:
        public.verify(base64.b64decode(signature, validate=True), payload.encode())
    except (InvalidSignature, ValueError):
        return False
    return True


def payload_of(query: str, body: str) -> tuple[str, str]:
    """What is signed, and the signature given: of the query string or, where there is one, of the body."""
    texts, signature = [], ""
    for text in (query, body):
        pieces = text.split("&") if text else []
        for piece in pieces:
            if piece.startswith("signature="):
                signature = unquote(piece.removeprefix("signature="))
        texts.append("&".join(piece for piece in pieces if not piece.startswith("signature=")))
    return "".join(texts), signature


def json_members(body: str) -> dict[str, str]:
    """The members of a JSON object as texts, what is no text as JSON; none where the body is no object."""
    try:
        value = orjson.loads(body) if body.startswith("{") else {}
    except orjson.JSONDecodeError:
        return {}
    return {name: item if isinstance(item, str) else orjson.dumps(item).decode() for name, item in value.items()}


def admit(
    keys: Mapping[str, Key],
    key: str,
    parameters: Mapping[str, str],
    payload: str,
    signature: str,
    now_ms: int,
) -> str | Denied:
    """The account a signed request is for, or why it is none. The order of the checks is the exchange's [?]: key,
    parameters, time, signature."""
    if not key:
        return Denied.NO_KEY
    if key not in keys:
        return Denied.UNKNOWN_KEY
    timestamp, window = parameters.get("timestamp", ""), parameters.get("recvWindow", str(DEFAULT_WINDOW_MS))
    if not timestamp.isdecimal() or not window.isdecimal():
        return Denied.NO_TIMESTAMP
    if not signature:
        return Denied.NO_SIGNATURE
    if int(window) > LONGEST_WINDOW_MS:
        return Denied.WINDOW_TOO_LONG
    if int(timestamp) >= now_ms + AHEAD_MS:
        return Denied.TOO_EARLY
    if now_ms - int(timestamp) > int(window):
        return Denied.TOO_LATE
    if not signed_by(keys[key], payload, signature):
        return Denied.SIGNATURE
    return keys[key].account
