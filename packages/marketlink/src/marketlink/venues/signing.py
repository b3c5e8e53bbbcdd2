"""Signing requests with a key that shows nowhere."""

import hashlib
import hmac
import re
from typing import NoReturn


class HmacSigner:
    """HMAC-SHA256 in lower case hex. The secret is in no attribute, repr, text, copy or pickle of it."""

    __slots__ = ("_mac", "api_key")

    def __init__(self, api_key: str, secret: str) -> None:
        """Raises ValueError, which shows neither, when a half is empty or has blanks or other than ASCII in it."""
        if not all(re.fullmatch(r"[!-~]+", half) for half in (api_key, secret)):
            raise ValueError("an API key has two halves, both of printable ASCII without blanks")
        self.api_key = api_key
        self._mac = hmac.new(
            secret.encode(), digestmod=hashlib.sha256
        )  # keyed once: each signature goes on from a copy

    def sign(self, payload: bytes) -> str:
        """Sign exactly these bytes."""
        mac = self._mac.copy()
        mac.update(payload)
        return mac.hexdigest()

    def __repr__(self) -> str:
        return "HmacSigner(...)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a signer can't be copied or pickled: its key must not leave the process")
