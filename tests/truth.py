"""The naive truth about a recording, by the exchange's own rule and nothing clever: what everything else is measured against."""

import gzip
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import orjson
from sortedcontainers import SortedDict

Levels = dict[float, tuple[str, str]]
"""Price to price and quantity as on the wire, sorted by price."""


@dataclass
class Top:
    """The best quotes right after a depth update: its line and last id, then price and quantity of bid and ask (NaN when none)."""

    line: int
    last_id: int
    bid: float
    bid_qty: float
    ask: float
    ask_qty: float


@dataclass
class Truth:
    """The book of one symbol along a recording, from its first snapshot on."""

    symbol: str
    frames: list[bytes] = field(default_factory=list)  # every websocket frame of the file, in order
    tops: dict[int, Top] = field(default_factory=dict)  # by last id
    bids: Levels = field(default_factory=SortedDict)
    asks: Levels = field(default_factory=SortedDict)
    last_id: int = 0
    wanted: dict[int, tuple[Levels, Levels]] = field(default_factory=dict)  # whole books, of the ids asked for

    def best(self) -> tuple[float, float, float, float]:
        """Best bid and ask with their quantities."""
        numbers: list[float] = []
        for side, place in ((self.bids, -1), (self.asks, 0)):
            price, (_, qty) = side.peekitem(place) if side else (float("nan"), ("", "nan"))  # type: ignore[attr-defined]
            numbers += [price, float(qty)]
        return numbers[0], numbers[1], numbers[2], numbers[3]

    def sha256(self) -> str:
        """The digest of the whole book: lines `b price qty` from the best down, then `a price qty` from the best up."""
        lines = [f"b {price} {qty}" for price, qty in reversed(self.bids.values())]
        lines += [f"a {price} {qty}" for price, qty in self.asks.values()]
        return hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()


def recorded_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Stamp and JSON of every line."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rb") as file:
        for line in file:
            stamp, _, payload = line.rstrip(b"\n").partition(b" ")
            yield int(stamp), payload


def symbols_of(path: Path) -> list[str]:
    """The symbols whose combined frames are in a recording, in order of appearance."""
    seen: dict[str, None] = {}
    for _, payload in recorded_lines(path):
        if payload.startswith(b'{"stream":"'):
            seen[payload[11 : payload.index(b"@", 11)].decode()] = None
    return list(seen)


def read_truth(path: Path, symbol: str, wanted: frozenset[int] = frozenset()) -> Truth:
    """Follow a Binance recording by the rule. Futures: drop u < L, join on U <= L <= u or pu == L, then each pu is the u before.

    Spot, whose updates name no pu: drop u <= L, join on U <= L + 1 <= u, then each U is the u before plus one.
    """
    truth = Truth(symbol)
    held: list[tuple[int, dict[str, object]]] = []
    synced = joined = False

    def apply(line: int, data: dict[str, object]) -> None:
        for side, levels in ((data["b"], truth.bids), (data["a"], truth.asks)):
            for price, qty in side:  # type: ignore[attr-defined]
                if float(qty):
                    levels[float(price)] = (price, qty)
                else:
                    levels.pop(float(price), None)
        truth.last_id = int(data["u"])  # type: ignore[call-overload]
        truth.tops[truth.last_id] = Top(line, truth.last_id, *truth.best())
        if truth.last_id in wanted:
            truth.wanted[truth.last_id] = (dict(truth.bids), dict(truth.asks))

    def take(line: int, data: dict[str, object]) -> None:
        nonlocal synced, joined
        first, last, spot = int(data["U"]), int(data["u"]), "pu" not in data  # type: ignore[call-overload]
        prev = first - 1 if spot else int(data["pu"])  # type: ignore[call-overload]
        if not joined and last < truth.last_id + spot:
            return
        follows = prev == truth.last_id or (not joined and first <= truth.last_id <= last)
        if not follows:
            synced = joined = False
            held.clear()
            held.append((line, data))
            return
        joined = True
        apply(line, data)

    for line, (_, payload) in enumerate(recorded_lines(path), 1):
        message = orjson.loads(payload)
        if "stream" not in message:
            if "lastUpdateId" in message and not synced:
                for levels, side in ((truth.bids, "bids"), (truth.asks, "asks")):
                    levels.clear()
                    levels.update({float(price): (price, qty) for price, qty in message[side]})
                truth.last_id, synced, joined = message["lastUpdateId"], True, False
                waiting, held = held, []
                for number, data in waiting:
                    take(number, data)
            continue
        truth.frames.append(payload)
        if message["stream"] not in (f"{symbol}@depth@0ms", f"{symbol}@depth@100ms"):
            continue
        if synced:
            take(line, message["data"])
        else:
            held.append((line, message["data"]))
    return truth
