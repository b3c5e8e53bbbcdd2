"""Lines recorded from a running connector (docs/formats.md section 2.2), this project's and the source's older ones.

A line is one event; lines chained by `more` are one message. The source's recorder wrote neither `ns`, `u` nor `more`
and dropped clears: there `E` dates the line, and a run of `depthSnapshot` lines is one block that replaces the book.
A run also ends where a level of it comes again, because then the book is being sent anew.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from data_convert.errors import BadLine
from data_convert.events import BUY, DEPTH, DEPTH_BBO, DEPTH_CLEAR, DEPTH_SNAPSHOT, KIND_MASK, SELL, TRADE
from data_convert.messages.columns import NO_ID, MessagesBuilder, What
from data_convert.recordings.venues.decimals import decimal, integer, levels, load_object, millis_to_ns, text
from data_convert.recordings.venues.dialects import GAP_WORD, WORDS, own_dialect, take_gap

_SIDES: Final = BUY | SELL
_FULL_CLEAR: Final = DEPTH_CLEAR
_DEPTH_KINDS: Final = frozenset({DEPTH, DEPTH_CLEAR, DEPTH_SNAPSHOT})


@dataclass(slots=True)
class PartialBatch:
    """Lines that are one message, while they are gathered."""

    symbol: str
    place: tuple[int, int]
    local_ns: int = 0
    exch_ns: int = 0
    last_id: int = NO_ID
    more: int | None = None
    ev: list[int] = field(default_factory=list)
    px: list[float] = field(default_factory=list)
    qty: list[float] = field(default_factory=list)
    seen: set[tuple[int, float]] = field(default_factory=set)

    @property
    def cut(self) -> int:
        """Rows up to its last full clear: what stands before it in its own batch is undone by it."""
        return max((i + 1 for i, ev in enumerate(self.ev) if ev == _FULL_CLEAR), default=0)

    @property
    def whole(self) -> bool:
        """Tell whether its rows are the whole book."""
        return _is_replacement(self.ev)

    def add(self, row: _Row, local_ns: int, exch_ns: int) -> None:
        """Add the row of one line."""
        # One message, one time: a registration reply carries each level's own old time, and sorting by it would
        # move levels in front of the clear that they follow.
        self.local_ns, self.exch_ns = max(self.local_ns, local_ns), max(self.exch_ns, exch_ns)
        self.last_id, self.more = max(self.last_id, row.last_id), row.more
        self.ev.append(row.ev)
        self.px.append(row.px)
        self.qty.append(row.qty)
        self.seen.add((row.ev, row.px))


@dataclass(frozen=True, slots=True)
class _Row:
    """One decoded depth line."""

    symbol: str
    ev: int
    px: float
    qty: float
    last_id: int
    more: int | None


class LinkDecoder:
    """Lines of a link recording into messages; holds the block that is not complete yet."""

    def __init__(self) -> None:
        self.streams: Counter[str] = Counter()
        self.filtered: Counter[str] = Counter()
        self.notes: Counter[str] = Counter()
        self.batch: PartialBatch | None = None

    def take(self, builder: MessagesBuilder, place: tuple[int, int], local_ns: int, payload: bytes) -> None:
        """Decode one line's JSON into `builder`; raise BadLine, leaving `builder` as it was."""
        data = load_object(payload)
        word = data.get("e")
        if own_dialect(data) == "binance":
            raise BadLine("a frame of the exchange, no line of a connector", payload[:60].decode("utf-8", "replace"))
        if not isinstance(word, str) or word not in WORDS:
            raise BadLine("no event word of a link recording", repr(word)[:60])
        symbol = text(data.get("s"), "s")
        exch_ns = integer(data["ns"], "ns") if "ns" in data else millis_to_ns(data.get("E"), "E")
        kind = (integer(data["ev"], "ev") & KIND_MASK) if "ev" in data else None
        if word in ("depthUpdate", "depthSnapshot", "depthClear") or (word == "event" and kind in _DEPTH_KINDS):
            self._depth(builder, place, local_ns, exch_ns, _depth_row(word, symbol, data))
        elif word == GAP_WORD:
            text(data.get("reason"), "reason")  # a bad line leaves the block as it was
            self._flush(builder)
            take_gap(builder, place, local_ns, exch_ns, symbol, data)
        elif word == "trade":
            self._trade(builder, place, local_ns, exch_ns, symbol, data)
        elif word == "event" and kind != DEPTH_BBO:
            self._other(builder, place, local_ns, exch_ns, symbol, data)
        self.streams[word] += 1

    def finish(self, builder: MessagesBuilder) -> None:
        """Hand over the last block, torn or whole."""
        self._flush(builder)

    def _depth(self, builder: MessagesBuilder, place: tuple[int, int], local_ns: int, exch_ns: int, row: _Row) -> None:
        if self.batch is not None and not _continues(self.batch, row):
            self._flush(builder)
        if self.batch is None:
            self.batch = PartialBatch(row.symbol, place)
        self.batch.add(row, local_ns, exch_ns)
        loose_update = row.more is None and not _is_replacement(self.batch.ev)
        if row.more == 0 or loose_update:
            self._flush(builder)

    def _flush(self, builder: MessagesBuilder) -> None:
        block, self.batch = self.batch, None
        if block is None:
            return
        if block.more:
            self.notes[f"batches torn ({block.more} lines of one missing before line {block.place[1]} is whole)"] += 1
        cut = block.cut
        rows = (block.ev[cut:], block.px[cut:], block.qty[cut:])
        what = What.SNAPSHOT if block.whole else What.UPDATE
        ids = (NO_ID, block.last_id, NO_ID)
        builder.add(what, block.symbol, block.place, block.local_ns, block.exch_ns, ids, rows)

    def _trade(
        self,
        builder: MessagesBuilder,
        place: tuple[int, int],
        local_ns: int,
        exch_ns: int,
        symbol: str,
        data: dict[str, Any],
    ) -> None:
        price, quantity = decimal(data.get("p"), "p"), decimal(data.get("q"), "q")
        if "ev" in data:
            side = integer(data["ev"], "ev") & _SIDES
        elif isinstance(data.get("m"), bool):
            side = SELL if data["m"] else BUY
        else:
            raise BadLine("field 'm' is neither true nor false", repr(data.get("m"))[:60])
        if not price > 0 or not quantity > 0:
            self.filtered["trade without price or quantity"] += 1
            return
        ids = (NO_ID, integer(data["t"], "t") if "t" in data else NO_ID, NO_ID)
        builder.add(What.TRADE, symbol, place, local_ns, exch_ns, ids, ((TRADE | side,), (price,), (quantity,)))

    def _other(
        self,
        builder: MessagesBuilder,
        place: tuple[int, int],
        local_ns: int,
        exch_ns: int,
        symbol: str,
        data: dict[str, Any],
    ) -> None:
        ev = integer(data.get("ev"), "ev") & (KIND_MASK | _SIDES)
        price, quantity = decimal(data.get("p"), "p"), decimal(data.get("q"), "q")
        spare = data.get("f", 0)
        extra = (
            integer(data.get("id", 0), "id"),
            _signed(data.get("i", 0), "i"),
            float(spare) if isinstance(spare, int | float) else decimal(spare, "f"),
        )
        if any(extra):
            builder.extras[len(builder.ev)] = extra
        builder.add(What.OTHER, symbol, place, local_ns, exch_ns, (NO_ID,) * 3, ((ev,), (price,), (quantity,)))


def _depth_row(word: str, symbol: str, data: dict[str, Any]) -> _Row:
    more = integer(data["more"], "more") if "more" in data else None
    last_id = integer(data["u"], "u") if "u" in data else NO_ID
    price, quantity = float("nan"), 0.0
    if word == "depthClear":
        named = data.get("side")
        if named not in (None, "b", "a"):
            raise BadLine("field 'side' is neither 'b' nor 'a'", repr(named)[:60])
        side = BUY if named == "b" else SELL if named == "a" else 0
        ev = DEPTH_CLEAR | side
        if "p" in data:
            price = decimal(data["p"], "p")
    elif word == "event":
        ev = 0
        price, quantity = decimal(data.get("p"), "p"), decimal(data.get("q"), "q")
    else:
        bid_px, bid_qty = levels(data.get("b"), "b")
        ask_px, ask_qty = levels(data.get("a"), "a")
        if len(bid_px) + len(ask_px) != 1:
            raise BadLine("a depth line holds exactly one level", f"{len(bid_px)} bids, {len(ask_px)} asks")
        ev = (DEPTH if word == "depthUpdate" else DEPTH_SNAPSHOT) | (BUY if bid_px else SELL)
        price, quantity = (bid_px + ask_px)[0], (bid_qty + ask_qty)[0]
    if "ev" in data:
        ev = integer(data["ev"], "ev") & (KIND_MASK | _SIDES)
    if ev == _FULL_CLEAR:
        price = 0.0
    return _Row(symbol, ev, price, quantity, last_id, more)


def _continues(block: PartialBatch, row: _Row) -> bool:
    """Tell whether `row` belongs to the block before it."""
    if row.symbol != block.symbol:
        return False
    if row.more is not None:
        return block.more is not None and row.more == block.more - 1
    loose = block.more is None and row.ev & KIND_MASK == DEPTH_SNAPSHOT and _is_replacement(block.ev)
    return loose and (row.ev, row.px) not in block.seen


def _is_replacement(ev: list[int]) -> bool:
    """Tell whether these rows are the whole book: a full clear, or snapshot levels."""
    return any(e == _FULL_CLEAR or e & KIND_MASK == DEPTH_SNAPSHOT for e in ev)


def _signed(value: object, name: str) -> int:
    if type(value) is not int or not -(1 << 63) <= value < 1 << 63:
        raise BadLine(f"field {name!r} is no integer", repr(value)[:60])
    return value
