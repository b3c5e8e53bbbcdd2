"""MEXC spot frames (JSON, v3) as HftBacktest's collector records them.

https://mexcdevelop.github.io/apidocs/spot_v3_en/: `increase.depth` changes levels of the whole book, its `r` in sequence;
`limit.depth@N` states the best N levels at version `r`; `deals` are trades, `S` 1 bought and 2 sold by the aggressor.
Nothing states the whole book. It begins with the first `limit.depth`; levels beyond its N are known as far as they change,
and each later statement corrects the N levels (data_convert.recordings.venues.windows). Where `r` leaps there is a gap until the next one.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from data_convert.errors import BadLine
from data_convert.events import BUY, SELL, TRADE
from data_convert.messages.columns import NO_ID, MessagesBuilder, What
from data_convert.recordings.venues.bybit import GAP_REASON, Adder
from data_convert.recordings.venues.decimals import decimal, integer, load_object, millis_to_ns, text
from data_convert.recordings.venues.windows import Levels, Windows

PREFIX: Final = "spot@public."
_WHOLE: Final = 1 << 20
"""Stands for the depth of the whole book, deeper than any statement of it."""
_SIDES: Final = {1: BUY, 2: SELL}
_NO_IDS: Final = (NO_ID, NO_ID, NO_ID)


@dataclass(slots=True)
class _Symbol:
    windows: Windows = field(default_factory=Windows)
    last: int | None = None
    anchored: bool = False


class MexcDecoder:
    """Lines of a MEXC recording into messages; books are dated by the frame's `t`, trades by their own."""

    def __init__(self) -> None:
        self.streams: Counter[str] = Counter()
        self.filtered: Counter[str] = Counter()
        self.notes: Counter[str] = Counter()
        self._symbols: dict[str, _Symbol] = {}

    def take(self, builder: MessagesBuilder, place: tuple[int, int], local_ns: int, payload: bytes) -> None:
        """Decode one line's JSON into `builder`; raise BadLine, leaving `builder` as it was."""
        frame = load_object(payload)
        if "c" not in frame:
            if "id" not in frame and "code" not in frame and "msg" not in frame:
                raise BadLine("neither a channel nor a reply", payload[:60].decode("utf-8", "replace"))
            self.filtered["reply of the exchange, no market data"] += 1
            return
        channel = text(frame["c"], "c")
        kind = channel.removeprefix(PREFIX).partition(".v3")[0]
        data = frame.get("d")
        if not isinstance(data, dict):
            raise BadLine("field 'd' is no object", repr(data)[:60])
        match kind:
            case "increase.depth" | "limit.depth":
                self._book(builder, place, local_ns, frame, data, channel if kind == "limit.depth" else "")
            case "deals":
                self._trades(builder, place, local_ns, frame, data)
        self.streams[kind] += 1

    def finish(self, builder: MessagesBuilder) -> None:
        """Nothing is held: every line is a whole message."""

    def _book(
        self,
        builder: MessagesBuilder,
        place: tuple[int, int],
        local_ns: int,
        frame: dict[str, Any],
        data: dict[str, Any],
        limit: str,
    ) -> None:
        name, exch_ns, version = text(frame.get("s"), "s"), millis_to_ns(frame.get("t"), "t"), _version(data)
        bids, asks = _levels(data.get("bids", []), "bids"), _levels(data.get("asks", []), "asks")
        add = Adder(builder, name, place, local_ns, exch_ns, version)
        state = self._symbols.setdefault(name, _Symbol())
        if limit:
            depth = limit.rpartition("@")[2]
            if not depth.isdecimal() or not int(depth):
                raise BadLine("channel names no depth", limit[:60])
            if state.last is not None and version < state.last and state.anchored:
                self.notes["limit.depth older than the book"] += 1
                return
            state.last = version
            first, state.anchored = not state.anchored, True
            add.result(state.windows.snapshot(_WHOLE if first else int(depth), bids, asks, version, first))
            return
        if not state.anchored:
            self.notes["increase.depth before the first limit.depth"] += 1
            return
        assert state.last is not None, "a book begins with a version"
        if version <= state.last:
            self.notes["increase.depth duplicate or old"] += 1
            return
        if version != state.last + 1:
            builder.reasons[len(builder)] = f"{GAP_REASON}: increase.depth r {state.last}, then {version}"
            builder.add(What.GAP, name, place, local_ns, exch_ns, _NO_IDS, ((), (), ()))
            state.windows, state.anchored, state.last = Windows(), False, None
            return
        state.last = version
        add.result(state.windows.delta(_WHOLE, bids, asks, version))

    def _trades(
        self,
        builder: MessagesBuilder,
        place: tuple[int, int],
        local_ns: int,
        frame: dict[str, Any],
        data: dict[str, Any],
    ) -> None:
        deals, name = data.get("deals"), text(frame.get("s"), "s")
        if not isinstance(deals, list) or not all(isinstance(deal, dict) for deal in deals):
            raise BadLine("field 'deals' is no list of trades", repr(deals)[:60])
        trades = []
        for deal in deals:
            side = _SIDES.get(integer(deal.get("S"), "S"))
            if side is None:
                raise BadLine("field 'S' is neither 1 nor 2", repr(deal.get("S"))[:60])
            found = decimal(deal.get("p"), "p"), decimal(deal.get("v"), "v")
            trades.append((millis_to_ns(deal.get("t"), "t"), side, *found))
        for at_ns, side, price, quantity in trades:
            if price > 0 and quantity > 0:
                rows = ((TRADE | side,), (price,), (quantity,))
                builder.add(What.TRADE, name, place, local_ns, at_ns, _NO_IDS, rows)
            else:
                self.filtered["trade without price or quantity"] += 1


def _version(data: dict[str, Any]) -> int:
    found = data.get("r")
    if not isinstance(found, str) or not found.isdecimal() or len(found) > 18:
        raise BadLine("field 'r' is no version", repr(found)[:60])
    return int(found)


def _levels(value: object, name: str) -> Levels:
    if not isinstance(value, list) or not all(isinstance(level, dict) for level in value):
        raise BadLine(f"field {name!r} is no list of levels", repr(value)[:60])
    found = [(decimal(level.get("p"), "p"), decimal(level.get("v"), "v")) for level in value]
    if any(not price > 0 for price, _ in found):
        raise BadLine(f"field {name!r} holds a price that is not positive and finite")
    return found
