"""Which dialect a line is written in."""

from __future__ import annotations

from typing import Literal

from data_convert.errors import BadLine
from data_convert.formats.decimals import load_object
from data_convert.formats.link import WORDS

Dialect = Literal["direct", "link"]


def detect_line(payload: bytes) -> Dialect | None:
    """Tell the dialect of one line's JSON; None when this line does not say.

    A wrapper, a REST snapshot or an exchange's own transaction time, first id or previous id is direct. Link lines
    have an event word of their table, and none of these.
    """
    try:
        data = load_object(payload)
    except BadLine:
        return None
    if "stream" in data and "data" in data:
        return "direct"
    if "lastUpdateId" in data and ("bids" in data or "asks" in data):
        return "direct"
    word = data.get("e")
    if word in ("gap", "depthSnapshot", "depthClear", "event") or (word in WORDS and "ns" in data):
        return "link"
    if isinstance(word, str) and any(key in data for key in ("T", "U", "pu", "X")):
        return "direct"
    return "link" if word in WORDS and "s" in data else None
