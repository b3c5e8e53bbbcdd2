"""Signing requests with a key that shows nowhere."""

import base64
import hashlib
import hmac
import re
from typing import Final, NoReturn

from marketlink.venues.trading import Signer

_PEM: Final = "-----BEGIN"


def make_signer(api_key: str, secret: str) -> Signer:
    """Return what signs with a key pair: Ed25519 where the secret is a private key as PEM text, else HMAC.

    Raises ValueError, which shows neither half.
    """
    return Ed25519Signer(api_key, secret) if secret.lstrip().startswith(_PEM) else HmacSigner(api_key, secret)


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


class Ed25519Signer:
    """Ed25519 in base64. The private key is in no repr, text, copy or pickle of it."""

    __slots__ = ("_sign", "api_key")

    def __init__(self, api_key: str, secret: str) -> None:
        """`secret` is a PKCS#8 private key as PEM text, without a password. Raises ValueError, which shows neither half."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        if not re.fullmatch(r"[!-~]+", api_key):
            raise ValueError("an API key is of printable ASCII without blanks")
        try:
            key = load_pem_private_key(secret.strip().replace("\\n", "\n").encode(), password=None)
        except (ValueError, TypeError):  # its own words may show what is in it
            raise ValueError("the secret is no private key in PEM form (PKCS#8, without a password)") from None
        if not isinstance(key, Ed25519PrivateKey):
            raise ValueError("the secret is a private key, but not one of Ed25519")
        self.api_key = api_key
        self._sign = key.sign

    def sign(self, payload: bytes) -> str:
        """Sign exactly these bytes."""
        return base64.b64encode(self._sign(payload)).decode()

    def __repr__(self) -> str:
        return "Ed25519Signer(...)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a signer can't be copied or pickled: its key must not leave the process")
