"""What every venue's decoder returns, and what a feed and a connector need to know of a venue."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Protocol

from marketlink.book.rules import DepthUpdate, Rule, Snapshot
from marketlink.events import Events
from marketlink.venues.trading import OrderLimit
from marketlink.venues.trading import WeightLimit as WeightLimit


@dataclass(frozen=True, slots=True)
class OrderBounds:
    """What an instrument's orders must keep besides its steps; None where the exchange does not say."""

    min_notional: Decimal | None = None
    min_qty: Decimal | None = None
    max_qty: Decimal | None = None
    max_market_qty: Decimal | None = None
    min_price: Decimal | None = None
    max_price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Instrument:
    """One tradable symbol; sizes as the exchange states them, as number and as text."""

    symbol: str  # as the exchange's streams spell it: lower case on Binance
    tick_size: float
    lot_size: float
    tick_text: str
    lot_text: str
    trading: bool
    bounds: OrderBounds = OrderBounds()
    base: str = ""  # the asset that is bought and sold, where the exchange names it
    contract: Decimal | None = (
        None  # what one contract is worth of the currency that prices are in, where quantities are contracts
    )

    def notional(self, qty: Decimal, price: Decimal) -> Decimal:
        """What a quantity is worth at a price."""
        return qty * (price if self.contract is None else self.contract)


BASE: Final = 0
"""The window of a symbol's own depth stream: the deepest, which says what the book is."""


@dataclass(frozen=True, slots=True, eq=False)
class Depth:
    """One depth message. `window`: of which of the symbol's depth streams (see `PublicVenue.windows`)."""

    symbol: str
    update: DepthUpdate
    window: int = BASE


@dataclass(frozen=True, slots=True, eq=False)
class Book:
    """A depth stream's whole book, sent in the stream itself: it replaces whatever the stream said before."""

    symbol: str
    snapshot: Snapshot
    window: int = BASE


@dataclass(frozen=True, slots=True, eq=False)
class Ticks:
    """Trades or best quotes: event records that need no synchroniser. May be empty where the message is to be left out."""

    symbol: str
    events: Events


@dataclass(frozen=True, slots=True)
class Answer:
    """The venue's answer to a subscription request; `error` is None when it was accepted.

    `streams` are those that it names, where a venue's answers have no number.
    """

    request_id: int | str | None
    error: str | None
    streams: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Beat:
    """The venue's answer to a client's beat (`PublicVenue.beat`)."""


@dataclass(frozen=True, slots=True)
class ShuttingDown:
    """The venue says that it will close this connection soon."""


@dataclass(frozen=True, slots=True)
class NotUsed:
    """A message of a kind that is not used (`known`), or not known; counted by its kind."""

    kind: str
    known: bool


VenueMessage = Depth | Book | Ticks | Answer | Beat | ShuttingDown | NotUsed


@dataclass(frozen=True, slots=True)
class Heading:
    """What a recorder needs of a frame without decoding it: whose it is, and a depth update's ids.

    `whole`: it is a depth stream's whole book as of `last_id`. `window` is as in `Depth`.
    """

    symbol: str
    stream: str  # "depth", "trade", "bookTicker", ...
    first_id: int = 0
    last_id: int = 0
    prev_id: int | None = None
    window: int = BASE
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Get:
    """A REST request: path, query, and its weight against the venue's limit. One with a body, which is JSON, is a POST."""

    path: str
    query: Mapping[str, str]
    weight: int
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class ExchangeInfo:
    """What a venue says of itself: its instruments by symbol, its request limit, and its order limits where it states them.

    `next_page` is what `info_request` takes for the rest of the instruments; empty when these are all.
    """

    instruments: Mapping[str, Instrument]
    weight_limit: WeightLimit
    order_limits: Sequence[OrderLimit] = ()
    next_page: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A venue's error answer to a request: its own number, its words, and the end of a ban where the words name one."""

    code: int | None
    text: str
    until_ns: int | None = None  # wall clock


class PublicVenue(Protocol):
    """The public half of a venue: constants and pure functions."""

    @property
    def name(self) -> str:
        """The venue's name in messages, e.g. `binancefutures`."""

    @property
    def rule(self) -> Rule:
        """How its depth updates follow each other."""

    @property
    def max_streams(self) -> int:
        """How many streams one connection may carry."""

    @property
    def config_names(self) -> Mapping[str, str]:
        """Names that the source's configuration has for keys of ours, by those names."""

    @property
    def config_values(self) -> Mapping[str, Sequence[str]]:
        """Keys of the source's configuration that can say nothing but one of these values."""

    @property
    def max_batch(self) -> int:
        """How many streams one subscription message may name."""

    @property
    def beat(self) -> tuple[float, bytes] | None:
        """The message that keeps a connection open, and how often it is sent, s; its answers are `Beat`.

        None where the venue pings, and a connection without its pings is dead.
        """

    @property
    def snapshot_in_stream(self) -> bool:
        """Whether a depth stream begins with a whole book: subscribing anew is then how one is asked for. Else REST is."""

    @property
    def windows(self) -> Sequence[int]:
        """Further depth streams of a symbol, each by how many of the best levels a side it shows; mostly quicker ones."""

    @property
    def hold_s(self) -> Mapping[int, float]:
        """By HTTP status, for how long no request may be sent after it, where that is known and the answer does not say."""

    @property
    def max_messages_per_s(self) -> int:
        """How many messages a client may send on one connection each second."""

    @property
    def used_weight_header(self) -> str:
        """The answer header that says how much weight this address has used."""

    @property
    def weight_limit(self) -> WeightLimit:
        """The request limit as documented, to start with; `decode_info` tells the true one."""

    def normal_symbol(self, symbol: str) -> str:
        """Spell a symbol as the venue's streams do."""

    def stream_url(self, root: str) -> str:
        """The public market data websocket below a configured root."""

    def warm_up(self) -> None:
        """Load what reading frames needs, before the first of them."""

    def reduced_root(self, url: str) -> str | None:
        """The root below a URL that names a route of an older style; None when it is a root already."""

    def depth_stream(self, symbol: str, window: int = BASE) -> str:
        """The stream of a symbol's depth: one of its live and recorded streams."""

    def stream_key(self, frame: bytes) -> bytes:
        """The name of the stream that a frame came on, by a look at its first bytes; empty where that does not tell."""

    def live_streams(self, symbol: str) -> Sequence[str]:
        """The streams a connector needs."""

    def recorded_streams(self, symbol: str) -> Sequence[str]:
        """The streams a recorder takes."""

    def subscribe(self, streams: Sequence[str], request_id: int) -> bytes:
        """The message that subscribes to streams."""

    def unsubscribe(self, streams: Sequence[str], request_id: int) -> bytes:
        """The message that ends subscriptions."""

    def control(self, frame: bytes) -> Answer | Beat | ShuttingDown | None:
        """Read a frame about the connection itself; None for data and for what can't be read. Cheap for data."""

    def decode(self, frame: bytes, recv_ns: int) -> VenueMessage:
        """Decode a frame. Raises MalformedMessage."""

    def heading(self, frame: bytes) -> Heading | Answer | Beat | ShuttingDown | NotUsed:
        """Read only what a recorder needs of a frame. Raises MalformedMessage."""

    def snapshot_request(self, symbol: str) -> Get:
        """The request for a whole book."""

    def decode_snapshot(self, symbol: str, body: bytes, recv_ns: int) -> Snapshot:
        """Decode a whole book; its events are bids then asks, best first, of kind depth. Raises MalformedMessage."""

    def refusal(self, body: bytes) -> Refusal | None:
        """Read an error answer to a request; None when the body is not one."""

    def info_request(self, page: str = "") -> Get:
        """The request for the instruments and limits, or for a further page of them."""

    def decode_info(self, body: bytes) -> ExchangeInfo:
        """Decode them. Raises MalformedMessage."""
