"""Fields of rows of comma separated text, each checked and named in the error."""

from __future__ import annotations

from data_convert.errors import BadLine
from data_convert.recordings.venues.decimals import decimal, integer


def fields(line: bytes, count: int) -> list[str]:
    """Split a row into exactly `count` fields; raise BadLine for another number."""
    found = line.decode("utf-8", "replace").split(",")
    if len(found) != count:
        raise BadLine("row of another number of fields than the header", f"{len(found)}, not {count}")
    return found


def number(value: str, name: str) -> float:
    """Convert a decimal field; raise BadLine naming the column."""
    return decimal(value, name)


def whole(value: str, name: str) -> int:
    """Convert an integer field; raise BadLine naming the column."""
    if not value.isascii() or not value.isdecimal() or len(value) > 19:
        raise BadLine(f"field {name!r} is no integer", value[:60])
    return integer(int(value), name)
