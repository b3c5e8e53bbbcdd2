"""Binance frames and REST depth snapshots as recorded directly (docs/formats.md section 2.1): USD-M, COIN-M, spot.

Combined frames (`{"stream":...,"data":...}`), bare frames of a `/ws` socket and bodies of `GET .../depth` are taken.
Update ids of futures: https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams
"How to manage a local order book correctly"; `pu` is the `u` of the update before.

Spot differs (https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams): there is no `pu`, the next
`U` is the last `u` plus one, so `U - 1` stands for it. Updates have no T. REST snapshots have neither E nor T: they are
dated by the newest exchange time received before them. Trades have no X; `M` means nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from itertools import repeat
from typing import Any, Final

from data_convert.errors import BadLine
from data_convert.events import (
    BEST_ASK,
    BEST_BID,
    BUY,
    DEPTH,
    DEPTH_SNAPSHOT,
    FUNDING_RATE,
    INDEX_PRICE,
    MARK_PRICE,
    SELL,
    TRADE,
    Ints,
)
from data_convert.messages.columns import NO_ID, MessagesBuilder, What
from data_convert.recordings.venues.decimals import (
    decimal,
    flag,
    integer,
    levels,
    load_object,
    stamp_to_ns,
    text,
)
from data_convert.recordings.venues.dialects import GAP_WORD, market_of, own_dialect, take_recorder_gap

_BID: Final = DEPTH | BUY
_ASK: Final = DEPTH | SELL
_SNAPSHOT_BID: Final = DEPTH_SNAPSHOT | BUY
_SNAPSHOT_ASK: Final = DEPTH_SNAPSHOT | SELL

OTHER_MARKET: Final = "update of another market than the first one (pu in one, none in the other)"
UNDATED: Final = "snapshots without E and T, dated by the newest exchange time before them"
UNDATED_QUOTES: Final = "book tickers without E and T, dated by the newest exchange time before them"
UNUSED_QUOTES: Final = "book tickers that name no update id or no prices"
NO_CAUSE: Final = "trade_without_X"
ALSO: Final = {"book-ticker": "bookTicker", "mark-price": "markPriceUpdate"}
"""What may be taken beside books and trades, and its event word."""


class DirectDecoder:
    """Lines of a direct recording into messages; exchange time is T (transaction) or E (event) by `time`.

    `spot` None lets the first update decide: with `pu` it is futures, without it is spot. `also` names streams of ALSO
    whose frames become rows too; others are counted only.
    """

    def __init__(self, time: str = "T", spot: bool | None = None, also: Collection[str] = ()) -> None:
        self.spot = spot
        self.also_words = frozenset(ALSO[name] for name in also)
        self._newest_ns = 0
        self._undated: list[int] = []
        self.time, self.other_time = (time, "E" if time == "T" else "T")
        self.other_time_note = f"messages without {self.time}, dated by {self.other_time}"
        self.markets: dict[str, tuple[int, int]] = {}
        """Where the first line of each market stands, of those whose members tell it."""
        self._odd_updates = 0
        self.streams: Counter[str] = Counter()
        self.filtered: Counter[str] = Counter()
        self.notes: Counter[str] = Counter()

    def take(self, builder: MessagesBuilder, place: tuple[int, int], local_ns: int, payload: bytes) -> None:
        """Decode one line's JSON into `builder`; raise BadLine, leaving `builder` as it was."""
        frame = load_object(payload)
        if "stream" in frame:
            stream = text(frame["stream"], "stream")
            data = frame.get("data")
            if not isinstance(data, dict):
                raise BadLine("field 'data' is no object", repr(data)[:60])
            name = stream.partition("@")[2] or stream
            word = event_word(name, data)
        else:
            data, word = frame, frame.get("e")
            name = f"{word} (bare)" if word is not None else "REST snapshot"
            if own_dialect(frame) == "link":
                raise BadLine(
                    "a line of a connector, no frame of the exchange", payload[:60].decode("utf-8", "replace")
                )
        match word:
            case "depthUpdate":
                self._update(builder, place, local_ns, data)
            case "trade":
                self._trade(builder, place, local_ns, data)
            case "bookTicker":
                if word in self.also_words:
                    self._ticker(builder, place, local_ns, data)
                self._quote(builder, place, local_ns, data)
            case "markPriceUpdate" if "markPriceUpdate" in self.also_words:
                self._mark_price(builder, place, local_ns, data)
            case _ if word == GAP_WORD and data is frame:
                # The recorder's own word in a direct recording: its run begins here, whatever came before.
                take_recorder_gap(builder, place, local_ns, data)
                name = GAP_WORD
            case None if "bids" in data or "asks" in data:
                self._snapshot(builder, place, local_ns, data)
            case None if "code" in data or "result" in data or "error" in data:
                self.filtered["reply of the exchange, no market data"] += 1
                return
            case None:
                raise BadLine("neither a frame nor a snapshot", payload[:60].decode("utf-8", "replace"))
            case _:
                name = name if "stream" in frame else f"{text(word, 'e')} (bare)"
        self.streams[name] += 1

    def finish(self, builder: MessagesBuilder) -> None:
        """Nothing is held: every line is a whole message."""

    def seen(self, builder: MessagesBuilder, exch_ns: Ints) -> None:
        """Remember the exchange times of messages that come next, for snapshots that have none."""
        self._seen(builder, int(exch_ns[0]))
        self._newest_ns = max(self._newest_ns, int(exch_ns.max()))

    def _seen(self, builder: MessagesBuilder, exch_ns: int) -> None:
        """Remember an exchange time, for snapshots that have none; those before the first take that one."""
        self._newest_ns = max(self._newest_ns, exch_ns)
        for message in self._undated:
            builder.redate(message, exch_ns)
        self._undated.clear()

    def _mark(self, place: tuple[int, int], data: dict[str, Any]) -> None:
        market = market_of(data)
        if market is not None:
            self.markets.setdefault(market, place)

    def _exchange_ns(self, data: dict[str, Any]) -> int:
        if self.time in data:
            return stamp_to_ns(data[self.time], self.time)
        if self.other_time not in data:
            raise BadLine(f"field {self.time!r} is missing")
        self.notes[self.other_time_note] += 1
        return stamp_to_ns(data[self.other_time], self.other_time)

    def _update(self, builder: MessagesBuilder, place: tuple[int, int], local_ns: int, data: dict[str, Any]) -> None:
        bid_px, bid_qty = levels(data.get("b"), "b")
        ask_px, ask_qty = levels(data.get("a"), "a")
        symbol = text(data.get("s"), "s")
        ids = (NO_ID, NO_ID, NO_ID)
        if "U" in data or "u" in data or "pu" in data:
            first, last = integer(data.get("U"), "U"), integer(data.get("u"), "u")
            spot = "pu" not in data
            if self.spot is not None and spot != self.spot:
                self._odd_updates += 1
                if self._odd_updates > 1:  # one alone may be mangled
                    self._mark(place, data)
                raise BadLine(OTHER_MARKET)
            self._mark(place, data)
            ids = (first, last, max(first - 1, 0) if spot else integer(data["pu"], "pu"))
            exch_ns, self.spot = self._exchange_ns(data), spot
        else:
            exch_ns = self._exchange_ns(data)
        sides = [*repeat(_BID, len(bid_px)), *repeat(_ASK, len(ask_px))]
        self._seen(builder, exch_ns)
        builder.add(What.UPDATE, symbol, place, local_ns, exch_ns, ids, (sides, bid_px + ask_px, bid_qty + ask_qty))

    def _snapshot(self, builder: MessagesBuilder, place: tuple[int, int], local_ns: int, data: dict[str, Any]) -> None:
        bid_px, bid_qty = levels(data.get("bids"), "bids")
        ask_px, ask_qty = levels(data.get("asks"), "asks")
        last = integer(data.get("lastUpdateId"), "lastUpdateId")
        symbol = text(data["symbol"], "symbol") if "symbol" in data else ""
        exch_ns = self._exchange_ns_or_newest(builder, data, local_ns, UNDATED)
        sides = [*repeat(_SNAPSHOT_BID, len(bid_px)), *repeat(_SNAPSHOT_ASK, len(ask_px))]
        rows = (sides, bid_px + ask_px, bid_qty + ask_qty)
        builder.add(What.SNAPSHOT, symbol, place, local_ns, exch_ns, (NO_ID, last, NO_ID), rows)

    def _exchange_ns_or_newest(self, builder: MessagesBuilder, data: dict[str, Any], local_ns: int, note: str) -> int:
        if "E" in data or "T" in data or self.spot is False:
            return self._exchange_ns(data)
        self.notes[note] += 1
        if not self._newest_ns:
            self._undated.append(len(builder))
        return self._newest_ns or local_ns

    def _quote(self, builder: MessagesBuilder, place: tuple[int, int], local_ns: int, data: dict[str, Any]) -> None:
        """Keep a ticker's touch beside the book, which is judged by it; one that names no update id says nothing of it."""
        try:
            bid, ask = decimal(data.get("b"), "b"), decimal(data.get("a"), "a")
            symbol, update_id = text(data.get("s"), "s"), integer(data.get("u"), "u")
        except BadLine:
            self.notes[UNUSED_QUOTES] += 1
            return
        builder.add_quote(symbol, place, local_ns, update_id, bid, ask)

    def _ticker(self, builder: MessagesBuilder, place: tuple[int, int], local_ns: int, data: dict[str, Any]) -> None:
        numbers = [decimal(data.get(key), key) for key in "bBaA"]
        symbol = text(data.get("s"), "s")
        exch_ns = self._exchange_ns_or_newest(builder, data, local_ns, UNDATED_QUOTES)
        rows = ((BEST_BID, BEST_ASK), numbers[::2], numbers[1::2])
        builder.add(What.OTHER, symbol, place, local_ns, exch_ns, (NO_ID, NO_ID, NO_ID), rows)

    def _mark_price(
        self, builder: MessagesBuilder, place: tuple[int, int], local_ns: int, data: dict[str, Any]
    ) -> None:
        # T is the time of the next funding, up to eight hours from now: E alone tells when this was so.
        exch_ns, symbol = stamp_to_ns(data.get("E"), "E"), text(data.get("s"), "s")
        found = [
            (kind, decimal(data.get(key), key, signed=kind == FUNDING_RATE))
            for kind, key in ((INDEX_PRICE, "i"), (MARK_PRICE, "p"), (FUNDING_RATE, "r"))
            if kind == MARK_PRICE
            or data.get(key, "") != ""  # COIN-M names no index price, contracts that end no funding rate
        ]
        rows = ([kind for kind, _ in found], [value for _, value in found], [0.0] * len(found))
        builder.add(What.OTHER, symbol, place, local_ns, exch_ns, (NO_ID, NO_ID, NO_ID), rows)

    def _trade(self, builder: MessagesBuilder, place: tuple[int, int], local_ns: int, data: dict[str, Any]) -> None:
        price, quantity = decimal(data.get("p"), "p"), decimal(data.get("q"), "q")
        symbol, seller = text(data.get("s"), "s"), flag(data.get("m"), "m")
        cause = data.get("X")
        used = (cause is None or cause == "MARKET") and price > 0 and quantity > 0
        if not used and "t" in data:
            builder.other_trades.setdefault(symbol, []).append(integer(data["t"], "t"))
        if cause is not None and cause != "MARKET":
            self.filtered[f"trade with X {str(cause)[:40]}"] += 1
            return
        if not price > 0 or not quantity > 0:
            self.filtered["trade without price or quantity"] += 1
            return
        exch_ns = self._exchange_ns(data)
        self._mark(place, data)
        if cause is None:
            self.notes[NO_CAUSE] += 1
        ids = (NO_ID, integer(data["t"], "t") if "t" in data else NO_ID, NO_ID)
        side = TRADE | (SELL if seller else BUY)
        self._seen(builder, exch_ns)
        builder.add(What.TRADE, symbol, place, local_ns, exch_ns, ids, ((side,), (price,), (quantity,)))


def event_word(name: str, data: dict[str, Any]) -> object:
    """Tell the event word of a wrapped frame, by its stream where the frame has none (old samples).

    Partial books (`depth5@100ms`) call themselves depthUpdate too, but are no changes: they go by their stream.
    """
    kind = name.partition("@")[0]
    if kind.startswith("depth") and kind != "depth":
        return "partial depth"
    if "e" in data:
        return data["e"]
    return {"depth": "depthUpdate", "trade": "trade"}.get(kind, name)
