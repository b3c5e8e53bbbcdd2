"""Bybit v5 public frames as recorded directly: `orderbook.<depth>.<symbol>` and `publicTrade.<symbol>`.

https://bybit-exchange.github.io/docs/v5/websocket/public/orderbook: a snapshot (or `u` 1) replaces the book of its
topic, `u` is always in sequence, `seq` compares topics of different depth, `cts` is the matching engine's time and
comparable to the `T` of trades. Topics are fused into one book (data_convert.recordings.venues.windows) unless one is chosen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from data_convert.errors import BadLine
from data_convert.events import BUY, DEPTH, DEPTH_SNAPSHOT, SELL, TRADE
from data_convert.messages.columns import NO_ID, MessagesBuilder, What
from data_convert.recordings.venues.decimals import decimal, integer, levels, load_object, millis_to_ns, text
from data_convert.recordings.venues.dialects import GAP_WORD, take_recorder_gap
from data_convert.recordings.venues.fusing import ASK, BID, Row
from data_convert.recordings.venues.windows import Change, HeldBook, Levels, Replace, Windows

_SIDE: Final = {BID: BUY, ASK: SELL}
_TRADE_SIDE: Final = {"Buy": BUY, "Sell": SELL}
_NO_IDS: Final = (NO_ID, NO_ID, NO_ID)
GAP_REASON: Final = "update ids"


@dataclass(slots=True)
class _Symbol(HeldBook):
    """A book and the depths of the topics that began with a snapshot."""

    windows: Windows = field(default_factory=Windows)
    anchored: set[int] = field(default_factory=set)


class BybitDecoder:
    """Lines of a Bybit recording into messages; `depth` takes the one topic of that many levels, None fuses all.

    `time` T dates books by `cts` (matching) and trades by `T`, E both by the frame's `ts`.
    """

    def __init__(self, time: str = "T", depth: int | None = None) -> None:
        self.streams: Counter[str] = Counter()
        self.filtered: Counter[str] = Counter()
        self.notes: Counter[str] = Counter()
        self.matching, self.depth = time == "T", depth
        self.before_book: Callable[[str], None] = _nobody
        """Called with the symbol before its book is changed: it may be held elsewhere."""
        self._symbols: dict[str, _Symbol] = {}

    def take(self, builder: MessagesBuilder, place: tuple[int, int], local_ns: int, payload: bytes) -> None:
        """Decode one line's JSON into `builder`; raise BadLine, leaving `builder` as it was."""
        frame = load_object(payload)
        if "topic" not in frame:
            gone = take_recorder_gap(builder, place, local_ns, frame)
            if gone is not None:
                self._end_book(gone)
                return
            if "op" not in frame and "success" not in frame:
                raise BadLine("neither a topic nor a reply", payload[:60].decode("utf-8", "replace"))
            self.filtered["reply of the exchange, no market data"] += 1
            return
        kind, _, rest = text(frame["topic"], "topic").partition(".")
        if kind == "orderbook" and not rest.startswith("rpi."):  # orders for retail only are no part of the book
            depth = rest.partition(".")[0]
            if not depth.isdecimal() or not 0 < int(depth) <= 10_000:
                raise BadLine("topic names no depth", str(frame["topic"])[:60])
            self._book(builder, place, local_ns, frame, int(depth))
            kind = f"orderbook.{depth}"
        elif kind == "publicTrade":
            self._trades(builder, place, local_ns, frame)
        self.streams[kind] += 1

    def finish(self, builder: MessagesBuilder) -> None:
        """Nothing is held: every line is a whole message."""

    def held_book(self, symbol: str) -> HeldBook | None:
        """Return the book of a symbol, None before it has one."""
        return self._symbols.get(symbol)

    def _end_book(self, name: str) -> None:
        """Forget a symbol's book at a gap: each of its topics begins again with a snapshot."""
        self.streams[GAP_WORD] += 1
        self.before_book(name)
        known = self._symbols.get(name)
        if known is not None:
            self._symbols[name] = _Symbol(lost={*known.last_u, *known.lost}, has_seq=known.has_seq)

    def _book(
        self, builder: MessagesBuilder, place: tuple[int, int], local_ns: int, frame: dict[str, Any], depth: int
    ) -> None:
        data = frame.get("data")
        if not isinstance(data, dict):
            raise BadLine("field 'data' is no object", repr(data)[:60])
        name, last = text(data.get("s"), "s"), integer(data.get("u"), "u")
        bids, asks = _pairs(data.get("b"), "b"), _pairs(data.get("a"), "a")
        if frame.get("type") not in ("snapshot", "delta"):
            raise BadLine("field 'type' is neither snapshot nor delta", repr(frame.get("type"))[:60])
        exch_ns = self._book_ns(frame)
        self.before_book(name)
        state = self._symbols.get(name) or _Symbol()
        if state.has_seq is False or "seq" not in data:
            if state.has_seq:
                raise BadLine("field 'seq' is missing")
            version = exch_ns
        else:
            version = integer(data["seq"], "seq")
        if self.depth is not None and depth != self.depth:
            self.filtered[f"orderbook.{depth}, not the topic chosen"] += 1
            return
        self._symbols[name], state.has_seq = state, "seq" in data if state.has_seq is None else state.has_seq
        add = Adder(builder, name, place, local_ns, exch_ns, last)
        known = state.last_u.get(depth)
        if frame["type"] == "snapshot" or last == 1:
            restart = depth != 1 or known is None or last == 1
            state.last_u[depth] = last
            state.lost.discard(depth)
            state.anchored.add(depth)
            add.result(state.windows.snapshot(depth, _there(bids), _there(asks), version, restart))
            return
        if depth in state.lost:
            self.notes[f"orderbook.{depth} updates behind a gap, before their snapshot"] += 1
            if self.depth is not None:
                add.rows(What.UPDATE, DEPTH, _rows(bids, asks))
            return
        if known is not None and last <= known:
            self.notes[f"orderbook.{depth} updates duplicate or old"] += 1
            return
        if known is not None and last != known + 1:
            state.lost.add(depth)
            builder.reasons[len(builder)] = f"{GAP_REASON}: orderbook.{depth} u {known}, then {last}"
            builder.add(What.GAP, name, place, local_ns, exch_ns, _NO_IDS, ((), (), ()))
            left = state.windows.lose(depth)
            if left is not None:
                add.result(left)
            return
        state.last_u[depth] = last
        if depth not in state.anchored:
            self.notes[f"orderbook.{depth} updates before their snapshot"] += 1
        change = state.windows.delta(depth, bids, asks, version)
        add.result(Change(_rows(bids, asks)) if self.depth is not None else change)

    def _book_ns(self, frame: dict[str, Any]) -> int:
        if self.matching and "cts" in frame:
            return millis_to_ns(frame["cts"], "cts")
        if self.matching:
            self.notes["order books without cts, dated by ts"] += 1
        return millis_to_ns(frame.get("ts"), "ts")

    def _trades(self, builder: MessagesBuilder, place: tuple[int, int], local_ns: int, frame: dict[str, Any]) -> None:
        data = frame.get("data")
        if not isinstance(data, list) or not all(isinstance(trade, dict) for trade in data):
            raise BadLine("field 'data' is no list of trades", repr(data)[:60])
        trades = [(self._trade(trade), trade) for trade in data]
        frame_ns = None if self.matching else millis_to_ns(frame.get("ts"), "ts")
        for (name, exch_ns, side, price, quantity), trade in trades:
            if trade.get("BT") is True:
                self.filtered["block trade"] += 1
            elif not price > 0 or not quantity > 0:
                self.filtered["trade without price or quantity"] += 1
            else:
                at_ns = exch_ns if frame_ns is None else frame_ns
                rows = ((TRADE | side,), (price,), (quantity,))
                builder.add(What.TRADE, name, place, local_ns, at_ns, _NO_IDS, rows)

    def _trade(self, trade: dict[str, Any]) -> tuple[str, int, int, float, float]:
        side = trade.get("S")
        if side not in ("Buy", "Sell"):
            raise BadLine("field 'S' is neither Buy nor Sell", repr(side)[:60])
        price, quantity = decimal(trade.get("p"), "p"), decimal(trade.get("v"), "v")
        return text(trade.get("s"), "s"), millis_to_ns(trade.get("T"), "T"), _TRADE_SIDE[side], price, quantity


@dataclass(frozen=True, slots=True)
class Adder:
    """Where the rows of one frame go."""

    builder: MessagesBuilder
    symbol: str
    place: tuple[int, int]
    local_ns: int
    exch_ns: int
    last_id: int

    def result(self, result: Replace | Change) -> None:
        """Add the book anew, or what changed in it."""
        if isinstance(result, Replace):
            self.rows(What.SNAPSHOT, DEPTH_SNAPSHOT, result.rows)
        elif result.rows:
            self.rows(What.UPDATE, DEPTH, result.rows)

    def rows(self, what: What, kind: int, rows: Iterable[Row]) -> None:
        """Add rows of one kind as a message."""
        listed = list(rows)
        columns = ([kind | _SIDE[s] for s, _, _ in listed], [p for _, p, _ in listed], [q for _, _, q in listed])
        ids = (NO_ID, self.last_id, NO_ID)
        self.builder.add(what, self.symbol, self.place, self.local_ns, self.exch_ns, ids, columns)


def _pairs(value: object, name: str) -> Levels:
    prices, quantities = levels(value, name)
    return list(zip(prices, quantities, strict=True))


def _there(pairs: Levels) -> Levels:
    return [(price, quantity) for price, quantity in pairs if quantity > 0]


def _rows(bids: Levels, asks: Levels) -> list[Row]:
    return [(side, price, quantity) for side, pairs in ((BID, bids), (ASK, asks)) for price, quantity in pairs]


def _nobody(symbol: str) -> None:
    """Hold no book."""
