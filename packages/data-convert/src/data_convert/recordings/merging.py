"""Two recordings of the same streams into one: every message once, at the time it was received first.

Messages that have an id (update, trade, snapshot) are the same when their ids are; others when their bytes are, and
then as often as the recording that has them most often. Lines of one moment stay together: what is more than
`WINDOW_NS` apart is never compared, so memory stays flat.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from heapq import merge
from typing import Final

import orjson

from data_convert.recordings.detect import is_gap_line
from data_convert.recordings.venues.dialects import market_of

Line = tuple[int, int, bytes]
"""(local ns, number of the recording, payload)"""

WINDOW_NS: Final = 60_000_000_000

Key = tuple[object, ...] | bytes


@dataclass(slots=True)
class MergeCounts:
    """What a merge did: lines taken and left out of each recording, its gap lines, symbols seen in each, markets."""

    taken: Counter[int] = field(default_factory=Counter)
    dropped: Counter[int] = field(default_factory=Counter)
    gaps: Counter[int] = field(default_factory=Counter)
    symbols: dict[int, set[str]] = field(default_factory=dict)
    markets: dict[str, int] = field(default_factory=dict)
    """Markets seen, and the first recording of each."""


def merge_lines(recordings: Iterable[Iterator[tuple[int, bytes]]], counts: MergeCounts) -> Iterator[tuple[int, bytes]]:
    """Yield (local ns, payload) of several recordings, each in its own order, without what came before."""
    numbered = [_numbered(number, lines) for number, lines in enumerate(recordings)]
    waiting: dict[Key, list[int]] = {}
    recent: deque[tuple[int, Key]] = deque()
    for stamp, number, payload in merge(*numbered, key=lambda line: line[0]):
        while recent and recent[0][0] < stamp - WINDOW_NS:
            waiting.pop(recent.popleft()[1], None)
        if is_gap_line(payload):  # one recorder's gap is none where the other one listened: the ids tell what both lack
            counts.gaps[number] += 1
            continue
        key, symbol, market = identify(payload)
        if market is not None:
            counts.markets.setdefault(market, number)
        if symbol:
            counts.symbols.setdefault(number, set()).add(symbol)
        seen = waiting.get(key)
        if seen is None:
            seen = waiting[key] = [0] * len(numbered)
            recent.append((stamp, key))
        seen[number] += 1
        known = any(seen[:number] + seen[number + 1 :]) or seen[number] > 1
        repeated = known if isinstance(key, tuple) else seen[number] <= max(seen[:number] + seen[number + 1 :])
        if repeated:
            counts.dropped[number] += 1
            continue
        counts.taken[number] += 1
        yield stamp, payload


def _numbered(number: int, lines: Iterator[tuple[int, bytes]]) -> Iterator[Line]:
    for stamp, payload in lines:
        yield stamp, number, payload


def identify(payload: bytes) -> tuple[Key, str, str | None]:
    """Return what makes a message the same in two recordings, its symbol ("" where it names none), its market if it tells."""
    try:
        frame = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return payload, "", None
    if not isinstance(frame, dict):
        return payload, "", None
    stream, data = str(frame.get("stream", "")), frame.get("data")
    if "e" in frame and data is None:
        data = frame  # a frame of a socket without streams
    if isinstance(data, dict) and "topic" not in frame and "channel" not in frame:
        symbol = str(data.get("s", ""))
        word = data.get("e", stream.partition("@")[2])
        if word == "trade" and "t" in data:
            return ("trade", symbol, data["t"]), symbol, market_of(data)
        if "U" in data and "u" in data:
            return ("depth", stream, data.get("U"), data["u"]), symbol, market_of(data)
        if "u" in data and "B" in data:
            return ("ticker", symbol, data["u"]), symbol, market_of(data)
        return payload, symbol, market_of(data)
    if "lastUpdateId" in frame:
        return ("snapshot", frame["lastUpdateId"]), "", None
    topic = frame.get("topic")
    if isinstance(topic, str):
        return payload, topic.rpartition(".")[2], None
    if isinstance(data, dict):
        return payload, str(data.get("coin", "")), None
    return payload, "", None
