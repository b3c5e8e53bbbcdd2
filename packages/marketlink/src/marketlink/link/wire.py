"""The bytes of the link: bincode 2 `standard()` messages, exactly the source's (docs/link.md).

Little endian. Unsigned integers are varints (below 251 one byte, then a marker 251, 252, 253 and 2, 4, 8 bytes), signed
integers zigzag first; u8 and bool one byte; f64 eight; strings, lists and maps a varint length and their content; an enum
the varint of its declaration index.
A feed of many levels goes through `link.block`, which does the same for whole arrays.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NoReturn, TypeVar

from marketlink.errors import WireError
from marketlink.events import Events, empty_events
from marketlink.messages import (
    ErrorEvent,
    ErrorKind,
    FeedEvent,
    LiveError,
    LiveEvent,
    LiveRequest,
    OrderEvent,
    PositionEvent,
    Progress,
    RegisterInstrument,
    SubmitOrder,
    Value,
)
from marketlink.orders import Order, OrderType, Side, Status, TimeInForce

BATCH_START: Final = 0
BATCH_END: Final = 1
FEED: Final = 2
ORDER: Final = 3
POSITION: Final = 4
ERROR: Final = 5

PROGRESS: Final = 64
"""A request of this project's own, far from the numbers that the source may come to use."""

MAX_DEPTH: Final = 32
"""How deep a Value may nest: a peer's malformed bytes must not exhaust the stack."""

_DOUBLE = struct.Struct("<d")
_U16, _U32, _U64 = struct.Struct("<H"), struct.Struct("<I"), struct.Struct("<Q")
_U64_MAX = (1 << 64) - 1

EnumT = TypeVar("EnumT", bound=IntEnum)


def put_unsigned(value: int) -> bytes:
    """Encode an unsigned integer of up to 64 bits."""
    if value < 251:
        if value < 0:
            raise ValueError(f"{value} is negative")
        return bytes((value,))
    if value < 1 << 16:
        return b"\xfb" + _U16.pack(value)
    if value < 1 << 32:
        return b"\xfc" + _U32.pack(value)
    if value <= _U64_MAX:
        return b"\xfd" + _U64.pack(value)
    raise ValueError(f"{value} needs more than 64 bits")


def put_signed(value: int) -> bytes:
    """Encode a signed integer of 64 bits: zigzag, then as unsigned."""
    return put_unsigned((value << 1) ^ (value >> 63) if -(1 << 63) <= value < 1 << 63 else _too_wide(value))


def _too_wide(value: int) -> NoReturn:
    raise ValueError(f"{value} needs more than 64 bits")


def put_text(text: str) -> bytes:
    """Encode a string."""
    raw = text.encode()
    return put_unsigned(len(raw)) + raw


def _put_enum(member: IntEnum) -> bytes:
    return put_unsigned(list(type(member)).index(member))


def _put_value(value: Value) -> bytes:
    match value:
        case None:
            return b"\x06"
        case str():
            return b"\x00" + put_text(value)
        case bool():
            return b"\x03" + bytes((value,))
        case int():
            return b"\x01" + put_signed(value)
        case float():
            return b"\x02" + _DOUBLE.pack(value)
        case list():
            return b"\x04" + put_unsigned(len(value)) + b"".join(_put_value(item) for item in value)
        case dict():
            items = (put_text(key) + _put_value(item) for key, item in value.items())
            return b"\x05" + put_unsigned(len(value)) + b"".join(items)


def _put_order(order: Order) -> bytes:
    return b"".join(
        (
            struct.pack("<ddd", order.qty, order.leaves_qty, order.exec_qty),
            put_signed(order.exec_price_tick),
            put_signed(order.price_tick),
            _DOUBLE.pack(order.tick_size),
            put_signed(order.exch_timestamp),
            put_signed(order.local_timestamp),
            put_unsigned(order.order_id),
            bytes((order.maker,)),
            *map(_put_enum, (order.order_type, order.req, order.status, order.side, order.time_in_force)),
        )
    )


def _put_row(
    ev: int, exch_ts: int, local_ts: int, px: float, qty: float, order_id: int, ival: int, fval: float
) -> bytes:
    return b"".join(
        (
            put_unsigned(ev),
            put_signed(exch_ts),
            put_signed(local_ts),
            struct.pack("<dd", px, qty),
            put_unsigned(order_id),
            put_signed(ival),
            _DOUBLE.pack(fval),
        )
    )


def encode_event(event: LiveEvent) -> list[bytes]:
    """Encode a live event into its messages: one, or for a feed one a record."""
    match event:
        case FeedEvent(symbol, events):
            head = b"\x02" + put_text(symbol)
            return [head + _put_row(*row) for row in events.tolist()]
        case OrderEvent(symbol, order):
            return [b"\x03" + put_text(symbol) + _put_order(order)]
        case PositionEvent(symbol, qty, exch_ts):
            return [b"\x04" + put_text(symbol) + _DOUBLE.pack(qty) + put_signed(exch_ts)]
        case ErrorEvent(LiveError(kind, value, number)):
            custom = put_signed(number) if kind is ErrorKind.CUSTOM else b""
            return [b"\x05" + _put_enum(kind) + custom + _put_value(value)]


def encode_request(request: LiveRequest) -> bytes:
    """Encode a bot's request."""
    match request:
        case SubmitOrder(symbol, order):
            return b"\x00" + put_text(symbol) + _put_order(order)
        case RegisterInstrument(symbol, tick_size, lot_size):
            return b"\x01" + put_text(symbol) + struct.pack("<dd", tick_size, lot_size)
        case Progress(session, seq):
            return bytes((PROGRESS,)) + put_unsigned(session) + put_unsigned(seq)


@dataclass(frozen=True, slots=True)
class Mark:
    """BatchStart or BatchEnd."""

    end: bool


class _Reader:
    """Reads values from the front of a message; every shortage or odd value is a WireError that says where."""

    __slots__ = ("at", "raw")

    def __init__(self, raw: bytes) -> None:
        self.raw, self.at = raw, 0

    def fail(self, what: str) -> NoReturn:
        raise WireError(what, self.at, self.raw)

    def take(self, count: int) -> bytes:
        end = self.at + count
        if end > len(self.raw):
            self.fail(f"{count} bytes wanted, {len(self.raw) - self.at} left")
        piece = self.raw[self.at : end]
        self.at = end
        return piece

    def byte(self) -> int:
        return self.take(1)[0]

    def unsigned(self) -> int:
        first = self.byte()
        if first < 251:
            return first
        if first == 251:
            return int(_U16.unpack(self.take(2))[0])
        if first == 252:
            return int(_U32.unpack(self.take(4))[0])
        if first == 253:
            return int(_U64.unpack(self.take(8))[0])
        self.fail(f"integer marker {first}")

    def signed(self) -> int:
        value = self.unsigned()
        return (value >> 1) ^ -(value & 1)

    def double(self) -> float:
        return float(_DOUBLE.unpack(self.take(8))[0])

    def boolean(self) -> bool:
        value = self.byte()
        if value > 1:
            self.fail(f"boolean {value}")
        return value == 1

    def text(self) -> str:
        raw = self.take(self.unsigned())
        try:
            return raw.decode()
        except UnicodeDecodeError:
            self.fail("text that is not UTF-8")

    def enum(self, kind: type[EnumT]) -> EnumT:
        index = self.unsigned()
        members = list(kind)
        if index >= len(members):
            self.fail(f"{kind.__name__} number {index}")
        return members[index]

    def value(self, depth: int = 0) -> Value:
        if depth > MAX_DEPTH:
            self.fail("a value nested too deep")
        tag = self.unsigned()
        match tag:
            case 0:
                return self.text()
            case 1:
                return self.signed()
            case 2:
                return self.double()
            case 3:
                return self.boolean()
            case 4:
                return [self.value(depth + 1) for _ in range(self.count())]
            case 5:
                return {self.text(): self.value(depth + 1) for _ in range(self.count())}
            case 6:
                return None
        self.fail(f"value tag {tag}")

    def count(self) -> int:
        """A length: no more items than bytes are left, so that a bad length can't make us allocate."""
        count = self.unsigned()
        if count > len(self.raw) - self.at:
            self.fail(f"{count} items in {len(self.raw) - self.at} bytes")
        return count

    def order(self) -> Order:
        return Order(
            qty=self.double(),
            leaves_qty=self.double(),
            exec_qty=self.double(),
            exec_price_tick=self.signed(),
            price_tick=self.signed(),
            tick_size=self.double(),
            exch_timestamp=self.signed(),
            local_timestamp=self.signed(),
            order_id=self.unsigned(),
            maker=self.boolean(),
            order_type=self.enum(OrderType),
            req=self.enum(Status),
            status=self.enum(Status),
            side=self.enum(Side),
            time_in_force=self.enum(TimeInForce),
        )

    def row(self, events: Events) -> None:
        events[0] = (
            self.unsigned(),
            self.signed(),
            self.signed(),
            self.double(),
            self.double(),
            self.unsigned(),
            self.signed(),
            self.double(),
        )


def decode_event(raw: bytes) -> LiveEvent | Mark:
    """Decode one message to a bot. Raises WireError. Bytes behind the message are ignored, as the source ignores them."""
    reader = _Reader(raw)
    tag = reader.unsigned()
    match tag:
        case 0 | 1:
            return Mark(end=tag == BATCH_END)
        case 2:
            symbol, events = reader.text(), empty_events(1)
            reader.row(events)
            return FeedEvent(symbol, events)
        case 3:
            return OrderEvent(reader.text(), reader.order())
        case 4:
            return PositionEvent(reader.text(), reader.double(), reader.signed())
        case 5:
            kind = reader.enum(ErrorKind)
            number = reader.signed() if kind is ErrorKind.CUSTOM else 0
            return ErrorEvent(LiveError(kind, reader.value(), number))
    reader.fail(f"event number {tag}")


def decode_request(raw: bytes) -> LiveRequest:
    """Decode one message to the connector. Raises WireError."""
    reader = _Reader(raw)
    tag = reader.unsigned()
    match tag:
        case 0:
            return SubmitOrder(reader.text(), reader.order())
        case 1:
            return RegisterInstrument(reader.text(), reader.double(), reader.double())
        case 64:
            return Progress(reader.unsigned(), reader.unsigned())
    reader.fail(f"request number {tag}")
