"""Decimal text to floats, strictly: digits and one point, nothing that only `float` would accept."""

from __future__ import annotations

import re
from typing import Any, Final

import orjson

from data_convert.errors import BadLine

_DECIMAL: Final = re.compile(r"[0-9]+(?:\.[0-9]*)?|\.[0-9]+")
_DECIMAL_CHARACTERS: Final = re.compile(r"[0-9.]*")
_MAX_MS: Final = 9_223_372_036_854
_FIRST_US: Final = 100_000_000_000_000
_MAX_US: Final = 9_223_372_036_854_775
_MAX_NS: Final = (1 << 63) - 1


def load_object(payload: bytes) -> dict[str, Any]:
    """Parse one JSON object or raise BadLine."""
    try:
        value = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise BadLine("not JSON", str(error)) from None
    if not isinstance(value, dict):
        raise BadLine("not a JSON object", type(value).__name__)
    return value


def decimal(value: object, name: str, *, signed: bool = False) -> float:
    """Convert one decimal text to the nearest float; `name` is the field the error names. A minus only if `signed`."""
    if not isinstance(value, str) or not _DECIMAL.fullmatch(value.removeprefix("-") if signed else value):
        raise BadLine(f"field {name!r} is no decimal text", repr(value)[:60])
    number = float(value)
    if number == float("inf"):
        raise BadLine(f"field {name!r} is no decimal text", repr(value)[:60])
    return number


def levels(value: object, name: str) -> tuple[list[float], list[float]]:
    """Convert a list of [price, quantity] texts to (prices, quantities); prices are positive."""
    if not isinstance(value, list):
        raise BadLine(f"field {name!r} is no list of levels", repr(value)[:60])
    if not value:
        return [], []
    try:
        if set(map(type, value)) != {list}:  # a text is a sequence too, and an object one of its keys
            raise ValueError
        flat: list[str] = [text for pair in value for text in pair]
        if len(flat) != 2 * len(value) or not _DECIMAL_CHARACTERS.fullmatch("".join(flat)):
            raise ValueError
        if {len(pair) for pair in value} != {2}:
            raise ValueError
        numbers = list(map(float, flat))
    except (TypeError, ValueError):
        raise BadLine(f"field {name!r} holds a level that is no pair of decimal texts", _first_bad(value)) from None
    prices = numbers[::2]
    if not min(prices) > 0 or max(numbers) == float("inf"):
        raise BadLine(f"field {name!r} holds a price that is not positive and finite", _first_bad(value))
    return prices, numbers[1::2]


def _first_bad(value: list[Any]) -> str:
    for pair in value:
        good = isinstance(pair, list) and len(pair) == 2 and all(isinstance(t, str) for t in pair)
        if not good or not all(_DECIMAL.fullmatch(t) for t in pair) or float(pair[0]) <= 0:
            return repr(pair)[:60]
    return ""


def integer(value: object, name: str) -> int:
    """Check a non-negative integer of 63 bits."""
    if type(value) is not int or not 0 <= value <= _MAX_NS:
        raise BadLine(f"field {name!r} is no integer", repr(value)[:60])
    return value


def millis_to_ns(value: object, name: str) -> int:
    """Convert integer milliseconds since the epoch to nanoseconds."""
    if type(value) is not int or not 0 <= value <= _MAX_MS:
        raise BadLine(f"field {name!r} is no time in milliseconds", repr(value)[:60])
    return value * 1_000_000


def stamp_to_ns(value: object, name: str) -> int:
    """Convert integer ms or µs since the epoch to nanoseconds; what would be ms beyond the year 5000 is µs."""
    if type(value) is int and _FIRST_US <= value <= _MAX_US:
        return value * 1_000
    return millis_to_ns(value, name)


def text(value: object, name: str) -> str:
    """Check a non-empty text."""
    if not isinstance(value, str) or not value:
        raise BadLine(f"field {name!r} is no text", repr(value)[:60])
    return value


def flag(value: object, name: str) -> bool:
    """Check a boolean."""
    if not isinstance(value, bool):
        raise BadLine(f"field {name!r} is neither true nor false", repr(value)[:60])
    return value
