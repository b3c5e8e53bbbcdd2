"""Hyperliquid frames as recorded directly: channels `l2Book`, `bbo` and `trades`.

https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/websocket/subscriptions: `l2Book` is the whole of
the best 20 levels every time, without ids; `bbo` the best of each side. Only what changed is emitted: a level that is
not in the next book is deleted once, whatever became of the number of levels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from data_convert.errors import BadLine
from data_convert.events import BUY, DEPTH, DEPTH_SNAPSHOT, SELL, TRADE
from data_convert.messages.columns import NO_ID, MessagesBuilder, What
from data_convert.recordings.venues.decimals import decimal, integer, load_object, millis_to_ns, text
from data_convert.recordings.venues.dialects import GAP_WORD, take_recorder_gap
from data_convert.recordings.venues.fusing import ASK, BID
from data_convert.recordings.venues.windows import HeldBook, Levels, Replace, Windows

BOOK_LEVELS: Final = 20
_SIDE: Final = {BID: BUY, ASK: SELL}
NOT_CHOSEN: Final = "l2Book or bbo, not the stream chosen"
_REPLIES: Final = frozenset({"subscriptionResponse", "pong", "error"})


class HyperliquidDecoder:
    """Lines of a Hyperliquid recording into messages; `depth` 20 takes l2Book only, 1 bbo only, None fuses both."""

    def __init__(self, depth: int | None = None) -> None:
        self.streams: Counter[str] = Counter()
        self.filtered: Counter[str] = Counter()
        self.notes: Counter[str] = Counter()
        self.depth = depth
        self.before_book: Callable[[str], None] = _nobody
        """Called with the symbol before its book is changed: it may be held elsewhere."""
        self._books: dict[str, HeldBook] = {}

    def take(self, builder: MessagesBuilder, place: tuple[int, int], local_ns: int, payload: bytes) -> None:
        """Decode one line's JSON into `builder`; raise BadLine, leaving `builder` as it was."""
        frame = load_object(payload)
        gone = take_recorder_gap(builder, place, local_ns, frame) if "channel" not in frame else None
        if gone is not None:
            self.streams[GAP_WORD] += 1
            self.before_book(gone)
            self._books.pop(gone, None)
            return
        channel, data = text(frame.get("channel"), "channel"), frame.get("data")
        match channel:
            case "l2Book" | "bbo":
                if not isinstance(data, dict):
                    raise BadLine("field 'data' is no object", repr(data)[:60])
                sides = data.get("levels") if channel == "l2Book" else _best(data.get("bbo"))
                if not isinstance(sides, list) or len(sides) != 2:
                    raise BadLine(f"channel {channel} without two sides", repr(sides)[:60])
                depth = BOOK_LEVELS if channel == "l2Book" else 1
                self._book(builder, place, local_ns, data, depth, (_levels(sides[0]), _levels(sides[1])))
            case "trades":
                self._trades(builder, place, local_ns, data)
            case _ if channel in _REPLIES:
                self.filtered["reply of the exchange, no market data"] += 1
                return
        self.streams[channel] += 1

    def finish(self, builder: MessagesBuilder) -> None:
        """Nothing is held: every line is a whole message."""

    def held_book(self, coin: str) -> HeldBook | None:
        """Return the book of a coin, None before it has one."""
        return self._books.get(coin)

    def _book(
        self,
        builder: MessagesBuilder,
        place: tuple[int, int],
        local_ns: int,
        data: dict[str, Any],
        depth: int,
        sides: tuple[Levels, Levels],
    ) -> None:
        coin, time = text(data.get("coin"), "coin"), data.get("time")
        exch_ns = millis_to_ns(time, "time")
        if self.depth is not None and depth != self.depth:
            self.filtered[NOT_CHOSEN] += 1
            return
        self.before_book(coin)
        book = self._books.setdefault(coin, HeldBook(Windows(), has_seq=False))
        result = book.windows.snapshot(depth, *sides, exch_ns, restart=False)
        if not result.rows:
            return
        what, kind = (What.SNAPSHOT, DEPTH_SNAPSHOT) if isinstance(result, Replace) else (What.UPDATE, DEPTH)
        columns = (
            [kind | _SIDE[side] for side, _, _ in result.rows],
            [price for _, price, _ in result.rows],
            [quantity for _, _, quantity in result.rows],
        )
        builder.add(what, coin, place, local_ns, exch_ns, (NO_ID, NO_ID, NO_ID), columns)

    def _trades(self, builder: MessagesBuilder, place: tuple[int, int], local_ns: int, data: object) -> None:
        if not isinstance(data, list) or not all(isinstance(trade, dict) for trade in data):
            raise BadLine("field 'data' is no list of trades", repr(data)[:60])
        for coin, exch_ns, side, price, quantity, trade_id in [_trade(trade) for trade in data]:
            if not price > 0 or not quantity > 0:
                self.filtered["trade without price or quantity"] += 1
                continue
            rows = ((TRADE | side,), (price,), (quantity,))
            builder.add(What.TRADE, coin, place, local_ns, exch_ns, (NO_ID, trade_id, NO_ID), rows)


def _trade(trade: dict[str, Any]) -> tuple[str, int, int, float, float, int]:
    side = trade.get("side")
    if side not in ("A", "B"):
        raise BadLine("field 'side' is neither A nor B", repr(side)[:60])
    price, quantity = decimal(trade.get("px"), "px"), decimal(trade.get("sz"), "sz")
    exch_ns = millis_to_ns(trade.get("time"), "time")
    trade_id = integer(trade["tid"], "tid") if "tid" in trade else NO_ID
    return text(trade.get("coin"), "coin"), exch_ns, SELL if side == "A" else BUY, price, quantity, trade_id


def _best(value: object) -> list[list[object]] | None:
    """Bring the two quotes of `bbo`, null where a side is empty, into the shape of `levels`."""
    if not isinstance(value, list):
        return None
    return [[] if quote is None else [quote] for quote in value]


def _levels(value: object) -> Levels:
    if not isinstance(value, list) or not all(isinstance(level, dict) for level in value):
        raise BadLine("a side of the book is no list of levels", repr(value)[:60])
    found = [(decimal(level.get("px"), "px"), decimal(level.get("sz"), "sz")) for level in value]
    if any(not price > 0 for price, _ in found):
        raise BadLine("field 'px' holds a price that is not positive and finite", repr(value)[:60])
    return [(price, quantity) for price, quantity in found if quantity > 0]


def _nobody(symbol: str) -> None:
    """Hold no book."""
