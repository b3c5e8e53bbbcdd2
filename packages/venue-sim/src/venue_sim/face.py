"""The face port: what an exchange's own language is to the simulator behind it.

A face is three groups of pure functions over values: `Talk` (addresses and requests of websockets), `Messages`
(messages, stream names and their recorded form) and `Rest` (paths, weights and bodies). Everything else of the
simulator speaks the values of `market` and of this module; stream names, paths and codes pass through it as opaque
texts. tests/conformance/face holds every face to the same behaviour.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple, Protocol

from venue_sim.accounts import Kind
from venue_sim.limits import POOLS, OrderPool
from venue_sim.market import DEPTH, QUOTE, TRADE, BookState, Frame, Instrument, Level, Message, Update

RequestId = int | str | None


@dataclass(frozen=True, slots=True)
class Private:
    """The account streams an address asks for: their keys, the events wanted (None: all) and the form it was written
    in, which an exchange may not take: `query`, `query_events`, `path`."""

    keys: tuple[str, ...]
    events: frozenset[str] | None
    form: str


@dataclass(frozen=True, slots=True)
class Route:
    """Where a connection came in: its category, whether frames are wrapped, and the streams its address names.
    `private` is an account's stream, `api` a connection that takes private requests. `rewrite` makes of each message what
    goes out on this connection, where its address asks for another form."""

    category: Enum
    combined: bool
    streams: tuple[str, ...]
    private: Private | None = None
    api: bool = False
    rewrite: Callable[[bytes], bytes] | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """An HTTP answer instead of a websocket."""

    status: int
    text: str


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Add these streams to the connection."""

    id: RequestId
    streams: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """Take these streams off the connection."""

    id: RequestId
    streams: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ListSubscriptions:
    """Ask for the connection's streams."""

    id: RequestId


@dataclass(frozen=True, slots=True)
class Property:
    """Read (None) or set whether frames are wrapped."""

    id: RequestId
    value: bool | None


@dataclass(frozen=True, slots=True)
class WrongRequest:
    """A request that is answered with an error."""

    answer: bytes


@dataclass(frozen=True, slots=True)
class Answered:
    """A request that is answered and changes nothing: a client's ping."""

    answer: bytes


Request = Subscribe | Unsubscribe | ListSubscriptions | Property | WrongRequest | Answered


@dataclass(frozen=True, slots=True)
class StreamName:
    """What a stream's name says: the lower-case symbol (empty: the whole market), the market's word for the kind of
    its messages, the words a fault may name it by, and how it ranks by speed (0 the fastest)."""

    symbol: str
    kind: str
    words: tuple[str, ...]
    speed: int = 0


@dataclass(frozen=True, slots=True)
class Slower:
    """A stream made by merging the updates of another within windows of `width_ms`."""

    symbol: str
    source: str
    width_ms: int


@dataclass(frozen=True, slots=True)
class Window:
    """A stream of the best `levels` a side, sent at most every `width_ms` and only when they changed; with `whole` each message has them
    all, otherwise the first one only, and with `repeat_ms` the last one comes again after so long."""

    symbol: str
    levels: int
    width_ms: int
    whole: bool = False
    repeat_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """A message of such a stream: its number, the book it shows, and the levels it names (all of them when `whole`)."""

    whole: bool
    number: int
    book: BookState
    now_ms: int
    bids: Sequence[Level]
    asks: Sequence[Level]


class Packet(NamedTuple):
    """One message of one stream as bytes in both forms. `last_id` is the id of an update or quote, otherwise 0."""

    symbol: str
    stream: str
    words: tuple[str, ...]
    wrapped: bytes
    data: bytes
    last_id: int


@dataclass(frozen=True, slots=True)
class Stencil:
    """A message with holes: `data % values` with the values of `fields` (names of the message's fields) in order.
    `values` are those it was made of."""

    stream: str
    prefix: bytes
    data: bytes
    suffix: bytes
    fields: tuple[str, ...]
    values: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class FrameLine:
    """A websocket frame of a recording: its receive time, its stream and the exact bytes of both forms."""

    recv_ns: int
    stream: str
    wrapped: bytes
    data: bytes


@dataclass(frozen=True, slots=True)
class SnapshotLine:
    """A REST depth body of a recording."""

    recv_ns: int
    state: BookState


@dataclass(frozen=True, slots=True)
class Body:
    """A REST answer's status and body."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AskPing:
    """Answered with an empty object."""

    weight: int


@dataclass(frozen=True, slots=True)
class AskTime:
    """Asks for the exchange's time."""

    weight: int


@dataclass(frozen=True, slots=True)
class AskInstruments:
    """Asks for the contracts and limits: at most `most` contracts from number `first` on, where the exchange has pages."""

    weight: int
    first: int = 0
    most: int | None = None


@dataclass(frozen=True, slots=True)
class AskDepth:
    """Asks for the best `limit` levels a side. `wrong` is the refusal when the request is not usable."""

    weight: int
    symbol: str
    limit: int
    wrong: Body | None = None


@dataclass(frozen=True, slots=True)
class AskWrong:
    """A request the exchange does not know, with its answer."""

    weight: int
    answer: Body


Ask = AskPing | AskTime | AskInstruments | AskDepth | AskWrong


class Talk(Protocol):
    """Addresses, stream names and requests of websockets."""

    @property
    def most_streams(self) -> int:
        """Streams a connection may have."""

    def parse_target(self, target: str) -> Route | Refusal:
        """Read the address a websocket client asked for."""

    def streams_target(self, streams: Sequence[str]) -> str:
        """The address, behind the host, on which those streams come with their names."""

    def delivers(self, route: Enum, stream: str) -> bool:
        """Say whether a route of that category delivers a stream."""

    def parse_request(self, text: bytes) -> Request:
        """Read what a client sent on its websocket."""

    def result_answer(self, result: object, request_id: RequestId, request: Request) -> bytes:
        """Answer a request."""

    def too_many_streams_answer(self, request_id: RequestId) -> bytes:
        """Answer a request that would exceed `most_streams`."""

    def shutdown_event(self, now_ms: int) -> bytes:
        """Make the event before a server goes away; empty where the exchange has none."""


class Messages(Protocol):
    """Messages as bytes and back."""

    def stream_of(self, symbol: str, kind: str) -> str:
        """Name the fastest stream of a symbol's updates, trades or quotes."""

    def read_stream(self, stream: str) -> StreamName:
        """Read a stream's name."""

    def slower(self, stream: str) -> Slower | None:
        """Say what a slower depth stream is made of; None for every other stream."""

    def window(self, stream: str) -> Window | None:
        """Say what a stream of the best levels shows; None for every other stream."""

    def render_shown(self, symbol: str, stream: str, shown: Shown) -> Packet:
        """Write a message of such a stream."""

    def render(self, symbol: str, message: Message, stream: str | None = None) -> Packet:
        """Write a message, for the stream of its kind unless another is named."""

    def stencil(self, symbol: str, message: Message) -> Stencil:
        """Write a message with holes for its ids and times."""

    def read_update(self, data: bytes) -> Update:
        """Read a depth update. Raises `KeyError`, `TypeError` or `ValueError` when it is none."""

    def read_message(self, kind: str, data: bytes) -> Message | None:
        """Read an update, trade or quote; None when it is none."""

    def read_ids(self, data: bytes) -> tuple[int, int, int] | None:
        """Read first, last and previous id of a depth update without its levels; None when it is none."""

    def read_quote_id(self, data: bytes) -> int:
        """Read the last id of an update or quote, 0 when it has none."""

    def read_event_ms(self, data: bytes) -> int | None:
        """Read the exchange's time of any message."""

    def read_line(self, recv_ns: int, body: bytes) -> FrameLine | SnapshotLine | None:
        """Read a recorded text; None when it is neither a stream's message nor a depth snapshot. Raises
        `ValueError` when it cannot be read at all."""


class Rest(Protocol):
    """REST paths, weights and bodies."""

    @property
    def instruments_path(self) -> str:
        """Where the contracts are asked for."""

    @property
    def time_path(self) -> str:
        """Where the exchange's time is asked for."""

    def depth_target(self, symbol: str) -> str:
        """Where a whole book is asked for."""

    def read_instruments(self, body: bytes) -> Mapping[str, Instrument]:
        """Read the contracts of `instruments_path`, by lower-case symbol. Raises `KeyError`, `TypeError` or
        `ValueError`."""

    def read_time(self, body: bytes) -> int:
        """Read the time of `time_path`, ms since the epoch. Raises as `read_instruments`."""

    @property
    def least_weight_per_minute(self) -> int:
        """The weight of one whole snapshot: no client can live with a lower limit."""

    def parse(self, method: str, path: str, query: Mapping[str, str], symbols: Iterable[str]) -> Ask:
        """Read a request; `symbols` are those that have a book."""

    def ping_body(self) -> bytes:
        """Answer a ping."""

    def time_body(self, now_ms: int) -> bytes:
        """Answer the time."""

    def depth_body(self, book: BookState, limit: int) -> bytes:
        """Answer the best `limit` levels a side."""

    def instruments_body(
        self,
        instruments: Iterable[Instrument],
        now_ms: int,
        per_minute: int,
        pools: Iterable[OrderPool] = POOLS,
        next_first: int | None = None,
    ) -> bytes:
        """Answer contracts and limits; `next_first` is where the next page begins, None behind the last one."""

    def too_many(self, status: int, now_ms: int, retry_after_s: int, per_minute: int) -> Body:
        """Refuse for weight: 429, or 418 with the end of the ban."""

    def no_book(self) -> Body:
        """Answer a depth request whose book did not become known in time."""

    def error(self, code: int, text: str, status: int) -> Body:
        """Any error of the exchange, as a fault scripts it."""

    def fault(self, status: int) -> Body | None:
        """The exchange's own body of a scripted HTTP error; None where a gateway's page comes instead."""

    def usage_headers(self, used: int) -> Mapping[str, str]:
        """Headers that tell the weight used."""


@dataclass(frozen=True, slots=True)
class Habits:
    """An exchange's limits and intervals, unless a run says other ones, and what its accounts are. `kills_are_orders`: a
    fill-or-kill order that can't be filled was an order, and expired."""

    weight_per_minute: int = 2400
    messages_per_s: int = 10
    connections_in_5_min: int = 300
    ping_interval_s: float = 180.0
    pong_timeout_s: float = 600.0
    pools: tuple[OrderPool, ...] = POOLS
    accounts: Kind = Kind.MARGIN
    kills_are_orders: bool = False


@dataclass(frozen=True, slots=True)
class Face:
    """One exchange's language, and its habits."""

    name: str
    talk: Talk
    messages: Messages
    rest: Rest
    habits: Habits = Habits()


def packet_of(face: Face, frame: Frame) -> Packet:
    """The bytes of a frame: the recorded ones where there are some."""
    if frame.raw is not None:
        stream, wrapped, data = frame.raw
        return Packet(frame.symbol, stream, face.messages.read_stream(stream).words, wrapped, data, frame.last_id)
    assert frame.value is not None, "a frame has a value or bytes"
    return face.messages.render(frame.symbol, frame.value)


def update_of(face: Face, frame: Frame) -> Update:
    """The update that a depth frame is or was recorded as."""
    if isinstance(frame.value, Update):
        return frame.value
    assert frame.raw is not None, "a frame has a value or bytes"
    return face.messages.read_update(frame.raw.data)


def message_of(face: Face, frame: Frame) -> Message | None:
    """The update, trade or quote that a frame is, when it is of the fastest stream of its kind."""
    if frame.value is not None or frame.raw is None:
        return frame.value
    if frame.kind not in (DEPTH, TRADE, QUOTE) or frame.raw.stream != face.messages.stream_of(frame.symbol, frame.kind):
        return None
    return face.messages.read_message(frame.kind, frame.raw.data)


def stream_of(face: Face, frame: Frame) -> str:
    """The name of the stream a frame belongs to."""
    return frame.raw.stream if frame.raw is not None else face.messages.stream_of(frame.symbol, frame.kind)


def streams_of(face: Face, topics: Sequence[tuple[str, str]] | frozenset[tuple[str, str]]) -> frozenset[str]:
    """The stream names of symbols and kinds."""
    return frozenset(face.messages.stream_of(symbol, kind) for symbol, kind in topics)
