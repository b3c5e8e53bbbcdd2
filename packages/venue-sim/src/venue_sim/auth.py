"""Who asks, and when: keys, HMAC-SHA256 signatures and the time window of signed requests.

The signature is of the query string and the body joined as they were sent, without the signature itself, which comes
last (exchange.md section 1; the window is `timestamp < now + 1000` and `now - timestamp <= recvWindow`).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

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


@dataclass(frozen=True, slots=True)
class Key:
    """An API key of an account."""

    account: str
    secret: str


def sign(payload: str, secret: str) -> str:
    """The signature of a payload, in hex."""
    return hmac.new(secret.encode(), payload.encode(), hashlib.sha256).hexdigest()


def payload_of(query: str, body: str) -> tuple[str, str]:
    """What is signed, and the signature given: of the query string or, where there is one, of the body."""
    texts, signature = [], ""
    for text in (query, body):
        pieces = text.split("&") if text else []
        for piece in pieces:
            if piece.startswith("signature="):
                signature = piece.removeprefix("signature=")
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
    if not hmac.compare_digest(sign(payload, keys[key].secret).encode(), signature.encode()):
        return Denied.SIGNATURE
    return keys[key].account
