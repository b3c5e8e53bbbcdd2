"""Client order ids: whose order it is can be read off the id itself, so that a restart loses no owner.

    PREFIX  BOT    ORDER ID     NONCE
    0 to 8  5      11           7        characters of 64 (docs/trading.md)

BOT is a 30-bit digest of the bot's id, ORDER ID the bot's own number, NONCE a time in ms that never repeats: exchanges want ids
that are unique for good, while strategies use an order id again within seconds. 31 characters at most, which every venue takes.
"""

import hashlib
from dataclasses import dataclass
from typing import Final

from marketlink.times import WallNs

ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_"
MOST_PREFIX: Final = 8
_VALUES: Final = {letter: value for value, letter in enumerate(ALPHABET)}
_BOT, _ORDER, _NONCE = 5, 11, 7
_TAIL: Final = _BOT + _ORDER + _NONCE
_START_MS: Final = 1_577_836_800_000  # 2020-01-01: the nonce lasts for 139 years from there
_SLACK_MS: Final = 86_400_000  # a clock may have been set back since an id was made


@dataclass(frozen=True, slots=True)
class Owner:
    """What a client id says: the digest of the bot that owns the order, and the bot's number for it."""

    digest: int
    order_id: int


def digest_of(bot_id: int) -> int:
    """The 30-bit digest of a bot's id."""
    return int.from_bytes(hashlib.blake2b(bot_id.to_bytes(8, "little"), digest_size=4).digest(), "little") >> 2


class ClientIds:
    """Makes ids of one prefix, and reads them back. Raises ValueError for a prefix that no venue takes."""

    def __init__(self, prefix: str) -> None:
        if len(prefix) > MOST_PREFIX or any(letter not in _VALUES for letter in prefix):
            raise ValueError(f"{prefix!r}: at most {MOST_PREFIX} letters, digits, '-' and '_'")
        self._prefix = prefix
        self._last_ms = 0

    def make(self, bot_id: int, order_id: int, now: WallNs) -> str:
        """Return a new id, never the same twice: in one millisecond, and after a step back of the clock, the nonce runs ahead."""
        self._last_ms = max(self._last_ms + 1, now // 1_000_000 - _START_MS)
        parts = ((digest_of(bot_id), _BOT), (order_id, _ORDER), (self._last_ms, _NONCE))
        return self._prefix + "".join(_text(value, width) for value, width in parts)

    def read(self, client_id: str, now: WallNs) -> Owner | None:
        """Return whose order an id names; None when it is not of this prefix and form, or of no time that has been."""
        if len(client_id) != len(self._prefix) + _TAIL or not client_id.startswith(self._prefix):
            return None
        tail = client_id[len(self._prefix) :]
        if any(letter not in _VALUES for letter in tail):
            return None
        digest, order_id = _number(tail[:_BOT]), _number(tail[_BOT : _BOT + _ORDER])
        nonce_ms = _number(tail[_BOT + _ORDER :])
        if order_id >= 1 << 64 or nonce_ms > now // 1_000_000 - _START_MS + _SLACK_MS:
            return None
        return Owner(digest, order_id)

    def after(self, client_id: str) -> None:
        """Let no later id be older than this one of ours, which an earlier process made."""
        self._last_ms = max(self._last_ms, _number(client_id[-_NONCE:]))


def _text(value: int, width: int) -> str:
    letters = []
    for _ in range(width):
        value, rest = divmod(value, 64)
        letters.append(ALPHABET[rest])
    return "".join(reversed(letters))


def _number(letters: str) -> int:
    value = 0
    for letter in letters:
        value = value * 64 + _VALUES[letter]
    return value
