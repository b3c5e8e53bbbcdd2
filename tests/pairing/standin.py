"""A process of the source's, written from the protocol's text (docs/link.md) and nothing else: the other side of the wire's contract.

No line of the project is used here, on purpose. It makes the services with the library's defaults (20 nodes, no event service), sends
samples of 512 bytes without trailers, never wakes anybody, sends no heartbeats, and knows only what the source knows: its bot and its
collector pass over whatever the source's pass over. Whatever it hears is decoded, encoded again and compared to the byte.

    standin.py connector NAME STREAM_URL API_URL STATUS
    standin.py bot       NAME SYMBOL TICK LOT STATUS
    standin.py collector NAME SYMBOL FOLDER STATUS
    standin.py sweep

STATUS is a JSON file, written anew several times a second. `MARKETLINK_LINK_ROOT` and `MARKETLINK_LINK_PREFIX` say where the link is.
`sweep` removes what dead processes left, as any start does, and leaves.
"""

import contextlib
import ctypes
import json
import os
import secrets
import signal
import struct
import sys
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import iceoryx2 as iox

BUFFER, BOTS, SLICE = 10_000, 200, 512
BUY, SELL, LOCAL, EXCH = 1 << 29, 1 << 28, 1 << 30, 1 << 31
DEPTH, TRADE, CLEAR, SNAPSHOT, BBO = 1, 2, 3, 4, 5
COLLECTOR_ID: Final = 0xC011EC70
WRITE_S: Final = 0.15

Message = tuple[Any, ...]
Row = tuple[int, int, int, float, float, int, int, float]
"""ev, exch_ts, local_ts, px, qty, order_id, ival, fval"""


# The encoding: bincode 2, standard configuration. Declaration indices, not numbers, stand for enums.

ORDER = (
    "f64",
    "f64",
    "f64",
    "i64",
    "i64",
    "f64",
    "i64",
    "i64",
    "u64",
    "bool",
    "enum2",
    "enum8",
    "enum8",
    "enum3",
    "enum4",
)
"""Quantity, leaves, executed, executed tick, tick, tick size, exchange and local time, id, maker, type, request, status, side, TIF."""
EVENT = ("u64", "i64", "i64", "f64", "f64", "u64", "i64", "f64")
FIELDS: dict[str, list[tuple[str, ...]]] = {
    "event": [(), (), ("str", *EVENT), ("str", *ORDER), ("str", "f64", "i64"), ("error",)],
    "request": [("str", *ORDER), ("str", "f64", "f64")],
}
BATCH_START, BATCH_END, FEED, _, _, ERROR = range(6)
REGISTER = 1


def put_unsigned(value: int) -> bytes:
    for most, mark, form in (
        (251, b"", "B"),
        (1 << 16, b"\xfb", "<H"),
        (1 << 32, b"\xfc", "<I"),
        (1 << 64, b"\xfd", "<Q"),
    ):
        if value < most:
            return mark + struct.pack(form, value)
    raise ValueError(f"{value} has no encoding")


def put_signed(value: int) -> bytes:
    return put_unsigned(2 * value if value >= 0 else -2 * value - 1)


def put(kind: str, value: Any) -> bytes:
    match kind:
        case "u64":
            return put_unsigned(value)
        case "i64":
            return put_signed(value)
        case "f64":
            return struct.pack("<d", value)
        case "bool":
            return b"\x01" if value else b"\x00"
        case "str":
            raw = value.encode()
            return put_unsigned(len(raw)) + bytes(raw)
        case "error":
            which, number, detail = value
            return put_unsigned(which) + (put_signed(number) if which == 3 else b"") + put_value(detail)
    return put_unsigned(value)  # an enum


def put_value(value: tuple[int, Any]) -> bytes:
    tag, content = value
    start = put_unsigned(tag)
    match tag:
        case 0:
            return start + put("str", content)
        case 1:
            return start + put_signed(content)
        case 2:
            return start + put("f64", content)
        case 3:
            return start + put("bool", content)
        case 4:
            return start + put_unsigned(len(content)) + b"".join(map(put_value, content))
        case 5:
            return (
                start + put_unsigned(len(content)) + b"".join(put("str", key) + put_value(one) for key, one in content)
            )
    return start


def encode(what: str, message: Message) -> bytes:
    tag, *values = message
    return put_unsigned(tag) + b"".join(map(put, FIELDS[what][tag], values))


class Reader:
    """One message; every field is taken in order and nothing may be left over."""

    def __init__(self, raw: bytes) -> None:
        self.raw, self.at = raw, 0

    def take(self, count: int) -> bytes:
        if self.at + count > len(self.raw):
            raise ValueError(f"message ends within a field: {self.raw.hex()}")
        self.at += count
        return self.raw[self.at - count : self.at]

    def unsigned(self) -> int:
        first = self.take(1)[0]
        if first < 251:
            return first
        return int.from_bytes(self.take({251: 2, 252: 4, 253: 8}[first]), "little")

    def signed(self) -> int:
        value = self.unsigned()
        return value >> 1 if not value & 1 else -(value >> 1) - 1

    def get(self, kind: str) -> Any:
        match kind:
            case "u64":
                return self.unsigned()
            case "i64":
                return self.signed()
            case "f64":
                return struct.unpack("<d", self.take(8))[0]
            case "bool":
                return bool(self.take(1)[0])
            case "str":
                return self.take(self.unsigned()).decode()
            case "error":
                which = self.unsigned()
                return which, self.signed() if which == 3 else 0, self.value()
        index = self.unsigned()
        if index > int(kind.removeprefix("enum")):
            raise ValueError(f"no such variant: {index}")
        return index

    def value(self) -> tuple[int, Any]:
        tag = self.unsigned()
        match tag:
            case 0 | 1 | 2 | 3:
                return tag, self.get(("str", "i64", "f64", "bool")[tag])
            case 4:
                return tag, [self.value() for _ in range(self.unsigned())]
            case 5:
                return tag, [(self.get("str"), self.value()) for _ in range(self.unsigned())]
            case 6:
                return tag, None
        raise ValueError(f"no such value: {tag}")


def decode(what: str, raw: bytes) -> Message:
    reader = Reader(raw)
    tag = reader.unsigned()
    message = (tag, *(reader.get(kind) for kind in FIELDS[what][tag]))
    if reader.at != len(raw):
        raise ValueError(f"{len(raw) - reader.at} bytes behind the message: {raw.hex()}")
    return message


# The transport.


class Header(ctypes.Structure):
    _fields_ = (("id", ctypes.c_uint64), ("len", ctypes.c_uint64))

    @staticmethod
    def type_name() -> str:
        return "hftbacktest::live::ipc::iceoryx::CustomHeader"


class Link:
    """One node and its ports; nothing is stated beyond what the source states."""

    def __init__(self) -> None:
        iox.set_log_level(iox.LogLevel.Error)
        config = iox.config.default()
        config.global_cfg.root_path = iox.Path.new(os.environ["MARKETLINK_LINK_ROOT"])
        config.global_cfg.prefix = iox.FileName.new(os.environ["MARKETLINK_LINK_PREFIX"])
        builder = iox.NodeBuilder.new().config(config).signal_handling_mode(iox.SignalHandlingMode.Disabled)
        self.node: Any = builder.create(iox.ServiceType.Ipc)
        self.counts = {"samples": 0, "differences": 0, "longest": 0}
        self.wrong: list[str] = []

    def service(self, name: str, publishers: int, subscribers: int) -> Any:
        builder = self.node.service_builder(iox.ServiceName.new(name)).publish_subscribe(iox.Slice[ctypes.c_uint8])
        sized = builder.user_header(Header).max_publishers(publishers).max_subscribers(subscribers)
        return sized.subscriber_max_buffer_size(BUFFER).open_or_create()

    def sender(self, name: str, publishers: int, subscribers: int) -> Any:
        self._sending = self.service(name, publishers, subscribers)
        return self._sending.publisher_builder().initial_max_slice_len(SLICE).create()

    def receiver(self, name: str, publishers: int, subscribers: int) -> Any:
        self._receiving = self.service(name, publishers, subscribers)
        return self._receiving.subscriber_builder().buffer_size(BUFFER).create()

    def heard(self, subscriber: Any, what: str) -> Iterator[tuple[int, Message]]:
        """Destination or sender, and message, of every sample there is; what can't be read, or reads otherwise, is counted."""
        while (sample := subscriber.receive()) is not None:
            number, size = struct.unpack("<QQ", ctypes.string_at(sample.user_header_ptr, 16))
            raw = ctypes.string_at(sample.payload_ptr, size)
            sample.delete()
            self.counts["samples"] += 1
            self.counts["longest"] = max(self.counts["longest"], size)
            try:
                message = decode(what, raw)
                again = encode(what, message)
            except (ValueError, KeyError, IndexError, struct.error) as error:
                self.note(str(error))
                continue
            if again != raw:
                self.note(f"{raw.hex()} is {again.hex()} when encoded again")
            yield number, message

    def note(self, words: str) -> None:
        self.counts["differences"] += 1
        if len(self.wrong) < 5:
            self.wrong.append(words)


def send(publisher: Any, number: int, what: str, message: Message) -> None:
    raw = encode(what, message)
    sample = publisher.loan_slice_uninit(SLICE)
    ctypes.memmove(sample.user_header_ptr, struct.pack("<QQ", number, len(raw)), 16)
    ctypes.memmove(sample.payload_ptr, raw, len(raw))
    sample.assume_init().send()


class Status:
    """A JSON file that is replaced whole, a few times a second."""

    def __init__(self, path: str) -> None:
        self.path, self.next_s = Path(path), 0.0

    def write(self, content: dict[str, Any], now: bool = False) -> None:
        if now or time.monotonic() >= self.next_s:
            self.next_s = time.monotonic() + WRITE_S
            other = self.path.with_suffix(".new")
            other.write_text(json.dumps({**content, "written_s": time.monotonic()}))
            other.replace(self.path)

    def due(self) -> bool:
        return time.monotonic() >= self.next_s


class Stop:
    """Whether SIGTERM or SIGINT came."""

    def __init__(self) -> None:
        self.asked = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask)

    def _ask(self, *_: object) -> None:
        self.asked = True


# The three roles.


def connector(name: str, stream_url: str, api_url: str, status_path: str) -> None:
    """Follow the exchange for whatever is registered, and publish it level by level."""
    from websockets.exceptions import ConnectionClosed
    from websockets.sync.client import connect

    link, status, stop = Link(), Status(status_path), Stop()
    to_bot, from_bot = link.sender(f"{name}/ToBot", 1, BOTS), link.receiver(f"{name}/FromBot", BOTS, 1)
    markets: dict[str, Market] = {}
    registrations: list[tuple[int, str, float, float]] = []
    with connect(f"{stream_url}/ws", max_size=None) as socket:
        while not stop.asked:
            for bot, message in link.heard(from_bot, "request"):
                if message[0] != REGISTER:
                    continue
                _, symbol, tick, lot = message
                registrations.append((bot, symbol, tick, lot))
                send(to_bot, bot, "event", (BATCH_START,))
                if symbol in markets:
                    for row in markets[symbol].rows():
                        send(to_bot, bot, "event", (FEED, symbol, *row))
                send(to_bot, bot, "event", (BATCH_END,))
                if symbol not in markets:  # the first that asks says what a tick is, as in the source
                    markets[symbol] = Market(symbol, tick, lot, api_url)
                    params = [f"{symbol}@trade", f"{symbol}@depth@0ms"]
                    socket.send(json.dumps({"method": "SUBSCRIBE", "params": params, "id": len(markets)}))
            try:
                frame = json.loads(socket.recv(timeout=0.002))
            except TimeoutError:
                frame = {}
            except ConnectionClosed as error:
                sys.exit(f"standin: the exchange left: {error}")
            data = frame.get("data", frame)
            if data.get("e") == "trade" and data["X"] == "MARKET":
                at_ns, side = data["T"] * 1_000_000, SELL if data["m"] else BUY
                row = (LOCAL | TRADE | side, at_ns, time.time_ns(), float(data["p"]), float(data["q"]), 0, 0, 0.0)
                send(to_bot, 0, "event", (FEED, data["s"].lower(), *row))
            elif data.get("e") == "depthUpdate":
                symbol = data["s"].lower()
                for rows in markets[symbol].on_update(data):
                    send(to_bot, 0, "event", (BATCH_START,))
                    for row in rows:
                        send(to_bot, 0, "event", (FEED, symbol, *row))
                    send(to_bot, 0, "event", (BATCH_END,))
            if status.due():
                status.write({**link.counts, "wrong": link.wrong, "registrations": registrations[-50:]})
    status.write({**link.counts, "wrong": link.wrong, "registrations": registrations[-50:]}, now=True)


class Market:
    """One symbol's book at the connector. Prices are kept as ticks of the size that the first registration stated."""

    def __init__(self, symbol: str, tick: float, lot: float, api_url: str) -> None:
        self.symbol, self.tick, self.lot, self.api_url = symbol, tick, lot, api_url
        self.sides: dict[int, dict[int, tuple[float, int]]] = {BUY: {}, SELL: {}}
        self.last_id: int | None = None
        self.joined = False
        self.held: list[dict[str, Any]] = []

    def rows(self) -> Iterator[Row]:
        """The book as the source answers with it: bids from the best down, asks from the best up, kind 4, no local time."""
        for side in (BUY, SELL):
            for tick, (qty, at_ns) in sorted(self.sides[side].items(), reverse=side == BUY):
                yield EXCH | LOCAL | SNAPSHOT | side, at_ns, 0, tick * self.tick, qty, 0, 0, 0.0

    def on_update(self, data: dict[str, Any]) -> Iterator[list[Row]]:
        if self.last_id is None:
            self.held.append(data)
            yield from self._begin()
        elif data["u"] < self.last_id and not self.joined:
            return
        elif data["pu"] == self.last_id or (not self.joined and data["U"] <= self.last_id <= data["u"]):
            self.joined, self.last_id = True, data["u"]
            yield list(self._levels(data["T"], data["b"], data["a"]))
        else:
            self.last_id, self.joined, self.held = None, False, [data]
            yield from self._begin()

    def _begin(self) -> Iterator[list[Row]]:
        url = f"{self.api_url}/fapi/v1/depth?symbol={self.symbol.upper()}&limit=1000"
        with urllib.request.urlopen(url, timeout=10) as answer:
            body = json.load(answer)
        if self.held[0]["U"] > body["lastUpdateId"] + 1:
            return  # older than what is held: asked for again with the next update
        held, self.held = self.held, []
        self.sides = {BUY: {}, SELL: {}}
        self.last_id, self.joined = body["lastUpdateId"], False
        yield [(LOCAL | CLEAR, body["T"] * 1_000_000, time.time_ns(), 0.0, 0.0, 0, 0, 0.0)]
        yield list(self._levels(body["T"], body["bids"], body["asks"]))
        for data in held:
            yield from self.on_update(data)

    def _levels(self, at_ms: int, bids: list[list[str]], asks: list[list[str]]) -> Iterator[Row]:
        at_ns = at_ms * 1_000_000
        for side, levels in ((BUY, bids), (SELL, asks)):
            for price, qty in levels:
                tick = round(float(price) / self.tick) if self.tick else 0  # no size: every price falls together
                if self.lot and round(float(qty) / self.lot):
                    self.sides[side][tick] = float(qty), at_ns
                elif self.sides[side].pop(tick, None) is None:
                    continue
                yield LOCAL | DEPTH | side, at_ns, time.time_ns(), float(price), float(qty), 0, 0, 0.0


def is_level(row: Message) -> bool:
    """Whether the source's bot takes it as a level: local, kind DEPTH and no other, with a side."""
    return bool(row[0] & LOCAL) and row[0] & 0xFF == DEPTH and bool(row[0] & (BUY | SELL))


def bot(name: str, symbol: str, tick: str, lot: str, status_path: str) -> None:
    """Follow one book as the source's bot does: registered once, levels and trades taken, every other kind passed over."""
    link, status, stop, me = Link(), Status(status_path), Stop(), secrets.randbits(63) + 1
    to_bot, from_bot = link.receiver(f"{name}/ToBot", 1, BOTS), link.sender(f"{name}/FromBot", BOTS, 1)
    tick_size, lot_size = float(tick), float(lot)
    sides: dict[int, dict[int, float]] = {BUY: {}, SELL: {}}
    trades, latest_ns = 0, 0
    send(from_bot, me, "request", (REGISTER, symbol, tick_size, lot_size))
    while not stop.asked:
        for to, message in link.heard(to_bot, "event"):
            if to not in (0, me) or message[0] != FEED or message[1] != symbol:
                continue
            row = message[2:]
            latest_ns = max(latest_ns, row[1])
            if is_level(row):
                levels, price_tick = sides[row[0] & BUY or SELL], round(row[3] / tick_size)
                if round(row[4] / lot_size):
                    levels[price_tick] = row[4]
                else:
                    levels.pop(price_tick, None)
            trades += row[0] & LOCAL != 0 and row[0] & 0xFF == TRADE
        if status.due():
            bids, asks = ([[at * tick_size, qty] for at, qty in levels.items()] for levels in sides.values())
            counts = {**link.counts, "wrong": link.wrong, "trades": trades}
            status.write({**counts, "bids": bids, "asks": asks, "confidence": ""})
        time.sleep(0.002)


def collector(name: str, symbol: str, folder: str, status_path: str) -> None:
    """Record as the source's collector does: registered once with sizes of its own, one level a line."""
    link, status, stop = Link(), Status(status_path), Stop()
    from_bot, to_bot = link.sender(f"{name}/FromBot", BOTS, 1), link.receiver(f"{name}/ToBot", 1, BOTS)
    send(from_bot, COLLECTOR_ID, "request", (REGISTER, symbol, 0.01, 0.001))
    path = Path(folder) / f"{symbol}_{datetime.now(UTC):%Y%m%d}.jsonl"
    while not stop.asked:
        time.sleep(0.1)
        lines: list[str] = []
        for to, message in link.heard(to_bot, "event"):
            if to in (0, COLLECTOR_ID) and message[0] == FEED:
                lines += line_of(message[1], message[2:])
        if lines:
            with path.open("a") as file:
                file.writelines(f"{time.time_ns()} {line}\n" for line in lines)
        status.write({**link.counts, "wrong": link.wrong})


def line_of(symbol: str, row: Message) -> list[str]:
    kind, at_ms, buys = row[0] & 0xFF, row[1] // 1_000_000, bool(row[0] & BUY)
    words = {"E": at_ms, "s": symbol.upper()}
    price, qty = (f"{value:.10f}".rstrip("0").rstrip(".") for value in row[3:5])
    if kind in (DEPTH, SNAPSHOT):
        level = [[price, qty]]
        event = "depthUpdate" if kind == DEPTH else "depthSnapshot"
        return [json.dumps({"e": event, **words, "b": level if buys else [], "a": [] if buys else level})]
    if kind == TRADE:
        return [json.dumps({"e": "trade", **words, "p": price, "q": qty, "m": not buys})]
    return []


def sweep() -> None:
    """Remove what dead processes left behind, as every start of any process does."""
    Link().node.try_cleanup_dead_nodes()


if __name__ == "__main__":
    role, *arguments = sys.argv[1:]
    with contextlib.suppress(KeyboardInterrupt):
        {"connector": connector, "bot": bot, "collector": collector, "sweep": sweep}[role](*arguments)
