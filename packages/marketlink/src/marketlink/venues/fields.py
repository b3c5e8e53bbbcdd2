"""Read fields of a venue's JSON strictly: whole numbers, texts, decimals (floats for data, exact for orders), levels, event records.

Every reader raises `Unusable` with the field's name; the decoder, who has the frame at hand, makes a MalformedMessage of it.
"""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import chain
from typing import Final

import numpy as np
import orjson

from marketlink.events import BUY, DEPTH, LOCAL, SELL, Events, empty_events

MS_NS: Final = 1_000_000
US_NS: Final = 1_000
MAX_MS: Final = (2**63 - 1) // MS_NS
MAX_ID: Final = 2**63 - 1

_NUMBER = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
_PLAIN: Final = re.compile(r"[0-9.,]*")  # what float() accepts of these is a decimal
_NUMBERS: Final = re.compile(rf"{_NUMBER}(?:,{_NUMBER})*")
_EXACT: Final = re.compile(r"-?(?:[0-9]{1,30}(?:\.[0-9]{0,30})?|\.[0-9]{1,30})(?:[eE][-+]?[0-9]{1,2})?")


class Unusable(Exception):
    """A field that can't be used."""


def json_object(raw: bytes) -> Mapping[str, object]:
    """Parse a body that must be one JSON object."""
    try:
        data = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Unusable("json") from error
    if type(data) is not dict:
        raise Unusable("json object")
    return data


def whole(data: Mapping[str, object], name: str, most: int = MAX_ID) -> int:
    """Read a whole number from 0 to `most`."""
    value = data.get(name)
    if type(value) is not int or not 0 <= value <= most:
        raise Unusable(name)
    return value


def time_ns(data: Mapping[str, object], name: str, unit_ns: int = MS_NS) -> int:
    """Read a time since the epoch, in whole units of `unit_ns`."""
    return whole(data, name, MAX_ID // unit_ns) * unit_ns


def text(data: Mapping[str, object], name: str) -> str:
    """Read a text that is not empty."""
    value = data.get(name)
    if type(value) is not str or not value:
        raise Unusable(name)
    return value


def decimals(texts: Sequence[str], name: str) -> list[float]:
    """Read plain decimals: float() alone would also take a sign, blanks, `nan` and `1_0`."""
    try:
        joined = ",".join(texts)
        if not _PLAIN.fullmatch(joined) and not _NUMBERS.fullmatch(joined):
            raise Unusable(name)
        numbers = list(map(float, texts))
    except (TypeError, ValueError) as error:
        raise Unusable(name) from error
    if numbers and max(numbers) == float("inf"):
        raise Unusable(name)
    return numbers


def exact(data: Mapping[str, object], name: str) -> Decimal:
    """Read a text as the decimal it is; a sign may stand in front of it."""
    value = data.get(name)
    if type(value) is not str or not _EXACT.fullmatch(value):
        raise Unusable(name)
    return Decimal(value)


def amount(data: Mapping[str, object], name: str) -> Decimal:
    """Read a text as a decimal that is not negative."""
    value = exact(data, name)
    if value < 0:
        raise Unusable(name)
    return value


def level_numbers(data: Mapping[str, object], name: str) -> list[float]:
    """Return price, quantity, price, quantity, ... of one side."""
    levels = data.get(name)
    if type(levels) is not list:
        raise Unusable(name)
    if not {list}.issuperset(map(type, levels)) or min(map(len, levels), default=2) < 2:
        raise Unusable(name)
    if max(map(len, levels), default=2) > 2:  # what may follow price and quantity is not known and not needed
        levels = [level[:2] for level in levels]
    texts = list(chain.from_iterable(levels))
    numbers = decimals(texts, name)
    if not all(numbers[0::2]):  # no level has the price zero
        raise Unusable(name)
    return numbers


def depth_events(bids: list[float], asks: list[float], exch_ns: int, recv_ns: int, ival: int) -> Events:
    """Make depth records of two sides as `level_numbers` gives them: bids, then asks."""
    numbers = np.array(bids + asks, np.float64)
    count = len(bids) // 2
    events = empty_events(len(numbers) // 2)
    events["ev"][:count] = LOCAL | DEPTH | BUY
    events["ev"][count:] = LOCAL | DEPTH | SELL
    events["exch_ts"], events["local_ts"], events["ival"] = exch_ns, recv_ns, ival
    events["px"], events["qty"] = numbers[0::2], numbers[1::2]
    return events


def best_first(numbers: list[float], *, descending: bool) -> list[float]:
    """Order one side by price; equal prices keep their order."""
    pairs = sorted(zip(numbers[0::2], numbers[1::2], strict=True), key=lambda pair: pair[0], reverse=descending)
    return [number for pair in pairs for number in pair]


DEEP: Final = 20
"""A side of so many levels has another one."""


def check_sides(bids: list[float], asks: list[float]) -> None:
    """Refuse levels, best first, that are no book. Raises Unusable.

    None at all; the best bid not below the best ask; or one side empty while the other is deep: of a market that thin
    nobody sends so many levels, and the book would lack all of that side that does not change.
    """
    if not bids and not asks:
        raise Unusable("bids and asks: both empty")
    if (not bids or not asks) and len(bids) + len(asks) >= 2 * DEEP:
        empty, other = ("bids", asks) if not bids else ("asks", bids)
        raise Unusable(f"{empty}: empty, with {len(other) // 2} levels on the other side")
    if bids and asks and bids[0] >= asks[0]:
        raise Unusable(f"bids and asks: crossed, {bids[0]} bid and {asks[0]} asked")
